package cellfs

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"
)

// Lock is a lock on a resource (RFC 4918, 6).
type Lock struct {
	Token      string // a URI
	Root       Path
	Collection bool // the root is one
	Shared     bool
	Infinite   bool          // depth: all below the root is locked too
	Owner      string        // XML as the client gave it
	Principal  string        // who took it: nobody else can use it
	Timeout    time.Duration // as granted
	Expires    time.Time
}

// LockDetail says what of locks is listed.
type LockDetail int

const (
	WholeLocks LockDetail = iota
	PlainLocks            // without [Lock.Owner] and [Lock.Timeout]: all that a change needs
)

// LockReader reads locks. Those that have expired are not listed; lists
// come in the order of the keys of their roots ([Path.Key]).
type LockReader interface {
	// LocksAbove lists those whose root is p or a collection above it, of any depth.
	LocksAbove(p Path, d LockDetail, now time.Time) ([]Lock, error)
	// LocksBelow calls yield for those whose root lies below p, until it returns an
	// error, which LocksBelow returns. yield must not use the transaction.
	LocksBelow(p Path, d LockDetail, now time.Time, yield func(l Lock) error) error
	// Lock is the one with that token.
	Lock(token string, now time.Time) (Lock, error)
	// CountLocks counts the locks whose root is p, and all that a principal has taken.
	CountLocks(p Path, principal string, now time.Time) (at, taken int, err error)
}

// LockWriter changes locks. Those that have expired are not listed; lists
// come in the order of the keys of their roots ([Path.Key]).
type LockWriter interface {
	AddLock(l Lock) error
	// SetLock changes timeout and expiry of the lock with that token.
	SetLock(l Lock) error
	DeleteLock(l Lock) error
	// DeleteLocks removes those whose root is p or lies below it.
	DeleteLocks(p Path) error
	// PurgeLocks removes those that have expired.
	PurgeLocks(now time.Time) error
}

// ErrLocked: a lock protects the resource, and its token was not submitted, or
// not by the one who took it. It comes as a [*LockedError].
var ErrLocked = errors.New("resource is locked")

// ErrLockConflict: another lock is in the way of a new one (RFC 4918, 6.1).
var ErrLockConflict = errors.New("a conflicting lock exists")

// LockedError is an [ErrLocked] that says which resource.
type LockedError struct {
	Root       Path
	Collection bool
	Passing    bool // it is moving to another cell, which ends soon
}

func (e *LockedError) Error() string        { return e.Root.String() + " is locked" }
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// Change is what an operation is about to do at a path, for [FS.CheckLocks].
type Change struct {
	Path   Path
	Deep   bool // what lies below changes too
	Member bool // the resource comes or goes: the collection above changes
	// Tokens are those that the caller submitted, Principal is the caller.
	Tokens    []string
	Principal string
	// Own makes the caller's own locks count as submitted.
	Own bool
}

const (
	// MaxLocksOfResource bounds the locks whose root is one resource: each is looked at
	// before the resource changes, and before what lies below changes.
	MaxLocksOfResource = 100
	// MaxLocksOfPrincipal bounds the locks that one principal has taken in the unit.
	MaxLocksOfPrincipal = 1000
)

// ErrManyLocks: one more lock would be beyond [MaxLocksOfResource] or
// [MaxLocksOfPrincipal].
var ErrManyLocks = errors.New("too many locks")

// Protects reports whether the lock is one of p: taken there, or above it for all below.
func (l *Lock) Protects(p Path) bool {
	return l.Root.Contains(p) && (l.Infinite || l.Root.Len() == p.Len())
}

// CheckLocks returns a [*LockedError] unless for every locked resource that the
// change concerns one of its locks was submitted by the one who took it.
func (f *FS) CheckLocks(tx Tx, c Change) error {
	now := f.now()
	above, err := tx.LocksAbove(c.Path, PlainLocks, now)
	if err != nil {
		return err
	}
	var s submission
	for i := range above {
		l := &above[i]
		membership := c.Member && l.Root.Len() == c.Path.Len()-1 // RFC 4918, 7.4
		if !l.Protects(c.Path) && !membership {
			continue
		}
		if err := s.see(&c, *l); err != nil {
			return err
		}
	}
	if c.Deep {
		if err := tx.LocksBelow(c.Path, PlainLocks, now, func(l Lock) error { return s.see(&c, l) }); err != nil {
			return err
		}
	}
	return s.end()
}

// submission goes through locks root by root: of several shared ones of a root, one that
// was submitted will do. It ends with the first root of which none was. The zero value is
// one that has seen nothing.
type submission struct {
	root Lock // the first lock of the root it is at
	held bool
}

func (s *submission) see(c *Change, l Lock) error {
	if s.root.Token == "" || l.Root.Key() != s.root.Root.Key() {
		if err := s.end(); err != nil {
			return err
		}
		*s = submission{root: l}
	}
	s.held = s.held || l.Principal == c.Principal && (c.Own || slices.Contains(c.Tokens, l.Token))
	return nil
}

func (s *submission) end() error {
	if s.root.Token == "" || s.held {
		return nil
	}
	return &LockedError{Root: s.root.Root, Collection: s.root.Collection, Passing: s.root.Principal == movePrincipal}
}

// covering is the lock with that token if it protects p; nil if there is none.
func (f *FS) covering(tx Tx, token string, p Path) (*Lock, error) {
	l, err := tx.Lock(token, f.now())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil || !l.Protects(p):
		return nil, err
	}
	return &l, nil
}

// Lock takes a lock as l describes, with expiry from its timeout. Where there
// is nothing, it makes an empty file of the given content type and reports so
// (RFC 4918, 9.10.4). It returns [ErrLockConflict], [ErrManyLocks], the errors of [FS.Put], and
// those of check. A lock survives the end of the process; a power loss may take
// the last second of them.
func (f *FS) Lock(ctx context.Context, l *Lock, contentType string, check Check) (created bool, err error) {
	err = f.UpdateSoon(ctx, func(tx Tx) error {
		at, err := f.lookup(tx, l.Root)
		if err != nil {
			return err
		}
		n := at.node
		if n.Kind < KindBox || n.Kind > KindFile {
			return ErrReadOnly
		}
		if n.Kind == KindBox {
			if err := f.Guarded(&n); err != nil {
				return err
			}
		}
		l.Collection = n.IsCollection()
		if err := check.run(tx, at.place(l.Root, &n)); err != nil {
			return err
		}
		return f.AddLock(tx, l)
	})
	if !errors.Is(err, fs.ErrNotExist) || l.Root.Len() < 3 {
		return false, err
	}
	// What was not there is made durably, together with its lock.
	err = f.Update(ctx, func(tx Tx) error {
		_, created, err = f.publish(tx, l.Root, StageBytes(nil), PutOptions{ContentType: contentType, Check: check})
		if err != nil {
			return err
		}
		return f.AddLock(tx, l)
	})
	return created, err
}

func (f *FS) AddLock(tx Tx, l *Lock) error {
	now := f.now()
	conflict := func(other Lock) error {
		concerns := other.Infinite || other.Root.Len() >= l.Root.Len()
		if concerns && !(l.Shared && other.Shared) {
			return ErrLockConflict
		}
		return nil
	}
	above, err := tx.LocksAbove(l.Root, PlainLocks, now)
	if err != nil {
		return err
	}
	for _, other := range above {
		if err := conflict(other); err != nil {
			return err
		}
	}
	if l.Infinite {
		if err := tx.LocksBelow(l.Root, PlainLocks, now, conflict); err != nil {
			return err
		}
	}
	at, taken, err := tx.CountLocks(l.Root, l.Principal, now)
	if err != nil {
		return err
	}
	if at >= MaxLocksOfResource || taken >= MaxLocksOfPrincipal {
		return ErrManyLocks
	}
	l.Expires = now.Add(l.Timeout)
	return tx.AddLock(*l)
}

// Refresh prolongs the first of the tokens that protects p and was taken by the
// principal, if check allows that. It returns fs.ErrNotExist if none does, and the errors of
// [FS.Lookup].
func (f *FS) Refresh(ctx context.Context, p Path, tokens []string, principal string, timeout time.Duration, check Check) (l Lock, err error) {
	err = f.UpdateSoon(ctx, func(tx Tx) error {
		at, err := f.FindTx(tx, p)
		if err != nil {
			return err
		}
		for _, t := range tokens {
			found, err := f.covering(tx, t, p)
			if err != nil {
				return err
			}
			if found != nil && found.Principal == principal {
				if err := check.run(tx, at); err != nil {
					return err
				}
				l = *found
				l.Timeout, l.Expires = timeout, f.now().Add(timeout)
				return tx.SetLock(l)
			}
		}
		return fs.ErrNotExist
	})
	return l, err
}

// Unlock removes the lock. It returns fs.ErrNotExist unless the lock protects p
// (RFC 4918, 9.11), and [ErrLocked] if somebody else took it and breaking is
// not allowed.
func (f *FS) Unlock(ctx context.Context, p Path, token, principal string, mayBreak bool) error {
	return f.UpdateSoon(ctx, func(tx Tx) error {
		l, err := f.covering(tx, token, p)
		switch {
		case err != nil:
			return err
		case l == nil:
			return fs.ErrNotExist
		case l.Principal != principal && !mayBreak:
			return &LockedError{Root: l.Root, Collection: l.Collection}
		}
		return tx.DeleteLock(*l)
	})
}

// PurgeLocks removes locks that have expired.
func (f *FS) PurgeLocks(ctx context.Context) error {
	return f.UpdateSoon(ctx, func(tx Tx) error { return tx.PurgeLocks(f.now()) })
}
