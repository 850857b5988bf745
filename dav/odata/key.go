package odata

import (
	"regexp"
	"slices"
	"strings"
)

// part matches one part of a key at the begin of a text: an optional name, and a text in
// quotes or null.
var part = regexp.MustCompile(`^(?:([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*)?(?:'((?:[^']|'')*)'|(null))`)

// ParseKey reads {set} or {set}({key}). names are the properties of the key: the first
// can stand alone, the others default to null. keyed is false for a set alone.
func ParseKey(segment string, names func(set string) []string) (set string, key map[string]any, keyed bool, err error) {
	set, rest, keyed := strings.Cut(segment, "(")
	if !keyed {
		return set, nil, false, nil
	}
	properties := names(set)
	if len(properties) == 0 {
		return set, nil, true, errNoSet
	}
	rest, ok := strings.CutSuffix(rest, ")")
	if !ok {
		return set, nil, true, errKey
	}
	key = map[string]any{}
	for n := 0; ; n++ {
		rest = strings.TrimSpace(rest)
		m := part.FindStringSubmatch(rest)
		if m == nil {
			return set, nil, true, errKey
		}
		name := m[1]
		if name == "" {
			name = properties[0]
		}
		if _, twice := key[name]; twice || !slices.Contains(properties, name) {
			return set, nil, true, errKey
		}
		key[name] = nil
		if m[3] == "" {
			key[name] = strings.ReplaceAll(m[2], "''", "'")
		}
		if rest = strings.TrimSpace(rest[len(m[0]):]); rest == "" {
			break
		}
		if rest, ok = strings.CutPrefix(rest, ","); !ok {
			return set, nil, true, errKey
		}
	}
	if key[properties[0]] == nil {
		return set, nil, true, errKey
	}
	return set, key, true, nil
}

// FormatKey writes an object's key as ParseKey reads it: a key of one part alone, else
// all parts by their names.
func FormatKey(set string, names []string, values map[string]any) string {
	if len(names) == 1 {
		return set + "(" + literal(values[names[0]]) + ")"
	}
	var parts []string
	for _, n := range names {
		parts = append(parts, n+"="+literal(values[n]))
	}
	return set + "(" + strings.Join(parts, ",") + ")"
}

func literal(v any) string {
	s, ok := v.(string)
	if !ok {
		return "null"
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
