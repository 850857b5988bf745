package meta

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	"cellar/cellfs"
)

const cellColumns = "SELECT id, name, owner, root, gen, quota, nodes, used, keep, logfrom, logbytes, logurls, logunits, created, (SELECT acl FROM node WHERE node.id = cell.root) FROM cell "

func scanCell(r row) (c cellfs.Cell, err error) {
	err = r.scan(&c.ID, &c.Name, &c.Owner, &c.Root, &c.Gen, &c.Quota, &c.Nodes, &c.Used, &c.Keep, &c.LogFrom, &c.Log.Bytes, &c.Log.URLs, &c.Log.Units, &c.Created)
	if text := r.raw(14); len(text) > 0 && err == nil {
		err = json.Unmarshal(text, &c.ACL)
	}
	return c, err
}

func (t *tx) oneCell(query string, arg any) (cellfs.Cell, error) {
	c, err := one(t, scanCell, query, arg)
	if err != nil {
		return c, fmt.Errorf("cell %v: %w", arg, err)
	}
	return t.counted(c), nil
}

// counted is the cell with the counters that the writer has not written yet.
func (t *tx) counted(c cellfs.Cell) cellfs.Cell {
	if t.store == nil {
		return c
	}
	if k, ok := t.store.known.cells[c.ID]; ok {
		return k
	}
	t.store.known.addCell(c)
	return c
}

func (t *tx) Cell(name string) (cellfs.Cell, error) {
	if t.store != nil {
		if id, ok := t.store.known.names[name]; ok {
			return t.store.known.cells[id], nil
		}
	}
	return t.oneCell(cellColumns+"WHERE name = ?", name)
}

func (t *tx) CellByID(id int64) (cellfs.Cell, error) {
	if t.store != nil {
		if c, ok := t.store.known.cells[id]; ok {
			return c, nil
		}
	}
	return t.oneCell(cellColumns+"WHERE id = ?", id)
}

func (t *tx) Cells() (cells []cellfs.Cell, err error) {
	err = t.query(cellColumns+"ORDER BY name", nil, func(r row) error {
		c, err := scanCell(r)
		cells = append(cells, t.counted(c))
		return err
	})
	return cells, err
}

func (t *tx) AddCell(c *cellfs.Cell) error {
	c.Gen, c.Nodes, c.Used, c.LogFrom, c.Log = 1, 0, 0, 0, cellfs.LogSize{}
	err := t.insert(&c.ID, "INSERT INTO cell (name, owner, root, gen, quota, nodes, used, keep, created) VALUES (?, ?, 0, ?, ?, 0, 0, ?, ?) RETURNING id",
		c.Name, c.Owner, c.Gen, c.Quota, c.Keep, micros(c.Created))
	if err != nil {
		return fmt.Errorf("add cell %q: %w", c.Name, err)
	}
	t.remember(c.ID)
	root := cellfs.Node{
		Cell: c.ID, Name: fmt.Sprint(c.ID), Kind: cellfs.KindCell, Version: c.Gen,
		Created: c.Created, Modified: c.Created,
	}
	if err := t.AddNode(&root); err != nil {
		return err
	}
	c.Root = root.ID
	if _, err := t.write("UPDATE cell SET root = ? WHERE id = ?", c.Root, c.ID); err != nil {
		return err
	}
	c.Nodes = 1
	t.store.known.addCell(*c)
	c.Nodes++
	return t.AddNode(&cellfs.Node{
		Cell: c.ID, Parent: c.Root, Name: cellfs.MainBox, Kind: cellfs.KindBox, Version: c.Gen,
		Created: c.Created, Modified: c.Created,
	})
}

func (t *tx) DeleteCell(id int64, now time.Time) error {
	c, err := t.CellByID(id)
	if err != nil {
		return err
	}
	root, err := t.Node(c.Root)
	if err != nil {
		return err
	}
	snapshots, err := t.Snapshots(id)
	if err != nil {
		return err
	}
	for _, s := range snapshots {
		if err := t.DeleteSnapshot(s.ID, now); err != nil {
			return err
		}
	}
	if err := t.collectionChanges(); err != nil {
		return err
	}
	if _, err := t.write("UPDATE node SET key = ?, cell = 0 WHERE id = ?", fmt.Sprintf("aside-%d", root.ID), root.ID); err != nil {
		return err
	}
	if _, err := t.write("INSERT INTO aside (root, cell, job, nodes, bytes, counts) VALUES (?, ?, 0, ?, ?, 0)", root.ID, id, c.Nodes, c.Used); err != nil {
		return err
	}
	_, err = t.write(`INSERT INTO orphan (blob, since) SELECT input, ? FROM job WHERE cell = ? AND input IS NOT NULL
		ON CONFLICT (blob) DO UPDATE SET since = excluded.since`, micros(now), id)
	if err != nil {
		return err
	}
	if _, err := t.write("UPDATE aside SET job = 0, counts = 0 WHERE cell = ?", id); err != nil {
		return err
	}
	for _, table := range []string{"entity", "link", "logarchive", "logpurge", "job"} {
		if _, err := t.write("DELETE FROM "+table+" WHERE cell = ?", id); err != nil {
			return err
		}
	}
	// The log can be long: it is removed piece by piece.
	if _, err := t.write("INSERT INTO logpurge (cell, after, last) SELECT cell, 0, max(id) FROM event WHERE cell = ? GROUP BY cell", id); err != nil {
		return err
	}
	if _, err = t.write("DELETE FROM cell WHERE id = ?", id); err != nil {
		return err
	}
	t.remember(id)
	t.store.known.dropCell(id)
	return nil
}

// RenameCell implements [cellfs.NodeWriter].
func (t *tx) RenameCell(id int64, name string) error {
	c, err := t.CellByID(id)
	if err != nil {
		return err
	}
	if _, err := t.write("UPDATE cell SET name = ? WHERE id = ?", name, id); err != nil {
		return fmt.Errorf("rename cell %q to %q: %w", c.Name, name, err)
	}
	t.remember(id)
	t.store.known.rename(id, name)
	return nil
}

// SetQuota implements [cellfs.NodeWriter].
func (t *tx) SetQuota(cell, bytes int64) error {
	return t.setCell(cell, "UPDATE cell SET quota = ? WHERE id = ?", bytes, func(c *cellfs.Cell) { c.Quota = bytes })
}

// SetKeep implements [cellfs.NodeWriter].
func (t *tx) SetKeep(cell, snapshots int64) error {
	return t.setCell(cell, "UPDATE cell SET keep = ? WHERE id = ?", snapshots, func(c *cellfs.Cell) { c.Keep = snapshots })
}

func (t *tx) setCell(cell int64, statement string, value int64, change func(*cellfs.Cell)) error {
	n, err := t.write(statement, value, cell)
	if err == nil && n == 0 {
		err = fmt.Errorf("cell %d: %w", cell, fs.ErrNotExist)
	}
	if err != nil {
		return err
	}
	return t.count(cell, change)
}

// Touch implements [cellfs.NodeWriter].
func (t *tx) Touch(cell, atLeast int64) (gen int64, err error) {
	err = t.count(cell, func(c *cellfs.Cell) {
		c.Gen = max(c.Gen+1, atLeast)
		gen = c.Gen
	})
	return gen, err
}
