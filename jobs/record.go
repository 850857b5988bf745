package jobs

import (
	"context"
	"errors"
	"time"
)

// What cannot be recorded is tried again after firstPause, and then after pauses that
// double up to longestPause: soon enough for somebody who has made room on a disk and
// waits, and too seldom to be a load.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
)

// pauses are how long was waited last, by job.
type pauses map[int64]time.Duration

// next is how long to wait now.
func (p pauses) next(id int64) time.Duration {
	p[id] = min(max(2*p[id], firstPause), longestPause)
	return p[id]
}

// later calls f after a pause, unless the tracker closes before.
func (t *Tracker[Tx]) later(ctx context.Context, pause time.Duration, f func(closes bool)) {
	t.workers.Go(func() {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
			f(false)
		case <-ctx.Done():
			f(true)
		}
	})
}

// beginLater puts a job whose begin could not be recorded into the queue once more.
func (t *Tracker[Tx]) beginLater(ctx context.Context, j Job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.later(ctx, t.pauses.next(j.ID), func(closes bool) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if !closes {
			t.queue.add(j.Scope, j.ID)
			t.wake.Signal()
		}
	})
}

// ending is a job that has ended but whose outcome nobody knows yet.
type ending[Tx any] struct {
	job      Job // running
	progress *Progress
	Outcome[Tx]
	tried bool // to record an outcome, and it failed
}

// conclude records the outcome, also while the tracker closes. An outcome that cannot be recorded is
// not shown: the job counts as running, and recording is tried again, without a worker. If the program
// ends before that, the ledger says that the job runs, and the next start runs it again.
func (t *Tracker[Tx]) conclude(ctx context.Context, e *ending[Tx]) {
	err := t.record(context.WithoutCancel(ctx), e)
	if err == nil {
		e.done()
		return
	}
	t.mu.Lock()
	pause := t.pauses.next(e.job.ID)
	t.mu.Unlock()
	t.cfg.Log.Error("the outcome of a job cannot be recorded", "job", e.job.ID, "kind", e.job.Kind, "again", pause.String(), "err", err)
	t.later(ctx, pause, func(closes bool) {
		if closes {
			e.done()
			return
		}
		t.conclude(ctx, e)
	})
}

// record makes the outcome durable and then visible. If a success cannot be recorded, it tries to
// record a failure.
func (t *Tracker[Tx]) record(ctx context.Context, e *ending[Tx]) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.recordAs(ctx, e, &e.Outcome)
	if err != nil && e.Err == nil {
		failed := t.fail(e.job, err)
		if ferr := t.recordAs(ctx, e, &failed); ferr != nil {
			return errors.Join(err, ferr)
		}
		t.cfg.Log.Error("the success of a job cannot be recorded", "job", e.job.ID, "err", err)
		err = nil
	}
	if err == nil {
		delete(t.pauses, e.job.ID)
	}
	return err
}

func (t *Tracker[Tx]) recordAs(ctx context.Context, e *ending[Tx], out *Outcome[Tx]) error {
	if e.tried {
		if settled, err := t.settled(ctx, e); settled || err != nil {
			return err
		}
	}
	e.tried = true
	j, to := e.job, Succeeded
	if out.Err != nil {
		to, j.Code, j.Message = Failed, out.Code, out.Message
	}
	ended, err := t.transition(ctx, j, to, out.With)
	if err == nil {
		t.put(ended, e.progress)
	}
	return err
}

// settled looks at what the ledger has of a job after an attempt that failed. An outcome may be stored
// all the same: then that is the outcome, and it is saved again, because it may not be durable. A
// job that is gone has none.
func (t *Tracker[Tx]) settled(ctx context.Context, e *ending[Tx]) (bool, error) {
	j, found, err := t.cfg.Ledger.Find(ctx, e.job.ID)
	switch {
	case err != nil:
		return false, err
	case !found:
		t.drop(e.job.ID)
		return true, nil
	case !j.State.Ended():
		return false, nil
	}
	if err := t.cfg.Ledger.Save(ctx, &j, func(Tx) error { return nil }); err != nil {
		return false, err
	}
	t.put(j, e.progress)
	return true, nil
}
