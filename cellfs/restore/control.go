package restore

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"cellar/cellfs"
)

// controlPage is how many control objects are made at once.
const controlPage = 500

// control makes the control objects.
func (r *restorer) control() error {
	var page []*cellfs.Entity
	var keys []entityKey
	flush := func() error {
		err := r.update(func(tx cellfs.Tx) error {
			for i, e := range page {
				if err := tx.AddEntity(e); err != nil {
					return fmt.Errorf("%v: %w", keys[i], err)
				}
				r.objects[keys[i]] = e.ID
			}
			return nil
		})
		page, keys = page[:0], keys[:0]
		return err
	}
	err := r.src.control(func(set string, l controlLine, where string) error {
		e, k, err := r.object(set, &l)
		if err != nil {
			return damaged(where, "%v", err)
		}
		r.objects[k] = 0 // until it is made
		page, keys = append(page, e), append(keys, k)
		if len(page) < controlPage {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// object checks a control object.
func (r *restorer) object(set string, l *controlLine) (*cellfs.Entity, entityKey, error) {
	e := &cellfs.Entity{Cell: -r.o.Job, Set: set, Key: l.Key, Doc: l.Doc, Hidden: l.Hidden,
		Created: fromMicros(l.Created), Updated: time.UnixMicro(l.Updated).UTC()}
	k := entityKey{set, l.Box, l.Key}
	if l.Box != "" {
		box := r.boxes[l.Box]
		if box == nil || l.Box == cellfs.MainBox {
			return nil, k, fmt.Errorf("there is no box %q", l.Box)
		}
		e.Box = box.ID
	}
	if err := checkNumbers(0, l.Created, l.Updated, nil); err != nil {
		return nil, k, err
	}
	if strings.ContainsFunc(l.Key, unicode.IsControl) {
		return nil, k, fmt.Errorf("the key %q holds a control character", l.Key)
	}
	isObject := func(doc json.RawMessage) bool { return len(doc) > 0 && doc[0] == '{' }
	if _, there := r.objects[k]; there || l.Key == "" || !isObject(l.Doc) || l.Hidden != nil && !isObject(l.Hidden) {
		return nil, k, fmt.Errorf("%q is there twice, or incomplete", l.Key)
	}
	return e, k, nil
}

// links makes the links between control objects.
func (r *restorer) links() error {
	page := linkPage{r: r}
	err := r.src.links(func(l linkLine, where string) error {
		var ends [2]cellfs.End
		for i, e := range []controlEnd{l.From, l.To} {
			id, ok := r.objects[entityKey{e.Set, e.Box, e.Key}]
			if !ok {
				return damaged(where, "there is no %s %q", e.Set, e.Key)
			}
			ends[i] = cellfs.End{Set: e.Set, Key: strconv.FormatInt(id, 10)}
		}
		return page.add(cellfs.Link{Cell: -r.o.Job, From: ends[0], To: ends[1]}, where)
	})
	if err != nil {
		return err
	}
	return page.flush()
}
