package cellfs

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Config is what an [FS] is made of. Meta, Blobs and Snapshots are required.
type Config struct {
	Meta  Meta
	Blobs Blobs
	// Snapshots reads the ".zip" files of the snapshot area.
	Snapshots SnapshotReader
	Now       func() time.Time // nil: [Now]
	Log       *slog.Logger     // nil: discarded
	// MaxNodes is how many resources a cell may have; 0: [DefaultMaxNodes].
	MaxNodes int64
	// CacheSize bounds what is kept in memory of the stores, in bytes; 0: [DefaultCacheSize].
	CacheSize int64
	// LogLimit is how long an event log gets, in bytes; 0: [DefaultLogLimit].
	LogLimit int64
}

// SnapshotReader understands the index of a finished snapshot, which is a view
// of contents kept anyway (docs/design.md). Package cellfs/snapshot has it.
type SnapshotReader interface {
	// Open assembles the zip. Reading is safe while the cell changes.
	Open(ctx context.Context, f *FS, s Snapshot) (Content, error)
	// Blobs calls yield with the id of every content the zip refers to, until
	// it returns an error, which Blobs returns.
	Blobs(ctx context.Context, f *FS, s Snapshot, yield func(id int64) error) error
}

// FS is the tree of one unit. All methods are safe for concurrent use.
type FS struct {
	meta  Meta
	blobs Blobs
	guard func(cell, box int64) error
	// frozen says why a cell must not be changed now.
	frozen func(cell int64) error
	zip    SnapshotReader
	now    func() time.Time
	log    *slog.Logger

	logLimit int64
	maxNodes int64

	holds    holds
	reported reported
	cache    *cache
	gone     removals
	pruner   pruner
}

// New returns the tree kept in the given stores. The caller closes the stores
// after the last use of the FS.
func New(c Config) *FS {
	f := &FS{meta: c.Meta, blobs: c.Blobs, zip: c.Snapshots, now: c.Now, log: c.Log, logLimit: cmp.Or(c.LogLimit, DefaultLogLimit), maxNodes: cmp.Or(c.MaxNodes, DefaultMaxNodes)}
	f.guard = func(int64, int64) error { return nil }
	f.frozen = func(int64) error { return nil }
	f.cache = newCache(cmp.Or(c.CacheSize, DefaultCacheSize))
	if f.now == nil {
		f.now = Now
	}
	f.gone.all = f.now()
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	return f
}

// SetGuard installs what is asked before a box is changed and before anything
// below it is read or changed; its error, [ErrInstalling] for one, refuses the
// operation. It is called inside transactions and must not block. SetGuard is
// called once, before the FS is used.
func (f *FS) SetGuard(guard func(cell, box int64) error) { f.guard = guard }

// SetFrozen installs what is asked before a cell is changed; its error refuses the
// change. As with [FS.SetGuard], it is called inside transactions and set once.
func (f *FS) SetFrozen(frozen func(cell int64) error) { f.frozen = frozen }

// Guarded returns an [*InstallingError], or another error of the guard, for a
// box that must not be touched now.
func (f *FS) Guarded(box *Node) error {
	err := f.guard(box.Cell, box.ID)
	if err == ErrInstalling {
		return &InstallingError{Box: box.Name}
	}
	return err
}

// View runs fn over one point in time, as [Meta].
func (f *FS) View(ctx context.Context, fn func(Tx) error) error { return f.meta.View(ctx, fn) }

// Peek runs fn, which calls one method only, as [Meta].
func (f *FS) Peek(ctx context.Context, fn func(Reader) error) error { return f.meta.Peek(ctx, fn) }

// Update runs fn in a transaction, as [Meta].
func (f *FS) Update(ctx context.Context, fn func(Tx) error) error { return f.update(ctx, fn, false) }

// UpdateSoon is Update that need not be durable at once ([Update.Soon]).
func (f *FS) UpdateSoon(ctx context.Context, fn func(Tx) error) error { return f.update(ctx, fn, true) }

// update runs fn, and again if a cell had no room for it as long as it counted what was removed.
func (f *FS) update(ctx context.Context, fn func(Tx) error, soon bool) error {
	for {
		var t *transaction
		err := f.meta.Update(ctx, Update{
			Do: func(tx Tx) error {
				t = f.transaction(tx)
				return fn(t)
			},
			Soon:    soon,
			Publish: func() func() { return t.publish() },
		})
		if t != nil && t.puts && err == nil {
			f.prune()
		}
		if t == nil || t.refused == 0 || !errors.Is(err, ErrQuota) && !errors.Is(err, ErrManyNodes) {
			return err
		}
		if some, cerr := f.countAsides(ctx, t.refused); cerr != nil || !some {
			return cmp.Or(cerr, err)
		}
	}
}

// Now is the time that the next operation will record.
func (f *FS) Now() time.Time { return f.now() }

// Log is the logger the FS was given.
func (f *FS) Log() *slog.Logger { return f.log }

// Lookup finds the node at p. It returns [ErrNoCell], [ErrNoBox] or
// fs.ErrNotExist for what is missing, and the guard's error for a path below a
// box that is guarded. The unit and the special collections of a cell are
// virtual nodes.
func (f *FS) Lookup(tx Reader, p Path) (Node, error) {
	at, err := f.lookup(tx, p)
	return at.node, err
}

// Node returns the node at p; errors as [FS.Lookup].
func (f *FS) Node(ctx context.Context, p Path) (n Node, err error) {
	err = f.meta.View(ctx, func(tx Tx) error {
		n, err = f.Lookup(tx, p)
		return err
	})
	return n, err
}

// listPage is how many rows a listing reads at a time.
const listPage = 1000

// EachChild calls yield for every child of a node, in the order of their keys.
func EachChild(tx Reader, parent int64, yield func(*Node) error) error {
	return eachChild(tx, parent, nil, yield)
}

func eachChild(tx Reader, parent int64, props PropNames, yield func(*Node) error) error {
	p := Page{Limit: listPage, Props: props}
	for {
		nodes, more, err := tx.Children(parent, p)
		if err != nil {
			return err
		}
		for i := range nodes {
			if err := yield(&nodes[i]); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		p.After = Key(nodes[len(nodes)-1].Name)
	}
}

// Members calls yield for what a listing of n shows: the children, with the properties of
// those names, for a cell also the special collections, for the unit the cells.
func (f *FS) Members(tx Reader, n Node, props PropNames, yield func(*Node) error) error {
	switch n.Kind {
	case KindUnit:
		return f.cellNodes(tx, yield)
	case KindVirtual:
		return f.specialMembers(tx, n, yield)
	case KindCell:
		if err := eachChild(tx, n.ID, props, yield); err != nil {
			return err
		}
		for _, name := range specials {
			v := special(n, name)
			if err := yield(&v); err != nil {
				return err
			}
		}
		return nil
	case KindBox:
		if err := f.Guarded(&n); err != nil {
			return err
		}
	}
	if !n.IsCollection() {
		return nil
	}
	return eachChild(tx, n.ID, props, yield)
}

func (f *FS) cellNodes(tx Reader, yield func(*Node) error) error {
	cells, err := tx.Cells()
	if err != nil {
		return err
	}
	for _, c := range cells {
		n, err := tx.Node(c.Root)
		if err != nil {
			return err
		}
		n.Name = c.Name
		if err := yield(&n); err != nil {
			return err
		}
	}
	return nil
}

// holds keep contents from the sweeper while something reads that no row names
// yet, such as an export in the making.
type holds struct {
	mu    sync.Mutex
	next  int
	since map[int]time.Time
}

// holdMargin dates a hold back: a transaction that lets go of a content takes
// the time before it commits.
const holdMargin = time.Minute

// Hold keeps everything that was referenced at the call, and everything that is staged
// after it, from being swept until release is called.
func (f *FS) Hold() (release func()) {
	h := &f.holds
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.since == nil {
		h.since = map[int]time.Time{}
	}
	id := h.next
	h.next++
	h.since[id] = f.now().Add(-holdMargin)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.since, id)
	}
}

// oldestHold is before, or the begin of the oldest hold if that is earlier.
func (f *FS) oldestHold(before time.Time) time.Time {
	f.holds.mu.Lock()
	defer f.holds.mu.Unlock()
	for _, t := range f.holds.since {
		if t.Before(before) {
			before = t
		}
	}
	return before
}
