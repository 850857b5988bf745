package cellfs

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Bounds of what is done in one transaction; variables for the tests.
var (
	// copyAtOnce is how many nodes a tree may have that is copied in one transaction.
	copyAtOnce = 300
	// copyPage is how many nodes, or links, are copied in one go of a larger one: other writers wait
	// that long.
	copyPage = 200
	// copySoon is how many pages are copied before each is synced: whoever syncs next waits for what
	// was written before.
	copySoon = 8
)

// errLarge: a tree has more than [copyAtOnce] nodes.
var errLarge = errors.New("tree is large")

// copyAside is [FS.Copy] for a large tree. It reads the tree at one point in time, builds the copy aside,
// piece by piece, and shows it in a transaction that checks everything once more. An error, or a
// crash, leaves a tree aside that is removed.
func (f *FS) copyAside(ctx context.Context, src, dst Path, o TransferOptions) (created bool, err error) {
	b := copying{f: f, ctx: ctx}
	err = f.meta.View(ctx, func(tx Tx) error {
		from, to, err := f.copyPlaces(tx, src, dst, o)
		if err != nil {
			return err
		}
		if err := b.begin(tx, from, &to, o); err != nil {
			return err
		}
		return b.members(tx)
	})
	if err == nil {
		created, err = b.show(src, dst, o)
	}
	b.end(err)
	return created, err
}

// end gives the copy up if there was an error.
func (b *copying) end(err error) {
	if b.root.ID == 0 {
		return
	}
	b.f.pruner.copies.Delete(b.root.ID)
	if err != nil {
		b.f.prune()
	}
}

// copying is a copy in the making.
type copying struct {
	f    *FS
	ctx  context.Context
	from Node
	root Node     // of the copy
	todo []copied // collections whose members are not copied yet

	pages int // that were copied
	move  bool
	lock  Lock // of what moves
}

// copied is a collection, how far its members were copied, and its copy.
type copied struct {
	from  int64
	after string
	to    int64
}

// begin makes the root of the copy.
func (b *copying) begin(tx Reader, from Node, to *Place, o TransferOptions) error {
	if err := b.fits(tx, &from, to); err != nil {
		return err
	}
	if b.move && from.Kind == KindOData {
		return errUserData
	}
	b.from = from
	err := b.f.Update(b.ctx, func(tx Tx) error {
		gen, err := tx.Touch(to.Parent.Cell, 0)
		if err != nil {
			return err
		}
		b.root = b.f.copyOf(&from, to, gen, b.f.now(), o)
		b.root.Parent = 0
		err = tx.AddAside(CopyJob, &b.root)
		b.f.pruner.copies.Store(b.root.ID, true) // before anybody can see it
		return err
	})
	if err != nil {
		return err
	}
	b.todo = []copied{{from: from.ID, to: b.root.ID}}
	return b.links(tx, &from, &b.root)
}

// fits refuses what its cell surely has no room for, before there is any work.
func (b *copying) fits(tx Reader, from *Node, to *Place) error {
	c, err := tx.CellByID(to.Parent.Cell)
	if err != nil || to.Node != nil { // what goes makes room
		return err
	}
	source, err := tx.CellByID(from.Cell)
	if err != nil || c.Quota == 0 && c.Nodes+source.Nodes <= b.f.maxNodes {
		return err
	}
	nodes, bytes, err := tx.Count(from.ID)
	if err != nil {
		return err
	}
	asides, err := tx.Asides()
	if err != nil {
		return err
	}
	for _, a := range asides {
		if a.Cell == to.Parent.Cell && a.Counts { // it may make room
			return nil
		}
	}
	switch {
	case c.Quota > 0 && c.Taken()+bytes+NodeCost*nodes > c.Quota:
		return ErrQuota
	case c.Nodes+nodes > b.f.maxNodes:
		return ErrManyNodes
	}
	return nil
}

// members copies all that lies below the root.
func (b *copying) members(tx Reader) error {
	for len(b.todo) > 0 {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		var from, to []*Node
		for len(b.todo) > 0 && len(to) < copyPage {
			at := &b.todo[len(b.todo)-1]
			nodes, more, err := tx.Children(at.from, Page{After: at.after, Limit: copyPage - len(to)})
			if err != nil {
				return err
			}
			for i := range nodes {
				if b.move && nodes[i].Kind == KindOData {
					return errUserData
				}
				from, to = append(from, &nodes[i]), append(to, b.copyOf(&nodes[i], at.to))
			}
			if more {
				at.after = Key(nodes[len(nodes)-1].Name)
			} else {
				b.todo = b.todo[:len(b.todo)-1]
			}
		}
		b.pages++
		err := b.f.update(b.ctx, func(tx Tx) error {
			if b.move && b.lock.Expires.Sub(b.f.now()) < moveLock/2 {
				if err := b.prolong(tx, tx.SetLock); err != nil {
					return err
				}
			}
			return tx.AddAsideNodes(b.root.ID, to)
		}, b.pages <= copySoon)
		if err != nil {
			return err
		}
		for i, n := range from {
			if !n.IsCollection() {
				continue
			}
			b.todo = append(b.todo, copied{from: n.ID, to: to[i].ID})
			if err := b.links(tx, n, to[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyOf is the copy of a member.
func (b *copying) copyOf(n *Node, parent int64) *Node {
	m := *n
	m.ID, m.Cell, m.Parent, m.Schema, m.ACL = 0, b.root.Cell, parent, "", nil
	if b.move {
		return &m
	}
	m.Version = b.root.Version
	m.Created, m.Modified = b.root.Created, b.root.Created
	m.MTime, m.Changed, m.DatesFrom = time.Time{}, time.Time{}, time.Time{}
	return &m
}

// links copies those of a collection of user data.
func (b *copying) links(tx Reader, from, to *Node) error {
	if from.Kind != KindOData {
		return nil
	}
	all, err := tx.Links(from.Cell, from.ID)
	if err != nil {
		return err
	}
	for page := range slices.Chunk(all, copyPage) {
		err := b.f.UpdateSoon(b.ctx, func(tx Tx) error {
			for _, l := range page {
				l.Cell, l.Node = to.Cell, to.ID
				if err := tx.AddLink(l); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// show puts the copy in its place.
func (b *copying) show(src, dst Path, o TransferOptions) (created bool, err error) {
	f := b.f
	err = f.Update(b.ctx, func(tx Tx) error {
		from, to, err := f.copyPlaces(tx, src, dst, o)
		if err != nil {
			return err
		}
		if from.ID != b.from.ID {
			return notThere(src)
		}
		if _, err := tx.Touch(to.Parent.Cell, 0); err != nil {
			return err
		}
		if err := o.Record.run(tx, to); err != nil {
			return err
		}
		now := f.now()
		n := f.copyOf(&b.from, &to, b.root.Version, now, o)
		n.ID, created = b.root.ID, to.Node == nil
		if err := f.membersChanged(tx, &to.Parent, now); err != nil {
			return err
		}
		if err := f.clear(tx, to, now); err != nil {
			return err
		}
		if err := higher(tx, &to.Parent, &n); err != nil {
			return err
		}
		return tx.PlaceAside(&n, now)
	})
	return created, err
}
