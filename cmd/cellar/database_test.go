package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDamagedDatabase: a database that is damaged, or none, stops every command and the server with one
// line that says what to do; check says so by its exit code. As all tests that run commands in this
// process it runs beside no other: a program that one starts holds copies of all open files, locks
// of folders included, until it runs.
func TestDamagedDatabase(t *testing.T) {
	good := filepath.Join(t.TempDir(), "data")
	if code, _, text := command(t, "cell", "create", "--data", good, "c"); code != exitOK {
		t.Fatal(text)
	}
	db, err := os.ReadFile(filepath.Join(good, "cellar.db"))
	if err != nil {
		t.Fatal(err)
	}
	every := func(step int) []byte {
		b := append([]byte{}, db...)
		for i := 5000; i < len(b); i += step {
			b[i] ^= 0xff
		}
		return b
	}
	for what, b := range map[string][]byte{
		"is none":           []byte(strings.Repeat("x", len(db))),
		"is cut off":        db[:len(db)/2],
		"is its begin only": db[:100],
		"has empty pages":   append(append([]byte{}, db[:4096]...), make([]byte, len(db)-4096)...),
		"has bad bytes":     every(997),
	} {
		data := t.TempDir()
		if err := os.WriteFile(filepath.Join(data, "cellar.db"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]int{"cell list": exitFailed, "check": exitProblem, "serve --listen 127.0.0.1:0": exitFailed} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a server would go on
			var out, text strings.Builder
			code := run(ctx, append([]string{"cellar"}, strings.Fields(name+" --data "+data)...), &out, &text)
			cancel()
			if said := text.String(); code != want || strings.Count(said, "\n") != 1 || !strings.Contains(said, "the database is damaged") || !strings.Contains(said, "put back a backup") {
				t.Errorf("a database that %s: cellar %s ends with %d: %s%s", what, name, code, out.String(), said)
			}
		}
		if after, err := os.ReadFile(filepath.Join(data, "cellar.db")); err != nil || string(after) != string(b) {
			t.Errorf("a database that %s was changed: %v", what, err)
		}
	}
}

// TestLostDatabase: a folder with contents and without a database is not taken for a new one, in which
// they would be swept.
func TestLostDatabase(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if code, _, text := command(t, "cell", "create", "--data", data, "c"); code != exitOK {
		t.Fatal(text)
	}
	db := filepath.Join(data, "cellar.db")
	for what, lose := range map[string]func() error{
		"removed": func() error { return os.Remove(db) },
		"emptied": func() error { return os.WriteFile(db, nil, 0o600) },
	} {
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		if code, _, text := command(t, "cell", "create", "--data", data, "again"); code != exitOK {
			t.Errorf("%s, without contents: %d %s", what, code, text)
		}
		content := filepath.Join(data, "blobs", "ab", strings.Repeat("ab", 32))
		if err := os.WriteFile(content, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		if code, _, text := command(t, "cell", "create", "--data", data, "new"); code != exitFailed || !strings.Contains(text, "has contents but no database") {
			t.Errorf("%s, with contents: %d %s", what, code, text)
		}
		if err := os.Remove(content); err != nil {
			t.Fatal(err)
		}
	}
}
