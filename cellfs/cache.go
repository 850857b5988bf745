package cellfs

import (
	"cmp"
	"errors"
	"sync"
	"time"
)

// maxCache bounds the cache of an FS, in bytes of contents and keys.
const maxCache = 32 << 20

// cache keeps what was read, by path, so that opening a small file or listing a
// collection again asks no store. It is exact: every transaction that changes a cell is noted when
// it ends, before its caller hears of it, and an entry is good only if its cell
// has not changed since the look-up began.
type cache struct {
	mu      sync.RWMutex
	now     uint64           // counts changes
	changed map[int64]uint64 // by cell: the last change
	entries map[string]cached
	size    int // bytes, about
}

// cached is a resource with what opening or listing it needs.
type cached struct {
	since uint64 // cache.now when the look-up began
	box   Node   // for the guard
	node  Node
	blob  Blob     // of a file that was opened
	list  *Listing // of what was listed
}

// bytes is about what the entry takes.
func (e *cached) bytes() int {
	const each = 512 // a node with its strings
	n := 2*each + len(e.blob.Data)
	if e.list != nil {
		n += each * (len(e.list.Members) + len(e.list.Locks))
	}
	return n
}

func (c *cache) good(e cached) bool { return c.changed[e.node.Cell] <= e.since }

// begin is for a look-up that starts now.
func (c *cache) begin() cached {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return cached{since: c.now}
}

// get returns the file at the path with that key, if it is known and good.
func (c *cache) get(key string) (e cached, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok = c.entries[key]
	return e, ok && c.good(e)
}

func (c *cache) put(key string, e cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.good(e) {
		return // somebody wrote meanwhile
	}
	n := len(key) + e.bytes()
	if n > maxCache/2 {
		return
	}
	if c.entries == nil || c.size+n > maxCache {
		c.entries, c.size = map[string]cached{}, 0
	}
	if old, ok := c.entries[key]; ok {
		c.size -= len(key) + old.bytes()
	}
	c.entries[key] = e
	c.size += n
}

// change makes what is known of the cells worthless.
func (c *cache) change(cells map[int64]bool) {
	if len(cells) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = map[int64]uint64{}
	}
	c.now++
	for id := range cells {
		c.changed[id] = c.now
	}
}

// tracked is a transaction that remembers which cells it changed. That is where
// [NodeTx.Touch] was called, as everything does that changes a tree.
type tracked struct {
	Tx
	cells map[int64]bool
}

func (t *tracked) note(cell int64) {
	if t.cells == nil {
		t.cells = map[int64]bool{}
	}
	t.cells[cell] = true
}

// Touch implements [NodeTx].
func (t *tracked) Touch(cell, atLeast int64) (int64, error) {
	t.note(cell)
	return t.Tx.Touch(cell, atLeast)
}

// AddLock implements [LockTx].
func (t *tracked) AddLock(l Lock) error { return errors.Join(t.notePath(l.Root), t.Tx.AddLock(l)) }

// SetLock implements [LockTx].
func (t *tracked) SetLock(l Lock) error { return errors.Join(t.notePath(l.Root), t.Tx.SetLock(l)) }

// DeleteLock implements [LockTx].
func (t *tracked) DeleteLock(l Lock) error {
	return errors.Join(t.notePath(l.Root), t.Tx.DeleteLock(l))
}

func (t *tracked) notePath(p Path) error {
	c, err := t.Cell(p.Cell())
	if err == nil {
		t.note(c.ID)
	}
	return err
}

// AddNode implements [NodeTx] and [ErrQuota].
func (t *tracked) AddNode(n *Node) error {
	return cmp.Or(t.Tx.AddNode(n), t.withinQuota(n.Cell, n.Size))
}

// SetNode implements [NodeTx] and [ErrQuota].
func (t *tracked) SetNode(old, n *Node, now time.Time) error {
	return cmp.Or(t.Tx.SetNode(old, n, now), t.withinQuota(old.Cell, n.Size-old.Size))
}

// SetCellOf implements [NodeTx] and [ErrQuota].
func (t *tracked) SetCellOf(root, cell int64) error {
	return cmp.Or(t.Tx.SetCellOf(root, cell), t.withinQuota(cell, 1))
}

// CopyTree implements [NodeTx] and [ErrQuota].
func (t *tracked) CopyTree(src int64, dst *Node, version int64, now time.Time) error {
	return cmp.Or(t.Tx.CopyTree(src, dst, version, now), t.withinQuota(dst.Cell, 1))
}

// withinQuota refuses what made a cell grow beyond its quota.
func (t *tracked) withinQuota(cell, grown int64) error {
	if grown <= 0 {
		return nil
	}
	c, err := t.CellByID(cell)
	if err == nil && c.Quota > 0 && c.Used > c.Quota {
		err = ErrQuota
	}
	return err
}

// DeleteCell implements [NodeTx].
func (t *tracked) DeleteCell(id int64, now time.Time) error {
	t.note(id)
	return t.Tx.DeleteCell(id, now)
}
