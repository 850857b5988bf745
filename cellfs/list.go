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

// List reads the resource at p and, if asked, its members. Errors are those of
// [FS.Lookup], and [ErrManyMembers]; members of a guarded box return the guard's.
func (f *FS) List(ctx context.Context, p Path, members bool) (*Listing, error) {
	key := "0" + p.Key()
	if members {
		key = "1" + p.Key()
	}
	if e, ok := f.cache.get(key); ok {
		return e.list, cmp.Or(f.Guarded(&e.box), e.none)
	}
	e := f.cache.begin()
	err := f.meta.View(ctx, func(tx Tx) (err error) {
		at, err := f.lookup(tx, p)
		if err = e.find(at, err); err != nil || e.none != nil {
			return err
		}
		e.list, err = f.list(tx, p, at, members)
		return err
	})
	if err != nil {
		return nil, err
	}
	if e.none != nil {
		f.cache.put(key, e)
		return nil, e.none
	}
	if e.node.Kind == KindBox && members {
		e.box = e.node // its members are guarded, itself is not
	}
	if e.box.ID != 0 { // not above boxes: what is there shows more than one cell's tree
		f.cache.put(key, e)
	}
	return e.list, nil
}

func (f *FS) list(tx Tx, p Path, at found, members bool) (*Listing, error) {
	n := at.node
	l := &Listing{Place: at.place(p, &n)}
	var err error
	if l.Locks, err = tx.LocksAbove(p, WholeLocks, f.now()); err != nil || !members {
		return l, err
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
