package dav_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cellar/dav"
	"cellar/dav/davtest"
)

// TestKnownPasswordsAreNoOracle: that a password was right just now helps nobody who comes
// from elsewhere, or who guesses from there.
func TestKnownPasswordsAreNoOracle(t *testing.T) {
	var clock atomic.Int64
	now := func() time.Time { return time.Unix(1_700_000_000, clock.Load()) }
	s := davtest.New(t, davtest.Config{Now: now, TrustedProxies: []string{"127.0.0.0/8"}})
	s.Account("cell1", "me", "r")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:root"})
	get := func(from, password string) string {
		t.Helper()
		r := s.Anonymous().GET("/cell1/__").WithBasicAuth("me", password).WithHeader("X-Forwarded-For", from).
			WithHeader("X-Forwarded-Proto", "https").Expect()
		if r.Raw().StatusCode == http.StatusOK {
			return ""
		}
		return r.JSON().Object().Value("code").String().Raw()
	}
	const right, wrong = davtest.AccountPassword, "wrong-password"
	if got := get("192.0.2.1", right); got != "" {
		t.Fatal(got)
	}
	for i, want := range []string{"PR401-AU-0011", "PR401-AU-0010"} {
		if got := get("198.51.100.1", wrong); got != want {
			t.Errorf("guess %d from elsewhere: %s", i, got)
		}
	}
	if got := get("198.51.100.1", right); got != "PR401-AU-0010" {
		t.Errorf("the right one among guesses from elsewhere: %q", got)
	}
	if got := get("192.0.2.1", right); got != "" {
		t.Errorf("the owner meanwhile: %s", got)
	}
	// A device of the owner with an old password does not keep the others out, a hundred
	// guesses from there end that.
	for i := range 101 {
		if i == 50 {
			if got := get("192.0.2.1", right); got != "" {
				t.Errorf("after %d: %s", i, got)
			}
		}
		get("192.0.2.1", wrong)
	}
	if got := get("192.0.2.1", right); got != "PR401-AU-0010" {
		t.Errorf("the right one among a hundred guesses from there: %q", got)
	}
	clock.Add(int64(2 * time.Second))
	if got := get("192.0.2.1", right); got != "" {
		t.Errorf("later: %s", got)
	}
}

// TestFormsOfOtherSites: a page of another site cannot use the password that a browser
// keeps for this one.
func TestFormsOfOtherSites(t *testing.T) {
	s := davtest.New(t)
	n := 0
	post := func(path string, headers ...string) int {
		t.Helper()
		n++
		r := s.Request("POST", path).WithBytes([]byte(fmt.Sprintf(`{"Name":"r%d","Type":"t"}`, n)))
		for i := 0; i < len(headers); i += 2 {
			r = r.WithHeader(headers[i], headers[i+1])
		}
		return r.Expect().Raw().StatusCode
	}
	for _, path := range []string{"/cell1/__ctl/Role", "/cell1/__event"} {
		for _, c := range []struct {
			headers []string
			refused bool
		}{
			{nil, false},
			{[]string{"Origin", s.URL}, false},
			{[]string{"Origin", "https://evil.example"}, true},
			{[]string{"Origin", "null"}, true},
			{[]string{"Origin", "https://evil.example", "Content-Type", "text/plain; charset=utf-8"}, true},
			{[]string{"Sec-Fetch-Site", "cross-site", "Content-Type", "multipart/form-data; boundary=x"}, true},
			{[]string{"Sec-Fetch-Site", "same-site", "Content-Type", "application/x-www-form-urlencoded"}, true},
			{[]string{"Sec-Fetch-Site", "same-origin", "Origin", s.URL}, false},
			{[]string{"Sec-Fetch-Site", "none"}, false},
			{[]string{"Origin", "https://app.example", "Content-Type", "application/json"}, false}, // a browser asks first
		} {
			if got := post(path, c.headers...); (got == http.StatusForbidden) != c.refused {
				t.Errorf("POST %s with %q = %d", path, c.headers, got)
			}
		}
	}
	token := s.Anonymous().POST("/__token").WithForm(map[string]string{"grant_type": "password", "username": davtest.User, "password": davtest.Password}).
		Expect().JSON().Object().Value("access_token").String().Raw()
	s.With(token, "POST", "/cell1/__event").WithHeader("Origin", "https://app.example").WithText("{}").Expect().Status(http.StatusOK)
}

// TestOddHosts: reserved names, and text that is longer in lower case, as the name of a
// host or in a Destination are refused, and nothing breaks.
func TestOddHosts(t *testing.T) {
	s := davtest.New(t)
	s.Mkcol("/cell1/b")
	s.Mkcol("/cell1/b/docs")
	s.Put("/cell1/b/docs/in", "precious")
	s.Put("/cell1/b/f", "content")
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for _, host := range []string{"__token.localhost", "__ctl.localhost", "__.localhost", ".localhost", "Ⱥ.localhost", strings.Repeat("Ⱥ", 40) + ".localhost", "a_b.localhost"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/", "/Cell", "/__token", "/__ctl/Cell"} {
			fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s%s\r\n\r\n", path, host, port)
		}
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		answers, err := io.ReadAll(conn)
		conn.Close()
		if n := strings.Count(string(answers), "HTTP/1.1 "); err != nil || n == 0 || strings.Contains(string(answers), "HTTP/1.1 500") {
			t.Errorf("Host %s: %d answers, %v, %.300s", host, n, err, answers)
		}
		r := s.Request("PUT", "/cell1/b/f").WithHeader("If", "<http://"+host+port+"/x> (<urn:x>)").WithText("x").Expect().Raw()
		if r.StatusCode != http.StatusPreconditionFailed && r.StatusCode != http.StatusBadRequest {
			t.Errorf("If with %s: %d", host, r.StatusCode)
		}
	}
	for _, dst := range []string{
		"/cell1/b/docs/report('a%2Fb')", "/cell1/b/docs/x(" + strings.Repeat("k", 300) + ")", "/cell1/__ctl/Role('x')", "/__ctl/Cell('x')",
		"/cell1/__token", "/__token", "/cell1/__event", "/cell1/__mypassword",
	} {
		for _, method := range []string{"COPY", "MOVE"} {
			r := s.Request(method, "/cell1/b/f").WithHeader("Destination", dst).Expect().Raw()
			if r.StatusCode < 400 || r.StatusCode >= 500 {
				t.Errorf("%s to %.60s: %d", method, dst, r.StatusCode)
			}
		}
	}
	s.WantGet("/cell1/b/docs/in", "precious")
	s.WantGet("/cell1/b/f", "content")
}

// TestScopeOfListings: a listing shows no more than the token is good for.
func TestScopeOfListings(t *testing.T) {
	s := davtest.New(t)
	s.Account("cell1", "me", "r")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:root"})
	s.Export("cell1", "snap")
	token := s.Token("cell1", "me", map[string]string{"scope": "propfind"}).Value("access_token").String().Raw()
	for _, depth := range []string{"1", "infinity"} {
		body := s.With(token, "PROPFIND", "/cell1").WithHeader("Depth", depth).Expect().Status(http.StatusMultiStatus).Body().Raw()
		for _, hidden := range []string{"snap.zip", "__log"} {
			if strings.Contains(body, hidden) {
				t.Errorf("Depth %s shows %s", depth, hidden)
			}
		}
	}
	const ask = `<D:propfind xmlns:D="DAV:"><D:prop><D:current-user-privilege-set/><D:current-user-principal/></D:prop></D:propfind>`
	props := davtest.ParseMultistatus(t, s.With(token, "PROPFIND", "/cell1").WithHeader("Depth", "0").WithText(ask).Expect().Body().Raw())[0].Props
	set := props["{DAV:}current-user-privilege-set"]
	if strings.Contains(set, "p:root") || !strings.Contains(set, "<p:propfind/>") || !strings.Contains(set, "<D:read/>") {
		t.Errorf("it may %s", set)
	}
	if got := props["{DAV:}current-user-principal"]; got != "<D:href>"+s.URL+"/cell1/#me</D:href>" {
		t.Errorf("it is %s", got)
	}
	s.SetACL("/cell1", davtest.ACE{Privileges: "p:propfind"})
	props = davtest.ParseMultistatus(t, s.Anonymous().Request("PROPFIND", "/cell1").WithHeader("Depth", "0").WithText(ask).Expect().Body().Raw())[0].Props
	if got := props["{DAV:}current-user-principal"]; got != "<D:unauthenticated/>" {
		t.Errorf("nobody is %s", got)
	}
}

// TestRevokedMeanwhile: who loses a role, or the account, while a body comes in, does not
// end what was begun.
func TestRevokedMeanwhile(t *testing.T) {
	defer dav.SetLongRequest(0)() // bodies that come at once are not looked at twice
	s := davtest.New(t)
	s.Mkcol("/cell1/b")
	for name, revoke := range map[string]func(){
		"role": func() {
			s.Request("DELETE", "/cell1/__ctl/Account('role')/$links/_Role('writer')").Expect().Status(204)
		},
		"account": func() { s.Request("DELETE", "/cell1/__ctl/Account('account')").Expect().Status(204) },
		"password": func() {
			s.Request("MERGE", "/cell1/__ctl/Account('password')").WithHeader("X-Personium-Credential", "another-one").WithText("{}").Expect().Status(204)
		},
		"nothing": func() {},
	} {
		s.Account("cell1", name, "writer")
		s.SetACL("/cell1/b", davtest.ACE{Role: "writer", Privileges: "D:all"})
		body, send := io.Pipe()
		req, err := http.NewRequest("PUT", s.URL+"/cell1/b/"+name, body)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(name, davtest.AccountPassword)
		status := make(chan int, 1)
		go func() {
			res, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Error(err)
				status <- 0
				return
			}
			res.Body.Close()
			status <- res.StatusCode
		}()
		half := []byte(strings.Repeat("half", 30_000))
		if _, err := send.Write(half); err != nil {
			t.Fatal(err)
		}
		revoke()
		_, _ = send.Write(half) // fails if the answer is there already
		send.Close()
		want := http.StatusForbidden
		switch name {
		case "nothing":
			want = http.StatusCreated
		case "account", "password":
			want = http.StatusUnauthorized
		}
		if got := <-status; got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

// TestChangeTokenStaysOne: a token for setting a password is never good for more.
func TestChangeTokenStaysOne(t *testing.T) {
	s := davtest.New(t)
	s.Account("cell1", "me", "r")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:root"})
	set := func(status string) {
		t.Helper()
		s.Request("MERGE", "/cell1/__ctl/Account('me')").WithJSON(map[string]string{"Status": status}).Expect().Status(http.StatusNoContent)
	}
	set("passwordChangeRequired")
	change := s.Anonymous().POST("/cell1/__token").WithForm(map[string]string{"grant_type": "password", "username": "me", "password": davtest.AccountPassword}).
		Expect().Status(http.StatusUnauthorized).JSON().Object().Value("access_token").String().Raw()
	set("active")
	davtest.Error(s.With(change, "GET", "/cell1/__").Expect(), "PR401-AU-0012")
	s.As("me", "GET", "/cell1/__").Expect().Status(http.StatusOK)
}

// TestLocksAreSomebodys: not of an account that came under the name of another, and not
// of nobody.
func TestLocksAreSomebodys(t *testing.T) {
	s := davtest.New(t)
	s.Mkcol("/cell1/b")
	s.Put("/cell1/b/f", "x")
	s.Account("cell1", "me", "r")
	s.SetACL("/cell1/b", davtest.ACE{Privileges: "D:all"})
	const lock = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`
	davtest.Error(s.Anonymous().Request("LOCK", "/cell1/b/f").WithText(lock).Expect(), "PR401-AU-0001")
	token := s.As("me", "LOCK", "/cell1/b/f").WithText(lock).Expect().Status(http.StatusOK).Header("Lock-Token").Raw()
	davtest.Error(s.Anonymous().Request("UNLOCK", "/cell1/b/f").WithHeader("Lock-Token", token).Expect(), "PR401-AU-0001")
	s.Request("DELETE", "/cell1/__ctl/Account('me')").Expect().Status(http.StatusNoContent)
	s.Account("cell1", "me", "r")
	if body := s.As("me", "PROPFIND", "/cell1/b/f").WithHeader("Depth", "0").Expect().Body().Raw(); strings.Contains(body, "opaquelocktoken") || strings.Contains(body, "urn:uuid") {
		t.Errorf("another account sees the token: %s", body)
	}
	s.As("me", "PUT", "/cell1/b/f").WithHeader("If", "("+token+")").WithText("y").Expect().Status(http.StatusLocked)
	s.As("me", "UNLOCK", "/cell1/b/f").WithHeader("Lock-Token", token).Expect().Status(http.StatusForbidden)
	s.Request("UNLOCK", "/cell1/b/f").WithHeader("Lock-Token", token).Expect().Status(http.StatusNoContent)
}
