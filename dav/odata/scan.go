package odata

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"

	"cellar/cellfs"
)

// scan finds a page of a set, as the query asks for: by an index if that leads to few of its entities, else
// by looking at each.
func (a *Answer) scan(ctx context.Context, tx cellfs.Tx, set cellfs.Node) error {
	p, err := a.plan(tx, set)
	if err != nil {
		return err
	}
	if p.index != nil {
		if done, err := a.scanIndex(ctx, tx, p); done || err != nil {
			return err
		}
	}
	l := a.newLook()
	seen := 0
	err = eachDocument(ctx, a.fs, func(yield func(*cellfs.Document) error) error {
		return tx.Documents(set.ID, "", func(d *cellfs.Document) error {
			seen++
			return yield(d)
		})
	}, func(d *cellfs.Document) error {
		if err := l.at(d); err != nil {
			return err
		}
		if len(l.order) == 0 && !a.query.Count && l.full() {
			return fs.SkipAll // in the order of the names, the page is complete
		}
		return nil
	})
	if err != nil {
		return err
	}
	if seen >= minIndexed && p.missing != "" {
		a.missing = Missing{Set: set.ID, Property: p.missing}
	}
	l.done()
	return nil
}

// look looks at entities and keeps those that the query asks for.
type look struct {
	a     *Answer
	row   row
	words []string
	ranking
	// ordered: the documents come in the order of their values in an index, which begins the order of
	// the query.
	ordered bool
	value   []byte // of the last document, then
}

func (a *Answer) newLook() *look {
	q := &a.query
	a.total = 0
	return &look{
		a: a, words: strings.Fields(strings.ToLower(q.Text)), ranking: ranking{limit: q.Skip + q.Top, order: q.order},
		row: row{schema: a.schema, of: a.schema.EntityType(a.request.set)},
	}
}

func (l *look) at(d *cellfs.Document) error {
	a, q, r := l.a, &l.a.query, &l.row
	if l.ordered && !bytes.Equal(d.Value, l.value) {
		if l.full() {
			return fs.SkipAll // what has a greater value comes after all that is kept
		}
		l.value = append(l.value[:0], d.Value...)
	}
	r.node = d
	if err := r.parse(d.Data); err != nil {
		return err
	}
	if q.filter != nil && !q.filter.holds(r.value) || len(l.words) > 0 && !r.contains(l.words) {
		return nil
	}
	a.total++
	l.add(r, func() entry {
		return entry{set: a.request.set, id: r.id(), node: cellfs.Node{ID: d.ID, Name: d.Name, Version: d.Version, Created: d.Created, Modified: d.Modified, Blob: d.Blob, Size: d.Size}}
	})
	return nil
}

// done makes the page the answer.
func (l *look) done() {
	found := l.sorted()
	l.a.entries = found[min(l.a.query.Skip, len(found)):]
}

// batchSize and batchBytes bound the documents that are read before they are looked at. The first
// documents are looked at sooner: often they are all.
const (
	firstBatch = 32
	batchSize  = 256
	batchBytes = 256 << 10
)

// batch is a run of documents with their contents.
type batch struct {
	all  []cellfs.Document
	data []byte
}

func (b *batch) add(d *cellfs.Document) {
	begin := len(b.data)
	b.data = append(b.data, d.Data...)
	middle := len(b.data)
	b.data = append(b.data, d.Value...)
	b.all = append(b.all, *d)
	last := &b.all[len(b.all)-1]
	last.Data, last.Value = b.data[begin:middle:middle], b.data[middle:len(b.data):len(b.data)]
}

// eachDocument calls look for each entity with its document, in the order in which documents yields them,
// on another goroutine, while this one reads ahead. [fs.SkipAll] ends it.
func eachDocument(ctx context.Context, f *cellfs.FS, documents func(yield func(*cellfs.Document) error) error, look func(*cellfs.Document) error) error {
	work, empty := make(chan *batch, 1), make(chan *batch, 2)
	empty <- new(batch)
	b := new(batch)
	var stopped atomic.Bool // look wants no more
	looked := make(chan error, 1)
	go func() {
		var err error
		for b := range work {
			for i := range b.all {
				if err == nil {
					err = safely(look, &b.all[i])
				}
			}
			stopped.Store(err != nil)
			empty <- b
		}
		looked <- err
	}()
	size := firstBatch
	err := documents(func(d *cellfs.Document) error {
		if err := readContent(ctx, f, d); err != nil {
			return err
		}
		if len(b.all) == size || len(b.data)+len(d.Data) > batchBytes && len(b.all) > 0 {
			work <- b
			b, size = <-empty, min(2*size, batchSize)
			b.all, b.data = b.all[:0], b.data[:0]
			if stopped.Load() {
				return fs.SkipAll
			}
		}
		b.add(d)
		return ctx.Err()
	})
	if err == nil {
		work <- b
	}
	close(work)
	if lerr := <-looked; lerr != nil {
		err = lerr
	}
	if errors.Is(err, fs.SkipAll) {
		return nil
	}
	return err
}

// readContent reads the content of a document that does not lie in the database.
func readContent(ctx context.Context, f *cellfs.FS, d *cellfs.Document) error {
	if d.Data != nil || d.Size == 0 {
		return nil
	}
	c, err := f.OpenDocument(ctx, d)
	if err != nil {
		return err
	}
	defer c.Close()
	d.Data, err = document(c)
	return err
}

// safely calls look, and makes an error of a panic: on a goroutine of its own it would end the program.
func safely(look func(*cellfs.Document) error, d *cellfs.Document) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("document %q: %v", d.Name, r)
		}
	}()
	return look(d)
}

// ranking keeps the first entities of an order, at most limit of them: as a heap, the last of them
// on top.
type ranking struct {
	limit int
	order []ordering
	all   []ranked
}

func (k *ranking) full() bool { return len(k.all) == k.limit }

// ranked is an entity with the values that it is ordered by.
type ranked struct {
	entry
	keys []any
	key  string // of the node, which decides between equals
}

// add adds an entity, which made makes if it is kept.
func (k *ranking) add(r *row, made func() entry) {
	if k.limit == 0 {
		return
	}
	x := ranked{key: cellfs.Key(r.node.Name)}
	for _, o := range k.order {
		x.keys = append(x.keys, r.value(o.property))
	}
	switch {
	case len(k.all) < k.limit:
		x.entry = made()
		heap.Push(k, x)
	case k.before(&x, &k.all[0]):
		x.entry = made()
		k.all[0] = x
		heap.Fix(k, 0)
	}
}

func (k *ranking) before(x, y *ranked) bool {
	for i, o := range k.order {
		c := compare(x.keys[i], y.keys[i])
		if o.down {
			c = -c
		}
		if c != 0 {
			return c < 0
		}
	}
	return x.key < y.key
}

// Len, Less, Swap, Push and Pop implement [heap.Interface].
func (k *ranking) Len() int           { return len(k.all) }
func (k *ranking) Less(i, j int) bool { return k.before(&k.all[j], &k.all[i]) }
func (k *ranking) Swap(i, j int)      { k.all[i], k.all[j] = k.all[j], k.all[i] }
func (k *ranking) Push(x any)         { k.all = append(k.all, x.(ranked)) }
func (k *ranking) Pop() any {
	x := k.all[len(k.all)-1]
	k.all = k.all[:len(k.all)-1]
	return x
}

// sorted are the entities that were kept, in their order.
func (k *ranking) sorted() (all []entry) {
	slices.SortFunc(k.all, func(x, y ranked) int {
		if k.before(&x, &y) {
			return -1
		}
		return 1
	})
	for _, x := range k.all {
		all = append(all, x.entry)
	}
	return all
}
