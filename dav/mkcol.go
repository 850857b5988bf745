package dav

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"strings"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/dav/multistatus"
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
	mtime, err := q.mtime()
	if err != nil {
		return err
	}
	if !mtime.IsZero() {
		from.MTime = mtime
	}
	if _, err := q.h.fs.MkcolWith(q.Context(), q.target.Path, from, q.recorded(q.check(q.target.Path, false), making(from.Kind, "mkcol"))); err != nil {
		return err
	}
	q.w.Header()["Content-Length"] = []string{"0"}
	return q.created(true)
}

// sendsZip reports whether the body is said to be a zip. Parameters do not matter.
func (q *request) sendsZip() bool {
	kind, _, _ := strings.Cut(q.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/zip")
}

// beforeXML are bytes that may stand before the first tag: marks of UTF-8 and UTF-16, the
// other half of its characters, and blanks.
var beforeXML = []byte("\xef\xbb\xbf\xfe\xff\x00 \t\r\n")

// sendsXML reports whether the body is XML, by its Content-Type or by its first bytes: many clients
// send no type, or that of a form.
func (q *request) sendsXML() (bool, error) {
	if strings.Contains(strings.ToLower(q.Header.Get("Content-Type")), "xml") {
		return true, nil
	}
	b := bufio.NewReader(q.Body)
	q.Body = struct {
		io.Reader
		io.Closer
	}{b, q.Body}
	for n := 1; ; n++ {
		begin, err := b.Peek(n)
		if len(begin) < n {
			if errors.Is(err, io.EOF) || errors.Is(err, bufio.ErrBufferFull) {
				err = nil
			}
			return false, err
		}
		if c := begin[n-1]; !bytes.Contains(beforeXML, []byte{c}) {
			return c == '<', nil
		}
	}
}

// extendedMkcol reads the kind and the properties of the collection to make
// (RFC 5689, 3). Any other body is of a type that is not taken (RFC 4918, 9.3.1).
func (q *request) extendedMkcol() (cellfs.Node, error) {
	n := cellfs.Node{Kind: cellfs.KindCollection}
	if xml, err := q.sendsXML(); err != nil || !xml {
		return n, cmp.Or(err, error(errMediaType))
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
				case multistatus.IsProtected(e.Name):
					err = answer.New(answer.ProtectedProperty).As("cannot-modify-protected-property", "")
				default:
					patches, err = appendProperty(patches, e, false)
				}
				if err != nil {
					return n, err
				}
			}
		}
	}
	dead, mtime, wrong := splitTimes(patches)
	if len(wrong) > 0 {
		return n, errXMLContent
	}
	n.Props, n.MTime = cellfs.ApplyPatches(nil, dead), mtime
	return n, nil
}

// errResourceType: no collection of that type can be made. Personium's clients look for
// its code, where RFC 5689, 3.3 has 403.
var errResourceType = errXMLContent

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

// mkcolCell answers MKCOL on a cell's URL: it makes the cell (contract 1.9).
func (q *request) mkcolCell() error {
	if body, err := q.hasBody(); err != nil {
		return err
	} else if body {
		return errMediaType
	}
	_, err := q.h.fs.CreateCell(q.Context(), q.target.Path.Cell(), q.owner())
	if errors.Is(err, cellfs.ErrName) {
		return answer.New(answer.BodyField, "Name")
	}
	if err != nil {
		return err
	}
	return q.created(true)
}
