package dav_test

import (
	"fmt"
	"net/http"
	"testing"

	"cellar/dav/davtest"
)

// TestSpace: what a unit stores is told apart by what holds it, over more contents
// than a sweep looks at in one go.
func TestSpace(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	const files = 2500
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}})
	s.Mkcol("/cell1/__/d")
	for i := range files {
		s.Put(fmt.Sprintf("/cell1/__/d/%d", i), fmt.Sprintf("%08d", i))
	}
	s.Put("/cell1/__/late", "later than the snapshot")
	s.Transfer("COPY", "/cell1/__/d/0", "/cell2/__/f", "").Status(http.StatusCreated)
	s.Export("cell1", "s")
	s.Put("/cell1/__/late", "another one")
	s.Request("DELETE", "/cell1/__/d").Expect().Status(http.StatusNoContent)
	s.Export("cell1", "empty")

	space, err := s.FS.Space(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Of the 2,500 one is also in the other cell; what the late file had then is in
	// the snapshot, too.
	if want := int64(files-1)*8 + 23; space.Held.Contents != files || space.Held.Bytes != want {
		t.Errorf("held by snapshots: %+v, want %d contents with %d bytes", space.Held, files, want)
	}
	if one, two := space.Cells[0], space.Cells[1]; one.Held != space.Held || one.Snapshots != 2 || one.Used != 11 || two.Held.Contents != 0 || two.Used != 8 {
		t.Errorf("cells: %+v", space.Cells)
	}
	if space.Free.Contents != 0 || space.Stored.Contents != files+4 {
		t.Errorf("stored %+v, free %+v; want %d contents and none", space.Stored, space.Free, files+4)
	}

	s.Request("DELETE", "/cell1/__snapshot/s.zip").Expect().Status(http.StatusNoContent)
	if space, err = s.FS.Space(t.Context()); err != nil || space.Held.Contents != 0 || space.Free.Contents != files+1 {
		t.Errorf("after the snapshot went: held %+v, free %+v, %v", space.Held, space.Free, err)
	}
	swept, err := s.FS.Sweep(t.Context(), 0)
	if err != nil || int64(swept.Contents) != space.Free.Contents || swept.Bytes != space.Free.Bytes {
		t.Errorf("a sweep removed %+v, %v", swept, err)
	}
}
