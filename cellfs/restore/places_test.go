package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"cellar/cellfs"
)

// TestPlacesAreFoundByPath looks for random paths, near to each other and far, among those
// of a plain map.
func TestPlacesAreFoundByPath(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	s := newPlaces(7)
	known := map[string]*place{"": s.root()}
	var paths []string
	names := []string{"a", "aa", "b", "a b", "\u00e9", "日本"}
	for range 3000 {
		up := ""
		if len(paths) > 0 && rnd.IntN(10) > 0 {
			up = paths[rnd.IntN(len(paths))]
		}
		name := names[rnd.IntN(len(names))]
		p := strings.TrimPrefix(up+"/"+name, "/")
		at, err := s.add(known[up], name, place{kind: cellfs.KindCollection})
		if (known[p] != nil) != errors.Is(err, fs.ErrExist) {
			t.Fatalf("add %q: %v", p, err)
		}
		if err == nil {
			known[p], paths = at, append(paths, p)
		}
		q := paths[rnd.IntN(len(paths))]
		switch rnd.IntN(6) {
		case 0:
			q = path.Dir(q)
		case 1:
			q += "/" + name
		case 2:
			q += name // a longer last name
		case 3:
			q = ""
		}
		if q == "." {
			q = ""
		}
		if got := s.find(q); got != known[q] {
			t.Fatalf("find %q = %+v, want %+v", q, got, known[q])
		}
	}
	if s.find("e\u0301") != known["\u00e9"] || known["\u00e9"] == nil {
		t.Error("another Unicode form of a name is another collection")
	}
}

// BenchmarkPlaces reports what a collection takes of memory below a long path.
func BenchmarkPlaces(b *testing.B) {
	s := newPlaces(1)
	up := s.root()
	var long string
	for i := range 118 {
		name := fmt.Sprintf("%0250d", i)
		up, _ = s.add(up, name, place{kind: cellfs.KindCollection})
		long = strings.TrimPrefix(long+"/"+name, "/")
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		name := fmt.Sprintf("%0250d", i)
		if _, err := s.add(up, name, place{kind: cellfs.KindCollection}); err != nil {
			b.Fatal(err)
		}
		if s.find(long+"/"+name) == nil {
			b.Fatal("not found")
		}
	}
}
