package edm

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// maxText is the longest string value of a property, in bytes
// (contract 3.11).
const maxText = 51_200

// Checker checks the entities of one collection, one after the other: properties
// that no entity type declares count for those that follow. It serves one
// goroutine.
type Checker struct {
	limit        int
	complexTypes map[string]*Type
	entityTypes  map[string]*checked
}

// checked is an entity type with what its entities added to it.
type checked struct {
	*Type
	properties int             // declared ones, those of complex types included
	dynamic    map[string]bool // names that were met in entities
}

// Checker returns a checker for the collection that has this schema.
func (s *Schema) Checker(l Limits) *Checker {
	c := &Checker{limit: l.WithDefaults().Properties, complexTypes: byName(s.ComplexTypes), entityTypes: map[string]*checked{}}
	w := &schemaWalk{complexTypes: c.complexTypes}
	for i := range s.EntityTypes {
		t := &checked{Type: &s.EntityTypes[i], dynamic: map[string]bool{}}
		for j := range t.Properties {
			t.properties++
			if p := &t.Properties[j]; !p.Simple() {
				w.total(p.Type, 1, &t.properties)
			}
		}
		c.entityTypes[t.Name] = t
	}
	return c
}

// Has reports whether there is an entity type of that name.
func (c *Checker) Has(entityType string) bool { return c.entityTypes[entityType] != nil }

// Check returns an [*Invalid] unless doc, a JSON object, fits the entity type:
// declared properties have their types, those that must not be null are there or
// have a default, and dynamic ones have proper names and plain values.
func (c *Checker) Check(entityType string, doc []byte) error {
	t := c.entityTypes[entityType]
	if t == nil {
		return &Invalid{causeNoEntitySet}
	}
	dynamic, err := c.object(t.Type, doc)
	if err != nil {
		return err
	}
	added := 0
	for name, value := range dynamic {
		if err := checkDynamic(name, value); err != nil {
			return err
		}
		if !t.dynamic[name] {
			added++
		}
	}
	if added == 0 {
		return nil
	}
	if t.properties+len(t.dynamic)+added > c.limit {
		return &Invalid{causeStructure}
	}
	for name := range dynamic {
		t.dynamic[name] = true
	}
	return nil
}

// object checks the declared properties and returns the others.
func (c *Checker) object(t *Type, raw json.RawMessage) (others map[string]json.RawMessage, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return nil, &Invalid{causeParse}
	}
	for i := range t.Properties {
		p := &t.Properties[i]
		value, given := fields[p.Name]
		delete(fields, p.Name)
		if !given || string(value) == "null" { // null asks for the default, too
			if !p.Nullable && (p.Default == nil || p.IsList || !p.Simple()) {
				return nil, Invalidf("[%s] is required.", p.Name)
			}
			continue
		}
		if err := c.value(p, value); err != nil {
			return nil, err
		}
	}
	for name := range fields {
		if strings.HasPrefix(name, "__") { // what the server makes up
			delete(fields, name)
		}
	}
	return fields, nil
}

func (c *Checker) value(p *Property, value json.RawMessage) error {
	values := []json.RawMessage{value}
	if p.IsList {
		values = nil
		if err := json.Unmarshal(value, &values); err != nil {
			return wrongField(p.Name)
		}
	}
	for _, v := range values {
		if t := c.complexTypes[p.Type]; t != nil {
			others, err := c.object(t, v)
			if err != nil {
				return err
			}
			for name := range others {
				return wrongField(name) // complex types are closed
			}
		} else if !fitsEdm(p.Type, v) {
			return wrongField(p.Name)
		}
	}
	return nil
}

func wrongField(name string) error { return Invalidf("request body format error. field [%s]", name) }

// checkDynamic checks a property that is not declared: null, or one plain value.
func checkDynamic(name string, value json.RawMessage) error {
	fits := true
	switch value[0] {
	case '{', '[':
		fits = false
	case '"':
		fits = fitsEdm("Edm.String", value)
	case 'n', 't', 'f':
	default:
		fits = fitsEdm("Edm.Double", value)
	}
	if !fits || !odataName.MatchString(name) {
		return wrongField(name)
	}
	return nil
}

// dateTime is a value of Edm.DateTime in JSON: milliseconds, and an offset that
// some clients add.
var dateTime = regexp.MustCompile(`^/Date\((-?[0-9]+)([+-][0-9]+)?\)/$`)

// The range of Edm.DateTime, in milliseconds: from 1753 to 9999.
const (
	minDateTime = -6_847_804_800_000
	maxDateTime = 253_402_300_799_999
)

// The range of Edm.Double beside 0.
const (
	minDouble = 2.23e-308
	maxDouble = 1.79e+308
)

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
		return ok && n == math.Trunc(n) && n >= math.MinInt32 && n <= math.MaxInt32
	case "Edm.DateTime":
		s, _ := v.(string)
		m := dateTime.FindStringSubmatch(s)
		if m == nil {
			return s == Now
		}
		ms, err := strconv.ParseInt(m[1], 10, 64)
		return err == nil && ms >= minDateTime && ms <= maxDateTime
	case "Edm.Double":
		n, ok := v.(float64)
		return ok && (n == 0 || math.Abs(n) >= minDouble && math.Abs(n) <= maxDouble)
	}
	n, ok := v.(float64) // Edm.Single
	return ok && math.Abs(n) <= math.MaxFloat32
}
