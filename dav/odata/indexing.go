package odata

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"

	"cellar/barfs/edm"
	"cellar/cellfs"
	"cellar/dav/answer"
)

// indexesOf lists the indexes of a set.
func (col *collection) indexesOf(tx cellfs.Tx, set *cellfs.Node) ([]cellfs.Index, error) {
	if all, ok := col.indexes[set.ID]; ok {
		return all, nil
	}
	all, err := tx.Indexes(set.ID)
	col.indexes[set.ID] = all
	return all, err
}

// indexed are the values of an entity in the indexes of its set, before and after a change; nil where there is no
// entity.
type indexed struct {
	before, after [][]byte
	// unread: what was there could not be read. The indexes of the set are made anew.
	unread bool
}

// indexed computes the values that a change removes and adds. doc is the new document, nil for none.
func (s *state) indexed(set string, doc []byte) (x indexed) {
	if len(s.indexes) == 0 {
		return x
	}
	values := func(doc []byte, n *cellfs.Node) [][]byte {
		r := row{schema: s.schema, of: s.schema.EntityType(set), node: &cellfs.Document{}}
		if n != nil {
			r.node = &cellfs.Document{Name: n.Name, Created: n.Created, Modified: n.Modified}
		}
		if err := r.parse(doc); err != nil {
			return nil
		}
		all := make([][]byte, len(s.indexes))
		for i := range s.indexes {
			all[i] = r.indexed(s.indexes[i].Property)
		}
		return all
	}
	if s.node != nil {
		x.before = values(s.doc, s.node)
		x.unread = x.before == nil
	}
	if doc != nil {
		x.after = values(doc, nil)
	}
	return x
}

// keepIndexes makes the rows of an entity those of its new document. made is its node, nil if it is gone.
func (c *Change) keepIndexes(tx cellfs.Tx, s *state, x *indexed, made *cellfs.Node) error {
	for i := range s.indexes {
		index := &s.indexes[i]
		if x.unread {
			if err := tx.DropIndex(index.ID); err != nil {
				return err
			}
			continue
		}
		if x.before != nil && index.Has(s.node.Name) {
			if err := tx.DeleteIndexRow(index.ID, cellfs.IndexRow{Value: x.before[i], Name: s.node.Name}); err != nil {
				return err
			}
		}
		if made == nil || !index.Has(made.Name) {
			continue
		}
		value := x.after[i]
		switch index.Property {
		case "__published":
			value = indexValue(made.Created.UnixMilli())
		case "__updated":
			value = indexValue(made.Modified.UnixMilli())
		}
		if err := unique(tx, index, value); err != nil {
			return err
		}
		if err := tx.AddIndexRows(index.ID, cellfs.IndexRow{Value: value, Name: made.Name}); err != nil {
			return err
		}
	}
	return nil
}

// dropStale gives up the indexes whose values mean something else by a new schema.
func (col *collection) dropStale(tx cellfs.Tx, now *edm.Schema) error {
	for i := range col.schema.EntityTypes {
		t := &col.schema.EntityTypes[i]
		set, err := col.setOf(tx, t.Name)
		if errors.Is(err, errNoSet) {
			continue
		}
		var all []cellfs.Index
		if err == nil {
			all, err = col.indexesOf(tx, &set)
		}
		if err != nil {
			return err
		}
		for _, x := range all {
			after := now.EntityType(t.Name)
			if after != nil && indexable(col.schema, t, x.Property) == indexable(now, after, x.Property) {
				continue
			}
			if err := tx.DropIndex(x.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// Documents that are indexed at a time: writers wait that long.
const (
	indexStep      = 250
	indexStepBytes = 1 << 20
)

// errStale: what an index is made of is another by now.
var errStale = errors.New("the index is to be made of something else")

// BuildIndex makes an index of the entities of a set by a property, or goes on with it. Meanwhile entities can be
// changed. It does nothing if there can be no such index.
func BuildIndex(ctx context.Context, f *cellfs.FS, m Missing) error {
	for tries := 0; tries < maxTries; tries++ {
		b := &indexBuild{fs: f, Missing: m}
		done := false
		err := f.View(ctx, func(tx cellfs.Tx) (err error) {
			done, err = b.read(ctx, tx)
			return err
		})
		if err == nil && !done {
			err = f.Update(ctx, func(tx cellfs.Tx) error {
				step := *b // it may run again
				return step.write(ctx, tx)
			})
			if err == nil {
				tries = -1 // this step is made
			}
		}
		switch {
		case errors.Is(err, errStale):
		case err != nil:
			return err
		case done:
			return nil
		}
	}
	return answer.New(answer.TooManyRequests)
}

// indexBuild is one step of the making of an index.
type indexBuild struct {
	Missing
	fs     *cellfs.FS
	schema *edm.Schema
	of     *edm.Type
	holds  string        // what the index holds
	index  *cellfs.Index // nil: it is to be begun
	rows   []cellfs.IndexRow
	blobs  []int64 // of the documents of the rows
	last   bool    // no documents come after these
}

// find reads the set, its schema, and the index.
func (b *indexBuild) find(ctx context.Context, tx cellfs.Tx) (done bool, err error) {
	set, err := tx.Node(b.Set)
	var schema *edm.Schema
	if err == nil {
		schema, err = readSchema(ctx, b.fs, tx, set.Parent)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	of := schema.EntityType(set.Name)
	if of == nil {
		return true, nil
	}
	holds := indexable(schema, of, b.Property)
	all, err := tx.Indexes(b.Set)
	if err != nil || holds == "" {
		return true, err
	}
	var index *cellfs.Index
	for i := range all {
		if all[i].Property == b.Property {
			index = &all[i]
		}
	}
	if index == nil && len(all) >= MaxIndexes && !strings.HasPrefix(b.Property, uniqueIndex) || index != nil && index.Complete {
		return true, nil
	}
	if b.of != nil { // found before
		same := holds == b.holds && (index == nil) == (b.index == nil) && (index == nil || *index == *b.index)
		if !same {
			return false, errStale
		}
	}
	b.schema, b.of, b.holds, b.index = schema, of, holds, index
	return false, nil
}

// read reads the documents of the step.
func (b *indexBuild) read(ctx context.Context, tx cellfs.Tx) (done bool, err error) {
	if done, err := b.find(ctx, tx); done || err != nil {
		return done, err
	}
	after := ""
	if b.index != nil {
		after = b.index.Through
	}
	r := row{schema: b.schema, of: b.of}
	size := 0
	b.last = true
	err = tx.Documents(b.Set, after, func(d *cellfs.Document) error {
		if len(b.rows) == indexStep || size > indexStepBytes {
			b.last = false
			return fs.SkipAll
		}
		if err := readContent(ctx, b.fs, d); err != nil {
			return err
		}
		size += len(d.Data)
		r.node = d
		if err := r.parse(d.Data); err != nil {
			return err
		}
		b.rows = append(b.rows, cellfs.IndexRow{Value: bytes.Clone(r.indexed(b.Property)), Name: d.Name})
		b.blobs = append(b.blobs, d.Blob)
		return nil
	})
	if errors.Is(err, fs.SkipAll) {
		err = nil
	}
	return false, err
}

// write adds the rows, unless the documents are others by now.
func (b *indexBuild) write(ctx context.Context, tx cellfs.Tx) error {
	done, err := b.find(ctx, tx)
	if err == nil && done {
		err = errStale
	}
	if err != nil {
		return err
	}
	after := ""
	if b.index == nil {
		b.index = &cellfs.Index{Node: b.Set, Property: b.Property}
		if err := tx.AddIndex(b.index); err != nil {
			return err
		}
	} else {
		after = b.index.Through
	}
	nodes, _, err := tx.Children(b.Set, cellfs.Page{After: after, Limit: len(b.rows) + 1, Props: cellfs.PropNames{}})
	if err != nil {
		return err
	}
	if len(nodes) < len(b.rows) || b.last && len(nodes) > len(b.rows) {
		return errStale
	}
	for i := range b.rows {
		if nodes[i].Name != b.rows[i].Name || nodes[i].Blob != b.blobs[i] {
			return errStale
		}
	}
	if err := tx.AddIndexRows(b.index.ID, b.rows...); err != nil {
		return err
	}
	x := *b.index
	if x.Complete = b.last; len(b.rows) > 0 {
		x.Through = cellfs.Key(b.rows[len(b.rows)-1].Name)
	}
	return tx.SetIndex(x)
}
