package dav

import (
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
)

const (
	davSpace       = "DAV:"
	personiumSpace = "urn:x-personium:xmlns"

	xmlHeader = `<?xml version="1.0" encoding="utf-8"?>`
	xmlType   = "application/xml; charset=utf-8"
)

// propRequest is what a PROPFIND asks for (RFC 4918, 9.1).
type propRequest struct {
	all       bool // allprop, or no body
	namesOnly bool // propname
	names     []xml.Name
}

func parsePropfind(root *xmltree.Element) (propRequest, error) {
	if root == nil {
		return propRequest{all: true}, nil
	}
	if root.Name != (xml.Name{Space: davSpace, Local: "propfind"}) {
		return propRequest{}, errXML
	}
	var p propRequest
	asked := 0
	for _, c := range root.Children {
		if c.Name.Space != davSpace {
			continue
		}
		switch c.Name.Local {
		case "allprop":
			p.all = true
			asked++
		case "propname":
			p.namesOnly = true
			asked++
		case "prop":
			asked++
			fallthrough
		case "include":
			for _, prop := range c.Children {
				if !slices.Contains(p.names, prop.Name) {
					p.names = append(p.names, prop.Name)
				}
				if len(p.names) > maxNames {
					return p, errTooLarge
				}
			}
		}
	}
	if asked != 1 {
		return p, errXML
	}
	return p, nil
}

const (
	// maxNames bounds the properties that one PROPFIND can ask for: each stands
	// in every response.
	maxNames = 1000
	// maxListing bounds an answer, in bytes.
	maxListing = 512 << 20
)

// depth of a PROPFIND; absent means infinity (DECISIONS 4).
type depth int

const infinity depth = -1

func parseDepth(v string) (depth, error) {
	switch strings.ToLower(v) {
	case "0":
		return 0, nil
	case "1", "1,noroot":
		return 1, nil
	case "", "infinity":
		return infinity, nil
	}
	return 0, errDepth(v)
}

// propfind answers PROPFIND. The whole listing is read in one point in time
// before the first byte goes out: a listing that breaks off must not look
// complete.
func (q *request) propfind() error {
	root, err := q.readXML()
	if err != nil {
		return err
	}
	d, err := parseDepth(q.Header.Get("Depth"))
	if err != nil {
		return err
	}
	asked, err := parsePropfind(root)
	if err != nil {
		return err
	}
	l := &listing{q: q, asked: asked, left: q.h.cfg.PropfindLimit, limited: d == infinity}
	l.buf = append(l.buf, xmlHeader+`<D:multistatus xmlns:D="DAV:" xmlns:p="`+personiumSpace+`">`...)
	if err := q.h.fs.View(q.Context(), func(tx cellfs.Tx) error { return l.run(tx, d) }); err != nil {
		return err
	}
	l.buf = append(l.buf, `</D:multistatus>`...)
	h := q.w.Header()
	h["Content-Type"] = []string{xmlType}
	h["Content-Length"] = []string{strconv.Itoa(len(l.buf))}
	q.w.WriteHeader(http.StatusMultiStatus)
	_, err = q.w.Write(l.buf)
	return err
}

// listing collects the responses of one PROPFIND.
type listing struct {
	q       *request
	asked   propRequest
	tx      cellfs.Tx
	buf     []byte
	left    int  // responses that may still follow
	limited bool // left counts
	rest    []xml.Name
	roles   map[int64]string // URL of a role below {cell}__role/, by id
	loaded  map[int64]bool   // cells whose roles are known
}

func (l *listing) run(tx cellfs.Tx, d depth) error {
	l.tx = tx
	p := l.q.target.path
	var n cellfs.Node
	var err error
	if k := l.q.target.kind; k == targetExport || k == targetImport {
		if n, err = l.q.h.fs.Lookup(tx, p.Parent()); err != nil {
			return err
		}
		n.Kind, n.Name, d = cellfs.KindLog, p.Name(), 0
	} else if n, err = l.q.h.fs.Lookup(tx, p); err != nil {
		return err
	}
	if d == infinity && n.Kind == cellfs.KindVirtual && n.Name == cellfs.SnapshotArea {
		l.limited = false // flat, always served
	}
	return l.tree(p, &n, d)
}

func (l *listing) tree(p cellfs.Path, n *cellfs.Node, d depth) error {
	if l.left--; l.limited && l.left < 0 {
		return errInfinite
	}
	if err := l.response(p, n); err != nil {
		return err
	}
	if len(l.buf) > maxListing {
		return codef("PR507-DV-0001", "The listing is too large.")
	}
	if d == 0 || !n.IsCollection() {
		return nil
	}
	below := infinity
	if d == 1 {
		below = 0
	}
	err := l.q.h.fs.Members(l.tx, *n, func(m *cellfs.Node) error {
		return l.tree(p.Join(m.Name), m, below)
	})
	if errors.Is(err, cellfs.ErrInstalling) && p.Len() > l.q.target.path.Len() {
		return nil // a box in the making is shown without members, its status says why
	}
	return err
}

func (l *listing) response(p cellfs.Path, n *cellfs.Node) error {
	l.buf = append(l.buf, `<D:response><D:href>`...)
	l.buf = l.q.target.href(l.buf, p, n.IsCollection())
	l.buf = append(l.buf, `</D:href><D:propstat><D:prop>`...)
	l.rest = l.rest[:0]
	var err error
	switch {
	case l.asked.namesOnly:
		l.propNames(n)
	case l.asked.all:
		if err = l.allProps(p, n); err == nil {
			err = l.named(p, n, l.asked.names, true)
		}
	default:
		err = l.named(p, n, l.asked.names, false)
	}
	if err != nil {
		return err
	}
	l.buf = append(l.buf, `</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>`...)
	if len(l.rest) > 0 {
		l.buf = append(l.buf, `<D:propstat><D:prop>`...)
		for _, name := range l.rest {
			l.buf = appendEmpty(l.buf, name)
		}
		l.buf = append(l.buf, `</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>`...)
	}
	l.buf = append(l.buf, `</D:response>`...)
	return nil
}

// liveProps are the live properties in the order of allprop.
var liveProps = []struct {
	name xml.Name
	// append writes the element and reports whether the node has it.
	append func(l *listing, p cellfs.Path, n *cellfs.Node) (bool, error)
	asked  bool // only when asked for by name
}{
	{name: dav("creationdate"), append: (*listing).creationDate},
	{name: dav("getlastmodified"), append: (*listing).lastModified},
	{name: dav("getcontentlength"), append: (*listing).contentLength},
	{name: dav("getcontenttype"), append: (*listing).contentType},
	{name: dav("getetag"), append: (*listing).etag},
	{name: dav("displayname"), append: (*listing).displayName},
	{name: dav("resourcetype"), append: (*listing).resourceType},
	{name: dav("supportedlock"), append: (*listing).supportedLock},
	{name: dav("lockdiscovery"), append: (*listing).lockDiscovery},
	{name: dav("acl"), append: (*listing).acl},
	{name: personium("status"), append: (*listing).boxStatus},
	{name: personium("progress"), append: (*listing).boxProgress},
	{name: personium("cellstatus"), append: (*listing).cellStatus},
	{name: dav("quota-used-bytes"), append: (*listing).quotaUsed, asked: true},
}

func dav(local string) xml.Name       { return xml.Name{Space: davSpace, Local: local} }
func personium(local string) xml.Name { return xml.Name{Space: personiumSpace, Local: local} }

func hasProp(n *cellfs.Node, name xml.Name) bool {
	return slices.ContainsFunc(n.Props, func(p cellfs.Property) bool { return p.Space == name.Space && p.Local == name.Local })
}

func (l *listing) allProps(p cellfs.Path, n *cellfs.Node) error {
	for i := range liveProps {
		x := &liveProps[i]
		// A displayname that was set is a dead property and replaces the name.
		if x.asked || len(n.Props) > 0 && hasProp(n, x.name) || x.name.Local == "acl" && !showsACL(n) {
			continue
		}
		if _, err := x.append(l, p, n); err != nil {
			return err
		}
	}
	for _, d := range n.Props {
		l.buf = append(l.buf, d.XML...)
	}
	return nil
}

// named writes the properties asked for. What is missing goes to rest; with
// extra, what allprop shows already is left out.
func (l *listing) named(p cellfs.Path, n *cellfs.Node, names []xml.Name, extra bool) error {
	for _, name := range names {
		if i := slices.IndexFunc(n.Props, func(d cellfs.Property) bool { return d.Space == name.Space && d.Local == name.Local }); i >= 0 {
			if !extra {
				l.buf = append(l.buf, n.Props[i].XML...)
			}
			continue
		}
		has := false
		for i := range liveProps {
			x := &liveProps[i]
			if x.name != name {
				continue
			}
			if extra && !x.asked && !(name.Local == "acl" && !showsACL(n)) {
				has = true
				break
			}
			var err error
			if has, err = x.append(l, p, n); err != nil {
				return err
			}
		}
		if !has {
			l.rest = append(l.rest, name)
		}
	}
	return nil
}

func (l *listing) propNames(n *cellfs.Node) {
	mark := len(l.buf)
	for i := range liveProps {
		x := &liveProps[i]
		// Whether a node has the property is known by writing it.
		has, err := x.append(l, cellfs.Path{}, n)
		l.buf = l.buf[:mark]
		if has && err == nil {
			l.buf = appendEmpty(l.buf, x.name)
			mark = len(l.buf)
		}
	}
	for _, d := range n.Props {
		l.buf = appendEmpty(l.buf, xml.Name{Space: d.Space, Local: d.Local})
	}
}

func appendEmpty(b []byte, name xml.Name) []byte {
	switch name.Space {
	case davSpace:
		b = append(b, `<D:`+name.Local+`/>`...)
	case personiumSpace:
		b = append(b, `<p:`+name.Local+`/>`...)
	default:
		b = append(b, cellfs.Element(name, "", "")...)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '&':
			b = append(b, "&amp;"...)
		case '<':
			b = append(b, "&lt;"...)
		case '>':
			b = append(b, "&gt;"...)
		case '"':
			b = append(b, "&quot;"...)
		default:
			b = append(b, c)
		}
	}
	return b
}

func (l *listing) creationDate(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind == cellfs.KindUnit {
		return false, nil
	}
	// Below __ names as Personium writes it, elsewhere as RFC 3339 (RFC 4918, 15.1).
	format := "2006-01-02T15:04:05.000Z"
	if n.Kind >= cellfs.KindUnit {
		format = "2006-01-02T15:04:05.000+0000"
	}
	l.buf = append(l.buf, `<D:creationdate>`...)
	l.buf = n.Created.UTC().AppendFormat(l.buf, format)
	l.buf = append(l.buf, `</D:creationdate>`...)
	return true, nil
}

func (l *listing) lastModified(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind == cellfs.KindUnit {
		return false, nil
	}
	l.buf = append(l.buf, `<D:getlastmodified>`...)
	l.buf = n.Modified.UTC().AppendFormat(l.buf, http.TimeFormat)
	l.buf = append(l.buf, `</D:getlastmodified>`...)
	return true, nil
}

func (l *listing) contentLength(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.IsCollection() {
		return false, nil
	}
	size := n.Size
	if n.Kind == cellfs.KindLog && n.Name == cellfs.LogFile {
		text, _, err := l.q.h.fs.RenderLogTx(l.tx, n.Cell, l.q.target.cellURL)
		if err != nil {
			return false, err
		}
		size = int64(len(text))
	}
	l.buf = append(l.buf, `<D:getcontentlength>`...)
	l.buf = strconv.AppendInt(l.buf, size, 10)
	l.buf = append(l.buf, `</D:getcontentlength>`...)
	return true, nil
}

func (l *listing) contentType(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.IsCollection() || n.ContentType == "" {
		return false, nil
	}
	l.buf = append(l.buf, `<D:getcontenttype>`...)
	l.buf = appendText(l.buf, n.ContentType)
	l.buf = append(l.buf, `</D:getcontenttype>`...)
	return true, nil
}

func (l *listing) etag(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind != cellfs.KindFile && n.Kind != cellfs.KindSnapshot {
		return false, nil
	}
	l.buf = append(l.buf, `<D:getetag>"`...)
	l.buf = strconv.AppendInt(l.buf, n.Version, 10)
	l.buf = append(l.buf, '-')
	l.buf = strconv.AppendInt(l.buf, n.Modified.UnixMilli(), 10)
	l.buf = append(l.buf, `"</D:getetag>`...)
	return true, nil
}

func (l *listing) displayName(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind == cellfs.KindUnit {
		return false, nil
	}
	l.buf = append(l.buf, `<D:displayname>`...)
	l.buf = appendText(l.buf, n.Name)
	l.buf = append(l.buf, `</D:displayname>`...)
	return true, nil
}

func (l *listing) resourceType(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	switch {
	case n.Kind == cellfs.KindOData:
		l.buf = append(l.buf, `<D:resourcetype><D:collection/><p:odata/></D:resourcetype>`...)
	case n.Kind == cellfs.KindService:
		l.buf = append(l.buf, `<D:resourcetype><D:collection/><p:service/></D:resourcetype>`...)
	case n.IsCollection():
		l.buf = append(l.buf, `<D:resourcetype><D:collection/></D:resourcetype>`...)
	default:
		l.buf = append(l.buf, `<D:resourcetype/>`...)
	}
	return true, nil
}

func lockable(n *cellfs.Node) bool { return n.Kind >= cellfs.KindBox && n.Kind <= cellfs.KindFile }

func (l *listing) supportedLock(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if !lockable(n) {
		return false, nil
	}
	l.buf = append(l.buf, `<D:supportedlock><D:lockentry><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>`+
		`<D:lockentry><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry></D:supportedlock>`...)
	return true, nil
}

func (l *listing) lockDiscovery(p cellfs.Path, n *cellfs.Node) (bool, error) {
	if !lockable(n) {
		return false, nil
	}
	active := l.q.h.locks.active(p)
	if len(active) == 0 {
		l.buf = append(l.buf, `<D:lockdiscovery/>`...)
		return true, nil
	}
	l.buf = append(l.buf, `<D:lockdiscovery>`...)
	for _, k := range active {
		l.buf = l.q.appendLock(l.buf, k)
	}
	l.buf = append(l.buf, `</D:lockdiscovery>`...)
	return true, nil
}

func (l *listing) boxStatus(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind != cellfs.KindBox {
		return false, nil
	}
	status, _ := l.q.boxStatus(n)
	l.buf = append(l.buf, `<p:status>`+status+`</p:status>`...)
	return true, nil
}

func (l *listing) boxProgress(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind != cellfs.KindBox {
		return false, nil
	}
	_, percent := l.q.boxStatus(n)
	l.buf = append(l.buf, `<p:progress>`...)
	l.buf = strconv.AppendInt(l.buf, percent, 10)
	l.buf = append(l.buf, `%</p:progress>`...)
	return true, nil
}

func (l *listing) cellStatus(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind != cellfs.KindCell {
		return false, nil
	}
	l.buf = append(l.buf, `<p:cellstatus>normal</p:cellstatus>`...)
	return true, nil
}

func (l *listing) quotaUsed(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind > cellfs.KindService {
		return false, nil
	}
	_, bytes, err := l.tx.Count(n.ID)
	l.buf = append(l.buf, `<D:quota-used-bytes>`...)
	l.buf = strconv.AppendInt(l.buf, bytes, 10)
	l.buf = append(l.buf, `</D:quota-used-bytes>`...)
	return true, err
}

// showsACL tells whether allprop shows the ACL: on boxes and cells always, below
// only where there is one. RFC 3744 leaves it out of allprop; Personium's
// clients look for it there.
func showsACL(n *cellfs.Node) bool {
	return n.ACL != nil || n.Kind == cellfs.KindBox || n.Kind == cellfs.KindCell
}

// acl writes the resource's own ACL (spec/auth-and-acl.md §8).
func (l *listing) acl(p cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind >= cellfs.KindUnit {
		return false, nil
	}
	if n.ACL == nil {
		l.buf = append(l.buf, `<D:acl/>`...)
		return true, nil
	}
	if err := l.loadRoles(n.Cell); err != nil {
		return false, err
	}
	box := cellfs.MainBox
	if p.Len() > 1 {
		box = p.Box()
	}
	l.buf = append(l.buf, `<D:acl xml:base="`...)
	cellURL := l.q.target.cellURL
	if cellURL == "" { // a listing of the unit
		cellURL = l.q.target.unitURL + url.PathEscape(p.Cell()) + "/"
	}
	l.buf = appendText(l.buf, cellURL+"__role/"+box+"/")
	if n.ACL.RequireSchemaAuthz != "" {
		l.buf = append(l.buf, `" p:requireSchemaAuthz="`+n.ACL.RequireSchemaAuthz...)
	}
	l.buf = append(l.buf, `">`...)
	for _, e := range n.ACL.ACEs {
		l.ace(e, box)
	}
	l.buf = append(l.buf, `</D:acl>`...)
	return true, nil
}

func (l *listing) ace(e cellfs.ACE, box string) {
	principal := `<D:all/>`
	if e.Role != 0 {
		name, ok := l.roles[e.Role]
		if !ok {
			return // the role was deleted
		}
		href := "../" + name
		if own, ok := strings.CutPrefix(name, box+"/"); ok {
			href = own
		}
		principal = `<D:href>` + string(appendText(nil, href)) + `</D:href>`
	}
	l.buf = append(l.buf, `<D:ace><D:principal>`+principal+`</D:principal><D:grant>`...)
	for _, v := range e.Privileges {
		l.buf = append(l.buf, `<D:privilege>`...)
		l.buf = appendEmpty(l.buf, xml.Name{Space: v.Space, Local: v.Local})
		l.buf = append(l.buf, `</D:privilege>`...)
	}
	l.buf = append(l.buf, `</D:grant></D:ace>`...)
}

func (l *listing) loadRoles(cell int64) error {
	if l.loaded[cell] {
		return nil
	}
	if l.roles == nil {
		l.roles, l.loaded = map[int64]string{}, map[int64]bool{}
	}
	l.loaded[cell] = true
	all, err := l.tx.Entities(cell, cellfs.SetRole)
	if err != nil {
		return err
	}
	for _, e := range all {
		box := cellfs.MainBox
		if e.Box != 0 {
			n, err := l.tx.Node(e.Box)
			if err != nil {
				return errors.Join(errors.New("box of a role"), err)
			}
			box = n.Name
		}
		l.roles[e.ID] = box + "/" + e.Key
	}
	return nil
}
