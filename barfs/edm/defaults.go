package edm

import (
	"bytes"
	"encoding/json"
	"maps"
)

// Now, as a value or a default of an Edm.DateTime, is the time when the entity was
// made.
const Now = "SYSUTCDATETIME()"

// WithDefaults returns the document of a new entity of that type with the default of
// each declared property that it lacks or has as null, within complex values, too. A
// default counts when an entity is made; of one that was made before the property was
// declared the property is null.
func (s *Schema) WithDefaults(entityType string, doc []byte) ([]byte, error) {
	t := s.EntityType(entityType)
	if t == nil {
		return doc, nil
	}
	return s.fill(t, doc)
}

func (s *Schema) fill(t *Type, doc []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(doc, &fields); err != nil || fields == nil {
		return doc, err
	}
	before := maps.Clone(fields)
	for i := range t.Properties {
		p := &t.Properties[i]
		value := fields[p.Name]
		if value == nil || string(value) == "null" {
			if value = p.byDefault(); value != nil {
				fields[p.Name] = value
			}
			continue
		}
		if c := s.ComplexType(p.Type); c != nil {
			filled, err := s.fillComplex(c, p, value)
			if err != nil {
				return nil, err
			}
			fields[p.Name] = filled
		}
	}
	if maps.EqualFunc(before, fields, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
		return doc, nil // as it came
	}
	return marshal(fields)
}

func (s *Schema) fillComplex(c *Type, p *Property, value json.RawMessage) (json.RawMessage, error) {
	if !p.IsList {
		return s.fill(c, value)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(value, &list); err != nil {
		return nil, err
	}
	changed := false
	for i := range list {
		filled, err := s.fill(c, list[i])
		if err != nil {
			return nil, err
		}
		changed = changed || string(filled) != string(list[i])
		list[i] = filled
	}
	if !changed {
		return value, nil
	}
	return marshal(list)
}

// byDefault is the default as a document has it; nil for none.
func (p *Property) byDefault() json.RawMessage {
	if p.Default == nil || p.IsList || !p.Simple() {
		return nil
	}
	if p.Type != "Edm.String" && p.Type != "Edm.DateTime" && json.Valid([]byte(*p.Default)) {
		return json.RawMessage(*p.Default)
	}
	text, _ := json.Marshal(*p.Default) // a string cannot fail
	return text
}

// marshal is [json.Marshal], but leaves text as it is: documents hold no HTML.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}
