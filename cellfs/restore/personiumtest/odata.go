package personiumtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// OData is a collection of user OData: a resource, and the documents of its
// schema and data.
type OData struct {
	*Node
	types        []*EntityType
	complexTypes []*ComplexType
	associations []association
}

type association struct {
	ends  [2]*Entity
	types [2]*EntityType
	mults [2]string
}

// AddOData makes an OData collection.
func (n *Node) AddOData(name string) *OData { return &OData{Node: n.add(name, typeOData)} }

// entity is a document of this collection: with the ids of cell, box and node.
// In the main box the id of the box is that of the cell.
func (o *OData) entity(typ string) *Entity {
	e := o.cell.addEntity(typ)
	e.box, e.node = o.box.id, o.ID()
	return e
}

// EntityType is an entity type of user OData.
type EntityType struct {
	*Entity
	odata *OData
	properties
}

// ComplexType is a complex type of user OData.
type ComplexType struct {
	*Entity
	odata *OData
	properties
}

// properties are those of a type by name.
type properties map[string]*Property

// names are sorted, so that a run is like the one before.
func (all properties) names() []string { return slices.Sorted(maps.Keys(all)) }

// AddEntityType adds an entity type.
func (o *OData) AddEntityType(name string) *EntityType {
	t := &EntityType{Entity: o.entity("EntityType"), odata: o, properties: properties{}}
	t.s["Name"] = name
	o.types = append(o.types, t)
	return t
}

// AddComplexType adds a complex type.
func (o *OData) AddComplexType(name string) *ComplexType {
	t := &ComplexType{Entity: o.entity("ComplexType"), odata: o, properties: properties{}}
	t.s["Name"] = name
	o.complexTypes = append(o.complexTypes, t)
	return t
}

// Property is a property of an entity type or a complex type.
type Property struct {
	*Entity
	alias   string
	complex *ComplexType // nil for simple types
}

// List makes the property one of a list.
func (p *Property) List() *Property {
	p.s["CollectionKind"] = "List"
	return p
}

// Default sets the default value, which is text for every type.
func (p *Property) Default(value string) *Property {
	p.s["DefaultValue"] = value
	return p
}

// NotNull makes the property one that must have a value.
func (p *Property) NotNull() *Property {
	p.s["Nullable"] = false
	return p
}

// AddProperty declares a property; typ is such as "Edm.String", or the name of a
// complex type of the collection.
func (t *EntityType) AddProperty(name, typ string) *Property {
	p := t.odata.property(t.properties, "Property", name, typ)
	p.s["IsKey"], p.s["UniqueKey"] = false, nil
	p.l["EntityType"] = t.id
	return p
}

// AddProperty declares a property of the complex type.
func (t *ComplexType) AddProperty(name, typ string) *Property {
	p := t.odata.property(t.properties, "ComplexTypeProperty", name, typ)
	p.l["ComplexType"] = t.id
	return p
}

func (o *OData) property(all properties, doc, name, typ string) *Property {
	p := &Property{Entity: o.entity(doc), alias: all.nextAlias(typ)}
	if !strings.HasPrefix(typ, "Edm.") {
		for _, ct := range o.complexTypes {
			if ct.s["Name"] == typ {
				p.complex = ct
			}
		}
	}
	p.s = map[string]any{
		"Name": name, "Type": typ, "Nullable": true, "DefaultValue": nil,
		"CollectionKind": "None", "IsDeclared": true,
	}
	p.h["Alias"] = p.alias
	all[name] = p
	return p
}

// nextAlias counts P001, P002, … for simple types and C001, … for complex ones,
// for each type anew.
func (all properties) nextAlias(typ string) string {
	prefix := "P"
	if !strings.HasPrefix(typ, "Edm.") {
		prefix = "C"
	}
	n := 1
	for _, p := range all {
		if strings.HasPrefix(p.alias, prefix) {
			n++
		}
	}
	return fmt.Sprintf("%s%03d", prefix, n)
}

// Associate adds two association ends that are linked with each other;
// multiplicities are "0..1", "1" and "*". Personium allows one association for two
// types, and never "1" on both sides.
func (o *OData) Associate(name1 string, type1 *EntityType, mult1, name2 string, type2 *EntityType, mult2 string) {
	if mult1 == "1" && mult2 == "1" {
		panic("personiumtest: Personium does not link 1 with 1")
	}
	e1, e2 := o.AddEnd(name1, type1, mult1), o.AddEnd(name2, type2, mult2)
	e1.l["AssociationEnd"], e2.l["AssociationEnd"] = e2.id, e1.id
	o.associations = append(o.associations, association{
		[2]*Entity{e1, e2}, [2]*EntityType{type1, type2}, [2]string{mult1, mult2},
	})
}

// AddEnd adds an association end that is linked with no other.
func (o *OData) AddEnd(name string, t *EntityType, mult string) *Entity {
	e := o.entity("AssociationEnd")
	e.s["Name"], e.s["Multiplicity"] = name, mult
	e.l["EntityType"] = t.id
	return e
}

// LinkData links two entities of user data by the association of their types: as
// a link document if both sides are many, else by ids in the "ll" of the many
// side, or of both sides if neither is.
func (o *OData) LinkData(a, b *UserData) {
	for _, as := range o.associations {
		switch {
		case as.types == [2]*EntityType{a.kind, b.kind}:
			o.linkData(a, as.mults[0] == "*", b, as.mults[1] == "*")
			return
		case as.types == [2]*EntityType{b.kind, a.kind}:
			o.linkData(b, as.mults[0] == "*", a, as.mults[1] == "*")
			return
		}
	}
	panic("personiumtest: the types have no association")
}

func (o *OData) linkData(a *UserData, aMany bool, b *UserData, bMany bool) {
	if aMany && bMany {
		if a.kind.id == b.kind.id {
			// Personium sorts the ends in a map by their types: the second end
			// of a type linked with itself takes the place of the first.
			a = b
		}
		if a.kind.id > b.kind.id {
			a, b = b, a
		}
		o.cell.AddLink(a.kind.id, a.id, b.kind.id, b.id, o.box.id, o.ID())
		return
	}
	if aMany || !bMany {
		a.l[b.kind.id] = b.id
	}
	if bMany || !aMany {
		b.l[a.kind.id] = a.id
	}
}
