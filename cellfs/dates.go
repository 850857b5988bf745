package cellfs

import (
	"sync"
	"time"
)

// A date has whole seconds, so that several contents of a URL can have had the same one.
// [Node.DatesFrom] makes dates validators all the same: a date from that second on can only belong to
// the content that is there now.

// datesFrom is that second for what is about to take the name of old, which is nil if
// nothing has it. If a client can have the date of this very second for what was there before, it
// is the next second.
func (f *FS) datesFrom(now time.Time, cell int64, old *Node) time.Time {
	from := now.Truncate(time.Second)
	last := f.gone.last(cell) // what is gone from the name is known by the time only
	if old != nil {
		last = latest(old.Modified, old.DatesFrom)
		if old.IsCollection() || !old.MTime.IsZero() {
			last = latest(last, now)
		}
	}
	if !last.Before(from) {
		from = last.Truncate(time.Second).Add(time.Second)
	}
	return from
}

// datesAnew is the second from which on dates count if no earlier one does.
func (n *Node) datesAnew(now time.Time) time.Time {
	return latest(now, n.DatesFrom).Truncate(time.Second).Add(time.Second)
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// removals remembers when something last went from a name. It begins with the process:
// what went before, went then at the latest.
type removals struct {
	mu    sync.Mutex
	all   time.Time           // of any cell
	cells map[int64]time.Time // by cell
}

// maxRemovals bounds the cells for which removals are kept.
const maxRemovals = 1000

// last is when something last went from a name of the cell, or might have.
func (r *removals) last(cell int64) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return latest(r.all, r.cells[cell])
}

func (r *removals) from(cell int64, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cells == nil || len(r.cells) >= maxRemovals {
		for _, t := range r.cells {
			r.all = latest(r.all, t)
		}
		r.cells = map[int64]time.Time{}
	}
	r.cells[cell] = latest(now, r.cells[cell])
}

// fromAny is for cells that go with all that they hold, or change their name.
func (r *removals) fromAny(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = latest(now, r.all)
}

// settling is how long after its time a change may still be invisible to some: an earlier date that a
// client took from its own clock, or from the Date of an answer, proves nothing.
const settling = time.Minute

// UnchangedSince reports whether a client that has this date for a place, as a modification time or as
// the time of an answer, surely has the content that is there now. n is the node, from its
// [Place.DatesFrom]. The time that a client gave a file proves nothing (RFC 9110, 8.8.2.2), nor does a
// date of a collection, below which anything may have changed.
func (n *Node) UnchangedSince(date, from, now time.Time) bool {
	if from.IsZero() || n.IsCollection() || date.After(now) {
		return false
	}
	exact := n.MTime.IsZero() && date.Equal(n.Modified.Truncate(time.Second)) && !date.Before(from)
	return exact || !date.Before(from.Add(settling))
}
