package meta

import (
	"fmt"
	"maps"
	"slices"

	"cellar/cellfs"
)

// maxKnown bounds how many collections the writer remembers.
const maxKnown = 10_000

// known is what the writer knows of the database as its transaction stands, so
// that most writes need not look for their cell and collection. Only the writer
// uses it, and only its own writes change the database, so that it is exact: a
// write that changes a collection makes the writer forget, a transaction that is
// rolled back puts the cells back as they were.
//
// The counters of cells (generation, bytes in use) change with every write. They
// are written once for each batch.
type known struct {
	names       map[string]int64 // ids of cells
	cells       map[int64]cellfs.Cell
	changed     map[int64]bool // cells whose counters are not written yet
	collections map[childKey]cellfs.Node
}

type childKey struct {
	parent int64
	key    string
}

func newKnown() known {
	return known{names: map[string]int64{}, cells: map[int64]cellfs.Cell{}, changed: map[int64]bool{}, collections: map[childKey]cellfs.Node{}}
}

func (k *known) addCell(c cellfs.Cell) {
	k.names[c.Name], k.cells[c.ID] = c.ID, c
}

func (k *known) rename(id int64, name string) {
	c := k.cells[id]
	delete(k.names, c.Name)
	c.Name = name
	k.addCell(c)
}

func (k *known) dropCell(id int64) {
	delete(k.names, k.cells[id].Name)
	delete(k.cells, id)
	delete(k.changed, id)
}

// addCollection remembers a node that is one and that no property or ACL makes
// large.
func (k *known) addCollection(n cellfs.Node) {
	if !n.IsCollection() || len(n.Props) > 0 || n.ACL != nil {
		return
	}
	if len(k.collections) >= maxKnown {
		clear(k.collections)
	}
	k.collections[childKey{n.Parent, cellfs.Key(n.Name)}] = n
}

// before is a cell as it was when a transaction first changed it.
type before struct {
	cell    cellfs.Cell // zero: the transaction added it
	changed bool
}

// remember keeps the cell as it is, for the case that the transaction is rolled
// back.
func (t *tx) remember(id int64) {
	if _, ok := t.before[id]; ok {
		return
	}
	if t.before == nil {
		t.before = map[int64]before{}
	}
	t.before[id] = before{t.store.known.cells[id], t.store.known.changed[id]}
}

// forget puts back what the writer knew before the transaction.
func (t *tx) forget() {
	k := &t.store.known
	clear(k.collections)
	for id, b := range t.before {
		k.dropCell(id)
		if b.cell.ID != 0 {
			k.addCell(b.cell)
		}
		if b.changed {
			k.changed[id] = true
		}
	}
}

// count changes the counters of a cell.
func (t *tx) count(id int64, change func(c *cellfs.Cell)) error {
	if err := t.begin(); err != nil {
		return err
	}
	c, err := t.CellByID(id)
	if err != nil {
		return err
	}
	t.remember(id)
	change(&c)
	t.store.known.cells[id], t.store.known.changed[id] = c, true
	return nil
}

// use adds to what the nodes of a cell count.
func (t *tx) use(cell, nodes, bytes int64) error {
	if nodes == 0 && bytes == 0 {
		return nil
	}
	return t.count(cell, func(c *cellfs.Cell) { c.Nodes, c.Used = c.Nodes+nodes, c.Used+bytes })
}

// flush writes the counters that changed, in the order of the cells.
func (s *Store) flush(w *conn) error {
	for _, id := range slices.Sorted(maps.Keys(s.known.changed)) {
		c := s.known.cells[id]
		if err := w.exec("UPDATE cell SET gen = ?, nodes = ?, used = ?, logbytes = ?, logurls = ?, logunits = ? WHERE id = ?", c.Gen, c.Nodes, c.Used, c.Log.Bytes, c.Log.URLs, c.Log.Units, id); err != nil {
			return fmt.Errorf("counters of cell %d: %w", id, err)
		}
	}
	clear(s.known.changed)
	return nil
}

// knownChild is what the writer knows of a child that is a collection.
func (t *tx) knownChild(parent int64, key string) (cellfs.Node, bool) {
	if t.store == nil {
		return cellfs.Node{}, false
	}
	n, ok := t.store.known.collections[childKey{parent, key}]
	return n, ok
}

// collectionChanges is called before a write that changes collections, other
// than adding one.
func (t *tx) collectionChanges() error {
	if t.store == nil {
		return errReadOnly
	}
	clear(t.store.known.collections)
	return nil
}
