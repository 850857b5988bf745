package edm

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// Limits bound what an OData collection may have. A zero field means its default.
type Limits struct {
	EntityTypes int // default [MaxEntityTypes]
	Properties  int // of an entity type; default [MaxProperties]
	DataLinks   int // of an entity to those of one type; default [MaxDataLinks]
}

// WithDefaults returns the limits with the defaults of what is 0.
func (l Limits) WithDefaults() Limits {
	return Limits{cmp.Or(l.EntityTypes, MaxEntityTypes), cmp.Or(l.Properties, MaxProperties), cmp.Or(l.DataLinks, MaxDataLinks)}
}

// Schema is what 00_$metadata.xml of an OData collection declares.
type Schema struct {
	ComplexTypes []Type
	EntityTypes  []Type
	Associations []Association
	// Ends are those that are in no association yet.
	Ends []AssociationEnd
}

// Type is a complex type or an entity type.
type Type struct {
	Name       string
	Properties []Property

	hidden     []Property // those that the server makes up: only their types are checked
	navigation []string   // associations that it names
}

// Property of a [Type]. Those the server makes up (__id …) are left out.
type Property struct {
	Name     string
	Type     string // Edm.* or the name of a complex type
	Nullable bool
	Default  *string
	IsList   bool
	// UniqueKey is the name of a key that no two entities have in common; properties with the same name
	// make one key together. "" for none.
	UniqueKey string

	kind string // CollectionKind
}

// Simple reports whether the property holds a value of an Edm.* type, or a list of
// such.
func (p *Property) Simple() bool { return slices.Contains(edmTypes, p.Type) }

// uniqueKey is the unique key that the property is part of. A list or complex value is of none, whatever a schema says.
func (p *Property) uniqueKey() string {
	if p.IsList || !p.Simple() {
		return ""
	}
	return p.UniqueKey
}

// UniqueKeys are the names of the unique keys of an entity type, in the order of their first properties.
func (t *Type) UniqueKeys() (names []string) {
	for i := range t.Properties {
		if name := t.Properties[i].uniqueKey(); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Unique are the names of the properties of a unique key.
func (t *Type) Unique(key string) (properties []string) {
	for i := range t.Properties {
		if p := &t.Properties[i]; key != "" && p.uniqueKey() == key {
			properties = append(properties, p.Name)
		}
	}
	return properties
}

// IsSimple reports whether a type is an Edm.* type that properties can have.
func IsSimple(name any) bool {
	s, ok := name.(string)
	return ok && slices.Contains(edmTypes, s)
}

// Association joins two entity types; each role is {EntityType}:{end name}.
type Association struct {
	Name string
	Ends [2]AssociationEnd
}

// AssociationEnd is one side of an [Association].
type AssociationEnd struct {
	Role         string
	EntityType   string
	Multiplicity string // "0..1", "1" or "*"
}

// Many reports whether an entity of the other side can be linked to more than one
// of this side.
func (e *AssociationEnd) Many() bool { return e.Multiplicity == "*" }

var (
	odataName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{0,127}$`)
	edmTypes  = []string{"Edm.Boolean", "Edm.DateTime", "Edm.Double", "Edm.Int32", "Edm.Single", "Edm.String"}
)

// IsName reports whether a type, a property or an end can have that name.
func IsName(name string) bool { return odataName.MatchString(name) }

// EntityType returns the entity type of that name, or nil.
func (s *Schema) EntityType(name string) *Type { return typeNamed(s.EntityTypes, name) }

// ComplexType returns the complex type of that name, or nil.
func (s *Schema) ComplexType(name string) *Type { return typeNamed(s.ComplexTypes, name) }

func typeNamed(types []Type, name string) *Type {
	for i := range types {
		if types[i].Name == name {
			return &types[i]
		}
	}
	return nil
}

// Between returns the ends of the association of two entity types: from that of
// the first, to that of the second. ok is false if there is none.
func (s *Schema) Between(first, second string) (from, to *AssociationEnd, ok bool) {
	for i := range s.Associations {
		a := &s.Associations[i].Ends
		switch {
		case a[0].EntityType == first && a[1].EntityType == second:
			return &a[0], &a[1], true
		case a[1].EntityType == first && a[0].EntityType == second:
			return &a[1], &a[0], true
		}
	}
	return nil, nil, false
}

// Walk makes the schema in the order in which Personium does: complex types and
// their properties, entity types and theirs, associations. begin is called before
// each of the three is checked, made after an entity type was. The first fault, an
// [*Invalid], or the first error of the functions ends it; what was made until
// then is returned with it.
func (s *Schema) Walk(l Limits, begin func(kind string, names ...string) error, made func(entityType string) error) (*Schema, error) {
	w := &schemaWalk{limits: l.WithDefaults(), begin: begin, made: made, done: &Schema{}}
	err := w.types("ComplexType", s.ComplexTypes, &w.done.ComplexTypes)
	if err == nil {
		err = w.types("EntityType", s.EntityTypes, &w.done.EntityTypes)
	}
	for i := 0; i < len(s.Associations) && err == nil; i++ {
		err = w.association(s.Associations[i])
	}
	return w.done, err
}

type schemaWalk struct {
	limits Limits
	begin  func(kind string, names ...string) error
	made   func(entityType string) error
	done   *Schema
	ends   newNames // "{entity type}:{name}"

	complexTypes map[string]*Type // those that are done, once all are
}

// newNames are the names of one kind that were met so far.
type newNames map[string]bool

// add refuses what is no name, or not a new one.
func (n newNames) add(name string) error {
	if !odataName.MatchString(name) {
		return Invalidf("request body format error. field [Name]")
	}
	return n.addKey(name)
}

func (n newNames) addKey(key string) error {
	if n[key] {
		return &Invalid{causeExists}
	}
	n[key] = true
	return nil
}

// types makes types without properties, and then their properties.
func (w *schemaWalk) types(kind string, types []Type, done *[]Type) error {
	entity := kind == "EntityType"
	names := newNames{}
	for _, t := range types {
		if err := w.begin(kind, t.Name); err != nil {
			return err
		}
		if entity && len(*done) >= w.limits.EntityTypes {
			return &Invalid{causeManyTypes}
		}
		if err := names.add(t.Name); err != nil {
			return err
		}
		*done = append(*done, Type{Name: t.Name})
		if !entity {
			continue
		}
		if err := w.made(t.Name); err != nil {
			return err
		}
	}
	for i := range types {
		if err := w.properties(&types[i], &(*done)[i], entity); err != nil {
			return err
		}
	}
	return nil
}

// properties makes the properties of a type, as long as the limits allow.
func (w *schemaWalk) properties(t, done *Type, entity bool) error {
	names := newNames{}
	n := count{}
	for _, p := range t.Properties {
		switch p.kind {
		case "", "None", "NONE", "List":
		default:
			return Invalidf("[00_$metadata.xml] file format error.")
		}
		if err := names.add(p.Name); err != nil {
			return err
		}
		n.add(&p)
		fits := n.simple <= layers[1].simple && n.complexes <= layers[0].complexes // a complex type, wherever it is used
		if entity {
			fits = n.complexes <= layers[0].complexes && (p.Simple() || w.total(p.Type, 1, &n.below))
			fits = fits && n.simple+n.complexes+n.below <= w.limits.Properties
		}
		if !fits {
			return &Invalid{causeStructure}
		}
		done.Properties = append(done.Properties, p)
	}
	return nil
}

// count is how many properties a structure has.
type count struct{ simple, complexes, below int }

func (n *count) add(p *Property) {
	if p.Simple() {
		n.simple++
	} else {
		n.complexes++
	}
}

// total adds to n the properties of a complex type that is used at that depth. It
// is false if a layer has too many.
func (w *schemaWalk) total(name string, depth int, n *int) bool {
	if w.complexTypes == nil {
		w.complexTypes = byName(w.done.ComplexTypes)
	}
	if depth >= len(layers) {
		return false
	}
	t, c := w.complexTypes[name], count{}
	for i := range t.Properties {
		c.add(&t.Properties[i])
	}
	if c.simple > layers[depth].simple || c.complexes > layers[depth].complexes {
		return false
	}
	*n += c.simple + c.complexes
	for i := range t.Properties {
		if p := &t.Properties[i]; !p.Simple() && !w.total(p.Type, depth+1, n) {
			return false
		}
	}
	return true
}

// association makes the ends and joins them.
func (w *schemaWalk) association(a Association) error {
	if err := w.begin("Association", a.Ends[0].Role, a.Ends[1].Role); err != nil {
		return err
	}
	if w.ends == nil {
		w.ends = newNames{}
	}
	for _, e := range a.Ends {
		entity, name, ok := strings.Cut(e.Role, ":")
		if !ok || entity == "" || name == "" || strings.Contains(name, ":") {
			return Invalidf("[%s] file format error.", e.Role)
		}
		if !odataName.MatchString(name) {
			return Invalidf("request body format error. field [Name]")
		}
		if err := w.ends.addKey(e.EntityType + ":" + name); err != nil {
			return err
		}
	}
	if a.Ends[0].Multiplicity == "1" && a.Ends[1].Multiplicity == "1" {
		return &Invalid{"Cannot create $links because multiplicity is [1:1]."}
	}
	if _, _, ok := w.done.Between(a.Ends[0].EntityType, a.Ends[1].EntityType); ok {
		return &Invalid{"Relation between EntityTypes already exists."}
	}
	w.done.Associations = append(w.done.Associations, a)
	return nil
}

// Defaults of [Limits], as Personium has them by default (contract 3.11).
const (
	MaxEntityTypes = 100
	// MaxProperties bounds the properties of an entity type, those of its complex
	// types, each time they are used, and dynamic ones included.
	MaxProperties = 400
	// MaxDataLinks bounds the links of one entity to entities of one type, where
	// both sides can have many.
	MaxDataLinks = 150_000
)

const (
	causeManyTypes = "EntityType count exceeds the limit."
	causeStructure = "EntityType structure hierarchy exceeds the limit or number of properties exceeds the limit."
)

// layers bound how many simple and complex properties a structure has at each
// depth, the entity type itself being at 0; below the last there is none.
var layers = []struct{ simple, complexes int }{{MaxProperties, 20}, {50, 5}, {30, 2}, {10, 0}}
