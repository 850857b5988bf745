package cellfs

import (
	"cmp"
	"errors"
	"io/fs"
	"sync"
	"time"
)

// maxCache bounds the cache of an FS, in bytes of contents and keys.
const maxCache = 32 << 20

// cache keeps what was read, by path, so that opening a small file, listing a
// collection again, or finding again that there is nothing, asks no store. It is
// exact: an entry is good only if its cell has not changed since the look-up
// began, and nothing is taken from the cache from before a transaction changes a
// cell until after its end. What one reader sees in the store no other then
// misses in the cache.
type cache struct {
	mu       sync.RWMutex
	now      uint64           // counts changes
	changed  map[int64]uint64 // by cell: the last change
	changing map[int64]int    // by cell: transactions that run or are being synced
	entries  map[string]cached
	size     int // bytes, about
}

// cached is a resource with what opening or listing it needs.
type cached struct {
	since uint64 // cache.now when the look-up began
	box   Node   // for the guard
	node  Node
	blob  Blob     // of a file that was opened
	list  *Listing // of what was listed
	none  error    // there is nothing; node tells only the cell
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

func (c *cache) good(e cached) bool {
	return c.changed[e.node.Cell] <= e.since && c.changing[e.node.Cell] == 0
}

// find takes over what a look-up met. That there is nothing in a cell that is
// there is worth keeping: clients ask again and again for files of their own that
// nobody made (.DS_Store, desktop.ini).
func (e *cached) find(at found, err error) error {
	e.node, e.box = at.node, at.box
	if at.node.Cell != 0 && errors.Is(err, fs.ErrNotExist) {
		e.none, err = err, nil
	}
	return err
}

// begin is for a look-up that starts now.
func (c *cache) begin() cached {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return cached{since: c.now}
}

// get returns the entry with that key, if there is one and it is good.
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

// begins says that a transaction is about to change the cell.
func (c *cache) begins(cell int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changing == nil {
		c.changed, c.changing = map[int64]uint64{}, map[int64]int{}
	}
	c.changing[cell]++
}

// ended says that a transaction that changed the cells has ended, whether or not
// it is kept: what is known of them is worthless.
func (c *cache) ended(cells map[int64]bool) {
	if len(cells) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now++
	for id := range cells {
		c.changed[id] = c.now
		if c.changing[id]--; c.changing[id] == 0 {
			delete(c.changing, id)
		}
	}
}

// tracked is a transaction that tells the cache which cells it changes. That is
// where [NodeTx.Touch] was called, as everything does that changes a tree. It
// also keeps cells within their quota.
type tracked struct {
	Tx
	f     *FS
	cells map[int64]bool
}

func (t *tracked) note(cell int64) {
	if t.cells[cell] {
		return
	}
	if t.cells == nil {
		t.cells = map[int64]bool{}
	}
	t.cells[cell] = true
	t.f.cache.begins(cell)
}

// Touch implements [NodeTx].
func (t *tracked) Touch(cell, atLeast int64) (int64, error) {
	if err := t.f.frozen(cell); err != nil {
		return 0, err
	}
	t.note(cell)
	return t.Tx.Touch(cell, atLeast)
}

// ShowAside implements [AsideTx].
func (t *tracked) ShowAside(root int64, schemas map[int64]string, atLeast int64, now time.Time) error {
	n, err := t.Node(root)
	if err != nil {
		return err
	}
	t.note(n.Cell)
	return t.Tx.ShowAside(root, schemas, atLeast, now)
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
		err = t.f.frozen(c.ID)
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
