package dav

import (
	"strings"
	"testing"
)

func TestParseIf(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]int{ // lists; 0: refused
		"(<a>)": 1, `(<a> ["x"])`: 1, "(Not <DAV:no-lock>)": 1, "(<a>) (<b>)": 2, "<http://h/x> (<a>) (<b>)": 2, "<http://h/x> (<a>) <http://h/y> (<b>)": 2,
		"": 0, "()": 0, "(<a>": 0, "<x>": 0, "(a)": 0, "(<>)": 0, "([])": 0, "(Not)": 0, "(<a>) <x> (<b>)": 0, "(<a>) junk": 0, "((<a>))": 0,
	} {
		lists, ok := parseIf(header)
		if ok != (want > 0) || len(lists) != want && ok {
			t.Errorf("%q: %d lists, %v, want %d", header, len(lists), ok, want)
		}
	}
	lists, _ := parseIf(`<http://h/x> (Not <urn:a> ["e"])`)
	if l := lists[0]; l.tag != "http://h/x" || len(l.conditions) != 2 || !l.conditions[0].not || l.conditions[0].token != "urn:a" || l.conditions[1].etag != `"e"` {
		t.Errorf("%+v", l)
	}
}

// FuzzIfHeader: the parser ends, and what it accepts has conditions.
func FuzzIfHeader(f *testing.F) {
	f.Add(`<http://h/x> (Not <urn:a> ["e"]) (<b>)`)
	f.Fuzz(func(t *testing.T, s string) {
		lists, ok := parseIf(s)
		for _, l := range lists {
			if ok && len(l.conditions) == 0 {
				t.Errorf("%q: an empty list", s)
			}
		}
		if ok && !strings.Contains(s, "(") {
			t.Errorf("%q is accepted", s)
		}
	})
}
