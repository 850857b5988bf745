package cellfs

import (
	"errors"
	"io/fs"
	"sync"
)

// maxCache bounds the cache of an FS, in bytes of contents and keys.
const maxCache = 32 << 20

// cache keeps what was read, by path, so that opening a small file, listing a
// collection again, or finding again that there is nothing, asks no store. It is
// exact: an entry counts only if its cell has not changed since the look-up began. From
// before a transaction changes a cell until after its end, nothing of the cell comes from
// the cache. So no reader gets an older state from the cache than another one saw in the
// store.
type cache struct {
	mu sync.RWMutex
	changes
	entries map[string]cached
	size    int // bytes, about
}

// changes counts what happens to cells.
type changes struct {
	now      uint64           // counts changes
	changed  map[int64]uint64 // by cell: the last change
	changing map[int64]int    // by cell: transactions that run or are being synced
}

// none reports whether nothing has happened to the cell since then.
func (c *changes) none(cell int64, since uint64) bool {
	return c.changed[cell] <= since && c.changing[cell] == 0
}

// begins notes that a transaction is about to change the cell.
func (c *changes) begins(cell int64) {
	if c.changing == nil {
		c.changed, c.changing = map[int64]uint64{}, map[int64]int{}
	}
	c.changing[cell]++
}

// ended notes that a transaction that changed the cells has ended, whether or not
// it was kept: entries of these cells do not count any more.
func (c *changes) ended(cells map[int64]bool) {
	c.now++
	for id := range cells {
		c.changed[id] = c.now
		if c.changing[id]--; c.changing[id] == 0 {
			delete(c.changing, id)
		}
	}
}

// cached is a resource with what opening or listing it needs.
type cached struct {
	since uint64 // cache.now when the look-up began
	found
	blob Blob     // of a file that was opened
	list *Listing // of what was listed
	none error    // there is nothing; node tells only the cell
}

// bytes is about what the entry takes.
func (e *cached) bytes() int {
	const each = 512 // a node with its strings
	n := 2*each + len(e.blob.Data) + e.node.Extra() + e.parent.Extra() + e.box.Extra()
	for _, l := range e.above {
		n += (&Node{ACL: l.ACL}).Extra()
	}
	if e.list != nil {
		for i := range e.list.Members {
			n += each + e.list.Members[i].Extra()
		}
		for i := range e.list.Locks {
			n += each + len(e.list.Locks[i].Owner)
		}
	}
	return n
}

func (c *cache) good(e cached) bool { return c.none(e.node.Cell, e.since) }

// find takes over what a look-up found. The cache also keeps that nothing has a name: clients ask
// again and again for files of their own that do not exist (.DS_Store, desktop.ini).
func (e *cached) find(at found, err error) error {
	e.found = at
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

// begins and ended are those of changes.
func (c *cache) begins(cell int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes.begins(cell)
}

func (c *cache) ended(cells map[int64]bool) {
	if len(cells) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes.ended(cells)
}
