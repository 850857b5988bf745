package cellfs

import (
	"cmp"
	"context"
	"errors"
)

const (
	// MaxListed is how many members a [Listing] has at most.
	MaxListed = 10_000
	// MaxListedBytes bounds the properties and ACLs of those members, in bytes of memory.
	MaxListedBytes = 4 << 20
)

// ErrManyMembers: a collection has more than [MaxListed] members, or as many locks, or
// they take more than [MaxListedBytes]. [FS.Members] goes through them one by one.
var ErrManyMembers = errors.New("collection has too many members for one listing")

// Listing is a resource, and what a listing of it shows, at one point in time.
// It is shared: the caller must not change it.
type Listing struct {
	Place          // of the resource; its node is not nil
	Members []Node // in the order of their keys; nil unless asked for
	// Locks are those that may protect the resource, and those that were taken of
	// a member. They may have expired since.
	Locks []Lock
}

// listed is a listing in the cache.
type listed struct {
	*Listing
	box   *Node // as in found; for the members of a box the box itself
	since moment
	marks [5]mark
}

// bytes is about what the listing takes.
func (l *listed) bytes() int {
	const each = 512 // a node with its strings
	n := 2*each + l.Node.Extra()
	for i := range l.Members {
		n += each + l.Members[i].Extra()
	}
	for i := range l.Locks {
		n += each + len(l.Locks[i].Owner)
	}
	return n
}

// List reads the resource at p and, if asked, its members. Errors are those of
// [FS.Lookup], and [ErrManyMembers]; members of a guarded box return the guard's.
func (f *FS) List(ctx context.Context, p Path, members bool) (*Listing, error) {
	key := cacheKey{cachedList, p.Key()}
	if members {
		key.kind = cachedMembers
	}
	if l, ok := get[*listed](f.cache, key); ok && f.cache.good(l.since, l.marks[:]...) {
		return l.Listing, f.guardedList(l)
	}
	e, err := f.lookupEntry(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(f.guardedBelow(e.way), e.none); err != nil {
		return nil, err
	}
	l, err := f.listEntry(ctx, p, e, members)
	if err == nil && !f.cache.goodEntry(e) { // somebody wrote meanwhile
		l, err = f.listAnew(ctx, p, members)
	}
	if err != nil {
		return nil, err
	}
	// Not above boxes: what is there shows more than one cell's tree.
	if l.box != nil && f.cache.good(l.since, l.marks[:]...) {
		f.cache.kept.Set(key, l)
	}
	return l.Listing, nil
}

// listEntry lists what an entry is about. It is right if the entry is still good afterwards.
func (f *FS) listEntry(ctx context.Context, p Path, e *entry, members bool) (l *listed, err error) {
	read := func(tx Reader) error {
		l, err = f.list(tx, p, e.found(), members)
		return err
	}
	since := f.cache.now.Load()
	if members {
		err = f.meta.View(ctx, func(tx Tx) error { return read(tx) })
	} else {
		err = f.meta.Peek(ctx, read)
	}
	if err == nil {
		l.since = since
	}
	return l, err
}

// listAnew lists in one point in time.
func (f *FS) listAnew(ctx context.Context, p Path, members bool) (l *listed, err error) {
	since := f.cache.now.Load()
	err = f.meta.View(ctx, func(tx Tx) error {
		at, err := f.lookup(tx, p)
		if err == nil {
			l, err = f.list(tx, p, at, members)
		}
		return err
	})
	if err == nil {
		l.since = since
	}
	return l, err
}

func (f *FS) guardedList(l *listed) error {
	if l.box == nil {
		return nil
	}
	return f.Guarded(l.box)
}

func (f *FS) list(tx Reader, p Path, at found, members bool) (*listed, error) {
	n := at.node
	l := &listed{Listing: &Listing{Place: at.place(p, &n)}, box: at.box}
	l.marks = [5]mark{structureOf(n.Cell), memberOf(n.Parent, Key(n.Name)), listOf(n.ID), locksOf(p.Key()), treeLocksOf(n.Cell)}
	var err error
	if l.Locks, err = tx.LocksAbove(p, WholeLocks, f.now()); err != nil || !members {
		return l, err
	}
	if n.Kind == KindBox {
		l.box = &n // its members are guarded, itself is not
	}
	err = tx.LocksBelow(p, WholeLocks, f.now(), func(k Lock) error {
		if k.Root.Len() > p.Len()+1 {
			return nil
		}
		if len(l.Locks) == MaxListed {
			return ErrManyMembers
		}
		l.Locks = append(l.Locks, k)
		return nil
	})
	if err != nil {
		return nil, err
	}
	extra := 0
	err = f.Members(tx, n, nil, func(m *Node) error {
		if extra += m.Extra(); len(l.Members) == MaxListed || extra > MaxListedBytes {
			return ErrManyMembers
		}
		l.Members = append(l.Members, *m)
		return nil
	})
	return l, err
}
