package dav_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav/davtest"
)

// many repeats a text with the numbers from 0 in the place of %d.
func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// pad makes a document longer without changing what it says.
func pad(body string, size int) string {
	return body + strings.Repeat(" ", max(0, size-len(body)))
}

// TestBodiesAreBounded sends XML bodies of the largest size, with the most elements and the
// most of what they are for, and a little more, to each method that reads one.
func TestBodiesAreBounded(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	propfind := func(inside string) string { return `<propfind xmlns="DAV:"><prop>` + inside + `</prop></propfind>` }
	proppatch := func(inside string) string {
		return `<D:propertyupdate xmlns:D="DAV:" xmlns="u"><D:set><D:prop>` + inside + `</D:prop></D:set></D:propertyupdate>`
	}
	mkcol := func(inside string) string {
		return `<mkcol xmlns="DAV:"><set><prop><resourcetype><collection/></resourcetype>` + inside + `</prop></set></mkcol>`
	}
	lock := func(inside string) string {
		return `<lockinfo xmlns="DAV:"><lockscope><shared/></lockscope><locktype><write/></locktype><owner>` + inside + `</owner></lockinfo>`
	}
	const all = `<ace><principal><all/></principal><grant><privilege><read/></privilege></grant></ace>`
	acl := func(inside string) string { return `<acl xmlns="DAV:">` + inside + `</acl>` }
	for name, c := range map[string]struct {
		method, fits, beyond, code string
	}{
		"bytes of PROPFIND":     {"PROPFIND", pad(propfind("<a/>"), 256<<10), pad(propfind("<a/>"), 256<<10+1), ""},
		"elements of PROPFIND":  {"PROPFIND", propfind("<a/>" + strings.Repeat("<b/>", 10_000-3)), propfind("<a/>" + strings.Repeat("<b/>", 10_000-2)), ""},
		"names of PROPFIND":     {"PROPFIND", propfind(many(1000, "<a%d/>")), propfind(many(1001, "<a%d/>")), ""},
		"long names":            {"PROPFIND", propfind("<" + strings.Repeat("a", 16<<10-4) + "/>"), propfind("<" + strings.Repeat("a", 16<<10-3) + "/>"), ""},
		"bytes of PROPPATCH":    {"PROPPATCH", pad(proppatch("<a/>"), 1<<20), pad(proppatch("<a/>"), 1<<20+1), ""},
		"elements of PROPPATCH": {"PROPPATCH", proppatch("<a>" + strings.Repeat("<b/>", 10_000-4) + "</a>"), proppatch("<a>" + strings.Repeat("<b/>", 10_000-3) + "</a>"), ""},
		"properties":            {"PROPPATCH", proppatch(many(cellfs.MaxProps, "<a%d/>")), proppatch(many(cellfs.MaxProps+1, "<a%d/>")), ""},
		"names written again":   {"PROPPATCH", proppatch(`<a xmlns="` + strings.Repeat("u", 500<<10) + `"><b/><b/></a>`), `<propertyupdate xmlns="DAV:"><set><prop><a xmlns="` + strings.Repeat("u", 500<<10) + `"><b/><b/><b/><b/></a></prop></set></propertyupdate>`, ""},
		"bytes of MKCOL":        {"MKCOL", pad(mkcol("<a/>"), 1<<20), pad(mkcol("<a/>"), 1<<20+1), ""},
		"elements of MKCOL":     {"MKCOL", mkcol("<a>" + strings.Repeat("<b/>", 10_000-6) + "</a>"), mkcol("<a>" + strings.Repeat("<b/>", 10_000-5) + "</a>"), ""},
		"properties of MKCOL":   {"MKCOL", mkcol(many(cellfs.MaxProps, "<a%d/>")), mkcol(many(cellfs.MaxProps+1, "<a%d/>")), ""},
		"bytes of LOCK":         {"LOCK", pad(lock(""), 64<<10), pad(lock(""), 64<<10+1), ""},
		"elements of LOCK":      {"LOCK", lock(strings.Repeat("<b/>", 100)), lock(strings.Repeat("<b/>", 1000)), ""},
		"owner of a LOCK":       {"LOCK", lock(strings.Repeat("x", 4<<10)), lock(strings.Repeat("x", 4<<10+1)), ""},
		"bytes of ACL":          {"ACL", pad(acl(all), 1<<20), pad(acl(all), 1<<20+1), ""},
		"aces":                  {"ACL", acl(strings.Repeat(all, access.MaxACEs)), acl(strings.Repeat(all, access.MaxACEs+1)), "PR400-DV-0006"},
		"elements of ACL":       {"ACL", acl(all), acl(all + strings.Repeat("<b/>", 50_000)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			send := func(path, body string) *http.Response {
				return s.Request(c.method, path).WithHeader("Depth", "0").WithHeader("Content-Type", "application/xml").WithBytes([]byte(body)).Expect().Raw()
			}
			path := "/cell1/box/" + strings.ReplaceAll(name, " ", "")
			if c.method != "MKCOL" {
				s.Put(path, "x")
			}
			code := c.code
			if code == "" {
				code = "PR413-CM-0001"
			}
			unchanged(t, s, func() {
				davtest.Error(s.Request(c.method, path).WithHeader("Depth", "0").WithHeader("Content-Type", "application/xml").WithBytes([]byte(c.beyond)).Expect(), code)
			})
			if r := send(path, c.fits); r.StatusCode >= 300 && !(name == "names written again" && r.StatusCode == http.StatusInsufficientStorage) {
				t.Errorf("%s %s", r.Status, path)
			}
		})
	}
}

// TestPropertiesOfAResourceAreBounded fills a resource request by request.
func TestPropertiesOfAResourceAreBounded(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	patch := func(set, remove string) string {
		b := `<propertyupdate xmlns="DAV:" xmlns:u="u">`
		if set != "" {
			b += "<set><prop>" + set + "</prop></set>"
		}
		if remove != "" {
			b += "<remove><prop>" + remove + "</prop></remove>"
		}
		return b + `</propertyupdate>`
	}
	send := func(body string) int {
		return s.Request("PROPPATCH", "/cell1/box").WithText(body).Expect().Raw().StatusCode
	}
	for _, c := range []struct {
		set, remove string
		status      int
	}{
		{set: many(cellfs.MaxProps-1, "<u:a%d/>"), status: 207},
		{set: "<u:b/><u:c/>", status: 507},
		{set: "<u:b/>", status: 207},
		{set: "<u:c/>", status: 507},
		{set: "<u:b>changed</u:b>", status: 207},
		{set: "<u:c/>", remove: "<u:a0/>", status: 207},
		{remove: many(cellfs.MaxProps-1, "<u:a%d/>"), status: 207},
	} {
		if got := send(patch(c.set, c.remove)); got != c.status {
			t.Errorf("%.30s, %.30s: %d, want %d", c.set, c.remove, got, c.status)
		}
	}
	props := s.Propfind("/cell1/box", "0", "")[0].Props
	if props["{u}b"] != "changed" {
		t.Errorf("%v", props)
	}
	if _, ok := props["{u}c"]; !ok {
		t.Errorf("%v", props)
	}
}

// TestNobodysBodyIsNotParsed sends what is not XML to each method that reads XML, as who
// may not use it: the answer is about the caller.
func TestNobodysBodyIsNotParsed(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "x")
	s.Account("cell1", "me")
	for _, m := range []string{"PROPFIND", "PROPPATCH", "LOCK", "ACL", "MKCOL"} {
		for _, p := range []string{"/cell1", "/cell1/box", "/cell1/box/f", "/cell1/box/new", "/cell1/none", "/"} {
			status := func(r int) string { return fmt.Sprintf("%s %s: %d", m, p, r) }
			if got := s.Anonymous().Request(m, "").WithURL(s.URL+p).WithText("<").WithHeader("Content-Type", "text/xml").Expect().Raw().StatusCode; got == http.StatusBadRequest {
				t.Error("nobody:", status(got))
			}
			if got := s.As("me", m, p).WithText("<").WithHeader("Content-Type", "text/xml").Expect().Raw().StatusCode; got == http.StatusBadRequest {
				t.Error("an account:", status(got))
			}
		}
	}
}
