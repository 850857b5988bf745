package dav_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/b")
	s.Mkcol("/cell1/b/docs")
	s.Put("/cell1/b/docs/in", "precious")
	s.Put("/cell1/b/f", "content")
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for _, host := range []string{"__token.localhost", "__ctl.localhost", "__.localhost", ".localhost", "Ⱥ.localhost", strings.Repeat("Ⱥ", 40) + ".localhost", "a_b.localhost"} {
		for _, path := range []string{"/", "/Cell", "/__token", "/__ctl/Cell"} {
			answer := rawAnswer(t, s, "GET "+path+" HTTP/1.1\r\nHost: "+host+port+"\r\nConnection: close\r\n\r\n")
			if !strings.HasPrefix(answer, "HTTP/1.1 ") || strings.HasPrefix(answer, "HTTP/1.1 5") {
				t.Errorf("GET %s of Host %s: %.300s", path, host, answer)
			}
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

// rawAnswer sends one request as it is, on a connection of its own, and returns the answer.
func rawAnswer(t *testing.T, s *davtest.Server, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("%q: %v after %q", request, err, answer)
	}
	return string(answer)
}

// TestHostsInAnswers: what a client says of the server's name stands in its answer only if it
// is one, and in nothing that others read.
func TestHostsInAnswers(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me", "r")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:root"})
	for _, c := range []struct {
		line, host string // of the request
		status     string
	}{
		{"/cell1/__export", "good.example:8080", "401"},
		{"/cell1/__export", "[::1]:8080", "401"},
		{"http://other.example/cell1/__export", "good.example", "401"},
		{`http://a"b/cell1/__export`, "good.example", "400"},
		{"http://a<b>/cell1/__export", "good.example", "400"},
		{"http://a,b/cell1/__export", "good.example", "400"},
		{"http://a%22b/cell1/__export", "good.example", "400"},
		{"/cell1/__export", "a,b", "400"},
		{"/cell1/__export", strings.Repeat("a.", 126) + "a:65535", "401"},
		{"/cell1/__export", strings.Repeat("a.", 126) + "ab:65535", "400"},
		{"/cell1/__export", "a(b)", "400"},
		{"/cell1/__export", "good.example:port", "400"},
	} {
		answer := rawAnswer(t, s, "GET "+c.line+" HTTP/1.1\r\nHost: "+c.host+"\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 "+c.status) {
			t.Errorf("GET %s of Host %s: %.300s", c.line, c.host, answer)
		}
		for line := range strings.Lines(answer) {
			value, ok := strings.CutPrefix(line, "Www-Authenticate: ")
			if ok && (strings.ContainsAny(value, "<>") || strings.Count(value, `"`)%2 != 0 || c.status == "400") {
				t.Errorf("GET %s of Host %s: %s", c.line, c.host, line)
			}
		}
	}
	if answer := rawAnswer(t, s, "GET /cell1/__export HTTP/1.0\r\n\r\n"); !strings.Contains(answer, `Bearer realm="`+s.URL+`/cell1/"`) {
		t.Errorf("without a Host: %s", answer)
	}

	// The log names who it was, whatever the client called the server.
	for name, password := range map[string]string{"me": davtest.AccountPassword, davtest.User: davtest.Password} {
		s.Anonymous().PUT("/cell1/__/by-"+name).WithBasicAuth(name, password).WithHost("evil.example").WithText("x").Expect().Status(http.StatusCreated)
		s.Anonymous().POST("/cell1/__event").WithBasicAuth(name, password).WithHost("evil.example").WithText(`{"Type":"t"}`).Expect().Status(http.StatusOK)
		s.Anonymous().POST("/cell1/__ctl/Role").WithBasicAuth(name, password).WithHost("evil.example").WithText(`{"Name":"of-` + name + `"}`).Expect().Status(http.StatusCreated)
	}
	s.Anonymous().POST("/cell1/__export").WithBasicAuth("me", davtest.AccountPassword).WithHost("evil.example").WithJSON(map[string]string{"Name": "s"}).Expect().Status(http.StatusAccepted)
	s.Request("GET", "/cell1/__export").WithHeader("Prefer", "wait=60").Expect().Status(http.StatusOK)
	log := s.Request("GET", "/cell1/__log/current/default.log").Expect().Status(http.StatusOK)
	text := log.Body().Raw()
	if strings.Contains(text, "evil.example") {
		t.Errorf("the log has the client's word for the server:\n%s", text)
	}
	for _, subject := range []string{s.URL + "/cell1/#me", s.URL + "/#" + davtest.User} {
		if n := strings.Count(text, `"`+subject+`"`); n < 3 {
			t.Errorf("%s stands %d times in\n%s", subject, n, text)
		}
	}
	log.Header("Content-Length").IsEqual(fmt.Sprint(len(text)))
}

// TestBasicIsOfferedFirst: some clients look at the first challenge only.
func TestBasicIsOfferedFirst(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	for path, realm := range map[string]string{"/": s.URL + "/", "/cell1/__/f": s.URL + "/cell1/"} {
		got := s.Anonymous().Request("PROPFIND", path).Expect().Status(http.StatusUnauthorized).Raw().Header["Www-Authenticate"]
		want := []string{`Basic realm="` + realm + `", charset="UTF-8"`, `Bearer realm="` + realm + `"`}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// TestScopeOfListings: a listing shows no more than the token is good for.
func TestScopeOfListings(t *testing.T) {
	t.Parallel()
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
	if strings.Contains(set, "p:root") || !strings.Contains(set, "<p:propfind/>") || !strings.Contains(set, "<read/>") {
		t.Errorf("it may %s", set)
	}
	if got := props["{DAV:}current-user-principal"]; strings.TrimSpace(got) != "<href>"+s.URL+"/cell1/#me</href>" {
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
	t.Parallel()
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
	t.Parallel()
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
