package main

import (
	"errors"
	"strings"
	"testing"
	"unicode"
)

// TestLogIsOneLineEach: what clients choose, names and paths, makes no line of its own in
// the program's log, obeys no terminal, and has a bound.
func TestLogIsOneLineEach(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		for _, c := range []struct{ text, shown string }{
			{"plain ü", "plain ü"},
			{"a\nlevel=ERROR\x1b[2J\u009b31m\u2028", "u000A"},
			{strings.Repeat("x", maxLogText), strings.Repeat("x", maxLogText)},
			{strings.Repeat("x", maxLogText+1), strings.Repeat("x", maxLogText) + "…"},
		} {
			for _, value := range []any{c.text, errors.New(c.text)} {
				var out strings.Builder
				log, err := newLogger(&out, format, "info")
				if err != nil {
					t.Fatal(err)
				}
				log.Warn("login failed", "account", value)
				line := strings.TrimSuffix(out.String(), "\n")
				if strings.ContainsFunc(line, unicode.IsControl) || strings.Contains(line, "\u2028") || !strings.Contains(line, c.shown) ||
					len(line) > maxLogText+200 {
					t.Errorf("%s: %T of %d bytes is logged as %.200q", format, value, len(c.text), line)
				}
			}
		}
	}
}
