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
	var keys []digest
	bytes := 0
	flush := func() error {
		err := r.update(func(tx cellfs.Tx) error {
			for i, e := range page {
				if err := tx.AddEntity(e); err != nil {
					return fmt.Errorf("%s %q: %w", e.Set, brief(e.Key), err)
				}
				r.objects[keys[i]] = e.ID
			}
			return nil
		})
		clear(page)
		page, keys, bytes = page[:0], keys[:0], 0
		return err
	}
	err := r.src.control(func(set string, l controlLine, where string) error {
		e, k, err := r.object(set, &l)
		if err != nil {
			return damaged(where, "%v", err)
		}
		if err := r.countControl(e); err != nil {
			return err
		}
		r.objects[k] = 0 // until it is made
		page, keys = append(page, e), append(keys, k)
		if bytes += len(e.Doc) + len(e.Hidden) + len(e.Key); len(page) < controlPage && bytes < pageBytes {
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
func (r *restorer) object(set string, l *controlLine) (*cellfs.Entity, digest, error) {
	e := &cellfs.Entity{Cell: -r.o.Job, Set: set, Key: l.Key, Doc: l.Doc, Hidden: l.Hidden,
		Created: fromMicros(l.Created), Updated: time.UnixMicro(l.Updated).UTC()}
	k := objectKey(set, l.Box, l.Key)
	if l.Box != "" {
		box := r.places.child(r.places.root(), l.Box)
		if box == nil || l.Box == cellfs.MainBox {
			return nil, k, fmt.Errorf("there is no box %q", l.Box)
		}
		e.Box = box.id
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
			id, ok := r.objects[objectKey(e.Set, e.Box, e.Key)]
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
