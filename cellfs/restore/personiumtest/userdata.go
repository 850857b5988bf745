package personiumtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// UserData is an entity of user OData.
type UserData struct {
	*Entity
	kind *EntityType
}

// Key is the __id, by which clients know the entity. The internal id is another.
func (u *UserData) Key() string { return u.s["__id"].(string) }

// Add adds an entity. Keys of doc are plain property names, and "__id", which
// otherwise gets 32 hex digits. Values are those of JSON, time.Time for
// Edm.DateTime, map[string]any for complex types and []any for lists; how they are
// stored is up to this method:
//
//   - under the alias of the property;
//   - booleans and doubles as text, also in lists;
//   - points in time as epoch milliseconds;
//   - a declared property that is not given as its default, or null;
//   - a property that was never declared gets a Property document with IsDeclared
//     false, of type Edm.Double, Edm.Boolean or, numbers without a fraction
//     included, Edm.String.
func (t *EntityType) Add(doc map[string]any) *UserData {
	u := &UserData{Entity: t.odata.entity("UserData"), kind: t}
	u.etype = t.id
	u.s["__id"] = t.cell.hexID()
	for _, name := range hashOrder(doc) {
		if t.properties[name] == nil && name != "__id" {
			t.declare(name, doc[name])
		}
	}
	for _, name := range t.properties.names() {
		p := t.properties[name]
		if value, ok := p.stored(name, doc); ok {
			u.s[p.alias] = value
		}
	}
	if id, ok := doc["__id"]; ok {
		u.s["__id"] = id
	}
	return u
}

// declare adds the document of a dynamic property.
func (t *EntityType) declare(name string, value any) {
	typ := "Edm.String"
	switch value.(type) {
	case bool:
		typ = "Edm.Boolean"
	case float64:
		typ = "Edm.Double"
	}
	t.AddProperty(name, typ).s["IsDeclared"] = false
}

// stored is the value of a property in a document that is being stored; a dynamic
// property has none unless it is given.
func (p *Property) stored(name string, doc map[string]any) (any, bool) {
	value, given := doc[name]
	if !given {
		if p.s["IsDeclared"] == false {
			return nil, false
		}
		value = p.fallback()
	}
	list, ok := value.([]any)
	if !ok {
		return p.convert(value), true
	}
	values := make([]any, len(list))
	for i, v := range list {
		values[i] = p.convert(v)
	}
	return values, true
}

// fallback is the default of a declared property; lists and complex types have
// none.
func (p *Property) fallback() any {
	text, ok := p.s["DefaultValue"].(string)
	if !ok || p.complex != nil || p.s["CollectionKind"] == "List" {
		return nil
	}
	switch p.s["Type"] {
	case "Edm.Int32":
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			panic("personiumtest: default value: " + err.Error())
		}
		return n
	case "Edm.Double", "Edm.Single":
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			panic("personiumtest: default value: " + err.Error())
		}
		return f
	case "Edm.Boolean":
		return text == "true"
	case "Edm.DateTime":
		if text == "SYSUTCDATETIME()" {
			return p.cell.now()
		}
		ms, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(text, "/Date("), ")/"), 10, 64)
		if err != nil {
			panic("personiumtest: default value: " + err.Error())
		}
		return ms
	}
	return text
}

func (p *Property) convert(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return p.complexValue(v)
	case time.Time:
		return v.UnixMilli()
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return p.number(v)
	case int:
		return p.number(float64(v))
	case int64:
		return p.number(float64(v))
	}
	return value
}

// number is a number as the property's type stores it.
func (p *Property) number(f float64) any {
	whole := f == float64(int64(f))
	switch p.s["Type"] {
	case "Edm.Single":
		return f
	case "Edm.Int32", "Edm.DateTime":
		return int64(f)
	case "Edm.String": // of a dynamic property
		if whole {
			return strconv.FormatInt(int64(f), 10)
		}
	}
	return javaDouble(f)
}

// complexValue has a member for every property of the complex type.
func (p *Property) complexValue(doc map[string]any) map[string]any {
	if p.complex == nil {
		panic(fmt.Sprintf("personiumtest: %v is of no complex type", p.s["Name"]))
	}
	m := map[string]any{}
	for _, name := range p.complex.properties.names() {
		member := p.complex.properties[name]
		m[member.alias], _ = member.stored(name, doc)
	}
	return m
}
