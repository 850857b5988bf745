package jobs

import (
	"context"
	"fmt"
	"runtime/debug"
)

// run is a worker.
func (t *Tracker[Tx]) run(ctx context.Context) {
	for {
		scope, id, ok := t.take()
		if !ok {
			return
		}
		t.do(ctx, id)
		t.mu.Lock()
		t.queue.giveBack(scope)
		t.wake.Broadcast() // one who was kept back may have its turn
		t.mu.Unlock()
	}
}

func (t *Tracker[Tx]) take() (scope, id int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for !t.closed {
		if scope, id, ok = t.queue.take(); ok {
			return scope, id, true
		}
		t.wake.Wait()
	}
	return 0, 0, false
}

func (t *Tracker[Tx]) do(ctx context.Context, id int64) {
	raw, err := t.db.Txn(false).First("job", "id", id)
	if err != nil {
		panic(err) // the schema is wrong
	}
	if raw == nil {
		return // replaced meanwhile
	}
	j, p := raw.(*record).Job, &Progress{}
	p.Set(j.Done, j.Total)
	if err := t.begin(ctx, &j, p); err != nil {
		t.cfg.Log.Error("the begin of a job cannot be recorded", "job", id, "err", err)
		t.beginLater(ctx, j)
		return
	}
	out := t.work(ctx, j, p)
	if ctx.Err() != nil && out.Err != nil {
		t.putBack(context.WithoutCancel(ctx), j.ID)
		out.done()
		return
	}
	p.into(&j)
	t.conclude(ctx, &ending[Tx]{job: j, progress: p, Outcome: out})
}

// begin records that the job runs.
func (t *Tracker[Tx]) begin(ctx context.Context, j *Job, p *Progress) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	running, err := t.transition(context.WithoutCancel(ctx), *j, Running, nil)
	if err != nil {
		return err
	}
	delete(t.pauses, j.ID)
	*j = running
	t.put(running, p)
	return nil
}

// putBack records that a job was interrupted in good order: such a start does not count.
// If that fails, it does.
func (t *Tracker[Tx]) putBack(ctx context.Context, id int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	j, ok, err := t.cfg.Ledger.Find(ctx, id) // the work may have recorded a later step
	if err == nil && ok {
		j.Starts = max(0, j.Starts-1)
		_, err = t.transition(ctx, j, Accepted, nil)
	}
	if err != nil {
		t.cfg.Log.Warn("that a job was interrupted cannot be recorded", "job", id, "err", err)
	}
}

// work calls the function for the job's kind; a panic fails the job, not the
// program.
func (t *Tracker[Tx]) work(ctx context.Context, j Job, p *Progress) (out Outcome[Tx]) {
	if j.Starts > MaxStarts {
		t.cfg.Log.Error("job given up", "job", j.ID, "kind", j.Kind, "err", ErrCutOff)
		return t.fail(j, ErrCutOff)
	}
	defer func() {
		if r := recover(); r != nil {
			t.cfg.Log.Error("job panicked", "job", j.ID, "panic", r, "stack", string(debug.Stack()))
			out = t.fail(j, fmt.Errorf("panic: %v", r))
		}
	}()
	work, ok := t.cfg.Work[j.Kind]
	if !ok {
		return t.fail(j, fmt.Errorf("no work for jobs of kind %q", j.Kind))
	}
	return work.Run(ctx, j, p)
}

// fail is the outcome of a job that failed elsewhere than in its work.
func (t *Tracker[Tx]) fail(j Job, err error) Outcome[Tx] {
	work, ok := t.cfg.Work[j.Kind]
	if !ok {
		return Outcome[Tx]{Err: err, Message: "internal error"}
	}
	out := work.Fail(j, err)
	if out.Err == nil {
		out.Err = err
	}
	return out
}

func (o *Outcome[Tx]) done() {
	if o.Done != nil {
		o.Done()
	}
}
