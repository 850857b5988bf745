package restore

import (
	"cmp"

	"cellar/barfs/zipdir"
	"cellar/cellfs"
)

// Limits bound what a snapshot may hold, and with it what an import takes of memory: some
// hundred bytes for each entry and each collection, however long their names and paths
// are. A zero field means its default.
type Limits struct {
	// Nodes is how many resources, documents of user data and control objects there may
	// be, and how many links between them; default [MaxNodes].
	Nodes int64
	// Boxes is how many boxes there may be; default [MaxBoxes].
	Boxes int
	// Control is how many bytes all control objects may have together; default 64 MiB, or
	// 64 for each node. The switch at the end of an import writes them anew, in memory and
	// in one transaction.
	Control int64
	// Path is the longest path of a resource below its cell, in bytes; default [MaxPath].
	Path int
}

// Defaults of [Limits].
const (
	MaxNodes   = 1_000_000
	MaxBoxes   = 10_000
	MaxControl = 64 << 20
	// MaxPath is as long as the longest path that a cell can have.
	MaxPath = (cellfs.MaxDepth + 3) * (cellfs.MaxNameBytes + 1)
)

func (l Limits) withDefaults() Limits {
	nodes := cmp.Or(l.Nodes, MaxNodes)
	return Limits{Nodes: nodes, Boxes: cmp.Or(l.Boxes, MaxBoxes), Control: cmp.Or(l.Control, max(MaxControl, 64*nodes)), Path: cmp.Or(l.Path, MaxPath)}
}

// directory bounds the central directory of the zip: an entry for each node, some more,
// and names of a hundred bytes for all of them.
func (l Limits) directory() zipdir.Limits {
	return zipdir.Limits{Entries: int(l.Nodes + l.Nodes/5 + 1000), Bytes: l.Nodes*146 + 1<<20}
}

// maxSmall bounds the manifest, a schema, and a line that is no document, in bytes.
const maxSmall = 16 << 20

// maxDocument bounds a document of user data, in bytes: it came as an entry of a bar (64 MiB
// at most). A variable for the tests.
var maxDocument = 64 << 20

// maxLine bounds the line that holds a document, in bytes.
func maxLine() int { return maxDocument + 1<<20 }

// Limits of the parts of a line. Decoded, they take more memory than their text.
const (
	maxACEs       = 10_000 // ten times what ACL sets: other servers, and this one before, took more
	maxPrivileges = 100    // of an ace: there are fewer different ones
	maxMembers    = 10_000 // of a JSON object that is read by its names
	maxID         = 400    // characters of an __id, as in bars
	maxInternalID = 255    // bytes of an id of Personium's
	maxSchemaURL  = 4096   // bytes

	// Of a snapshot of Personium's: types and their properties, and the bytes of all
	// ids of documents, which links need.
	maxDeclared = 200_000
	maxIDBytes  = 64 << 20
)

func tooLarge(format string, args ...any) error {
	return refusef(TooLarge, "The snapshot is larger than an import takes. ["+format+"].", args...)
}

// count counts what is made.
func (r *restorer) count() error {
	if r.made++; r.made > r.limits.Nodes {
		return tooLarge("more than %d resources, documents and control objects", r.limits.Nodes)
	}
	return nil
}

// countControl counts a control object.
func (r *restorer) countControl(e *cellfs.Entity) error {
	if r.controlled += int64(len(e.Doc) + len(e.Hidden) + len(e.Key)); r.controlled > r.limits.Control {
		return tooLarge("control objects of more than %d bytes", r.limits.Control)
	}
	return r.count()
}

// countLink counts a link that is made.
func (r *restorer) countLink() error {
	if r.linked++; r.linked > r.limits.Nodes {
		return tooLarge("more than %d links", r.limits.Nodes)
	}
	return nil
}
