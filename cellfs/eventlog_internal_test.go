package cellfs

import (
	"strings"
	"testing"
)

// TestPrintable: what could make a second line, or move a terminal's cursor, is shown.
func TestPrintable(t *testing.T) {
	for s, want := range map[string]string{
		"":                           "",
		`plain, "quoted" \u000A é 日`: `plain, "quoted" \u000A é 日`,
		"a\nb\r\tc\x00":              `a\u000Ab\u000D\u0009c\u0000`,
		"\x1b[2J\x7f\u009b":          `\u001B[2J\u007F\u009B`,
		"a\u2028b\u2029\u0085":       `a\u2028b\u2029\u0085`,
		"\u202egnp.exe\u2066":        `\u202Egnp.exe\u2066`,
		"a\xffb":                     "a\ufffdb",
	} {
		got := Printable(s)
		if got != want || Printable(got) != got {
			t.Errorf("%q is shown as %q, want %q", s, got, want)
		}
	}
}

// TestEventFieldsAreBounded: the longest field stays whole, a longer one is cut at a
// character.
func TestEventFieldsAreBounded(t *testing.T) {
	whole := strings.Repeat("é", MaxEventField)
	for _, more := range []string{"", "é", strings.Repeat("x", MaxEventField)} {
		e := Event{RequestKey: whole + more, Schema: whole + more, Subject: whole + more, Type: whole + more, Object: whole + more, Info: whole + more}
		e.clean()
		for i, got := range []string{e.RequestKey, e.Schema, e.Subject, e.Type, e.Object, e.Info} {
			if got != whole {
				t.Errorf("field %d of %d bytes has %d", i, len(whole+more), len(got))
			}
		}
	}
}
