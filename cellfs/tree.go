package cellfs

import (
	"context"
	"errors"
	"io"
	"math"
	"time"
)

// Check is a request's precondition. It runs inside the transaction that does
// the work. Its error refuses the whole operation and comes back as it is.
type Check func(tx Tx, at Place) error

func (c Check) run(tx Tx, at Place) error {
	if c == nil {
		return nil
	}
	return c(tx, at)
}

// PutOptions qualify [FS.Put].
type PutOptions struct {
	ContentType string    // "" keeps that of the file replaced
	MTime       time.Time // modification time to show; zero: that of the write
	Check       Check
}

// Put stores r as the file p and reports whether it is new. Nothing changes until
// r was read to its end. It returns [ErrNoParent], [ErrIsCollection] where a
// collection is in the way, [ErrReadOnly], [ErrQuota], and errors of r and of the check.
func (f *FS) Put(ctx context.Context, p Path, r io.Reader, o PutOptions) (Node, bool, error) {
	s, err := f.Stage(ctx, r)
	if err != nil {
		return Node{}, false, err
	}
	return f.Publish(ctx, p, s, o)
}

// Publish is the second half of [FS.Put]: it gives a staged content its name.
func (f *FS) Publish(ctx context.Context, p Path, s Staged, o PutOptions) (n Node, created bool, err error) {
	err = f.Update(ctx, func(tx Tx) error {
		n, created, err = f.publish(tx, p, s, o)
		return err
	})
	return n, created, err
}

// PutAllowed returns the error that a Put at p would meet as things stand, and
// otherwise how many bytes the content may have.
func (f *FS) PutAllowed(ctx context.Context, p Path, check Check) (room int64, err error) {
	room, cell, err := f.putAllowed(ctx, p, check)
	if cell.Quota > 0 || errors.Is(err, ErrManyNodes) {
		some, cerr := f.countAsides(ctx, cell.ID)
		if cerr != nil {
			return 0, cerr
		}
		if some {
			room, _, err = f.putAllowed(ctx, p, check)
		}
	}
	return room, err
}

func (f *FS) putAllowed(ctx context.Context, p Path, check Check) (room int64, c Cell, err error) {
	err = f.meta.View(ctx, func(tx Tx) error {
		l, err := f.putPlace(tx, p, check)
		if err != nil {
			return err
		}
		if c, err = tx.CellByID(l.Parent.Cell); err != nil {
			return err
		}
		if l.Node == nil && c.Nodes >= f.maxNodes {
			return ErrManyNodes
		}
		if room = math.MaxInt64; c.Quota > 0 {
			room = max(0, c.Quota-c.Taken()-NodeCost)
			if l.Node != nil {
				room = max(0, c.Quota-c.Taken()+l.Node.Size, l.Node.Size) // what does not grow is allowed
			}
		}
		return nil
	})
	return room, c, err
}

// putPlace finds where a Put works and checks that it may.
func (f *FS) putPlace(tx Tx, p Path, check Check) (Place, error) {
	if p.Len() < 3 {
		return Place{}, ErrIsCollection
	}
	l, err := f.Locate(tx, p)
	if err != nil {
		return Place{}, err
	}
	if l.Node != nil && l.Node.IsCollection() {
		return Place{}, ErrIsCollection
	}
	if err := l.takes(KindFile); err != nil {
		return Place{}, err
	}
	return l, check.run(tx, l)
}

func (f *FS) publish(tx Tx, p Path, s Staged, o PutOptions) (Node, bool, error) {
	l, err := f.putPlace(tx, p, o.Check)
	if err != nil {
		return Node{}, false, err
	}
	gen, err := tx.Touch(l.Parent.Cell, 0)
	if err != nil {
		return Node{}, false, err
	}
	now := f.now()
	n := Node{Cell: l.Parent.Cell, Parent: l.Parent.ID, Name: l.Name, Kind: KindFile, Created: now}
	if l.Node != nil {
		n = *l.Node
	}
	n.Version, n.Modified, n.Size, n.MTime = gen, now, s.Size, o.MTime
	n.DatesFrom = f.datesFrom(now, n.Cell, l.Node)
	if o.ContentType != "" || n.ContentType == "" {
		n.ContentType = ContentType(o.ContentType)
	}
	if n.Blob, err = s.Add(tx); err != nil {
		return Node{}, false, err
	}
	if err := f.membersChanged(tx, &l.Parent, now); err != nil {
		return Node{}, false, err
	}
	if l.Node == nil {
		err = AddMember(tx, &l.Parent, &n) // fills in the id
		return n, true, err
	}
	return n, false, tx.SetNode(l.Node, &n, now)
}

// Mkcol makes an empty collection, or directly below a cell a box with the
// given schema. A service gets its collection of sources with it. It returns fs.ErrExist if the name is taken, and the errors of [FS.Put].
func (f *FS) Mkcol(ctx context.Context, p Path, kind Kind, check Check) (Node, error) {
	return f.MkcolWith(ctx, p, Node{Kind: kind}, check)
}

// MkcolWith is [FS.Mkcol] for a collection with the kind, schema, properties, ACL
// and modification time of from. It returns [ErrProps] too.
func (f *FS) MkcolWith(ctx context.Context, p Path, from Node, check Check) (n Node, err error) {
	err = f.Update(ctx, func(tx Tx) error {
		n, err = f.MkcolTx(tx, p, from, check)
		return err
	})
	return n, err
}

// MkcolTx is [FS.MkcolWith] inside a transaction.
func (f *FS) MkcolTx(tx Tx, p Path, from Node, check Check) (Node, error) {
	if err := CheckProps(from.Props); err != nil {
		return Node{}, err
	}
	l, err := f.Locate(tx, p)
	if err != nil {
		return Node{}, err
	}
	if err := check.run(tx, l); err != nil {
		return Node{}, err
	}
	if l.Node != nil {
		return Node{}, errExist(p)
	}
	if err := l.takes(from.Kind); err != nil {
		return Node{}, err
	}
	if p.Len() == 2 {
		if err := CheckBoxName(p.Name()); err != nil {
			return Node{}, err
		}
		from.Kind = KindBox
	}
	gen, err := tx.Touch(l.Parent.Cell, 0)
	if err != nil {
		return Node{}, err
	}
	now := f.now()
	from.Cell, from.Parent, from.Name = l.Parent.Cell, l.Parent.ID, l.Name
	from.Version, from.Created, from.Modified = gen, now, now
	from.DatesFrom = f.datesFrom(now, from.Cell, nil)
	if err := f.membersChanged(tx, &l.Parent, now); err != nil {
		return Node{}, err
	}
	err = AddMember(tx, &l.Parent, &from) // fills in the id
	if err == nil && from.Kind == KindService {
		err = addSource(tx, &from)
	}
	return from, err
}

// AddMember adds a node to a collection, of which it changes the Height.
func AddMember(tx Tx, collection, n *Node) error {
	if err := higher(tx, collection, n); err != nil {
		return err
	}
	return tx.AddNode(n)
}

// higher notes how many levels lie below a collection that gets the member n.
func higher(tx Tx, collection, n *Node) error {
	if collection.Height > n.Height {
		return nil
	}
	collection.Height = n.Height + 1
	return tx.RaiseHeight(collection.ID, collection.Height)
}

// membersChanged gives a collection the date of a change among its members, because clients that keep a
// copy of a tree look there for what is new. Dates have whole seconds, so that a second change within
// one needs no write.
func (f *FS) membersChanged(tx Tx, collection *Node, now time.Time) error {
	if collection.MTime.IsZero() && collection.LastModified().Unix() == now.Unix() {
		return nil
	}
	return tx.MembersChanged(collection, now)
}

// Delete removes the resource and all below it. A main box returns
// [ErrReadOnly].
func (f *FS) Delete(ctx context.Context, p Path, check Check) error {
	return f.Update(ctx, func(tx Tx) error { return f.DeleteTx(tx, p, check) })
}

// DeleteTx is [FS.Delete] inside a transaction.
func (f *FS) DeleteTx(tx Tx, p Path, check Check) error {
	l, err := f.Locate(tx, p)
	if err != nil {
		return asMissing(err)
	}
	if l.Node == nil {
		if p.Len() == 2 {
			return ErrNoBox
		}
		return notThere(p)
	}
	if l.isSource() {
		return ErrSource
	}
	if p.Len() == 2 {
		if l.Node.Name == MainBox {
			return ErrReadOnly
		}
		if err := f.Guarded(l.Node); err != nil {
			return err
		}
	}
	if err := check.run(tx, l); err != nil {
		return err
	}
	if _, err := tx.Touch(l.Node.Cell, 0); err != nil {
		return err
	}
	if err := tx.DeleteLocks(p); err != nil { // RFC 4918, 9.6
		return err
	}
	now := f.now()
	if err := f.membersChanged(tx, &l.Parent, now); err != nil {
		return err
	}
	return f.remove(tx, l.Node, now)
}

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
	// Source and Destination are checked before anything changes.
	Source, Destination Check
}

// Copy makes dst a copy of src and reports whether dst is new. What was at dst
// goes. What is wrong with the destination comes as a [*DestinationError]. It returns [ErrSame] and [ErrOverlap] where source and destination are
// not apart, [ErrNoParent] for a destination without one. Boxes are copied as
// plain collections; dst is never a box. Copies have no ACLs of their own.
func (f *FS) Copy(ctx context.Context, src, dst Path, o TransferOptions) (created bool, err error) {
	err = f.Update(ctx, func(tx Tx) error {
		created, err = f.copy(tx, src, dst, o)
		return err
	})
	return created, err
}

func (f *FS) copy(tx Tx, src, dst Path, o TransferOptions) (bool, error) {
	at, err := f.lookup(tx, src)
	if err != nil {
		return false, err
	}
	from := at.node
	if from.Kind == KindUnit || from.Kind == KindCell || from.Kind >= KindUnit {
		return false, ErrReadOnly
	}
	if from.Kind == KindBox {
		if err := f.Guarded(&from); err != nil {
			return false, err
		}
	}
	if src.Contains(dst) && dst.Contains(src) {
		return false, ErrSame
	}
	overlap := dst.Contains(src) || src.Contains(dst) && from.IsCollection() && !o.Shallow
	to, err := f.destination(tx, at.place(src, &from), dst, overlap, o)
	if err != nil {
		return false, err
	}
	gen, err := tx.Touch(to.Parent.Cell, 0)
	if err != nil {
		return false, err
	}
	now := f.now()
	n := from
	n.Cell, n.Parent, n.Name, n.Version, n.Schema = to.Parent.Cell, to.Parent.ID, to.Name, gen, ""
	n.ACL = nil // RFC 3744, 7.3: that of a resource that is new
	n.Created, n.Modified, n.MTime, n.Changed = now, now, o.MTime, time.Time{}
	n.DatesFrom = f.datesFrom(now, n.Cell, to.Node)
	if n.Kind == KindBox {
		n.Kind = KindCollection
	}
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
	case from.IsCollection() && !o.Shallow:
		err = tx.CopyTree(from.ID, &n, gen, now)
	case n.Kind == KindService:
		err = addSource(tx, &n)
	}
	return to.Node == nil, err
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
func (f *FS) Move(ctx context.Context, src, dst Path, o TransferOptions) (created bool, err error) {
	err = f.Update(ctx, func(tx Tx) error {
		created, err = f.move(tx, src, dst, o)
		return err
	})
	return created, err
}

func (f *FS) move(tx Tx, src, dst Path, o TransferOptions) (bool, error) {
	if src.Len() < 3 {
		if _, err := f.Lookup(tx, src); err != nil {
			return false, err
		}
		return false, ErrReadOnly
	}
	at, err := f.Locate(tx, src)
	if err != nil {
		return false, asMissing(err)
	}
	if at.Node == nil {
		return false, notThere(src)
	}
	from := *at.Node
	if at.isSource() {
		return false, ErrSource
	}
	if src.String() == dst.String() {
		return false, ErrSame
	}
	within, around := src.Contains(dst), dst.Contains(src)
	// Both hold for two spellings of one name: a rename in place.
	to, err := f.destination(tx, at, dst, within != around, o)
	if err != nil {
		return false, err
	}
	gen, err := tx.Touch(from.Cell, 0)
	if err == nil && to.Parent.Cell != from.Cell {
		// The versions that come along must not come again in their new cell.
		_, err = tx.Touch(to.Parent.Cell, gen)
	}
	if err != nil {
		return false, err
	}
	now := f.now()
	n := from
	n.Cell, n.Parent, n.Name = to.Parent.Cell, to.Parent.ID, to.Name
	n.DatesFrom = f.datesFrom(now, n.Cell, to.Node)
	if !o.MTime.IsZero() {
		n.MTime = o.MTime
	}
	created := to.Node == nil
	if !created && to.Node.ID != from.ID {
		if err := f.remove(tx, to.Node, now); err != nil {
			return false, err
		}
	}
	if err := f.membersChanged(tx, &at.Parent, now); err != nil {
		return false, err
	}
	if to.Parent.ID != at.Parent.ID {
		if err := f.membersChanged(tx, &to.Parent, now); err != nil {
			return false, err
		}
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
		return created, tx.SetCellOf(n.ID, n.Cell)
	}
	return created, nil
}
