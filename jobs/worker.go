package jobs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// run is a worker.
func (t *Tracker[Tx]) run(ctx context.Context) {
	for {
		id, ok := t.take()
		if !ok {
			return
		}
		if err := t.do(ctx, id); err != nil {
			t.cfg.Log.Error("job", "job", id, "err", err)
		}
	}
}

func (t *Tracker[Tx]) take() (int64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.queue) == 0 && !t.closed {
		t.wake.Wait()
	}
	if t.closed {
		return 0, false
	}
	id := t.queue[0]
	t.queue = t.queue[1:]
	return id, true
}

func (t *Tracker[Tx]) do(ctx context.Context, id int64) error {
	raw, err := t.db.Txn(false).First("job", "id", id)
	if err != nil || raw == nil {
		return errors.Join(err, nil) // replaced meanwhile
	}
	j, p := raw.(*record).Job, &Progress{}
	p.Set(j.Done, j.Total)
	if err := t.change(ctx, &j, p, Running, nil); err != nil {
		if ctx.Err() == nil { // what waits for the job goes on; a restart runs it again
			j.State, j.Ended, j.Message = Failed, t.cfg.Now(), "internal error"
			t.put(j, p)
		}
		return err
	}
	out := t.work(ctx, j, p)
	if ctx.Err() != nil && out.Err != nil {
		if out.Done != nil {
			out.Done()
		}
		return nil // interrupted: the ledger says running, a restart resumes
	}
	p.into(&j)
	state := Succeeded
	if out.Err != nil {
		state, j.Code, j.Message = Failed, out.Code, out.Message
	}
	if out.Done != nil {
		defer out.Done()
	}
	return t.conclude(context.WithoutCancel(ctx), j, p, state, out.With)
}

// conclude commits the outcome, even while the tracker closes. If that cannot
// be done, the job has failed: as far as possible in the ledger, else in memory,
// so that what waits for it goes on; a restart then runs it again.
func (t *Tracker[Tx]) conclude(ctx context.Context, j Job, p *Progress, state State, with func(Tx, *Job) error) error {
	err := t.change(ctx, &j, p, state, with)
	if err == nil {
		return nil
	}
	if j.Message == "" {
		j.Message = "internal error"
	}
	if ferr := t.change(ctx, &j, p, Failed, nil); ferr != nil {
		j.State, j.Ended = Failed, t.cfg.Now()
		t.put(j, p)
		return errors.Join(err, ferr)
	}
	return err
}

func (t *Tracker[Tx]) change(ctx context.Context, j *Job, p *Progress, to State, with func(Tx, *Job) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.transition(ctx, j, to, with); err != nil {
		return err
	}
	t.put(*j, p)
	return nil
}

// work calls the function for the job's kind; a panic fails the job, not the
// program.
func (t *Tracker[Tx]) work(ctx context.Context, j Job, p *Progress) (out Outcome[Tx]) {
	defer func() {
		if r := recover(); r != nil {
			t.cfg.Log.Error("job panicked", "job", j.ID, "panic", r, "stack", string(debug.Stack()))
			out = Outcome[Tx]{Err: fmt.Errorf("panic: %v", r), Message: "internal error"}
		}
	}()
	work := t.cfg.Work[j.Kind]
	if work == nil {
		return Outcome[Tx]{Err: fmt.Errorf("no work for jobs of kind %q", j.Kind)}
	}
	return work(ctx, j, p)
}
