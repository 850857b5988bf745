package dav

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav/answer"
	"cellar/dav/target"
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
		return access.ParseACL(root, q.target.Kind == target.Cell)
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
		return q.checkLocks(tx, q.target.Path, at.Node, false)
	}
	n, err := q.h.fs.SetACL(q.Context(), q.target.Path, q.recorded(check, action("acl", http.StatusOK)), func(tx cellfs.Tx, n *cellfs.Node) (*cellfs.ACL, error) {
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
	local := func(u string) string { return strings.Replace(u, cellfs.LocalCell, q.target.CellURL, 1) }
	r, ok := access.ParseRole(local(base), local(href), q.inThisCell)
	if !ok {
		return 0, errNoRole
	}
	cell, err := tx.Cell(q.target.Path.Cell())
	if err != nil {
		return 0, err
	}
	id, err := access.FindRole(tx, &cell, r)
	switch {
	case errors.Is(err, access.ErrNoRole):
		err = errNoRole
	case errors.Is(err, access.ErrNoRoleBox):
		err = answer.New(answer.RoleBoxNotFound, cellfs.Printable(base))
	}
	return id, err
}

// inThisCell returns the names below the cell of a URL of the cell that the request is for.
func (q *request) inThisCell(u *url.URL) (names []string, ok bool) {
	return q.h.urls.InCell(q.Request, q.target.Path.Cell(), u)
}
