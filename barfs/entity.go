package barfs

import (
	"encoding/json"
	"math"
	"regexp"
	"strings"
)

// maxText is the longest string value of a property, in bytes
// (bars/NOTES.md §7).
const maxText = 51_200

// dateTime is a value of Edm.DateTime in JSON.
var dateTime = regexp.MustCompile(`^/Date\((-?[0-9]+)([+-][0-9]+)?\)/$`)

// CheckEntity returns an [*Invalid] unless doc, a JSON object, fits the entity
// type: declared properties have their types, those that must not be null are
// there or have a default, and dynamic ones have proper names and plain values.
func (s *Schema) CheckEntity(entityType string, doc []byte) error {
	t := s.EntityType(entityType)
	if t == nil {
		return &Invalid{CauseNoEntitySet}
	}
	return s.checkObject(t, doc, true)
}

func (s *Schema) checkObject(t *Type, raw json.RawMessage, open bool) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return &Invalid{CauseParse}
	}
	for _, p := range t.Properties {
		value, given := fields[p.Name]
		delete(fields, p.Name)
		if !given || string(value) == "null" {
			if !p.Nullable && (given || p.Default == nil) {
				return Invalidf("[%s] is required.", p.Name)
			}
			continue
		}
		if err := s.checkValue(p, value); err != nil {
			return err
		}
	}
	for name, value := range fields {
		if strings.HasPrefix(name, "__") {
			continue // what the server makes up
		}
		if !open || !odataName.MatchString(name) || value[0] == '{' || value[0] == '[' {
			return Invalidf("request body format error. field [%s]", name)
		}
	}
	return nil
}

func (s *Schema) checkValue(p Property, value json.RawMessage) error {
	values := []json.RawMessage{value}
	if p.IsList {
		values = nil
		if err := json.Unmarshal(value, &values); err != nil {
			return Invalidf("request body format error. field [%s]", p.Name)
		}
	}
	for _, v := range values {
		if i := complexIndex(s.ComplexTypes, p.Type); i >= 0 {
			if err := s.checkObject(&s.ComplexTypes[i], v, false); err != nil {
				return err
			}
		} else if !fitsEdm(p.Type, v) {
			return Invalidf("request body format error. field [%s]", p.Name)
		}
	}
	return nil
}

func complexIndex(types []Type, name string) int {
	for i := range types {
		if types[i].Name == name {
			return i
		}
	}
	return -1
}

func fitsEdm(edm string, raw json.RawMessage) bool {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return false
	}
	switch edm {
	case "Edm.Boolean":
		_, ok := v.(bool)
		return ok
	case "Edm.String":
		s, ok := v.(string)
		return ok && len(s) <= maxText
	case "Edm.Int32":
		n, ok := v.(float64)
		return ok && n == math.Trunc(n) && math.Abs(n) <= math.MaxInt32
	case "Edm.DateTime":
		s, ok := v.(string)
		return ok && dateTime.MatchString(s)
	}
	_, ok := v.(float64) // Edm.Double, Edm.Single
	return ok
}
