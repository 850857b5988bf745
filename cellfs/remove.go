package cellfs

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"
)

// A tree that is removed is put aside in one step, whatever its size: no cell shows it, and it no longer
// changes. What it counts is counted at once if it is small, and otherwise beside everybody's work,
// where its rows are removed too, piece by piece.

// Bounds of what is done in one transaction; variables for the tests.
var (
	// removeAtOnce is how many nodes a tree may have that is removed as it stands, which is less work
	// than to put it aside.
	removeAtOnce = 50
	// countAtOnce is how many nodes of a removed tree are counted inside its transaction.
	countAtOnce = 2000
	// prunePage is how many files of a tree aside are removed in one go: other writers wait that long.
	prunePage = 250
)

// remove removes a node and all that lies below it.
func (f *FS) remove(tx Tx, n *Node, now time.Time) error {
	if !n.IsCollection() {
		return tx.DeleteTree(n, now)
	}
	e, err := tx.Measure(n, countAtOnce)
	if err != nil {
		return err
	}
	if e.Whole && e.Nodes <= int64(removeAtOnce) {
		return tx.DeleteTree(n, now)
	}
	return tx.PutAside(n, e, now)
}

// pruner removes trees aside in the background.
type pruner struct {
	mu      sync.Mutex
	running sync.WaitGroup
	again   bool // there is something to do
	busy    bool
	closed  bool
	stop    context.CancelFunc

	one    sync.Mutex // one removes at a time
	copies sync.Map   // roots of the trees that COPY builds now
}

// prune has what is aside removed, soon.
func (f *FS) prune() {
	p := &f.pruner
	p.mu.Lock()
	defer p.mu.Unlock()
	p.again = true
	if p.busy || p.closed {
		return
	}
	p.busy = true
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.running.Go(func() {
		defer stop()
		for p.next() {
			if err := f.PruneAsides(ctx); err != nil && ctx.Err() == nil {
				f.log.Error("removed trees stay for the next sweep", "err", err)
			}
		}
	})
}

// next reports whether there is something to do.
func (p *pruner) next() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = p.again && !p.closed
	p.again = false
	return p.busy
}

// Close ends what the FS does by itself. It goes on with [FS.Resume].
func (f *FS) Close() {
	p := &f.pruner
	p.mu.Lock()
	p.closed = true
	if p.stop != nil {
		p.stop()
	}
	p.mu.Unlock()
	p.running.Wait()
}

// Resume goes on with what was to be removed when the process ended, and lifts the locks of what was
// moving then. It is called before the FS is used.
func (f *FS) Resume(ctx context.Context) error {
	err := f.Update(ctx, func(tx Tx) error {
		var moving []Lock
		err := tx.LocksBelow(Path{}, PlainLocks, f.now(), func(l Lock) error {
			if l.Principal == movePrincipal {
				moving = append(moving, l)
			}
			return nil
		})
		for i := 0; i < len(moving) && err == nil; i++ {
			err = tx.DeleteLock(moving[i])
		}
		return err
	})
	f.prune()
	return err
}

// PruneAsides removes the trees that were removed, that imports replaced, and that were given up.
func (f *FS) PruneAsides(ctx context.Context) error {
	f.pruner.one.Lock()
	defer f.pruner.one.Unlock()
	var all []Aside
	running := map[int64]bool{}
	err := f.meta.View(ctx, func(tx Tx) (err error) {
		if all, err = tx.Asides(); err != nil || len(all) == 0 {
			return err
		}
		jobs, err := tx.Jobs()
		for _, j := range jobs {
			running[j.ID] = j.Ended.IsZero()
		}
		return err
	})
	for _, a := range all {
		if err == nil {
			err = f.pruneAside(ctx, a, running)
		}
	}
	return err
}

func (f *FS) pruneAside(ctx context.Context, a Aside, running map[int64]bool) (err error) {
	if _, copies := f.pruner.copies.Load(a.Root); copies || running[a.Job] {
		return nil
	}
	if a.Job != 0 { // what was to show it has failed
		err = f.Update(ctx, func(tx Tx) error { return tx.DropAside(a.Root) })
	}
	if a.Counts && err == nil {
		err = f.countAside(ctx, a)
	}
	for done := false; !done && err == nil; {
		began := time.Now()
		err = f.UpdateSoon(ctx, func(tx Tx) (err error) {
			done, err = tx.PruneAside(a.Root, prunePage, f.now())
			return err
		})
		if err == nil && !done {
			err = pause(ctx, time.Since(began)) // others write meanwhile
		}
	}
	return err
}

// countAside counts a tree that no longer changes, and tells its cell.
func (f *FS) countAside(ctx context.Context, a Aside) error {
	e := Extent{Whole: true}
	err := f.meta.View(ctx, func(tx Tx) (err error) {
		e.Nodes, e.Bytes, err = tx.Count(a.Root)
		return err
	})
	if err != nil {
		return err
	}
	return f.Update(ctx, func(tx Tx) error { return tx.CountAside(a.Root, e) })
}

// countAsides counts what was removed from a cell and counts for it still. It reports whether there
// was something.
func (f *FS) countAsides(ctx context.Context, cell int64) (some bool, err error) {
	counts := func(a Aside) bool { return a.Cell == cell && a.Counts }
	all, err := f.asides(ctx)
	if err != nil {
		return false, err
	}
	for _, a := range all {
		if !counts(a) {
			continue
		}
		// Whoever removes trees now may have counted it.
		if err := f.countAside(ctx, a); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return some, err
		}
		some = true
	}
	return some, nil
}

func (f *FS) asides(ctx context.Context) (all []Aside, err error) {
	err = f.meta.Peek(ctx, func(tx Reader) error {
		all, err = tx.Asides()
		return err
	})
	return all, err
}
