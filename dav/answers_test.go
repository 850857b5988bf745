package dav_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cellar/cellfs"
	"cellar/dav/davtest"
)

// wideBox makes a box with so many empty files, each with a property of so many bytes.
func wideBox(t testing.TB, s *davtest.Server, name string, files, property int) {
	t.Helper()
	p, err := cellfs.NewPath("cell1", name)
	if err != nil {
		t.Fatal(err)
	}
	box, err := s.FS.Mkcol(t.Context(), p, cellfs.KindBox, nil)
	if err != nil {
		t.Fatal(err)
	}
	var props []cellfs.Property
	if property > 0 {
		props = []cellfs.Property{{Space: "u", Local: "x", XML: `<x xmlns="u">` + strings.Repeat("x", property) + `</x>`}}
	}
	err = s.FS.Update(t.Context(), func(tx cellfs.Tx) error {
		for i := range files {
			f := cellfs.Node{Cell: box.Cell, Parent: box.ID, Name: fmt.Sprintf("f%d", i), Kind: cellfs.KindFile, Version: 1, Created: box.Created, Modified: box.Created, Props: props}
			if err := tx.AddNode(&f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAnswersShareTheDisk makes answers in files that fit into what all of them may take,
// and ones that do not: those are refused, and leave the space to others.
func TestAnswersShareTheDisk(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	const space = 12 << 20 // half of it for one address
	s := davtest.New(t, davtest.Config{AnswerSpace: space})
	wideBox(t, s, "fits", 70, 75<<10)
	wideBox(t, s, "large", 90, 75<<10)
	bar := func(box string) *http.Response {
		return s.Request("GET", "/cell1/"+box).WithHeader("Accept", "application/zip+x-personium-bar").Expect().Raw()
	}
	for range 3 {
		r := stream(t, s, "/cell1/fits", "1", "identity")
		if r.StatusCode != http.StatusMultiStatus || r.ContentLength < 70*75<<10 {
			t.Errorf("a listing that fits: %s, %d bytes", r.Status, r.ContentLength)
		}
		if got := hrefs(t, r.Body); got != 71 {
			t.Errorf("%d responses", got)
		}
		davtest.Error(s.Request("PROPFIND", "/cell1/large").WithHeader("Depth", "1").Expect(), "PR507-DV-0001")
		if r := bar("large"); r.StatusCode != http.StatusInsufficientStorage {
			t.Errorf("a bar that does not fit: %s", r.Status)
		}
	}
	wideBox(t, s, "small", 20, 75<<10)
	if r := bar("small"); r.StatusCode != http.StatusOK {
		t.Errorf("a bar that fits: %s", r.Status)
	}
	// Properties that nobody asks for take nothing.
	const asked = `<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>`
	if got := len(s.Propfind("/cell1/large", "1", asked)); got != 91 {
		t.Errorf("%d responses", got)
	}
}

// TestLocksAreToldWhereTheyStand: a lock of a collection for all below it is told of the
// collection, and of a member that is asked for, but not of each member of a listing.
func TestLocksAreToldWhereTheyStand(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/a", "a")
	s.Put("/cell1/box/b", "b")
	lock := func(path, depth, scope string) {
		s.Request("LOCK", path).WithHeader("Depth", depth).
			WithText(`<lockinfo xmlns="DAV:"><lockscope><` + scope + `/></lockscope><locktype><write/></locktype></lockinfo>`).Expect().Status(http.StatusOK)
	}
	lock("/cell1/box", "infinity", "shared")
	lock("/cell1/box/a", "0", "shared")
	locks := func(r davtest.Resource) int { return strings.Count(r.Props["{DAV:}lockdiscovery"], "<D:activelock>") }
	for _, depth := range []string{"1", "infinity"} {
		got := map[string]int{}
		for _, r := range s.Propfind("/cell1/box", depth, "") {
			got[r.Href] = locks(r)
		}
		want := map[string]int{"/cell1/box/": 1, "/cell1/box/a": 1, "/cell1/box/b": 0}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("Depth %s: %v, want %v", depth, got, want)
		}
	}
	for path, want := range map[string]int{"/cell1/box/a": 2, "/cell1/box/b": 1} {
		if got := locks(s.Propfind(path, "0", "")[0]); got != want {
			t.Errorf("%s has %d locks, want %d", path, got, want)
		}
	}
}
