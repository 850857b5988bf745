package odata

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"cellar/barfs/edm"
	"cellar/barfs/install"
	"cellar/cellfs"
	"cellar/dav/answer"
)

// Step is a change of one entity, of one link, or of the schema. It is prepared outside of the
// transaction that makes it: there, documents are read, checked and stored.
type Step struct {
	set, id string // of the entity; the id is "" for one that changes no entity
	linking bool   // it changes links only: all that it needs is read in the transaction
	isNew   bool   // the entity is made
	content bool   // prepare needs the document of the entity
	prepare func(context.Context, *state) error
	apply   func(cellfs.Tx, *state) error
	result  func() Result // once it is made; nil: it has none

	doc  []byte       // the new document of the entity, once it is prepared; nil for none
	made *cellfs.Node // the entity as it is stored, once it is applied; nil if it is gone
}

// New is the entity that the step makes; ok is false if it makes none.
func (s *Step) New() (e End, ok bool) { return End{s.set, s.id}, s.isNew }

// Result is what the step gave, once it is made. The caller closes its answer.
func (s *Step) Result() Result {
	if s.result == nil {
		return Result{}
	}
	return s.result()
}

// state is what a change is made of, at one point in time.
type state struct {
	*collection
	set     cellfs.Node
	node    *cellfs.Node // the entity; nil if there is none
	doc     []byte       // its document, if it is needed
	indexes []cellfs.Index
}

// collection is an OData collection, at one point in time.
type collection struct {
	place      cellfs.Place
	schema     *edm.Schema
	schemaNode *cellfs.Node // nil: there is none
	sets       map[string]cellfs.Node
	indexes    map[int64][]cellfs.Index // by set
}

// open reads the collection that is changed.
func (c *Change) open(ctx context.Context, tx cellfs.Tx) (*collection, error) {
	col := &collection{sets: map[string]cellfs.Node{}, indexes: map[int64][]cellfs.Index{}}
	var err error
	if col.place, err = c.FS.FindTx(tx, c.Path); err != nil {
		return nil, err
	}
	id := col.place.Node.ID
	if n, err := tx.Child(id, schemaFile); err == nil {
		col.schemaNode = &n
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	col.schema, err = readSchema(ctx, c.FS, tx, id)
	return col, err
}

// setOf finds the collection that holds the entities of a type.
func (col *collection) setOf(tx cellfs.Tx, name string) (set cellfs.Node, err error) {
	if set, ok := col.sets[name]; ok {
		return set, nil
	}
	if set, err = findSet(tx, col.schema, col.place.Node.ID, name); err == nil {
		col.sets[name] = set
	}
	return set, err
}

// findSet finds the collection that holds the entities of a type in an OData collection.
func findSet(tx cellfs.Tx, schema *edm.Schema, col int64, name string) (set cellfs.Node, err error) {
	if schema.EntityType(name) == nil {
		return set, errNoSet
	}
	set, err = tx.Child(col, name)
	if errors.Is(err, fs.ErrNotExist) {
		err = errNoSet
	}
	return set, err
}

// read reads the state that a change of an entity is made of.
func (c *Change) read(ctx context.Context, tx cellfs.Tx, col *collection, set, id string, content bool) (s state, err error) {
	s.collection = col
	if set == "" {
		return s, nil
	}
	if s.set, err = col.setOf(tx, set); err != nil || id == "" {
		return s, err
	}
	if s.indexes, err = col.indexesOf(tx, &s.set); err != nil {
		return s, err
	}
	n, err := entity(tx, s.set, id)
	switch {
	case errors.Is(err, errNoEntity):
		return s, nil
	case err != nil:
		return s, err
	}
	s.node = &n
	if content {
		s.doc, err = c.document(ctx, tx, &n)
	}
	return s, err
}

// document reads the document of an entity.
func (c *Change) document(ctx context.Context, tx cellfs.Tx, n *cellfs.Node) ([]byte, error) {
	opened, err := c.FS.OpenTx(ctx, tx, n.Blob)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	return document(opened)
}

// errRetry: what the change was made of is another by now.
var errRetry = errors.New("the entity was changed meanwhile")

// maxTries bounds how often a change is made anew because others came first.
const maxTries = 100

// Run makes the steps in one transaction, all or none. They are prepared before it; if what they were
// made of has changed meanwhile, they are prepared anew. An error comes with the number of the step
// that failed, from 0. No two steps may change the same entity ([ErrTwice]).
func (c *Change) Run(ctx context.Context, steps ...*Step) (failed int, err error) {
	if i := twice(steps); i >= 0 {
		return i, ErrTwice
	}
	for range maxTries {
		if failed, err = c.try(ctx, steps); !errors.Is(err, errRetry) {
			return failed, err
		}
	}
	return failed, answer.New(answer.TooManyRequests)
}

// ErrTwice: two steps change the same entity.
var ErrTwice = answer.New(answer.BatchFormat, "an entity is changed twice in a changeset")

// twice is the number of the first step that changes an entity for the second time; -1 if none does.
func twice(steps []*Step) int {
	if len(steps) == 1 {
		return -1
	}
	changed := map[End]bool{}
	for i, s := range steps {
		e := End{s.set, s.id}
		if s.linking || s.id == "" {
			continue
		}
		if changed[e] {
			return i
		}
		changed[e] = true
	}
	return -1
}

func (c *Change) try(ctx context.Context, steps []*Step) (at int, err error) {
	before, rows := make([]state, len(steps)), make([]indexed, len(steps))
	err = c.FS.View(ctx, func(tx cellfs.Tx) error {
		col, err := c.open(ctx, tx)
		if err != nil {
			return err
		}
		for i, s := range steps {
			if s.linking {
				before[i].collection = col
				continue
			}
			if before[i], err = c.read(ctx, tx, col, s.set, s.id, s.content); err != nil {
				at = i
				return err
			}
			if len(before[i].indexes) > 0 && !s.content && before[i].node != nil {
				// What was there need not be good: see indexed.
				before[i].doc, _ = c.document(ctx, tx, before[i].node)
			}
		}
		return nil
	})
	if err != nil {
		return at, err
	}
	for i, s := range steps {
		if s.prepare == nil {
			continue
		}
		if err := s.prepare(ctx, &before[i]); err != nil {
			return i, err
		}
		if s.doc != nil {
			if err := c.uniqueKeys(ctx, &before[i], s.set); err != nil {
				return i, err
			}
		}
		rows[i] = before[i].indexed(s.set, s.doc)
	}
	err = c.FS.Update(ctx, func(tx cellfs.Tx) error {
		col, err := c.open(ctx, tx)
		if err != nil {
			return err
		}
		if !cellfs.SameNode(col.schemaNode, before[0].schemaNode) {
			return errRetry
		}
		for i, s := range steps {
			at = i
			now, err := c.read(ctx, tx, col, s.set, s.id, false)
			if err != nil {
				return err
			}
			if !s.linking && (now.set.ID != before[i].set.ID || !cellfs.SameNode(now.node, before[i].node) || !sameIndexes(now.indexes, before[i].indexes)) {
				return errRetry
			}
			now.doc = before[i].doc
			if err := s.apply(tx, &now); err != nil {
				return err
			}
			if s.linking {
				continue
			}
			if err := c.keepIndexes(tx, &now, &rows[i], s.made); err != nil {
				return err
			}
		}
		return nil
	})
	return at, err
}

// sameIndexes reports whether a set has the same indexes, however far they have come.
func sameIndexes(a, b []cellfs.Index) bool {
	return slices.EqualFunc(a, b, func(x, y cellfs.Index) bool { return x.ID == y.ID })
}

func entity(tx cellfs.Tx, set cellfs.Node, id string) (n cellfs.Node, err error) {
	n, err = tx.Child(set.ID, install.DocumentName(id))
	if errors.Is(err, fs.ErrNotExist) {
		err = errNoEntity
	}
	return n, err
}
