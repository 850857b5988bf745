package dav_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/barfs/bartest"
	"cellar/cellfs"
	"cellar/dav/davtest"
)

// TestQuota goes to the quota of a cell and one byte over it by everything that
// makes a cell grow (RFC 4331). Each resource counts for itself, too.
func TestQuota(t *testing.T) {
	t.Parallel()
	const quota = 200_000
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}})
	if err := s.FS.SetQuota(t.Context(), "cell1", quota); err != nil {
		t.Fatal(err)
	}
	s.Mkcol("/cell1/box")
	s.Mkcol("/cell2/box")
	s.Put("/cell2/box/big", strings.Repeat("x", quota+1))
	over := func(name string, r *httpexpect.Response) {
		t.Helper()
		r.Status(http.StatusInsufficientStorage).Body().Contains("quota-not-exceeded")
		wantQuota(t, s, name)
	}
	put := func(path string, n int) *httpexpect.Response {
		return s.Request("PUT", path).WithBytes(bytes.Repeat([]byte("x"), n)).Expect()
	}
	chunked := func(path string, n int) *httpexpect.Response {
		body := io.MultiReader(bytes.NewReader(bytes.Repeat([]byte("x"), n))) // of a length that is not known
		return s.Request("PUT", path).WithChunked(body).Expect()
	}
	over("PUT", put("/cell1/box/f", quota+1))
	over("chunked PUT", chunked("/cell1/box/f", quota+1))
	over("COPY of a file", s.Transfer("COPY", "/cell2/box/big", "/cell1/box/f", ""))
	over("COPY of a collection", s.Transfer("COPY", "/cell2/box", "/cell1/box/d", ""))
	over("MOVE", s.Transfer("MOVE", "/cell2/box/big", "/cell1/box/f", ""))
	s.Mkcol("/cell2/box/d")
	s.Transfer("MOVE", "/cell2/box/big", "/cell2/box/d/big", "").Status(http.StatusCreated)
	over("MOVE of a collection", s.Transfer("MOVE", "/cell2/box/d", "/cell1/box/d", ""))
	s.Get("/cell2/box/d/big")

	chunked("/cell1/box/f", quota-3*cellfs.NodeCost-10).Status(http.StatusCreated)
	over("PUT beside", put("/cell1/box/g", 11))
	put("/cell1/box/g", 10).Status(http.StatusCreated)
	over("PUT of a larger one", put("/cell1/box/g", 11))
	put("/cell1/box/f", quota-3*cellfs.NodeCost-10).Status(http.StatusNoContent)
	put("/cell1/box/f", quota-3*cellfs.NodeCost-20).Status(http.StatusNoContent)
	over("an empty file", put("/cell1/box/empty", 0))
	over("a collection", s.Request("MKCOL", "/cell1/box/empty").Expect())
	over("a property", s.Request("PROPPATCH", "/cell1/box").WithText(`<propertyupdate xmlns="DAV:"><set><prop><x xmlns="u">12345678</x></prop></set></propertyupdate>`).Expect())
	over("COPY", s.Transfer("COPY", "/cell1/box/f", "/cell1/box/copy", ""))
	put("/cell1/box/f", quota-4*cellfs.NodeCost-20).Status(http.StatusNoContent)
	s.Transfer("COPY", "/cell1/box/g", "/cell1/box/copy", "").Status(http.StatusCreated)
	if err := s.FS.SetQuota(t.Context(), "cell1", 100); err != nil { // less than is in use
		t.Fatal(err)
	}
	over("PUT over a lower quota", put("/cell1/box/new", 1))
	put("/cell1/box/f", quota-4*cellfs.NodeCost-30).Status(http.StatusNoContent) // shrinks
	s.Request("DELETE", "/cell1/box/f").Expect().Status(http.StatusNoContent)
	over("PUT of an empty file over it", put("/cell1/box/f", 0))
	s.Request("DELETE", "/cell1/box").Expect().Status(http.StatusNoContent)
	wantTaken(t, s, 0) // an empty cell
}

// wantQuota compares what is told of a cell with its files.
func wantQuota(t *testing.T, s *davtest.Server, when string) {
	t.Helper()
	var c cellfs.Cell
	var nodes, used int64
	err := s.FS.View(t.Context(), func(tx cellfs.Tx) (err error) {
		if c, err = tx.Cell("cell1"); err == nil {
			nodes, used, err = tx.Count(c.Root)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	used += cellfs.NodeCost * (nodes - 2) // the root and the main box are in an empty cell too
	const ask = `<propfind xmlns="DAV:"><prop><quota-used-bytes/><quota-available-bytes/></prop></propfind>`
	for _, path := range []string{"/cell1", "/cell1/box"} {
		props := s.Propfind(path, "0", ask)[0].Props
		if props["{DAV:}quota-used-bytes"] != fmt.Sprint(used) || props["{DAV:}quota-available-bytes"] != fmt.Sprint(max(0, c.Quota-used)) {
			t.Errorf("%s: %s tells %v, its resources have %d of %d bytes", when, path, props, used, c.Quota)
		}
	}
}

func wantTaken(t *testing.T, s *davtest.Server, want int64) {
	t.Helper()
	err := s.FS.View(t.Context(), func(tx cellfs.Tx) error {
		c, err := tx.Cell("cell1")
		if c.Taken() != want {
			t.Errorf("the cell takes %d bytes, want %d", c.Taken(), want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestResourcesOfACellAreBounded makes as many resources as a cell may have, and one more, by
// everything that makes some.
func TestResourcesOfACellAreBounded(t *testing.T) {
	t.Parallel()
	const most = 2 + 8 // the root and the main box
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}, MaxNodes: most})
	s.Mkcol("/cell1/box")
	s.Mkcol("/cell1/box/d")
	s.Put("/cell1/box/d/f", "x")
	s.Mkcol("/cell2/box")
	s.Mkcol("/cell2/box/d")
	s.Put("/cell2/box/d/f", "x")
	s.Transfer("COPY", "/cell1/box/d", "/cell1/box/e", "").Status(http.StatusCreated)
	s.Transfer("MOVE", "/cell2/box/d", "/cell1/box/g", "").Status(http.StatusCreated)
	s.Put("/cell1/box/last", "x")
	full := func(what string, r *httpexpect.Response) {
		t.Helper()
		if got := r.Raw().StatusCode; got != http.StatusInsufficientStorage {
			t.Errorf("%s: %d", what, got)
		}
	}
	s.Put("/cell2/box/f", "x")
	full("PUT", s.Request("PUT", "/cell1/box/more").WithText("x").Expect())
	full("MKCOL", s.Request("MKCOL", "/cell1/box/more").Expect())
	full("MKCOL of a box", s.Request("MKCOL", "/cell1/more").Expect())
	full("LOCK", s.Request("LOCK", "/cell1/box/more").
		WithText(`<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`).Expect())
	full("COPY", s.Transfer("COPY", "/cell1/box/d", "/cell1/box/h", ""))
	full("MOVE", s.Transfer("MOVE", "/cell2/box/f", "/cell1/box/h", ""))
	s.Put("/cell1/box/last", "changed")
	s.Transfer("MOVE", "/cell1/box/last", "/cell1/box/renamed", "").Status(http.StatusCreated)
	s.Request("DELETE", "/cell1/box/renamed").Expect().Status(http.StatusNoContent)
	s.Put("/cell1/box/more", "x")
}

// TestQuotaOfInstall: what does not fit ends the install.
func TestQuotaOfInstall(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	if err := s.FS.SetQuota(t.Context(), "cell1", 1000+2*cellfs.NodeCost); err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int]string{1000: "ready", 1001: "installation failed"} {
		box := fmt.Sprintf("/cell1/box%d", size)
		bar := bartest.New("").File("a.txt", "text/plain", strings.Repeat("a", size)).Bytes()
		s.Request("MKCOL", box).WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(http.StatusAccepted)
		meta := s.WaitBox(box)
		meta.Value("status").IsEqual(want)
		if want != "ready" {
			meta.Value("message").Object().Value("message").Object().Value("value").String().Contains("Quota of the cell is exceeded")
		}
		s.Request("DELETE", box).Expect().Status(http.StatusNoContent)
	}
}
