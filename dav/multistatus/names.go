package multistatus

import (
	"encoding/xml"
	"slices"

	"cellar/cellfs"
)

// Namespaces of properties.
const (
	Space          = "DAV:"
	PersoniumSpace = "urn:x-personium:xmlns"
)

// DAV is the name of a property of WebDAV.
func DAV(local string) xml.Name { return xml.Name{Space: Space, Local: local} }

// Personium is the name of one of Personium's properties.
func Personium(local string) xml.Name { return xml.Name{Space: PersoniumSpace, Local: local} }

// protected are the live properties that a client cannot set (RFC 4918, 15).
var protected = []string{
	"creationdate", "getcontentlength", "getcontenttype", "getetag", "resourcetype", "supportedlock",
	"lockdiscovery", "acl", "quota-used-bytes", "quota-available-bytes", "current-user-privilege-set", "current-user-principal",
}

// IsProtected reports whether a property is one of those.
func IsProtected(name xml.Name) bool {
	return name.Space == Space && slices.Contains(protected, name.Local) ||
		name.Space == PersoniumSpace && (name.Local == "status" || name.Local == "progress" || name.Local == "cellstatus")
}

// AppendEmpty writes an element without content.
func (f Form) AppendEmpty(b []byte, name xml.Name) []byte {
	style := f.style()
	switch name.Space {
	case Space:
		b = append(b, style.Open+name.Local+`/>`...)
	case PersoniumSpace:
		b = append(b, style.Personium+name.Local+`/>`...)
	default:
		b = append(b, cellfs.Element(name, "", "")...)
	}
	return b
}
