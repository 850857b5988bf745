package jobs

import "context"

// put makes the job visible and wakes those who watch it.
func (t *Tracker[Tx]) put(j Job, p *Progress) {
	if p == nil {
		p = &Progress{}
		p.Set(j.Done, j.Total)
	}
	t.table.Lock()
	defer t.table.Unlock()
	txn := t.db.Txn(true)
	defer txn.Abort()
	r := &record{ID: j.ID, Key: key(j.Kind, j.Scope, j.Target), Job: j, Progress: p}
	if old, err := txn.First("job", "key", r.Key); err == nil && old != nil && old.(*record).ID != j.ID {
		if err := txn.Delete("job", old); err != nil {
			panic(err) // the schema is wrong
		}
		delete(t.open, old.(*record).ID)
	}
	if err := txn.Insert("job", r); err != nil {
		panic(err)
	}
	if j.State.Ended() {
		delete(t.open, j.ID)
	} else {
		t.open[j.ID] = true
	}
	t.commit(txn)
}

func (t *Tracker[Tx]) get(kind string, scope, target int64) (*record, bool) {
	r, _ := t.watch(kind, scope, target)
	return r, r != nil
}

func (t *Tracker[Tx]) watch(kind string, scope, target int64) (*record, <-chan struct{}) {
	ch, raw, err := t.db.Txn(false).FirstWatch("job", "key", key(kind, scope, target))
	if err != nil {
		panic(err)
	}
	r, _ := raw.(*record)
	return r, ch
}

func (r *record) copy() Job {
	j := r.Job
	r.Progress.into(&j)
	return j
}

// Get returns the latest job of that kind, scope and target.
func (t *Tracker[Tx]) Get(kind string, scope, target int64) (Job, bool) {
	r, ok := t.get(kind, scope, target)
	if !ok {
		return Job{}, false
	}
	return r.copy(), true
}

// Wait returns what Get would, once that job has ended or ctx is done.
func (t *Tracker[Tx]) Wait(ctx context.Context, kind string, scope, target int64) (Job, bool) {
	for {
		r, changed := t.watch(kind, scope, target)
		if r == nil {
			return Job{}, false
		}
		if r.Job.State.Ended() {
			return r.copy(), true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return r.copy(), true
		}
	}
}

// Active reports whether such a job is accepted or runs.
func (t *Tracker[Tx]) Active(kind string, scope, target int64) bool {
	if t.active.Load() == 0 { // asked for every request
		return false
	}
	r, ok := t.get(kind, scope, target)
	return ok && !r.Job.State.Ended()
}

// AnyOfKind reports whether any job of the kind is accepted or runs.
func (t *Tracker[Tx]) AnyOfKind(kind string) bool {
	if t.active.Load() == 0 {
		return false
	}
	return t.any(func(j *Job) bool { return j.Kind == kind })
}

// AnyActive reports whether any job of the scope is accepted or runs.
func (t *Tracker[Tx]) AnyActive(scope int64) bool {
	return t.any(func(j *Job) bool { return j.Scope == scope })
}

// any reports whether a job that has not ended is such.
func (t *Tracker[Tx]) any(such func(*Job) bool) bool {
	it, err := t.db.Txn(false).Get("job", "id")
	if err != nil {
		panic(err) // the schema is wrong
	}
	for raw := it.Next(); raw != nil; raw = it.Next() {
		if j := &raw.(*record).Job; !j.State.Ended() && such(j) {
			return true
		}
	}
	return false
}
