package barfs_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"cellar/barfs"
	"cellar/barfs/bartest"
)

// invalid fails the test for an error that is not the bar's fault.
func invalid(t *testing.T, err error) {
	t.Helper()
	var e *barfs.Invalid
	var refused *barfs.Error
	if err != nil && !errors.As(err, &e) && !errors.As(err, &refused) {
		t.Errorf("%T: %v", err, err)
	}
}

// FuzzOpen opens whatever comes: it must end, and what it accepts must read
// back as its headers say.
func FuzzOpen(f *testing.F) {
	f.Add(bartest.Notes().Bytes())
	f.Add(bartest.NewV1("https://a.example/").File("x", "a/b", "y").Bytes())
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	for _, file := range bartest.Archives(f) {
		if b, err := os.ReadFile(file); err == nil && len(b) < 64<<10 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { bartest.Bounded(t, func() { readBack(t, b) }) })
}

func readBack(t *testing.T, b []byte) {
	a, err := open(b, barfs.Limits{Entry: 1 << 20, Total: 8 << 20})
	if err != nil {
		invalid(t, err)
		return
	}
	for _, e := range a.Entries() {
		if e.IsDir() {
			continue
		}
		r, err := a.Open(e.Name)
		if err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		if n, err := io.Copy(io.Discard, r); err != nil || n != e.Size {
			t.Errorf("%s: %d bytes, %v, want %d", e.Name, n, err, e.Size)
		}
		r.Close()
	}
	_, _ = a.RootProps()
}

// FuzzManifest: whatever the manifest, opening ends with an archive or a refusal.
func FuzzManifest(f *testing.F) {
	bartest.Seed(f, "00_manifest.json")
	f.Add(`{"bar_version":"2","schema":"https://a.example/"}`)
	f.Fuzz(func(t *testing.T, manifest string) {
		if len(manifest) > 1<<20 {
			return
		}
		b := bartest.New("").Meta("00_manifest.json", manifest).Bytes()
		bartest.Bounded(t, func() {
			_, err := open(b, barfs.Limits{})
			invalid(t, err)
		})
	})
}

// FuzzRootProps: what is accepted has paths that a box can have.
func FuzzRootProps(f *testing.F) {
	bartest.Seed(f, "90_rootprops.xml")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<20 {
			return
		}
		bar := bartest.New("").Meta("90_rootprops.xml", text).Bytes()
		bartest.Bounded(t, func() { readRootProps(t, bar) })
	})
}

func readRootProps(t *testing.T, bar []byte) {
	a, err := open(bar, barfs.Limits{})
	if err != nil {
		invalid(t, err)
		return
	}
	all, err := a.RootProps()
	invalid(t, err)
	for _, r := range all {
		for part := range strings.SplitSeq(r.Path, "/") {
			if part == ".." || part == "." || part == "" && r.Path != "" || strings.ContainsRune(part, 0) {
				t.Errorf("path %q is accepted", r.Path)
			}
		}
	}
}
