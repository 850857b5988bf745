package dav_test

// What is known to go wrong with golang.org/x/net/webdav and servers built on it, each as the
// test of what is right instead. Others of the kind have tests elsewhere: TestBrokenPut,
// TestListingThatFails, TestLostUpdate, TestClients, TestLitmus, TestModificationTimes,
// TestProperties, TestQuotaProperties, TestHostilePaths, TestHostileXML.

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/cellfs"
	"cellar/dav/davtest"
)

// TestTransfers goes through all combinations of source, destination, method and
// Overwrite. What is refused changes nothing (RFC 4918, 9.8.4,
// 9.8.5, 9.9.4, 10.6).
func TestTransfers(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	const b = "/cell1/box"
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}})
	for _, c := range []struct {
		src, dst string
		want     [3]int // for Overwrite T, F and absent
	}{
		{b + "/missing", b + "/f", [3]int{404, 404, 404}},
		{b + "/missing", b + "/d", [3]int{404, 404, 404}},
		{b + "/missing", b + "/new", [3]int{404, 404, 404}},
		{b + "/f", b + "/f", [3]int{403, 403, 403}},
		{b + "/d", b + "/d", [3]int{403, 403, 403}},
		{b + "/d/", b + "/d", [3]int{403, 403, 403}},
		{b + "/d", b + "/d/", [3]int{403, 403, 403}},
		{b + "/d/x", b + "/d", [3]int{403, 403, 403}},
		{b + "/d/e", b + "/d", [3]int{403, 403, 403}},
		{b + "/d", b + "/d/sub", [3]int{403, 403, 403}},
		{b + "/d", b + "/d/e", [3]int{403, 403, 403}},
		{b + "/d", b + "/d/x", [3]int{403, 403, 403}},
		{b + "/f", b + "/none/f", [3]int{409, 409, 409}},
		{b + "/d", b + "/none/d", [3]int{409, 409, 409}},
		{b + "/f", b, [3]int{403, 403, 403}},
		{b + "/f", "/cell1", [3]int{403, 403, 403}},
		{b + "/f", "/cell1/new", [3]int{403, 403, 403}},
		{b + "/f", "/cell1/none/f", [3]int{409, 409, 409}},
		{b + "/f", "/none/box/f", [3]int{409, 409, 409}},
		{b + "/f", "/cell1/__snapshot/f", [3]int{403, 403, 403}},
		{b + "/f", b + "/g", [3]int{204, 412, 204}},
		{b + "/f", b + "/d", [3]int{204, 412, 204}},
		{b + "/d", b + "/g", [3]int{204, 412, 204}},
		{b + "/d", b + "/d2", [3]int{204, 412, 204}},
		{b + "/d/e", b + "/d2", [3]int{204, 412, 204}},
		{b + "/f", b + "/new", [3]int{201, 201, 201}},
		{b + "/f", b + "/F", [3]int{201, 201, 201}}, // another case is another name
		{b + "/d", b + "/new/", [3]int{201, 201, 201}},
		{b + "/f", "/cell2/__/f", [3]int{201, 201, 201}},
		{b + "/d", "/cell2/__/d", [3]int{201, 201, 201}},
	} {
		for i, overwrite := range []string{"T", "F", ""} {
			for _, method := range []string{"COPY", "MOVE"} {
				t.Run(fmt.Sprintf("%s %s to %s, Overwrite %q", method, c.src, c.dst, overwrite), func(t *testing.T) {
					s.T = t
					for _, path := range []string{"/cell1/box", "/cell2/__/f", "/cell2/__/d"} {
						s.Request("DELETE", path).Expect()
					}
					transferTree(s)
					send := func() { s.Transfer(method, c.src, c.dst, overwrite).Status(c.want[i]) }
					if c.want[i] >= 300 {
						unchanged(t, s, send)
						return
					}
					send()
					transferred(s, method, c.src, c.dst)
				})
			}
		}
	}
	s.T = t
}

func transferTree(s *davtest.Server) {
	s.Mkcol("/cell1/box")
	for _, d := range []string{"d", "d/e", "d2"} {
		s.Mkcol("/cell1/box/" + d)
	}
	for _, f := range []string{"f", "g", "d/x", "d/e/y", "d2/z"} {
		s.Put("/cell1/box/"+f, "content of "+f)
	}
}

// transferred looks for what must have come, and that nothing else is there.
func transferred(s *davtest.Server, method, src, dst string) {
	dst = strings.TrimSuffix(dst, "/")
	members := map[string][]string{"f": {""}, "d": {"/x", "/e/y"}, "e": {"/y"}}[src[strings.LastIndex(src, "/")+1:]]
	name := strings.TrimPrefix(src, "/cell1/box/")
	for _, m := range members {
		s.WantGet(dst+m, "content of "+name+m)
		if method == "MOVE" {
			s.WantGone(src + m)
		} else {
			s.WantGet(src+m, "content of "+name+m)
		}
	}
	s.WantGone(dst + "/z") // of the destination before
}

// TestPutWithContentRange (RFC 9110, 14.5): a part is not taken for the whole.
func TestPutWithContentRange(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "0123456789")
	unchanged(t, s, func() {
		for _, path := range []string{"/cell1/box/f", "/cell1/box/new"} {
			s.Request("PUT", path).WithHeader("Content-Range", "bytes 2-3/10").WithText("xx").Expect().Status(http.StatusBadRequest)
		}
	})
}

// TestConditionsOnEveryMethod (RFC 9110, 13): what does not hold changes nothing.
func TestConditionsOnEveryMethod(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	transferTree(s)
	const props = `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="urn:x">1</x></prop></set></propertyupdate>`
	bodies := map[string]string{"PUT": "new", "DELETE": "", "COPY": "", "MOVE": "", "PROPPATCH": props}
	for method, body := range bodies {
		for header, value := range map[string]string{
			"If-Match": `"1-1"`, "If-None-Match": "*", "If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT", "If": `(["1-1"])`,
		} {
			unchanged(t, s, func() {
				s.Request(method, "/cell1/box/f").WithHeader(header, value).WithHeader("Destination", "/cell1/box/new").WithText(body).
					Expect().Status(http.StatusPreconditionFailed)
			})
		}
	}
	for _, method := range []string{"MKCOL", "PUT"} {
		unchanged(t, s, func() {
			s.Request(method, "/cell1/box/new").WithHeader("If-Match", "*").Expect().Status(http.StatusPreconditionFailed)
			s.Request(method, "/cell1/box/new").WithHeader("If", `(["1-1"])`).Expect().Status(http.StatusPreconditionFailed)
		})
	}
}

// TestSlowPutBlocksNobody: a path is taken when the body is complete, not
// while it streams.
func TestSlowPutBlocksNobody(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "first")
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "PUT /cell1/box/f HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n", basic())
	answer := make([]byte, len("HTTP/1.1 100 Continue"))
	if _, err := c.Read(answer); err != nil || !strings.Contains(string(answer), "100") {
		t.Fatalf("%q, %v", answer, err)
	}
	fmt.Fprint(c, "the beginning") // and the rest never comes
	s.Put("/cell1/box/f", "second").Status(http.StatusNoContent)
	s.Request("PROPPATCH", "/cell1/box/f").WithText(`<propertyupdate xmlns="DAV:"><set><prop><x xmlns="urn:x">1</x></prop></set></propertyupdate>`).
		Expect().Status(http.StatusMultiStatus)
	s.Transfer("MOVE", "/cell1/box/f", "/cell1/box/g", "").Status(http.StatusCreated)
	s.WantGet("/cell1/box/g", "second")
}

// TestDestinations (RFC 4918, 10.3): the same server under another
// spelling is the same server, another is not.
func TestDestinations(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{UnitURL: "https://files.example/"})
	s.Mkcol("/cell1/box")
	host := strings.TrimPrefix(s.URL, "http://")
	for dst, want := range map[string]int{
		"/cell1/box/x1":                                        201,
		s.URL + "/cell1/box/x2":                                201,
		"https://" + host + "/cell1/box/x3":                    201,
		"https://files.example/cell1/box/x4":                   201,
		"https://files.example:443/cell1/box/x5":               201,
		"http://files.example:80/cell1/box/x6":                 201,
		"https://FILES.example/cell1/box/x7":                   201,
		"https://cell1.files.example/box/x8":                   201,
		"https://files.example:8443/cell1/box/x9":              502,
		"https://other.example/cell1/box/x10":                  502,
		"https://a.cell1.files.example/box/x11":                502,
		"ftp://files.example/cell1/box/x12":                    502,
		"https://files.example/cell1/box/100% sure":            201, // bare, as some clients send it
		"https://files.example/cell1/box/x13#part":             400,
		"https://files.example/cell1/box/x14?a=b":              400,
		"https://files.example/cell1/box/%E3%81%82":            201,
		"cell1/box/x15":                                        400,
		"https://files.example/cell1/box/a%2520b/":             201,
		"https://files.example" + strings.Repeat("/x", 32_000): 400,
	} {
		s.Put("/cell1/box/f", "x")
		s.Request("MOVE", "/cell1/box/f").WithHost(host).WithHeader("Destination", dst).Expect().Status(want)
	}
	s.Request("GET", "/cell1/box/100%25%20sure").Expect().Status(http.StatusOK)
	r := s.Request("COPY", "/cell1/box/x1").WithHeader("Destination", "/cell1/box/y1")
	r.WithHeader("Destination", "/cell1/box/y2").Expect().Status(http.StatusBadRequest)
}

// TestStatuses (RFC 4918, 9.3, 9.7; RFC 9110, 9.3).
func TestStatuses(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	transferTree(s)
	s.Put("/cell1/box/new", "x").Status(http.StatusCreated)
	s.Put("/cell1/box/new", "y").Status(http.StatusNoContent)
	unchanged(t, s, func() {
		put := func(path string) *httpexpect.Response { return s.Request("PUT", path).WithText("x").Expect() }
		put("/cell1/box/fresh/").Status(http.StatusMethodNotAllowed).Header("Allow").NotEmpty()
		put("/cell1/box/d").Status(http.StatusMethodNotAllowed)
		put("/cell1/box/none/f").Status(http.StatusConflict)
		put("/cell1/box/f/below").Status(http.StatusConflict)
		s.Request("MKCOL", "/cell1/box/fresh").WithChunked(strings.NewReader("x")).Expect().Status(http.StatusUnsupportedMediaType)
		s.Request("MKCOL", "/cell1/box/fresh").WithHeader("Content-Type", "application/zip").WithText("PK").Expect().Status(http.StatusUnsupportedMediaType)
		s.Request("MKCOL", "/cell1/box/f").Expect().Status(http.StatusMethodNotAllowed)
		s.Request("MKCOL", "/cell1/box/none/d").Expect().Status(http.StatusConflict)
		s.Request("POST", "/cell1/box/f").Expect().Status(http.StatusMethodNotAllowed)
		s.Request("PATCH", "/cell1/box/f").WithText("x").Expect().Status(http.StatusMethodNotAllowed)
	})
	allow := s.Request("OPTIONS", "/cell1/box/d").Expect().Status(http.StatusOK).Header("Allow")
	for _, m := range []string{"GET", "HEAD", "MKCOL", "PUT", "PROPFIND", "LOCK"} {
		allow.Contains(m)
	}
}

// TestDepthForms (RFC 4918, 9.1, 10.2).
func TestDepthForms(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{PropfindLimit: 3})
	transferTree(s)
	for depth, want := range map[string]int{"0": 207, "1": 207, "1,noroot": 207, "Infinity": 403, "INFINITY": 403, "": 403, "2": 400, "x": 400} {
		r := s.Request("PROPFIND", "/cell1/box")
		if depth != "" {
			r = r.WithHeader("Depth", depth)
		}
		body := r.Expect().Status(want).Body()
		if want == 403 {
			body.Contains("propfind-finite-depth")
		}
	}
}

// TestListingCost: two transactions, a few statements and no content, however
// many members there are.
func TestListingCost(t *testing.T) {
	t.Parallel()
	var store *countingViews
	var blobs *countingBlobs
	s := davtest.New(t, davtest.Config{Wrap: func(m cellfs.Meta, b cellfs.Blobs) (cellfs.Meta, cellfs.Blobs) {
		store, blobs = &countingViews{Meta: m}, &countingBlobs{Blobs: b}
		return store, blobs
	}})
	s.Mkcol("/cell1/box")
	for i := range 50 {
		s.Put(fmt.Sprintf("/cell1/box/without-extension-%d", i), strings.Repeat("x", cellfs.MaxInline+1))
	}
	for _, body := range []string{"", `<propfind xmlns="DAV:"><prop><getcontenttype/><getetag/><lockdiscovery/></prop></propfind>`} {
		for range 2 {
			views, calls := store.views.Load(), store.calls.Load()
			if n := len(s.Propfind("/cell1/box", "1", body)); n != 51 {
				t.Errorf("%d responses", n)
			}
			views, calls = store.views.Load()-views, store.calls.Load()-calls
			if views > 2 || calls > 8 || blobs.opened.Load() != 0 {
				t.Errorf("a listing of 50 members takes %d transactions with %d calls and opens %d contents", views, calls, blobs.opened.Load())
			}
		}
	}
}

// TestETagIsTheContents: the tag of PUT is that of every later answer, and
// changes with the content alone.
func TestETagIsTheContents(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	tag := s.Put("/cell1/box/f", "x").Header("ETag").Raw()
	same := func(path string) {
		t.Helper()
		s.Request("GET", path).Expect().Header("ETag").IsEqual(tag)
		s.Request("HEAD", path).Expect().Header("ETag").IsEqual(tag)
		if got := s.Propfind(path, "0", "")[0].Props["{DAV:}getetag"]; got != tag {
			t.Errorf("getetag %s, want %s", got, tag)
		}
	}
	same("/cell1/box/f")
	s.Request("PROPPATCH", "/cell1/box/f").WithText(`<propertyupdate xmlns="DAV:"><set><prop><getlastmodified>Thu, 01 Jan 1970 00:00:00 GMT</getlastmodified></prop></set></propertyupdate>`).
		Expect().Status(http.StatusMultiStatus)
	same("/cell1/box/f")
	s.Transfer("MOVE", "/cell1/box/f", "/cell1/box/g", "").Status(http.StatusCreated)
	same("/cell1/box/g")
	if again := s.Put("/cell1/box/g", "x").Header("ETag").Raw(); again == tag {
		t.Error("a new version has the old tag")
	}
}
