package odata

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"cellar/barfs/edm"
	"cellar/cellfs"
)

// The values of an index are bytes whose order is that of the values: a byte for the kind, and what follows
// of that kind. Numbers are compared as float64, as [order] does.
const (
	tagNull = iota
	tagBool
	tagNumber
	tagText
	tagEnd
)

// maxIndexed bounds the bytes of a text that an index has. Longer ones that begin alike have one value there;
// who reads an index looks at the documents, too.
const maxIndexed = 128

// indexValue is the value of an index for a value of a property.
func indexValue(v any) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return []byte{tagBool, 1}
		}
		return []byte{tagBool, 0}
	case string:
		return append([]byte{tagText}, v[:min(len(v), maxIndexed)]...)
	}
	n, ok := toNumber(v)
	if !ok {
		return []byte{tagNull}
	}
	bits := math.Float64bits(n + 0) // -0 is 0
	if bits>>63 == 1 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	return binary.BigEndian.AppendUint64([]byte{tagNumber}, bits)
}

// bound is a range that the value of a property must be in.
type bound struct {
	property string
	in       cellfs.IndexRange
}

// after is what comes right after a value in an index.
func after(value []byte) []byte { return append(value[:len(value):len(value)], 0) }

// compared is the range of the values that can be {operator} the literal; ok is false if that is no range.
func compared(operator string, literal any) (r cellfs.IndexRange, ok bool) {
	v := indexValue(literal)
	kind := v[0]
	switch operator {
	case "eq":
		return cellfs.IndexRange{From: v, To: after(v)}, true
	case "gt", "ge":
		return cellfs.IndexRange{From: v, To: []byte{kind + 1}}, true
	case "lt", "le":
		return cellfs.IndexRange{From: []byte{kind}, To: after(v)}, true
	}
	return r, false
}

// beginningWith is the range of the texts that begin with another.
func beginningWith(text string) cellfs.IndexRange {
	v := indexValue(text)
	if len(text) >= maxIndexed {
		return cellfs.IndexRange{From: v, To: after(v)}
	}
	to := append([]byte(nil), v...)
	for i := len(to) - 1; ; i-- { // ends at the tag, which can grow
		if to[i]++; to[i] != 0 {
			return cellfs.IndexRange{From: v, To: to[:i+1]}
		}
	}
}

// indexable says what an index by a property holds; "" for a property that no index can have: one that is
// not declared can get another meaning when it is.
func indexable(s *edm.Schema, t *edm.Type, property string) string {
	switch property {
	case "__id":
		return "text"
	case "__published", "__updated":
		return "time"
	}
	if name, ok := strings.CutPrefix(property, uniqueIndex); ok {
		return strings.Join(t.Unique(name), " ")
	}
	p := declared(s, t, property)
	if p == nil {
		return ""
	}
	switch p.Type {
	case "Edm.Int32", "Edm.Single", "Edm.Double":
		return "number"
	}
	return p.Type
}

// uniqueIndex begins the property of an index that has, for each entity, a hash of the values that together
// must be unique; its name follows.
const uniqueIndex = "unique "

// indexed is the value of the entity in an index by a property.
func (r *row) indexed(property string) []byte {
	name, ok := strings.CutPrefix(property, uniqueIndex)
	if !ok {
		return indexValue(r.value(property))
	}
	h := sha256.New()
	for _, p := range r.of.Unique(name) {
		v := r.value(p)
		if v == nil {
			return indexValue(nil) // what is not there is equal to nothing
		}
		if text, ok := v.(string); ok {
			fmt.Fprintf(h, "%d %s", len(text), text)
		} else {
			h.Write(indexValue(v))
		}
	}
	return append([]byte{tagText}, h.Sum(nil)...)
}
