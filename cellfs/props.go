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
		count, bytes := len(n.Props), propBytes(n.Props)
		n.Props = ApplyPatches(n.Props, patches)
		// What is beyond the bounds already, as an import can be, may shrink.
		if err := CheckProps(n.Props); err != nil && (len(n.Props) > count || propBytes(n.Props) > bytes) {
			return err
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

const (
	// MaxProps bounds the dead properties of one resource, and those that one request
	// sets or removes.
	MaxProps = 1000
	// MaxPropBytes bounds the dead properties of one resource, in bytes of XML.
	MaxPropBytes = 1 << 20
)

// CheckProps returns [ErrProps] if a resource cannot have so many properties, or ones so
// large.
func CheckProps(props []Property) error {
	if len(props) > MaxProps || propBytes(props) > MaxPropBytes {
		return ErrProps
	}
	return nil
}

func propBytes(props []Property) (n int) {
	for i := range props {
		n += len(props[i].XML)
	}
	return n
}

// ApplyPatches returns props with the changes applied, in the order in which
// properties were first set.
func ApplyPatches(props []Property, patches []PropPatch) []Property {
	type name struct{ space, local string }
	props = slices.Clone(props)
	at := make(map[name]int, len(props)+len(patches))
	for i := range props {
		at[name{props[i].Space, props[i].Local}] = i
	}
	removed := map[int]bool{}
	for _, c := range patches {
		key := name{c.Space, c.Local}
		i, there := at[key]
		switch {
		case c.Remove && there:
			removed[i] = true
			delete(at, key)
		case !c.Remove && there:
			props[i] = c.Property
		case !c.Remove:
			at[key] = len(props)
			props = append(props, c.Property)
		}
	}
	kept := props[:0]
	for i := range props {
		if !removed[i] {
			kept = append(kept, props[i])
		}
	}
	return kept
}
