package dav_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cellar/cellfs"
	"cellar/cellfs/blob"
	"cellar/cellfs/snapshot"
	"cellar/dav/davtest"
)

// TestDamageHasCellAndPath: of contents that are missing, short, or other than they were, a scrub
// and a check say where they are, also in snapshots; opening one does where it must notice.
func TestDamageHasCellAndPath(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{NoCheck: true})
	s.Mkcol("/cell1/box")
	s.Mkcol("/cell1/box/dir")
	content := func(name string) string { return strings.Repeat(name+" ", cellfs.MaxInline/3) }
	for _, name := range []string{"good", "missing", "short", "flipped", "held"} {
		s.Put("/cell1/box/dir/"+name, content(name))
	}
	s.Put("/cell1/__/same", content("flipped"))
	s.Request("POST", "/cell1/__export").WithText(`{"Name":"s"}`).Expect().Status(202)
	s.Request("GET", "/cell1/__export").WithHeader("Prefer", "wait=30").Expect().Status(200)
	s.Request("DELETE", "/cell1/box/dir/held").Expect().Status(204)
	damage := func(name string, do func(file string, text []byte) error) {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(s.Dir, "blobs", "??", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if text, err := os.ReadFile(f); err != nil {
				t.Fatal(err)
			} else if string(text) == content(name) {
				if err := errors.Join(os.Chmod(f, 0o600), do(f, text)); err != nil {
					t.Fatal(err)
				}
				return
			}
		}
		t.Fatalf("no content of %s", name)
	}
	remove := func(file string, _ []byte) error { return os.Remove(file) }
	damage("missing", remove)
	damage("held", remove)
	damage("short", func(file string, text []byte) error { return os.WriteFile(file, text[:100_000], 0o600) })
	damage("flipped", func(file string, text []byte) error {
		text[70_000] ^= 1
		return os.WriteFile(file, text, 0o600)
	})

	var log bytes.Buffer
	blobs, err := blob.Open(filepath.Join(s.Dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	defer blobs.Close()
	f := cellfs.New(cellfs.Config{Meta: s.Meta, Blobs: blobs, Snapshots: snapshot.Reader{}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	type place struct{ cell, path, problem string }
	all := []place{
		{"cell1", "/box/dir/missing", "its bytes are missing"},
		{"cell1", "/box/dir/short", "it has 100000 bytes, its row says"},
		{"cell1", "/box/dir/flipped", "its SHA-256 differs"},
		{"cell1", "/__/same", "its SHA-256 differs"},
		{"cell1", "/__snapshot/s.zip", "its bytes are missing"},
	}
	logged := func(what string, p place) {
		t.Helper()
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "level=ERROR") && strings.Contains(line, "cell="+p.cell+" path="+p.path+" ") && strings.Contains(line, p.problem) {
				return
			}
		}
		t.Errorf("%s does not name %v:\n%s", what, p, log.String())
	}

	scrubbed, _, err := f.Scrub(t.Context(), 1<<40)
	if err != nil || scrubbed.Damaged != 4 {
		t.Errorf("scrub: %+v, %v", scrubbed, err)
	}
	for _, p := range all {
		logged("a scrub", p)
	}
	if strings.Contains(log.String(), "/good") {
		t.Errorf("what is good is named:\n%s", log.String())
	}

	report, err := f.Check(t.Context())
	if err != nil || len(report.Problems) < 4 {
		t.Errorf("check: %v, %v", report.Problems, err)
	}
	for _, p := range all {
		found := false
		for _, line := range report.Problems {
			found = found || strings.Contains(line, `cell "`+p.cell+`": `+p.path) && strings.Contains(line, p.problem)
		}
		if !found {
			t.Errorf("check does not name %v:\n%s", p, strings.Join(report.Problems, "\n"))
		}
	}

	log.Reset()
	for _, p := range all[:2] { // what opening can notice
		path, err := cellfs.ParsePath("/" + p.cell + p.path)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, _, err := f.OpenAt(t.Context(), path)
			var d *cellfs.DamagedError
			if !errors.As(err, &d) || os.IsNotExist(err) {
				t.Errorf("opening %s: %v", p.path, err)
			}
		}
		logged("opening", p)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 2 {
		t.Errorf("the same damage is told again:\n%s", log.String())
	}
	davtest.Error(s.Request("GET", "/cell1/box/dir/short").Expect(), "PR500-SV-0000")
}
