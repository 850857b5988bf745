package target

import (
	"strings"

	"cellar/cellfs"
)

// Kind is a kind of resource. It decides which methods a resource has (package dav).
type Kind int

// The kinds, in the order of docs/access.md.
const (
	Unit        Kind = iota
	Token            // of a cell, or of the unit
	Cell             // a cell
	Export           // __export
	Import           // __import
	MyPassword       // __mypassword
	Event            // __event
	BoxURL           // __box
	CrossDomain      // crossdomain.xml
	Ctl              // control objects of a cell; Rest is what follows __ctl
	UnitCtl          // control objects of the unit
	Snapshots        // __snapshot
	Snapshot         // a file in it
	Logs             // __log and its collections
	Log              // a file in them
	Box              // a box
	Resource         // what is in a box
	Entity           // an entity of an OData collection whose key no path can hold
	OData            // an entity, links or the schema of an OData collection, to be changed
	Unknown          // a reserved name that means nothing
)

// need is what must exist before anything else is asked, whoever asks.
type need int

const (
	nothing need = iota
	theCell      // the cell, unless the request makes it
	theBox       // the box, unless the request makes it; then the cell
)

// row says what a kind of resource is. All that depends on the kind, but its methods, is here.
type row struct {
	kind Kind
	name string // as docs/access.md has it
	// patterns are the paths of such resources, split at slashes: a name stands for itself, {}
	// for any name, and … at the end for one name or more. The first row that fits counts.
	patterns []string
	needs    need
	ofCell   bool // the ACL of the cell decides, not that of the path
	rest     int  // segments from which on the path is cut off, and becomes Rest; 0: not
	json     bool // clients are not those of WebDAV: errors are JSON whatever is accepted

	split [][]string // the patterns
}

// table has a row for each kind. To make a special resource, write a row here, and one with its
// methods in package dav.
var table = []row{
	{kind: UnitCtl, name: "cells as control objects, `/__ctl/Cell`", patterns: []string{"__ctl/…"}, rest: 1, json: true},
	{kind: Unit, name: "the unit, `/`", patterns: []string{""}},
	{kind: Token, name: "`__token`", patterns: []string{"__token", "{}/__token"}, needs: theCell, ofCell: true, json: true},
	{kind: CrossDomain, name: "`/crossdomain.xml`", patterns: []string{"crossdomain.xml"}},
	{kind: Cell, name: "a cell", patterns: []string{"{}"}, needs: theCell},
	{kind: Export, name: "`__export`", patterns: []string{"{}/__export"}, needs: theCell, ofCell: true, json: true},
	{kind: Import, name: "`__import`", patterns: []string{"{}/__import"}, needs: theCell, ofCell: true, json: true},
	{kind: MyPassword, name: "`__mypassword`", patterns: []string{"{}/__mypassword"}, needs: theCell, ofCell: true, json: true},
	{kind: Event, name: "`__event`", patterns: []string{"{}/__event"}, needs: theCell, ofCell: true, json: true},
	{kind: BoxURL, name: "`__box`", patterns: []string{"{}/__box"}, needs: theCell, ofCell: true, json: true},
	{kind: Ctl, name: "control objects, `__ctl/…`", patterns: []string{"{}/__ctl/…"}, needs: theCell, ofCell: true, rest: 2, json: true},
	{kind: Snapshots, name: "`__snapshot`", patterns: []string{"{}/" + cellfs.SnapshotArea}, needs: theCell},
	{kind: Snapshot, name: "a file in `__snapshot`", patterns: []string{"{}/" + cellfs.SnapshotArea + "/{}"}, needs: theCell},
	{
		kind: Logs, name: "`__log`, `__log/current`, `__log/archive`", needs: theCell,
		patterns: []string{"{}/" + cellfs.LogArea, "{}/" + cellfs.LogArea + "/" + cellfs.LogCurrent, "{}/" + cellfs.LogArea + "/" + cellfs.LogArchives},
	},
	{
		kind: Log, name: "a file of the log", needs: theCell,
		patterns: []string{"{}/" + cellfs.LogArea + "/" + cellfs.LogCurrent + "/{}", "{}/" + cellfs.LogArea + "/" + cellfs.LogArchives + "/{}"},
	},
	{kind: Box, name: "a box", patterns: []string{"{}/{}"}, needs: theBox},
	{kind: Resource, name: "a collection or file in a box", patterns: []string{"{}/{}/…"}, needs: theBox},
	{kind: Entity, name: "an entity whose key is no name", needs: theBox, json: true},              // known by its key
	{kind: OData, name: "entities, links and the schema of user OData", needs: theBox, json: true}, // known by what lies above
	{kind: Unknown},
}

// rows finds the row of a kind.
var rows = func() map[Kind]*row {
	m := map[Kind]*row{}
	for i := range table {
		r := &table[i]
		m[r.kind] = r
		for _, p := range r.patterns {
			if p == "" {
				r.split = append(r.split, nil)
			} else {
				r.split = append(r.split, strings.Split(p, "/"))
			}
		}
	}
	return m
}()

// Name is the kind as documents have it.
func (k Kind) Name() string { return rows[k].name }

// OfCell reports whether the ACL of the cell decides who may use such a resource, because it
// has none of its own.
func (k Kind) OfCell() bool { return rows[k].ofCell }

// JSON reports whether the clients of such a resource are not those of WebDAV, so that its
// errors are JSON.
func (k Kind) JSON() bool { return rows[k].json }

// Below reports whether such a resource is in a box.
func (k Kind) Below() bool { return k == Resource || k == Entity || k == OData }

// Cut reports whether the path of such a resource is that of what lies above it.
func (k Kind) Cut() bool { return rows[k].rest > 0 || k == Token }

// kindOf finds the kind of the resource whose path has these segments.
func kindOf(segs []string) Kind {
	for i := range table {
		for _, p := range table[i].split {
			if fits(p, segs) {
				return table[i].kind
			}
		}
	}
	return Unknown
}

// fits reports whether the segments are as the pattern says. Names that begin with __ are
// reserved: of a cell alone or of a box, such a name fits only where it is written, and the
// main box has one.
func fits(pattern, segs []string) bool {
	for n, p := range pattern {
		switch {
		case n == len(segs):
			return false
		case p == "…":
			return true
		case p == "{}" && reserved(segs, n), p != "{}" && p != segs[n]:
			return false
		}
	}
	return len(pattern) == len(segs)
}

func reserved(segs []string, n int) bool {
	if !strings.HasPrefix(segs[n], "__") {
		return false
	}
	return n == 0 && len(segs) == 1 || n == 1 && segs[1] != cellfs.MainBox
}
