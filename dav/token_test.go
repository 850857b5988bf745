package dav_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gavv/httpexpect/v2"

	"cellar/dav/auth"
	"cellar/dav/davtest"
)

// TestTokensOfAccounts: a token is good for what it was made for, in the cell it was made in, until
// its time is over or the account has another password.
func TestTokensOfAccounts(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64 // what it is fast
	now := func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}, Now: now})
	for _, c := range []string{"cell1", "cell2"} {
		s.Account(c, "me", "r")
		s.SetACL("/"+c, davtest.ACE{Role: "r", Privileges: "p:root"})
	}
	o := s.Token("cell1", "me", nil)
	o.Value("token_type").IsEqual("Bearer")
	o.Value("expires_in").IsEqual(3600)
	o.Value("refresh_token_expires_in").IsEqual(86400)
	o.ContainsKey("last_authenticated")
	access, refresh := o.Value("access_token").String().Raw(), o.Value("refresh_token").String().Raw()
	if !strings.HasPrefix(access, "AA~") || !strings.HasPrefix(refresh, "RA~") {
		t.Errorf("tokens are %.4s and %.4s", access, refresh)
	}
	box := func(cell, token string) string {
		t.Helper()
		r := s.With(token, "GET", "/"+cell+"/__").Expect()
		if r.Raw().StatusCode == http.StatusOK {
			return ""
		}
		return r.JSON().Object().Value("code").String().Raw()
	}
	want := func(what, cell, token, code string) {
		t.Helper()
		if got := box(cell, token); got != code {
			t.Errorf("%s: %q, want %q", what, got, code)
		}
	}
	want("good", "cell1", access, "")
	want("of another cell", "cell2", access, "PR401-AU-0006")
	want("refresh used as access", "cell1", refresh, "PR401-AU-0007")
	want("nonsense", "cell1", "AA~nonsense", "PR401-AU-0006")
	parts := strings.Split(strings.TrimPrefix(access, "AA~"), ".")
	for i := range parts { // each part with one character changed
		changed := append([]string{}, parts...)
		c := byte('A')
		if changed[i][5] == c {
			c = 'B'
		}
		changed[i] = changed[i][:5] + string(c) + changed[i][6:]
		want(fmt.Sprintf("tampered in part %d", i), "cell1", "AA~"+strings.Join(changed, "."), "PR401-AU-0006")
	}
	want("unsigned", "cell1", "AA~eyJhbGciOiJub25lIn0."+parts[1]+".", "PR401-AU-0006")
	want("refresh under the other prefix", "cell1", "AA~"+strings.TrimPrefix(refresh, "RA~"), "PR401-AU-0006")
	s.Anonymous().GET("/cell1/__").WithHeader("Authorization", "Digest x").Expect().Status(401).JSON().Object().Value("code").IsEqual("PR401-AU-0003")

	again := func(token string) map[string]string {
		return map[string]string{"grant_type": "refresh_token", "refresh_token": token}
	}
	fails := func(cell string, form map[string]string, kind, description string) {
		t.Helper()
		o := s.Anonymous().POST("/" + cell + "/__token").WithForm(form).Expect().Status(http.StatusBadRequest).JSON().Object()
		o.Value("error").IsEqual(kind)
		o.Value("error_description").String().HasPrefix(description)
	}
	second := s.Anonymous().POST("/cell1/__token").WithForm(again(refresh)).Expect().Status(http.StatusOK).JSON().Object()
	second.NotContainsKey("last_authenticated")
	want("refreshed", "cell1", second.Value("access_token").String().Raw(), "")
	fails("cell1", again(access), "invalid_grant", "[PR400-AN-0013]")
	fails("cell1", again("RA~x"), "invalid_grant", "[PR400-AN-0009]")
	fails("cell2", again(refresh), "invalid_grant", "[PR400-AN-0009]")
	fails("cell1", map[string]string{"grant_type": "refresh_token"}, "invalid_request", "[PR400-AN-0016] - Required parameter [refresh_token]")
	fails("cell1", map[string]string{}, "unsupported_grant_type", "[PR400-AN-0001]")
	password := func(more ...string) map[string]string {
		form := map[string]string{"grant_type": "password", "username": "me", "password": davtest.AccountPassword}
		for i := 0; i < len(more); i += 2 {
			form[more[i]] = more[i+1]
		}
		return form
	}
	fails("cell1", password("username", ""), "invalid_request", "[PR400-AN-0016] - Required parameter [username]")
	for _, field := range []string{"expires_in", "refresh_token_expires_in"} {
		for _, bad := range []string{"0", "-1", "x", "86401"} {
			fails("cell1", password(field, bad), "invalid_request", "[PR400-AN-0016] - Required parameter ["+field+"] missing.")
		}
	}
	fails("cell1", password("p_target", "https://other.example/"), "invalid_request", "[PR400-AN-0002]")
	fails("cell1", password("username", "nobody"), "invalid_grant", "[PR400-AN-0017]")
	s.Anonymous().POST("/nocell/__token").WithForm(password()).Expect().Status(http.StatusNotFound)
	fails("cell1", password("password", "wrong-one"), "invalid_grant", "[PR400-AN-0017]")
	s.Token("cell1", "me", nil) // who was right just now still is

	// Each lives as long as it says.
	short := s.Token("cell1", "me", map[string]string{"expires_in": "10", "refresh_token_expires_in": "20"})
	short.Value("expires_in").IsEqual(10)
	token, again10 := short.Value("access_token").String().Raw(), again(short.Value("refresh_token").String().Raw())
	clock.Add(int64(9 * time.Second))
	want("before its time", "cell1", token, "")
	clock.Add(int64(2 * time.Second))
	want("after its time", "cell1", token, "PR401-AU-0002")
	s.Anonymous().POST("/cell1/__token").WithForm(again10).Expect().Status(http.StatusOK)
	clock.Add(int64(10 * time.Second))
	fails("cell1", again10, "invalid_grant", "[PR400-AN-0010]")

	// After a restart they are good.
	admin := s.Anonymous().POST("/__token").WithForm(map[string]string{"grant_type": "password", "username": davtest.User, "password": davtest.Password}).
		Expect().Status(http.StatusOK).JSON().Object().Value("access_token").String().Raw()
	want("the admin's", "cell2", admin, "")
	s.Restart()
	want("after a restart", "cell1", access, "")
	want("the admin's after a restart", "cell2", admin, "")

	// With a new key they are good until it is old.
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(auth.Rotate(t.Context(), s.FS, time.Now(), false))
	s.Restart()
	want("after a rotation", "cell1", access, "")
	fresh := s.Token("cell1", "me", nil).Value("access_token").String().Raw()
	must(auth.Rotate(t.Context(), s.FS, time.Now().Add(2*24*time.Hour), false)) // two days later
	s.Restart()
	want("when its key is old", "cell1", access, "PR401-AU-0006")
	want("the later one", "cell1", fresh, "")
	must(auth.Rotate(t.Context(), s.FS, time.Now(), true))
	s.Restart()
	want("after all were revoked", "cell1", fresh, "PR401-AU-0006")

	// Another password, no account, another account of that name.
	o = s.Token("cell1", "me", nil)
	access, refresh = o.Value("access_token").String().Raw(), o.Value("refresh_token").String().Raw()
	s.Request("MERGE", "/cell1/__ctl/Account('me')").WithHeader("X-Personium-Credential", "another-password").WithJSON(map[string]string{}).
		Expect().Status(http.StatusNoContent)
	want("with another password", "cell1", access, "PR401-AU-0002")
	fails("cell1", again(refresh), "invalid_grant", "[PR400-AN-0010]")
	davtest.Error(s.As("me", "GET", "/cell1/__").Expect(), "PR401-AU-0011") // the old one was remembered as right
	s.Request("DELETE", "/cell1/__ctl/Account('me')").Expect().Status(http.StatusNoContent)
	want("of an account that is gone", "cell1", access, "PR401-AU-0001")
	s.SetACL("/cell1/__", davtest.ACE{Privileges: "D:read"})
	want("of an account that is gone, where all may", "cell1", access, "PR401-AU-0001")
	s.SetACL("/cell1/__")
	s.Account("cell1", "me", "r")
	want("of one that came under its name", "cell1", access, "PR401-AU-0002")
}

// TestCookies: a cookie counts with its peer, and without Authorization (contract 5.6).
func TestCookies(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me", "r")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:root"})
	r := s.Anonymous().POST("/cell1/__token").WithForm(map[string]string{
		"grant_type": "password", "username": "me", "password": davtest.AccountPassword, "p_cookie": "true",
	}).Expect().Status(http.StatusOK)
	r.Header("Set-Cookie").Contains("Path=/cell1/").Contains("HttpOnly").Contains("SameSite=Lax")
	cookie, peer := r.Cookie("p_cookie").Value().Raw(), r.JSON().Object().Value("p_cookie_peer").String().Raw()
	get := func() *http.Request {
		req, err := http.NewRequest("GET", s.URL+"/cell1/__?p_cookie_peer="+peer, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.AddCookie(&http.Cookie{Name: "p_cookie", Value: cookie})
		return req
	}
	status := func(req *http.Request) int {
		t.Helper()
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := status(get()); got != 200 {
		t.Errorf("cookie and peer: %d", got)
	}
	withToken := get()
	withToken.Header.Set("Authorization", "Bearer bad")
	if got := status(withToken); got != 401 {
		t.Errorf("a bad token beside a good cookie: %d", got)
	}
	davtest.Error(s.With(cookie, "GET", "/cell1/__").Expect(), "PR401-AU-0006") // is no token
}

// TestMustChange: who has to set a new password can do nothing else.
func TestMustChange(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me", "r")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:root"})
	set := func(status string) {
		t.Helper()
		s.Request("MERGE", "/cell1/__ctl/Account('me')").WithJSON(map[string]string{"Status": status}).Expect().Status(http.StatusNoContent)
	}
	form := map[string]string{"grant_type": "password", "username": "me", "password": davtest.AccountPassword}
	old := s.Token("cell1", "me", nil).Value("access_token").String().Raw()
	set("passwordChangeRequired")
	davtest.Error(s.With(old, "GET", "/cell1/__").Expect(), "PR401-AU-0012")
	davtest.Error(s.As("me", "GET", "/cell1/__").Expect(), "PR401-AU-0012")
	o := s.Anonymous().POST("/cell1/__token").WithForm(form).Expect().Status(http.StatusUnauthorized).JSON().Object()
	o.Value("error_description").String().HasPrefix("[PR401-AN-0023]")
	o.Value("url").IsEqual(s.URL + "/cell1/__mypassword")
	change := o.Value("access_token").String().HasPrefix("AP~").Raw()
	davtest.Error(s.With(change, "GET", "/cell1/__").Expect(), "PR401-AU-0012")
	davtest.Error(s.With(change, "PUT", "/cell1/__mypassword").Expect(), "PR400-AU-0003")
	davtest.Error(s.With(change, "PUT", "/cell1/__mypassword").WithHeader("X-Personium-Credential", "short").Expect(), "PR400-AU-0001")
	s.With(change, "PUT", "/cell1/__mypassword").WithHeader("X-Personium-Credential", "my-own-password").Expect().Status(http.StatusNoContent)
	davtest.Error(s.With(change, "PUT", "/cell1/__mypassword").WithHeader("X-Personium-Credential", "once-more-please").Expect(), "PR401-AU-0002")
	form["password"] = "my-own-password"
	token := s.Anonymous().POST("/cell1/__token").WithForm(form).Expect().Status(http.StatusOK).JSON().Object().Value("access_token").String().Raw()
	s.With(token, "GET", "/cell1/__").Expect().Status(http.StatusOK)
	set("deactivated")
	davtest.Error(s.With(token, "GET", "/cell1/__").Expect(), "PR401-AU-0002")
	s.Anonymous().POST("/cell1/__token").WithForm(form).Expect().Status(http.StatusBadRequest)

	// Only from where it may.
	s.Account("cell1", "local", "r")
	s.Account("cell1", "far", "r")
	for name, network := range map[string]string{"local": "127.0.0.0/8, ::1", "far": "192.0.2.0/24"} {
		s.Request("MERGE", "/cell1/__ctl/Account('"+name+"')").WithJSON(map[string]string{"IPAddressRange": network}).Expect().Status(http.StatusNoContent)
	}
	s.As("local", "GET", "/cell1/__").Expect().Status(http.StatusOK)
	davtest.Error(s.As("far", "GET", "/cell1/__").Expect(), "PR401-AU-0011")
}

// TestRolesAreThoseOfNow: a role counts from when it is given until it is taken.
func TestRolesAreThoseOfNow(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me")
	s.Role("cell1", "r")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:root"})
	token := s.Token("cell1", "me", nil).Value("access_token").String().Raw()
	status := func() int { return s.With(token, "GET", "/cell1/__").Expect().Raw().StatusCode }
	link := map[string]string{"uri": s.URL + "/cell1/__ctl/Account('me')"}
	for range 3 {
		if got := status(); got != 403 {
			t.Fatalf("without the role: %d", got)
		}
		s.Request("POST", "/cell1/__ctl/Role('r')/$links/_Account").WithJSON(link).Expect().Status(http.StatusNoContent)
		if got := status(); got != 200 {
			t.Fatalf("with the role: %d", got)
		}
		s.Request("DELETE", "/cell1/__ctl/Account('me')/$links/_Role('r')").Expect().Status(http.StatusNoContent)
	}
	// Also when the whole cell is replaced.
	s.Request("POST", "/cell1/__ctl/Role('r')/$links/_Account").WithJSON(link).Expect().Status(http.StatusNoContent)
	s.Export("cell1", "with")
	s.Request("DELETE", "/cell1/__ctl/Role('r')").Expect().Status(http.StatusNoContent)
	if got := status(); got != 403 {
		t.Errorf("without any role: %d", got)
	}
	s.Request("POST", "/cell1/__import").WithJSON(map[string]string{"Name": "with"}).Expect().Status(http.StatusAccepted)
	s.Request("GET", "/cell1/__import").WithHeader("Prefer", "wait=60").Expect().JSON().Object().Value("status").IsEqual("ready")
	if got := status(); got != 200 {
		t.Errorf("after the import: %d", got)
	}
}

// TestGuessing: after a wrong password others fail too for a while, even the right one,
// but only for that account and from that address, and not for who was right before.
func TestGuessing(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	now := func() time.Time { return time.Unix(1_700_000_000, clock.Load()) }
	s := davtest.New(t, davtest.Config{Now: now})
	for _, name := range []string{"me", "you", "other"} {
		s.Account("cell1", name, "r")
	}
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:root"})
	get := func(name, password string) string {
		t.Helper()
		r := s.Anonymous().GET("/cell1/__").WithBasicAuth(name, password).Expect()
		if r.Raw().StatusCode == http.StatusOK {
			return ""
		}
		return r.JSON().Object().Value("code").String().Raw()
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	const right, wrong = davtest.AccountPassword, "wrong-password"
	want("known to be right", get("you", right), "")
	want("wrong", get("me", wrong), "PR401-AU-0011")
	want("right, at once", get("me", right), "PR401-AU-0010")
	want("another account", get("other", right), "")
	want("wrong, of who is known", get("you", wrong), "PR401-AU-0011")
	want("known to be right, after that", get("you", right), "")
	clock.Add(int64(1001 * time.Millisecond))
	want("right, a second later", get("me", right), "")

	// The pauses grow, and the address runs out of tries.
	clock.Add(int64(time.Minute))
	for i := range 10 {
		if got := get(fmt.Sprint("nobody", i), wrong); got != "PR401-AU-0011" {
			t.Errorf("try %d: %q", i, got)
		}
	}
	want("too many from there", get("nobody", wrong), "PR401-AU-0010")
	want("known to be right, meanwhile", get("me", right), "")
	clock.Add(int64(time.Second))
	want("one more each second", get("nobody", wrong), "PR401-AU-0011")
	want("and no more", get("nobody2", wrong), "PR401-AU-0010")
	clock.Add(int64(5 * time.Minute)) // also what is remembered as right is over
	want("later", get("me", right), "")
}

// TestAdminBackOffKnowsNoCells: a wrong password of the admin counts whatever the cell in the URL,
// also if there is none of that name.
func TestAdminBackOffKnowsNoCells(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	now := func() time.Time { return time.Unix(1_700_000_000, clock.Load()) }
	s := davtest.New(t, davtest.Config{Now: now})
	mkcol := func(cell, password string) *httpexpect.Response {
		return s.Anonymous().Request("MKCOL", "/"+cell).WithBasicAuth(davtest.User, password).Expect()
	}
	davtest.Error(mkcol("made-up-1", "wrong-password"), "PR401-AU-0011")
	davtest.Error(mkcol("made-up-2", "wrong-password"), "PR401-AU-0010")
	davtest.Error(mkcol("made-up-3", davtest.Password), "PR401-AU-0010")
	askToken(s, "", map[string]string{"grant_type": "password", "username": davtest.User, "password": davtest.Password}).Status(http.StatusBadRequest)
	clock.Add(int64(1001 * time.Millisecond))
	mkcol("made-up-3", davtest.Password).Status(http.StatusCreated)
	// Who was right is known in every cell, also when somebody was wrong there since.
	davtest.Error(mkcol("made-up-4", "wrong-password"), "PR401-AU-0011")
	mkcol("made-up-5", davtest.Password).Status(http.StatusCreated)
}
