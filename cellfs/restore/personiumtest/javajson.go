package personiumtest

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
)

// jsonText is v as json-simple 1.1 prints it: no spaces, object members in the
// order of a Java HashMap, and the escapes of [writeString].
func jsonText(v any) string {
	var b strings.Builder
	writeJSON(&b, v)
	return b.String()
}

func writeJSON(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case string:
		writeString(b, v)
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int:
		b.WriteString(strconv.Itoa(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		b.WriteString(javaDouble(v))
	case Raw:
		b.WriteString(string(v))
	case map[string]any:
		writeObject(b, v)
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, e)
		}
		b.WriteByte(']')
	default:
		panic(fmt.Sprintf("personiumtest: no JSON for %T", v))
	}
}

// Raw is JSON that is written as it is, right or wrong.
type Raw string

func writeObject(b *strings.Builder, m map[string]any) {
	b.WriteByte('{')
	for i, key := range hashOrder(m) {
		if i > 0 {
			b.WriteByte(',')
		}
		writeString(b, key)
		b.WriteByte(':')
		writeJSON(b, m[key])
	}
	b.WriteByte('}')
}

// writeString escapes as org.json.simple.JSONValue does: the slash is escaped,
// and besides the control characters all of U+007F–U+009F and U+2000–U+20FF, in
// capital hex digits. Everything else stays UTF-8.
func writeString(b *strings.Builder, s string) {
	const short = "\"\\\b\f\n\r\t/"
	b.WriteByte('"')
	for _, r := range s {
		switch i := strings.IndexRune(short, r); {
		case i >= 0:
			b.WriteByte('\\')
			b.WriteByte("\"\\bfnrt/"[i])
		case r < 0x20, r >= 0x7f && r <= 0x9f, r >= 0x2000 && r <= 0x20ff:
			fmt.Fprintf(b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// hashOrder is the order in which a java.util.HashMap of default capacity gives
// these keys. Keys of one bucket come in the order of their insertion there; here
// in the order of the alphabet.
func hashOrder(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	size := 16
	for len(keys) > size*3/4 {
		size *= 2
	}
	bucket := func(key string) uint32 {
		h := javaHash(key)
		return (h ^ h>>16) & uint32(size-1)
	}
	sort.SliceStable(keys, func(i, j int) bool { return bucket(keys[i]) < bucket(keys[j]) })
	return keys
}

// javaHash is String.hashCode.
func javaHash(s string) uint32 {
	var h uint32
	for _, u := range utf16.Encode([]rune(s)) {
		h = 31*h + uint32(u)
	}
	return h
}

// javaDouble is String.valueOf(double): always a fraction, and an exponent
// outside of [0.001, 10000000).
func javaDouble(f float64) string {
	if a := math.Abs(f); a != 0 && (a < 1e-3 || a >= 1e7) {
		s := strconv.FormatFloat(f, 'E', -1, 64)
		mantissa, exponent, _ := strings.Cut(s, "E")
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		n, _ := strconv.Atoi(exponent) // FormatFloat wrote it
		return mantissa + "E" + strconv.Itoa(n)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
