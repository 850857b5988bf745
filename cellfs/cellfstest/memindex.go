package cellfstest

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"cellar/cellfs"
)

// indexKey is a row of an index.
type indexKey struct {
	index      int64
	value, key string
}

func (t *memTx) document(n *cellfs.Node) *cellfs.Document {
	b := t.blobs[n.Blob]
	return &cellfs.Document{ID: n.ID, Name: n.Name, Version: n.Version, Created: n.Created, Modified: n.Modified, Blob: n.Blob, Ref: b.Ref, Data: b.Data}
}

func (t *memTx) Documents(parent int64, after string, yield func(*cellfs.Document) error) error {
	return cellfs.EachChild(t, parent, func(n *cellfs.Node) error {
		if n.Kind != cellfs.KindFile || cellfs.Key(n.Name) <= after {
			return nil
		}
		return yield(t.document(n))
	})
}

func (t *memTx) Indexes(node int64) ([]cellfs.Index, error) {
	return sorted(t.indexes, func(x cellfs.Index) bool { return x.Node == node && node != 0 }, func(a, b cellfs.Index) int { return cmp.Compare(a.ID, b.ID) }), nil
}

func (t *memTx) AddIndex(x *cellfs.Index) error {
	for _, other := range t.indexes {
		if other.Node == x.Node && other.Property == x.Property {
			return taken("index by %q", x.Property)
		}
	}
	x.ID = t.id()
	t.indexes[x.ID] = *x
	return t.mayWrite()
}

func (t *memTx) SetIndex(x cellfs.Index) error {
	if now, ok := t.indexes[x.ID]; ok {
		now.Through, now.Complete = x.Through, x.Complete
		t.indexes[x.ID] = now
	}
	return t.mayWrite()
}

func (t *memTx) DropIndex(id int64) error {
	delete(t.indexes, id)
	return t.mayWrite()
}

func (t *memTx) AddIndexRows(id int64, rows ...cellfs.IndexRow) error {
	for _, r := range rows {
		k := indexKey{id, string(r.Value), cellfs.Key(r.Name)}
		if t.rows[k] {
			return taken("row %q", r.Name)
		}
		t.rows[k] = true
	}
	return t.mayWrite()
}

func (t *memTx) DeleteIndexRow(id int64, r cellfs.IndexRow) error {
	delete(t.rows, indexKey{id, string(r.Value), cellfs.Key(r.Name)})
	return t.mayWrite()
}

// inRange lists the rows of a range in their order.
func (t *memTx) inRange(id int64, r cellfs.IndexRange) []indexKey {
	var all []indexKey
	for k := range maps.Keys(t.rows) {
		if k.index == id && k.value >= string(r.From) && (r.To == nil || k.value < string(r.To)) {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b indexKey) int {
		c := cmp.Or(strings.Compare(a.value, b.value), strings.Compare(a.key, b.key))
		if r.Down {
			c = -c
		}
		return c
	})
	return all
}

func (t *memTx) CountIndexed(id int64, r cellfs.IndexRange, limit int) (int, error) {
	return min(limit, len(t.inRange(id, r))), nil
}

func (t *memTx) IndexedDocuments(x *cellfs.Index, r cellfs.IndexRange, yield func(*cellfs.Document) error) error {
	for _, k := range t.inRange(x.ID, r) {
		n, err := t.Child(x.Node, k.key)
		if err != nil {
			return err
		}
		d := t.document(&n)
		d.Value = []byte(k.value)
		if err := yield(d); err != nil {
			return err
		}
	}
	return nil
}

func (t *memTx) PurgeIndexes(limit int) (purged int64, err error) {
	for id, x := range t.indexes {
		if _, ok := t.nodes[x.Node]; !ok {
			delete(t.indexes, id)
		}
	}
	for k := range t.rows {
		if _, ok := t.indexes[k.index]; !ok && purged < int64(limit) {
			delete(t.rows, k)
			purged++
		}
	}
	return purged, t.mayWrite()
}
