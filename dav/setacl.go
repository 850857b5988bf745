package dav

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"cellar/barfs"
	"cellar/barfs/xmltree"
	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav/answer"
)

var (
	errXMLContent = answer.New(answer.XMLContent)
	errNoRole     = answer.New(answer.RoleNotFound)
)

func errACLCause(format string, args ...any) error {
	return answer.New(answer.ACLInvalid, fmt.Sprintf(format, args...))
}

// MaxACEs bounds an ACL: it is read with every request below it, and its roles are looked
// for in the transaction that sets it.
const MaxACEs = barfs.MaxACEs

// setACL answers ACL: it replaces the whole ACL of the resource
// (contract 5.14, RFC 3744, 8.1).
func (q *request) setACL() error {
	asked, err := readXML(q, func(root *xmltree.Element) (askedACL, error) {
		if root == nil || root.Name != dav("acl") {
			return askedACL{}, errXMLContent
		}
		return parseACL(root, q.target.kind == targetCell)
	})
	if errors.Is(err, errXML) {
		return errXMLContent
	}
	if err != nil {
		return err
	}
	check := func(tx cellfs.Tx, at cellfs.Place) error {
		if err := q.mayChange(tx, &at, q.rules, false); err != nil {
			return err
		}
		if err := q.preconditions(&at); err != nil {
			return err
		}
		if at.Node.Kind == cellfs.KindCell {
			return nil // there are no locks
		}
		return q.checkLocks(tx, q.target.path, at.Node, false)
	}
	n, err := q.h.fs.SetACL(q.Context(), q.target.path, q.recorded(check, action("acl", http.StatusOK)), func(tx cellfs.Tx, n *cellfs.Node) (*cellfs.ACL, error) {
		return q.resolveACL(tx, asked)
	})
	if err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("ETag", n.ETag())
	h.Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// askedACL is an ACL as a client writes it.
type askedACL struct {
	base    string // xml:base
	require string // requireSchemaAuthz
	aces    []askedACE
}

type askedACE struct {
	all        bool
	href       string
	privileges []cellfs.Privilege
}

func parseACL(root *xmltree.Element, cell bool) (a askedACL, err error) {
	a.base, _ = root.Attr("http://www.w3.org/XML/1998/namespace", "base")
	a.require, _ = root.Attr(personiumSpace, "requireSchemaAuthz")
	if _, ok := access.ParseAuthz(a.require); a.require != "" && !ok {
		return a, errACLCause("Value [%s] for requireSchemaAuthz is invalid", printable(a.require))
	}
	aces := root.All(davSpace, "ace")
	if len(aces) > MaxACEs {
		return a, errACLCause("more than %d aces", MaxACEs)
	}
	for _, e := range aces {
		if len(e.All(davSpace, "inherited")) > 0 {
			continue // a client that writes back what it read
		}
		ace, err := parseACE(e, cell)
		if err != nil {
			return a, err
		}
		a.aces = append(a.aces, ace)
	}
	return a, nil
}

func parseACE(e *xmltree.Element, cell bool) (ace askedACE, err error) {
	grants, principals := e.All(davSpace, "grant"), e.All(davSpace, "principal")
	if len(grants) != 1 {
		return ace, errACLCause("Can not read grant")
	}
	if len(principals) != 1 {
		return ace, errACLCause("Can not read principal")
	}
	privileges := grants[0].All(davSpace, "privilege")
	if len(privileges) == 0 {
		return ace, errACLCause("Can not read privilege")
	}
	for _, p := range privileges {
		if len(p.Children) == 0 {
			return ace, errACLCause("Privilege is empty")
		}
		for _, c := range p.Children {
			name := cellfs.Privilege{Space: c.Name.Space, Local: c.Name.Local}
			set := access.Parse(name)
			if set == 0 || !cell && set&access.OfCell != 0 {
				return ace, errACLCause("[%s] that can not be set in privilege", qualified(c.Name))
			}
			if !slices.Contains(ace.privileges, name) {
				ace.privileges = append(ace.privileges, name)
			}
		}
	}
	hrefs, all := principals[0].All(davSpace, "href"), principals[0].All(davSpace, "all")
	switch {
	case len(hrefs)+len(all) != 1:
		return ace, errACLCause("Principal is neither href nor all")
	case len(all) == 1:
		ace.all = true
	default:
		if ace.href = strings.TrimSpace(hrefs[0].Text()); ace.href == "" {
			return ace, errACLCause("href in principal is empty")
		}
	}
	return ace, nil
}

func qualified(n xml.Name) string { return "{" + printable(n.Space) + "}" + printable(n.Local) }

// resolveACL finds the roles. An ACL that says nothing is none.
func (q *request) resolveACL(tx cellfs.Tx, a askedACL) (*cellfs.ACL, error) {
	acl := &cellfs.ACL{RequireSchemaAuthz: a.require}
	roles := map[string]int64{} // found so far: aces often name the same ones
	for _, e := range a.aces {
		ace := cellfs.ACE{Privileges: e.privileges}
		if !e.all {
			role, ok := roles[e.href]
			if !ok {
				var err error
				if role, err = q.findRole(tx, a.base, e.href); err != nil {
					return nil, err
				}
				roles[e.href] = role
			}
			ace.Role = role
		}
		acl.ACEs = append(acl.ACEs, ace)
	}
	if acl.RequireSchemaAuthz == "" && acl.ACEs == nil {
		return nil, nil
	}
	return acl, nil
}

// findRole finds the role that href names, relative to base: {CellURL}__role/{box}/{role}
// of this cell, the box of its own roles being the main box.
func (q *request) findRole(tx cellfs.Tx, base, href string) (int64, error) {
	box, name, ok := q.roleURL(base, href)
	if !ok {
		return 0, errNoRole
	}
	cell, err := tx.Cell(q.target.path.Cell())
	if err != nil {
		return 0, err
	}
	var id int64
	if box != cellfs.MainBox {
		n, err := tx.Child(cell.Root, box)
		if errors.Is(err, fs.ErrNotExist) {
			return 0, answer.New(answer.RoleBoxNotFound, printable(base))
		}
		if err != nil {
			return 0, err
		}
		id = n.ID
	}
	role, err := tx.Entity(cell.ID, id, cellfs.SetRole, name)
	if errors.Is(err, fs.ErrNotExist) {
		err = errNoRole
	}
	return role.ID, err
}

// roleURL reads the URL of a role of this cell, in either form of the cell's URL.
func (q *request) roleURL(base, href string) (box, name string, ok bool) {
	u, err := url.Parse(strings.Replace(base, cellfs.LocalCell, q.target.cellURL, 1))
	if err != nil {
		return "", "", false
	}
	ref, err := url.Parse(strings.Replace(href, cellfs.LocalCell, q.target.cellURL, 1))
	if err != nil {
		return "", "", false
	}
	u = u.ResolveReference(ref)
	segs, ok := q.inThisCell(u)
	if !ok || len(segs) != 3 || segs[0] != "__role" {
		return "", "", false
	}
	return segs[1], segs[2], true
}

// inThisCell returns the segments below the cell of a URL of the cell that the request
// is for. Ports are not compared.
func (q *request) inThisCell(u *url.URL) (segs []string, ok bool) {
	if u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return nil, false
	}
	for s := range strings.SplitSeq(u.Path, "/") {
		if s != "" {
			segs = append(segs, s)
		}
	}
	_, cell := q.h.cellHost(&http.Request{Host: u.Host})
	if cell == "" {
		if !q.isHost(u.Hostname()) || len(segs) == 0 {
			return nil, false
		}
		cell, segs = segs[0], segs[1:]
	}
	return segs, cell == q.target.path.Cell()
}

// isHost reports whether a name is that of this unit: the one by which the request came,
// the unit's own, or the address that took the connection.
func (q *request) isHost(name string) bool {
	name = strings.ToLower(name)
	here := url.URL{Host: q.Host}
	if name == strings.ToLower(here.Hostname()) || name == q.h.unitHost {
		return true
	}
	local, ok := q.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && name == local.IP.String()
}
