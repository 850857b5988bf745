package dav_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"cellar/dav/davtest"
)

// TestLockHasConditions: LOCK, which can make a file, obeys the conditional headers (RFC
// 9110, 13.2.2).
func TestLockHasConditions(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	tag := s.Put("/cell1/box/f", "x").Header("ETag").Raw()
	lock := func(path, name, value string) int {
		return s.Request("LOCK", path).WithHeader("Depth", "0").WithHeader(name, value).WithText(exclusiveLock).Expect().Raw().StatusCode
	}
	unchanged(t, s, func() {
		for _, c := range [][3]string{
			{"/cell1/box/new", "If-Match", "*"}, {"/cell1/box/new", "If-Match", tag}, {"/cell1/box/f", "If-None-Match", "*"},
			{"/cell1/box/f", "If-Match", `"other"`}, {"/cell1/box/f", "If-None-Match", tag}, {"/cell1/box/f", "If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"},
		} {
			if got := lock(c[0], c[1], c[2]); got != http.StatusPreconditionFailed {
				t.Errorf("LOCK %s with %s: %s = %d", c[0], c[1], c[2], got)
			}
		}
	})
	if got := lock("/cell1/box/f", "If-Match", tag); got != http.StatusOK {
		t.Errorf("a lock of the file as it is = %d", got)
	}
	if got := lock("/cell1/box/new", "If-None-Match", "*"); got != http.StatusCreated {
		t.Errorf("a lock of what is not there = %d", got)
	}
}

// TestRefreshHasConditions: an If header that does not hold refreshes nothing (RFC 4918,
// 9.10.2 and 10.4).
func TestRefreshHasConditions(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	tag := s.Put("/cell1/box/f", "x").Header("ETag").Raw()
	s.Put("/cell1/box/g", "x")
	r := s.Request("LOCK", "/cell1/box/f").WithHeader("Depth", "0").WithHeader("Timeout", "Second-60").WithText(exclusiveLock).Expect().Status(http.StatusOK)
	token := r.Header("Lock-Token").Raw()
	refresh := func(condition string, more ...string) int {
		t.Helper()
		r := s.Request("LOCK", "/cell1/box/f").WithHeader("If", condition).WithHeader("Timeout", "Second-3600")
		if len(more) > 0 {
			r = r.WithHeader(more[0], more[1])
		}
		return r.Expect().Raw().StatusCode
	}
	for _, condition := range []string{
		"(" + token + ` ["no-such-etag"])`, "(Not " + token + ")", "</cell1/box/g> (" + token + ")", "(<urn:none>)", "(" + token + " <urn:none>)",
	} {
		if got := refresh(condition); got != http.StatusPreconditionFailed {
			t.Errorf("a refresh if %s = %d", condition, got)
		}
	}
	if got := refresh("("+token+")", "If-Match", `"other"`); got != http.StatusPreconditionFailed {
		t.Errorf("a refresh of another content = %d", got)
	}
	timeout := func() string { return s.Propfind("/cell1/box/f", "0", "")[0].Props["{DAV:}lockdiscovery"] }
	if strings.Contains(timeout(), "Second-3") {
		t.Error("the lock was refreshed: ", timeout())
	}
	for _, condition := range []string{"(" + token + " [" + tag + "])", "</cell1/box/f> (" + token + ")", "(<urn:none>) (" + token + ")"} {
		if got := refresh(condition); got != http.StatusOK {
			t.Errorf("a refresh if %s = %d", condition, got)
		}
	}
	if !strings.Contains(timeout(), "Second-3600") {
		t.Error("the lock was not refreshed: ", timeout())
	}
}

// TestLockOwnerIsForWriters: whom a lock is of is told to its owner and to who may write
// there, with the language that it came in.
func TestLockOwnerIsForWriters(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "reader", "r")
	s.Account("cell1", "writer", "w")
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "x")
	s.SetACL("/cell1/box", davtest.ACE{Privileges: "D:read"}, davtest.ACE{Role: "w", Privileges: "D:all"})
	body := strings.Replace(exclusiveLock, "<D:owner>me</D:owner>", `<D:owner xml:lang="de"><x xmlns="urn:x">mein Telefon</x></D:owner>`, 1)
	r := s.As("writer", "LOCK", "/cell1/box/f").WithHeader("Depth", "0").WithText(body).Expect().Status(http.StatusOK)
	r.Body().Contains(`xml:lang="de"`).Contains("mein Telefon")
	const find = `<propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>`
	for who, sees := range map[string]bool{"": false, "reader": false, "writer": true} {
		r := s.Anonymous().Request("PROPFIND", "/cell1/box/f")
		if who != "" {
			r = s.As(who, "PROPFIND", "/cell1/box/f")
		}
		res := r.WithHeader("Depth", "0").WithText(find).Expect().Status(http.StatusMultiStatus)
		got := davtest.ParseMultistatus(t, res.Body().Raw())[0].Props["{DAV:}lockdiscovery"]
		if strings.Contains(got, "mein Telefon") != sees || strings.Contains(got, `xml:lang="de"`) != sees || !strings.Contains(got, "<D:exclusive/>") {
			t.Errorf("%q sees %s", who, got)
		}
	}
}

// TestFreeSpaceIsForWriters: how full the disk of the server is, is told to who may write,
// and a listing of a collection alone tells it unasked, as npm's webdav asks (RFC 4331).
func TestFreeSpaceIsForWriters(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "small"}})
	if err := s.FS.SetQuota(t.Context(), "small", 1_000_000); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cell  string
		quota int
	}{{"cell1", 0}, {"small", 1_000_000}} {
		s.Mkcol("/" + c.cell + "/box")
		s.Put("/"+c.cell+"/box/f", "x")
		s.SetACL("/"+c.cell+"/box", davtest.ACE{Privileges: "D:read"})
		path := "/" + c.cell + "/box"
		for _, body := range []string{"", `<propfind xmlns="DAV:"><allprop/></propfind>`, `<propfind xmlns="DAV:"><prop><quota-available-bytes/><quota-used-bytes/></prop></propfind>`} {
			res := s.Anonymous().Request("PROPFIND", path).WithHeader("Depth", "0").WithText(body).Expect().Status(http.StatusMultiStatus)
			props := davtest.ParseMultistatus(t, res.Body().Raw())[0].Props
			used, left := props["{DAV:}quota-used-bytes"], ""
			if n, err := strconv.Atoi(used); err != nil || n == 0 {
				t.Errorf("%s: %q bytes are used", path, used)
			} else if c.quota > 0 {
				left = strconv.Itoa(c.quota - n)
			}
			if props["{DAV:}quota-available-bytes"] != left {
				t.Errorf("%s: anonymous sees %v", path, props)
			}
			if got := s.Propfind(path, "0", body)[0].Props; got["{DAV:}quota-available-bytes"] == "" || got["{DAV:}quota-used-bytes"] != used {
				t.Errorf("%s: the admin sees %v", path, got)
			}
		}
	}
	names := s.Propfind("/cell1/box", "0", `<propfind xmlns="DAV:"><propname/></propfind>`)[0].Props
	if _, ok := names["{DAV:}quota-available-bytes"]; !ok {
		t.Errorf("propname lacks what allprop shows: %v", names)
	}
	for path, depth := range map[string]string{"/cell1/box": "1", "/cell1/box/f": "0"} { // unasked only there
		if props := s.Propfind(path, depth, "")[0].Props; props["{DAV:}quota-used-bytes"] != "" {
			t.Errorf("%s with Depth %s shows %v", path, depth, props)
		}
	}
}
