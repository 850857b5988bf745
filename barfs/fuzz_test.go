package barfs_test

import (
	"archive/zip"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"testing"

	"cellar/barfs"
	"cellar/barfs/bartest"
)

// archives are those of others, where they are.
func archives(f *testing.F) (all []string) {
	for _, folder := range []string{"files", "boundary", "realworld"} {
		files, err := filepath.Glob(filepath.Join("..", "..", "shared", "bars", folder, "*.bar"))
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, files...)
	}
	return all
}

// seed adds the parts with that name of the archives of others.
func seed(f *testing.F, name string) {
	for _, file := range archives(f) {
		for _, text := range parts(file, name) {
			f.Add(text)
		}
	}
}

// maxAllocated is what one input may allocate in all, in bytes: more than is in use
// at any moment.
const maxAllocated = 256 << 20

// bounded fails the test if f allocates more than that.
func bounded(t *testing.T, f func()) {
	t.Helper()
	allocated := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	before := allocated()
	f()
	if n := allocated() - before; n > maxAllocated {
		t.Errorf("%d MB are allocated for one input", n>>20)
	}
}

// parts are the entries of an archive with that last name.
func parts(file, name string) (all []string) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return nil
	}
	defer z.Close()
	for _, e := range z.File {
		if path.Base(e.Name) != name {
			continue
		}
		r, err := e.Open()
		if err != nil {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(r, 1<<20))
		r.Close()
		if err == nil {
			all = append(all, string(text))
		}
	}
	return all
}

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
	for _, file := range archives(f) {
		if b, err := os.ReadFile(file); err == nil && len(b) < 64<<10 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { bounded(t, func() { readBack(t, b) }) })
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
	seed(f, "00_manifest.json")
	f.Add(`{"bar_version":"2","schema":"https://a.example/"}`)
	f.Fuzz(func(t *testing.T, manifest string) {
		if len(manifest) > 1<<20 {
			return
		}
		b := bartest.New("").Meta("00_manifest.json", manifest).Bytes()
		bounded(t, func() {
			_, err := open(b, barfs.Limits{})
			invalid(t, err)
		})
	})
}

// FuzzRootProps: what is accepted has paths that a box can have.
func FuzzRootProps(f *testing.F) {
	seed(f, "90_rootprops.xml")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<20 {
			return
		}
		bar := bartest.New("").Meta("90_rootprops.xml", text).Bytes()
		bounded(t, func() { readRootProps(t, bar) })
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

// FuzzSchema: what is understood can be walked, and checks documents.
func FuzzSchema(f *testing.F) {
	seed(f, "00_$metadata.xml")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) <= 1<<20 {
			bounded(t, func() { readSchema(t, text) })
		}
	})
}

func readSchema(t *testing.T, text string) {
	s, err := barfs.ParseSchema([]byte(text))
	if err != nil {
		invalid(t, err)
		return
	}
	made, err := s.Walk(barfs.Limits{}, func(string, ...string) error { return nil }, func(string) error { return nil })
	invalid(t, err)
	again, err := barfs.ParseSchema(made.EDMX())
	if err != nil {
		t.Fatalf("what was made cannot be read: %v\n%s", err, made.EDMX())
	}
	check := again.Checker(barfs.Limits{})
	for _, e := range made.EntityTypes {
		invalid(t, check.Check(e.Name, []byte(`{"__id":"a","a":[{"b":1}]}`)))
	}
}

// FuzzEntity: a document is accepted or the bar's fault.
func FuzzEntity(f *testing.F) {
	s, err := barfs.ParseSchema([]byte(`<Schema><ComplexType Name="C"><Property Name="x" Type="Edm.Boolean" Nullable="false"/></ComplexType><EntityType Name="E">` +
		`<Property Name="n" Type="Edm.Int32"/><Property Name="s" Type="Edm.String"/><Property Name="l" Type="C" CollectionKind="List"/>` +
		`<Property Name="d" Type="Edm.DateTime"/><Property Name="f" Type="Edm.Double"/><Property Name="g" Type="Edm.Single"/></EntityType></Schema>`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"n":1,"s":"x","l":[{"x":true}],"d":"/Date(1)/","f":1.5,"g":1,"__id":"a","free":"text"}`)
	f.Add(`{"n":1e400,"d":"/Date(99999999999999999999)/"}`)
	seed(f, "000000001.json")
	seed(f, "1.json")
	f.Fuzz(func(t *testing.T, doc string) {
		bounded(t, func() { invalid(t, s.Checker(barfs.Limits{}).Check("E", []byte(doc))) })
	})
}
