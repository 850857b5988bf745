package multistatus

import (
	"strings"

	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav/answer"
	"cellar/dav/target"
)

// Form is how the XML of a 207 is written. The zero Form is that of WebDAV: names of DAV: with the
// prefix D:, and hrefs that are absolute paths. Both forms say the same (RFC 4918, 8.3 and 14.7).
type Form struct {
	// Personium writes as Personium does (contract 1.13): DAV: is the default namespace, a line
	// break stands before each element, and hrefs are absolute URLs without a slash at the end.
	// Its applications look for the elements by their names without a prefix, and count the nodes
	// between them.
	Personium bool
}

// personiumForm turns the WebDAV form into Personium's. It must see only what this package wrote.
var personiumForm = strings.NewReplacer("<D:", "\n<", "</D:", "</", "<p:", "\n<p:")

// Append adds XML of our own, written in the form of WebDAV. Text of others must not be part of it.
func (f Form) Append(b []byte, own string) []byte {
	if f.Personium {
		own = personiumForm.Replace(own)
	}
	return append(b, own...)
}

// AppendHead begins a document with the element multistatus.
func (f Form) AppendHead(b []byte) []byte {
	b = append(b, answer.XMLHeader...)
	if f.Personium { // D: is for locks, which Personium does not have
		return append(b, `<multistatus xmlns="DAV:" xmlns:D="DAV:" xmlns:p="`+PersoniumSpace+`">`...)
	}
	return append(b, `<D:multistatus xmlns:D="DAV:" xmlns:p="`+PersoniumSpace+`">`...)
}

// AppendHref adds the href of a resource.
func (f Form) AppendHref(b []byte, t *target.Target, p cellfs.Path, collection bool) []byte {
	if !f.Personium {
		return t.AppendHref(b, p, collection)
	}
	return append(b, strings.TrimSuffix(t.URLOf(p), "/")...)
}

// style is the form as package access writes it.
func (f Form) style() access.Style {
	if f.Personium {
		return access.Style{Open: "\n<", Close: "</", Personium: "\n<p:"}
	}
	return access.Style{Open: "<D:", Close: "</D:", Personium: "<p:"}
}
