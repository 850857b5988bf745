package access

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
)

// MaxACEs bounds an ACL: it is read with every request below it, and its roles are looked
// for in the transaction that sets it.
const MaxACEs = 1000

// Unresolved is an ACL as it is written: its roles are URLs.
type Unresolved struct {
	Base               string // of the URLs, if they are relative (xml:base)
	RequireSchemaAuthz string
	ACEs               []UnresolvedACE
}

// UnresolvedACE is an entry of such an ACL, for all or for one role.
type UnresolvedACE struct {
	All        bool
	Href       string // of the role
	Privileges []cellfs.Privilege
}

// ACLError says what is wrong with an ACL.
type ACLError struct{ Cause string }

func (e *ACLError) Error() string { return e.Cause }

func wrong(format string, args ...any) error { return &ACLError{fmt.Sprintf(format, args...)} }

// ParseACL reads a DAV:acl element (contract 5.14; RFC 3744, 8.1), of a cell or of what is in
// one. Entries that are marked as inherited are left out: a client writes back what it read.
// It returns an [*ACLError].
func ParseACL(root *xmltree.Element, cell bool) (a Unresolved, err error) {
	a.Base, _ = root.Attr(xmltree.Namespace, "base")
	a.RequireSchemaAuthz, _ = root.Attr(personiumSpace, "requireSchemaAuthz")
	if _, ok := ParseAuthz(a.RequireSchemaAuthz); a.RequireSchemaAuthz != "" && !ok {
		return a, wrong("Value [%s] for requireSchemaAuthz is invalid", cellfs.Printable(a.RequireSchemaAuthz))
	}
	aces := root.All(davSpace, "ace")
	if len(aces) > MaxACEs {
		return a, wrong("more than %d aces", MaxACEs)
	}
	for _, e := range aces {
		if len(e.All(davSpace, "inherited")) > 0 {
			continue
		}
		ace, err := parseACE(e, cell)
		if err != nil {
			return a, err
		}
		a.ACEs = append(a.ACEs, ace)
	}
	return a, nil
}

func parseACE(e *xmltree.Element, cell bool) (ace UnresolvedACE, err error) {
	grants, principals := e.All(davSpace, "grant"), e.All(davSpace, "principal")
	if len(grants) != 1 {
		return ace, wrong("Can not read grant")
	}
	if len(principals) != 1 {
		return ace, wrong("Can not read principal")
	}
	privileges := grants[0].All(davSpace, "privilege")
	if len(privileges) == 0 {
		return ace, wrong("Can not read privilege")
	}
	for _, p := range privileges {
		if len(p.Children) == 0 {
			return ace, wrong("Privilege is empty")
		}
		for _, c := range p.Children {
			name := cellfs.Privilege{Space: c.Name.Space, Local: c.Name.Local}
			set := Parse(name)
			if set == 0 || !cell && set&OfCell != 0 {
				return ace, wrong("[%s] that can not be set in privilege", qualified(c.Name))
			}
			if !slices.Contains(ace.Privileges, name) {
				ace.Privileges = append(ace.Privileges, name)
			}
		}
	}
	hrefs, all := principals[0].All(davSpace, "href"), principals[0].All(davSpace, "all")
	switch {
	case len(hrefs)+len(all) != 1:
		return ace, wrong("Principal is neither href nor all")
	case len(all) == 1:
		ace.All = true
	default:
		if ace.Href = strings.TrimSpace(hrefs[0].Text()); ace.Href == "" {
			return ace, wrong("href in principal is empty")
		}
	}
	return ace, nil
}

func qualified(n xml.Name) string {
	return "{" + cellfs.Printable(n.Space) + "}" + cellfs.Printable(n.Local)
}

// Resolve makes the ACL that the store keeps: the one place where it is made. role finds the id
// of the role that an href names; it is called once for each href, and its error comes back as
// it is.
func (a Unresolved) Resolve(role func(href string) (int64, error)) (*cellfs.ACL, error) {
	acl := &cellfs.ACL{RequireSchemaAuthz: a.RequireSchemaAuthz}
	known := map[string]int64{}
	for _, e := range a.ACEs {
		ace := cellfs.ACE{Privileges: e.Privileges}
		if !e.All {
			id, ok := known[e.Href]
			if !ok {
				var err error
				if id, err = role(e.Href); err != nil {
					return nil, err
				}
				known[e.Href] = id
			}
			ace.Role = id
		}
		acl.ACEs = append(acl.ACEs, ace)
	}
	return acl, nil
}

// Empty reports whether the ACL says nothing.
func (a Unresolved) Empty() bool { return a.RequireSchemaAuthz == "" && len(a.ACEs) == 0 }

// Style is how the elements of an ACL are written: what stands before the name of an element of
// DAV: where it opens and where it closes, and before that of one of Personium.
type Style struct{ Open, Close, Personium string }

// AppendACL begins a DAV:acl element. base is what the hrefs of its entries are relative to.
func (s Style) AppendACL(b []byte, base, requireSchemaAuthz string) []byte {
	b = append(b, s.Open+`acl xml:base="`...)
	b = xmltree.AppendText(b, base)
	if requireSchemaAuthz != "" {
		b = append(b, `" p:requireSchemaAuthz="`+requireSchemaAuthz...)
	}
	return append(b, `">`...)
}

// AppendACE writes an entry: for the role with that href, or for all if href is empty.
// inherited is the URL of the resource whose ACL has the entry; "" for the resource itself.
func (s Style) AppendACE(b []byte, e cellfs.ACE, href, inherited string) []byte {
	b = append(b, s.Open+"ace>"+s.Open+"principal>"...)
	if href == "" {
		b = append(b, s.Open+"all/>"...)
	} else {
		b = append(xmltree.AppendText(append(b, s.Open+"href>"...), href), s.Close+"href>"...)
	}
	b = append(b, s.Close+"principal>"+s.Open+"grant>"...)
	for _, v := range e.Privileges {
		b = s.AppendPrivilege(b, v)
	}
	b = append(b, s.Close+"grant>"...)
	if inherited != "" {
		b = append(b, s.Open+"inherited>"+s.Open+"href>"...)
		b = append(xmltree.AppendText(b, inherited), s.Close+"href>"+s.Close+"inherited>"...)
	}
	return append(b, s.Close+"ace>"...)
}

// AppendPrivilege writes a privilege.
func (s Style) AppendPrivilege(b []byte, v cellfs.Privilege) []byte {
	b = append(b, s.Open+"privilege>"...)
	switch v.Space {
	case davSpace:
		b = append(b, s.Open+v.Local+"/>"...)
	case personiumSpace:
		b = append(b, s.Personium+v.Local+"/>"...)
	default:
		b = append(b, cellfs.Element(xml.Name{Space: v.Space, Local: v.Local}, "", "")...)
	}
	return append(b, s.Close+"privilege>"...)
}
