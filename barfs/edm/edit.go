package edm

import (
	"slices"
	"strings"
)

// Edited returns the schema as edit changes it; s stays as it is. It returns the error of edit, and
// an [*Invalid] for a schema that breaks its rules or the limits.
func (s *Schema) Edited(l Limits, edit func(*Schema) error) (*Schema, error) {
	n := &Schema{
		ComplexTypes: cloneTypes(s.ComplexTypes), EntityTypes: cloneTypes(s.EntityTypes),
		Associations: slices.Clone(s.Associations), Ends: slices.Clone(s.Ends),
	}
	if err := edit(n); err != nil {
		return nil, err
	}
	if err := n.check(); err != nil {
		return nil, err
	}
	ignore := func(string) error { return nil }
	if _, err := n.Walk(l, func(string, ...string) error { return nil }, ignore); err != nil {
		return nil, err
	}
	names := newNames{}
	for _, a := range n.Associations {
		for _, e := range a.Ends {
			if err := names.addKey(e.Role); err != nil {
				return nil, err
			}
		}
	}
	for _, e := range n.Ends {
		if !odataName.MatchString(e.Name()) {
			return nil, wrongField("Name")
		}
		if err := names.addKey(e.Role); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func cloneTypes(types []Type) []Type {
	types = slices.Clone(types)
	for i := range types {
		types[i].Properties = slices.Clone(types[i].Properties)
	}
	return types
}

// Uses reports whether a type has a property of the complex type, however deep.
func (s *Schema) Uses(t *Type, complexType string) bool {
	for _, p := range t.Properties {
		if p.Type == complexType {
			return true
		}
		if c := s.ComplexType(p.Type); c != nil && s.Uses(c, complexType) {
			return true
		}
	}
	return false
}

// NewEnd is an end with that name of an entity type.
func NewEnd(entityType, name, multiplicity string) AssociationEnd {
	return AssociationEnd{Role: entityType + ":" + name, EntityType: entityType, Multiplicity: multiplicity}
}

// Name is the name of the end.
func (e *AssociationEnd) Name() string {
	_, name, _ := strings.Cut(e.Role, ":")
	return name
}

// AssociationOf is the association that has the end with that role; nil if none has.
func (s *Schema) AssociationOf(role string) *Association {
	for i := range s.Associations {
		for _, e := range s.Associations[i].Ends {
			if e.Role == role {
				return &s.Associations[i]
			}
		}
	}
	return nil
}
