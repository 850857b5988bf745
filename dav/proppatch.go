package dav

import (
	"encoding/xml"
	"net/http"
	"slices"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/dav/multistatus"
)

// proppatch answers PROPPATCH: all changes or none (RFC 4918, 9.2).
func (q *request) proppatch() error {
	patches, err := readXML(q, parseProppatch)
	if err != nil {
		return err
	}
	dead, mtime, wrong := splitTimes(patches)
	statuses := patchStatuses(patches, wrong)
	var n cellfs.Node
	if statuses != nil {
		n, err = q.h.fs.Node(q.Context(), q.target.Path)
	} else {
		n, err = q.h.fs.PatchTime(q.Context(), q.target.Path, dead, mtime, q.recorded(func(tx cellfs.Tx, at cellfs.Place) error {
			if err := q.mayChange(tx, &at, q.rules, false); err != nil {
				return err
			}
			if err := q.preconditions(&at); err != nil {
				return err
			}
			if err := q.checkIf(tx, q.target.Path, at.Node); err != nil {
				return err
			}
			change := q.change(q.target.Path, false, false)
			// Office sets the times of the file it has locked without its token.
			change.Own = !slices.ContainsFunc(patches, func(p cellfs.PropPatch) bool { return p.Space != win32Space })
			return q.h.fs.CheckLocks(tx, change)
		}, action("proppatch", http.StatusMultiStatus)))
	}
	if err != nil {
		return err
	}
	return q.writePropstats(n, patches, statuses)
}

// The statuses of properties, and what is said of them besides.
const (
	statusDone      = "200 OK"
	statusProtected = "403 Forbidden"
	statusConflict  = "409 Conflict"
	statusFailed    = "424 Failed Dependency"
)

// patchStatuses are the statuses of the changes if one of them cannot be made; nil if all
// can (RFC 4918, 9.2). wrong are the indexes of values that cannot be read. The time of a
// file cannot be removed.
func patchStatuses(patches []cellfs.PropPatch, wrong []int) []string {
	statuses, refused := make([]string, len(patches)), len(wrong) > 0
	for i, p := range patches {
		statuses[i] = statusFailed
		if multistatus.IsProtected(nameOf(p)) || p.Remove && times[nameOf(p)].live {
			statuses[i], refused = statusProtected, true
		}
	}
	for _, i := range wrong {
		statuses[i] = statusConflict
	}
	if !refused {
		return nil
	}
	return statuses
}

func nameOf(p cellfs.PropPatch) xml.Name { return xml.Name{Space: p.Space, Local: p.Local} }

func parseProppatch(root *xmltree.Element) (patches []cellfs.PropPatch, err error) {
	if root == nil || root.Name != dav("propertyupdate") {
		return nil, errXML
	}
	for _, action := range root.Children {
		if action.Name != dav("set") && action.Name != dav("remove") {
			continue
		}
		for _, prop := range action.All(davSpace, "prop") {
			for _, e := range prop.Children {
				if patches, err = appendProperty(patches, e, action.Name.Local == "remove"); err != nil {
					return nil, err
				}
			}
		}
	}
	if len(patches) == 0 {
		return nil, errXML
	}
	return patches, nil
}

// property is a dead property as it is kept.
func property(e *xmltree.Element) cellfs.Property {
	return cellfs.Property{
		Space: e.Name.Space, Local: e.Name.Local, Lang: e.Lang, XML: cellfs.ElementWith(e.Name, e.Lang, e.Attributes(), e.Inner()),
	}
}

// writePropstats answers with the statuses; nil if all was done.
func (q *request) writePropstats(n cellfs.Node, patches []cellfs.PropPatch, statuses []string) error {
	form := q.form207()
	b := form.Append(form.AppendHead(nil), `<D:response><D:href>`)
	b = form.AppendHref(b, &q.target, q.target.Path, n.IsCollection())
	b = form.Append(b, `</D:href>`)
	for _, status := range []string{statusDone, statusProtected, statusConflict, statusFailed} {
		var props []byte
		for i, p := range patches {
			if statuses == nil && status == statusDone || statuses != nil && statuses[i] == status {
				props = form.AppendEmpty(props, nameOf(p))
			}
		}
		if props == nil {
			continue
		}
		b = form.Append(b, `<D:propstat><D:prop>`)
		b = append(b, props...)
		b = form.Append(b, `</D:prop><D:status>HTTP/1.1 `+status+`</D:status>`)
		if status == statusProtected {
			b = form.Append(b, `<D:error><D:cannot-modify-protected-property/></D:error>`)
		}
		b = form.Append(b, `</D:propstat>`)
	}
	b = form.Append(b, `</D:response></D:multistatus>`)
	q.w.Header()["Etag"] = []string{n.ETag()}
	return answer.Send(q.w, q.Request, http.StatusMultiStatus, answer.XMLType, b)
}
