package cellfs

import (
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
)

// mark stands for something that can change: what the cache keeps is good until one of its marks
// is raised. Several things may share a mark, which makes the cache forget more than it must.
type mark uint32

// What marks are of.
const (
	markStructure = iota // of a cell: a collection moved or went, or what its members inherit changed
	markMember           // of what has a name in a collection
	markList             // of what a listing of a collection shows
	markLocks            // of the locks of a path and of what lies directly below
	markTreeLocks        // of a cell: the locks of its collections
	markControl          // of a cell: its control objects
)

// marked is what a mark is made of.
type marked struct {
	what int
	id   int64
	name string
}

func structureOf(cell int64) mark            { return marked{markStructure, cell, ""}.mark() }
func memberOf(parent int64, key string) mark { return marked{markMember, parent, key}.mark() }
func listOf(collection int64) mark           { return marked{markList, collection, ""}.mark() }
func locksOf(path string) mark               { return marked{markLocks, 0, path}.mark() }
func treeLocksOf(cell int64) mark            { return marked{markTreeLocks, cell, ""}.mark() }
func controlOf(cell int64) mark              { return marked{markControl, cell, ""}.mark() }

// marks is how many marks there are. A write raises some four, so that what is cached outlives
// thousands of writes to other things.
const marks = 1 << 15

var markSeed = maphash.MakeSeed()

func (m marked) mark() mark { return mark(maphash.Comparable(markSeed, m) % marks) }

// moment counts what has become visible: the changes of a transaction share one.
type moment = uint64

// changing is the moment of a mark while a transaction that raises it becomes visible.
const changing = math.MaxUint64

// changes knows when each mark was last raised.
type changes struct {
	now    atomic.Uint64
	raised [marks]atomic.Uint64

	mu     sync.Mutex
	raises map[mark]int // transactions that raise it now
}

// good reports whether none of the marks was raised after that moment. Whoever reads something in
// the store takes the moment before, and asks after: what is good then was so all the while.
func (c *changes) good(since moment, all ...mark) bool {
	for _, m := range all {
		if c.raised[m].Load() > since {
			return false
		}
	}
	return true
}

// begin raises marks: nothing that has one is good until end is called, which is when the change
// can be seen in the store.
func (c *changes) begin(all []mark) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raises == nil {
		c.raises = map[mark]int{}
	}
	for _, m := range all {
		c.raises[m]++
		c.raised[m].Store(changing)
	}
}

// end follows begin. What was read since is good again.
func (c *changes) end(all []mark) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now.Add(1)
	for _, m := range all {
		if c.raises[m]--; c.raises[m] == 0 {
			delete(c.raises, m)
			c.raised[m].Store(now)
		}
	}
}
