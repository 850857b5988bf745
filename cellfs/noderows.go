package cellfs

import (
	"encoding/xml"
	"slices"
	"time"
)

// Aside is a tree that no cell shows: one that an import or a COPY builds, or one that is
// being removed.
type Aside struct {
	Root  int64
	Cell  int64
	Job   int64 // that builds it; [CopyJob] for a COPY; 0: it is to be removed
	Nodes int64 // as [Cell.Nodes]
	Bytes int64 // as [Cell.Used]
	// Counts says that the cell still counts the tree, because nobody has counted it yet.
	// Nodes and Bytes are 0 then.
	Counts bool
}

// CopyJob is the [Aside.Job] of trees that a COPY builds.
const CopyJob = -1

// Extent is what a tree counts, its root included.
type Extent struct {
	Nodes int64
	Bytes int64 // the sum of [Node.Weight]
	Whole bool  // all of it was counted; else nothing is known
}

// AsideReader reads trees that no cell shows.
type AsideReader interface {
	Asides() ([]Aside, error)
}

// AsideWriter builds trees aside, puts them in the place of a cell's tree, and removes
// them piece by piece. Control objects that belong to a tree are added for the cell
// with the negative id of the job.
type AsideWriter interface {
	// AddAside begins a tree for the cell of the root, whose id and name it fills in.
	AddAside(job int64, root *Node) error
	// AddAsideNodes adds nodes below the root of a tree and fills in their ids. They
	// count neither for the quota nor for [Cell.Used]. Boxes have no schema yet.
	AddAsideNodes(root int64, nodes []*Node) error
	// SetAsideNode is [NodeWriter.SetNode] for the root of a tree or a collection below it.
	SetAsideNode(root int64, old, n *Node) error
	// ShowAside makes the tree that of its cell, together with its control objects
	// and the schemas of its boxes by node id, and raises the cell's generation to
	// atLeast or more. The tree and the objects that it replaces are to be removed.
	// Records of installs into the old boxes go.
	ShowAside(root int64, schemas map[int64]string, atLeast int64, now time.Time) error
	// PlaceAside makes the tree with the root n.ID, which a COPY has built, a member of its cell, with the
	// parent, the name and all else that n says. From now on the cell counts it.
	PlaceAside(n *Node, now time.Time) error
	// PutAside takes a collection out of its cell, with all that lies below, so that it is to be
	// removed. The cell counts it no more, or if e is not whole, until CountAside. With a box go
	// its control objects and its jobs. The root is no node any more: its id is not found.
	PutAside(n *Node, e Extent, now time.Time) error
	// CountAside tells what a tree counts of which its cell did not know.
	CountAside(root int64, e Extent) error
	// DropAside gives a tree up: its control objects go, the rest is to be removed.
	DropAside(root int64) error
	// PruneAside removes at most limit files of a tree that is to be removed; done
	// says that nothing is left of it.
	PruneAside(root int64, limit int, now time.Time) (done bool, err error)
}

// NodeReader reads the tree.
type NodeReader interface {
	Cell(name string) (Cell, error)
	CellByID(id int64) (Cell, error)
	Cells() ([]Cell, error)
	Node(id int64) (Node, error)
	// Child looks up by Key(name).
	Child(parent int64, name string) (Node, error)
	// ChildContent is Child together with the row of the content; nil for what has none, and for
	// one whose row is lost.
	ChildContent(parent int64, name string) (Node, *Blob, error)
	// Children lists a page of children in the order of their keys, and reports whether
	// there are more. A page that is not the last has at least one child.
	Children(parent int64, p Page) (nodes []Node, more bool, err error)
	// ChildRefs is Children together with what each content is.
	ChildRefs(parent int64, p Page) (refs []NodeRef, more bool, err error)
	// Documents calls yield for each file in a collection with a key after the given one, in the order
	// of their keys, with its content if that is small. What is yielded is valid during the call, in
	// which the transaction must not be used.
	Documents(parent int64, after string, yield func(*Document) error) error
	// AuthzBelow lists what the ACLs of all that lies below a node of the cell ask of
	// applications, each [ACL.RequireSchemaAuthz] once. What it takes depends on how many ACLs
	// of the cell ask for something, and not on the size of the tree.
	AuthzBelow(cell, root int64) ([]string, error)
	// Measure counts a tree, unless it has more than limit nodes: then the extent is not whole.
	Measure(n *Node, limit int) (Extent, error)
	// Count returns the nodes of the subtree, its root included, and their
	// [Node.Weight].
	Count(root int64) (nodes, bytes int64, err error)
	// Height is how many levels lie below root; 0 if it has no children.
	Height(root int64) (int, error)
	// Nodes counts all nodes of the store.
	Nodes() (int64, error)
}

// NodeWriter changes the tree.
type NodeWriter interface {
	// AddCell adds the cell together with its root node and main box, and
	// fills in the ids. [Cell.Used] and [Cell.Nodes] follow the tree by themselves.
	AddCell(c *Cell) error
	// DeleteCell removes the cell and everything that belongs to it.
	DeleteCell(id int64, now time.Time) error
	// SetQuota limits the bytes that the cell's resources may take; 0 lifts the limit.
	SetQuota(cell, bytes int64) error
	// RenameCell gives the cell another name.
	RenameCell(id int64, name string) error
	// SetKeep says how many finished snapshots of the cell are kept; 0: all.
	SetKeep(cell, snapshots int64) error
	// Touch raises the generation of a cell, to atLeast or more, and returns the
	// new one. Every transaction that changes the tree calls it.
	Touch(cell, atLeast int64) (int64, error)
	// AddNode fills in the id.
	AddNode(n *Node) error
	// SetNode replaces the row of old by n, which has the same id; parent and
	// name may change. A content that n no longer names becomes an orphan.
	SetNode(old *Node, n *Node, now time.Time) error
	// MembersChanged notes the time of a change among the members of a collection as its
	// [Node.Changed], in the place of a modification time that a client set.
	MembersChanged(collection *Node, now time.Time) error
	// DatesAnew makes the [Node.DatesFrom] of all children of a node the second after now, or
	// after what it was if that is later.
	DatesAnew(parent int64, now time.Time) error
	// SetCellOf moves a whole subtree to another cell. ACLs, which name roles of
	// the cell, do not go along.
	SetCellOf(root, cell int64) error
	// CopyTree copies what lies below src to below dst, a collection that was
	// just added. Copies get version and time as given; ACLs stay behind.
	CopyTree(src int64, dst *Node, version int64, now time.Time) error
	// RaiseHeight makes the [Node.Height] of a collection at least that, and so on upwards.
	RaiseHeight(collection int64, height int) error
	// DeleteTree removes the node and all below it; contents become orphans.
	// With a box go its control objects and its jobs.
	DeleteTree(n *Node, now time.Time) error
}

// Page says which children of a node are listed at a time, and what of them.
type Page struct {
	After string // the key after which the page begins; "" begins at the first
	Limit int    // so many children at most, and fewer after [PageBytes]
	Props PropNames
}

// PageBytes ends a [Page]: it is complete once the properties and ACLs of its nodes take
// so many bytes, as [Node.Extra] counts them.
const PageBytes = 512 << 10

// PropNames says which dead properties are read with nodes; nil stands for all, an empty
// map for none.
type PropNames map[xml.Name]bool

// Keep leaves only those of the properties that are named.
func (names PropNames) Keep(props []Property) []Property {
	if names == nil {
		return props
	}
	return slices.DeleteFunc(props, func(p Property) bool { return !names[xml.Name{Space: p.Space, Local: p.Local}] })
}

// NodeRef is a node and its content; Ref is zero for what has none, and for one whose row is
// lost.
type NodeRef struct {
	Node
	Ref
}
