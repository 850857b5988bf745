package dav

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav/answer"
)

var (
	errXMLContent = answer.New(answer.XMLContent)
	errNoRole     = answer.New(answer.RoleNotFound)
)

// setACL answers ACL: it replaces the whole ACL of the resource
// (contract 5.14, RFC 3744, 8.1).
func (q *request) setACL() error {
	asked, err := readXML(q, func(root *xmltree.Element) (access.Unresolved, error) {
		if root == nil || root.Name != dav("acl") {
			return access.Unresolved{}, errXMLContent
		}
		return access.ParseACL(root, q.target.kind == targetCell)
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
		if asked.Empty() {
			return nil, nil
		}
		return asked.Resolve(func(href string) (int64, error) { return q.findRole(tx, asked.Base, href) })
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

// findRole finds the role that href names, relative to base: one of this cell.
func (q *request) findRole(tx cellfs.Tx, base, href string) (int64, error) {
	local := func(u string) string { return strings.Replace(u, cellfs.LocalCell, q.target.cellURL, 1) }
	r, ok := access.ParseRole(local(base), local(href), q.inThisCell)
	if !ok {
		return 0, errNoRole
	}
	cell, err := tx.Cell(q.target.path.Cell())
	if err != nil {
		return 0, err
	}
	id, err := access.FindRole(tx, &cell, r)
	switch {
	case errors.Is(err, access.ErrNoRole):
		err = errNoRole
	case errors.Is(err, access.ErrNoRoleBox):
		err = answer.New(answer.RoleBoxNotFound, printable(base))
	}
	return id, err
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
