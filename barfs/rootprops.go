package barfs

import (
	"encoding/xml"
	"fmt"
	"mime"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"cellar/barfs/xmltree"
)

// Kind is what 90_rootprops.xml declares a resource to be.
type Kind int

const (
	File Kind = iota
	Collection
	OData
	Service
)

// Namespaces of 90_rootprops.xml.
const (
	NamespaceDAV       = "DAV:"
	NamespacePersonium = "urn:x-personium:xmlns"
)

// Resource is one response of 90_rootprops.xml.
type Resource struct {
	Href string // as written
	// Path is decoded, without leading slash; "" is the box.
	Path        string
	Kind        Kind
	ContentType string
	ACL         *ACL // nil: none, or one without base, which is ignored
	Props       []Prop
}

// ACL as written, principals still relative to the base.
type ACL struct {
	RequireSchemaAuthz string
	ACEs               []ACE
}

// ACE grants privileges to a role, or to all.
type ACE struct {
	All        bool
	Href       string // of the role, relative to {cell}__role/{box}/
	Privileges []xml.Name
}

// Prop is a dead property.
type Prop struct {
	Name  xml.Name
	Lang  string
	Inner string // inner XML that declares the namespaces it uses
	Attr  string // attributes of the element, ready to be written
}

var (
	resourceName = regexp.MustCompile(`^[^\\/:*?"<>|\s\x00-\x1f\x7f]{1,255}$`)
	roleBase     = regexp.MustCompile(`^(https?://.+)__role/([^/]{1,128})/?$`)
)

// Scheme is that of the hrefs: personium-localbox, in version 1 dcbox.
func (a *Archive) Scheme() string {
	if a.Version == 1 {
		return "dcbox:"
	}
	return "personium-localbox:"
}

// RootProps reads and checks 90_rootprops.xml. The resources come with every
// collection before its members, otherwise in document order. An [*Invalid]
// says what is wrong (contract 3.6.1).
func (a *Archive) RootProps() ([]Resource, error) {
	text, err := a.Read(RootPropsFile)
	if err != nil {
		return nil, err
	}
	if err := a.scanProps(text); err != nil {
		return nil, err
	}
	var all []Resource
	var bad error             // the first; that the document is no XML comes before it
	seen := map[string]bool{} // in their normal form
	root, err := xmltree.ParseEach(text, func(response *xmltree.Element) {
		if response.Name.Local != "response" || bad != nil {
			return
		}
		var r Resource
		if r, bad = a.resource(response); bad != nil {
			return
		}
		if seen[Key(r.Path)] {
			bad = Invalidf("Duplicated paths are detected in href elements: %s", strings.TrimSuffix(r.Href, "/"))
			return
		}
		seen[Key(r.Path)] = true
		all = append(all, r)
	})
	if err != nil {
		return nil, &Invalid{Cause: err.Error()}
	}
	if root.Name != (xml.Name{Space: NamespaceDAV, Local: "multistatus"}) {
		return nil, FileFormat(RootPropsFile)
	}
	if bad != nil {
		return nil, bad
	}
	if err := a.consistent(all); err != nil {
		return nil, err
	}
	return all, nil
}

func (a *Archive) resource(response *xmltree.Element) (r Resource, err error) {
	hrefs := response.All(NamespaceDAV, "href")
	if len(hrefs) != 1 {
		return r, Invalidf("href tag does not exist.")
	}
	r.Href = strings.TrimSpace(hrefs[0].Text())
	if r.Href == "" {
		return r, Invalidf("href element value is empty.")
	}
	rest, ok := strings.CutPrefix(r.Href, a.Scheme())
	if !ok {
		return r, Invalidf("href element value does not start with '%s': %s", a.Scheme(), r.Href)
	}
	room := propRoom{a.limits.Props, a.limits.PropBytes}
	for i, stat := range response.All(NamespaceDAV, "propstat") {
		for _, prop := range stat.All(NamespaceDAV, "prop") {
			if err := r.read(prop, i == 0, &room); err != nil {
				return r, err
			}
		}
	}
	if rest == "" || rest == "/" {
		return r, nil
	}
	rest = strings.TrimPrefix(rest, "/")
	if r.Kind != File {
		rest = strings.TrimSuffix(rest, "/")
	}
	if rest == "" {
		return r, Invalidf("Collection path is not defined: %s", a.Scheme())
	}
	r.Path, err = DecodePath(rest)
	return r, err
}

// DecodePath undoes the percent-encoding that exported bars have where a bar cannot hold
// a name as it is. An [*Invalid] says that what comes out is no name.
func DecodePath(p string) (string, error) {
	if !strings.Contains(p, "%") {
		return p, nil
	}
	segs := strings.Split(p, "/")
	for i, s := range segs {
		d, err := url.PathUnescape(s)
		if err != nil {
			continue // a literal percent sign
		}
		if strings.Contains(d, "/") || !validName(d) {
			return "", Invalidf("Resource name is invalid: %s", s)
		}
		segs[i] = d
	}
	return strings.Join(segs, "/"), nil
}

// live are the properties that are not taken over.
var live = []string{
	"creationdate", "getlastmodified", "resourcetype", "getcontentlength", "getetag", "displayname",
	"getcontentlanguage", "lockdiscovery", "supportedlock", "getcontenttype", "acl",
}

var livePersonium = []string{"status", "progress", "cellstatus"}

func (r *Resource) read(prop *xmltree.Element, first bool, room *propRoom) error {
	for _, p := range prop.Children {
		if p.Name.Space == NamespaceDAV {
			switch p.Name.Local {
			case "resourcetype":
				if first {
					if err := r.readKind(p); err != nil {
						return err
					}
				}
			case "getcontenttype":
				r.ContentType = strings.TrimSpace(p.Text())
			case "acl":
				if err := r.readACL(p); err != nil {
					return err
				}
			}
			if slices.Contains(live, p.Name.Local) || strings.HasPrefix(p.Name.Local, "quota-") {
				continue
			}
		}
		if p.Name.Space == NamespacePersonium && slices.Contains(livePersonium, p.Name.Local) {
			continue
		}
		if !room.take(p) {
			return room.exceeded(r.Href)
		}
		r.Props = append(r.Props, Prop{Name: p.Name, Lang: p.Lang, Inner: p.Inner(), Attr: p.Attributes()})
	}
	return nil
}

func (r *Resource) readKind(resourcetype *xmltree.Element) error {
	if len(resourcetype.All(NamespaceDAV, "collection")) == 0 {
		return nil
	}
	r.Kind = Collection
	for _, t := range resourcetype.Children {
		switch { // Personium knows its own by their prefix, not by its namespace
		case t.Name == xml.Name{Space: NamespaceDAV, Local: "collection"}:
		case t.QName == "p:odata":
			r.Kind = OData
		case t.QName == "p:service":
			r.Kind = Service
		default:
			return Invalidf("Unexpected tag: %s", t.QName)
		}
	}
	return nil
}

func (r *Resource) readACL(acl *xmltree.Element) error {
	base, ok := acl.Attr(xmltree.Namespace, "base")
	if !ok {
		return nil
	}
	if !roleBase.MatchString(base) {
		return FileFormat(RootPropsFile)
	}
	r.ACL = &ACL{}
	r.ACL.RequireSchemaAuthz, _ = acl.Attr(NamespacePersonium, "requireSchemaAuthz")
	privileges := 0
	for _, ace := range acl.All(NamespaceDAV, "ace") {
		var e ACE
		for _, principal := range ace.All(NamespaceDAV, "principal") {
			e.All = len(principal.All(NamespaceDAV, "all")) > 0
			for _, href := range principal.All(NamespaceDAV, "href") {
				e.Href = strings.TrimSpace(href.Text())
			}
		}
		for _, grant := range ace.All(NamespaceDAV, "grant") {
			for _, privilege := range grant.All(NamespaceDAV, "privilege") {
				for _, p := range privilege.Children {
					if privileges++; privileges > MaxPrivileges {
						return r.tooManyACEs()
					}
					if !slices.Contains(e.Privileges, p.Name) {
						e.Privileges = append(e.Privileges, p.Name)
					}
				}
			}
		}
		if !e.All && e.Href == "" || len(e.Privileges) == 0 {
			return FileFormat(RootPropsFile)
		}
		if len(r.ACL.ACEs) == MaxACEs {
			return r.tooManyACEs()
		}
		r.ACL.ACEs = append(r.ACL.ACEs, e)
	}
	return nil
}

func (r *Resource) tooManyACEs() error {
	return &tooManyProps{fmt.Sprintf("90_rootprops.xml: %s declares too many aces", r.Href)}
}

// consistent checks the resources against each other: 2012 to 2017.
func (a *Archive) consistent(all []Resource) error {
	byPath := map[string]*Resource{}
	for i := range all {
		byPath[Key(all[i].Path)] = &all[i]
	}
	for i := range all {
		r := &all[i]
		if r.Path == "" {
			if r.Kind == File {
				return Invalidf("Collection path is not defined: %s", a.Scheme())
			}
			continue
		}
		if err := a.fits(r, byPath); err != nil {
			return err
		}
	}
	if byPath[""] == nil {
		return Invalidf("Collection path is not defined: %s", a.Scheme())
	}
	for i := range all {
		all[i].Path = declaredPath(all[i].Path, byPath)
	}
	return nil
}

// declaredPath is a path whose every name has the Unicode form in which the resource of
// that name is declared.
func declaredPath(p string, byPath map[string]*Resource) string {
	if isASCII(p) {
		return p
	}
	up, name := path.Split(byPath[Key(p)].Path)
	if up == "" {
		return name
	}
	return declaredPath(strings.TrimSuffix(up, "/"), byPath) + "/" + name
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

func (a *Archive) fits(r *Resource, byPath map[string]*Resource) error {
	up, name := "", r.Path
	if i := strings.LastIndexByte(r.Path, '/'); i >= 0 {
		up, name = r.Path[:i], r.Path[i+1:]
	}
	href := strings.TrimSuffix(r.Href, "/")
	parent := byPath[Key(up)]
	switch {
	case parent == nil && up == "":
		return Invalidf("Collection path is not defined: %s", a.Scheme())
	case parent == nil:
		return Invalidf("Collection path is not defined: %s/%s", a.Scheme(), up)
	case up == "" && parent.Kind == File:
		return Invalidf("Collection path is not defined: %s", a.Scheme())
	case parent.Kind == OData:
		return Invalidf("Another resource exists under the OData collection: %s", href)
	case parent.Kind == Service && (name != "__src" || r.Kind != Collection):
		if name == "__src" {
			return Invalidf("Service collection must contain '__src' collection: %s/%s", a.Scheme(), up)
		}
		return Invalidf("Another resource exists under the Service collection: %s", href)
	case parent.Kind == File:
		return Invalidf("Another resource exists under the WebDAV File: %s", href)
	}
	if r.Kind == Service {
		if src := byPath[Key(r.Path)+"/__src"]; src == nil || src.Kind != Collection {
			return Invalidf("Service collection must contain '__src' collection: %s", href)
		}
	}
	if href != r.Href { // only the box itself may end in a slash
		name = ""
	}
	// A name that came percent-encoded follows the rule for names that arrive over
	// WebDAV (contract 3.6.1).
	encoded := strings.Contains(href[strings.LastIndexByte(href, '/')+1:], "%")
	if !validName(name) || !encoded && !resourceName.MatchString(name) {
		return Invalidf("Resource name is invalid: %s", name)
	}
	return nil
}

// ValidContentType reports whether a declared content type has the form
// type/subtype.
func ValidContentType(s string) bool {
	t, _, err := mime.ParseMediaType(s)
	return err == nil && strings.Count(t, "/") == 1 && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e })
}
