package cellfs

import (
	"cmp"
	"context"
	"errors"
	"math"
	"time"
)

// TransferOptions qualify [FS.Copy] and [FS.Move].
type TransferOptions struct {
	// KeepExisting refuses, with [ErrDestinationExists], to overwrite
	// ("Overwrite: F").
	KeepExisting bool
	// Shallow copies a collection without its members ("Depth: 0").
	Shallow bool
	// MTime is set on the destination; zero: COPY has that of the copy, MOVE keeps
	// what it was.
	MTime time.Time
	// Source and Destination are checked before anything changes, perhaps twice: they only read.
	Source, Destination Check
	// Record, with the destination as it was, is part of the change.
	Record Check
}

// Copy makes dst a copy of src and reports whether dst is new. What was at dst
// goes. What is wrong with the destination comes as a [*DestinationError]. It returns [ErrSame] and [ErrOverlap] where source and destination are
// not apart, [ErrNoParent] for a destination without one. Boxes are copied as
// plain collections; dst is never a box. Copies have no ACLs of their own.
//
// A large tree is copied as it is at one point in time, and shown once all of it is there; see
// largeCopy.
func (f *FS) Copy(ctx context.Context, src, dst Path, o TransferOptions) (created bool, err error) {
	err = f.Update(ctx, func(tx Tx) error {
		created, err = f.copy(tx, src, dst, o)
		return err
	})
	if errors.Is(err, errLarge) {
		return f.copyAside(ctx, src, dst, o)
	}
	return created, err
}

func (f *FS) copy(tx Tx, src, dst Path, o TransferOptions) (bool, error) {
	from, to, err := f.copyPlaces(tx, src, dst, o)
	if err != nil {
		return false, err
	}
	deep := from.IsCollection() && !o.Shallow
	if deep {
		if e, err := tx.Measure(&from, copyAtOnce); err != nil || !e.Whole {
			return false, cmp.Or(err, errLarge)
		}
	}
	gen, err := tx.Touch(to.Parent.Cell, 0)
	if err != nil {
		return false, err
	}
	if err := o.Record.run(tx, to); err != nil {
		return false, err
	}
	now := f.now()
	n := f.copyOf(&from, &to, gen, now, o)
	if err := f.membersChanged(tx, &to.Parent, now); err != nil {
		return false, err
	}
	if err := f.clear(tx, to, now); err != nil {
		return false, err
	}
	if err := AddMember(tx, &to.Parent, &n); err != nil {
		return false, err
	}
	switch {
	case deep:
		err = tx.CopyTree(from.ID, &n, gen, now)
	case n.Kind == KindService:
		err = addSource(tx, &n)
	}
	return to.Node == nil, err
}

// copyPlaces finds what is copied and where to, and checks that it may be.
func (f *FS) copyPlaces(tx Tx, src, dst Path, o TransferOptions) (from Node, to Place, err error) {
	at, err := f.lookup(tx, src)
	if err != nil {
		return from, to, err
	}
	from = at.node
	if from.Kind == KindUnit || from.Kind == KindCell || from.Kind >= KindUnit {
		return from, to, ErrReadOnly
	}
	if from.Kind == KindBox {
		if err := f.Guarded(&from); err != nil {
			return from, to, err
		}
	}
	if src.Contains(dst) && dst.Contains(src) {
		return from, to, ErrSame
	}
	overlap := dst.Contains(src) || src.Contains(dst) && from.IsCollection() && !o.Shallow
	to, err = f.destination(tx, at.place(src, &from), dst, overlap, o)
	return from, to, err
}

// copyOf is the root of a copy.
func (f *FS) copyOf(from *Node, to *Place, version int64, now time.Time, o TransferOptions) Node {
	n := *from
	n.Cell, n.Parent, n.Name, n.Version, n.Schema = to.Parent.Cell, to.Parent.ID, to.Name, version, ""
	n.ACL = nil // RFC 3744, 7.3: that of a resource that is new
	n.Created, n.Modified, n.MTime, n.Changed = now, now, o.MTime, time.Time{}
	n.DatesFrom = f.datesFrom(now, n.Cell, to.Node)
	if n.Kind == KindBox {
		n.Kind = KindCollection
	}
	if o.Shallow {
		n.Height = 0
	}
	return n
}

// destination checks everything about the destination of COPY and MOVE before
// anything is touched.
func (f *FS) destination(tx Tx, src Place, dst Path, overlap bool, o TransferOptions) (Place, error) {
	if overlap {
		return Place{}, ErrOverlap
	}
	if dst.Len() < 3 {
		return Place{}, &DestinationError{ErrReadOnly}
	}
	from := src.Node
	to, err := f.Locate(tx, dst)
	if err == nil {
		err = to.takes(from.Kind)
	}
	if err != nil {
		return Place{}, &DestinationError{err}
	}
	if from.IsCollection() && !o.Shallow && dst.Len()+from.Height > maxSegments {
		// It may have become lower.
		if from.Height, err = tx.Height(from.ID); err != nil {
			return Place{}, err
		}
		if dst.Len()+from.Height > maxSegments {
			return Place{}, ErrTooDeep
		}
	}
	if to.Node != nil && to.Node.ID != from.ID && o.KeepExisting {
		return Place{}, ErrDestinationExists
	}
	if err := o.Source.run(tx, src); err != nil {
		return Place{}, err
	}
	return to, o.Destination.run(tx, to)
}

func (f *FS) clear(tx Tx, to Place, now time.Time) error {
	if to.Node == nil {
		return nil
	}
	return f.remove(tx, to.Node, now)
}

// Move renames src to dst and reports whether dst is new; errors as [FS.Copy].
// Contents, entity tags, properties and ACLs go along. A box cannot be moved:
// [ErrReadOnly]. A name that changes only in its Unicode form is renamed in place.
//
// A large tree that moves to another cell is copied as it is, and removed here once it is shown there;
// meanwhile it is locked. See moveAside.
func (f *FS) Move(ctx context.Context, src, dst Path, o TransferOptions) (created bool, err error) {
	created, err = f.moveAtOnce(ctx, src, dst, o, copyAtOnce)
	if errors.Is(err, errLarge) {
		created, err = f.moveAside(ctx, src, dst, o)
	}
	if errors.Is(err, errUserData) {
		created, err = f.moveAtOnce(ctx, src, dst, o, math.MaxInt)
	}
	return created, err
}

// moveAtOnce moves in one transaction. It returns errLarge if more than so many nodes would change their
// cell.
func (f *FS) moveAtOnce(ctx context.Context, src, dst Path, o TransferOptions, most int) (created bool, err error) {
	err = f.Update(ctx, func(tx Tx) error {
		created, err = f.move(tx, src, dst, o, most)
		return err
	})
	return created, err
}

// movePlaces finds what is moved and where to, and checks that it may be.
func (f *FS) movePlaces(tx Tx, src, dst Path, o TransferOptions) (at, to Place, err error) {
	if src.Len() < 3 {
		if _, err := f.Lookup(tx, src); err != nil {
			return at, to, err
		}
		return at, to, ErrReadOnly
	}
	if at, err = f.Locate(tx, src); err != nil {
		return at, to, asMissing(err)
	}
	switch {
	case at.Node == nil:
		return at, to, notThere(src)
	case at.isSource():
		return at, to, ErrSource
	case src.String() == dst.String():
		return at, to, ErrSame
	}
	within, around := src.Contains(dst), dst.Contains(src)
	// Both hold for two spellings of one name: a rename in place.
	to, err = f.destination(tx, at, dst, within != around, o)
	return at, to, err
}

// movedTo is what is moved, in its new place.
func (f *FS) movedTo(from *Node, to *Place, now time.Time, o TransferOptions) Node {
	n := *from
	n.Cell, n.Parent, n.Name = to.Parent.Cell, to.Parent.ID, to.Name
	n.DatesFrom = f.datesFrom(now, n.Cell, to.Node)
	if !o.MTime.IsZero() {
		n.MTime = o.MTime
	}
	if n.Cell != from.Cell {
		n.ACL = nil // it names roles of the cell
	}
	return n
}

// touchBoth notes that something moves from one place to the other.
func (f *FS) touchBoth(tx Tx, from *Node, to *Place, o TransferOptions) error {
	gen, err := tx.Touch(from.Cell, 0)
	if err == nil && to.Parent.Cell != from.Cell {
		// The versions that come along must not come again in their new cell.
		_, err = tx.Touch(to.Parent.Cell, gen)
	}
	if err != nil {
		return err
	}
	return o.Record.run(tx, *to)
}

// membersMoved notes that something moves from one collection to the other.
func (f *FS) membersMoved(tx Tx, from, to *Place, now time.Time) error {
	if err := f.membersChanged(tx, &from.Parent, now); err != nil || to.Parent.ID == from.Parent.ID {
		return err
	}
	return f.membersChanged(tx, &to.Parent, now)
}

func (f *FS) move(tx Tx, src, dst Path, o TransferOptions, most int) (bool, error) {
	at, to, err := f.movePlaces(tx, src, dst, o)
	if err != nil {
		return false, err
	}
	from := *at.Node
	if from.IsCollection() && to.Parent.Cell != from.Cell {
		if e, err := tx.Measure(&from, most); err != nil || !e.Whole {
			return false, cmp.Or(err, errLarge)
		}
	}
	if err := f.touchBoth(tx, &from, &to, o); err != nil {
		return false, err
	}
	now := f.now()
	n := f.movedTo(&from, &to, now, o)
	n.ACL = from.ACL
	if to.Node != nil && to.Node.ID != from.ID {
		if err := f.remove(tx, to.Node, now); err != nil {
			return false, err
		}
	}
	if err := f.membersMoved(tx, &at, &to, now); err != nil {
		return false, err
	}
	if err := higher(tx, &to.Parent, &n); err != nil {
		return false, err
	}
	if err := tx.SetNode(&from, &n, now); err != nil {
		return false, err
	}
	if err := tx.DeleteLocks(src); err != nil { // RFC 4918, 7.5: a lock does not move
		return false, err
	}
	if n.Cell != from.Cell {
		err = tx.SetCellOf(n.ID, n.Cell)
	}
	return to.Node == nil, err
}
