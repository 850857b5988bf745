package cellfs

import (
	"fmt"
	"strconv"
	"time"
)

// Kind is what a node is.
type Kind uint8

const (
	KindCell       Kind = 1 // root of a cell
	KindBox        Kind = 2
	KindCollection Kind = 3
	KindOData      Kind = 4 // collection of user OData: $metadata and one collection per entity type
	KindService    Kind = 5 // collection with a service definition and its sources in __src
	KindFile       Kind = 6

	// Kinds below stand for resources that the server makes up; they are never
	// stored as nodes.
	KindUnit     Kind = 16 // "/"
	KindVirtual  Kind = 17 // read-only collections: __snapshot, __log, __log/current, __log/archive
	KindSnapshot Kind = 18 // a file of __snapshot
	KindLog      Kind = 19 // a file of __log
)

// IsCollection reports whether nodes of this kind have children.
func (k Kind) IsCollection() bool {
	return k <= KindService || k == KindUnit || k == KindVirtual
}

func (k Kind) String() string {
	switch k {
	case KindCell:
		return "cell"
	case KindBox:
		return "box"
	case KindCollection:
		return "collection"
	case KindOData:
		return "odata"
	case KindService:
		return "service"
	case KindFile:
		return "file"
	default:
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
}

// KindOf is the stored kind with the given name, as [Kind.String] writes it.
func KindOf(name string) (Kind, bool) {
	for k := KindCell; k <= KindFile; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

// Node is one resource of the tree. It is a value: changing it changes nothing
// in the store.
type Node struct {
	ID     int64
	Cell   int64 // id of the cell
	Parent int64 // id of the parent node; 0 for the root of a cell
	Name   string
	Kind   Kind

	ContentType string
	Blob        int64 // id of the content; 0 for collections and empty files
	Size        int64 // bytes
	// Version is the cell's generation when the content was written. It grows
	// with every write to the cell, so that no two contents of a cell ever
	// share version and time, whatever is moved where.
	Version  int64
	Created  time.Time // UTC, microseconds
	Modified time.Time // UTC, microseconds; of the content
	// MTime is the modification time that a client set; zero for none. It is
	// what is shown, but entity tags do not depend on it.
	MTime time.Time
	// DatesFrom is the second from which on a date of this name can only belong to this
	// content, if the same holds for the collections above ([Place.DatesFrom]); zero: that of
	// the collection above counts.
	DatesFrom time.Time

	// Changed is when a member of the collection last came, went or changed; zero if none
	// did since the collection was made.
	Changed time.Time // UTC, microseconds

	// Height is, for a collection, at least how many levels lie below it; a collection that
	// is empty may have had more.
	Height int

	Schema string // boxes: the schema URL, "" for none
	Props  []Property
	ACL    *ACL // nil: none of its own
}

// ETag is the strong entity tag of the node's content: `"{version}-{ms}"`
// (docs/design.md). MOVE, PROPPATCH and a restart do not change it.
func (n *Node) ETag() string {
	b := append(make([]byte, 0, 48), '"')
	b = append(strconv.AppendInt(b, n.Version, 10), '-')
	b = append(strconv.AppendInt(b, n.Modified.UnixMilli(), 10), '"')
	return string(b)
}

// LastModified is the modification time to show: the one set, or the content's.
// A collection is modified by what becomes of its members.
func (n *Node) LastModified() time.Time {
	if !n.MTime.IsZero() {
		return n.MTime
	}
	return n.Altered()
}

// Altered is when the resource was modified here, whatever time a client set.
func (n *Node) Altered() time.Time { return latest(n.Modified, n.Changed) }

// Weight is what the node counts for the quota of its cell besides [NodeCost], in bytes:
// its content, and its properties with their names.
func (n *Node) Weight() int64 {
	bytes := n.Size
	for i := range n.Props {
		bytes += int64(n.Props[i].bytes())
	}
	return bytes
}

// Extra is about how much memory the properties and the ACL of the node take, in bytes.
func (n *Node) Extra() (bytes int) {
	const prop, ace = 96, 160
	for i := range n.Props {
		bytes += prop + n.Props[i].bytes()
	}
	if n.ACL != nil {
		bytes += ace * (1 + len(n.ACL.ACEs))
	}
	return bytes
}

// IsCollection reports whether the node can have children.
func (n *Node) IsCollection() bool { return n.Kind.IsCollection() }

// Property is a dead property (RFC 4918, 4): kept as it was set, never
// interpreted.
type Property struct {
	Space string `json:"ns"`
	Local string `json:"name"`
	Lang  string `json:"lang,omitempty"`
	// XML is the complete element, with every namespace it uses declared on
	// itself, so that it can stand anywhere.
	XML string `json:"xml"`
}

func (p *Property) bytes() int { return len(p.XML) + len(p.Space) + len(p.Local) + len(p.Lang) }

// ACL is the access control list of one resource (RFC 3744 with Personium's
// privileges). It only grants.
type ACL struct {
	// RequireSchemaAuthz is "", "none", "public" or "confidential".
	RequireSchemaAuthz string `json:"requireSchemaAuthz,omitempty"`
	ACEs               []ACE  `json:"aces,omitempty"`
}

// ACE grants privileges to one principal.
type ACE struct {
	// Role is the id of a Role entity of the cell; 0 is the principal "all".
	Role       int64       `json:"role,omitempty"`
	Privileges []Privilege `json:"privileges"`
}

// Privilege is a qualified name, such as {DAV:}read.
type Privilege struct {
	Space string `json:"ns"`
	Local string `json:"name"`
}

// Cell is a tenant of the unit.
type Cell struct {
	ID      int64
	Name    string
	Owner   string
	Root    int64 // node id; what an import switches
	Gen     int64 // grows with every change of the tree
	Quota   int64 // bytes that its resources may take; 0: no limit
	Nodes   int64 // its resources, the root and the main box among them
	Used    int64 // their [Node.Weight]: each content counts whole
	Keep    int64 // finished snapshots that are kept; 0: all
	ACL     *ACL  // of its root; nil for none
	LogFrom int64 // id of the last event that is not in the current log; 0 for none
	Log     LogSize
	Created time.Time
}

const (
	// NodeCost is what each resource counts for the quota, in bytes, besides its content
	// and its properties: about what its row takes.
	NodeCost = 512
	// bareNodes are those of an empty cell, its root and its main box. They count nothing.
	bareNodes = 2
	// DefaultMaxNodes is how many resources a cell may have.
	DefaultMaxNodes = 10_000_000
)

// Taken is what the cell's resources take of its quota, in bytes.
func (c *Cell) Taken() int64 { return c.Used + NodeCost*max(0, c.Nodes-bareNodes) }

// Room is how many bytes of the quota are left; false if there is no quota.
func (c *Cell) Room() (bytes int64, limited bool) { return max(0, c.Quota-c.Taken()), c.Quota > 0 }

// Now is the time as the store keeps it: UTC, whole microseconds.
func Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// SameNode reports whether two nodes, nil for none, are one whose content did not change. ACL and properties can
// differ.
func SameNode(a, b *Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ID == b.ID && a.Version == b.Version && a.Modified.Equal(b.Modified)
}
