package dav_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cellar/dav/davtest"
)

// TestIfHeaderIsBounded sends as many conditions and tagged resources as an If header may
// have, and one more.
func TestIfHeaderIsBounded(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "x")
	for _, c := range []struct {
		name, header string
		status       int
	}{
		{"conditions", "(" + strings.Repeat("Not <urn:x> ", 256) + ")", http.StatusNoContent},
		{"one more", "(" + strings.Repeat("Not <urn:x> ", 257) + ")", http.StatusBadRequest},
		{"in several lists", strings.Repeat("(<urn:x>) ", 256), http.StatusPreconditionFailed},
		{"one list more", strings.Repeat("(<urn:x>) ", 257), http.StatusBadRequest},
		{"resources", many(32, "</cell1/box/%d> (<urn:x>) "), http.StatusPreconditionFailed},
		{"one resource more", many(33, "</cell1/box/%d> (<urn:x>) "), http.StatusBadRequest},
		{"the same again", strings.Repeat("</cell1/box/f> (<urn:x>) ", 100), http.StatusPreconditionFailed},
	} {
		if got := s.Request("PUT", "/cell1/box/f").WithHeader("If", c.header).WithText("y").Expect().Raw().StatusCode; got != c.status {
			t.Errorf("%s: %d, want %d", c.name, got, c.status)
		}
	}
}

// TestIfTellsNothingOfWhatCannotBeRead guesses entity tags and lock tokens of files that
// the caller cannot read, of its own cell and of another, by conditions about them.
func TestIfTellsNothingOfWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}})
	s.Account("cell1", "me", "writer")
	s.Mkcol("/cell1/mine")
	s.SetACL("/cell1/mine", davtest.ACE{Role: "writer", Privileges: "D:write D:read"})
	for _, secret := range []string{"/cell1/secret", "/cell2/secret"} {
		s.Mkcol(secret)
		tag := s.Put(secret+"/x", "x").Header("ETag").Raw()
		token := strings.Trim(s.Request("LOCK", secret+"/x").WithText(`<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`).
			Expect().Status(http.StatusOK).Header("Lock-Token").Raw(), "<>")
		put := func(conditions string) int {
			return s.As("me", "PUT", "/cell1/mine/f").WithHeader("If", fmt.Sprintf("<%s/x> (%s)", secret, conditions)).WithText("y").Expect().Raw().StatusCode
		}
		for _, condition := range []string{"[" + tag + "]", `["1-1"]`, "<" + token + ">", "<urn:uuid:none>"} {
			if got := put(condition); got != http.StatusPreconditionFailed {
				t.Errorf("%s %s: %d", secret, condition, got)
			}
			if got := put("Not " + condition); got >= 300 {
				t.Errorf("%s Not %s: %d", secret, condition, got)
			}
		}
		// Who may read it knows it.
		r := s.Request("PUT", "/cell1/mine/f").WithHeader("If", fmt.Sprintf("<%s/x> ([%s] <%s>)", secret, tag, token)).WithText("y").Expect()
		r.Status(http.StatusNoContent)
	}
}
