package barfs

import (
	"encoding/xml"
	"regexp"
	"slices"
	"strings"

	"cellar/barfs/xmltree"
)

// Schema is what 00_$metadata.xml of an OData collection declares.
type Schema struct {
	ComplexTypes []Type
	EntityTypes  []Type
	Associations []Association
}

// Type is a complex type or an entity type.
type Type struct {
	Name       string
	Properties []Property

	hidden []Property // those that the server makes up: only their types are checked
}

// Property of a [Type]. Those the server makes up (__id …) are left out.
type Property struct {
	Name     string
	Type     string // Edm.* or the name of a complex type
	Nullable bool
	Default  *string
	IsList   bool

	kind string // CollectionKind
}

// Association joins two entity types; each role is {EntityType}:{end name}.
type Association struct{ Ends [2]AssociationEnd }

// AssociationEnd is one side of an [Association].
type AssociationEnd struct {
	Role         string
	EntityType   string
	Multiplicity string // "0..1", "1" or "*"
}

var (
	odataName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{0,127}$`)
	edmTypes  = []string{"Edm.Boolean", "Edm.DateTime", "Edm.Double", "Edm.Int32", "Edm.Single", "Edm.String"}
)

// EntityType returns the entity type of that name, or nil.
func (s *Schema) EntityType(name string) *Type {
	for i := range s.EntityTypes {
		if s.EntityTypes[i].Name == name {
			return &s.EntityTypes[i]
		}
	}
	return nil
}

// ParseSchema reads a 00_$metadata.xml. An [*Invalid] says that it cannot be
// understood: it is no XML, a type is not defined, complex types contain each
// other. What cannot be made of it is found by [Schema.Walk].
func ParseSchema(text []byte) (*Schema, error) {
	s := &Schema{}
	root, err := xmltree.Parse(text)
	if err != nil {
		return nil, &Invalid{CauseParse}
	}
	var schemas []*xmltree.Element
	find(root, "Schema", &schemas)
	for _, e := range schemas {
		for _, read := range []func(*xmltree.Element) error{s.readComplexTypes, s.readEntityTypes, s.readAssociations} {
			if err := read(e); err != nil {
				return nil, err
			}
		}
	}
	return s, s.check()
}

// Walk goes through the schema in the order in which it is made: complex types and
// their properties, entity types and theirs, associations. begin is called before
// each of the three is checked, made after an entity type was. The first fault, an
// [*Invalid], or the first error of the functions ends it.
func (s *Schema) Walk(begin func(kind string, names ...string) error, made func(entityType string) error) error {
	nothing := func(string) error { return nil }
	if err := walkTypes("ComplexType", s.ComplexTypes, begin, nothing); err != nil {
		return err
	}
	if err := walkTypes("EntityType", s.EntityTypes, begin, made); err != nil {
		return err
	}
	for _, a := range s.Associations {
		if err := begin("Association", a.Ends[0].Role, a.Ends[1].Role); err != nil {
			return err
		}
		if err := a.checkRoles(); err != nil {
			return err
		}
	}
	return nil
}

func walkTypes(kind string, types []Type, begin func(kind string, names ...string) error, made func(name string) error) error {
	names := newNames{}
	for _, t := range types {
		if err := begin(kind, t.Name); err != nil {
			return err
		}
		if err := names.add(t.Name); err != nil {
			return err
		}
		if err := made(t.Name); err != nil {
			return err
		}
	}
	for _, t := range types {
		if err := t.checkProperties(); err != nil {
			return err
		}
	}
	return nil
}

// newNames are the names of one kind that were met so far.
type newNames map[string]bool

// add refuses what is no name, or not a new one.
func (n newNames) add(name string) error {
	if !odataName.MatchString(name) {
		return Invalidf("request body format error. field [Name]")
	}
	if n[name] {
		return &Invalid{CauseExists}
	}
	n[name] = true
	return nil
}

func (t Type) checkProperties() error {
	names := newNames{}
	for _, p := range t.Properties {
		switch p.kind {
		case "", "None", "NONE", "List":
		default:
			return FileFormat(MetadataFile)
		}
		if err := names.add(p.Name); err != nil {
			return err
		}
	}
	return nil
}

// find collects elements by their local name: the namespaces of EDMX differ
// with its version.
func find(e *xmltree.Element, local string, into *[]*xmltree.Element) {
	if e.Name.Local == local {
		*into = append(*into, e)
		return
	}
	for _, c := range e.Children {
		find(c, local, into)
	}
}

func named(e *xmltree.Element, local string) (found []*xmltree.Element) {
	for _, c := range e.Children {
		if c.Name.Local == local {
			found = append(found, c)
		}
	}
	return found
}

func plain(e *xmltree.Element, name string) string {
	for _, a := range e.Attrs {
		if a.Name == (xml.Name{Local: name}) {
			return a.Value
		}
	}
	return ""
}

func (s *Schema) readComplexTypes(schema *xmltree.Element) error {
	for _, e := range named(schema, "ComplexType") {
		if err := readType(e, &s.ComplexTypes); err != nil {
			return err
		}
	}
	return nil
}

func (s *Schema) readEntityTypes(schema *xmltree.Element) error {
	for _, e := range named(schema, "EntityType") {
		if err := readType(e, &s.EntityTypes); err != nil {
			return err
		}
	}
	return nil
}

func readType(e *xmltree.Element, into *[]Type) error {
	t := Type{Name: plain(e, "Name")}
	for _, p := range named(e, "Property") {
		property, err := readProperty(p)
		if err != nil {
			return err
		}
		if strings.HasPrefix(property.Name, "_") {
			t.hidden = append(t.hidden, property)
		} else {
			t.Properties = append(t.Properties, property)
		}
	}
	*into = append(*into, t)
	return nil
}

func readProperty(e *xmltree.Element) (Property, error) {
	p := Property{
		Name: plain(e, "Name"), Type: strings.TrimPrefix(plain(e, "Type"), "UserData."), Nullable: true, kind: plain(e, "CollectionKind"),
	}
	p.IsList = p.kind == "List"
	switch plain(e, "Nullable") {
	case "", "true":
	case "false":
		p.Nullable = false
	default:
		return p, &Invalid{CauseParse}
	}
	if _, ok := e.Attr("", "DefaultValue"); ok {
		v := plain(e, "DefaultValue")
		p.Default = &v
	}
	return p, nil
}

func (s *Schema) readAssociations(schema *xmltree.Element) error {
	for _, e := range named(schema, "Association") {
		ends := named(e, "End")
		if len(ends) != 2 {
			return &Invalid{CauseParse}
		}
		var a Association
		for i, end := range ends {
			a.Ends[i] = AssociationEnd{
				Role: plain(end, "Role"), EntityType: strings.TrimPrefix(plain(end, "Type"), "UserData."),
				Multiplicity: plain(end, "Multiplicity"),
			}
		}
		s.Associations = append(s.Associations, a)
	}
	return nil
}

// check verifies what types refer to.
func (s *Schema) check() error {
	complexTypes := map[string]*Type{}
	for i := range s.ComplexTypes {
		complexTypes[s.ComplexTypes[i].Name] = &s.ComplexTypes[i]
	}
	for _, t := range slices.Concat(s.ComplexTypes, s.EntityTypes) {
		for _, p := range slices.Concat(t.Properties, t.hidden) {
			if !slices.Contains(edmTypes, p.Type) && complexTypes[p.Type] == nil {
				return &Invalid{CauseParse}
			}
		}
	}
	done := map[string]bool{}
	for _, t := range s.ComplexTypes {
		if circular(t.Name, complexTypes, nil, done) {
			return &Invalid{CauseParse}
		}
	}
	for _, a := range s.Associations {
		for _, e := range a.Ends {
			if !slices.Contains([]string{"0..1", "1", "*"}, e.Multiplicity) || s.EntityType(e.EntityType) == nil {
				return &Invalid{CauseParse}
			}
		}
	}
	return nil
}

// circular reports whether a complex type contains itself. done holds the types
// known not to, so that each is looked at once.
func circular(name string, types map[string]*Type, above []string, done map[string]bool) bool {
	if slices.Contains(above, name) {
		return true
	}
	t := types[name]
	if t == nil || done[name] {
		return false
	}
	above = append(above, name)
	for _, p := range t.Properties {
		if circular(p.Type, types, above, done) {
			return true
		}
	}
	done[name] = true
	return false
}

// checkRoles names the first end whose role does not have the form
// {EntityType}:{name}.
func (a Association) checkRoles() error {
	for _, e := range a.Ends {
		if entity, name, ok := strings.Cut(e.Role, ":"); !ok || entity == "" || name == "" {
			return Invalidf("[%s] file format error.", e.Role)
		}
	}
	return nil
}
