package cellfs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// errUserData: user data are changed without a look at locks, so that they cannot move aside.
var errUserData = errors.New("tree has user data")

const (
	// moveLock is how long the lock of a tree lasts that is moving, unless it is taken anew. It counts
	// after a crash.
	moveLock = time.Minute
	// movePrincipal has that lock. No client is it.
	movePrincipal = "\x00move"
)

// moveAside is [FS.Move] for a large tree that goes to another cell. It locks the tree, so that nothing in it
// changes, builds it aside in the other cell as [FS.Copy] does, and then shows it there and removes it here in
// one transaction that checks everything once more. A crash leaves a tree aside, which is
// removed, and a lock, which expires.
func (f *FS) moveAside(ctx context.Context, src, dst Path, o TransferOptions) (created bool, err error) {
	b := copying{f: f, ctx: ctx, move: true}
	b.lock = Lock{Token: "urn:cellar:move:" + rand.Text(), Root: src, Collection: true, Infinite: true, Principal: movePrincipal, Timeout: moveLock}
	err = f.Update(ctx, func(tx Tx) error {
		if _, _, err := f.movePlaces(tx, src, dst, o); err != nil {
			return err
		}
		return b.prolong(tx, tx.AddLock)
	})
	if err != nil {
		return false, err
	}
	err = f.meta.View(ctx, func(tx Tx) error {
		at, err := f.Locate(tx, src)
		if err == nil && at.Node == nil {
			err = notThere(src)
		}
		if err != nil {
			return asMissing(err)
		}
		to, err := f.Locate(tx, dst)
		if err != nil {
			return &DestinationError{err}
		}
		if err := b.begin(tx, *at.Node, &to, o); err != nil {
			return err
		}
		return b.members(tx)
	})
	if err == nil {
		created, err = b.showMoved(src, dst, o)
	}
	if err != nil {
		uerr := f.UpdateSoon(context.WithoutCancel(ctx), func(tx Tx) error { return tx.DeleteLock(b.lock) })
		if uerr != nil {
			f.log.Warn("what could not be moved stays locked for a while", "path", src.String(), "err", uerr)
		}
	}
	b.end(err)
	return created, err
}

// prolong makes the lock last on.
func (b *copying) prolong(tx Tx, set func(Lock) error) error {
	b.lock.Expires = b.f.now().Add(moveLock)
	return set(b.lock)
}

// showMoved puts the tree in its new place.
func (b *copying) showMoved(src, dst Path, o TransferOptions) (created bool, err error) {
	f := b.f
	err = f.Update(b.ctx, func(tx Tx) error {
		l, err := tx.Lock(b.lock.Token, f.now())
		if err != nil || l.Root.Key() != src.Key() {
			return fmt.Errorf("%s was locked no more while it moved: %w", src, errors.Join(err, ErrLocked))
		}
		if err := tx.DeleteLock(b.lock); err != nil {
			return err
		}
		at, to, err := f.movePlaces(tx, src, dst, o)
		if err != nil {
			return err
		}
		from := *at.Node
		if from.ID != b.from.ID {
			return notThere(src)
		}
		if err := f.touchBoth(tx, &from, &to, o); err != nil {
			return err
		}
		now := f.now()
		n := f.movedTo(&from, &to, now, o)
		n.ID, n.Schema, created = b.root.ID, "", to.Node == nil
		if err := f.clear(tx, to, now); err != nil {
			return err
		}
		if err := f.membersMoved(tx, &at, &to, now); err != nil {
			return err
		}
		if err := higher(tx, &to.Parent, &n); err != nil {
			return err
		}
		if err := tx.DeleteLocks(src); err != nil { // RFC 4918, 7.5: a lock does not move
			return err
		}
		if err := f.remove(tx, &from, now); err != nil {
			return err
		}
		return tx.PlaceAside(&n, now)
	})
	return created, err
}
