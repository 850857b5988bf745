package cellfstest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"cellar/cellfs"
)

// MemMeta is a strict [cellfs.Meta] in memory. Every Update works on a copy of
// the whole state, so that nothing of a failed one can stay and a View cannot
// see what comes later. It is slow and keeps nothing.
type MemMeta struct {
	mu     sync.Mutex // held by Update, and to take the state
	state  *state
	closed bool
}

// NewMemMeta returns an empty store.
func NewMemMeta() *MemMeta {
	return &MemMeta{state: &state{
		cells: map[int64]cellfs.Cell{}, nodes: map[int64]cellfs.Node{}, children: map[childKey]int64{}, blobs: map[int64]cellfs.Blob{},
		orphans: map[int64]time.Time{}, entities: map[int64]cellfs.Entity{}, links: map[cellfs.Link]bool{},
		snapshots: map[int64]cellfs.Snapshot{}, asides: map[int64]cellfs.Aside{}, jobs: map[int64]cellfs.Job{}, settings: map[string]string{},
		locks: map[string]cellfs.Lock{}, indexes: map[int64]cellfs.Index{}, rows: map[indexKey]bool{},
	}}
}

type childKey struct {
	parent int64
	key    string
}

// state is everything; a transaction that writes has its own copy.
type state struct {
	next      int64
	cells     map[int64]cellfs.Cell
	nodes     map[int64]cellfs.Node
	children  map[childKey]int64
	blobs     map[int64]cellfs.Blob
	orphans   map[int64]time.Time
	entities  map[int64]cellfs.Entity
	links     map[cellfs.Link]bool
	events    []cellfs.Event
	snapshots map[int64]cellfs.Snapshot
	jobs      map[int64]cellfs.Job
	asides    map[int64]cellfs.Aside
	archives  []cellfs.LogArchive
	dropped   []cellfs.LogArchive
	settings  map[string]string
	locks     map[string]cellfs.Lock // by token
	indexes   map[int64]cellfs.Index
	rows      map[indexKey]bool
}

func (s *state) clone() *state {
	c := *s
	c.cells, c.nodes, c.children = maps.Clone(s.cells), maps.Clone(s.nodes), maps.Clone(s.children)
	c.blobs, c.orphans, c.entities = maps.Clone(s.blobs), maps.Clone(s.orphans), maps.Clone(s.entities)
	c.links, c.events, c.snapshots = maps.Clone(s.links), slices.Clone(s.events), maps.Clone(s.snapshots)
	c.asides = maps.Clone(s.asides)
	c.archives, c.dropped = slices.Clone(s.archives), slices.Clone(s.dropped)
	c.jobs, c.settings = maps.Clone(s.jobs), maps.Clone(s.settings)
	c.locks, c.indexes, c.rows = maps.Clone(s.locks), maps.Clone(s.indexes), maps.Clone(s.rows)
	return &c
}

// View implements [cellfs.Meta].
func (m *MemMeta) View(ctx context.Context, fn func(cellfs.Tx) error) error {
	m.mu.Lock()
	s, closed := m.state, m.closed
	m.mu.Unlock()
	if err := ctx.Err(); err != nil || closed {
		return cmp.Or(err, errClosed)
	}
	return fn(&memTx{state: s})
}

var errClosed = errors.New("store is closed")

// Peek implements [cellfs.Meta].
func (m *MemMeta) Peek(ctx context.Context, fn func(cellfs.Reader) error) error {
	return m.View(ctx, func(tx cellfs.Tx) error { return fn(tx) })
}

// Update implements [cellfs.Meta].
func (m *MemMeta) Update(ctx context.Context, u cellfs.Update) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil || m.closed {
		return cmp.Or(err, errClosed)
	}
	s := m.state.clone()
	if err := u.Do(&memTx{state: s, writes: true}); err != nil {
		return err
	}
	if u.Publish != nil {
		defer u.Publish()()
	}
	m.state = s
	return nil
}

// Update runs fn as a transaction of m.
func Update(ctx context.Context, m cellfs.Meta, fn func(cellfs.Tx) error) error {
	return m.Update(ctx, cellfs.Update{Do: fn})
}

// Close implements [cellfs.Meta].
func (m *MemMeta) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

type memTx struct {
	*state
	writes bool
}

func (t *memTx) mayWrite() error {
	if !t.writes {
		return errors.New("write inside View")
	}
	return nil
}

func (t *memTx) id() int64 {
	t.next++
	return t.next
}

func absent(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), fs.ErrNotExist)
}

func taken(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), fs.ErrExist)
}

func sorted[K comparable, V any](m map[K]V, keep func(V) bool, less func(a, b V) int) []V {
	var all []V
	for _, v := range m {
		if keep(v) {
			all = append(all, v)
		}
	}
	slices.SortFunc(all, less)
	return all
}

func (t *memTx) Cell(name string) (cellfs.Cell, error) {
	for _, c := range t.cells {
		if c.Name == name {
			return t.counted(c), nil
		}
	}
	return cellfs.Cell{}, absent("cell %q", name)
}

func (t *memTx) CellByID(id int64) (cellfs.Cell, error) {
	c, ok := t.cells[id]
	if !ok {
		return c, absent("cell %d", id)
	}
	return t.counted(c), nil
}

func (t *memTx) Cells() ([]cellfs.Cell, error) {
	all := sorted(t.cells, func(cellfs.Cell) bool { return true }, func(a, b cellfs.Cell) int { return cmp.Compare(a.Name, b.Name) })
	for i := range all {
		all[i] = t.counted(all[i])
	}
	return all, nil
}

// counted adds up what the files of a cell take, and how long its log is.
func (t *memTx) counted(c cellfs.Cell) cellfs.Cell {
	c.Used, c.Log = 0, cellfs.LogSize{}
	for _, e := range t.events {
		if e.Cell == c.ID && e.ID > c.LogFrom {
			c.Log = c.Log.Add(e.Size())
		}
	}
	c.Nodes, c.Used, _ = t.Count(c.Root)
	for _, a := range t.asides {
		if a.Cell == c.ID && a.Counts {
			nodes, bytes, _ := t.Count(a.Root)
			c.Nodes, c.Used = c.Nodes+nodes, c.Used+bytes
		}
	}
	c.ACL = t.nodes[c.Root].ACL
	return c
}

func (t *memTx) SetKeep(cell, snapshots int64) error {
	c, err := t.CellByID(cell)
	if err = cmp.Or(err, t.mayWrite()); err != nil {
		return err
	}
	c.Keep = snapshots
	t.cells[cell] = c
	return nil
}

func (t *memTx) SetQuota(cell, bytes int64) error {
	c, err := t.CellByID(cell)
	if err = cmp.Or(err, t.mayWrite()); err != nil {
		return err
	}
	c.Quota = bytes
	t.cells[cell] = c
	return nil
}

func (t *memTx) AddCell(c *cellfs.Cell) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if _, err := t.Cell(c.Name); err == nil {
		return taken("cell %q", c.Name)
	}
	c.ID, c.Gen = t.id(), 1
	root := cellfs.Node{Cell: c.ID, Name: fmt.Sprint(c.ID), Kind: cellfs.KindCell, Version: 1, Created: c.Created, Modified: c.Created}
	if err := t.AddNode(&root); err != nil {
		return err
	}
	c.Root, c.Nodes = root.ID, 2
	t.cells[c.ID] = *c
	return t.AddNode(&cellfs.Node{
		Cell: c.ID, Parent: root.ID, Name: cellfs.MainBox, Kind: cellfs.KindBox, Version: 1, Created: c.Created, Modified: c.Created,
	})
}

func (t *memTx) DeleteCell(id int64, now time.Time) error {
	c, err := t.CellByID(id)
	if err != nil {
		return err
	}
	for _, s := range t.snapshots {
		if s.Cell == id {
			if err := t.DeleteSnapshot(s.ID, now); err != nil {
				return err
			}
		}
	}
	root := t.nodes[c.Root]
	t.asides[root.ID] = cellfs.Aside{Root: root.ID, Cell: id, Nodes: c.Nodes, Bytes: c.Used}
	t.remove(root)
	root.Name, root.Cell = fmt.Sprintf("aside-%d", root.ID), 0
	t.put(root)
	for aside, a := range t.asides {
		if a.Cell == id {
			a.Job, a.Counts = 0, false
			t.asides[aside] = a
		}
	}
	maps.DeleteFunc(t.entities, func(_ int64, e cellfs.Entity) bool { return e.Cell == id })
	maps.DeleteFunc(t.links, func(l cellfs.Link, _ bool) bool { return l.Cell == id })
	maps.DeleteFunc(t.jobs, func(_ int64, j cellfs.Job) bool { return j.Cell == id && t.orphanInput(j, now) })
	t.events = slices.DeleteFunc(t.events, func(e cellfs.Event) bool { return e.Cell == id })
	t.archives = slices.DeleteFunc(t.archives, func(a cellfs.LogArchive) bool { return a.Cell == id })
	delete(t.cells, id)
	return nil
}

// orphanInput puts the input of a job that goes on the work list.
func (t *memTx) orphanInput(j cellfs.Job, now time.Time) bool {
	if j.Input != 0 {
		t.orphans[j.Input] = now
	}
	return true
}

func (t *memTx) Touch(cell, atLeast int64) (int64, error) {
	c, err := t.CellByID(cell)
	if err = cmp.Or(err, t.mayWrite()); err != nil {
		return 0, err
	}
	c.Gen = max(c.Gen+1, atLeast)
	t.cells[cell] = c
	return c.Gen, nil
}

func (t *memTx) Node(id int64) (cellfs.Node, error) {
	n, ok := t.nodes[id]
	if !ok || n.Cell == 0 {
		return n, absent("node %d", id)
	}
	return n, nil
}

func (t *memTx) Child(parent int64, name string) (cellfs.Node, error) {
	id, ok := t.children[childKey{parent, cellfs.Key(name)}]
	if !ok {
		return cellfs.Node{}, absent("node %q", name)
	}
	return t.nodes[id], nil
}

func (t *memTx) ChildContent(parent int64, name string) (cellfs.Node, *cellfs.Blob, error) {
	n, err := t.Child(parent, name)
	if err != nil {
		return n, nil, err
	}
	b, ok := t.blobs[n.Blob]
	if !ok {
		return n, nil, nil
	}
	return n, &b, nil
}

func (t *memTx) Children(parent int64, p cellfs.Page) (page []cellfs.Node, more bool, err error) {
	all := sorted(t.nodes, func(n cellfs.Node) bool { return n.Parent == parent && cellfs.Key(n.Name) > p.After },
		func(a, b cellfs.Node) int { return strings.Compare(cellfs.Key(a.Name), cellfs.Key(b.Name)) })
	extra := 0
	for i := range all {
		if i == p.Limit || extra >= cellfs.PageBytes {
			return page, true, nil
		}
		n := all[i]
		n.Props = p.Props.Keep(slices.Clone(n.Props))
		extra += n.Extra()
		page = append(page, n)
	}
	return page, false, nil
}

func (t *memTx) ChildRefs(parent int64, p cellfs.Page) (all []cellfs.NodeRef, more bool, err error) {
	nodes, more, err := t.Children(parent, p)
	for _, n := range nodes {
		all = append(all, cellfs.NodeRef{Node: n, Ref: t.blobs[n.Blob].Ref})
	}
	return all, more, err
}

// tree returns the ids of root and of all below it.
func (t *memTx) tree(root int64) []int64 {
	ids := []int64{root}
	for i := 0; i < len(ids); i++ {
		for id, n := range t.nodes {
			if n.Parent == ids[i] {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func (t *memTx) Count(root int64) (nodes, bytes int64, err error) {
	for _, id := range t.tree(root) {
		nodes++
		n := t.nodes[id]
		bytes += n.Weight()
	}
	return nodes, bytes, nil
}

func (t *memTx) Measure(n *cellfs.Node, limit int) (cellfs.Extent, error) {
	nodes, bytes, err := t.Count(n.ID)
	if nodes > int64(limit) {
		return cellfs.Extent{}, err
	}
	return cellfs.Extent{Nodes: nodes, Bytes: bytes, Whole: true}, err
}

func (t *memTx) RaiseHeight(collection int64, height int) error {
	for ; collection != 0; height++ {
		n, err := t.Node(collection)
		if err != nil || n.Height >= height {
			return err
		}
		n.Height = height
		t.nodes[n.ID] = n
		collection = n.Parent
	}
	return t.mayWrite()
}

func (t *memTx) Height(root int64) (height int, err error) {
	for _, n := range t.nodes {
		if n.Parent == root {
			below, _ := t.Height(n.ID)
			height = max(height, below+1)
		}
	}
	return height, nil
}

func (t *memTx) Nodes() (int64, error) { return int64(len(t.nodes)), nil }

func (t *memTx) AddNode(n *cellfs.Node) error {
	if err := t.free(n); err != nil {
		return err
	}
	n.ID = t.id()
	t.put(*n)
	return nil
}

// free checks what the unique indexes of a database check.
func (t *memTx) free(n *cellfs.Node) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if id, ok := t.children[childKey{n.Parent, cellfs.Key(n.Name)}]; ok && id != n.ID {
		return taken("node %q", n.Name)
	}
	for _, m := range t.nodes {
		if n.Schema != "" && m.ID != n.ID && m.Cell == n.Cell && m.Schema == n.Schema {
			return cellfs.ErrSchemaTaken
		}
	}
	if n.Blob != 0 {
		if _, ok := t.blobs[n.Blob]; !ok {
			return fmt.Errorf("node %q names content %d, which is not there", n.Name, n.Blob)
		}
	}
	return nil
}

func (t *memTx) put(n cellfs.Node) {
	t.nodes[n.ID] = n
	t.children[childKey{n.Parent, cellfs.Key(n.Name)}] = n.ID
}

func (t *memTx) remove(n cellfs.Node) {
	delete(t.nodes, n.ID)
	delete(t.children, childKey{n.Parent, cellfs.Key(n.Name)})
}

func (t *memTx) SetNode(old, n *cellfs.Node, now time.Time) error {
	there, ok := t.nodes[old.ID]
	if !ok || there.Parent != old.Parent || cellfs.Key(there.Name) != cellfs.Key(old.Name) {
		return absent("node %d", old.ID)
	}
	if err := t.free(n); err != nil {
		return err
	}
	t.remove(there)
	changed := *n
	changed.Height = max(n.Height, there.Height)
	t.put(changed)
	if old.Blob != 0 && old.Blob != n.Blob {
		t.orphans[old.Blob] = now
	}
	return nil
}

func (t *memTx) MembersChanged(n *cellfs.Node, now time.Time) error {
	if stored, ok := t.nodes[n.ID]; ok {
		stored.Changed, stored.MTime = now, time.Time{}
		t.nodes[n.ID] = stored
	}
	return t.mayWrite()
}

func (t *memTx) DatesAnew(parent int64, now time.Time) error {
	for id, n := range t.nodes {
		if n.Parent == parent {
			n.DatesFrom = time.Unix(max(n.DatesFrom.Unix(), now.Unix())+1, 0).UTC()
			t.nodes[id] = n
		}
	}
	return t.mayWrite()
}

func (t *memTx) SetCellOf(root, cell int64) error {
	for _, id := range t.tree(root) {
		n := t.nodes[id]
		n.Cell, n.ACL = cell, nil
		t.nodes[id] = n
		for l := range linksOf(t.links) {
			if l.Node == id {
				delete(t.links, l)
				l.Cell = cell
				t.links[l] = true
			}
		}
	}
	return t.mayWrite()
}

func (t *memTx) CopyTree(src int64, dst *cellfs.Node, version int64, now time.Time) error {
	pairs := map[int64]int64{src: dst.ID}
	for _, id := range t.tree(src)[1:] {
		if id == dst.ID {
			continue
		}
		n := t.nodes[id]
		up, ok := pairs[n.Parent]
		if !ok {
			continue // below dst itself
		}
		n.ACL = nil
		n.Parent, n.Cell, n.Version, n.Created, n.Modified, n.MTime, n.DatesFrom, n.Changed, n.Schema = up, dst.Cell, version, now, now, time.Time{}, time.Time{}, time.Time{}, ""
		if err := t.AddNode(&n); err != nil {
			return err
		}
		pairs[id] = n.ID
	}
	for _, l := range sorted(linksOf(t.links), func(cellfs.Link) bool { return true }, compareLinks) {
		if to, ok := pairs[l.Node]; ok && l.Node != 0 {
			l.Node, l.Cell = to, dst.Cell
			t.links[l] = true
		}
	}
	return nil
}

func linksOf(m map[cellfs.Link]bool) map[cellfs.Link]cellfs.Link {
	all := map[cellfs.Link]cellfs.Link{}
	for l := range m {
		all[l] = l
	}
	return all
}

func compareLinks(a, b cellfs.Link) int {
	return cmp.Or(cmp.Compare(a.From.Set, b.From.Set), cmp.Compare(a.From.Key, b.From.Key), cmp.Compare(a.To.Set, b.To.Set), cmp.Compare(a.To.Key, b.To.Key))
}

func (t *memTx) DeleteTree(n *cellfs.Node, now time.Time) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	for _, id := range t.tree(n.ID) {
		m := t.nodes[id]
		if m.Blob != 0 {
			t.orphans[m.Blob] = now
		}
		t.remove(m)
		maps.DeleteFunc(t.links, func(l cellfs.Link, _ bool) bool { return l.Node == id })
		t.dropBox(m, now)
	}
	return nil
}

// dropBox removes the control objects and the jobs of a node that is a box.
func (t *memTx) dropBox(n cellfs.Node, now time.Time) {
	if n.Kind != cellfs.KindBox {
		return
	}
	maps.DeleteFunc(t.entities, func(eid int64, e cellfs.Entity) bool {
		if e.Box != n.ID {
			return false
		}
		end := cellfs.End{Set: e.Set, Key: fmt.Sprint(eid)}
		maps.DeleteFunc(t.links, func(l cellfs.Link, _ bool) bool {
			return l.Node == 0 && l.Cell == e.Cell && (l.From == end || l.To == end)
		})
		return true
	})
	maps.DeleteFunc(t.jobs, func(_ int64, j cellfs.Job) bool { return j.Target == n.ID && t.orphanInput(j, now) })
}
