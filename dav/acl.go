package dav

import (
	"encoding/xml"
	"errors"
	"net/url"
	"strings"

	"cellar/cellfs"
)

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
	if err := l.view(func(tx cellfs.Tx) error { return l.loadRoles(tx, n.Cell) }); err != nil {
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

func (l *listing) loadRoles(tx cellfs.Tx, cell int64) error {
	if l.loaded[cell] {
		return nil
	}
	if l.roles == nil {
		l.roles, l.loaded = map[int64]string{}, map[int64]bool{}
	}
	l.loaded[cell] = true
	all, err := tx.Entities(cell, cellfs.SetRole)
	if err != nil {
		return err
	}
	for _, e := range all {
		box := cellfs.MainBox
		if e.Box != 0 {
			n, err := tx.Node(e.Box)
			if err != nil {
				return errors.Join(errors.New("box of a role"), err)
			}
			box = n.Name
		}
		l.roles[e.ID] = box + "/" + e.Key
	}
	return nil
}
