package dav_test

import (
	"net/http"
	"testing"

	"cellar/dav/davtest"
)

// TestControlObjectsRespectLocks: boxes and cells are control objects, too, and what locks
// them and what is in them holds on that way as well.
func TestControlObjectsRespectLocks(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}})
	s.Mkcol("/cell1/b")
	s.Account("cell1", "me", "r")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:root"})
	lock := func(path, depth string) (token string) {
		t.Helper()
		return s.Request("LOCK", path).WithHeader("Depth", depth).
			WithText(`<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`).
			Expect().StatusList(http.StatusOK, http.StatusCreated).Header("Lock-Token").Raw()
	}
	unlock := func(path, token string) {
		t.Helper()
		s.Request("UNLOCK", path).WithHeader("Lock-Token", token).Expect().Status(http.StatusNoContent)
	}
	type change struct{ method, path, body string }
	var (
		schema  = change{"MERGE", "/cell1/__ctl/Box('b')", `{"Schema":"urn:x"}`}
		rename  = change{"PUT", "/cell1/__ctl/Box('b')", `{"Name":"c"}`}
		remove  = change{"DELETE", "/cell1/__ctl/Box('b')", ""}
		reCell  = change{"PUT", "/__ctl/Cell('cell1')", `{"Name":"cell9"}`}
		empty   = change{"DELETE", "/__ctl/Cell('cell2')", ""}
		wipe    = change{"DELETE", "/cell1", ""}
		another = change{"MERGE", "/cell1/__ctl/Role('r')", `{}`} // no resource of WebDAV
	)
	want := func(what string, c change, condition string, status int) {
		t.Helper()
		r := s.Request(c.method, c.path).WithText(c.body).WithHeader("X-Personium-Recursive", "true")
		if condition != "" {
			r = r.WithHeader("If", condition)
		}
		if got := r.Expect().Raw().StatusCode; got != status {
			t.Errorf("%s: %s %s %s is answered %d, want %d", what, c.method, c.path, c.body, got, status)
		}
	}
	for _, depth := range []string{"0", "infinity"} {
		token := lock("/cell1/b", depth)
		for _, c := range []change{schema, rename, remove, reCell, wipe} {
			want("the box is locked, depth "+depth, c, "", http.StatusLocked)
			want("another token", c, "<"+s.URL+"/cell1/b> (Not <urn:uuid:none>)", http.StatusLocked)
		}
		want("the box is locked", schema, "(<urn:uuid:none>)", http.StatusPreconditionFailed)
		want("the box is locked", another, "", http.StatusNoContent)
		if got := s.As("me", "MERGE", schema.path).WithText(schema.body).WithHeader("If", "("+token+")").Expect().Raw().StatusCode; got != http.StatusLocked {
			t.Errorf("with the token of somebody else: %d", got)
		}
		want("with its token", schema, "("+token+")", http.StatusNoContent)
		want("the lock is still there", schema, "", http.StatusLocked)
		unlock("/cell1/b", token)
	}
	// What is in the box is locked.
	s.Put("/cell1/b/f", "x")
	token := lock("/cell1/b/f", "0")
	want("a file is locked", schema, "", http.StatusNoContent)
	for _, c := range []change{rename, reCell, wipe} {
		want("a file is locked", c, "", http.StatusLocked)
	}
	want("with its token", rename, "<"+s.URL+"/cell1/b/f> ("+token+")", http.StatusNoContent)
	s.WantGet("/cell1/c/f", "x")
	s.Put("/cell1/c/f", "its lock did not go along")
	token = lock("/cell1/c/f", "0")
	want("with its token", reCell, "<"+s.URL+"/cell1/c/f> ("+token+")", http.StatusNoContent)
	s.Put("/cell9/c/f", "nor here")

	// Boxes and cells in which there is nothing but locks.
	s.Mkcol("/cell9/gone")
	token = lock("/cell9/gone", "infinity")
	gone := change{"DELETE", "/cell9/__ctl/Box('gone')", ""}
	want("an empty box is locked", gone, "", http.StatusLocked)
	want("with its token", gone, "("+token+")", http.StatusNoContent)
	token = lock("/cell2/__", "infinity")
	want("the main box is locked", empty, "", http.StatusLocked)
	want("with its token", empty, "<"+s.URL+"/cell2/__> ("+token+")", http.StatusNoContent)
}
