package cellfs

import (
	"mime"
	"path"
	"strings"
)

// TypeByName guesses a content type from the extension; "" if it says nothing.
func TypeByName(name string) string { return mime.TypeByExtension(path.Ext(name)) }

// MaxContentType bounds the content type of a file, in bytes: it stands in every listing.
const MaxContentType = 1 << 10

// IsContentType reports whether s has the form type/subtype (RFC 9110, 8.3.1) and is not
// too long.
func IsContentType(s string) bool {
	t, _, err := mime.ParseMediaType(s)
	return err == nil && len(s) <= MaxContentType && strings.Count(t, "/") == 1 &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// ContentType is s if it is a content type, and application/octet-stream if not: what is
// stored stands in headers, listings and bars.
func ContentType(s string) string {
	if !IsContentType(s) {
		return "application/octet-stream"
	}
	return s
}
