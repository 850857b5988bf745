package dav_test

import (
	"crypto/sha1"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/dav/davtest"
)

// TestModificationTimes: clients keep the times of their files, and
// entity tags do not change with them.
func TestModificationTimes(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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

// TestDatesThatAreNone: a date that cannot be read is a conflict of its property, and what
// came with it is not done (RFC 4918, 9.2). Many forms can be read.
func TestDatesThatAreNone(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "x")
	patch := func(props string) string {
		t.Helper()
		return s.Request("PROPPATCH", "/cell1/box/f").WithText(`<D:propertyupdate xmlns:D="DAV:" xmlns:z="urn:schemas-microsoft-com:"><D:set><D:prop>` + props + `</D:prop></D:set></D:propertyupdate>`).
			Expect().Status(http.StatusMultiStatus).Body().Raw()
	}
	const other = `<x xmlns="urn:x">1</x>`
	modified := func() string { return s.Propfind("/cell1/box/f", "0", "")[0].Props["{DAV:}getlastmodified"] }
	before := modified()
	for _, wrong := range []string{
		"<D:getlastmodified>soon</D:getlastmodified>", "<D:getlastmodified/>", "<D:getlastmodified>Mon, 31 Feb 2026 00:00:00 GMT</D:getlastmodified>",
		"<D:lastmodified>Mon, 02 Mar 2026 09:30:00 GMT</D:lastmodified>", "<D:lastmodified>1e15</D:lastmodified>", "<D:lastmodified>-90000000000</D:lastmodified>",
		"<z:Win32LastModifiedTime>00ff</z:Win32LastModifiedTime>", "<D:getlastmodified>Mon, 02 Mar 2026 09:30:00 XYZ</D:getlastmodified>",
	} {
		body := patch(wrong + other)
		name := strings.TrimRight(wrong[1:strings.Index(wrong, ">")], "/")
		_, local, _ := strings.Cut(name, ":")
		if !strings.Contains(body, "409 Conflict") || !strings.Contains(body, "424 Failed Dependency") || strings.Contains(body, "200 OK") ||
			strings.Index(body, local) > strings.Index(body, "409") {
			t.Errorf("%s: %s", wrong, body)
		}
		props := s.Propfind("/cell1/box/f", "0", "")[0].Props
		if _, ok := props["{urn:x}x"]; ok || props["{DAV:}getlastmodified"] != before {
			t.Errorf("%s changed something: %v", wrong, props)
		}
	}
	for text, want := range map[string]string{
		"<D:getlastmodified>Mon, 02 Mar 2026 09:30:01 +0000</D:getlastmodified>":           "Mon, 02 Mar 2026 09:30:01 GMT",
		"<D:getlastmodified>Mon, 2 Mar 2026 09:30:02 UTC</D:getlastmodified>":              "Mon, 02 Mar 2026 09:30:02 GMT",
		"<D:getlastmodified>Mon, 02 Mar 2026 10:30:03 +0100</D:getlastmodified>":           "Mon, 02 Mar 2026 09:30:03 GMT",
		"<D:getlastmodified>2026-03-02T09:30:04.5Z</D:getlastmodified>":                    "Mon, 02 Mar 2026 09:30:04 GMT",
		"<z:Win32LastModifiedTime>Mon, 02 Mar 2026 09:30:05 GMT</z:Win32LastModifiedTime>": "Mon, 02 Mar 2026 09:30:05 GMT",
		"<D:lastmodified>1772443806</D:lastmodified>":                                      "Mon, 02 Mar 2026 09:30:06 GMT",
		"<lastmodified xmlns=\"DAV:\">1772443807</lastmodified>":                           "Mon, 02 Mar 2026 09:30:07 GMT",
		"<D:getlastmodified>Fri, 01 Jan 1601 00:00:00 GMT</D:getlastmodified>":             "Mon, 01 Jan 1601 00:00:00 GMT",
	} {
		if body := patch(text); !strings.Contains(body, "200 OK") || modified() != want {
			t.Errorf("%s = %s, modified %s", text, body, modified())
		}
	}
	if props := s.Propfind("/cell1/box/f", "0", `<propfind xmlns="DAV:"><propname/></propfind>`)[0].Props; len(props) == 0 {
		t.Error("no properties")
	} else if _, ok := props["{DAV:}lastmodified"]; ok {
		t.Error("lastmodified was kept as a property too")
	}
	// A file cannot be without a time.
	for _, name := range []string{"getlastmodified", "lastmodified"} {
		s.Request("PROPPATCH", "/cell1/box/f").WithText(`<propertyupdate xmlns="DAV:"><remove><prop><` + name + `/></prop></remove></propertyupdate>`).
			Expect().Status(http.StatusMultiStatus).Body().Contains("403 Forbidden").NotContains("200 OK")
	}
	// MKCOL has them too (RFC 5689).
	mkcol := func(text string) *httpexpect.Response {
		return s.Request("MKCOL", "/cell1/box/d").WithHeader("Content-Type", "application/xml").WithText(`<mkcol xmlns="DAV:"><set><prop><resourcetype><collection/></resourcetype>` +
			`<getlastmodified>` + text + `</getlastmodified></prop></set></mkcol>`).Expect()
	}
	davtest.Error(mkcol("soon"), "PR400-DV-0002")
	mkcol("Mon, 02 Mar 2026 09:30:01 GMT").Status(http.StatusCreated)
	if got := s.Propfind("/cell1/box/d", "0", "")[0].Props["{DAV:}getlastmodified"]; got != "Mon, 02 Mar 2026 09:30:01 GMT" {
		t.Errorf("the new collection was modified %s", got)
	}
}

// TestTimesNoHeaderCanShow (RFC 9110, 5.6.7).
func TestTimesNoHeaderCanShow(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	for _, v := range []string{"-90000000000", "-62135596801", "253402300800", "1e300", "-Inf", "NaN", "0x"} {
		davtest.Error(s.Request("PUT", "/cell1/box/f").WithHeader("X-OC-Mtime", v).WithText("x").Expect(), "PR400-DV-0009")
	}
	s.WantGone("/cell1/box/f")
	for v, want := range map[string]string{"-62135596799": "Mon, 01 Jan 0001 00:00:01 GMT", "-11644473600": "Mon, 01 Jan 1601 00:00:00 GMT"} {
		s.Request("PUT", "/cell1/box/f").WithHeader("X-OC-Mtime", v).WithText("x").Expect().Header("Last-Modified").IsEqual(want)
	}
}

// TestNamesAppearOnce: a displayname that was set stands in the place of the name.
func TestNamesAppearOnce(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Request("PROPPATCH", "/cell1/box").WithText(`<propertyupdate xmlns="DAV:"><set><prop><displayname>mine</displayname></prop></set></propertyupdate>`).Expect().Status(http.StatusMultiStatus)
	for _, body := range []string{`<propfind xmlns="DAV:"><propname/></propfind>`, `<propfind xmlns="DAV:"><allprop/><include><displayname/></include></propfind>`} {
		r := s.Request("PROPFIND", "/cell1/box").WithHeader("Depth", "0").WithText(body).Expect().Status(http.StatusMultiStatus).Body().Raw()
		if n := strings.Count(r, "<displayname") + strings.Count(r, "<D:displayname"); n != 1 {
			t.Errorf("displayname appears %d times in %s", n, r)
		}
	}
}
