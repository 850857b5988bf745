// Package target says what a URL names: the kind of the resource, its path in the tree, and
// the URLs of the unit and the cell in the form in which the request came (contract 1.1). One
// table has all that depends on the kind, but its methods.
package target

import (
	"net/url"

	"cellar/cellfs"
)

// Target is what a URL names.
type Target struct {
	Kind     Kind
	Path     cellfs.Path
	Slash    bool   // the URL ends in one
	HostForm bool   // the cell came from the host name
	UnitURL  string // ends in a slash
	CellURL  string // likewise; "" above cells
	// Rest are the segments from an entity on, of which Path is what is above; of control
	// objects those below __ctl.
	Rest []string
}

// Prerequisite is the cell or box that must exist whoever asks; making says that the request
// makes what the URL names.
func (t *Target) Prerequisite(making bool) (p cellfs.Path, ok bool) {
	switch needs := rows[t.Kind].needs; {
	case needs == nothing, t.Path.Len() == 0, t.Kind == Cell && making:
		return p, false
	case needs == theBox && !(t.Kind == Box && making):
		return t.Path.BoxRoot(), true
	}
	return t.Path.CellRoot(), true
}

// Guarded is the path whose ACLs decide.
func (t *Target) Guarded() cellfs.Path {
	if t.Kind.OfCell() {
		return t.Path.CellRoot()
	}
	return t.Path
}

// AppendHref appends the path of a resource in a 207 body: absolute, percent-encoded, that of
// a collection ending in a slash (contract 1.13).
func (t *Target) AppendHref(buf []byte, p cellfs.Path, collection bool) []byte {
	if !t.HostForm && p.Len() > 0 {
		buf = appendEscaped(append(buf, '/'), p.Cell())
	}
	for _, s := range p.Segments() {
		buf = appendEscaped(append(buf, '/'), s)
	}
	if collection || len(buf) == 0 {
		buf = append(buf, '/')
	}
	return buf
}

// LogURLs are those that stand in event logs.
func (t *Target) LogURLs() cellfs.LogURLs { return cellfs.LogURLs{Cell: t.CellURL, Unit: t.UnitURL} }

// URL is the absolute URL of the resource, as error messages show it.
func (t *Target) URL() string {
	if t.CellURL == "" {
		return t.UnitURL
	}
	return Below(t.CellURL, t.Path)
}

// URLOf is the absolute URL of a resource of the cell of the target, or of one below the unit for
// a target above cells.
func (t *Target) URLOf(p cellfs.Path) string {
	switch {
	case p.Len() == 0:
		return t.UnitURL
	case t.CellURL == "":
		return Below(t.UnitURL+url.PathEscape(p.Cell())+"/", p)
	}
	return Below(t.CellURL, p)
}

// Below is the URL of a path in the cell with that URL, which ends in a slash.
func Below(cellURL string, p cellfs.Path) string {
	u := []byte(cellURL)
	for i, s := range p.Segments() {
		if i > 0 {
			u = append(u, '/')
		}
		u = appendEscaped(u, s)
	}
	return string(u)
}

const upperHex = "0123456789ABCDEF"

// appendEscaped percent-encodes a path segment. What stays is safe in a path and
// in XML; parentheses stay because gvfs looks for them as they are.
func appendEscaped(buf []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '!', c == '$', c == '(', c == ')', c == '*', c == ',', c == '=', c == ':', c == '@':
			buf = append(buf, c)
		default:
			buf = append(buf, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return buf
}
