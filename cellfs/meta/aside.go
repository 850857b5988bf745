package meta

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"cellar/cellfs"
)

// --- trees that no cell shows (cellfs.AsideReader, cellfs.AsideWriter)

func (t *tx) AddAside(job int64, root *cellfs.Node) error {
	if t.store == nil {
		return errReadOnly
	}
	root.Name = fmt.Sprintf("aside-%d", t.store.nextNode) // a name of its own: roots have no parent
	if err := t.insertNodes([]*cellfs.Node{root}); err != nil {
		return err
	}
	_, err := t.write("INSERT INTO aside (root, cell, job, nodes, bytes, counts) VALUES (?, ?, ?, 1, ?, 0)", root.ID, root.Cell, job, root.Weight())
	return err
}

func (t *tx) AddAsideNodes(root int64, nodes []*cellfs.Node) error {
	var bytes int64
	for _, n := range nodes {
		bytes += n.Weight()
	}
	if err := t.insertNodes(nodes); err != nil {
		return err
	}
	return t.countAside(root, len(nodes), bytes)
}

func (t *tx) SetAsideNode(root int64, old, n *cellfs.Node) error {
	if err := t.replace(old, n); err != nil {
		return err
	}
	return t.countAside(root, 0, n.Weight()-old.Weight())
}

// countAside adds to what a tree counts.
func (t *tx) countAside(root int64, nodes int, bytes int64) error {
	changed, err := t.write("UPDATE aside SET nodes = nodes + ?, bytes = bytes + ? WHERE root = ? AND job <> 0", nodes, bytes, root)
	if err == nil && changed != 1 {
		err = fmt.Errorf("tree %d: %w", root, fs.ErrNotExist)
	}
	return err
}

// nodeRows is how many nodes one statement adds.
const nodeRows = 16

const (
	nodeRow    = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	insertNode = `INSERT INTO node (parent, key, name, kind, ctype, blob, size, version, created, modified, schema, props, acl, mtime, dates, changed, weight, height, authz, id, cell) VALUES `
)

var insertNodes = insertNode + strings.Repeat(nodeRow+", ", nodeRows-1) + nodeRow

// insertNodes adds nodes that do not count for their cell, and fills in the ids.
func (t *tx) insertNodes(nodes []*cellfs.Node) error {
	if t.store == nil {
		return errReadOnly
	}
	for len(nodes) > 0 {
		n, statement := 1, insertNode+nodeRow
		if len(nodes) >= nodeRows {
			n, statement = nodeRows, insertNodes
		}
		var args []any
		for i, x := range nodes[:n] {
			a, err := nodeArgs(x)
			if err != nil {
				return err
			}
			x.ID = t.store.nextNode + int64(i)
			args = append(append(args, a...), x.ID, x.Cell)
		}
		if _, err := t.write(statement, args...); err != nil {
			return fmt.Errorf("add nodes: %w", t.whichKey(err))
		}
		t.store.nextNode += int64(n)
		nodes = nodes[n:]
	}
	return nil
}

func scanAside(r row) (a cellfs.Aside, err error) {
	err = r.scan(&a.Root, &a.Cell, &a.Job, &a.Nodes, &a.Bytes, &a.Counts)
	return a, err
}

func (t *tx) Asides() ([]cellfs.Aside, error) {
	return all(t, scanAside, "SELECT root, cell, job, nodes, bytes, counts FROM aside ORDER BY root")
}

func (t *tx) PlaceAside(n *cellfs.Node, now time.Time) error {
	var nodes, bytes int64
	if err := t.row("SELECT nodes, bytes FROM aside WHERE root = ? AND job <> 0", []any{n.ID}, &nodes, &bytes); err != nil {
		return fmt.Errorf("tree %d: %w", n.ID, err)
	}
	old, err := t.Node(n.ID)
	if err != nil {
		return err
	}
	if err := t.replace(&old, n); err != nil {
		return err
	}
	if _, err := t.write("DELETE FROM aside WHERE root = ?", n.ID); err != nil {
		return err
	}
	return t.use(n.Cell, nodes, bytes+n.Weight()-old.Weight())
}

func (t *tx) PutAside(n *cellfs.Node, e cellfs.Extent, now time.Time) error {
	if err := t.collectionChanges(); err != nil {
		return err
	}
	if n.Kind == cellfs.KindBox {
		if err := t.deleteBoxControl(n.ID, now); err != nil {
			return err
		}
	}
	moved, err := t.write("UPDATE node SET parent = 0, key = ?, cell = 0, schema = NULL WHERE parent = ? AND key = ? AND id = ?",
		fmt.Sprintf("aside-%d", n.ID), n.Parent, cellfs.Key(n.Name), n.ID)
	if err == nil && moved != 1 {
		err = fmt.Errorf("node %d: %w", n.ID, fs.ErrNotExist)
	}
	if err != nil {
		return err
	}
	if e.Whole {
		if err := t.use(n.Cell, -e.Nodes, -e.Bytes); err != nil {
			return err
		}
	}
	_, err = t.write("INSERT INTO aside (root, cell, job, nodes, bytes, counts) VALUES (?, ?, 0, ?, ?, ?)", n.ID, n.Cell, e.Nodes, e.Bytes, !e.Whole)
	return err
}

func (t *tx) CountAside(root int64, e cellfs.Extent) error {
	var cell int64
	if err := t.row("SELECT cell FROM aside WHERE root = ? AND counts", []any{root}, &cell); err != nil {
		return fmt.Errorf("tree %d: %w", root, err)
	}
	if _, err := t.write("UPDATE aside SET nodes = ?, bytes = ?, counts = 0 WHERE root = ?", e.Nodes, e.Bytes, root); err != nil {
		return err
	}
	return t.use(cell, -e.Nodes, -e.Bytes)
}

func (t *tx) DropAside(root int64) error {
	var job int64
	if err := t.row("SELECT job FROM aside WHERE root = ?", []any{root}, &job); err != nil {
		return fmt.Errorf("tree %d: %w", root, err)
	}
	if job > 0 {
		if err := t.dropControl(-job); err != nil {
			return err
		}
	}
	_, err := t.write("UPDATE aside SET job = 0 WHERE root = ?", root)
	return err
}

// dropControl removes the control objects of a cell.
func (t *tx) dropControl(cell int64) error {
	for _, q := range []string{"DELETE FROM link WHERE node = 0 AND cell = ?", "DELETE FROM entity WHERE cell = ?"} {
		if _, err := t.write(q, cell); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) ShowAside(root int64, schemas map[int64]string, atLeast int64, now time.Time) error {
	var a cellfs.Aside
	if err := t.row("SELECT cell, job, nodes, bytes FROM aside WHERE root = ? AND job > 0", []any{root}, &a.Cell, &a.Job, &a.Nodes, &a.Bytes); err != nil {
		return fmt.Errorf("tree %d: %w", root, err)
	}
	c, err := t.CellByID(a.Cell)
	if err != nil {
		return err
	}
	if err := t.collectionChanges(); err != nil {
		return err
	}
	if err := t.dropControl(c.ID); err != nil {
		return err
	}
	steps := []struct {
		query string
		args  []any
	}{
		{"UPDATE entity SET cell = ? WHERE cell = ?", []any{c.ID, -a.Job}},
		{"UPDATE link SET cell = ? WHERE node = 0 AND cell = ?", []any{c.ID, -a.Job}},
		{"UPDATE node SET schema = NULL WHERE parent = ? AND schema IS NOT NULL", []any{c.Root}},
		{orphanInputs + "WHERE cell = ? AND target <> 0 AND input IS NOT NULL" + orphanAgain, []any{micros(now), c.ID}},
		{"DELETE FROM job WHERE cell = ? AND target <> 0", []any{c.ID}},
		{"DELETE FROM aside WHERE root = ?", []any{root}},
		{"INSERT INTO aside (root, cell, job, nodes, bytes, counts) VALUES (?, ?, 0, ?, ?, 0)", []any{c.Root, c.ID, c.Nodes, c.Used}},
		{"UPDATE cell SET root = ? WHERE id = ?", []any{root, c.ID}},
	}
	for box, schema := range schemas {
		steps = append(steps, struct {
			query string
			args  []any
		}{"UPDATE node SET schema = ? WHERE id = ?", []any{schema, box}})
	}
	for _, s := range steps {
		if _, err := t.write(s.query, s.args...); err != nil {
			return fmt.Errorf("show tree %d: %w", root, t.whichKey(err))
		}
	}
	shown, err := t.Node(root)
	if err != nil {
		return err
	}
	return t.count(c.ID, func(c *cellfs.Cell) {
		c.Root, c.ACL, c.Nodes, c.Used, c.Gen = root, shown.ACL, a.Nodes, a.Bytes, max(c.Gen+1, atLeast)
	})
}

func (t *tx) PruneAside(root int64, limit int, now time.Time) (done bool, err error) {
	path := []int64{root}
	for left := limit; left > 0 && len(path) > 0; {
		at := path[len(path)-1]
		files, blobs, below, err := t.firstFiles(at, left)
		if err != nil {
			return false, err
		}
		left -= len(files)
		if err := t.AddOrphans(blobs, now); err != nil {
			return false, err
		}
		if err := t.deleteNodes(files); err != nil {
			return false, err
		}
		switch {
		case below != 0:
			path = append(path, below)
			continue
		case len(files) > 0:
			continue // there may be more
		}
		if _, err := t.write("DELETE FROM link WHERE node = ?", at); err != nil {
			return false, err
		}
		if err := t.deleteNodes([]int64{at}); err != nil {
			return false, err
		}
		path = path[:len(path)-1]
		left--
	}
	if len(path) > 0 {
		return false, nil
	}
	_, err = t.write("DELETE FROM aside WHERE root = ? AND job = 0", root)
	return true, err
}

var errCollection = errors.New("a collection")

// firstFiles returns at most limit of the first members of a collection, with their
// contents, until below, the first that is a collection itself; 0 for none.
func (t *tx) firstFiles(parent int64, limit int) (files, blobs []int64, below int64, err error) {
	err = t.query("SELECT id, kind, coalesce(blob, 0) FROM node WHERE parent = ? ORDER BY key LIMIT ?", []any{parent, limit},
		func(r row) error {
			id, blob := r.int(0), r.int(2)
			if cellfs.Kind(r.int(1)) != cellfs.KindFile {
				below = id
				return errCollection
			}
			files = append(files, id)
			if blob != 0 {
				blobs = append(blobs, blob)
			}
			return nil
		})
	if errors.Is(err, errCollection) {
		err = nil
	}
	return files, blobs, below, err
}

func (t *tx) deleteNodes(ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	_, err = t.write("DELETE FROM node WHERE id IN (SELECT value FROM json_each(?))", string(list))
	return err
}
