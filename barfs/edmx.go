package barfs

import (
	"encoding/xml"
	"regexp"
	"slices"
	"strings"
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
}

// Property of a [Type]. Those the server makes up (__id …) are left out.
type Property struct {
	Name     string
	Type     string // Edm.* or the name of a complex type
	Nullable bool
	Default  *string
	IsList   bool
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

// ParseSchema reads a 00_$metadata.xml. What it declares up to the first fault
// comes back with the error, an [*Invalid].
func ParseSchema(text []byte) (*Schema, error) {
	s := &Schema{}
	root, err := parseXML(text)
	if err != nil {
		return s, &Invalid{CauseParse}
	}
	var schemas []*element
	find(root, "Schema", &schemas)
	for _, e := range schemas {
		for _, read := range []func(*element) error{s.readComplexTypes, s.readEntityTypes, s.readAssociations} {
			if err := read(e); err != nil {
				return s, err
			}
		}
	}
	return s, s.check()
}

// find collects elements by their local name: the namespaces of EDMX differ
// with its version.
func find(e *element, local string, into *[]*element) {
	if e.name.Local == local {
		*into = append(*into, e)
		return
	}
	for _, c := range e.children {
		find(c, local, into)
	}
}

func (e *element) named(local string) (found []*element) {
	for _, c := range e.children {
		if c.name.Local == local {
			found = append(found, c)
		}
	}
	return found
}

func (e *element) plain(name string) string {
	for _, a := range e.attrs {
		if a.Name == (xml.Name{Local: name}) {
			return a.Value
		}
	}
	return ""
}

func (s *Schema) readComplexTypes(schema *element) error {
	for _, e := range schema.named("ComplexType") {
		if err := readType(e, &s.ComplexTypes); err != nil {
			return err
		}
	}
	return nil
}

func (s *Schema) readEntityTypes(schema *element) error {
	for _, e := range schema.named("EntityType") {
		if err := readType(e, &s.EntityTypes); err != nil {
			return err
		}
	}
	return nil
}

func readType(e *element, into *[]Type) error {
	t := Type{Name: e.plain("Name")}
	if !odataName.MatchString(t.Name) {
		return Invalidf("request body format error. field [Name]")
	}
	if slices.ContainsFunc(*into, func(x Type) bool { return x.Name == t.Name }) {
		return &Invalid{CauseExists}
	}
	for _, p := range e.named("Property") {
		name := p.plain("Name")
		if strings.HasPrefix(name, "_") {
			continue
		}
		property, err := readProperty(p, name)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(t.Properties, func(x Property) bool { return x.Name == name }) {
			return &Invalid{CauseExists}
		}
		t.Properties = append(t.Properties, property)
	}
	*into = append(*into, t)
	return nil
}

func readProperty(e *element, name string) (Property, error) {
	p := Property{Name: name, Type: strings.TrimPrefix(e.plain("Type"), "UserData."), Nullable: true}
	if !odataName.MatchString(name) {
		return p, Invalidf("request body format error. field [Name]")
	}
	switch e.plain("Nullable") {
	case "", "true":
	case "false":
		p.Nullable = false
	default:
		return p, &Invalid{CauseParse}
	}
	switch e.plain("CollectionKind") {
	case "", "None", "NONE":
	case "List":
		p.IsList = true
	default:
		return p, FileFormat(MetadataFile)
	}
	if _, ok := e.attr("", "DefaultValue"); ok {
		v := e.plain("DefaultValue")
		p.Default = &v
	}
	return p, nil
}

func (s *Schema) readAssociations(schema *element) error {
	for _, e := range schema.named("Association") {
		ends := e.named("End")
		if len(ends) != 2 {
			return &Invalid{CauseParse}
		}
		var a Association
		for i, end := range ends {
			a.Ends[i] = AssociationEnd{
				Role: end.plain("Role"), EntityType: strings.TrimPrefix(end.plain("Type"), "UserData."),
				Multiplicity: end.plain("Multiplicity"),
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
		for _, p := range t.Properties {
			if !slices.Contains(edmTypes, p.Type) && complexTypes[p.Type] == nil {
				return &Invalid{CauseParse}
			}
		}
	}
	for _, t := range s.ComplexTypes {
		if circular(t.Name, complexTypes, nil) {
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

func circular(name string, types map[string]*Type, above []string) bool {
	if slices.Contains(above, name) {
		return true
	}
	t := types[name]
	if t == nil {
		return false
	}
	above = append(above, name)
	for _, p := range t.Properties {
		if circular(p.Type, types, above) {
			return true
		}
	}
	return false
}

// CheckRoles returns an [*Invalid] naming the first association end whose role
// does not have the form {EntityType}:{name}.
func (a Association) CheckRoles() error {
	for _, e := range a.Ends {
		if entity, name, ok := strings.Cut(e.Role, ":"); !ok || entity == "" || name == "" {
			return Invalidf("[%s] file format error.", e.Role)
		}
	}
	return nil
}
