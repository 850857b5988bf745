package dav_test

import (
	"net/http"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/dav/davtest"
)

// askToken sends a form to a token endpoint, of a cell or with "" of the unit.
func askToken(s *davtest.Server, cell string, form map[string]string) *httpexpect.Response {
	path := "/__token"
	if cell != "" {
		path = "/" + cell + path
	}
	return s.Anonymous().POST(path).WithForm(form).Expect()
}

// noScope fails the test unless the answer refuses the scope (RFC 6749, 5.2).
func noScope(t *testing.T, what string, r *httpexpect.Response) {
	t.Helper()
	r.Status(http.StatusBadRequest)
	o := r.JSON().Object()
	o.NotContainsKey("access_token")
	if got := o.Value("error").String().Raw(); got != "invalid_scope" {
		t.Errorf("%s: %s", what, got)
	}
	o.Value("error_description").String().HasPrefix("[PR400-AN-0024]")
}

// TestTokensNeverGainScope: what a refresh token was given for is all that it and what
// comes of it are ever good for, for accounts and for the admin.
func TestTokensNeverGainScope(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me", "admin")
	s.SetACL("/cell1", davtest.ACE{Role: "admin", Privileges: "p:root"})
	for _, who := range []struct{ cell, name, password string }{
		{"cell1", "me", davtest.AccountPassword}, {"cell1", davtest.User, davtest.Password}, {"", davtest.User, davtest.Password},
	} {
		login := func(scope string) *httpexpect.Response {
			return askToken(s, who.cell, map[string]string{"grant_type": "password", "username": who.name, "password": who.password, "scope": scope})
		}
		refresh := func(token, scope string) *httpexpect.Response {
			return askToken(s, who.cell, map[string]string{"grant_type": "refresh_token", "refresh_token": token, "scope": scope, "p_cookie": "true"})
		}
		got := func(r *httpexpect.Response, scope string) *httpexpect.Object {
			t.Helper()
			o := r.Status(http.StatusOK).JSON().Object()
			if v := o.Value("scope").String().Raw(); v != scope {
				t.Errorf("%s in %q: scope %q, want %q", who.name, who.cell, v, scope)
			}
			return o
		}
		noScope(t, "a scope that means nothing", login("nonsense"))
		got(login(""), "root")
		got(login("  "), "root")
		first := got(login("box log-read nonsense"), "box log-read").Value("refresh_token").String().Raw()
		noScope(t, "root, of two others", refresh(first, "root"))
		noScope(t, "log, of log-read", refresh(first, "log"))
		got(refresh(first, ""), "box log-read")
		second := got(refresh(first, "root box-read log-read"), "box-read log-read").Value("refresh_token").String().Raw()
		noScope(t, "box, of what was refreshed", refresh(second, "box"))
		last := refresh(second, "box-read root")
		o := got(last, "box-read")
		third := o.Value("refresh_token").String().Raw()
		noScope(t, "the first scope again", refresh(third, "log-read"))
		got(refresh(third, ""), "box-read")

		// Neither the token nor the cookie is good for more.
		token := o.Value("access_token").String().Raw()
		s.With(token, "GET", "/cell1/__ctl/Box").Expect().Status(http.StatusOK)
		for _, path := range []string{"/cell1/__export", "/cell1/__log/current/default.log"} {
			davtest.Error(s.With(token, "GET", path).Expect(), "PR403-AU-0007")
			davtest.Error(s.Anonymous().GET(path).WithQuery("p_cookie_peer", o.Value("p_cookie_peer").String().Raw()).
				WithCookie("p_cookie", last.Cookie("p_cookie").Value().Raw()).Expect(), "PR403-AU-0007")
		}
	}
}

// TestNarrowTokenOfTheAdmin: a token of the admin with a scope is good for that in every cell,
// and for nothing else but what is open to all.
func TestNarrowTokenOfTheAdmin(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}})
	s.Mkcol("/cell1/b")
	s.Put("/cell1/b/f", "content")
	s.Put("/cell1/__/open", "content")
	s.SetACL("/cell1/__", davtest.ACE{Privileges: "D:read"})
	token := func(scope string) string {
		return askToken(s, "", map[string]string{"grant_type": "password", "username": davtest.User, "password": davtest.Password, "scope": scope}).
			Status(http.StatusOK).JSON().Object().Value("access_token").String().Raw()
	}
	const insufficient = "PR403-AU-0007"
	narrow, whole := token("log-read propfind"), token("root")
	for _, c := range []struct {
		method, path, narrow string
		whole                int
	}{
		{"GET", "/cell1/__log/current/default.log", "", 200},
		{"GET", "/cell2/__log/current/default.log", "", 200},
		{"PROPFIND", "/cell1", "", 207},
		{"GET", "/cell1/__/open", "", 200},
		{"PROPFIND", "/", insufficient, 207},
		{"GET", "/__ctl/Cell", insufficient, 200},
		{"MKCOL", "/cell3", insufficient, 201},
		{"GET", "/cell1/__export", insufficient, 200},
		{"GET", "/cell1/__ctl/Account", insufficient, 200},
		{"GET", "/cell1/b", insufficient, 200},
		{"GET", "/cell1/b/f", insufficient, 200},
		{"PUT", "/cell1/b/f", insufficient, 204},
		{"PROPFIND", "/cell1/b", insufficient, 207},
		{"DELETE", "/cell1/b/f", insufficient, 204},
		{"MKCOL", "/cell1/new", insufficient, 201},
		{"DELETE", "/cell1/b", insufficient, 204},
	} {
		r := s.With(narrow, c.method, c.path).WithHeader("Depth", "infinity").Expect()
		if c.narrow != "" {
			davtest.Error(r, c.narrow)
		} else if r.Raw().StatusCode != c.whole {
			t.Errorf("%s %s, within its scope: %d", c.method, c.path, r.Raw().StatusCode)
		}
		if got := s.With(whole, c.method, c.path).WithHeader("Depth", "infinity").Expect().Raw().StatusCode; got != c.whole {
			t.Errorf("%s %s, by a token without a bound: %d", c.method, c.path, got)
		}
	}
}
