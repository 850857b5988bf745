package cellfs

import (
	"context"
	"errors"
	"io/fs"
	"time"
)

// Level is an ACL on the way from a cell to a resource.
type Level struct {
	Depth int // of the resource that has it, in segments of its path: 1 a cell, 2 a box
	ACL   *ACL
}

// Place is what an operation finds at a path.
type Place struct {
	Depth  int // segments of the path
	Parent Node
	Name   string
	Node   *Node // what is there; nil if there is nothing
	// Above are the ACLs of what lies above, the cell's first. If the parent is missing
	// they are those of what is there of the path.
	Above  []Level
	Schema string // of the box that the place is or lies in
	// DatesFrom is the second from which on a date of the place can only belong to what is
	// there now; zero: no date proves anything.
	DatesFrom time.Time

	inSource bool // directly in the sources of a service
}

// Levels are the ACLs that count for what is at the place: those above and its own.
func (p *Place) Levels() []Level {
	if p.Node == nil || p.Node.ACL == nil {
		return p.Above
	}
	return append(p.Above[:len(p.Above):len(p.Above)], Level{p.Depth, p.Node.ACL})
}

// found is what a look-up finds on its way.
type found struct {
	node Node // zero but for its cell if there is nothing
	way
	absent absent // if there is nothing: the first name of the path that is not there
}

// way is what lies above a node. What it points to is shared and never changed.
type way struct {
	parent *Node     // nil for the unit and for cells
	box    *Node     // the box that the node lies below; nil if it lies in none
	above  []Level   // ACLs of what lies above the node, or of what there is of its path
	odata  bool      // the node lies below an OData collection
	dates  time.Time // the last DatesFrom of what lies above the node
}

// absent is a name that is not in a collection.
type absent struct {
	parent int64
	key    string
}

// place is what was found at p, for operations that change it. n is nil if nothing was.
func (at *found) place(p Path, n *Node) Place {
	schema := ""
	switch {
	case n != nil && n.Kind == KindBox:
		schema = n.Schema
	case at.box != nil:
		schema = at.box.Schema
	}
	dates := at.dates
	if n != nil {
		dates = at.datesOf(n)
	}
	place := Place{Depth: p.Len(), Name: p.Name(), Node: n, Above: at.above, Schema: schema, DatesFrom: dates}
	if at.parent != nil {
		place.Parent = *at.parent
	}
	return place
}

// datesOf is the DatesFrom of the place of n, which was found.
func (at *found) datesOf(n *Node) time.Time { return latest(at.dates, n.DatesFrom) }

// shown is the node for callers that do not get its place.
func (at *found) shown() Node {
	n := at.node
	n.DatesFrom = at.datesOf(&n)
	return n
}

// descend makes the node what the next one is looked for in; depth is its own.
func (at *found) descend(depth int) {
	n := at.node
	at.parent = &n
	at.dates = latest(at.dates, n.DatesFrom)
	if n.ACL != nil {
		at.above = append(at.above[:len(at.above):len(at.above)], Level{depth, n.ACL})
	}
	switch n.Kind {
	case KindBox:
		at.box = &n
	case KindOData:
		at.odata = true
	}
}

// lookup finds the node at p; errors as [FS.Lookup]. What is found above it is
// returned also with an error.
func (f *FS) lookup(tx Reader, p Path) (at found, err error) {
	if p.Len() == 0 {
		return found{node: Node{Kind: KindUnit}}, nil
	}
	c, err := tx.Cell(p.Cell())
	if err != nil {
		return at, orMissing(err, ErrNoCell)
	}
	if p.Len() == 1 || isSpecial(p.Box()) {
		root, err := tx.Node(c.Root)
		if err != nil {
			return found{}, err
		}
		root.Name = c.Name
		at.node = root
		if p.Len() > 1 {
			at.descend(1)
			if at.node, err = f.lookupSpecial(tx, root, p.Segments()); err != nil {
				at.node = Node{}
			}
		}
		return at, err
	}
	at.node = Node{ID: c.Root, Cell: c.ID, Kind: KindCell, ACL: c.ACL}
	for i, name := range p.Segments() {
		at.descend(i + 1)
		if i == 1 {
			if err := f.Guarded(at.box); err != nil {
				at.node = Node{}
				return at, err
			}
		}
		if at.node, err = tx.Child(at.parent.ID, name); err != nil {
			at.node, at.absent = Node{Cell: c.ID}, absent{at.parent.ID, Key(name)}
			if i == 0 {
				return at, orMissing(err, ErrNoBox)
			}
			return at, orMissing(err, fs.ErrNotExist)
		}
	}
	return at, nil
}

// orMissing replaces an absence by the more telling one.
func orMissing(err, say error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return say
	}
	return err
}

// Locate finds the place p names, for an operation that changes it. Besides the
// errors of Lookup it returns [ErrNoParent] if the collection above is missing,
// [ErrBelowFile] if it is none, [ErrReadOnly] at the unit, at cells and in the special
// collections, and [ErrInOData].
func (f *FS) Locate(tx Reader, p Path) (Place, error) {
	if p.Len() < 2 || isSpecial(p.Box()) {
		return Place{}, ErrReadOnly
	}
	at, err := f.lookup(tx, p.Parent())
	switch {
	case errors.Is(err, ErrNoCell), errors.Is(err, ErrNoBox):
		return Place{}, err
	case errors.Is(err, fs.ErrNotExist):
		return Place{}, ErrNoParent
	case err != nil:
		return Place{}, err
	}
	if !at.node.IsCollection() {
		return Place{}, ErrBelowFile
	}
	if p.Len() == 3 {
		if err := f.Guarded(&at.node); err != nil {
			return Place{}, err
		}
	}
	if at.odata || at.node.Kind == KindOData {
		// Its documents follow a schema that file operations do not know.
		return Place{}, ErrInOData
	}
	inSource := at.parent != nil && at.parent.Kind == KindService && at.node.Name == ServiceSource
	at.descend(p.Len() - 1)
	n, err := tx.Child(at.parent.ID, p.Name())
	there := &n
	if errors.Is(err, fs.ErrNotExist) {
		there, err = nil, nil
	}
	if err != nil {
		return Place{}, err
	}
	place := at.place(p, there)
	place.inSource = inSource
	return place, nil
}

// Find reports what is at p and which ACLs count there; the latter also with an error,
// as far as the path exists. Errors are those of [FS.Lookup].
func (f *FS) Find(ctx context.Context, p Path) (Place, error) {
	e, err := f.lookupEntry(ctx, p)
	if err != nil {
		at := e.found()
		return at.place(p, nil), err
	}
	at := e.found()
	if err := f.guardedBelow(&at.way); err != nil {
		return at.place(p, nil), err
	}
	if e.none != nil {
		return at.place(p, nil), e.none
	}
	return at.place(p, &at.node), nil
}

// FindTx is [FS.Find] in a transaction; without an error the place has a node.
func (f *FS) FindTx(tx Reader, p Path) (Place, error) {
	at, err := f.lookup(tx, p)
	if err != nil {
		return at.place(p, nil), err
	}
	return at.place(p, &at.node), nil
}

// guardedBelow is the guard's error for something below a box.
func (f *FS) guardedBelow(at *way) error {
	if at.box == nil {
		return nil
	}
	return f.Guarded(at.box)
}
