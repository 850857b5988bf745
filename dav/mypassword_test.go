package dav_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"cellar/dav/davtest"
)

// TestOwnPasswordNeedsScope: a token sets the password of its account only if its scope has the
// privilege for accounts, and the log of the cell tells of it.
func TestOwnPasswordNeedsScope(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me")
	password := davtest.AccountPassword
	for i, c := range []struct {
		scope string // "basic" for none at all
		code  string
	}{
		{"propfind", "PR403-AU-0007"}, {"auth-read", "PR403-AU-0007"}, {"box log", "PR403-AU-0007"},
		{"auth", ""}, {"propfind auth", ""}, {"root", ""}, {"basic", ""},
	} {
		key, next := fmt.Sprint("key", i), fmt.Sprint("password number ", i)
		r := s.Anonymous().PUT("/cell1/__mypassword").WithHeader("X-Personium-Credential", next).WithHeader("X-Personium-RequestKey", key)
		if c.scope == "basic" {
			r = r.WithBasicAuth("me", password)
		} else {
			token := askToken(s, "cell1", map[string]string{"grant_type": "password", "username": "me", "password": password, "scope": c.scope}).
				Status(http.StatusOK).JSON().Object().Value("access_token").String().Raw()
			r = r.WithHeader("Authorization", "Bearer "+token)
		}
		want := 0
		if c.code == "" {
			r.Expect().Status(http.StatusNoContent)
			password, want = next, 1
		} else {
			davtest.Error(r.Expect(), c.code)
		}
		lines := logged(t, s, key)
		if len(lines) != want || want == 1 && lines[0] != "false /cell1/#me cellctl.Account.patch /cell1/__ctl/Account('me') 204,/cell1/__mypassword" {
			t.Errorf("scope %q is in the log as %q", c.scope, lines)
		}
		askToken(s, "cell1", map[string]string{"grant_type": "password", "username": "me", "password": password}).Status(http.StatusOK)
	}

	// Who has to set a new one is named, too.
	s.Request("MERGE", "/cell1/__ctl/Account('me')").WithJSON(map[string]string{"Status": "passwordChangeRequired"}).Expect().Status(http.StatusNoContent)
	change := askToken(s, "cell1", map[string]string{"grant_type": "password", "username": "me", "password": password, "scope": "nonsense"}).
		Status(http.StatusUnauthorized).JSON().Object().Value("access_token").String().Raw()
	s.With(change, "PUT", "/cell1/__mypassword").WithHeader("X-Personium-Credential", "one of my own").WithHeader("X-Personium-RequestKey", "must").
		Expect().Status(http.StatusNoContent)
	if lines := logged(t, s, "must"); len(lines) != 1 || !strings.HasPrefix(lines[0], "false /cell1/#me cellctl.Account.patch ") {
		t.Errorf("a password that had to be changed is in the log as %q", lines)
	}
	davtest.Error(s.Request("PUT", "/cell1/__mypassword").WithHeader("X-Personium-Credential", "of the admin").Expect(), "PR401-AU-0001")
}

// TestOneOfManyPasswordChanges: a change of the password ends the token by which it was made, so
// that of many changes by one token exactly one is made.
func TestOneOfManyPasswordChanges(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me", "r")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:auth"})
	password := davtest.AccountPassword
	for _, c := range []struct{ method, path string }{
		{"PUT", "/cell1/__mypassword"}, {"MERGE", "/cell1/__ctl/Account('me')"},
	} {
		token := askToken(s, "cell1", map[string]string{"grant_type": "password", "username": "me", "password": password}).
			Status(http.StatusOK).JSON().Object().Value("access_token").String().Raw()
		key := c.method + "-many"
		codes := make([]int, 10)
		var wg sync.WaitGroup
		for i := range codes {
			wg.Go(func() {
				req, err := http.NewRequest(c.method, s.URL+c.path, strings.NewReader("{}"))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer "+token)
				req.Header.Set("X-Personium-Credential", fmt.Sprint(c.method, " number ", i))
				req.Header.Set("X-Personium-RequestKey", key)
				res, err := http.DefaultTransport.RoundTrip(req)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				codes[i] = res.StatusCode
			})
		}
		wg.Wait()
		winner := -1
		for i, code := range codes {
			switch {
			case code == http.StatusNoContent && winner < 0:
				winner = i
			case code != http.StatusUnauthorized && code != http.StatusServiceUnavailable: // which waited too long
				t.Errorf("%s: change %d: %d", c.path, i, code)
			}
		}
		if winner < 0 {
			t.Fatalf("%s: %v", c.path, codes)
		}
		password = fmt.Sprint(c.method, " number ", winner)
		if lines := logged(t, s, key); len(lines) != 1 {
			t.Errorf("%s: the log tells of %q", c.path, lines)
		}
	}
	askToken(s, "cell1", map[string]string{"grant_type": "password", "username": "me", "password": password}).Status(http.StatusOK)
}
