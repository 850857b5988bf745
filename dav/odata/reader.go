package odata

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"cellar/barfs/edm"
	"cellar/barfs/install"
	"cellar/cellfs"
)

// Answer is what a request gives, found at one point in time. Its documents are
// read when it is written.
type Answer struct {
	fs      *cellfs.FS
	url     string // of the collection, ends in a slash
	schema  *edm.Schema
	request Request
	entries []entry
	many    bool  // a list, even if it has one entry
	total   int64 // entries in all
	release func()
}

// entry is an entity: its set, its id if it is known before its document is read,
// and that document.
type entry struct {
	set, id string
	node    cellfs.Node
}

// schemaFile is where a collection keeps its schema (contract 1.17).
const schemaFile = "$metadata"

// Find looks for what is asked of the OData collection at path p, whose URL is
// given with a slash at its end. Errors are [*Error] and those of [cellfs.FS.Lookup].
// Close the answer.
func Find(ctx context.Context, f *cellfs.FS, p cellfs.Path, url string, r Request) (*Answer, error) {
	a := &Answer{fs: f, url: url, request: r, release: f.Hold()}
	err := f.View(ctx, func(tx cellfs.Tx) error {
		col, err := f.Lookup(tx, p)
		if err != nil {
			return err
		}
		if a.schema, err = readSchema(ctx, f, tx, col.ID); err != nil {
			return err
		}
		return a.find(tx, &col)
	})
	if err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Close lets go of the documents.
func (a *Answer) Close() { a.release() }

func readSchema(ctx context.Context, f *cellfs.FS, tx cellfs.Tx, col int64) (*edm.Schema, error) {
	n, err := tx.Child(col, schemaFile)
	if errors.Is(err, fs.ErrNotExist) { // none was made
		return &edm.Schema{}, nil
	}
	if err != nil {
		return nil, err
	}
	blob, err := tx.Blob(n.Blob)
	if err != nil {
		return nil, fmt.Errorf("schema of OData collection %d: %w", col, err)
	}
	s, err := schemas.get(blob.Hash, blob.Size, func() (*edm.Schema, error) {
		c, err := f.OpenTx(ctx, tx, n.Blob)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		text, err := io.ReadAll(c)
		if err != nil {
			return nil, err
		}
		return edm.ParseSchema(text)
	})
	if err != nil {
		return nil, fmt.Errorf("schema of OData collection %d: %w", col, err)
	}
	return s, nil
}

func (a *Answer) find(tx cellfs.Tx, col *cellfs.Node) error {
	r := &a.request
	if r.set == "" {
		return nil
	}
	set, err := a.set(tx, col, r.set)
	if err != nil {
		return err
	}
	if !r.keyed {
		a.many = true
		return a.list(tx, set)
	}
	n, err := entity(tx, set, r.id)
	if err != nil || r.property == "" {
		a.entries = []entry{{r.set, r.id, n}}
		return err
	}
	return a.follow(tx, col)
}

// set finds the collection that holds the entities of a type.
func (a *Answer) set(tx cellfs.Tx, col *cellfs.Node, name string) (set cellfs.Node, err error) {
	if a.schema.EntityType(name) == nil {
		return set, errNoSet
	}
	set, err = tx.Child(col.ID, name)
	if errors.Is(err, fs.ErrNotExist) {
		err = errNoSet
	}
	return set, err
}

func entity(tx cellfs.Tx, set cellfs.Node, id string) (n cellfs.Node, err error) {
	n, err = tx.Child(set.ID, install.DocumentName(id))
	if errors.Is(err, fs.ErrNotExist) {
		err = errNoEntity
	}
	return n, err
}

// list finds a page of a set, in the order of names.
func (a *Answer) list(tx cellfs.Tx, set cellfs.Node) error {
	if a.request.count {
		nodes, _, err := tx.Count(set.ID)
		if err != nil {
			return err
		}
		a.total = nodes - 1 // the set itself
	}
	if a.request.top == 0 {
		return nil
	}
	i := 0
	err := cellfs.EachChild(tx, set.ID, func(n *cellfs.Node) error {
		if i++; i <= a.request.skip {
			return nil
		}
		a.entries = append(a.entries, entry{set: a.request.set, node: *n})
		if len(a.entries) == a.request.top {
			return fs.SkipAll
		}
		return nil
	})
	if errors.Is(err, fs.SkipAll) {
		return nil
	}
	return err
}

// follow finds what a navigation property leads to.
func (a *Answer) follow(tx cellfs.Tx, col *cellfs.Node) error {
	r := &a.request
	other, ok := strings.CutPrefix(r.property, "_")
	_, to, associated := a.schema.Between(r.set, other)
	if !ok || !associated {
		return errNoNavigation
	}
	a.many = to.Many()
	set, err := a.set(tx, col, other)
	if err != nil {
		return err
	}
	ends, err := tx.LinksOf(col.Cell, col.ID, cellfs.End{Set: r.set, Key: r.id}, other)
	if err != nil {
		return err
	}
	a.total = int64(len(ends))
	if a.many {
		ends = ends[min(r.skip, len(ends)):]
		ends = ends[:min(r.top, len(ends))]
	} else if len(ends) == 0 {
		return errNoLink
	}
	for _, end := range ends {
		n, err := entity(tx, set, end.Key)
		if err != nil {
			return fmt.Errorf("link to %s(%s): %w", end.Set, end.Key, err)
		}
		a.entries = append(a.entries, entry{other, end.Key, n})
	}
	return nil
}
