package odata

import (
	"bytes"
	"context"
	"slices"

	"cellar/barfs/edm"
	"cellar/cellfs"
	"cellar/cellfs/control"
	"cellar/dav/answer"
)

// SchemaAnswer is an answer about the schema of a collection.
type SchemaAnswer struct {
	Value    any    // as JSON; nil: the answer has no body
	Text     []byte // an XML document in the place of JSON
	ETag     string
	Location string // of what was made
}

// schemaEdit is a change of a schema: of its text, of the collections of its entity types, and of what
// the data must be like for it.
type schemaEdit struct {
	edit  func(*edm.Schema) error
	check func(tx cellfs.Tx, s *state) error // nil: nothing
	made  string                             // an entity type that is new; "" for none
	gone  string                             // one that goes
}

// ChangeSchema answers POST, PUT, MERGE and DELETE below $metadata.
func (c *Change) ChangeSchema(ctx context.Context, method string, segments []string, body func() ([]byte, error), below func(uri string) (string, bool)) (a SchemaAnswer, err error) {
	r, err := ParseControl(segments, schemaSet)
	if err != nil {
		return a, err
	}
	ends := r.Links && r.Set.Name == setEnd && r.Other.Name == setEnd
	switch {
	case method == "POST" && !r.Keyed && r.Other == nil:
		return c.createPart(ctx, r.Set, body)
	case (method == "PUT" || method == "MERGE") && r.Keyed && r.Other == nil:
		return c.updatePart(ctx, &r, method == "MERGE", body)
	case method == "DELETE" && r.Keyed && r.Other == nil:
		return a, c.deletePart(ctx, &r)
	case method == "POST" && ends && !r.OtherKeyed:
		text, err := body()
		if err != nil {
			return a, err
		}
		if r.OtherKey, err = ParseLink(text, below, r.Other); err != nil {
			return a, err
		}
		return a, c.associate(ctx, &r)
	case method == "DELETE" && ends && r.OtherKeyed:
		return a, c.dissociate(ctx, &r)
	}
	return a, ErrMethod
}

func (c *Change) createPart(ctx context.Context, set *control.Set, body func() ([]byte, error)) (a SchemaAnswer, err error) {
	v, err := partOf(set, body, nil)
	if err != nil {
		return a, err
	}
	e := schemaEdit{}
	name, _ := v["Name"].(string)
	switch set.Name {
	case setEntityType:
		e.made = name
		e.edit = func(s *edm.Schema) error {
			s.EntityTypes = append(s.EntityTypes, edm.Type{Name: name})
			return nil
		}
	case setComplexType:
		e.edit = func(s *edm.Schema) error {
			s.ComplexTypes = append(s.ComplexTypes, edm.Type{Name: name})
			return nil
		}
	case setProperty, setComplexProp:
		p := propertyFrom(v)
		e.edit = func(s *edm.Schema) error {
			t, err := ownerOf(s, v)
			if err == nil {
				t.Properties = append(t.Properties, p)
			}
			return err
		}
		if !p.Nullable && p.Default == nil || p.UniqueKey != "" { // what is there lacks it
			e.check = func(tx cellfs.Tx, s *state) error { return noData(tx, s, v) }
		}
	case setEnd:
		e.edit = func(s *edm.Schema) error {
			entityType, _ := v[ofEntityType].(string)
			multiplicity, _ := v["Multiplicity"].(string)
			if s.EntityType(entityType) == nil {
				return answer.New(answer.RelatedEntity, ofEntityType)
			}
			s.Ends = append(s.Ends, edm.NewEnd(entityType, name, multiplicity))
			return nil
		}
	}
	o := control.Object{Set: set, Values: v}
	n, err := c.editSchema(ctx, e, "odataschema."+set.Name+".create", ObjectKey(&o), 201)
	if err != nil {
		return a, err
	}
	o.Version, o.Created, o.Updated = n.Version, n.Created, n.Modified
	base := c.URL + schemaFile + "/"
	return SchemaAnswer{Value: One(base, &o, nil), ETag: ObjectETag(&o), Location: URI(base, &o)}, nil
}

// partOf reads an object of the schema. before are the values that a MERGE keeps.
func partOf(set *control.Set, body func() ([]byte, error), before control.Values) (control.Values, error) {
	text, err := body()
	if err != nil {
		return nil, err
	}
	given, err := ParseObject(text, set)
	if err != nil {
		return nil, err
	}
	v, err := set.Complete(given, before)
	switch {
	case err != nil:
		return nil, err
	case v["IsKey"] == true: // the key is __id
		return nil, answer.New(answer.QueryUnsupported, "IsKey")
	case v["UniqueKey"] != nil && (v["CollectionKind"] == "List" || !edm.IsSimple(v["Type"])):
		return nil, answer.New(answer.BodyField, "UniqueKey")
	case v["IsDeclared"] == false:
		return nil, answer.New(answer.BodyField, "IsDeclared")
	}
	return v, nil
}

// ownerOf is the type that a property belongs to.
func ownerOf(s *edm.Schema, v control.Values) (*edm.Type, error) {
	property, t := ofEntityType, (*edm.Type)(nil)
	if name, ok := v[ofEntityType].(string); ok {
		t = s.EntityType(name)
	} else if name, ok := v[ofComplexType].(string); ok {
		property, t = ofComplexType, s.ComplexType(name)
	}
	if t == nil {
		return nil, answer.New(answer.RelatedEntity, property)
	}
	return t, nil
}

// noData returns an error if there are entities of the type that a property belongs to, or of one that
// uses it.
func noData(tx cellfs.Tx, s *state, v control.Values) error {
	complexType, _ := v[ofComplexType].(string)
	for i := range s.schema.EntityTypes {
		t := &s.schema.EntityTypes[i]
		if t.Name != v[ofEntityType] && (complexType == "" || !s.schema.Uses(t, complexType)) {
			continue
		}
		set, err := tx.Child(s.place.Node.ID, t.Name)
		if err != nil {
			return err
		}
		some, _, err := tx.Children(set.ID, cellfs.Page{Limit: 1, Props: cellfs.PropNames{}})
		if err != nil {
			return err
		}
		if len(some) > 0 {
			return answer.New(answer.EntityInUse)
		}
	}
	return nil
}

func (c *Change) updatePart(ctx context.Context, r *ControlRequest, merge bool, body func() ([]byte, error)) (a SchemaAnswer, err error) {
	if r.Set.Name != setProperty && r.Set.Name != setComplexProp {
		return a, ErrMethod // a type keeps its name, and an end what it allows
	}
	text, err := body()
	if err != nil {
		return a, err
	}
	widens := true
	e := schemaEdit{edit: func(s *edm.Schema) error {
		t, err := ownerOf(s, r.Key)
		if err != nil {
			return errNoEntity
		}
		name, _ := r.Key["Name"].(string)
		i := slices.IndexFunc(t.Properties, func(p edm.Property) bool { return p.Name == name })
		if i < 0 {
			return errNoEntity
		}
		owner := r.Set.Key[1]
		old := propertyValues(owner, t.Name, &t.Properties[i])
		before := control.Values(nil)
		if merge {
			before = old
		}
		v, err := partOf(r.Set, func() ([]byte, error) { return text, nil }, before)
		if err != nil {
			return err
		}
		if v["Name"] != r.Key["Name"] || v[owner] != r.Key[owner] {
			return answer.New(answer.BodyField, "Name")
		}
		p := propertyFrom(v)
		widens = edm.Widens(t.Properties[i].Type, p.Type) && p.IsList == t.Properties[i].IsList && (p.Nullable || !t.Properties[i].Nullable) && (p.UniqueKey == "" || p.UniqueKey == t.Properties[i].UniqueKey)
		t.Properties[i] = p
		return nil
	}, check: func(tx cellfs.Tx, s *state) error {
		if widens {
			return nil
		}
		return noData(tx, s, r.Key)
	}}
	o := control.Object{Set: r.Set, Values: r.Key}
	n, err := c.editSchema(ctx, e, "odataschema."+r.Set.Name+".update", ObjectKey(&o), 204)
	o.Version, o.Updated = n.Version, n.Modified
	return SchemaAnswer{ETag: ObjectETag(&o)}, err
}

func (c *Change) deletePart(ctx context.Context, r *ControlRequest) error {
	name, _ := r.Key["Name"].(string)
	e := schemaEdit{}
	remove := func(types *[]edm.Type) error {
		i := slices.IndexFunc(*types, func(t edm.Type) bool { return t.Name == name })
		if i < 0 {
			return errNoEntity
		}
		*types = slices.Delete(*types, i, i+1)
		return nil
	}
	switch r.Set.Name {
	case setEntityType:
		e.gone = name
		e.edit = func(s *edm.Schema) error {
			for _, end := range allEnds(s) {
				if end.EntityType == name {
					return answer.New(answer.EntityInUse)
				}
			}
			return remove(&s.EntityTypes)
		}
		e.check = func(tx cellfs.Tx, s *state) error { return noData(tx, s, control.Values{ofEntityType: name}) }
	case setComplexType:
		e.edit = func(s *edm.Schema) error {
			for _, t := range slices.Concat(s.EntityTypes, s.ComplexTypes) {
				if s.Uses(&t, name) {
					return answer.New(answer.EntityInUse)
				}
			}
			return remove(&s.ComplexTypes)
		}
	case setProperty, setComplexProp:
		e.edit = func(s *edm.Schema) error {
			t, err := ownerOf(s, r.Key)
			if err != nil {
				return errNoEntity
			}
			n := len(t.Properties)
			t.Properties = slices.DeleteFunc(t.Properties, func(p edm.Property) bool { return p.Name == name })
			if len(t.Properties) == n {
				return errNoEntity
			}
			return nil
		}
		e.check = func(tx cellfs.Tx, s *state) error { return noData(tx, s, r.Key) }
	case setEnd:
		role := roleOf(r.Key)
		e.edit = func(s *edm.Schema) error {
			if s.AssociationOf(role) != nil {
				return answer.New(answer.EntityInUse)
			}
			n := len(s.Ends)
			s.Ends = slices.DeleteFunc(s.Ends, func(e edm.AssociationEnd) bool { return e.Role == role })
			if len(s.Ends) == n {
				return errNoEntity
			}
			return nil
		}
	}
	_, err := c.editSchema(ctx, e, "odataschema."+r.Set.Name+".delete", FormatKey(r.Set.Name, r.Set.Key, r.Key), 204)
	return err
}

// associate joins two ends: entities of their types can be linked from then on.
func (c *Change) associate(ctx context.Context, r *ControlRequest) error {
	first, second := roleOf(r.Key), roleOf(r.OtherKey)
	_, err := c.editSchema(ctx, schemaEdit{edit: func(s *edm.Schema) error {
		var a edm.Association
		for i, role := range []string{first, second} {
			at := slices.IndexFunc(s.Ends, func(e edm.AssociationEnd) bool { return e.Role == role })
			switch {
			case at < 0 && s.AssociationOf(role) != nil:
				return answer.New(answer.LinkExists)
			case at < 0 && i == 0:
				return errNoEntity
			case at < 0:
				return ErrLinkURI
			}
			a.Ends[i] = s.Ends[at]
			s.Ends = slices.Delete(s.Ends, at, at+1)
			a.Name += map[int]string{0: "", 1: "-"}[i] + a.Ends[i].EntityType + "-" + a.Ends[i].Name()
		}
		s.Associations = append(s.Associations, a)
		return nil
	}}, "odataschema.AssociationEnd.links.AssociationEnd.create", linkObject(r), 204)
	return err
}

// dissociate separates two ends between whose types no entities are linked.
func (c *Change) dissociate(ctx context.Context, r *ControlRequest) error {
	first, second := roleOf(r.Key), roleOf(r.OtherKey)
	_, err := c.editSchema(ctx, schemaEdit{edit: func(s *edm.Schema) error {
		a := s.AssociationOf(first)
		if a == nil || first == second || s.AssociationOf(second) != a {
			return errNoEntity
		}
		s.Ends = append(s.Ends, a.Ends[:]...)
		s.Associations = slices.DeleteFunc(s.Associations, func(x edm.Association) bool { return x.Name == a.Name && x.Ends == a.Ends })
		return nil
	}, check: func(tx cellfs.Tx, s *state) error {
		links, err := tx.Links(s.place.Node.Cell, s.place.Node.ID)
		if err != nil {
			return err
		}
		a := s.schema.AssociationOf(first)
		if a == nil {
			return errRetry
		}
		of := []string{a.Ends[0].EntityType, a.Ends[1].EntityType}
		for _, l := range links {
			if slices.Equal(of, []string{l.From.Set, l.To.Set}) || slices.Equal(of, []string{l.To.Set, l.From.Set}) {
				return answer.New(answer.EntityInUse)
			}
		}
		return nil
	}}, "odataschema.AssociationEnd.links.AssociationEnd.delete", linkObject(r), 204)
	return err
}

func linkObject(r *ControlRequest) string {
	return FormatKey(r.Set.Name, r.Set.Key, r.Key) + "/$links/_" + FormatKey(r.Other.Name, r.Other.Key, r.OtherKey)
}

// editSchema makes the change, and returns the node that keeps the schema now.
func (c *Change) editSchema(ctx context.Context, e schemaEdit, what, object string, status int) (made cellfs.Node, err error) {
	var staged cellfs.Staged
	var edited *edm.Schema
	_, err = c.Run(ctx, &Step{prepare: func(ctx context.Context, s *state) error {
		if edited, err = s.schema.Edited(c.Limits, e.edit); err != nil {
			return invalid(err)
		}
		staged, err = c.FS.Stage(ctx, bytes.NewReader(edited.EDMX()))
		return err
	}, apply: func(tx cellfs.Tx, s *state) error {
		col := s.place.Node
		if err := c.Check(tx, &s.place, c.Path.Join(schemaFile), s.schemaNode); err != nil {
			return err
		}
		if e.check != nil {
			if err := e.check(tx, s); err != nil {
				return err
			}
		}
		if made, err = c.FS.PutDocument(tx, col, schemaFile, "application/xml", staged, s.schemaNode); err != nil {
			return existing(err)
		}
		if err := s.dropStale(tx, edited); err != nil {
			return err
		}
		if e.made != "" {
			if _, err := c.FS.AddSet(tx, col, e.made); err != nil {
				return existing(err)
			}
		}
		if e.gone != "" {
			set, err := tx.Child(col.ID, e.gone)
			if err == nil {
				err = c.FS.RemoveDocument(tx, col, &set)
			}
			if err != nil {
				return err
			}
		}
		return c.Record(tx, col.Cell, what, schemaFile+"/"+object, status)
	}})
	return made, err
}
