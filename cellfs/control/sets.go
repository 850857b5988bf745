// Package control makes, reads and changes the control objects of a unit: its cells, and
// of each cell the boxes, accounts, roles, relations, ext cells, ext roles and rules, as
// OData clients see them (contract 1.16). What an object must look
// like is said once, in the table of its set.
package control

import (
	"net/url"
	"regexp"
	"strings"

	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/cellfs/account"
)

// Names of the sets besides those of package cellfs.
const (
	SetCell = "Cell"
	SetBox  = "Box"
)

// Set is a kind of control objects.
type Set struct {
	Name string
	Type string // as OData has it
	// Key names the properties that identify an object among those of the set.
	Key        []string
	Properties []Property
	// Links are the sets whose objects can be linked with those of this one; Owned are
	// those whose objects belong to one of this set by their key.
	Links, Owned []string
	// Read and Write are the privileges of a cell that are needed.
	Read, Write access.Set
	// Kept says that clients can read and remove the objects, which an import brought, and
	// neither make nor change them.
	Kept bool
}

// Property is a property of the objects of a set: a text, or true or false.
type Property struct {
	Name     string
	Bool     bool
	Any      bool // any JSON, of objects that are kept
	Required bool
	Default  any               // what it is if nothing is given; nil for null
	Form     func(string) bool // of a text; nil: any of at most [MaxText] characters
}

// MaxText is how long a property without a form of its own can be, in characters.
const MaxText = 51200

// Names of properties that refer to others.
const (
	boxName         = "_Box.Name"
	relationName    = "_Relation.Name"
	relationBoxName = "_Relation._Box.Name"
)

var (
	relationNameForm = regexp.MustCompile(`^[a-zA-Z0-9+-][a-zA-Z0-9_+:-]{0,127}$`).MatchString
	accountTypes     = regexp.MustCompile(`^(basic|oidc:google)( (basic|oidc:google))?$`).MatchString
	ruleAction       = regexp.MustCompile(`^(exec|relay|relay\.event|relay\.data|log|log\.(info|warn|error))$`).MatchString
)

func isStatus(s string) bool {
	switch account.Status(s) {
	case account.Active, account.MustChange, account.Deactivated:
		return true
	}
	return false
}

func isNetworks(s string) bool {
	_, err := account.ParseNetworks(s)
	return err == nil && len(s) <= 1024
}

// isURL is the form of URLs that identify: http or https, normalised, with a slash at
// the end; or one below this unit.
func isURL(s string) bool {
	if rest, ok := strings.CutPrefix(s, "personium-localunit:"); ok {
		return strings.HasPrefix(rest, "/") && strings.HasSuffix(rest, "/") && len(s) <= 1024
	}
	u, err := url.Parse(s)
	return err == nil && len(s) <= 1024 && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" &&
		u.User == nil && u.RawQuery == "" && u.Fragment == "" && strings.HasSuffix(u.Path, "/") &&
		!strings.Contains(u.Path, "/.") && u.String() == s
}

// isSchema is the form of a box's schema (contract 1.16.1).
func isSchema(s string) bool {
	return isURL(s) || strings.HasPrefix(s, "urn:") && len(s) > len("urn:") && len(s) <= 1024 && !strings.ContainsAny(s, " \t\r\n")
}

func isCellName(s string) bool { return cellfs.CheckCellName(s) == nil }
func isBoxName(s string) bool  { return cellfs.CheckBoxName(s) == nil }

var ofBox = Property{Name: boxName, Form: isBoxName}

// Cells is the set of the unit.
var Cells = &Set{
	Name: SetCell, Type: "UnitCtl.Cell", Key: []string{"Name"},
	Properties: []Property{{Name: "Name", Required: true, Form: isCellName}},
}

var sets = []*Set{
	{
		Name: SetBox, Key: []string{"Name"}, Read: access.BoxRead, Write: access.Box,
		Properties: []Property{{Name: "Name", Required: true, Form: isBoxName}, {Name: "Schema", Form: isSchema}},
		Owned:      []string{cellfs.SetRole, cellfs.SetRelation, cellfs.SetRule},
	},
	{
		Name: cellfs.SetAccount, Key: []string{"Name"}, Read: access.AuthRead, Write: access.Auth,
		Properties: []Property{
			{Name: "Name", Required: true, Form: account.IsName}, {Name: "Type", Default: "basic", Form: accountTypes},
			{Name: "Cell"}, {Name: "Status", Default: string(account.Active), Form: isStatus},
			{Name: "IPAddressRange", Form: isNetworks},
		},
		Links: []string{cellfs.SetRole},
	},
	{
		Name: cellfs.SetRole, Key: []string{"Name", boxName}, Read: access.AuthRead, Write: access.Auth,
		Properties: []Property{{Name: "Name", Required: true, Form: account.IsRoleName}, ofBox},
		Links:      []string{cellfs.SetAccount, cellfs.SetRelation, cellfs.SetExtCell, cellfs.SetExtRole},
	},
	{
		Name: cellfs.SetRelation, Key: []string{"Name", boxName}, Read: access.SocialRead, Write: access.Social,
		Properties: []Property{{Name: "Name", Required: true, Form: relationNameForm}, ofBox},
		Links:      []string{cellfs.SetRole, cellfs.SetExtCell}, Owned: []string{cellfs.SetExtRole},
	},
	{
		Name: cellfs.SetExtCell, Key: []string{"Url"}, Read: access.SocialRead, Write: access.Social,
		Properties: []Property{{Name: "Url", Required: true, Form: isURL}},
		Links:      []string{cellfs.SetRole, cellfs.SetRelation},
	},
	{
		Name: cellfs.SetExtRole, Key: []string{"ExtRole", relationName, relationBoxName}, Read: access.AuthRead, Write: access.Auth,
		Properties: []Property{
			{Name: "ExtRole", Required: true, Form: isExtRole},
			{Name: relationName, Required: true, Form: relationNameForm}, {Name: relationBoxName, Form: isBoxName},
		},
		Links: []string{cellfs.SetRole},
	},
	{
		Name: cellfs.SetRule, Key: []string{"Name", boxName}, Read: access.RuleRead, Write: access.Rule,
		Properties: []Property{
			{Name: "Name", Form: account.IsRoleName}, ofBox, {Name: "EventExternal", Bool: true, Default: false},
			{Name: "EventSubject"}, {Name: "EventType"}, {Name: "EventObject"}, {Name: "EventInfo"},
			{Name: "Action", Required: true, Form: ruleAction}, {Name: "TargetUrl"},
		},
	},
	message(cellfs.SetReceivedMessage, "From", "MulticastTo", "Status"),
	message(cellfs.SetSentMessage, "To", "ToRelation", "Result"),
}

// message is a set of messages. There is nobody to send them.
func message(name string, more ...string) *Set {
	s := &Set{Name: name, Key: []string{"__id"}, Read: access.MessageRead, Write: access.Message, Kept: true}
	for _, p := range append([]string{"__id", "InReplyTo", "Type", "Title", "Body", "Priority", "RequestObjects"}, more...) {
		s.Properties = append(s.Properties, Property{Name: p, Any: true})
	}
	return s
}

// isExtRole is the form of a role of another cell: its URL.
func isExtRole(s string) bool { return isURL(s+"/") || isURL(s) }

func init() {
	for _, s := range sets {
		s.Type = "CellCtl." + s.Name
	}
}

// SetOf returns the set of a cell's control objects with that name, or nil.
func SetOf(name string) *Set {
	for _, s := range sets {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Sets lists the sets of a cell.
func Sets() []*Set { return sets }

func (s *Set) property(name string) *Property {
	for i := range s.Properties {
		if s.Properties[i].Name == name {
			return &s.Properties[i]
		}
	}
	return nil
}

// box is the property that names the box of an object; "" if objects have none.
func (s *Set) box() string {
	switch {
	case s.Name == cellfs.SetExtRole:
		return relationBoxName
	case s.property(boxName) != nil:
		return boxName
	}
	return ""
}
