package dav_test

import (
	"crypto/sha1"
	"fmt"
	"net/http"
	"testing"

	"cellar/dav/davtest"
)

// TestModificationTimes: clients keep the times of their files (A39, A40), and
// entity tags do not change with them.
func TestModificationTimes(t *testing.T) {
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Mkcol("/cell1/box/d")
	const stamp, shown = "1500000000.25", "Fri, 14 Jul 2017 02:40:00 GMT"
	r := s.Request("PUT", "/cell1/box/f").WithHeader("X-OC-Mtime", stamp).WithText("x").Expect().Status(http.StatusCreated)
	r.Header("X-OC-Mtime").IsEqual("accepted")
	r.Header("Last-Modified").IsEqual(shown)
	lastModified := func(path, want string) {
		t.Helper()
		if got := s.Propfind(path, "0", "")[0].Props["{DAV:}getlastmodified"]; got != want {
			t.Errorf("%s was modified %s, want %s", path, got, want)
		}
	}
	lastModified("/cell1/box/f", shown)
	s.Request("GET", "/cell1/box/f").WithHeader("If-Modified-Since", shown).Expect().Status(http.StatusOK) // it is no validator
	davtest.Error(s.Request("PUT", "/cell1/box/f").WithHeader("X-OC-Mtime", "yesterday").WithText("y").Expect(), "PR400-DV-0009")
	s.WantGet("/cell1/box/f", "x")

	tag := s.Request("HEAD", "/cell1/box/f").Expect().Header("ETag").Raw()
	for path, prop := range map[string]string{
		"/cell1/box/f": `<D:getlastmodified>Thu, 01 Jan 1970 00:00:00 GMT</D:getlastmodified>`,
		"/cell1/box/d": `<z:Win32LastModifiedTime xmlns:z="urn:schemas-microsoft-com:">Thu, 01 Jan 1970 00:00:00 GMT</z:Win32LastModifiedTime>` +
			`<z:Win32FileAttributes xmlns:z="urn:schemas-microsoft-com:">00000010</z:Win32FileAttributes>`,
	} {
		body := `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>` + prop + `</D:prop></D:set></D:propertyupdate>`
		s.Request("PROPPATCH", path).WithText(body).Expect().Status(http.StatusMultiStatus).Body().Contains("200 OK").NotContains("403")
		lastModified(path, "Thu, 01 Jan 1970 00:00:00 GMT")
	}
	s.Request("HEAD", "/cell1/box/f").Expect().Header("ETag").IsEqual(tag)
	s.Request("PROPPATCH", "/cell1/box/f").WithText(`<propertyupdate xmlns="DAV:"><set><prop><getlastmodified>soon</getlastmodified></prop></set></propertyupdate>`).
		Expect().Status(http.StatusBadRequest)
	s.Transfer("MOVE", "/cell1/box/f", "/cell1/box/g", "").Status(http.StatusCreated)
	lastModified("/cell1/box/g", "Thu, 01 Jan 1970 00:00:00 GMT")
	s.Request("COPY", "/cell1/box/g").WithHeader("Destination", s.URL+"/cell1/box/h").WithHeader("X-OC-Mtime", stamp).Expect().Status(http.StatusCreated)
	lastModified("/cell1/box/h", shown)
	s.Put("/cell1/box/g", "new")
	if got := s.Propfind("/cell1/box/g", "0", "")[0].Props["{DAV:}getlastmodified"]; got == "Thu, 01 Jan 1970 00:00:00 GMT" {
		t.Error("new content kept the old time")
	}
}

// TestAnnouncedBodies: what a client says of its body must hold (RFC 9110, 8.6;
// Finder's and ownCloud's headers).
func TestAnnouncedBodies(t *testing.T) {
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	sum := fmt.Sprintf("SHA1:%x", sha1.Sum([]byte("hello")))
	for _, c := range []struct{ name, value, code string }{
		{"X-Expected-Entity-Length", "5", ""},
		{"X-Expected-Entity-Length", "4", "PR400-CM-0006"},
		{"X-Expected-Entity-Length", "6", "PR400-CM-0006"},
		{"X-Expected-Entity-Length", "x", "PR400-DV-0009"},
		{"OC-Checksum", sum, ""},
		{"OC-Checksum", sum[:len(sum)-1] + "x", "PR400-DV-0009"},
		{"OC-Checksum", "SHA1:" + fmt.Sprintf("%x", sha1.Sum(nil)), "PR400-CM-0007"},
		{"OC-Checksum", "ADLER32:01", ""},
	} {
		r := s.Request("PUT", "/cell1/box/f").WithHeader(c.name, c.value).WithText("hello").Expect()
		if c.code == "" {
			r.Status(http.StatusCreated)
			s.Request("DELETE", "/cell1/box/f").Expect().Status(http.StatusNoContent)
			continue
		}
		davtest.Error(r, c.code)
		s.WantGone("/cell1/box/f")
	}
}
