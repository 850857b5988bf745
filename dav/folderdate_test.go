package dav_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"cellar/dav/davtest"
)

// TestFolderDateFollowsMembers: sync clients look at the date of a folder for what is new
// in it. It follows each change of a member, and of no one else.
func TestFolderDateFollowsMembers(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	clock.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro())
	s := davtest.New(t, davtest.Config{StoreNow: func() time.Time { return time.UnixMicro(clock.Load()).UTC() }})
	s.Mkcol("/cell1/box")
	s.Mkcol("/cell1/box/from")
	s.Mkcol("/cell1/box/to")
	s.Put("/cell1/box/from/a", "a")
	s.Put("/cell1/box/from/b", "b")
	date := func(path string) string { return s.Propfind(path, "0", "")[0].Props["{DAV:}getlastmodified"] }
	for _, c := range []struct {
		name    string
		do      func()
		changed []string
	}{
		{"PUT of a new member", func() { s.Put("/cell1/box/to/new", "x") }, []string{"/cell1/box/to"}},
		{"PUT of a member", func() { s.Put("/cell1/box/to/new", "y") }, []string{"/cell1/box/to"}},
		{"MKCOL", func() { s.Mkcol("/cell1/box/to/d") }, []string{"/cell1/box/to"}},
		{"COPY", func() {
			s.Transfer("COPY", "/cell1/box/from/a", "/cell1/box/to/a", "").Status(http.StatusCreated)
		}, []string{"/cell1/box/to"}},
		{"MOVE", func() {
			s.Transfer("MOVE", "/cell1/box/from/a", "/cell1/box/to/a", "").Status(http.StatusNoContent)
		}, []string{"/cell1/box/from", "/cell1/box/to"}},
		{"DELETE", func() { s.Request("DELETE", "/cell1/box/from/b").Expect().Status(http.StatusNoContent) }, []string{"/cell1/box/from"}},
		{"a lock of what is not there", func() {
			s.Request("LOCK", "/cell1/box/from/l").WithText(lockBody).Expect().Status(http.StatusCreated)
		}, []string{"/cell1/box/from"}},
		{"a new folder beside them", func() { s.Mkcol("/cell1/box/other") }, []string{"/cell1/box"}},
		{"a box", func() { s.Mkcol("/cell1/box2") }, []string{"/cell1"}},
		{"another name of a box", func() {
			s.Request("MERGE", "/cell1/__ctl/Box('box2')").WithJSON(map[string]string{"Name": "box3"}).Expect().Status(http.StatusNoContent)
		}, []string{"/cell1"}},
		{"a change further down", func() { s.Put("/cell1/box/to/d/x", "x") }, []string{"/cell1/box/to/d"}},
		{"a change that is refused", func() {
			s.Request("PUT", "/cell1/box/to/new").WithHeader("If-Match", `"no"`).WithText("z").Expect().Status(http.StatusPreconditionFailed)
		}, nil},
	} {
		all := []string{"/cell1", "/cell1/box", "/cell1/box/from", "/cell1/box/to"}
		before := map[string]string{}
		for _, p := range all {
			before[p] = date(p)
		}
		clock.Add(2e6)
		now := time.UnixMicro(clock.Load()).UTC().Format(http.TimeFormat)
		c.do()
		for _, p := range c.changed {
			if got := date(p); got != now {
				t.Errorf("%s: %s has %s, want %s", c.name, p, got, now)
			}
			before[p] = now
		}
		for _, p := range all {
			if got := date(p); got != before[p] {
				t.Errorf("%s: %s has %s, it had %s", c.name, p, got, before[p])
			}
		}
	}
	// A date that a client gave the folder counts until a member changes.
	const given = "Thu, 01 Jan 1970 00:00:00 GMT"
	s.Request("PROPPATCH", "/cell1/box/to").
		WithText(`<propertyupdate xmlns="DAV:"><set><prop><getlastmodified>` + given + `</getlastmodified></prop></set></propertyupdate>`).Expect().Status(http.StatusMultiStatus)
	if got := date("/cell1/box/to"); got != given {
		t.Errorf("a given date is %s", got)
	}
	s.Put("/cell1/box/to/new", "z")
	if got, now := date("/cell1/box/to"), time.UnixMicro(clock.Load()).UTC().Format(http.TimeFormat); got != now {
		t.Errorf("after a change in the same second: %s, want %s", got, now)
	}
	s.Restart()
	s.Put("/cell1/box/from/after", "x")
	if got, now := date("/cell1/box/from"), time.UnixMicro(clock.Load()).UTC().Format(http.TimeFormat); got != now {
		t.Errorf("after a restart: %s, want %s", got, now)
	}
}
