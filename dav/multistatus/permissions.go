package multistatus

import (
	"cellar/cellfs"
	"cellar/cellfs/access"
)

// Judge knows the request that a listing answers: its caller, and what can change besides the
// tree.
type Judge interface {
	// Granted is what the ACLs on the way to a resource, its own last, grant to the caller;
	// excluded reports whether the caller's application is not the one that they ask for. schema is
	// that of the box.
	Granted(levels []cellfs.Level, schema string) (set access.Set, excluded bool)
	// MayAll reports whether the caller may see all.
	MayAll() bool
	// Denied is the answer to a caller who lacks a privilege.
	Denied() error
	// Principal is the caller as locks have it, Subject its URL; "" for an anonymous one.
	Principal() string
	Subject() string
	// BoxStatus is the state of a box, and how many percent of it are there.
	BoxStatus(n *cellfs.Node) (status string, percent int64)
	// NoteRead is called for the resource that is listed.
	NoteRead(n *cellfs.Node)
}

// Permissions are what counts for a resource in a listing: the ACLs on the way to it, its
// own last, and what they grant to the caller.
type Permissions struct {
	levels   []cellfs.Level
	schema   string // of the box
	set      access.Set
	excluded bool // the caller's application is not the one asked for
}

// PermissionsAt judges the caller at a resource.
func PermissionsAt(j Judge, levels []cellfs.Level, schema string) Permissions {
	s := Permissions{levels: levels, schema: schema}
	s.set, s.excluded = j.Granted(levels, schema)
	return s
}

// OfMember are the permissions at a member.
func (s Permissions) OfMember(j Judge, p cellfs.Path, n *cellfs.Node) Permissions {
	if n.Kind == cellfs.KindBox {
		s.schema = n.Schema
	}
	if n.ACL == nil {
		return s
	}
	return PermissionsAt(j, append(s.levels[:len(s.levels):len(s.levels)], cellfs.Level{Depth: p.Len(), ACL: n.ACL}), s.schema)
}

// CanSee reports whether the caller may see the resource at all.
func (s Permissions) CanSee(j Judge, n *cellfs.Node) bool {
	switch {
	case j.MayAll():
		return true
	case n.Kind == cellfs.KindUnit:
		return false
	case n.Kind == cellfs.KindCell:
		return s.set&access.Propfind != 0
	case n.Kind >= cellfs.KindUnit:
		// What it needs was asked where the listing begins; only the areas of a cell are
		// shown by others.
		needed := map[string]access.Set{cellfs.SnapshotArea: access.Root, cellfs.LogArea: access.LogRead}[n.Name]
		return s.set&needed == needed
	}
	return s.set&access.ReadProperties != 0 && !s.excluded
}

// canWrite reports whether the caller may write something at the resource.
func (s Permissions) canWrite() bool {
	return s.set&(access.Bind|access.WriteContent) != 0 && !s.excluded
}

// canReadACL reports whether the caller may see the ACL of a resource.
func (s Permissions) canReadACL(n *cellfs.Node) bool {
	if n.Kind == cellfs.KindCell {
		return s.set&access.ACLRead != 0
	}
	return s.set&access.ReadACL != 0
}
