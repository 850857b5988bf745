package odata

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"regexp"
	"strings"

	"cellar/barfs/edm"
	"cellar/barfs/install"
	"cellar/cellfs"
	"cellar/dav/answer"
)

// Change is a request that changes the entities of an OData collection.
type Change struct {
	FS     *cellfs.FS
	Path   cellfs.Path // of the collection
	URL    string      // of it, ends in a slash
	Limits edm.Limits
	// Match is the precondition of a change of an entity with that entity tag.
	Match func(etag string) error
	// Check judges the caller, and the locks, at the collection and at the path that is changed, in
	// the transaction of the change.
	Check func(tx cellfs.Tx, collection *cellfs.Place, changed cellfs.Path, there *cellfs.Node) error
	// Record adds a line to the event log: what was done, to which object below the collection.
	Record func(tx cellfs.Tx, cell int64, what, object string, status int) error
}

// idForm is the form of an __id that a client chooses for a new entity.
var idForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9-_:.@]{0,399}$`)

// create makes an entity of a set, linked with the other one if that is not nil. The answer shows it.
func (c *Change) create(set string, body []byte, other *End) (*Step, error) {
	fields, err := parseFields(body)
	if err != nil {
		return nil, err
	}
	id, err := newID(fields)
	if err != nil {
		return nil, err
	}
	var staged cellfs.Staged
	var schema *edm.Schema
	step := &Step{set: set, id: id, isNew: true}
	step.prepare = func(ctx context.Context, s *state) (err error) {
		if s.node != nil {
			return errEntityExists
		}
		schema = s.schema
		step.doc, staged, err = c.stage(ctx, s, set, fields, true)
		return err
	}
	step.apply = func(tx cellfs.Tx, s *state) error {
		name := install.DocumentName(id)
		if err := c.Check(tx, &s.place, c.Path.Join(set).Join(name), nil); err != nil {
			return err
		}
		made, err := c.FS.PutDocument(tx, &s.set, name, "application/json", staged, nil)
		if err != nil {
			return existing(err)
		}
		step.made = &made
		what := "odata.create"
		if other != nil {
			if err := c.link(tx, s, *other, End{set, id}); err != nil {
				return err
			}
			what = "odata.navprop.create"
		}
		return c.Record(tx, made.Cell, what, set+keyOf(id), 201)
	}
	step.result = func() Result { return Result{Made: c.answer(schema, set, id, *step.made)} }
	return step, nil
}

func existing(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return errEntityExists
	}
	return err
}

var errEntityExists = answer.New(answer.EntityExists)

// newID is the __id of a new entity, which it puts into the fields.
func newID(fields map[string]json.RawMessage) (id string, err error) {
	raw, given := fields["__id"]
	if !given || string(raw) == "null" {
		var b [16]byte
		rand.Read(b[:]) // never fails
		id = hex.EncodeToString(b[:])
	} else if err := json.Unmarshal(raw, &id); err != nil || !idForm.MatchString(id) {
		return "", answer.New(answer.BodyField, "__id")
	}
	fields["__id"], err = json.Marshal(id)
	return id, err
}

// parseFields reads an entity that a client sends. What the server knows of an entity is left out.
func parseFields(body []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, errJSON
	}
	for name := range fields {
		if strings.HasPrefix(name, "__") && name != "__id" {
			delete(fields, name)
		}
	}
	return fields, nil
}

// stage checks the fields of an entity by the schema and keeps them as its document. A new one gets
// the defaults.
func (c *Change) stage(ctx context.Context, s *state, set string, fields map[string]json.RawMessage, isNew bool) (doc []byte, staged cellfs.Staged, err error) {
	doc, err = json.Marshal(fields)
	if err == nil {
		err = invalid(s.schema.Checker(c.Limits).Check(set, doc))
	}
	if err == nil && isNew {
		doc, err = s.schema.WithDefaults(set, doc)
	}
	if err == nil {
		staged, err = c.FS.Stage(ctx, bytes.NewReader(doc))
	}
	return doc, staged, err
}

// replace changes an entity: all of it, or with merge the properties that are given.
func (c *Change) replace(set, id string, body []byte, merge bool) (*Step, error) {
	given, err := parseFields(body)
	if err != nil {
		return nil, err
	}
	own, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	if raw, ok := given["__id"]; ok {
		var is string
		if json.Unmarshal(raw, &is) != nil || is != id {
			return nil, answer.New(answer.BodyField, "__id")
		}
	}
	given["__id"] = own
	var staged cellfs.Staged
	step := &Step{set: set, id: id, content: merge}
	step.prepare = func(ctx context.Context, s *state) (err error) {
		if s.node == nil {
			return errNoEntity
		}
		if err := c.Match(etag(s.node)); err != nil {
			return err
		}
		fields := given
		if merge {
			fields = nil
			if err := json.Unmarshal(s.doc, &fields); err != nil {
				return err
			}
			for name, value := range given {
				fields[name] = value
			}
		}
		step.doc, staged, err = c.stage(ctx, s, set, fields, !merge)
		return err
	}
	step.apply = func(tx cellfs.Tx, s *state) error {
		if err := c.Check(tx, &s.place, c.Path.Join(set).Join(s.node.Name), s.node); err != nil {
			return err
		}
		if err := c.Match(etag(s.node)); err != nil {
			return err
		}
		n, err := c.FS.PutDocument(tx, &s.set, s.node.Name, "application/json", staged, s.node)
		if err != nil {
			return err
		}
		step.made = &n
		what := "odata.update"
		if merge {
			what = "odata.patch"
		}
		return c.Record(tx, n.Cell, what, set+keyOf(id), 204)
	}
	step.result = func() Result { return Result{ETag: etag(step.made)} }
	return step, nil
}

// maxUnlinked bounds the links that go with an entity that is deleted: each is removed by itself.
const maxUnlinked = 1000

// remove removes an entity with its links.
func (c *Change) remove(set, id string) *Step {
	return &Step{set: set, id: id, prepare: func(_ context.Context, s *state) error {
		if s.node == nil {
			return errNoEntity
		}
		return c.Match(etag(s.node))
	}, apply: func(tx cellfs.Tx, s *state) error {
		if err := c.Check(tx, &s.place, c.Path.Join(set).Join(s.node.Name), s.node); err != nil {
			return err
		}
		col, from := s.place.Node, cellfs.End{Set: set, Key: id}
		count := 0
		for i := range s.schema.EntityTypes {
			other := s.schema.EntityTypes[i].Name
			if _, _, ok := s.schema.Between(set, other); !ok {
				continue
			}
			ends, err := tx.LinksOf(col.Cell, col.ID, from, other)
			if err != nil {
				return err
			}
			if count += len(ends); count > maxUnlinked {
				return answer.New(answer.EntityInUse)
			}
			for _, end := range ends {
				if err := tx.DeleteLink(cellfs.Link{Cell: col.Cell, Node: col.ID, From: from, To: end}); err != nil {
					return err
				}
			}
		}
		if err := c.FS.RemoveDocument(tx, &s.set, s.node); err != nil {
			return err
		}
		return c.Record(tx, col.Cell, "odata.delete", set+keyOf(id), 204)
	}}
}

// keyOf is the key of an entity as URLs have it.
func keyOf(id string) string { return "('" + strings.ReplaceAll(id, "'", "''") + "')" }

// answer shows one entity.
func (c *Change) answer(schema *edm.Schema, set, id string, n cellfs.Node) *Answer {
	return &Answer{
		fs: c.FS, url: c.URL, schema: schema, request: Request{set: set, id: id, keyed: true},
		entries: []entry{{set: set, id: id, node: n}}, release: c.FS.Hold(),
	}
}

// URI is the URL of the entity that the answer shows.
func (a *Answer) URI() string { return a.uri(a.entries[0].set, a.entries[0].id) }

// invalid is the answer to what breaks the rules of a schema.
func invalid(err error) error {
	var e *edm.Invalid
	if !errors.As(err, &e) {
		return err
	}
	for _, x := range []struct {
		part string
		code answer.Code
	}{
		{" is required.", answer.RequiredProperty}, {"hierarchy exceeds", answer.ODataStructure}, {"count exceeds", answer.ODataTypes},
		{"parse error", answer.ODataJSON}, {"already exists.", answer.EntityExists}, {"[1:1]", answer.LinkMultiplicity}, {"No such entity set", answer.EntitySetNotFound},
	} {
		if strings.Contains(e.Cause, x.part) {
			return answer.With(x.code, e.Cause)
		}
	}
	return answer.With(answer.BodyField, e.Cause)
}
