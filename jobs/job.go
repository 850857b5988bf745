package jobs

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// State is where a job is in its life.
type State string

const (
	Accepted  State = "accepted" // durable and visible, waits for a worker
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
)

// ErrTransition: the job is not in a state from which it could go there.
var ErrTransition = errors.New("illegal job transition")

// Next returns to if a job may go there from s, and [ErrTransition] otherwise.
// A running job may be accepted again: that is what a restart does.
func (s State) Next(to State) (State, error) {
	switch {
	case s == "" && to == Accepted,
		s == Accepted && to == Running,
		s == Running && (to == Succeeded || to == Failed || to == Accepted):
		return to, nil
	}
	return s, fmt.Errorf("%w: from %q to %q", ErrTransition, s, to)
}

// Ended reports whether the job will not change any more.
func (s State) Ended() bool { return s == Succeeded || s == Failed }

// Job describes one operation. It is a value; a tracker hands out copies.
type Job struct {
	ID    int64 // given by the ledger
	Kind  string
	Scope int64 // the cell: one job of a kind at a time for each scope and target
	// Target is what the job works on within its scope; 0 for all of it.
	Target     int64
	State      State
	Name       string
	RequestKey string
	Subject    string // who asked, for those who tell of it
	Input      int64  // content that the job works from, or keeps of what it made; 0 for none
	Started    time.Time
	Ended      time.Time // zero until it ended
	Done       int64     // entries; exact at the time of the copy
	Total      int64     // entries
	Step       int64     // from which a restart goes on
	// Starts is how often the job was started at this step, with this time.
	Starts int64
	// Passing reports whether what the job makes is for once: who asked takes it and removes it.
	Passing bool
	Code    string // of the failure
	Message string
}

// Percent is how much is done, 0 to 100, rounded down. It is 100 only once the job has
// succeeded: what has no entries of its own is work, too.
func (j Job) Percent() int64 {
	switch {
	case j.State == Succeeded && (j.Total <= 0 || j.Done >= j.Total):
		return 100
	case j.Total <= 0:
		return 0
	}
	return min(j.Done*100/j.Total, 99)
}

// Progress is what a running job reports. It is safe for concurrent use.
type Progress struct{ done, total atomic.Int64 }

// Set replaces both numbers of entries.
func (p *Progress) Set(done, total int64) {
	p.total.Store(total)
	p.done.Store(done)
}

func (p *Progress) into(j *Job) { j.Done, j.Total = p.done.Load(), p.total.Load() }
