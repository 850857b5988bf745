package multistatus

import (
	"net/url"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav/target"
)

// showsACL reports whether allprop shows the ACL: of cells, boxes and of the resource
// asked for always, of members only where there is one of their own. RFC 3744 leaves it
// out of allprop; Personium's clients look for it there.
func (l *listing) showsACL(p cellfs.Path, n *cellfs.Node) bool {
	return n.ACL != nil || n.Kind == cellfs.KindBox || n.Kind == cellfs.KindCell || p.Len() == l.o.Target.Path.Len()
}

// acl writes the ACL that counts for the resource: its own aces, then those of what lies
// above, the nearest first, marked as inherited (contract 5.15).
func (l *listing) acl(p cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind >= cellfs.KindUnit || !l.at.canReadACL(n) {
		return false, nil
	}
	if len(l.at.levels) == 0 {
		l.add(`<D:acl/>`)
		return true, nil
	}
	if unknown := l.unknownRoles(l.at.levels); len(unknown) > 0 {
		err := l.view(func(tx cellfs.Tx) error {
			for _, id := range unknown {
				if err := l.roles.Load(tx, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	box := cellfs.MainBox
	if p.Len() > 1 {
		box = p.Box()
	}
	cellURL := l.o.Target.CellURL
	if cellURL == "" { // a listing of the unit
		cellURL = l.o.Target.UnitURL + url.PathEscape(p.Cell()) + "/"
	}
	require := ""
	if n.ACL != nil {
		require = n.ACL.RequireSchemaAuthz
	}
	style := l.o.Form.style()
	l.buf = style.AppendACL(l.buf, cellURL+"__role/"+box+"/", require)
	for i := len(l.at.levels) - 1; i >= 0; i-- {
		level := l.at.levels[i]
		inherited := ""
		if level.Depth < p.Len() {
			inherited = l.levelURL(cellURL, p, level.Depth)
		}
		for _, e := range level.ACL.ACEs {
			href := ""
			if e.Role != 0 {
				role, _ := l.roles.Known(e.Role)
				if role.Name == "" {
					continue // it was deleted
				}
				href = role.Href(box)
			}
			l.buf = style.AppendACE(l.buf, e, href, inherited)
		}
	}
	l.add(`</D:acl>`)
	return true, nil
}

// levelURL is the URL of what lies above p at that depth.
func (l *listing) levelURL(cellURL string, p cellfs.Path, depth int) string {
	for p.Len() > depth {
		p = p.Parent()
	}
	return target.Below(cellURL, p)
}

// privilegeSet writes what the caller may do (RFC 3744, 5.4).
func (l *listing) privilegeSet(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind >= cellfs.KindUnit {
		return false, nil
	}
	set := l.at.set
	if n.Kind != cellfs.KindCell {
		set &^= access.OfCell
	}
	if l.at.excluded {
		set = 0
	}
	l.add(`<D:current-user-privilege-set>`)
	for _, name := range set.Names() {
		l.buf = l.o.Form.style().AppendPrivilege(l.buf, name)
	}
	l.add(`</D:current-user-privilege-set>`)
	return true, nil
}

// principal writes who the caller is (RFC 5397).
func (l *listing) principal(cellfs.Path, *cellfs.Node) (bool, error) {
	l.add(`<D:current-user-principal>`)
	if subject := l.o.Judge.Subject(); subject != "" {
		l.buf = append(xmltree.AppendText(l.o.Form.Append(l.buf, `<D:href>`), subject), l.o.Form.style().Close+`href>`...)
	} else {
		l.add(`<D:unauthenticated/>`)
	}
	l.add(`</D:current-user-principal>`)
	return true, nil
}

// unknownRoles are those that the ACLs name and the listing has not looked for.
func (l *listing) unknownRoles(levels []cellfs.Level) (ids []int64) {
	for _, level := range levels {
		for _, e := range level.ACL.ACEs {
			if _, known := l.roles.Known(e.Role); !known && e.Role != 0 {
				ids = append(ids, e.Role)
			}
		}
	}
	return ids
}
