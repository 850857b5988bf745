package dav_test

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav"
	"cellar/dav/davtest"
	"cellar/dav/target"
)

var update = flag.Bool("update", false, "write docs/access.md anew")

const accessDoc = "../docs/access.md"

// accessMark is where the generated part of the document begins.
const accessMark = "<!-- the rest is made by go test ./dav -run TestAccessDoc -update -->\n"

// TestAccessDoc: the document shows the table that the program goes by.
func TestAccessDoc(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(accessDoc)
	if err != nil {
		t.Fatal(err)
	}
	head, table, _ := strings.Cut(string(text), accessMark)
	if *update {
		if err := os.WriteFile(accessDoc, []byte(head+accessMark+dav.AccessDoc()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != dav.AccessDoc() {
		t.Error("docs/access.md does not show the access table: go test ./dav -run TestAccessDoc -update")
	}
}

// fixture is a resource of a kind on which all methods can be tried. The requests are
// made so that what is allowed fails at something else, which changes nothing.
type fixture struct {
	path string // of the resource; the second is used where nothing must be there
	none string
	at   string // whose ACL is the nearest that counts
}

var fixtures = map[target.Kind]fixture{
	target.Unit:        {path: "/", at: ""},
	target.Token:       {path: "/cell1/__token", at: "/cell1"},
	target.Cell:        {path: "/cell1", at: "/cell1"},
	target.Export:      {path: "/cell1/__export", at: "/cell1"},
	target.Import:      {path: "/cell1/__import", at: "/cell1"},
	target.MyPassword:  {path: "/cell1/__mypassword", at: "/cell1"},
	target.Event:       {path: "/cell1/__event", at: "/cell1"},
	target.BoxURL:      {path: "/cell1/__box", at: "/cell1"},
	target.CrossDomain: {path: "/crossdomain.xml", at: ""},
	target.Ctl:         {at: "/cell1"},
	target.UnitCtl:     {path: "/__ctl/Cell('cell1')", at: ""},
	target.Snapshots:   {path: "/cell1/__snapshot", at: "/cell1"},
	target.Snapshot:    {path: "/cell1/__snapshot/s.zip", at: "/cell1"},
	target.Logs:        {path: "/cell1/__log/current", at: "/cell1"},
	target.Log:         {path: "/cell1/__log/current/default.log", at: "/cell1"},
	target.Box:         {path: "/cell1/b", none: "/cell1/new", at: "/cell1/b"},
	target.Resource:    {path: "/cell1/b/d/f", none: "/cell1/b/d/new", at: "/cell1/b/d/f"},
	target.OData:       {path: "/cell1/b/o/$metadata/EntityType", at: "/cell1/b"},
	target.Entity:      {path: "/cell1/b/o/T('" + strings.Repeat("k", 300) + "')", at: "/cell1/b"},
}

// odataPath is that of a change of user data: "it is of the schema" or "it is of entities".
func odataPath(when string) string {
	if when == "it is of the schema" {
		return "/cell1/b/o/$metadata/EntityType('T')"
	}
	return "/cell1/b/o/T('x')"
}

// entityPath is that of a control object of a set.
func entityPath(set string) string {
	return map[string]string{
		"Account": "/cell1/__ctl/Account('x')", "Role": "/cell1/__ctl/Role('x')", "Box": "/cell1/__ctl/Box('x')",
		"Relation": "/cell1/__ctl/Relation('x')", "ExtCell": "/cell1/__ctl/ExtCell('x')",
		"ExtRole": "/cell1/__ctl/ExtRole(ExtRole='x',_Relation.Name='y')", "Rule": "/cell1/__ctl/Rule('x')",
		"ReceivedMessage": "/cell1/__ctl/ReceivedMessage('x')", "SentMessage": "/cell1/__ctl/SentMessage('x')",
	}[set]
}

// try is a request for a row of the table.
type try struct {
	row  dav.AccessRow
	path string
	at   string // the nearest ACL that counts
}

func tryOf(t *testing.T, r dav.AccessRow) try {
	f, ok := fixtures[r.Kind]
	if !ok {
		t.Fatalf("%s has no fixture", r.Kind.Name())
	}
	x := try{row: r, path: f.path, at: f.at}
	if set, ok := strings.CutPrefix(r.When, "it is of set "); ok {
		x.path = entityPath(set)
		if r.Method == "POST" {
			x.path, _, _ = strings.Cut(x.path, "(")
		}
	}
	if r.Kind == target.OData && r.When != "" {
		x.path = odataPath(r.When)
	}
	mkcol := r.Method == "MKCOL" && r.Kind != target.Cell
	if f.none != "" && (r.When == "nothing is there" || mkcol) {
		x.path, x.at = f.none, f.none[:strings.LastIndex(f.none, "/")]
	} else if r.Above {
		x.at = x.at[:strings.LastIndex(x.at, "/")]
	}
	if r.All|r.Any != 0 && (r.All|r.Any)&access.OfCell != 0 {
		x.at = "/cell1"
	}
	return x
}

// request sends what the row is about, with credentials that add gives it.
func (x *try) request(s *davtest.Server, add func(*http.Request)) *http.Response {
	s.T.Helper()
	body := "not good"
	if x.row.Method == "GET" || x.row.Method == "HEAD" || x.row.Method == "OPTIONS" || x.row.Method == "PROPFIND" || x.row.When == "without a body" {
		body = ""
	}
	req, err := http.NewRequest(x.row.Method, s.URL, strings.NewReader(body))
	if err != nil {
		s.T.Fatal(err)
	}
	req.URL.Path = x.path
	h := req.Header
	switch x.row.Method {
	case "PUT", "MKCOL", "DELETE", "COPY", "MOVE", "PROPPATCH", "ACL", "MERGE":
		h.Set("If-Match", `"0-0"`)
	}
	if x.row.Method == "PROPFIND" {
		h.Set("Depth", "0")
	}
	if x.row.When == "with a body" {
		h.Set("Content-Type", "application/zip")
	}
	if x.row.When == "Accept asks for a bar" {
		h.Set("Accept", "application/zip+x-personium-bar")
	}
	if x.row.Method == "COPY" || x.row.Method == "MOVE" {
		h.Set("Destination", s.URL+"/cell1/free/x")
	}
	if x.row.Kind == target.Token {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	add(req)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.T.Fatal(err)
	}
	return res
}

// verdict is the code of a refusal for lack of rights, "" for anything else.
func verdict(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusForbidden {
		return ""
	}
	if res.Request.Method == "HEAD" {
		return fmt.Sprint("PR", res.StatusCode)
	}
	_, code, _ := strings.Cut(string(body), `"code":"`)
	code, _, _ = strings.Cut(code, `"`)
	if !strings.Contains(code, "-AU-") {
		return "" // forbidden for another reason
	}
	return code
}

// names lists privileges for an ACL.
func names(s access.Set) string {
	var all []string
	for _, p := range s.Names() {
		prefix := "D:"
		if p.Space != "DAV:" {
			prefix = "p:"
		}
		all = append(all, prefix+p.Local)
	}
	return strings.Join(all, " ")
}

// allBut are the privileges that a resource of that depth can grant and that do not
// include any of s.
func allBut(s access.Set, cell bool) access.Set {
	var rest access.Set
	for _, p := range (^access.Set(0)).Names() {
		if set := access.Parse(p); set&s == 0 && (cell || set&access.OfCell == 0) {
			rest |= bit(p)
		}
	}
	return rest
}

// bit is a privilege without what it includes.
func bit(p cellfs.Privilege) access.Set {
	for i := range 63 {
		if s := access.Set(1) << i; len(s.Names()) == 1 && s.Names()[0] == p {
			return s
		}
	}
	return 0
}

// TestAccessTable walks the whole access table: each row with callers who have what it
// needs, lack it, have it by what lies above, as root of the cell, within and beyond the
// scope of a token, with a cookie, and who are nobody.
func TestAccessTable(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me", "r")
	s.Account("cell1", "root", "root")
	for _, p := range []string{"/cell1/b", "/cell1/b/d", "/cell1/free"} {
		s.Mkcol(p)
	}
	s.Request("MKCOL", "/cell1/b/o").WithText(`<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype><D:collection/><p:odata/></D:resourcetype></D:prop></D:set></D:mkcol>`).
		WithHeader("Content-Type", "application/xml").Expect().Status(http.StatusCreated)
	s.Put("/cell1/b/d/f", "content")
	s.Export("cell1", "s")
	s.SetACL("/cell1/free", davtest.ACE{Role: "r", Privileges: "D:all"}, davtest.ACE{Privileges: "D:all"})

	all := func(values map[string]any) (token, cookie, peer string) {
		form := map[string]string{"p_cookie": "true"}
		for k, v := range values {
			form[k] = v.(string)
		}
		r := s.Anonymous().POST("/cell1/__token").WithFormField("grant_type", "password").WithFormField("username", "me").
			WithFormField("password", davtest.AccountPassword)
		for k, v := range form {
			r = r.WithFormField(k, v)
		}
		got := r.Expect().Status(http.StatusOK)
		o := got.JSON().Object()
		return o.Value("access_token").String().Raw(), got.Cookie("p_cookie").Value().Raw(), o.Value("p_cookie_peer").String().Raw()
	}
	token, cookie, peer := all(nil)
	nothing := func(*http.Request) {}
	basic := func(name string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(name, davtest.AccountPassword) }
	}
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	withCookie := func(peer string) func(*http.Request) {
		return func(r *http.Request) {
			r.AddCookie(&http.Cookie{Name: "p_cookie", Value: cookie})
			r.URL.RawQuery = "p_cookie_peer=" + peer
		}
	}

	rows := 0
	for _, r := range dav.AccessTable() {
		x := tryOf(t, r)
		if x.path == "" {
			continue // of no set: nobody is told more
		}
		rows++
		want := func(who, want string, add func(*http.Request)) {
			t.Helper()
			res := x.request(s, add)
			got := verdict(t, res)
			if want != "" && r.Method == "HEAD" {
				want = want[:5]
			}
			if r.Method == "OPTIONS" && res.Request.Header.Get("Authorization") == "" {
				want = "" // answered without a look
			}
			if got != want {
				t.Errorf("%s %s (%s), needs %s%s%s: %s gets %d %q, want %q", r.Method, x.path, r.When, r.Who, names(r.All), names(r.Any), who, res.StatusCode, got, want)
			}
		}
		// acl sets the ACL of at and clears all others on the way.
		acl := func(at string, aces ...davtest.ACE) {
			t.Helper()
			for _, p := range []string{"/cell1", "/cell1/b", "/cell1/b/d", "/cell1/b/d/f"} {
				if p == at {
					s.SetACL(p, aces...)
				} else {
					s.SetACL(p)
				}
			}
		}
		acl("")
		if r.Who != "itself" {
			want("the admin", "", func(r *http.Request) { r.SetBasicAuth(davtest.User, davtest.Password) })
		}
		switch r.Who {
		case "anyone":
			want("nobody", "", nothing)
			continue
		case "admin", "unit user":
			want("nobody", "PR401-AU-0001", nothing)
			acl("/cell1", davtest.ACE{Role: "root", Privileges: "p:root"})
			if x.at != "" {
				want("root of the cell", "PR403-AU-0001", basic("root"))
			}
			continue
		case "box reader":
			want("nobody", "PR401-AU-0001", nothing)
			want("another account", "PR403-AU-0002", basic("me"))
			s.SetACL("/cell1/__", davtest.ACE{Privileges: "D:read"})
			want("nobody, where all may", "", nothing)
			s.SetACL("/cell1/__")
			continue
		case "itself", "somebody":
			want("nobody", "PR401-AU-0001", nothing)
			continue
		}
		needed := r.All | r.Any
		ofCell := needed&access.OfCell != 0
		have := needed
		if r.When == "Accept asks for a bar" {
			have |= access.Read
		}
		aces := func(role string, set access.Set) davtest.ACE { return davtest.ACE{Role: role, Privileges: names(set)} }

		acl(x.at, aces("r", have))
		want("who has it", "", basic("me"))
		want("who has it, by token", "", bearer(token))
		want("who has it, by cookie", "", withCookie(peer))
		want("who has it, by cookie, with a wrong peer", "PR401-AU-0009", withCookie("wrong"))
		want("who has it, by cookie alone", "PR401-AU-0001", withCookie(""))
		want("another account", "PR403-AU-0002", basic("root"))
		want("nobody", "PR401-AU-0001", nothing)
		if ofCell {
			within, _, _ := all(map[string]any{"scope": needed.Names()[0].Local})
			want("within the scope", "", bearer(within))
			scope := "message-read"
			if needed&(access.Message|access.MessageRead) != 0 {
				scope = "sign"
			}
			beyond, _, _ := all(map[string]any{"scope": scope})
			want("beyond the scope", "PR403-AU-0007", bearer(beyond))
		} else {
			narrow, _, _ := all(map[string]any{"scope": "message-read"})
			want("with another scope", "", bearer(narrow))
		}
		acl(x.at, aces("", have))
		if r.Method == "LOCK" || r.Method == "UNLOCK" { // these are for somebody
			want("nobody, where all may", "PR401-AU-0001", nothing)
		} else {
			want("nobody, where all may", "", nothing)
			want("a bad token, where all may", "", bearer("garbage"))
		}

		acl(x.at, aces("r", allBut(needed, x.at == "/cell1")))
		want("who has everything else", "PR403-AU-0002", basic("me"))
		if !ofCell {
			for at := x.at[:strings.LastIndex(x.at, "/")]; at != ""; at = at[:strings.LastIndex(at, "/")] {
				acl(at, aces("r", have))
				want("who has it by "+at, "", basic("me"))
			}
		}
		acl("/cell1", davtest.ACE{Role: "root", Privileges: "p:root"})
		want("root of the cell", "", basic("root"))
	}
	t.Logf("%d rows", rows)
	if rows < 100 {
		t.Errorf("only %d rows of the table were tried", rows)
	}
}
