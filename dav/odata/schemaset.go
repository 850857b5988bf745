package odata

import (
	"regexp"

	"cellar/barfs/edm"
	"cellar/cellfs"
	"cellar/cellfs/control"
)

// Sets of a schema (contract 1.17.3). They look like control objects, and are the parts of $metadata.
const (
	setEntityType  = "EntityType"
	setProperty    = "Property"
	setComplexType = "ComplexType"
	setComplexProp = "ComplexTypeProperty"
	setEnd         = "AssociationEnd"

	ofEntityType  = "_EntityType.Name"
	ofComplexType = "_ComplexType.Name"
)

var (
	isTypeName     = edm.IsName
	isKind         = regexp.MustCompile(`^(None|List)$`).MatchString
	isMultiplicity = regexp.MustCompile(`^(0\.\.1|1|\*)$`).MatchString
)

var schemaSets = []*control.Set{
	{Name: setEntityType, Key: []string{"Name"}, Properties: []control.Property{{Name: "Name", Required: true, Form: isTypeName}}},
	{Name: setProperty, Key: []string{"Name", ofEntityType}, Properties: append(propertyProperties(ofEntityType),
		control.Property{Name: "IsKey", Bool: true, Default: false}, control.Property{Name: "UniqueKey", Form: isTypeName}, control.Property{Name: "IsDeclared", Bool: true, Default: true})},
	{Name: setComplexType, Key: []string{"Name"}, Properties: []control.Property{{Name: "Name", Required: true, Form: isTypeName}}},
	{Name: setComplexProp, Key: []string{"Name", ofComplexType}, Properties: propertyProperties(ofComplexType)},
	{Name: setEnd, Key: []string{"Name", ofEntityType}, Properties: []control.Property{
		{Name: "Name", Required: true, Form: isTypeName}, {Name: ofEntityType, Required: true, Form: isTypeName},
		{Name: "Multiplicity", Required: true, Form: isMultiplicity},
	}},
}

func propertyProperties(of string) []control.Property {
	return []control.Property{
		{Name: "Name", Required: true, Form: isTypeName}, {Name: of, Required: true, Form: isTypeName},
		{Name: "Type", Required: true}, {Name: "Nullable", Bool: true, Default: true}, {Name: "DefaultValue"},
		{Name: "CollectionKind", Default: "None", Form: isKind},
	}
}

func init() {
	for _, s := range schemaSets {
		s.Type = "ODataSvcSchema." + s.Name
	}
}

// schemaSet is the set with that name, or nil.
func schemaSet(name string) *control.Set {
	for _, s := range schemaSets {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// schemaObjects lists the objects of a set of the schema that the node keeps; nil is an empty one.
func schemaObjects(s *edm.Schema, set *control.Set, n *cellfs.Node) (all []control.Object) {
	if n == nil {
		n = &cellfs.Node{}
	}
	add := func(v control.Values) {
		all = append(all, control.Object{Set: set, Values: v, Version: n.Version, Created: n.Created, Updated: n.Modified})
	}
	switch set.Name {
	case setEntityType:
		for _, t := range s.EntityTypes {
			add(control.Values{"Name": t.Name})
		}
	case setComplexType:
		for _, t := range s.ComplexTypes {
			add(control.Values{"Name": t.Name})
		}
	case setProperty:
		for _, t := range s.EntityTypes {
			for i := range t.Properties {
				v := propertyValues(ofEntityType, t.Name, &t.Properties[i])
				v["IsKey"], v["UniqueKey"], v["IsDeclared"] = false, nil, true
				if key := t.Properties[i].UniqueKey; key != "" {
					v["UniqueKey"] = key
				}
				add(v)
			}
		}
	case setComplexProp:
		for _, t := range s.ComplexTypes {
			for i := range t.Properties {
				add(propertyValues(ofComplexType, t.Name, &t.Properties[i]))
			}
		}
	case setEnd:
		for _, e := range allEnds(s) {
			add(control.Values{"Name": e.Name(), ofEntityType: e.EntityType, "Multiplicity": e.Multiplicity})
		}
	}
	return all
}

func allEnds(s *edm.Schema) (all []edm.AssociationEnd) {
	for _, a := range s.Associations {
		all = append(all, a.Ends[:]...)
	}
	return append(all, s.Ends...)
}

func propertyValues(of, owner string, p *edm.Property) control.Values {
	v := control.Values{"Name": p.Name, of: owner, "Type": p.Type, "Nullable": p.Nullable, "DefaultValue": nil, "CollectionKind": "None"}
	if p.Default != nil {
		v["DefaultValue"] = *p.Default
	}
	if p.IsList {
		v["CollectionKind"] = "List"
	}
	return v
}

// propertyFrom is the property that an object declares.
func propertyFrom(v control.Values) edm.Property {
	p := edm.Property{Nullable: v["Nullable"] == true, IsList: v["CollectionKind"] == "List"}
	p.Name, _ = v["Name"].(string)
	p.Type, _ = v["Type"].(string)
	p.UniqueKey, _ = v["UniqueKey"].(string)
	if d, ok := v["DefaultValue"].(string); ok {
		p.Default = &d
	}
	return p
}

// has reports whether an object has the key.
func has(o *control.Object, key control.Values) bool {
	for _, name := range o.Set.Key {
		if o.Values[name] != key[name] {
			return false
		}
	}
	return true
}
