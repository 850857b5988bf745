package access

import "cellar/cellfs"

// Authz is how strongly an application was authenticated, and how strongly a resource
// asks for it (requireSchemaAuthz, contract 5.13).
type Authz int

// From the weakest to the strongest.
const (
	AuthzNone Authz = iota
	AuthzPublic
	AuthzConfidential
)

// ParseAuthz reads a value of requireSchemaAuthz.
func ParseAuthz(text string) (a Authz, ok bool) {
	switch text {
	case "none":
		return AuthzNone, true
	case "public":
		return AuthzPublic, true
	case "confidential":
		return AuthzConfidential, true
	}
	return 0, false
}

// Required is what the nearest ACL that says something of it asks of applications. The
// ACL of the cell is not asked.
func Required(levels []cellfs.Level) Authz {
	for i := len(levels) - 1; i >= 0 && levels[i].Depth > 1; i-- {
		if a, ok := ParseAuthz(levels[i].ACL.RequireSchemaAuthz); ok {
			return a
		}
	}
	return AuthzNone
}
