package dav_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/dav/davtest"
)

const serviceBody = `<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype><D:collection/><p:service/></D:resourcetype></D:prop></D:set></D:mkcol>`

// TestServiceHoldsItsSources: a service collection has __src from the beginning and nothing
// beside it, whatever method tries, and __src stays where it is.
func TestServiceHoldsItsSources(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	for _, p := range []string{"/cell1/b", "/cell1/b/col", "/cell1/b/col/in"} {
		s.Mkcol(p)
	}
	s.Put("/cell1/b/f", "a file")
	for _, svc := range []string{"/cell1/b/svc", "/cell1/b/other"} {
		s.Request("MKCOL", svc).WithText(serviceBody).Expect().Status(http.StatusCreated)
		s.Put(svc+"/__src/x.js", "source")
	}
	all := func() []string { return s.Hrefs("/cell1/b", "infinity") }
	before := all()
	send := func(method, path, destination, body string) *httpexpect.Response {
		r := s.Request(method, path).WithBytes([]byte(body))
		if destination != "" {
			r = r.WithHeader("Destination", destination)
		}
		return r.Expect()
	}
	const lock = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`
	for _, c := range []struct{ method, path, destination, body, code string }{
		{"PUT", "/cell1/b/svc/x.js", "", "x", "PR405-MC-0001"},
		{"PUT", "/cell1/b/svc/__src", "", "x", "PR405-MC-0001"},
		{"LOCK", "/cell1/b/svc/x.js", "", lock, "PR405-MC-0001"},
		{"MKCOL", "/cell1/b/svc/new", "", "", "PR405-MC-0001"},
		{"MKCOL", "/cell1/b/svc/new", "", serviceBody, "PR405-MC-0001"},
		{"MKCOL", "/cell1/b/svc/__src", "", "", "PR405-DV-0001"},
		{"MKCOL", "/cell1/b/svc/__src/new", "", "", "PR405-MC-0001"},
		{"DELETE", "/cell1/b/svc/__src", "", "", "PR405-MC-0001"},
		{"MOVE", "/cell1/b/f", "/cell1/b/svc/f", "", "PR400-DV-0016"},
		{"COPY", "/cell1/b/f", "/cell1/b/svc/f", "", "PR400-DV-0016"},
		{"MOVE", "/cell1/b/col", "/cell1/b/svc/col", "", "PR400-DV-0016"},
		{"COPY", "/cell1/b/other", "/cell1/b/svc/other", "", "PR400-DV-0016"},
		{"MOVE", "/cell1/b/f", "/cell1/b/svc/__src", "", "PR400-DV-0017"},
		{"COPY", "/cell1/b/other/__src", "/cell1/b/svc/__src", "", "PR400-DV-0017"},
		{"MOVE", "/cell1/b/svc/__src", "/cell1/b/away", "", "PR400-DV-0011"},
		{"MOVE", "/cell1/b/svc/__src", "/cell1/b/svc/renamed", "", "PR400-DV-0011"},
		{"MOVE", "/cell1/b/svc/__src/x.js", "/cell1/b/svc/x.js", "", "PR400-DV-0016"},
		{"MOVE", "/cell1/b/col", "/cell1/b/svc/__src/col", "", "PR400-DV-0018"},
		{"COPY", "/cell1/b/other", "/cell1/b/svc/__src/x.js", "", "PR400-DV-0018"},
	} {
		code := send(c.method, c.path, c.destination, c.body).JSON().Object().Value("code").String().Raw()
		if code != c.code {
			t.Errorf("%s %s %s is answered %s, want %s", c.method, c.path, c.destination, code, c.code)
		}
		if after := all(); !slices.Equal(after, before) {
			t.Fatalf("%s %s %s changed the tree: %q", c.method, c.path, c.destination, after)
		}
	}
	s.WantGet("/cell1/b/svc/__src/x.js", "source")

	// Sources come and go, and services as a whole.
	send("COPY", "/cell1/b/f", "/cell1/b/svc/__src/f", "").Status(http.StatusCreated)
	send("MOVE", "/cell1/b/svc/__src/f", "/cell1/b/f2", "").Status(http.StatusCreated)
	send("COPY", "/cell1/b/svc/__src", "/cell1/b/sources", "").Status(http.StatusCreated)
	send("COPY", "/cell1/b/svc", "/cell1/b/twin", "").Status(http.StatusCreated)
	s.WantGet("/cell1/b/twin/__src/x.js", "source")
	s.Request("COPY", "/cell1/b/svc").WithHeader("Destination", "/cell1/b/empty").WithHeader("Depth", "0").Expect().Status(http.StatusCreated)
	s.Put("/cell1/b/empty/__src/y.js", "more")
	send("MOVE", "/cell1/b/svc", "/cell1/b/col/svc", "").Status(http.StatusCreated)
	s.WantGet("/cell1/b/col/svc/__src/x.js", "source")
	send("DELETE", "/cell1/b/twin", "", "").Status(http.StatusNoContent)

	// The box goes out as a bar and in again.
	bar := s.Request("GET", "/cell1/b").WithHeader("Accept", "application/zip+x-personium-bar").Expect().Status(http.StatusOK).Body().Raw()
	s.Request("MKCOL", "/cell1/again").WithHeader("Content-Type", "application/zip").WithBytes([]byte(bar)).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/again").Value("status").IsEqual("ready")
	s.WantGet("/cell1/again/empty/__src/y.js", "more")
	var installed []string
	for _, h := range s.Hrefs("/cell1/again", "infinity") {
		installed = append(installed, strings.Replace(h, "/again/", "/b/", 1))
	}
	if got := all(); !slices.Equal(got, installed) {
		t.Errorf("installed %q, exported %q", installed, got)
	}
}

// TestWhereNothingMayCome: COPY and MOVE into what takes nothing have the codes that
// Personium's clients know.
func TestWhereNothingMayCome(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/b")
	s.Request("MKCOL", "/cell1/b/o").WithText(odataBody).Expect().Status(http.StatusCreated)
	s.Put("/cell1/b/f", "x")
	s.Put("/cell1/b/g", "y")
	for destination, code := range map[string]string{
		"/cell1/b/o/f": "PR400-DV-0013", "/cell1/b/o/Set/f": "PR409-DV-0001", "/cell1/b/g/f": "PR400-DV-0014", "/cell1/b/g/d/f": "PR409-DV-0001",
		"/cell1/b/none/f": "PR409-DV-0001", "/cell1/none/f": "PR409-DV-0001", "/cell1/new": "PR403-DV-0008", "/cell1/__snapshot/f": "PR403-DV-0008", "/cell1/__log/f": "PR400-DV-0009",
	} {
		for _, method := range []string{"COPY", "MOVE"} {
			want := code
			if method == "COPY" && code == "PR400-DV-0014" {
				want = "PR409-DV-0001"
			}
			davtest.Error(s.Request(method, "/cell1/b/f").WithHeader("Destination", destination).Expect(), want)
		}
	}
	for _, method := range []string{"PUT", "MKCOL"} { // which are RFC 4918's
		davtest.Error(s.Request(method, "/cell1/b/g/f").Expect(), "PR409-DV-0001")
		davtest.Error(s.Request(method, "/cell1/b/o/f").Expect(), "PR405-MC-0001")
	}
	davtest.Error(s.Request("MOVE", "/cell1/b/o/$metadata").WithHeader("Destination", "/cell1/b/m").Expect(), "PR405-MC-0001")
	s.WantGet("/cell1/b/f", "x")
}
