package restore

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"cellar/barfs/edm"
	"cellar/cellfs"
)

// dataSchema is what an OData collection declares.
type dataSchema struct {
	where    string // the first line of it
	col      *pending
	entities []*dataType
	complex  map[string]*dataType // by name
	ends     map[string]*dataEnd  // by id
}

// dataType is an entity type or a complex type.
type dataType struct {
	id, name           string
	node               string
	schema             *dataSchema
	published, updated int64
	properties         []*dataProperty
	stored             map[string]*dataProperty // by the name under which documents have it

	set entitySet // once it is made
}

// dataProperty is a property of a type. One that is not declared came with a
// document; Personium remembers its type.
type dataProperty struct {
	edm.Property
	declared  bool
	published int64
	alias     string
}

// dataEnd is one end of an association. The two name each other.
type dataEnd struct {
	id, name, multiplicity string
	typ                    *dataType
	other                  string
}

// readSchemas reads what the OData collections declare.
func (s *personium) readSchemas() error {
	if s.schemas != nil {
		return nil
	}
	s.schemas, s.types = map[string]*dataSchema{}, map[string]*dataType{}
	complexTypes := map[string]*dataType{}
	steps := []func() error{
		func() error { return s.readTypes(entityTypeFile, "EntityType", s.types) },
		func() error { return s.readTypes(complexTypeFile, "ComplexType", complexTypes) },
		func() error { return s.readProperties(propertyFile, "Property", "EntityType", s.types) },
		func() error { return s.readProperties(memberFile, "ComplexTypeProperty", "ComplexType", complexTypes) },
		s.readEnds,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// declarations are the lines of a file that make schemas, a bounded number in all.
func (s *personium) declarations(file, typ string, yield func(o *object, where string) error) error {
	return s.objectsOf(file, typ, func(o *object, where string) error {
		if s.declared++; s.declared > maxDeclared {
			return tooLarge("more than %d types, properties and ends of associations", maxDeclared)
		}
		return yield(o, where)
	})
}

func (s *personium) readTypes(file, typ string, into map[string]*dataType) error {
	return s.declarations(file, typ, func(o *object, where string) error {
		name, err := o.text("Name")
		if err != nil || name == "" || into[o.ID] != nil || o.node() == "" {
			return damaged(where, "it has no name, no new id or no collection")
		}
		d := s.schemas[o.node()]
		if d == nil {
			d = &dataSchema{where: where, complex: map[string]*dataType{}, ends: map[string]*dataEnd{}}
			s.schemas[o.node()] = d
		}
		t := &dataType{id: o.ID, name: name, node: o.node(), schema: d, published: o.Source.Published, updated: o.Source.Updated, stored: map[string]*dataProperty{}}
		into[o.ID] = t
		if typ == "EntityType" {
			d.entities = append(d.entities, t)
			return nil
		}
		if d.complex[name] != nil {
			return damaged(where, "the collection has the type %q twice", name)
		}
		d.complex[name] = t
		return nil
	})
}

func (s *personium) readProperties(file, typ, of string, types map[string]*dataType) error {
	return s.declarations(file, typ, func(o *object, where string) error {
		t := types[o.link(of)]
		if t == nil {
			return damaged(where, "there is no %s with the id %q", of, o.link(of))
		}
		p, err := newProperty(o)
		if err != nil {
			return damaged(where, "%v", err)
		}
		if t.stored[p.alias] != nil {
			return damaged(where, "%s has %q twice", t.name, p.alias)
		}
		t.stored[p.alias] = p
		t.properties = append(t.properties, p)
		return nil
	})
}

func newProperty(o *object) (*dataProperty, error) {
	var v struct {
		Name, Type     string
		Nullable       *bool
		DefaultValue   *string
		CollectionKind *string
		UniqueKey      *string
		IsDeclared     *bool
	}
	text, err := json.Marshal(o.Source.Static)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	if v.Name == "" || v.Type == "" {
		return nil, fmt.Errorf("it has no name or no type")
	}
	p := &dataProperty{declared: v.IsDeclared == nil || *v.IsDeclared, published: o.Source.Published, alias: v.Name}
	p.Property = edm.Property{Name: v.Name, Type: v.Type, Nullable: v.Nullable == nil || *v.Nullable, Default: v.DefaultValue,
		IsList: v.CollectionKind != nil && *v.CollectionKind == "List"}
	if v.UniqueKey != nil && edm.IsName(*v.UniqueKey) {
		p.UniqueKey = *v.UniqueKey
	}
	var alias *string
	if raw, ok := o.Source.Hidden["Alias"]; ok {
		if err := json.Unmarshal(raw, &alias); err != nil {
			return nil, err
		}
	}
	if alias != nil && *alias != "" {
		p.alias = *alias
	}
	return p, nil
}

func (s *personium) readEnds() error {
	return s.declarations(endFile, "AssociationEnd", func(o *object, where string) error {
		t := s.types[o.link("EntityType")]
		if t == nil {
			return damaged(where, "there is no EntityType with the id %q", o.link("EntityType"))
		}
		name, err := o.text("Name")
		if err != nil {
			return damaged(where, "%v", err)
		}
		multiplicity, err := o.text("Multiplicity")
		if err != nil {
			return damaged(where, "%v", err)
		}
		if t.schema.ends[o.ID] != nil {
			return damaged(where, "the id %q is there twice", o.ID)
		}
		t.schema.ends[o.ID] = &dataEnd{o.ID, name, multiplicity, t, o.link("AssociationEnd")}
		return nil
	})
}

// document is the schema in the form that clients read. Its parts come in the order
// in which they were made. An end without another declares nothing.
func (d *dataSchema) document() *edm.Schema {
	out := &edm.Schema{ComplexTypes: declared(slices.Collect(maps.Values(d.complex))), EntityTypes: declared(d.entities)}
	ends := slices.SortedFunc(maps.Values(d.ends), func(a, b *dataEnd) int {
		return cmp.Or(cmp.Compare(a.typ.name, b.typ.name), cmp.Compare(a.name, b.name), cmp.Compare(a.id, b.id))
	})
	done := map[string]bool{}
	for _, e := range ends {
		other := d.ends[e.other]
		if other == nil || other.other != e.id || done[e.id] {
			continue
		}
		done[other.id] = true
		a := edm.Association{Name: e.typ.name + "-" + e.name + "-" + other.typ.name + "-" + other.name}
		for i, end := range []*dataEnd{e, other} {
			a.Ends[i] = edm.AssociationEnd{Role: end.typ.name + ":" + end.name, EntityType: end.typ.name, Multiplicity: end.multiplicity}
		}
		out.Associations = append(out.Associations, a)
	}
	return out
}

func declared(types []*dataType) (all []edm.Type) {
	slices.SortFunc(types, func(a, b *dataType) int {
		return cmp.Or(cmp.Compare(a.published, b.published), cmp.Compare(a.name, b.name))
	})
	for _, t := range types {
		slices.SortFunc(t.properties, func(a, b *dataProperty) int {
			return cmp.Or(cmp.Compare(a.published, b.published), cmp.Compare(a.Name, b.Name))
		})
		out := edm.Type{Name: t.name}
		for _, p := range t.properties {
			if p.declared {
				out.Properties = append(out.Properties, p.Property)
			}
		}
		all = append(all, out)
	}
	return all
}

// odata makes the schema of a collection, and a collection for each entity type. The
// documents come at the end.
func (s *personium) odata(r *restorer, col *pending) error {
	if err := s.readSchemas(); err != nil {
		return err
	}
	d := s.schemas[col.data]
	if d == nil {
		return nil // it declares nothing
	}
	if d.col != nil {
		return damaged(col.where, "the id of %s is that of %s, too", col.path, d.col.path)
	}
	d.col = col
	n := cellfs.Node{Cell: r.o.Cell.ID, Version: col.Version, Created: col.Created, Modified: col.Modified}
	if err := r.schema(col, d.document().EDMX(), n, d.where); err != nil {
		return err
	}
	page := r.documents()
	for _, t := range d.entities {
		l := entityLine{Name: t.name, Created: micros(t.published), Modified: micros(t.updated)}
		if err := checkNumbers(0, l.Created, l.Modified, nil); err != nil {
			return damaged(d.where, "%v", err)
		}
		n.Name, n.Created, n.Modified = l.Name, fromMicros(l.Created), fromMicros(l.Modified)
		if err := cellfs.CheckName(n.Name); err != nil {
			return damaged(d.where, "%v", err)
		}
		t.set = newEntitySet(col, n, d.where)
		if err := page.add(t.set.pending); err != nil {
			return err
		}
	}
	return page.flush()
}
