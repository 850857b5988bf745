package cellfs

import (
	"context"
	"slices"
	"time"
)

// PropPatch sets or removes one dead property.
type PropPatch struct {
	Property
	Remove bool
}

// Patch applies changes of dead properties in order, all or none, and returns
// the node as it is afterwards. Removing what is absent is fine (RFC 4918, 9.2).
func (f *FS) Patch(ctx context.Context, p Path, patches []PropPatch, check Check) (Node, error) {
	return f.PatchTime(ctx, p, patches, time.Time{}, check)
}

// PatchTime is [FS.Patch] that also sets the modification time to show, unless
// mtime is zero.
func (f *FS) PatchTime(ctx context.Context, p Path, patches []PropPatch, mtime time.Time, check Check) (Node, error) {
	return f.alter(ctx, p, check, func(_ Tx, n *Node) error {
		before := propBytes(n.Props)
		n.Props = ApplyPatches(n.Props, patches)
		if after := propBytes(n.Props); after > MaxProps && after > before {
			return ErrProps
		}
		if !mtime.IsZero() {
			n.MTime = mtime
		}
		return nil
	})
}

// SetACL gives the resource at p the ACL that make returns, in place of its own; nil
// leaves it without.
func (f *FS) SetACL(ctx context.Context, p Path, check Check, make func(tx Tx, n *Node) (*ACL, error)) (Node, error) {
	return f.alter(ctx, p, check, func(tx Tx, n *Node) (err error) {
		n.ACL, err = make(tx, n)
		return err
	})
}

// alter changes what a resource has besides its name and content, and returns the
// resource as it is afterwards.
func (f *FS) alter(ctx context.Context, p Path, check Check, change func(tx Tx, n *Node) error) (n Node, err error) {
	err = f.Update(ctx, func(tx Tx) error {
		at, err := f.lookup(tx, p)
		if err != nil {
			return err
		}
		n = at.node
		if n.Kind >= KindUnit {
			return ErrReadOnly
		}
		if n.Kind == KindBox {
			if err := f.Guarded(&n); err != nil {
				return err
			}
		}
		if err := check.run(tx, at.place(p, &n)); err != nil {
			return err
		}
		if _, err := tx.Touch(n.Cell, 0); err != nil {
			return err
		}
		old := n
		if n.Kind == KindCell { // the look-up shows the cell's name; the row has its own
			stored, err := tx.Node(n.ID)
			if err != nil {
				return err
			}
			old.Name = stored.Name
		}
		if err := change(tx, &n); err != nil {
			return err
		}
		changed := n
		changed.Name = old.Name
		return tx.SetNode(&old, &changed, f.now())
	})
	return n, err
}

// MaxProps bounds the dead properties of one resource, in bytes of XML. They are
// read whenever the resource is listed.
const MaxProps = 1 << 20

func propBytes(props []Property) (n int) {
	for i := range props {
		n += len(props[i].XML)
	}
	return n
}

// ApplyPatches returns props with the changes applied, in the order in which
// properties were first set.
func ApplyPatches(props []Property, patches []PropPatch) []Property {
	props = slices.Clone(props)
	for _, c := range patches {
		i := slices.IndexFunc(props, func(p Property) bool { return p.Space == c.Space && p.Local == c.Local })
		switch {
		case c.Remove && i >= 0:
			props = slices.Delete(props, i, i+1)
		case !c.Remove && i >= 0:
			props[i] = c.Property
		case !c.Remove:
			props = append(props, c.Property)
		}
	}
	return props
}
