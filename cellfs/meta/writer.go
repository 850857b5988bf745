package meta

import (
	"context"
	"fmt"
	"runtime/debug"

	"cellar/cellfs"
)

// maxBatch bounds how many Updates share one commit: enough that the sync is
// shared by all who can wait at once, few enough that the first does not wait
// long for the last.
const maxBatch = 256

// update is one waiting call of Update.
type update struct {
	ctx  context.Context
	fn   func(cellfs.Tx) error
	soon bool // need not be synced
	err  error
	done chan struct{}
}

// Update implements [cellfs.Meta].
func (s *Store) Update(ctx context.Context, fn func(cellfs.Tx) error) error {
	return s.wait(&update{ctx: ctx, fn: fn, done: make(chan struct{})})
}

// UpdateSoon implements [cellfs.Meta]. A batch of such alone is written to the
// log but not synced; the next sync takes it along.
func (s *Store) UpdateSoon(ctx context.Context, fn func(cellfs.Tx) error) error {
	return s.wait(&update{ctx: ctx, fn: fn, soon: true, done: make(chan struct{})})
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
	defer w.close()
	batch := make([]*update, 0, maxBatch)
	for {
		batch = batch[:0]
		if s.next != nil {
			batch = append(batch, s.next)
			s.next = nil
			s.commit(w, batch)
			continue
		}
		select {
		case u := <-s.queue:
			batch = append(batch, u)
		case <-s.closing:
			select { // what was queued before Close still runs
			case u := <-s.queue:
				batch = append(batch, u)
			default:
				return
			}
		}
		s.commit(w, batch)
	}
}

// commit runs the Updates of batch, and those that come while it does, in one
// transaction, and answers them.
func (s *Store) commit(w *conn, batch []*update) {
	ctx := context.Background()
	err := s.begin(w, batch[0].soon)
	wrote := false
	for i := 0; i < len(batch); i++ {
		u := batch[i]
		switch {
		case err != nil:
			u.err = err
		case u.ctx.Err() != nil:
			u.err = u.ctx.Err()
		default:
			t := &tx{c: w, ctx: ctx, store: s}
			u.err = t.run(u.fn)
			wrote = wrote || t.wrote && u.err == nil
			err = t.broken
		}
		batch = s.more(batch)
	}
	if err == nil && wrote {
		err = w.exec(ctx, "COMMIT", nil)
	}
	if err != nil || !wrote {
		if rerr := w.exec(ctx, "ROLLBACK", nil); rerr != nil && err == nil {
			err = rerr
		}
	}
	if err != nil {
		s.log.Error("commit", "err", err)
		s.locks = lockState{} // what was learnt may be rolled back
	}
	for _, u := range batch {
		if err != nil && u.err == nil {
			u.err = fmt.Errorf("commit: %w", err)
		}
		close(u.done)
	}
}

// begin opens the transaction of a batch. Whether its commit syncs is set before:
// SQLite does not take it inside.
func (s *Store) begin(w *conn, soon bool) error {
	level := "PRAGMA synchronous = " + s.durability.pragma()
	if soon {
		level = "PRAGMA synchronous = NORMAL"
	}
	if level != s.level {
		// Not prepared: SQLite carries this pragma out when it compiles it, not
		// when it runs it.
		if _, err := w.c.ExecContext(context.Background(), level); err != nil {
			return err
		}
		s.level = level
	}
	return w.exec(context.Background(), "BEGIN IMMEDIATE", nil)
}

// more adds what is waiting to the batch. A batch that is not synced takes no
// update that must be: that one waits in s.next for a batch of its own.
func (s *Store) more(batch []*update) []*update {
	for len(batch) < maxBatch && s.next == nil {
		select {
		case u := <-s.queue:
			if batch[0].soon && !u.soon {
				s.next = u
				return batch
			}
			batch = append(batch, u)
		default:
			return batch
		}
	}
	return batch
}

// run calls fn within a savepoint, which the first write opens, so that an
// Update that only looks and refuses costs none.
func (t *tx) run(fn func(cellfs.Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in transaction: %v\n%s", p, debug.Stack())
		}
		if !t.wrote {
			return
		}
		if err != nil {
			t.broken = t.c.exec(t.ctx, "ROLLBACK TO one", nil)
		}
		if t.broken == nil {
			t.broken = t.c.exec(t.ctx, "RELEASE one", nil)
		}
	}()
	return fn(t)
}
