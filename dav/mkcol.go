package dav

import (
	"errors"
	"strings"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
)

// mkcol answers MKCOL below a box, also with a body of RFC 5689.
func (q *request) mkcol() error {
	from := cellfs.Node{Kind: cellfs.KindCollection}
	body, err := q.hasBody()
	if err == nil && body {
		from, err = q.extendedMkcol()
	}
	if err != nil {
		return err
	}
	if from.MTime, err = q.mtime(); err != nil {
		return err
	}
	if _, err := q.h.fs.MkcolWith(q.Context(), q.target.path, from, q.recorded(q.check(q.target.path, false), making(from.Kind, "mkcol"))); err != nil {
		return err
	}
	q.w.Header()["Content-Length"] = []string{"0"}
	return q.created(true)
}

// extendedMkcol reads the kind and the properties of the collection to make
// (RFC 5689, 3). Any other body is of a type that is not taken (RFC 4918, 9.3.1).
func (q *request) extendedMkcol() (cellfs.Node, error) {
	n := cellfs.Node{Kind: cellfs.KindCollection}
	contentType := q.Header.Get("Content-Type")
	if !strings.Contains(contentType, "xml") {
		return n, errMediaType
	}
	return readXML(q, parseMkcol)
}

// parseMkcol reads the body of an extended MKCOL.
func parseMkcol(root *xmltree.Element) (n cellfs.Node, err error) {
	n.Kind = cellfs.KindCollection
	if root == nil || root.Name != dav("mkcol") {
		return n, errMediaType
	}
	var patches []cellfs.PropPatch
	for _, set := range root.All(davSpace, "set") {
		for _, prop := range set.All(davSpace, "prop") {
			for _, e := range prop.Children {
				switch {
				case e.Name == dav("resourcetype"):
					err = setResourceType(&n, e)
				case isProtected(e.Name):
					err = &coded{code: "PR403-DV-0011", message: "A protected property cannot be set.", element: "cannot-modify-protected-property"}
				default:
					patches, err = appendProperty(patches, e, false)
				}
				if err != nil {
					return n, err
				}
			}
		}
	}
	n.Props = cellfs.ApplyPatches(nil, patches)
	return n, nil
}

// errResourceType: RFC 5689, 3.3.
var errResourceType = &coded{code: "PR403-DV-0010", message: "This type of collection cannot be made.", element: "valid-resourcetype"}

func setResourceType(n *cellfs.Node, e *xmltree.Element) error {
	if len(e.All(davSpace, "collection")) != 1 {
		return errResourceType
	}
	for _, t := range e.Children {
		switch t.Name {
		case dav("collection"):
		case personium("odata"):
			n.Kind = cellfs.KindOData
		case personium("service"):
			n.Kind = cellfs.KindService
		default:
			return errResourceType
		}
	}
	return nil
}

// mkcolCell answers MKCOL on a cell's URL: it makes the cell (DECISIONS 2).
func (q *request) mkcolCell() error {
	if body, err := q.hasBody(); err != nil {
		return err
	} else if body {
		return errMediaType
	}
	_, err := q.h.fs.CreateCell(q.Context(), q.target.path.Cell(), q.h.cfg.AdminUser)
	if errors.Is(err, cellfs.ErrName) {
		return codef("PR400-OD-0006", "request body format error. field [%s]", "Name")
	}
	if err != nil {
		return err
	}
	return q.created(true)
}
