package dav_test

import (
	"net/http"
	"testing"

	"cellar/cellfs"
	"cellar/dav/davtest"
)

// TestRestoreKeepsLimits: a cell that is brought back elsewhere has the quota and the number of
// snapshots that it had; one that has its own keeps them, and so does one that goes back to what
// it was.
func TestRestoreKeepsLimits(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "new", "tight", "half"}})
	limit := func(cell string, quota, keep int64) {
		t.Helper()
		if err := s.FS.SetQuota(t.Context(), cell, quota); err != nil {
			t.Fatal(err)
		}
		if err := s.FS.SetKeep(t.Context(), cell, keep); err != nil {
			t.Fatal(err)
		}
	}
	ended := func(path string) {
		t.Helper()
		s.Request("GET", path).WithHeader("Prefer", "wait=30").Expect().Status(http.StatusOK).JSON().Object().Value("status").IsEqual("ready")
	}
	want := func(cell string, quota, keep int64) {
		t.Helper()
		err := s.FS.View(t.Context(), func(tx cellfs.Tx) error {
			c, err := tx.Cell(cell)
			if c.Quota != quota || c.Keep != keep {
				t.Errorf("%s has a quota of %d and keeps %d snapshots, want %d and %d", cell, c.Quota, c.Keep, quota, keep)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.Put("/cell1/__/f", "text")
	limit("cell1", 1<<20, 3)
	s.Request("POST", "/cell1/__export").WithText(`{"Name":"s"}`).Expect().Status(http.StatusAccepted)
	ended("/cell1/__export")
	zip := s.Get("/cell1/__snapshot/s.zip")

	limit("tight", 1<<19, 1)
	limit("half", 0, 7)
	for _, cell := range []string{"new", "tight", "half"} {
		s.Request("POST", "/"+cell+"/__import").WithHeader("Content-Type", "application/zip").WithBytes([]byte(zip)).Expect().Status(http.StatusAccepted)
		ended("/" + cell + "/__import")
		s.WantGet("/"+cell+"/__/f", "text")
	}
	want("new", 1<<20, 3)
	want("tight", 1<<19, 1)
	want("half", 1<<20, 7)

	limit("cell1", 0, 0) // lifted after the snapshot was taken
	s.Request("POST", "/cell1/__import").WithText(`{"Name":"s"}`).Expect().Status(http.StatusAccepted)
	ended("/cell1/__import")
	want("cell1", 0, 0)
}
