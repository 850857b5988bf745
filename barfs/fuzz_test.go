package barfs_test

import (
	"archive/zip"
	"errors"
	"io"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"cellar/barfs"
	"cellar/barfs/bartest"
)

// seed adds the parts with that name of the archives of others, where they are.
func seed(f *testing.F, name string) {
	for _, folder := range []string{"files", "boundary", "realworld"} {
		files, err := filepath.Glob(filepath.Join("..", "..", "shared", "bars", folder, "*.bar"))
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			for _, text := range parts(file, name) {
				f.Add(text)
			}
		}
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

// FuzzManifest: whatever the manifest, opening ends with an archive or a refusal.
func FuzzManifest(f *testing.F) {
	seed(f, "00_manifest.json")
	f.Add(`{"bar_version":"2","schema":"https://a.example/"}`)
	f.Fuzz(func(t *testing.T, manifest string) {
		if len(manifest) > 1<<20 {
			return
		}
		b := bartest.New("").Meta("00_manifest.json", manifest).Bytes()
		_, err := open(b, barfs.Limits{})
		invalid(t, err)
	})
}

// FuzzRootProps: what is accepted has paths that a box can have.
func FuzzRootProps(f *testing.F) {
	seed(f, "90_rootprops.xml")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<20 {
			return
		}
		a, err := open(bartest.New("").Meta("90_rootprops.xml", text).Bytes(), barfs.Limits{})
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
	})
}

// FuzzSchema: what is understood can be walked, and checks documents.
func FuzzSchema(f *testing.F) {
	seed(f, "00_$metadata.xml")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<20 {
			return
		}
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
	})
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
	f.Fuzz(func(t *testing.T, doc string) { invalid(t, s.Checker(barfs.Limits{}).Check("E", []byte(doc))) })
}
