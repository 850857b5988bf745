package odata

import (
	"context"
	"net/url"
	"slices"

	"cellar/barfs/edm"
	"cellar/cellfs"
	"cellar/cellfs/control"
)

// ReadSchema answers GET below $metadata: segments are what follows it.
func (c *Change) ReadSchema(ctx context.Context, segments []string, options url.Values) (a SchemaAnswer, err error) {
	if len(segments) == 1 && segments[0] == schemaFile {
		return SchemaAnswer{Text: Metadata("ODataSvcSchema", schemaSets)}, nil
	}
	r, err := ParseControl(segments, schemaSet)
	if err != nil {
		return a, err
	}
	listed := r.Set
	if r.Other != nil {
		listed = r.Other
	}
	query, err := ParseQuery(options, Among(Properties(listed)), nil, r.Keyed && r.Other == nil)
	if err != nil {
		return a, err
	}
	var s *collection
	err = c.FS.View(ctx, func(tx cellfs.Tx) error {
		s, err = c.open(ctx, tx)
		return err
	})
	if err != nil {
		return a, err
	}
	base := c.URL + schemaFile + "/"
	all := schemaObjects(s.schema, listed, s.schemaNode)
	if r.Keyed {
		of := schemaObjects(s.schema, r.Set, s.schemaNode)
		i := slices.IndexFunc(of, func(o control.Object) bool { return has(&o, r.Key) })
		if i < 0 {
			return a, errNoEntity
		}
		if r.Other == nil {
			return SchemaAnswer{Value: One(base, &of[i], query.Select), ETag: ObjectETag(&of[i])}, nil
		}
		if all, err = relatedParts(s.schema, &of[i], all); err != nil {
			return a, err
		}
	}
	page, total := Apply(&query, all, ObjectValues)
	if r.Links {
		return SchemaAnswer{Value: LinkList(base, page, &query, total)}, nil
	}
	return SchemaAnswer{Value: List(base, page, &query, total)}, nil
}

// relatedParts are those of the objects of a set that belong to the object, that it belongs to, or
// that it is associated with.
func relatedParts(s *edm.Schema, o *control.Object, all []control.Object) (kept []control.Object, err error) {
	for _, x := range all {
		related := false
		switch {
		case o.Set.Name == setEnd && x.Set.Name == setEnd:
			a := s.AssociationOf(roleOf(o.Values))
			related = a != nil && !has(&x, o.Values) && s.AssociationOf(roleOf(x.Values)) == a
		case x.Values[ofEntityType] != nil && o.Set.Name == setEntityType:
			related = x.Values[ofEntityType] == o.Values["Name"]
		case x.Values[ofComplexType] != nil && o.Set.Name == setComplexType:
			related = x.Values[ofComplexType] == o.Values["Name"]
		case x.Set.Name == setEntityType && o.Values[ofEntityType] != nil:
			related = x.Values["Name"] == o.Values[ofEntityType]
		case x.Set.Name == setComplexType && o.Values[ofComplexType] != nil:
			related = x.Values["Name"] == o.Values[ofComplexType]
		default:
			return nil, errNoNavigation
		}
		if related {
			kept = append(kept, x)
		}
	}
	return kept, nil
}

func roleOf(v control.Values) string {
	entityType, _ := v[ofEntityType].(string)
	name, _ := v["Name"].(string)
	return entityType + ":" + name
}
