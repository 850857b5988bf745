package odata

import (
	"container/heap"
	"context"
	"io/fs"
	"slices"
	"strings"

	"cellar/cellfs"
)

// scanPage is how many documents a query reads at a time: with their contents, each of at most
// [cellfs.MaxInline] bytes.
const scanPage = 64

// scan finds a page of a set by looking at each of its entities, as the query asks for.
func (a *Answer) scan(ctx context.Context, tx cellfs.Tx, set cellfs.Node) error {
	q := &a.query
	t := a.schema.EntityType(a.request.set)
	best := ranking{limit: q.Skip + q.Top, order: q.order}
	words := strings.Fields(strings.ToLower(q.Text))
	r := row{schema: a.schema, of: t}
	err := eachDocument(ctx, a.fs, tx, set.ID, func(n *cellfs.NodeRef, doc []byte) error {
		r.node = &n.Node
		if err := r.parse(doc); err != nil {
			return err
		}
		if q.filter != nil && !q.filter(r.value) || len(words) > 0 && !r.contains(words) {
			return nil
		}
		a.total++
		best.add(entry{set: a.request.set, id: r.id(), node: n.Node}, &r)
		if len(q.order) == 0 && !q.Count && len(best.all) == best.limit {
			return fs.SkipAll // in the order of the names, the page is complete
		}
		return nil
	})
	if err != nil && err != fs.SkipAll {
		return err
	}
	found := best.sorted()
	a.entries = found[min(q.Skip, len(found)):]
	return nil
}

// eachDocument calls yield for each entity of a set with its document, in the order of the names.
func eachDocument(ctx context.Context, f *cellfs.FS, tx cellfs.Tx, set int64, yield func(*cellfs.NodeRef, []byte) error) error {
	p := cellfs.Page{Limit: scanPage, Props: cellfs.PropNames{}, Contents: true}
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var refs []cellfs.NodeRef
		var err error
		if refs, more, err = tx.ChildRefs(set, p); err != nil {
			return err
		}
		for i := range refs {
			n := &refs[i]
			doc := n.Data
			if doc == nil {
				c, err := f.OpenTx(ctx, tx, n.Blob)
				if err != nil {
					return err
				}
				doc, err = document(c)
				c.Close()
				if err != nil {
					return err
				}
			}
			if err := yield(n, doc); err != nil {
				return err
			}
			p.After = cellfs.Key(n.Name)
		}
	}
	return nil
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

func (k *ranking) add(e entry, r *row) {
	x := ranked{entry: e, at: k.next}
	k.next++
	if k.limit == 0 {
		return
	}
	for _, o := range k.order {
		x.keys = append(x.keys, r.value(o.property))
	}
	switch {
	case len(k.all) < k.limit:
		heap.Push(k, x)
	case k.before(&x, &k.all[0]):
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
