package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-memdb"
)

// Ledger makes transitions durable. Tx is its transaction.
type Ledger[Tx any] interface {
	// Save calls with and then records the job as with left it, filling in the
	// id of a new one, in one transaction. If either fails, nothing is kept.
	Save(ctx context.Context, j *Job, with func(Tx) error) error
	// Load returns all recorded jobs.
	Load(ctx context.Context) ([]Job, error)
	// Find returns a job as it is recorded now; false if there is none with that id.
	Find(ctx context.Context, id int64) (Job, bool, error)
}

// Outcome is how a job ended. With is committed together with the transition and
// may change what the ledger keeps of the job: where the work turns out to be done, also
// a failure into a success. It may be called several times, until the ledger takes the
// outcome.
type Outcome[Tx any] struct {
	Err     error // nil: succeeded
	Code    string
	Message string
	With    func(Tx, *Job) error
	// Done, if not nil, is called once the transition was made or given up.
	Done func()
}

// Work is what is done for one kind of job. Both fields are required.
type Work[Tx any] struct {
	// Run does a job. It returns early when ctx is done, which means that the
	// tracker closes: the job then is neither succeeded nor failed but goes on
	// after the next start.
	Run func(ctx context.Context, j Job, p *Progress) Outcome[Tx]
	// Fail is the outcome of a job that failed with err elsewhere than in its work: that
	// panicked, was cut off too often, or whose success cannot be recorded.
	Fail func(j Job, err error) Outcome[Tx]
}

// MaxStarts is how often a job is started at the same step. One that was cut off so
// often, by crashes and not by Close, fails: it may be what ends the program.
const MaxStarts = 3

// ErrCutOff: the job was started [MaxStarts] times at the same step and never got beyond it.
var ErrCutOff = fmt.Errorf("it was cut off %d times at the same step", MaxStarts)

// Config is what a [Tracker] is made of. All fields but Paused are required.
type Config[Tx any] struct {
	Ledger  Ledger[Tx]
	Work    map[string]Work[Tx] // by kind
	Workers int                 // jobs of one scope that run at once; see [Tracker]
	Paused  bool                // there are no workers: jobs wait for the next tracker of the ledger
	Now     func() time.Time
	Log     *slog.Logger
}

// ErrBusy: a job of this kind works on the same scope and target already.
var ErrBusy = errors.New("job is already running")

// ErrClosed: the tracker takes no more jobs.
var ErrClosed = errors.New("job tracker is closed")

// Tracker runs jobs. It owns its goroutines; Close ends them.
//
// Scopes take turns. One of them may hold all workers while no other waits; for one
// that holds none there is always another worker, so that a short job need not wait for
// the long ones of somebody else.
type Tracker[Tx any] struct {
	cfg Config[Tx]
	db  *memdb.MemDB

	mu      sync.Mutex // held while a transition is made, so that they have one order
	queue   queue      // accepted jobs
	pauses  pauses     // of jobs whose begin could not be recorded
	pending int64      // ids of jobs whose acceptance is not committed: -1, -2 …
	wake    *sync.Cond // queue or closed changed
	closed  bool
	stop    context.CancelFunc
	workers sync.WaitGroup // and what waits to be recorded

	table  sync.Mutex     // one change of db at a time, together with open
	open   map[int64]bool // jobs in db that have not ended
	active atomic.Int64   // how many, or more while that changes
}

// record is a row of the in-memory table; it is replaced, never changed.
type record struct {
	ID       int64
	Key      string // kind, scope and target
	Job      Job
	Progress *Progress
}

func key(kind string, scope, target int64) string {
	return fmt.Sprintf("%s/%d/%d", kind, scope, target)
}

var schema = &memdb.DBSchema{Tables: map[string]*memdb.TableSchema{"job": {
	Name: "job",
	Indexes: map[string]*memdb.IndexSchema{
		"id": {Name: "id", Unique: true, Indexer: &memdb.IntFieldIndex{Field: "ID"}},
		// One record for each key: a new job replaces the ended one.
		"key": {Name: "key", Unique: true, Indexer: &memdb.StringFieldIndex{Field: "Key"}},
	},
}}}

// NewTracker starts the workers and takes up what the ledger holds: unfinished
// jobs run again, oldest first.
func NewTracker[Tx any](ctx context.Context, c Config[Tx]) (*Tracker[Tx], error) {
	db, err := memdb.NewMemDB(schema)
	if err != nil {
		return nil, err
	}
	workers := max(1, c.Workers)
	t := &Tracker[Tx]{cfg: c, db: db, open: map[int64]bool{}, pauses: pauses{}, queue: newQueue(workers)}
	t.wake = sync.NewCond(&t.mu)
	if err := t.resume(ctx); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	t.stop = stop
	if c.Paused {
		return t, nil
	}
	for range workers + reserve {
		t.workers.Go(func() { t.run(running) })
	}
	return t, nil
}

func (t *Tracker[Tx]) resume(ctx context.Context) error {
	all, err := t.cfg.Ledger.Load(ctx)
	if err != nil {
		return fmt.Errorf("load jobs: %w", err)
	}
	for _, j := range all {
		if j.State == Running {
			// In memory only: the ledger goes on saying that it runs, so that a restart needs
			// no room to write.
			if j.State, err = j.State.Next(Accepted); err != nil {
				return err
			}
		}
		t.put(j, nil)
		if j.State == Accepted {
			t.cfg.Log.Info("job resumed", "job", j.ID, "kind", j.Kind)
			t.queue.add(j.Scope, j.ID)
		}
	}
	return nil
}

// Start accepts a job: on return it is durable, visible, and waits for a
// worker. with, if not nil, is committed together with it and may complete the
// job, its target for one; the job is visible from before that commit, so that
// whoever sees what with made sees the job too. Start returns [ErrBusy] if a job
// of this kind, scope and target has not ended.
func (t *Tracker[Tx]) Start(ctx context.Context, j Job, with func(Tx, *Job) error) (Job, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return Job{}, ErrClosed
	}
	if t.Active(j.Kind, j.Scope, j.Target) {
		return Job{}, ErrBusy
	}
	j.Started = t.cfg.Now()
	t.pending--
	id := t.pending
	before, had := t.get(j.Kind, j.Scope, j.Target)
	shown := false
	hide := func() {
		if !shown {
			return
		}
		t.drop(id)
		if had {
			t.put(before.Job, before.Progress)
		}
		shown = false
	}
	accepted, err := t.transition(ctx, j, Accepted, func(tx Tx, j *Job) error {
		hide() // what an earlier run showed, which was lost
		if with != nil {
			if err := with(tx, j); err != nil {
				return err
			}
		}
		visible := *j
		visible.ID = id
		t.put(visible, nil)
		shown = true
		return nil
	})
	if err != nil && !t.storedAllTheSame(ctx, accepted.ID) {
		hide()
		return Job{}, err
	}
	// A job that is in the ledger runs, also if its acceptance failed. Otherwise the next start
	// would run it, to everybody's surprise.
	t.put(accepted, nil)
	t.queue.add(accepted.Scope, accepted.ID)
	t.wake.Signal()
	return accepted, err
}

// storedAllTheSame reports whether a job whose acceptance failed is in the ledger.
func (t *Tracker[Tx]) storedAllTheSame(ctx context.Context, id int64) bool {
	if id == 0 {
		return false
	}
	_, found, err := t.cfg.Ledger.Find(context.WithoutCancel(ctx), id)
	if err != nil {
		t.cfg.Log.Error("the ledger cannot be read after a job was not accepted", "job", id, "err", err)
	}
	return found
}

// transition is the one place where the state of a job changes in the ledger, before it changes for
// anybody else. It returns the job as it was to be recorded, also if that failed.
func (t *Tracker[Tx]) transition(ctx context.Context, j Job, to State, with func(Tx, *Job) error) (changed Job, err error) {
	changed = j
	if changed.State, err = j.State.Next(to); err != nil {
		return j, err
	}
	switch {
	case to == Running:
		changed.Starts++
	case to.Ended():
		changed.Ended = t.cfg.Now()
	}
	err = t.cfg.Ledger.Save(ctx, &changed, func(tx Tx) error {
		if with == nil {
			return nil
		}
		return with(tx, &changed)
	})
	return changed, err
}

// drop takes back what a failed Start made visible.
func (t *Tracker[Tx]) drop(id int64) {
	t.table.Lock()
	defer t.table.Unlock()
	txn := t.db.Txn(true)
	defer txn.Abort()
	if _, err := txn.DeleteAll("job", "id", id); err != nil {
		panic(err) // the schema is wrong
	}
	delete(t.open, id)
	t.commit(txn)
}

// commit makes a change of the table visible. The number of open jobs is never
// too low: who finds it 0 need not look for one.
func (t *Tracker[Tx]) commit(txn *memdb.Txn) {
	n := int64(len(t.open))
	t.active.Store(max(t.active.Load(), n))
	txn.Commit()
	t.active.Store(n)
}

// Close stops the workers. Jobs that are interrupted go on after the next
// start. Close waits for them until ctx is done.
func (t *Tracker[Tx]) Close(ctx context.Context) error {
	t.mu.Lock()
	t.closed = true
	t.wake.Broadcast()
	t.mu.Unlock()
	t.stop()
	ended := make(chan struct{})
	go func() {
		t.workers.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("jobs still running: %w", ctx.Err())
	}
}
