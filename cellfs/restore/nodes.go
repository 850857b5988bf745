package restore

import (
	"archive/zip"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
	"cellar/cellfs/access"
)

// pending is a node that waits to be made: its content is known.
type pending struct {
	cellfs.Node
	path    string         // of an OData collection, whose members are made next
	data    string         // of such a one: Personium's id
	members []memberLine   // of such a one: what its line says of its members
	up      *place         // that it lies in
	here    *place         // that it is; nil for a file
	source  *zip.File      // a content that has yet to be taken out of the snapshot
	want    *cellfs.Hash   // its hash; nil if the snapshot does not tell it
	staged  *cellfs.Staged // a content that no row names yet
	where   string
}

// nodePage is how many nodes one transaction makes; pageBytes bounds the contents
// that wait for it in memory.
const (
	nodePage  = 1000
	pageBytes = 8 << 20
)

// nodes makes the tree, parents first.
func (r *restorer) nodes() error {
	var page []*pending
	var bytes int64
	flush := func() error {
		err := r.flush(page)
		page, bytes = nil, 0
		return err
	}
	err := r.src.nodes(func(l nodeLine, where string) error {
		p, err := r.node(&l, where)
		if err != nil || p == nil {
			return err
		}
		page = append(page, p)
		bytes += int64(l.weight)
		if p.source != nil && p.Size <= cellfs.MaxInline { // it waits in memory
			bytes += p.Size
		}
		if p.Kind == cellfs.KindOData {
			if err := flush(); err != nil {
				return err
			}
			return r.src.odata(r, p)
		}
		if len(page) < nodePage && bytes < pageBytes {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	return cmp.Or(err, r.awaitPage())
}

// node reads a line. It returns nil for the cell and the boxes, which are there.
func (r *restorer) node(l *nodeLine, where string) (*pending, error) {
	if len(l.Path) > r.limits.Path {
		return nil, tooLarge("%s: a path of more than %d bytes", brief(where), r.limits.Path)
	}
	if l.Path != "" && !fs.ValidPath(l.Path) {
		return nil, damaged(where, "path %q", l.Path)
	}
	kind, ok := cellfs.KindOf(l.Kind)
	if !ok || l.Size < 0 {
		return nil, damaged(where, "kind [%s], size %d", cellfs.Printable(l.Kind), l.Size)
	}
	if kind != cellfs.KindFile && (l.Size != 0 || l.SHA256 != "" || l.Type != "") {
		return nil, damaged(where, "a collection has no content")
	}
	if err := checkNumbers(l.Version, l.Created, l.Modified, l.MTime); err != nil {
		return nil, damaged(where, "%v", err)
	}
	for _, m := range l.Members {
		if err := checkNumbers(m.Version, m.Created, m.Modified, nil); err != nil || kind != cellfs.KindOData {
			return nil, damaged(where, "a %v with the member %q: %v", kind, m.Name, err)
		}
		r.version = max(r.version, m.Version)
	}
	p := &pending{where: where, data: l.data, Node: cellfs.Node{
		Cell: r.o.Cell.ID, Name: strings.Clone(path.Base(l.Path)), // not a piece of the path, which would be kept
		Kind: kind, Size: l.Size, Version: l.Version,
		Created: fromMicros(l.Created), Modified: time.UnixMicro(l.Modified).UTC(),
	}}
	if kind == cellfs.KindFile {
		p.ContentType = cellfs.ContentType(l.Type)
	}
	if l.MTime != nil {
		p.MTime = fromMicros(*l.MTime)
	}
	r.version = max(r.version, l.Version)
	var err error
	if p.Props, err = properties(l.Props); err != nil {
		return nil, damaged(where, "%v", err)
	}
	if p.ACL, err = r.acl(l.ACL); err != nil {
		return nil, damaged(where, "%v", err)
	}
	if err := r.placed(p, l.Path); err != nil {
		return nil, damaged(where, "%v", err)
	}
	if kind == cellfs.KindCell || kind == cellfs.KindBox {
		if l.Schema != r.boxSchemas[p.Name] && kind == cellfs.KindBox {
			return nil, damaged(where, "the box has another schema than in the list of boxes")
		}
		return nil, r.qualify(p)
	}
	if err := r.count(); err != nil {
		return nil, err
	}
	if kind == cellfs.KindOData {
		p.path, p.members = l.Path, l.Members
	}
	if kind != cellfs.KindFile {
		return p, nil
	}
	return p, r.content(p, l)
}

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }

// Bounds of the numbers of a line: a version is counted up from there, a time is
// shown with four digits of the year (µs since 1970).
const (
	maxVersion = 1 << 53
	minTime    = -62_135_596_800_000_000
	maxTime    = 253_402_300_799_999_999
)

func checkNumbers(version, created, modified int64, mtime *int64) error {
	if version < 0 || version > maxVersion {
		return fmt.Errorf("version %d", version)
	}
	times := []int64{created, modified}
	if mtime != nil {
		times = append(times, *mtime)
	}
	for _, t := range times {
		if t < minTime || t > maxTime {
			return fmt.Errorf("time %d", t)
		}
	}
	return nil
}

func parentOf(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}

var errOrder = errors.New("what holds it comes later, or is no collection")

// placed finds the collection that a node with that path is in, and checks that it may be there.
func (r *restorer) placed(p *pending, at string) error {
	if at == "" {
		if p.Kind != cellfs.KindCell {
			return errOrder
		}
		return p.markListed(r.places.root())
	}
	up := r.places.find(parentOf(at))
	if up == nil || up.kind == cellfs.KindOData || p.Kind == cellfs.KindCell || !r.places.root().listed {
		return errOrder
	}
	if (p.Kind == cellfs.KindBox) != (up.kind == cellfs.KindCell) {
		return fmt.Errorf("a %v cannot lie in a %v", p.Kind, up.kind)
	}
	if up.kind == cellfs.KindBox && !up.listed {
		return errOrder
	}
	if err := cellfs.CheckName(p.Name); err != nil {
		return err
	}
	if up.depth > cellfs.MaxDepth {
		return cellfs.ErrTooDeep
	}
	p.up = up
	switch p.Kind {
	case cellfs.KindFile:
		return nil
	case cellfs.KindBox:
		box := r.places.child(up, p.Name)
		if box == nil {
			return errors.New("the box is not in the list of boxes")
		}
		return p.markListed(box)
	}
	here, err := r.places.add(up, p.Name, place{kind: p.Kind, depth: up.depth + 1})
	p.here = here
	return err
}

// markListed notes that the line of the cell or a box, which was made before, is there.
func (p *pending) markListed(here *place) error {
	if here.listed {
		return fs.ErrExist
	}
	here.listed, p.here = true, here
	return nil
}

// qualify gives the root or a box, which exists already, the attributes of its line.
func (r *restorer) qualify(p *pending) error {
	return r.update(func(tx cellfs.Tx) error {
		old, err := tx.Node(p.here.id) // set by begin
		if err != nil {
			return err
		}
		n := p.Node
		n.ID, n.Parent, n.Name = old.ID, old.Parent, old.Name
		return tx.SetAsideNode(r.root, &old, &n)
	})
}

// properties checks dead properties: a PROPFIND sends their XML unchanged.
func properties(list []cellfs.Property) ([]cellfs.Property, error) {
	type name struct{ space, local string }
	known := make(map[name]bool, len(list))
	for i := range list {
		p := &list[i]
		if n := (name{p.Space, p.Local}); known[n] {
			return nil, fmt.Errorf("property {%s}%s is there twice", p.Space, p.Local)
		} else {
			known[n] = true
		}
		if len(p.XML) > cellfs.MaxPropBytes { // before it takes more
			return nil, cellfs.ErrProps
		}
		e, err := xmltree.Parse([]byte(p.XML))
		if err != nil {
			return nil, err
		}
		if e.Name != (xml.Name{Space: p.Space, Local: p.Local}) {
			return nil, fmt.Errorf("property {%s}%s holds another", p.Space, p.Local)
		}
		if e.Size() > cellfs.MaxPropBytes {
			return nil, cellfs.ErrProps
		}
		p.XML = cellfs.ElementWith(e.Name, p.Lang, e.Attributes(), e.Inner()) // the element alone
	}
	return list, cellfs.CheckProps(list)
}

func (r *restorer) acl(l *aclLine) (*cellfs.ACL, error) {
	if l == nil {
		return nil, nil
	}
	if _, ok := access.ParseAuthz(l.RequireSchemaAuthz); !ok && l.RequireSchemaAuthz != "" {
		return nil, fmt.Errorf("requireSchemaAuthz %q", l.RequireSchemaAuthz)
	}
	a := access.Unresolved{RequireSchemaAuthz: l.RequireSchemaAuthz}
	for _, e := range l.ACEs {
		if err := checkPrivileges(e.Privileges); err != nil {
			return nil, err
		}
		ace := access.UnresolvedACE{All: e.Role == nil, Privileges: e.Privileges}
		if e.Role != nil {
			ace.Href = e.Role.Box + "/" + e.Role.Name
		}
		a.ACEs = append(a.ACEs, ace)
	}
	return a.Resolve(func(href string) (int64, error) {
		box, name, _ := strings.Cut(href, "/") // which no box has in its name
		id, ok := r.objects[objectKey(cellfs.SetRole, box, name)]
		if !ok {
			return 0, fmt.Errorf("there is no role %q of box %q", name, box)
		}
		return id, nil
	})
}

// checkPrivileges refuses a privilege that is neither an element of DAV: nor of Personium: an
// ACL could not show it.
func checkPrivileges(list []cellfs.Privilege) error {
	for _, p := range list {
		plain := p.Local != "" && !strings.ContainsFunc(p.Local, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-'
		})
		if !plain || p.Space != "DAV:" && p.Space != "urn:x-personium:xmlns" {
			return fmt.Errorf("privilege {%s}%s", p.Space, p.Local)
		}
	}
	return nil
}

// flush begins to make the nodes of a page, after those of the page before are made. The
// caller must not use the page any more.
func (r *restorer) flush(page []*pending) error {
	if len(page) == 0 {
		return nil
	}
	if err := r.lookUp(page); err != nil {
		return err
	}
	if err := r.take(page); err != nil {
		return err
	}
	if err := r.awaitPage(); err != nil {
		return err
	}
	made := make(chan error, 1)
	r.making = made
	go func() { made <- r.make(page) }()
	return nil
}

// awaitPage waits for the page that is being made.
func (r *restorer) awaitPage() error {
	if r.making == nil {
		return nil
	}
	err := <-r.making
	r.making = nil
	return err
}

// make makes the nodes of a page. Only it looks at the ids of collections.
func (r *restorer) make(page []*pending) error {
	return r.update(func(tx cellfs.Tx) error {
		for _, p := range page { // of a run that was lost
			if p.ID = 0; p.here != nil {
				p.here.id = 0
			}
		}
		var run []*cellfs.Node
		made := func(p *pending) error {
			err := tx.AddAsideNodes(r.root, run)
			run = run[:0]
			if errors.Is(err, fs.ErrExist) {
				return damaged(p.where, "two of its siblings have the same name")
			}
			return err
		}
		for _, p := range page {
			if p.up.id == 0 { // it is in this run
				if err := made(p); err != nil {
					return err
				}
				placeIDs(page)
			}
			if p.staged != nil {
				id, err := p.staged.Add(tx)
				if err != nil {
					return err
				}
				p.Blob = id
			}
			p.Parent = p.up.id
			run = append(run, &p.Node)
		}
		err := made(page[len(page)-1])
		placeIDs(page)
		return err
	})
}

// placeIDs notes the ids of collections that were made.
func placeIDs(page []*pending) {
	for _, p := range page {
		if p.here != nil && p.ID != 0 {
			p.here.id = p.ID
		}
	}
}
