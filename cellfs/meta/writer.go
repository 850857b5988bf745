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
	err  error
	done chan struct{}
}

// Update implements [cellfs.Meta].
func (s *Store) Update(ctx context.Context, fn func(cellfs.Tx) error) error {
	u := &update{ctx: ctx, fn: fn, done: make(chan struct{})}
	select {
	case <-s.closing:
		return errClosed
	default:
	}
	select {
	case s.queue <- u:
	case <-ctx.Done():
		return ctx.Err()
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
	err := w.exec(ctx, "BEGIN IMMEDIATE", nil)
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
	}
	for _, u := range batch {
		if err != nil && u.err == nil {
			u.err = fmt.Errorf("commit: %w", err)
		}
		close(u.done)
	}
}

// more adds what is waiting to the batch.
func (s *Store) more(batch []*update) []*update {
	for len(batch) < maxBatch {
		select {
		case u := <-s.queue:
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
