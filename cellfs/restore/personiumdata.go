package restore

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"cellar/cellfs"
)

// dataEntity is an entity that was made.
type dataEntity struct {
	typ *dataType
	id  string // its __id
}

// finish makes the documents of user data and the links between them.
func (s *personium) finish(r *restorer) error {
	if err := s.readSchemas(); err != nil {
		return err
	}
	for node, d := range s.schemas {
		if d.col == nil {
			return damaged(d.where, "there is no OData collection with the id %q", node)
		}
	}
	if s.countContents() != s.contents {
		return damaged(webdavDir, "a collection has a content")
	}
	made, err := s.userData(r)
	if err != nil {
		return err
	}
	if err := r.awaitPage(); err != nil { // the collections have their ids
		return err
	}
	return s.dataLinks(r, made)
}

// userData makes the documents, and returns them by their internal ids.
func (s *personium) userData(r *restorer) (map[string]dataEntity, error) {
	made := map[string]dataEntity{}
	ids := 0
	page := r.documents()
	err := s.objectsOf(userDataFile, "UserData", func(o *object, where string) error {
		t := s.types[o.Source.Entity]
		if t == nil || t.node != o.node() {
			return damaged(where, "its collection has no entity type with the id %q", o.Source.Entity)
		}
		if _, there := made[o.ID]; there {
			return damaged(where, "the id %q is there twice", o.ID)
		}
		doc, err := t.document(o)
		if err != nil {
			return damaged(where, "%v", err)
		}
		id, err := o.text("__id")
		if err != nil {
			return damaged(where, "%v", err)
		}
		l := entityLine{Name: r.o.DocumentName(id), Created: micros(o.Source.Published), Modified: micros(o.Source.Updated), Version: 1, Doc: doc}
		if _, err := r.document(&l); err != nil {
			return damaged(where, "%v", err)
		}
		if ids += len(o.ID) + len(id); ids > maxIDBytes {
			return tooLarge("ids of documents of more than %d bytes", maxIDBytes)
		}
		made[o.ID] = dataEntity{t, id}
		r.step()
		return page.entity(t.set, &l, where)
	})
	if err != nil {
		return nil, err
	}
	return made, page.flush()
}

// document turns a line into the document that clients see. Personium keeps declared and
// other properties under aliases, booleans and doubles as text, and times as numbers.
func (t *dataType) document(o *object) (json.RawMessage, error) {
	doc := map[string]json.RawMessage{}
	for name, value := range o.Source.Dynamic {
		doc[name] = value
	}
	if err := t.named(o.Source.Static, doc, 0); err != nil {
		return nil, err
	}
	return plain(doc)
}

// named adds the values of a document, or of a complex value at that depth of it, under
// their names.
func (t *dataType) named(values, doc map[string]json.RawMessage, depth int) (err error) {
	for stored, value := range values {
		p := t.stored[stored]
		switch {
		case stored == "__id":
			doc[stored] = value
		case p != nil:
			if doc[p.Name], err = t.value(p, value, depth); err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
		case !strings.HasPrefix(stored, "_"): // those the server makes up
			doc[stored] = value
		}
	}
	return nil
}

// value gives a value of a property its form.
func (t *dataType) value(p *dataProperty, raw json.RawMessage, depth int) (json.RawMessage, error) {
	if string(raw) == "null" {
		return raw, nil
	}
	if !p.IsList {
		return t.single(p, raw, depth)
	}
	out := []byte("[")
	err := eachValue(raw, func(value json.RawMessage) error {
		value, err := t.single(p, value, depth)
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, value...)
		return err
	})
	return append(out, ']'), err
}

func (t *dataType) single(p *dataProperty, raw json.RawMessage, depth int) (json.RawMessage, error) {
	if string(raw) == "null" {
		return raw, nil
	}
	if !p.Simple() {
		return t.complexValue(p, raw, depth+1)
	}
	switch p.Type {
	case "Edm.Boolean", "Edm.Double", "Edm.Single", "Edm.Int32":
		var text string
		if json.Unmarshal(raw, &text) == nil && text != "" && json.Valid([]byte(text)) {
			return json.RawMessage(text), nil
		}
	case "Edm.DateTime":
		var ms int64
		if json.Unmarshal(raw, &ms) == nil {
			return json.RawMessage(`"/Date(` + strconv.FormatInt(ms, 10) + `)/"`), nil
		}
	}
	return raw, nil
}

// complexDepth is how deep complex values lie in each other at most: Personium makes no
// deeper types (barfs has the same limit). Each level is decoded anew.
const complexDepth = 3

func (t *dataType) complexValue(p *dataProperty, raw json.RawMessage, depth int) (json.RawMessage, error) {
	if depth > complexDepth {
		return nil, fmt.Errorf("complex values lie in each other deeper than %d", complexDepth)
	}
	c := t.schema.complex[p.Type]
	if c == nil {
		return nil, fmt.Errorf("there is no complex type %q", p.Type)
	}
	var values members
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, err
	}
	doc := map[string]json.RawMessage{}
	if err := c.named(values, doc, depth); err != nil {
		return nil, err
	}
	return marshal(doc)
}

// dataLinks makes the links of user data: those where both sides can have many are
// lines of their own, the others are in the line of one side, or of both.
func (s *personium) dataLinks(r *restorer, made map[string]dataEntity) error {
	page := linkPage{r: r}
	known := map[digest]bool{}
	add := func(from, to string, types [2]string, where string) error {
		a, ok1 := made[from]
		b, ok2 := made[to]
		if !ok1 || !ok2 || a.typ.node != b.typ.node || a.typ.id != types[0] || b.typ.id != types[1] {
			return damaged(where, "there is no entity %q or no entity %q", from, to)
		}
		pair := digestOf(min(from, to), max(from, to))
		if known[pair] {
			return nil
		}
		known[pair] = true
		return page.add(cellfs.Link{Cell: r.o.Cell.ID, Node: a.typ.schema.col.here.id,
			From: cellfs.End{Set: a.typ.name, Key: a.id}, To: cellfs.End{Set: b.typ.name, Key: b.id}}, where)
	}
	err := s.objectsOf(userDataFile, "UserData", func(o *object, where string) error {
		for _, l := range o.Source.DataLinks {
			typ, id, _ := strings.Cut(l, ":")
			if err := add(o.ID, id, [2]string{o.Source.Entity, typ}, where); err != nil {
				return err
			}
		}
		for typ, id := range o.Source.Links { // an older form
			if id == nil {
				continue
			}
			if err := add(o.ID, *id, [2]string{o.Source.Entity, typ}, where); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = s.objectsOf(linkFile, "link", func(o *object, where string) error {
		if o.node() == "" {
			return nil // of control objects
		}
		return add(o.Source.Key1, o.Source.Key2, [2]string{o.Source.Type1, o.Source.Type2}, where)
	})
	if err != nil {
		return err
	}
	return page.flush()
}
