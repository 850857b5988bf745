package dav_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cellar/dav/davtest"
)

// TestOverridesKeepTheFraming sends requests behind one another on one connection: each has
// its own answer, whatever the overrides of the one before say.
func TestOverridesKeepTheFraming(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "content of the file")
	for name, c := range map[string]struct {
		head, body string
		status     int
	}{
		"HEAD by POST":               {"POST /cell1/box/f HTTP/1.1\r\nX-HTTP-Method-Override: HEAD\r\nContent-Length: 0\r\n", "", 405},
		"HEAD by POST of a JSON":     {"POST /cell1 HTTP/1.1\r\nX-HTTP-Method-Override: HEAD\r\nContent-Length: 0\r\n", "", 405},
		"head in small letters":      {"POST /cell1/box/f HTTP/1.1\r\nX-HTTP-Method-Override: head\r\nContent-Length: 0\r\n", "", 405},
		"GET by POST with a body":    {"POST /cell1/box/f HTTP/1.1\r\nX-HTTP-Method-Override: GET\r\nContent-Length: 4\r\n", "body", 200},
		"another length":             {"PUT /cell1/box/g HTTP/1.1\r\nX-Override: Content-Length:1\r\nContent-Length: 4\r\n", "body", 201},
		"another coding":             {"PUT /cell1/box/h HTTP/1.1\r\nX-Override: Transfer-Encoding:chunked\r\nContent-Length: 4\r\n", "body", 201},
		"a closed connection":        {"GET /cell1/box/f HTTP/1.1\r\nX-Override: Connection:close\r\n", "", 200},
		"an expectation":             {"PUT /cell1/box/i HTTP/1.1\r\nX-Override: Expect:100-continue\r\nContent-Length: 4\r\n", "body", 201},
		"HEAD that is overridden":    {"HEAD /cell1/box/f HTTP/1.1\r\nX-HTTP-Method-Override: GET\r\n", "", 200},
		"an override in an override": {"POST /cell1/box/f HTTP/1.1\r\nX-Override: X-HTTP-Method-Override:GET\r\nContent-Length: 0\r\n", "", 405},
	} {
		t.Run(name, func(t *testing.T) {
			c2, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c2.Close()
			auth := "Host: x\r\nAuthorization: Basic " + basic() + "\r\n\r\n"
			io.WriteString(c2, c.head+auth+c.body+"GET /__health HTTP/1.1\r\nHost: x\r\n\r\n")
			in := bufio.NewReader(c2)
			method, _, _ := strings.Cut(c.head, " ")
			for _, want := range []struct {
				method string
				status int
				body   string
			}{{method, c.status, ""}, {"GET", 200, "ok\n"}} {
				res, err := http.ReadResponse(in, &http.Request{Method: want.method})
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				if err != nil || res.StatusCode != want.status || want.body != "" && string(body) != want.body {
					t.Errorf("%d %q, %v, want %d %q", res.StatusCode, body, err, want.status, want.body)
				}
			}
		})
	}
	s.WantGet("/cell1/box/g", "body")
	// What is replaced is replaced, and only for this request.
	s.Request("GET", "/cell1/box/f").WithHeader("X-Override", "Range: bytes=0-6").Expect().Status(http.StatusPartialContent).Body().IsEqual("content")
	s.Anonymous().GET("/cell1/box/f").WithHeader("X-Override", "Authorization: Basic "+basic()).Expect().Status(http.StatusOK)
}

// TestPagesOfOtherOrigins: what a page needs of an answer it may read, and every method it
// may try (https://fetch.spec.whatwg.org/#http-cors-protocol).
func TestPagesOfOtherOrigins(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "x")
	list := func(v string) []string { return strings.Split(v, ", ") }
	exposed := list(s.Anonymous().GET("/cell1/box/f").Expect().Status(http.StatusUnauthorized).Header("Access-Control-Expose-Headers").Raw())
	for _, name := range []string{"Content-Range", "WWW-Authenticate", "Accept-Ranges", "Content-Disposition", "Content-Encoding", "Allow", "Retry-After",
		"Preference-Applied", "MS-Author-Via", "Date", "ETag", "Location", "Lock-Token", "DAV"} {
		if !slices.Contains(exposed, name) {
			t.Errorf("%s is not exposed", name)
		}
	}
	r := s.Anonymous().OPTIONS("/cell1/box/f").Expect().Status(http.StatusOK)
	methods, allow := list(r.Header("Access-Control-Allow-Methods").Raw()), list(r.Header("Allow").Raw())
	for _, m := range []string{"GET", "PROPFIND", "ACL", "LOCK", "MERGE"} {
		if !slices.Contains(methods, m) || !slices.Contains(allow, m) {
			t.Errorf("%s is missing", m)
		}
	}
	for _, m := range []string{"REPORT", "SEARCH", "PATCH"} {
		if !slices.Contains(methods, m) || slices.Contains(allow, m) {
			t.Errorf("%s: a page may try it, and no resource has it", m)
		}
		davtest.Error(s.Request(m, "/cell1/box/f").Expect(), "PR405-MC-0001")
	}
}

// TestAllowOfARefusal names what the resource has as it is (RFC 9110, 10.2.1).
func TestAllowOfARefusal(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Mkcol("/cell1/box/d")
	s.Put("/cell1/box/f", "x")
	for _, c := range []struct {
		method, path string
		without, has string
	}{
		{"PUT", "/cell1/box/d", "PUT", "PROPFIND"}, {"PUT", "/cell1/box/new/", "PUT", "DELETE"}, {"PUT", "/cell1/box/d/", "PUT", "GET"},
		{"MKCOL", "/cell1/box/d", "MKCOL", "PUT"}, {"MKCOL", "/cell1/box/f", "MKCOL", "PUT"}, {"PATCH", "/cell1/box/f", "PATCH", "PUT"},
	} {
		r := s.Request(c.method, c.path).WithText("x").WithHeader("Content-Type", "text/xml")
		if c.method == "MKCOL" {
			r = s.Request(c.method, c.path)
		}
		allow := strings.Split(r.Expect().Status(http.StatusMethodNotAllowed).Header("Allow").Raw(), ", ")
		if slices.Contains(allow, c.without) || !slices.Contains(allow, c.has) {
			t.Errorf("%s %s: Allow: %s", c.method, c.path, fmt.Sprint(allow))
		}
	}
}

// TestGzipWeights (RFC 9110, 12.4.2): names of parameters have no case.
func TestGzipWeights(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	for i := range 10 {
		s.Mkcol(fmt.Sprintf("/cell1/box/d%d", i))
	}
	for accept, packed := range map[string]bool{"gzip": true, "br, GZIP;q=0.5": true, "gzip;Q=1": true, "gzip;q=0": false, "gzip;Q=0": false, "gzip ; Q=0.000": false, "br": false} {
		want := ""
		if packed {
			want = "gzip"
		}
		r, err := http.NewRequest("PROPFIND", s.URL+"/cell1/box", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(davtest.User, davtest.Password)
		r.Header = http.Header{"Depth": {"1"}, "Accept-Encoding": {accept}, "Authorization": r.Header["Authorization"]}
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding: %s = %q", accept, got)
		}
	}
}
