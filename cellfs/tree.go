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
