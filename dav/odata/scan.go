package odata

import (
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

// scan finds a page of a set by looking at each of its entities, as the query asks for.
func (a *Answer) scan(ctx context.Context, tx cellfs.Tx, set cellfs.Node) error {
	q := &a.query
	best := ranking{limit: q.Skip + q.Top, order: q.order}
	words := strings.Fields(strings.ToLower(q.Text))
	r := row{schema: a.schema, of: a.schema.EntityType(a.request.set)}
	look := func(d *cellfs.Document) error {
		r.node = d
		if err := r.parse(d.Data); err != nil {
			return err
		}
		if q.filter != nil && !q.filter(r.value) || len(words) > 0 && !r.contains(words) {
			return nil
		}
		a.total++
		best.add(&r, func() entry {
			return entry{set: a.request.set, id: r.id(), node: cellfs.Node{ID: d.ID, Name: d.Name, Version: d.Version, Created: d.Created, Modified: d.Modified, Blob: d.Blob, Size: d.Size}}
		})
		if len(q.order) == 0 && !q.Count && len(best.all) == best.limit {
			return fs.SkipAll // in the order of the names, the page is complete
		}
		return nil
	}
	if err := eachDocument(ctx, a.fs, tx, set.ID, look); err != nil {
		return err
	}
	found := best.sorted()
	a.entries = found[min(q.Skip, len(found)):]
	return nil
}

// batchSize and batchBytes bound the documents that are read before they are looked at.
const (
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
	b.all = append(b.all, *d)
	b.all[len(b.all)-1].Data = b.data[begin:len(b.data):len(b.data)]
}

// eachDocument calls look for each entity of a set with its document, in the order of the names, on
// another goroutine, while this one reads ahead. [fs.SkipAll] ends it.
func eachDocument(ctx context.Context, f *cellfs.FS, tx cellfs.Tx, set int64, look func(*cellfs.Document) error) error {
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
	err := tx.Documents(set, func(d *cellfs.Document) error {
		if d.Data == nil && d.Size > 0 {
			c, err := f.OpenDocument(ctx, d)
			if err != nil {
				return err
			}
			d.Data, err = document(c)
			c.Close()
			if err != nil {
				return err
			}
		}
		if len(b.all) == batchSize || len(b.data)+len(d.Data) > batchBytes && len(b.all) > 0 {
			work <- b
			b = <-empty
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
	next  int
}

// ranked is an entity with the values that it is ordered by.
type ranked struct {
	entry
	keys []any
	at   int // its place among all, which decides between equals
}

// add adds an entity, which made makes if it is kept.
func (k *ranking) add(r *row, made func() entry) {
	x := ranked{at: k.next}
	k.next++
	if k.limit == 0 {
		return
	}
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
	return x.at < y.at
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
