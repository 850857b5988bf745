package meta

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"cellar/cellfs"
)

// maxBatch bounds how many Updates share one commit: enough that the sync is
// shared by all who can wait at once, few enough that the first does not wait
// long for the last.
const maxBatch = 256

// update is one waiting call of Update.
type update struct {
	cellfs.Update
	ctx  context.Context
	err  error
	done chan struct{}

	wrote bool   // changed something that is kept
	shown func() // as [cellfs.Update.Publish] returned it
}

// Update implements [cellfs.Meta].
func (s *Store) Update(ctx context.Context, u cellfs.Update) error {
	u.Soon = u.Soon || s.durability == Relaxed
	return s.wait(&update{Update: u, ctx: ctx, done: make(chan struct{})})
}

func (s *Store) wait(u *update) error {
	select {
	case <-s.closing:
		return errClosed
	default:
	}
	select {
	case s.queue <- u:
	case <-u.ctx.Done():
		return u.ctx.Err()
	case <-s.closing:
		return errClosed
	}
	select {
	case <-u.done:
		return u.err
	case <-s.done:
	}
	// The writer has ended; it answered u or never took it.
	select {
	case <-u.done:
		return u.err
	default:
		return errClosed
	}
}

// run is the writer goroutine. It alone writes to the database.
func (s *Store) run(w *conn) {
	defer close(s.done)
	defer func() {
		s.sync.stop()
		s.closeErr = errors.Join(s.points.stop(), w.exec("PRAGMA wal_checkpoint(TRUNCATE)"), w.close())
	}()
	batch := make([]*update, 0, maxBatch)
	for {
		select {
		case u := <-s.queue:
			batch = append(batch[:0], u)
		case <-s.closing:
			select { // what was queued before Close still runs
			case u := <-s.queue:
				batch = append(batch[:0], u)
			default:
				return
			}
		}
		s.commit(w, batch)
	}
}

// commit runs the Updates of batch, and those that come while it does, in one
// transaction. Those that need no sync are answered here, the others when the
// log was synced, which goes on beside the next batch.
func (s *Store) commit(w *conn, batch []*update) {
	b := &pending{store: s, all: batch}
	err := s.sync.failed()
	if err == nil {
		err = s.points.before(w)
	}
	if err == nil {
		err = w.exec("BEGIN IMMEDIATE")
	}
	for i := 0; i < len(b.all); i++ {
		if err == nil {
			err = b.run(w, b.all[i])
		}
		b.more(i == len(b.all)-1)
	}
	if err == nil && b.wrote {
		if err = s.flush(w); err == nil {
			b.publish()
			err = w.exec("COMMIT")
		}
		if err == nil {
			s.afterCommit(w)
		}
	}
	if err != nil || !b.wrote {
		if rerr := w.exec("ROLLBACK"); rerr != nil && err == nil {
			err = rerr
		}
	}
	if err != nil {
		s.log.Error("a commit failed", "err", err)
		s.locks, s.known = lockState{}, newKnown() // what was learnt may be rolled back
	}
	b.shown()
	b.answer(err)
}

// afterCommit keeps the log in order. What fails here is tried again after the next commit.
func (s *Store) afterCommit(w *conn) {
	if err := errors.Join(s.alloc.room(s.pages), s.points.committed(w, s.pages)); err != nil {
		s.log.Warn("the log of the database grows slowly", "err", err)
	}
}

// pending is a batch whose transaction is open.
type pending struct {
	store *Store
	all   []*update
	wrote bool // something is to be committed
	syncs bool // and to be synced
}

// run carries out one update. Its error breaks the whole batch.
func (b *pending) run(w *conn, u *update) error {
	if u.err = u.ctx.Err(); u.err != nil {
		return nil
	}
	t := &tx{c: w, store: b.store, alone: !b.wrote}
	u.err = t.run(u.Do)
	u.wrote = t.wrote && u.err == nil
	b.wrote = b.wrote || u.wrote
	b.syncs = b.syncs || u.wrote && !u.Soon
	return t.broken
}

// publish says that the batch is about to be committed, and shown that it is, or never will be.
func (b *pending) publish() {
	for _, u := range b.all {
		if u.wrote && u.Publish != nil {
			u.shown = u.Publish()
		}
	}
}

func (b *pending) shown() {
	for _, u := range b.all {
		if u.shown != nil {
			u.shown()
		}
	}
}

// company is how long a batch waits for one more update while the log is being synced for those before
// it. Then it is committed, so that it is ready when that sync ends.
const company = 150 * time.Microsecond

// more adds what is waiting to the batch. When all of it has run, and while the
// log is still being synced for the batch before, there is time for what comes
// next: it will share the next sync.
func (b *pending) more(all bool) {
	for len(b.all) < maxBatch {
		select {
		case u := <-b.store.queue:
			b.all = append(b.all, u)
			continue
		default:
		}
		if !all || !b.syncs || b.store.sync.isIdle() {
			return
		}
		b.store.alone.Reset(company)
		select {
		case u := <-b.store.queue:
			b.all = append(b.all, u)
			return
		case <-b.store.sync.idle:
			return
		case <-b.store.alone.C:
			return
		}
	}
}

// answer ends the batch, which was committed unless there is an error.
func (b *pending) answer(err error) {
	var unsynced []*update
	for _, u := range b.all {
		if err != nil && u.err == nil {
			u.err = fmt.Errorf("commit: %w", err)
		}
		if err == nil && u.wrote && !u.Soon {
			unsynced = append(unsynced, u)
			continue
		}
		close(u.done)
	}
	switch {
	case len(unsynced) > 0:
		b.store.sync.add(unsynced)
	case b.wrote && err == nil:
		b.store.sync.laterOn()
	}
}

// run calls fn within a savepoint, which the first write opens, so that an
// Update that only looks and refuses costs none. The first of a batch needs none:
// to undo it is to begin the transaction anew.
func (t *tx) run(fn func(cellfs.Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in transaction: %v\n%s", p, debug.Stack())
		}
		if !t.wrote {
			return
		}
		undo, end := []string{"ROLLBACK TO one"}, []string{"RELEASE one"}
		if t.alone {
			undo, end = []string{"ROLLBACK", "BEGIN IMMEDIATE"}, nil
		}
		if err != nil {
			end = append(undo, end...)
			t.forget()
		}
		for _, q := range end {
			if t.broken == nil {
				t.broken = t.c.exec(q)
			}
		}
	}()
	return fn(t)
}
