package odata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"cellar/barfs/edm"
	"cellar/cellfs"
)

// row is an entity as queries see it.
type row struct {
	schema *edm.Schema
	of     *edm.Type
	node   *cellfs.Document
	fields []field
}

// parse reads the document of the entity, which must not change as long as the row is used.
func (r *row) parse(doc []byte) (err error) {
	if r.fields, err = appendFields(r.fields[:0], doc); err != nil {
		return fmt.Errorf("document %q: %w", r.node.Name, err)
	}
	return nil
}

func named(fields []field, name string) json.RawMessage {
	for i := range fields {
		if string(fields[i].name) == name {
			return fields[i].value
		}
	}
	return nil
}

// id is the entity's __id.
func (r *row) id() string {
	s, _ := plainValue(named(r.fields, "__id")).(string)
	return s
}

// value is a property as filters and orders see it: a text, a number, a bool, or nil for null, for
// what is not there, and for lists and complex values. Times are milliseconds since 1970. The names
// of a property within a complex value are separated by slashes.
func (r *row) value(property string) any {
	switch property {
	case "__published":
		return r.node.Created.UnixMilli()
	case "__updated":
		return r.node.Modified.UnixMilli()
	}
	t, fields := r.of, r.fields
	for {
		name, rest, within := strings.Cut(property, "/")
		p := propertyOf(t, name)
		raw := named(fields, name)
		if !within {
			return r.simple(p, raw)
		}
		if p == nil || p.IsList || p.Simple() {
			return nil
		}
		var err error
		if fields, err = appendFields(nil, raw); err != nil {
			return nil
		}
		t, property = r.schema.ComplexType(p.Type), rest
	}
}

func (r *row) simple(p *edm.Property, raw json.RawMessage) any {
	switch {
	case p == nil:
		return plainValue(raw)
	case p.IsList || !p.Simple():
		return nil
	case p.Type == "Edm.DateTime":
		text, _ := plainValue(raw).(string)
		if text == edm.Now {
			return r.node.Created.UnixMilli()
		}
		text = strings.TrimSuffix(strings.TrimPrefix(text, "/Date("), ")/")
		if i := strings.IndexAny(text[min(1, len(text)):], "+-"); i >= 0 { // an offset, which some clients add
			text = text[:i+1]
		}
		if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
			return ms
		}
		return nil
	}
	return plainValue(raw)
}

// plainValue is a JSON text, number or bool; nil for anything else.
func plainValue(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	switch c := raw[0]; {
	case c == '"':
		if bytes.IndexByte(raw, '\\') < 0 && len(raw) >= 2 { // nearly always
			return string(raw[1 : len(raw)-1])
		}
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return s
		}
	case c == 't' || c == 'f':
		return c == 't'
	case c == '-' || '0' <= c && c <= '9':
		if n, err := strconv.ParseFloat(string(raw), 64); err == nil {
			return n
		}
	}
	return nil
}

// contains reports whether each of the words, in small letters, is in some text of the entity.
func (r *row) contains(words []string) bool {
	for _, w := range words {
		found := false
		for _, f := range r.fields {
			if bytes.HasPrefix(f.name, []byte("__")) && string(f.name) != "__id" || f.value[0] != '"' {
				continue
			}
			s, _ := plainValue(f.value).(string)
			if found = strings.Contains(strings.ToLower(s), w); found {
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// declared is the declared property with that name, or within complex values with those names; nil if there
// is none, or if it holds more than one value.
func declared(s *edm.Schema, t *edm.Type, property string) *edm.Property {
	for {
		name, rest, within := strings.Cut(property, "/")
		p := propertyOf(t, name)
		switch {
		case p == nil || p.IsList, !within && !p.Simple():
			return nil
		case !within:
			return p
		}
		t, property = s.ComplexType(p.Type), rest
	}
}

func propertyOf(t *edm.Type, name string) *edm.Property {
	if t == nil {
		return nil
	}
	for i := range t.Properties {
		if t.Properties[i].Name == name {
			return &t.Properties[i]
		}
	}
	return nil
}

// fieldsOf says what a query can name of the entities of a type. Any name can be that of a dynamic
// property.
func fieldsOf(s *edm.Schema, t *edm.Type) Fields {
	return func(property string) (Kind, bool) {
		switch property {
		case "__id":
			return TextKind, true
		case "__published", "__updated":
			return NumberKind, true
		}
		of := t
		for {
			name, rest, within := strings.Cut(property, "/")
			p := propertyOf(of, name)
			switch {
			case !within && p == nil:
				return AnyKind, of == t && edm.IsName(name)
			case p == nil || p.IsList:
				return AnyKind, false
			case !within:
				kind, ok := kindOf[p.Type]
				return kind, ok
			}
			if of, property = s.ComplexType(p.Type), rest; of == nil {
				return AnyKind, false
			}
		}
	}
}

var kindOf = map[string]Kind{
	"Edm.String": TextKind, "Edm.Boolean": BoolKind,
	"Edm.Int32": NumberKind, "Edm.Double": NumberKind, "Edm.Single": NumberKind, "Edm.DateTime": NumberKind,
}

// document reads the content of an entity whole.
func document(c cellfs.Content) ([]byte, error) {
	if b, ok := c.(interface{ Bytes() []byte }); ok {
		return b.Bytes(), nil
	}
	return io.ReadAll(c)
}
