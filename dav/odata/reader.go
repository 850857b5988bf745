package odata

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"strings"

	"cellar/barfs/edm"
	"cellar/cellfs"
)

// Answer is what a request gives, found at one point in time. Its documents are
// read when it is written.
type Answer struct {
	fs      *cellfs.FS
	url     string // of the collection, ends in a slash
	schema  *edm.Schema
	request Request
	query   Query
	entries []entry
	many    bool  // a list, even if it has one entry
	total   int64 // entries in all
	missing Missing
	release func()
}

// entry is an entity: its set, its id if it is known before its document is read,
// and that document.
type entry struct {
	set, id  string
	node     cellfs.Node
	expanded map[string][]entry // by navigation property
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
		return a.find(ctx, tx, &col)
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

func (a *Answer) find(ctx context.Context, tx cellfs.Tx, col *cellfs.Node) error {
	r := &a.request
	if r.set == "" {
		return nil
	}
	set, err := findSet(tx, a.schema, col.ID, r.set)
	if err != nil {
		return err
	}
	listed := r.set
	if r.property != "" {
		listed = strings.TrimPrefix(r.property, "_")
	}
	if a.query, err = a.parseQuery(listed, r.keyed && r.property == ""); err != nil {
		return err
	}
	if !r.keyed {
		a.many = true
		if a.query.filter == nil && len(a.query.order) == 0 && a.query.Text == "" && len(a.query.Expand) == 0 {
			return a.list(tx, set)
		}
		if err := a.scan(ctx, tx, set); err != nil {
			return err
		}
		return a.expand(tx, col, MaxExpandedOfList)
	}
	n, err := entity(tx, set, r.id)
	if err != nil {
		return err
	}
	if r.property == "" {
		a.entries = []entry{{set: r.set, id: r.id, node: n}}
		return a.expand(tx, col, MaxExpandedOfOne)
	}
	if err := a.follow(tx, col); err != nil {
		return err
	}
	return a.expand(tx, col, MaxExpandedOfList)
}

// expand finds what $expand asks for of the entities that are shown. It returns [ErrExpandLimit] if
// one leads to more than limit others by one property.
func (a *Answer) expand(tx cellfs.Tx, col *cellfs.Node, limit int) error {
	for i := range a.entries {
		e := &a.entries[i]
		for _, property := range a.query.Expand {
			linked, err := a.linked(tx, col, e.set, e.id, strings.TrimPrefix(property, "_"), func(ends []cellfs.End) ([]cellfs.End, error) {
				if len(ends) > limit {
					return nil, ErrExpandLimit
				}
				return ends, nil
			})
			if err != nil {
				return err
			}
			if e.expanded == nil {
				e.expanded = map[string][]entry{}
			}
			e.expanded[property] = linked
		}
	}
	return nil
}

// linked finds the entities of a type that an entity is linked with. page takes a part of the links.
func (a *Answer) linked(tx cellfs.Tx, col *cellfs.Node, set, id, other string, page func([]cellfs.End) ([]cellfs.End, error)) ([]entry, error) {
	to, err := findSet(tx, a.schema, col.ID, other)
	if err != nil {
		return nil, err
	}
	ends, err := tx.LinksOf(col.Cell, col.ID, cellfs.End{Set: set, Key: id}, other)
	if err == nil {
		ends, err = page(ends)
	}
	if err != nil {
		return nil, err
	}
	all := []entry{}
	for _, end := range ends {
		n, err := entity(tx, to, end.Key)
		if err != nil {
			return nil, fmt.Errorf("link to %s(%s): %w", end.Set, end.Key, err)
		}
		all = append(all, entry{set: other, id: end.Key, node: n})
	}
	return all, nil
}

// parseQuery reads the query about entities of a type.
func (a *Answer) parseQuery(entityType string, one bool) (q Query, err error) {
	t := a.schema.EntityType(entityType)
	if t == nil {
		return q, errNoNavigation
	}
	options := a.request.options
	text := options.Get("q")
	if options.Has("q") {
		options = maps.Clone(options)
		delete(options, "q")
	}
	q, err = ParseQuery(options, fieldsOf(a.schema, t), a.navigation(entityType), one)
	q.Text = text
	return q, err
}

// navigation are the names of the navigation properties of a type.
func (a *Answer) navigation(entityType string) (names []string) {
	for i := range a.schema.EntityTypes {
		other := a.schema.EntityTypes[i].Name
		if _, _, ok := a.schema.Between(entityType, other); ok {
			names = append(names, "_"+other)
		}
	}
	return names
}

// list finds a page of a set, in the order of names.
func (a *Answer) list(tx cellfs.Tx, set cellfs.Node) error {
	if a.query.Count {
		nodes, _, err := tx.Count(set.ID)
		if err != nil {
			return err
		}
		a.total = nodes - 1 // the set itself
	}
	if a.query.Top == 0 {
		return nil
	}
	i := 0
	err := cellfs.EachChild(tx, set.ID, func(n *cellfs.Node) error {
		if i++; i <= a.query.Skip {
			return nil
		}
		a.entries = append(a.entries, entry{set: a.request.set, node: *n})
		if len(a.entries) == a.query.Top {
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
	var err error
	a.entries, err = a.linked(tx, col, r.set, r.id, other, func(ends []cellfs.End) ([]cellfs.End, error) {
		a.total = int64(len(ends))
		if !a.many {
			if len(ends) == 0 {
				return nil, errNoLink
			}
			return ends, nil
		}
		ends = ends[min(a.query.Skip, len(ends)):]
		return ends[:min(a.query.Top, len(ends))], nil
	})
	return err
}
