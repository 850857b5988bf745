package dav_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gavv/httpexpect/v2"

	"cellar/dav/davtest"
)

// storeClock is a clock of the tree that a test sets.
type storeClock struct{ t atomic.Pointer[time.Time] }

func newStoreClock() *storeClock {
	c := &storeClock{}
	c.set(time.Now().Add(-time.Hour).Truncate(time.Second))
	return c
}

func (c *storeClock) set(t time.Time)         { c.t.Store(&t) }
func (c *storeClock) now() time.Time          { return *c.t.Load() }
func (c *storeClock) pass(more time.Duration) { c.set(c.now().Add(more)) }

const fileURL = "/cell1/box/f"

// TestDatesProveNothingElse: a content that came to a URL with an older date, or with one
// that it shares with the content before, is never taken for that (RFC 9110, 8.8.2.2).
func TestDatesProveNothingElse(t *testing.T) {
	t.Parallel()
	c, boxes := newStoreClock(), 0
	s := davtest.New(t, davtest.Config{StoreNow: c.now})
	c.pass(5 * time.Second)
	put := func(path, content, mtime string) *httpexpect.Response {
		r := s.Request("PUT", path).WithText(content)
		if mtime != "" {
			r = r.WithHeader("X-OC-Mtime", mtime)
		}
		return r.Expect().StatusRange(httpexpect.Status2xx)
	}
	// Each case puts one content at the URL after another, in a box of its own, and tells the
	// date of the first.
	for name, change := range map[string]func(box string) (url, date string){
		"an older file moved over": func(box string) (string, string) {
			put(box+"/old", "second", "")
			c.pass(2 * time.Second)
			date := put(box+"/f", "first", "").Header("Last-Modified").Raw()
			c.pass(2 * time.Second)
			s.Transfer("MOVE", box+"/old", box+"/f", "T").Status(http.StatusNoContent)
			return box + "/f", date
		},
		"a folder with an older file moved to": func(box string) (string, string) {
			s.Mkcol(box + "/old")
			put(box+"/old/f", "second", "")
			c.pass(2 * time.Second)
			s.Mkcol(box + "/new")
			date := put(box+"/new/f", "first", "").Header("Last-Modified").Raw()
			c.pass(2 * time.Second)
			s.Transfer("MOVE", box+"/old", box+"/new", "T").Status(http.StatusNoContent)
			return box + "/new/f", date
		},
		"a PUT with an older time": func(box string) (string, string) {
			date := put(box+"/f", "first", "").Header("Last-Modified").Raw()
			c.pass(2 * time.Second)
			put(box+"/f", "second", "1600000000")
			return box + "/f", date
		},
		"two PUTs with one time": func(box string) (string, string) {
			date := put(box+"/f", "first", "1600000000").Header("Last-Modified").Raw()
			c.pass(2 * time.Second)
			put(box+"/f", "second", "1600000000")
			return box + "/f", date
		},
		"a time in the future before": func(box string) (string, string) {
			put(box+"/f", "first", "2000000000")
			date := s.Request("HEAD", box+"/f").Expect().Header("Last-Modified").Raw()
			put(box+"/f", "second", "")
			return box + "/f", date
		},
		"two PUTs in one second": func(box string) (string, string) {
			date := put(box+"/f", "first", "").Header("Last-Modified").Raw()
			c.pass(200 * time.Millisecond)
			put(box+"/f", "second", "")
			return box + "/f", date
		},
		"removed and made in one second": func(box string) (string, string) {
			c.pass(5 * time.Second)
			date := put(box+"/f", "first", "").Header("Last-Modified").Raw()
			s.Request("DELETE", box+"/f").Expect().Status(http.StatusNoContent)
			put(box+"/f", "second", "")
			return box + "/f", date
		},
		"a box with an older file that gets the name": func(box string) (string, string) {
			rename := func(from, to string) {
				s.Request("MERGE", "/cell1/__ctl/Box('"+from+"')").WithJSON(map[string]string{"Name": to}).Expect().Status(http.StatusNoContent)
			}
			name := strings.TrimPrefix(box, "/cell1/")
			s.Mkcol(box + "x")
			put(box+"x/f", "second", "")
			c.pass(5 * time.Second)
			date := put(box+"/f", "first", "").Header("Last-Modified").Raw()
			c.pass(2 * time.Second)
			rename(name, name+"y")
			rename(name+"x", name)
			return box + "/f", date
		},
		"a copy over it in the same second": func(box string) (string, string) {
			put(box+"/other", "second", "")
			c.pass(5 * time.Second)
			date := put(box+"/f", "first", "").Header("Last-Modified").Raw()
			s.Transfer("COPY", box+"/other", box+"/f", "T").Status(http.StatusNoContent)
			return box + "/f", date
		},
	} {
		t.Run(name, func(t *testing.T) {
			box := fmt.Sprintf("/cell1/b%d", boxes)
			boxes++
			s.Mkcol(box)
			c.pass(5 * time.Second)
			url, date := change(box)
			for _, later := range []time.Duration{0, 3 * time.Second, 10 * time.Minute} {
				c.pass(later)
				s.Request("GET", url).WithHeader("If-Modified-Since", date).Expect().Status(http.StatusOK).Body().IsEqual("second")
				s.Request("GET", url).WithHeader("If-Range", date).WithHeader("Range", "bytes=3-").Expect().Status(http.StatusOK).Body().IsEqual("second")
				for method, body := range map[string]string{"PUT": "lost", "DELETE": "", "MOVE": ""} {
					davtest.Error(s.Request(method, url).WithHeader("Destination", box+"/gone").WithHeader("If-Unmodified-Since", date).WithText(body).Expect(), "PR412-DV-0001")
				}
				s.Request("GET", url).WithHeader("If-Unmodified-Since", date).Expect().Status(http.StatusPreconditionFailed)
			}
			s.WantGet(url, "second")
		})
	}
}

// TestDatesThatProve: the server's own date is a validator once it can only mean one
// content, whoever asks (RFC 9110, 13.1.3 to 13.1.5).
func TestDatesThatProve(t *testing.T) {
	t.Parallel()
	c := newStoreClock()
	s := davtest.New(t, davtest.Config{StoreNow: c.now})
	c.pass(5 * time.Second)
	s.Mkcol("/cell1/box")
	c.pass(5 * time.Second)
	write := func(content string) string {
		t.Helper()
		return s.Put(fileURL, content).Header("Last-Modified").Raw()
	}
	for _, content := range []string{"new", "replaced"} {
		c.pass(5 * time.Second)
		date := write(content)
		c.pass(3 * time.Second)
		for _, method := range []string{"GET", "HEAD"} {
			r := s.Request(method, fileURL).WithHeader("If-Modified-Since", date).Expect().Status(http.StatusNotModified)
			r.Header("ETag").NotEmpty()
			r.Body().IsEmpty()
		}
		s.Request("GET", fileURL).WithHeader("If-Range", date).WithHeader("Range", "bytes=1-").Expect().Status(http.StatusPartialContent).Body().IsEqual(content[1:])
		s.Request("GET", fileURL).WithHeader("If-Unmodified-Since", date).Expect().Status(http.StatusOK)
		earlier := c.now().Add(-time.Hour).UTC().Format(http.TimeFormat)
		s.Request("GET", fileURL).WithHeader("If-Modified-Since", earlier).Expect().Status(http.StatusOK)
		s.Request("GET", fileURL).WithHeader("If-Modified-Since", "yesterday").Expect().Status(http.StatusOK)
		// An entity tag that does not match comes first (RFC 9110, 13.1.3).
		s.Request("GET", fileURL).WithHeader("If-None-Match", `"other"`).WithHeader("If-Modified-Since", date).Expect().Status(http.StatusOK)
		s.Request("PUT", fileURL).WithHeader("If-Unmodified-Since", date).WithText(content).Expect().Status(http.StatusNoContent)
	}
	// A time of the client's own clock counts when everybody has seen the change.
	now := func() string { return c.now().UTC().Format(http.TimeFormat) }
	c.pass(30 * time.Second)
	s.Request("GET", fileURL).WithHeader("If-Modified-Since", now()).Expect().Status(http.StatusOK)
	c.pass(2 * time.Minute)
	s.Request("GET", fileURL).WithHeader("If-Modified-Since", now()).Expect().Status(http.StatusNotModified)
	s.Request("GET", fileURL).WithHeader("If-Modified-Since", c.now().Add(time.Hour).UTC().Format(http.TimeFormat)).Expect().Status(http.StatusOK)
	// Of a folder no date says what is below.
	davtest.Error(s.Request("DELETE", "/cell1/box").WithHeader("If-Unmodified-Since", now()).Expect(), "PR412-DV-0001")
}

// TestLastModifiedIsNotLaterThanDate (RFC 9110, 8.8.2.1): the property keeps what the
// client set.
func TestLastModifiedIsNotLaterThanDate(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	r := s.Request("PUT", fileURL).WithHeader("X-OC-Mtime", "2000000000").WithText("x").Expect().Status(http.StatusCreated)
	for _, r := range []*httpexpect.Response{r, s.Request("GET", fileURL).Expect(), s.Request("HEAD", fileURL).Expect(),
		s.Request("GET", fileURL).WithHeader("Range", "bytes=0-0").Expect().Status(http.StatusPartialContent)} {
		modified, err := http.ParseTime(r.Header("Last-Modified").Raw())
		date, derr := http.ParseTime(r.Header("Date").Raw())
		if err != nil || derr != nil || modified.After(date) {
			t.Errorf("Last-Modified %v, Date %v, %v, %v", modified, date, err, derr)
		}
	}
	if got := s.Propfind(fileURL, "0", "")[0].Props["{DAV:}getlastmodified"]; got != "Wed, 18 May 2033 03:33:20 GMT" {
		t.Errorf("getlastmodified = %s", got)
	}
}

// TestTagLists: a comma or a star in an entity tag is part of it (RFC 9110, 8.8.3).
func TestTagLists(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	tag := s.Put(fileURL, "x").Header("ETag").Raw()
	bare := strings.Trim(tag, `"`)
	for list, matches := range map[string]bool{
		tag: true, `"other", ` + tag: true, tag + `,"other"`: true, `,, ` + tag + ` ,`: true, bare: true, `"other",` + bare: true, "*": true, " * ": true,
		`"x,*,y"`: false, `"x, ` + bare + `, y"`: false, `"other", *`: false, `"`: false, `"*"`: false, "W/" + bare: false, `"other`: false,
	} {
		want := http.StatusPreconditionFailed
		if matches {
			want = http.StatusMultiStatus
		}
		s.Request("PROPPATCH", fileURL).WithHeader("If-Match", list).
			WithText(`<propertyupdate xmlns="DAV:"><set><prop><p xmlns="urn:x"/></prop></set></propertyupdate>`).Expect().Status(want)
		want = http.StatusOK
		if matches {
			want = http.StatusNotModified
		}
		if !strings.HasPrefix(list, "W/") {
			s.Request("GET", fileURL).WithHeader("If-None-Match", list).Expect().Status(want)
		}
	}
	s.Request("GET", fileURL).WithHeader("If-None-Match", "W/"+tag).Expect().Status(http.StatusNotModified)
}

// TestTokensGetPersoniumsConditions: who comes with a token makes a file with "If-Match: *",
// and has the content in spite of "If-None-Match: *", as Personium's clients expect. Others
// get what RFC 9110, 13.1.1 and 13.1.2 say.
func TestTokensGetPersoniumsConditions(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me", "r")
	s.Mkcol("/cell1/box")
	s.SetACL("/cell1/box", davtest.ACE{Role: "r", Privileges: "D:all"})
	token := s.Token("cell1", "me", nil).Value("access_token").String().Raw()
	put := func(r *httpexpect.Request) *httpexpect.Response {
		return r.WithHeader("If-Match", "*").WithText("content").Expect()
	}
	davtest.Error(put(s.As("me", "PUT", fileURL)), "PR412-DV-0001")
	put(s.With(token, "PUT", fileURL)).Status(http.StatusCreated)
	put(s.With(token, "PUT", fileURL)).Status(http.StatusNoContent)
	davtest.Error(s.With(token, "PUT", "/cell1/box/g").WithHeader("If-Match", `"1-1"`).WithText("x").Expect(), "PR412-DV-0001")
	davtest.Error(s.With(token, "MKCOL", "/cell1/box/d").WithHeader("If-Match", "*").Expect(), "PR412-DV-0001")

	get := func(r *httpexpect.Request, tag string) *httpexpect.Response {
		return r.WithHeader("If-None-Match", tag).Expect()
	}
	tag := get(s.With(token, "GET", fileURL), "*").Status(http.StatusOK).Header("ETag").Raw()
	get(s.With(token, "GET", fileURL), tag).Status(http.StatusNotModified)
	get(s.As("me", "GET", fileURL), "*").Status(http.StatusNotModified)
	davtest.Error(s.With(token, "PUT", fileURL).WithHeader("If-None-Match", "*").WithText("x").Expect(), "PR412-DV-0001")

	r := s.Anonymous().POST("/cell1/__token").WithForm(map[string]string{
		"grant_type": "password", "username": "me", "password": davtest.AccountPassword, "p_cookie": "true",
	}).Expect().Status(http.StatusOK)
	cookie, peer := r.Cookie("p_cookie").Value().Raw(), r.JSON().Object().Value("p_cookie_peer").String().Raw()
	s.Anonymous().GET(fileURL).WithQuery("p_cookie_peer", peer).WithCookie("p_cookie", cookie).WithHeader("If-None-Match", "*").Expect().Status(http.StatusOK)
	// A token that is none is none of Personium's clients.
	s.SetACL("/cell1/box", davtest.ACE{Privileges: "D:all"})
	get(s.With("nonsense", "GET", fileURL), "*").Status(http.StatusNotModified)
}

// TestConditionsOfSnapshots: what is copied from the snapshots has its conditions too.
func TestConditionsOfSnapshots(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Export("cell1", "s")
	const path = "/cell1/__snapshot/s.zip"
	tag := s.Request("HEAD", path).Expect().Status(http.StatusOK).Header("ETag").Raw()
	copied := func(name, value string) int {
		return s.Request("COPY", path).WithHeader("Destination", "/cell1/box/copy.zip").WithHeader(name, value).Expect().Raw().StatusCode
	}
	now := time.Now().Add(-time.Second).UTC().Format(http.TimeFormat)
	for _, c := range [][2]string{{"If-Match", `"other"`}, {"If-None-Match", tag}, {"If-Unmodified-Since", now}} {
		if got := copied(c[0], c[1]); got != http.StatusPreconditionFailed {
			t.Errorf("COPY with %s: %s = %d", c[0], c[1], got)
		}
	}
	s.WantGone("/cell1/box/copy.zip")
	if got := copied("If-Match", tag); got != http.StatusCreated {
		t.Errorf("COPY as it is = %d", got)
	}
	s.Request("GET", path).WithHeader("If-Modified-Since", now).Expect().Status(http.StatusOK)
	s.Request("GET", path).WithHeader("If-None-Match", tag).Expect().Status(http.StatusNotModified)
}

// TestDatesAfterAnImport: what an import brings back has its old dates, and they prove
// nothing of what was told meanwhile.
func TestDatesAfterAnImport(t *testing.T) {
	t.Parallel()
	c := newStoreClock()
	s := davtest.New(t, davtest.Config{StoreNow: c.now})
	c.pass(5 * time.Second)
	s.Mkcol("/cell1/box")
	old := s.Put(fileURL, "old").Header("Last-Modified").Raw()
	c.pass(2 * time.Second)
	s.Export("cell1", "s")
	c.pass(2 * time.Second)
	date := s.Put(fileURL, "new").Header("Last-Modified").Raw()
	c.pass(2 * time.Minute)
	importByName(s, "cell1", "s").Value("status").IsEqual("ready")
	c.pass(2 * time.Second)
	for _, d := range []string{date, old} {
		s.Request("GET", fileURL).WithHeader("If-Modified-Since", d).Expect().Status(http.StatusOK).Body().IsEqual("old")
		s.Request("GET", fileURL).WithHeader("If-Unmodified-Since", d).Expect().Status(http.StatusPreconditionFailed)
	}
	c.pass(2 * time.Minute)
	s.Request("GET", fileURL).WithHeader("If-Modified-Since", c.now().UTC().Format(http.TimeFormat)).Expect().Status(http.StatusNotModified)
}
