package cellfstest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"cellar/cellfs"
)

func (t *memTx) AddAside(job int64, root *cellfs.Node) error {
	root.Name = fmt.Sprintf("aside-%d", t.id())
	if err := t.AddNode(root); err != nil {
		return err
	}
	t.asides[root.ID] = cellfs.Aside{Root: root.ID, Cell: root.Cell, Job: job, Nodes: 1, Bytes: root.Weight()}
	return nil
}

func (t *memTx) AddAsideNodes(root int64, nodes []*cellfs.Node) error {
	a, ok := t.asides[root]
	if !ok || a.Job == 0 {
		return absent("tree %d", root)
	}
	for _, n := range nodes {
		if err := t.AddNode(n); err != nil {
			return err
		}
		a.Nodes++
		a.Bytes += n.Weight()
	}
	t.asides[root] = a
	return nil
}

func (t *memTx) SetAsideNode(root int64, old, n *cellfs.Node) error {
	a, ok := t.asides[root]
	if !ok || a.Job == 0 {
		return absent("tree %d", root)
	}
	a.Bytes += n.Weight() - old.Weight()
	t.asides[root] = a
	return t.SetNode(old, n, time.Time{})
}

func (t *memTx) Asides() ([]cellfs.Aside, error) {
	all := slices.Collect(maps.Values(t.asides))
	slices.SortFunc(all, func(a, b cellfs.Aside) int { return int(a.Root - b.Root) })
	return all, nil
}

func (t *memTx) dropControl(cell int64) {
	maps.DeleteFunc(t.entities, func(_ int64, e cellfs.Entity) bool { return e.Cell == cell })
	maps.DeleteFunc(t.links, func(l cellfs.Link, _ bool) bool { return l.Cell == cell && l.Node == 0 })
}

func (t *memTx) PlaceAside(n *cellfs.Node, now time.Time) error {
	a, ok := t.asides[n.ID]
	if !ok || a.Job == 0 {
		return absent("tree %d", n.ID)
	}
	old := t.nodes[n.ID]
	delete(t.asides, n.ID)
	return t.SetNode(&old, n, now)
}

func (t *memTx) PutAside(n *cellfs.Node, e cellfs.Extent, now time.Time) error {
	there, ok := t.nodes[n.ID]
	if !ok || there.Parent != n.Parent || there.Cell == 0 {
		return absent("node %d", n.ID)
	}
	t.dropBox(there, now)
	t.remove(there)
	t.asides[n.ID] = cellfs.Aside{Root: n.ID, Cell: there.Cell, Nodes: e.Nodes, Bytes: e.Bytes, Counts: !e.Whole}
	there.Parent, there.Name, there.Cell, there.Schema = 0, fmt.Sprintf("aside-%d", n.ID), 0, ""
	t.put(there)
	return t.mayWrite()
}

func (t *memTx) CountAside(root int64, e cellfs.Extent) error {
	a, ok := t.asides[root]
	if !ok || !a.Counts {
		return absent("tree %d", root)
	}
	a.Nodes, a.Bytes, a.Counts = e.Nodes, e.Bytes, false
	t.asides[root] = a
	return t.mayWrite()
}

func (t *memTx) DropAside(root int64) error {
	a, ok := t.asides[root]
	if !ok {
		return absent("tree %d", root)
	}
	if a.Job > 0 {
		t.dropControl(-a.Job)
	}
	a.Job = 0
	t.asides[root] = a
	return t.mayWrite()
}

func (t *memTx) ShowAside(root int64, schemas map[int64]string, atLeast int64, now time.Time) error {
	a, ok := t.asides[root]
	if !ok || a.Job <= 0 {
		return absent("tree %d", root)
	}
	c, err := t.CellByID(a.Cell)
	if err != nil {
		return err
	}
	t.dropControl(c.ID)
	for id, e := range t.entities {
		if e.Cell == -a.Job {
			e.Cell = c.ID
			t.entities[id] = e
		}
	}
	for l := range maps.Clone(t.links) {
		if l.Node == 0 && l.Cell == -a.Job {
			delete(t.links, l)
			l.Cell = c.ID
			t.links[l] = true
		}
	}
	for id, n := range t.nodes {
		if n.Parent == c.Root {
			n.Schema = ""
			t.nodes[id] = n
		}
	}
	for box, schema := range schemas {
		n := t.nodes[box]
		n.Schema = schema
		t.nodes[box] = n
	}
	maps.DeleteFunc(t.jobs, func(_ int64, j cellfs.Job) bool { return j.Cell == c.ID && j.Target != 0 && t.orphanInput(j, now) })
	delete(t.asides, root)
	t.asides[c.Root] = cellfs.Aside{Root: c.Root, Cell: c.ID, Nodes: c.Nodes, Bytes: c.Used}
	c.Root, c.Gen = root, max(c.Gen+1, atLeast)
	t.cells[c.ID] = c
	return t.mayWrite()
}

func (t *memTx) PruneAside(root int64, limit int, now time.Time) (bool, error) {
	left := limit
	for _, id := range t.tree(root) {
		if n := t.nodes[id]; n.Kind == cellfs.KindFile && left > 0 {
			left--
			if err := t.DeleteTree(&n, now); err != nil {
				return false, err
			}
		}
	}
	if left == 0 {
		return false, nil
	}
	n := t.nodes[root]
	if err := t.DeleteTree(&n, now); err != nil {
		return false, err
	}
	delete(t.asides, root)
	return true, t.mayWrite()
}
