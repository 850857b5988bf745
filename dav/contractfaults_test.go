package dav_test

import (
	"net/http"
	"testing"

	"cellar/barfs/bartest"
	"cellar/dav/davtest"
)

// TestBarIsAlwaysNew: no copy of a bar is good, whatever the client says of the one that it has.
func TestBarIsAlwaysNew(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Request("MKCOL", "/cell1/notes").WithHeader("Content-Type", "application/zip").WithBytes(bartest.Notes().Bytes()).Expect().Status(http.StatusAccepted)
	s.Request("GET", "/cell1/notes").WithHeader("Prefer", "wait=60").Expect().Status(http.StatusOK).JSON().Path("$.box.status").IsEqual("ready")
	for _, header := range [][2]string{{"If-None-Match", "*"}, {"If-None-Match", `"x"`}, {"If-Modified-Since", "Fri, 31 Dec 2100 00:00:00 GMT"}, {"Range", "bytes=0-3"}} {
		r := s.Request("GET", "/cell1/notes").WithHeader("Accept", barType).WithHeader(header[0], header[1]).Expect().Status(http.StatusOK)
		r.Body().Raw()
	}
	s.Request("GET", "/cell1/notes").WithHeader("Accept", barType).WithHeader("If-Match", `"x"`).Expect().Status(http.StatusPreconditionFailed)
}

// TestHealthAllows: what is not allowed of __health says what is.
func TestHealthAllows(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Anonymous().GET("/__health").Expect().Status(http.StatusOK)
	s.Anonymous().PUT("/__health").Expect().Status(http.StatusMethodNotAllowed).Header("Allow").IsEqual("GET, HEAD")
}

// TestCellsHaveNoLinks: links of cells are nothing that could be made, read or removed.
func TestCellsHaveNoLinks(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	davtest.Error(s.Request("GET", "/__ctl/Cell('cell1')/$links/_Cell").Expect(), "PR404-OD-0003")
	davtest.Error(s.Request("POST", "/__ctl/Cell('cell1')/$links/_Cell").WithText(`{"uri":"x"}`).Expect(), "PR404-OD-0003")
	davtest.Error(s.Request("DELETE", "/__ctl/Cell('cell1')/$links/_Cell('cell1')").Expect(), "PR404-OD-0003")
}
