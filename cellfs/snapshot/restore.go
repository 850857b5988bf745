package snapshot

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"
	"unicode"

	"cellar/cellfs"
)

// RestoreOptions qualify [Archive.Restore].
type RestoreOptions struct {
	Cell cellfs.Cell // that is to show it
	Job  int64
	// Trusted: the snapshot is one of this store, so that contents it names need not
	// be read.
	Trusted bool
	// CheckSchema says what is wrong with the $metadata document of an OData
	// collection. Required.
	CheckSchema func(text []byte) error
	// DocumentName is the name of the document with an __id. Required.
	DocumentName func(id string) string
	// Progress is called as files are done. nil: not.
	Progress func(done, total int64)
}

// Restored is a snapshot whose tree stands aside.
type Restored struct {
	root    int64
	version int64
	schemas map[int64]string
}

// Show makes it the tree of the cell, in the transaction of the caller.
func (r *Restored) Show(tx cellfs.Tx, now time.Time) error {
	return tx.ShowAside(r.root, r.schemas, r.version, now)
}

// DropLeft gives up what an earlier run of the job left aside.
func DropLeft(tx cellfs.Tx, job int64) error {
	all, err := tx.Asides()
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.Job == job {
			if err := tx.DropAside(a.Root); err != nil {
				return err
			}
		}
	}
	return nil
}

// Restore builds the tree of the snapshot aside, with everything checked: every
// line, what it refers to, sizes and checksums. The cell stays as it is until
// [Restored.Show]. The caller holds the contents ([cellfs.FS.Hold]) until then. It
// returns an [*Error] for a fault of the snapshot, and [cellfs.ErrQuota].
func (a *Archive) Restore(ctx context.Context, f *cellfs.FS, o RestoreOptions) (*Restored, error) {
	r := &restorer{Restored: Restored{schemas: map[int64]string{}}, a: a, ctx: ctx, f: f, o: o,
		collections: map[string]*place{}, roles: map[entityKey]int64{}, boxes: map[string]*cellfs.Node{}}
	steps := []func() error{r.begin, r.control, r.nodes, r.complete}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return &r.Restored, nil
}

type restorer struct {
	Restored
	a   *Archive
	ctx context.Context
	f   *cellfs.FS
	o   RestoreOptions

	boxes       map[string]*cellfs.Node // by name, the main box included
	boxSchemas  map[string]string
	roles       map[entityKey]int64 // ids of all control objects
	collections map[string]*place   // by path
	flight      chan error          // the page that is being made; nil for none

	files, bytes int64 // as the manifest counts them
	stored       int64 // bytes, with those of user data
	seen         int64 // entries below 30_contents and 40_odata that were used
}

// place is a collection that nodes can be put into.
type place struct {
	id    int64
	kind  cellfs.Kind
	depth int
}

type entityKey struct{ set, box, key string }

// update runs fn in a transaction that is none of the cell: what it makes stands
// aside.
func (r *restorer) update(fn func(cellfs.Tx) error) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	return r.f.Update(r.ctx, fn)
}

// eachLine calls yield for every line of a file of the snapshot.
func (r *restorer) eachLine(f *zip.File, yield func(line []byte, number int) error) error {
	in, err := openEntry(f)
	if err != nil {
		return err
	}
	defer in.Close()
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 64<<10), maxLine)
	n := 0
	for s.Scan() {
		if n++; len(s.Bytes()) == 0 {
			return damaged(f.Name, "line %d is empty", n)
		}
		if err := yield(s.Bytes(), n); err != nil {
			return err
		}
	}
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return damaged(f.Name, "line %d has more than %d bytes", n+1, maxLine)
	} else if err != nil {
		return entryError(f.Name, err)
	}
	return nil
}

// strict decodes a line without unknown fields and with nothing after it.
func strict(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}

// lines reads all lines of a control file.
func lines[T any](r *restorer, name string, yield func(T, string) error) error {
	f := r.a.files[controlName(name)]
	return r.eachLine(f, func(line []byte, n int) error {
		where := fmt.Sprintf("%s, line %d", f.Name, n)
		var v T
		if err := strict(line, &v); err != nil {
			return damaged(where, "%v", err)
		}
		return yield(v, where)
	})
}

// begin makes the root and the boxes, without what qualifies them: control objects
// refer to boxes, and ACLs to roles.
func (r *restorer) begin() error {
	r.boxSchemas = map[string]string{cellfs.MainBox: ""}
	names := []string{cellfs.MainBox}
	type line struct{ Name, Schema string }
	err := lines(r, "boxes", func(l line, where string) error {
		if err := cellfs.CheckBoxName(l.Name); err != nil {
			return damaged(where, "%v", err)
		}
		if _, ok := r.boxSchemas[l.Name]; ok {
			return damaged(where, "box %q is there twice", l.Name)
		}
		r.boxSchemas[l.Name] = l.Schema
		names = append(names, l.Name)
		return nil
	})
	if err != nil {
		return err
	}
	schemas := map[string]bool{}
	for name, s := range r.boxSchemas {
		if s != "" && schemas[s] {
			return damaged(controlName("boxes"), "box %q has the schema of another", name)
		}
		schemas[s] = true
	}
	now := r.f.Now()
	return r.update(func(tx cellfs.Tx) error {
		if err := DropLeft(tx, r.o.Job); err != nil {
			return err
		}
		root := cellfs.Node{Cell: r.o.Cell.ID, Kind: cellfs.KindCell, Created: now, Modified: now}
		if err := tx.AddAside(r.o.Job, &root); err != nil {
			return err
		}
		r.root = root.ID
		var boxes []*cellfs.Node
		for _, name := range names {
			n := &cellfs.Node{Cell: r.o.Cell.ID, Parent: root.ID, Name: name, Kind: cellfs.KindBox, Created: now, Modified: now}
			r.boxes[name] = n
			boxes = append(boxes, n)
		}
		if err := tx.AddAsideNodes(root.ID, boxes); err != nil {
			return err
		}
		for name, n := range r.boxes {
			if s := r.boxSchemas[name]; s != "" {
				r.schemas[n.ID] = s
			}
		}
		return nil
	})
}

// controlPage is how many control objects are made at once.
const controlPage = 500

// control makes the control objects and the links between them.
func (r *restorer) control() error {
	type line struct {
		Key     string          `json:"key"`
		Box     string          `json:"box"`
		Doc     json.RawMessage `json:"doc"`
		Created int64           `json:"created"`
		Updated int64           `json:"updated"`
	}
	var page []*cellfs.Entity
	var keys []entityKey
	flush := func() error {
		err := r.update(func(tx cellfs.Tx) error {
			for i, e := range page {
				if err := tx.AddEntity(e); err != nil {
					return fmt.Errorf("%v: %w", keys[i], err)
				}
				r.roles[keys[i]] = e.ID
			}
			return nil
		})
		page, keys = page[:0], keys[:0]
		return err
	}
	for _, c := range controlFiles {
		if c.set == "" {
			continue
		}
		err := lines(r, c.name, func(l line, where string) error {
			e := &cellfs.Entity{Cell: -r.o.Job, Set: c.set, Key: l.Key, Doc: l.Doc, Created: time.UnixMicro(l.Created).UTC(), Updated: time.UnixMicro(l.Updated).UTC()}
			k := entityKey{c.set, l.Box, l.Key}
			if l.Box != "" {
				box := r.boxes[l.Box]
				if box == nil || l.Box == cellfs.MainBox {
					return damaged(where, "there is no box %q", l.Box)
				}
				e.Box = box.ID
			}
			if err := checkNumbers(0, l.Created, l.Updated, nil); err != nil {
				return damaged(where, "%v", err)
			}
			if strings.ContainsFunc(l.Key, unicode.IsControl) {
				return damaged(where, "the key %q holds a control character", l.Key)
			}
			if _, there := r.roles[k]; there || l.Key == "" || len(l.Doc) == 0 || l.Doc[0] != '{' {
				return damaged(where, "%q is there twice, or incomplete", l.Key)
			}
			r.roles[k] = 0 // until it is made
			page, keys = append(page, e), append(keys, k)
			if len(page) < controlPage {
				return nil
			}
			return flush()
		})
		if err != nil {
			return err
		}
		if err := flush(); err != nil {
			return err
		}
	}
	return r.links()
}

func (r *restorer) links() error {
	type end struct{ Set, Key, Box string }
	type line struct{ From, To end }
	var page []cellfs.Link
	flush := func() error {
		err := r.addLinks(page, controlName("links"))
		page = page[:0]
		return err
	}
	err := lines(r, "links", func(l line, where string) error {
		var ends [2]cellfs.End
		for i, e := range []end{l.From, l.To} {
			id, ok := r.roles[entityKey{e.Set, e.Box, e.Key}]
			if !ok {
				return damaged(where, "there is no %s %q", e.Set, e.Key)
			}
			ends[i] = cellfs.End{Set: e.Set, Key: strconv.FormatInt(id, 10)}
		}
		if page = append(page, cellfs.Link{Cell: -r.o.Job, From: ends[0], To: ends[1]}); len(page) < controlPage {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// addLinks makes links, which are lines of the file.
func (r *restorer) addLinks(page []cellfs.Link, file string) error {
	return r.update(func(tx cellfs.Tx) error {
		for _, l := range page {
			if err := tx.AddLink(l); errors.Is(err, fs.ErrExist) {
				return damaged(file, "a link is there twice")
			} else if err != nil {
				return err
			}
		}
		return nil
	})
}

// complete compares what was made with what the snapshot says it holds.
func (r *restorer) complete() error {
	m := &r.a.Manifest
	if r.files != m.Entries || r.bytes != m.Bytes {
		return damaged(manifestFile, "it tells of %d files with %d bytes, there are %d with %d", m.Entries, m.Bytes, r.files, r.bytes)
	}
	for name := range r.boxSchemas {
		if r.collections[name] == nil {
			return damaged(nodesFile, "box %q is missing", name)
		}
	}
	if r.collections[""] == nil {
		return damaged(nodesFile, "the cell itself is missing")
	}
	return r.unused()
}
