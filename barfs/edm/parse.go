package edm

import (
	"encoding/xml"
	"errors"
	"slices"
	"strings"

	"cellar/barfs/xmltree"
)

const (
	// MaxSchema is the longest 00_$metadata.xml, in bytes: it is read for requests.
	MaxSchema = 4 << 20
	// MaxSchemaElements is how many elements it may have: each property is one.
	MaxSchemaElements = 100_000
)

// ParseSchema reads a 00_$metadata.xml. An [*Invalid] says that it cannot be
// understood: it is too large or no XML, a type is not defined, complex types contain
// each other. What cannot be made of it is found by [Schema.Walk].
func ParseSchema(text []byte) (*Schema, error) {
	if len(text) > MaxSchema {
		return nil, Invalidf("The schema has more than %d bytes.", MaxSchema)
	}
	s := &Schema{}
	root, err := xmltree.Limits{Elements: MaxSchemaElements}.Parse(text)
	if errors.Is(err, xmltree.ErrTooLarge) {
		return nil, Invalidf("The schema has more than %d elements, or too long names.", MaxSchemaElements)
	}
	if err != nil {
		return nil, &Invalid{causeParse}
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
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, s.checkNames(schemas)
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

// userData is a name without the namespace that all schemas have.
func userData(name string) string { return strings.TrimPrefix(name, "UserData.") }

func readType(e *xmltree.Element, into *[]Type) error {
	t := Type{Name: plain(e, "Name")}
	for _, n := range named(e, "NavigationProperty") {
		t.navigation = append(t.navigation, userData(plain(n, "Relationship")))
	}
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
		Name: plain(e, "Name"), Type: userData(plain(e, "Type")), Nullable: true, kind: plain(e, "CollectionKind"),
	}
	p.IsList = p.kind == "List"
	switch plain(e, "Nullable") {
	case "", "true":
	case "false":
		p.Nullable = false
	default:
		return p, &Invalid{causeParse}
	}
	if name, _ := e.Attr(personium, "UniqueKey"); IsName(name) {
		p.UniqueKey = name
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
			return &Invalid{causeParse}
		}
		a := Association{Name: plain(e, "Name")}
		for i, end := range ends {
			a.Ends[i] = AssociationEnd{
				Role: plain(end, "Role"), EntityType: userData(plain(end, "Type")),
				Multiplicity: plain(end, "Multiplicity"),
			}
		}
		s.Associations = append(s.Associations, a)
	}
	for _, e := range named(schema, looseEnd) {
		s.Ends = append(s.Ends, AssociationEnd{Role: plain(e, "Role"), EntityType: userData(plain(e, "Type")), Multiplicity: plain(e, "Multiplicity")})
	}
	return nil
}

// personium is the namespace of what EDMX does not know.
const personium = "urn:x-personium:xmlns"

// looseEnd is the element of an end that is in no association yet, in the namespace of Personium.
const looseEnd = "AssociationEnd"

// check verifies what types and associations refer to.
func (s *Schema) check() error {
	complexTypes, entityTypes := byName(s.ComplexTypes), byName(s.EntityTypes)
	for _, t := range slices.Concat(s.ComplexTypes, s.EntityTypes) {
		for _, p := range slices.Concat(t.Properties, t.hidden) {
			if !p.Simple() && complexTypes[p.Type] == nil {
				return &Invalid{causeParse}
			}
		}
	}
	done := map[string]bool{}
	for _, t := range s.ComplexTypes {
		if circular(t.Name, complexTypes, nil, done) {
			return &Invalid{causeParse}
		}
	}
	ends := slices.Clone(s.Ends)
	for _, a := range s.Associations {
		ends = append(ends, a.Ends[:]...)
	}
	for _, e := range ends {
		if !slices.Contains([]string{"0..1", "1", "*"}, e.Multiplicity) || entityTypes[e.EntityType] == nil {
			return &Invalid{causeParse}
		}
	}
	return nil
}

func byName(types []Type) map[string]*Type {
	all := make(map[string]*Type, len(types))
	for i := range types {
		all[types[i].Name] = &types[i]
	}
	return all
}

// checkNames verifies what navigation properties and entity containers name.
func (s *Schema) checkNames(schemas []*xmltree.Element) error {
	entityTypes, associations, sets := byName(s.EntityTypes), map[string]bool{}, map[string]bool{}
	for _, a := range s.Associations {
		associations[a.Name] = true
	}
	for _, t := range s.EntityTypes {
		for _, name := range t.navigation {
			if !associations[name] {
				return &Invalid{causeParse}
			}
		}
	}
	var containers []*xmltree.Element
	for _, e := range schemas {
		containers = append(containers, named(e, "EntityContainer")...)
	}
	for _, c := range containers {
		for _, set := range named(c, "EntitySet") {
			if entityTypes[userData(plain(set, "EntityType"))] == nil {
				return &Invalid{causeParse}
			}
			sets[plain(set, "Name")] = true
		}
	}
	for _, c := range containers {
		for _, set := range named(c, "AssociationSet") {
			if !associations[userData(plain(set, "Association"))] {
				return &Invalid{causeParse}
			}
			for _, end := range named(set, "End") {
				if !sets[plain(end, "EntitySet")] {
					return &Invalid{causeParse}
				}
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
