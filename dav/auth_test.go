package dav_test

import (
	"net/http"
	"strings"
	"testing"

	"cellar/barfs/bartest"
	"cellar/dav/davtest"
)

// TestBootstrap: from an empty cell to an account that may install and read the log, and
// nothing else (contract 5.9, 5.10).
func TestBootstrap(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me", "admin")
	s.SetACL("/cell1", davtest.ACE{Role: "admin", Privileges: "p:box-install p:log-read"})
	token := s.Token("cell1", "me", nil).Value("access_token").String().Raw()

	s.With(token, "MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(bartest.New("").Bytes()).
		Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/app").Value("status").IsEqual("ready")
	s.With(token, "GET", "/cell1/__log/current/default.log").Expect().Status(http.StatusOK).Body().Contains(`"` + s.URL + `/cell1/#me","boxinstall"`)
	davtest.Error(s.With(token, "POST", "/cell1/__export").Expect(), "PR403-AU-0002")
	davtest.Error(s.With(token, "MKCOL", "/cell1/empty").Expect(), "PR403-AU-0002")
	davtest.Error(s.With(token, "GET", "/cell1/app").Expect(), "PR403-AU-0002")
	davtest.Error(s.With(token, "PROPFIND", "/cell1").WithHeader("Depth", "1").Expect(), "PR403-AU-0002")

	// With p:box an empty box can be made (contract 1.10).
	s.SetACL("/cell1", davtest.ACE{Role: "admin", Privileges: "p:box"})
	s.With(token, "MKCOL", "/cell1/empty").Expect().Status(http.StatusCreated)
	davtest.Error(s.With(token, "POST", "/cell1/__export").Expect(), "PR403-AU-0002")
}

// TestScope: a scope bounds the privileges of the cell (contract 5.5).
func TestScope(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me", "admin")
	s.SetACL("/cell1", davtest.ACE{Role: "admin", Privileges: "p:root"})
	s.Token("cell1", "me", nil).Value("scope").IsEqual("root")
	narrow := s.Token("cell1", "me", map[string]string{"scope": "box-read nonsense openid"})
	narrow.Value("scope").IsEqual("box-read")
	token := narrow.Value("access_token").String().Raw()
	davtest.Error(s.With(token, "POST", "/cell1/__export").Expect(), "PR403-AU-0007")
	s.With(token, "GET", "/cell1/__ctl/Box").Expect().Status(http.StatusOK)
	davtest.Error(s.With(token, "POST", "/cell1/__ctl/Box").WithJSON(map[string]string{"Name": "b"}).Expect(), "PR403-AU-0007")
	// Privileges of boxes know no scope.
	s.Mkcol("/cell1/b")
	s.With(token, "PUT", "/cell1/b/f").WithText("x").Expect().Status(http.StatusCreated)

	// Anonymous callers have no scope that could lack something.
	s.SetACL("/cell1", davtest.ACE{Privileges: "p:propfind"})
	s.Anonymous().Request("PROPFIND", "/cell1").WithHeader("Depth", "0").Expect().Status(http.StatusMultiStatus)
}

// TestACLMethod: the ACL method and its refusals (contract 5.14).
func TestACLMethod(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}})
	s.Account("cell1", "me", "r")
	s.Mkcol("/cell1/b")
	s.Mkcol("/cell1/b/d")
	s.Put("/cell1/b/d/f", "content")
	s.SetACL("/cell1/b", davtest.ACE{Role: "r", Privileges: "D:read"})
	s.As("me", "GET", "/cell1/b/d/f").Expect().Status(http.StatusOK)

	acl := func(path, body string) string {
		t.Helper()
		r := s.Request("ACL", path).WithBytes([]byte(body)).Expect()
		if r.Raw().StatusCode == http.StatusOK {
			r.Header("ETag").NotEmpty()
			return "200"
		}
		o := r.JSON().Object()
		return o.Value("code").String().Raw() + " " + o.Value("message").Object().Value("value").String().Raw()
	}
	head := `<D:acl xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns" xml:base="` + s.URL + `/cell1/__role/__/"`
	ace := func(principal, grant string) string {
		return head + `><D:ace>` + principal + grant + `</D:ace></D:acl>`
	}
	read := `<D:grant><D:privilege><D:read/></D:privilege></D:grant>`
	all := `<D:principal><D:all/></D:principal>`
	for _, c := range []struct{ path, body, want string }{
		{"/cell1/b", "", "PR400-DV-0002 XML content error."},
		{"/cell1/b", "<D:acl", "PR400-DV-0002 XML content error."},
		{"/cell1/b", `<D:prop xmlns:D="DAV:"/>`, "PR400-DV-0002 XML content error."},
		{"/cell1/b", head + ` p:requireSchemaAuthz="some"/>`, "PR400-DV-0006 XML validate error. Cause:[Value [some] for requireSchemaAuthz is invalid]."},
		{"/cell1/b", ace(all, ""), "PR400-DV-0006 XML validate error. Cause:[Can not read grant]."},
		{"/cell1/b", ace("", read), "PR400-DV-0006 XML validate error. Cause:[Can not read principal]."},
		{"/cell1/b", ace(all, "<D:grant/>"), "PR400-DV-0006 XML validate error. Cause:[Can not read privilege]."},
		{"/cell1/b", ace(all, "<D:grant><D:privilege/></D:grant>"), "PR400-DV-0006 XML validate error. Cause:[Privilege is empty]."},
		{"/cell1/b", ace(all, "<D:grant><D:privilege><p:foo/></D:privilege></D:grant>"), "PR400-DV-0006 XML validate error. Cause:[[{urn:x-personium:xmlns}foo] that can not be set in privilege]."},
		{"/cell1/b", ace(all, "<D:grant><D:privilege><p:read/></D:privilege></D:grant>"), "PR400-DV-0006 XML validate error. Cause:[[{urn:x-personium:xmlns}read] that can not be set in privilege]."},
		{"/cell1/b", ace(all, "<D:grant><D:privilege><D:exec/></D:privilege></D:grant>"), "PR400-DV-0006 XML validate error. Cause:[[{DAV:}exec] that can not be set in privilege]."},
		{"/cell1/b", ace(all, "<D:grant><D:privilege><p:root/></D:privilege></D:grant>"), "PR400-DV-0006 XML validate error. Cause:[[{urn:x-personium:xmlns}root] that can not be set in privilege]."},
		{"/cell1", ace(all, "<D:grant><D:privilege><p:box-export/></D:privilege></D:grant>"), "PR400-DV-0006 XML validate error. Cause:[[{urn:x-personium:xmlns}box-export] that can not be set in privilege]."},
		{"/cell1/b", ace("<D:principal/>", read), "PR400-DV-0006 XML validate error. Cause:[Principal is neither href nor all]."},
		{"/cell1/b", ace("<D:principal><D:href> </D:href></D:principal>", read), "PR400-DV-0006 XML validate error. Cause:[href in principal is empty]."},
		{"/cell1/b", ace("<D:principal><D:href>none</D:href></D:principal>", read), "PR400-DV-0004 Role not found."},
		{"/cell1/b", ace("<D:principal><D:href>https://elsewhere.example/cell1/__role/__/r</D:href></D:principal>", read), "PR400-DV-0004 Role not found."},
		{"/cell1/b", ace("<D:principal><D:href>"+s.URL+"/cell2/__role/__/r</D:href></D:principal>", read), "PR400-DV-0004 Role not found."},
		{"/cell1/b", ace("<D:principal><D:href>../nobox/r</D:href></D:principal>", read), "PR400-DV-0005 Box not found url:[" + s.URL + "/cell1/__role/__/]."},
		{"/cell1/b", strings.Replace(ace("<D:principal><D:href>r</D:href></D:principal>", read), "xml:base", "id", 1), "PR400-DV-0004 Role not found."},
	} {
		if got := acl(c.path, c.body); got != c.want {
			t.Errorf("ACL %s %s\n = %s\nwant %s", c.path, c.body, got, c.want)
		}
	}
	davtest.Error(s.Request("ACL", "/cell1/b/none").WithBytes([]byte(ace(all, read))).Expect(), "PR404-DV-0001")
	s.As("me", "GET", "/cell1/b/d/f").Expect().Status(http.StatusOK) // nothing of that changed the ACL

	// Roles go by their identity: with another name it stays, deleted it is gone.
	s.Request("MERGE", "/cell1/__ctl/Role('r')").WithJSON(map[string]string{"Name": "readers"}).Expect().Status(http.StatusNoContent)
	s.As("me", "GET", "/cell1/b/d/f").Expect().Status(http.StatusOK)
	const wantACL = `<D:propfind xmlns:D="DAV:"><D:prop><D:acl/></D:prop></D:propfind>`
	got := s.Propfind("/cell1/b/d/f", "0", wantACL)[0].Props["{DAV:}acl"]
	for _, part := range []string{"<D:href>../__/readers</D:href>", "<D:inherited><D:href>" + s.URL + "/cell1/b</D:href></D:inherited>", "<D:read/>"} {
		if !strings.Contains(got, part) {
			t.Errorf("the ACL of the file lacks %s: %s", part, got)
		}
	}
	s.Request("DELETE", "/cell1/__ctl/Role('readers')").Expect().Status(http.StatusNoContent)
	davtest.Error(s.As("me", "GET", "/cell1/b/d/f").Expect(), "PR403-AU-0002")
	if got := s.Propfind("/cell1/b/d/f", "0", wantACL)[0].Props["{DAV:}acl"]; got != "" {
		t.Errorf("after the role: %s", got)
	}
	s.SetACL("/cell1/b") // none
	s.SetACL("/cell1/b/d", davtest.ACE{Privileges: "D:all"})
	s.Anonymous().GET("/cell1/b/d/f").Expect().Status(http.StatusOK)
	s.Anonymous().GET("/cell1/b/d/f").WithHeader("Authorization", "Bearer garbage").Expect().Status(http.StatusOK)
	davtest.Error(s.Anonymous().GET("/cell1/b").Expect(), "PR401-AU-0001")
	davtest.Error(s.Anonymous().GET("/cell1/b").WithHeader("Authorization", "Bearer garbage").Expect(), "PR401-AU-0006")
}

// TestListingHides: what a caller may not read is not shown, and nothing is shown to who
// may not list.
func TestListingHides(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "ann", "ann")
	s.Account("cell1", "bob", "bob")
	for _, p := range []string{"/cell1/open", "/cell1/anns", "/cell1/anns/in", "/cell1/bobs"} {
		s.Mkcol(p)
	}
	s.Put("/cell1/anns/in/f", "x")
	s.SetACL("/cell1", davtest.ACE{Role: "ann", Privileges: "p:propfind p:log-read"}, davtest.ACE{Role: "bob", Privileges: "p:propfind"})
	s.SetACL("/cell1/open", davtest.ACE{Privileges: "D:read"})
	s.SetACL("/cell1/anns", davtest.ACE{Role: "ann", Privileges: "D:all"})
	s.SetACL("/cell1/bobs", davtest.ACE{Role: "bob", Privileges: "D:read D:write"})
	hrefs := func(name, path string) string {
		t.Helper()
		var all []string
		for _, r := range davtest.ParseMultistatus(t, s.As(name, "PROPFIND", path).WithHeader("Depth", "1").Expect().Status(http.StatusMultiStatus).Body().Raw()) {
			all = append(all, r.Href)
		}
		return strings.Join(all, " ")
	}
	for _, c := range []struct{ name, path, want string }{
		{"ann", "/cell1", "/cell1/ /cell1/anns/ /cell1/open/ /cell1/__log/"},
		{"bob", "/cell1", "/cell1/ /cell1/bobs/ /cell1/open/"},
		{"ann", "/cell1/anns", "/cell1/anns/ /cell1/anns/in/"},
		{"ann", "/cell1/anns/in", "/cell1/anns/in/ /cell1/anns/in/f"},
		{"bob", "/cell1/open", "/cell1/open/"},
	} {
		if got := hrefs(c.name, c.path); got != c.want {
			t.Errorf("%s sees in %s: %s, want %s", c.name, c.path, got, c.want)
		}
	}
	davtest.Error(s.As("bob", "PROPFIND", "/cell1/anns").WithHeader("Depth", "1").Expect(), "PR403-AU-0002")
	davtest.Error(s.As("bob", "GET", "/cell1/anns/in/f").Expect(), "PR403-AU-0002")
	davtest.Error(s.As("bob", "GET", "/cell1/anns/in/none").Expect(), "PR403-AU-0002")
	davtest.Error(s.As("bob", "PUT", "/cell1/anns/none/f").WithText("x").Expect(), "PR403-AU-0002")
	davtest.Error(s.As("ann", "PROPFIND", "/").WithHeader("Depth", "1").Expect(), "PR401-AU-0011") // the unit knows no accounts

	// What is copied or moved must be allowed at both ends.
	transfer := func(name, method, src, dst string) *http.Response {
		return s.As(name, method, src).WithHeader("Destination", s.URL+dst).Expect().Raw()
	}
	for _, c := range []struct {
		name, method, src, dst string
		want                   int
	}{
		{"bob", "COPY", "/cell1/anns/in/f", "/cell1/bobs/f", 403},
		{"ann", "COPY", "/cell1/anns/in/f", "/cell1/bobs/f", 403},
		{"ann", "COPY", "/cell1/anns/in/f", "/cell1/open/f", 403},
		{"ann", "MOVE", "/cell1/anns/in/f", "/cell1/open/f", 403},
		{"ann", "COPY", "/cell1/anns/in/f", "/cell1/anns/none/f", 409},
		{"bob", "COPY", "/cell1/anns/in/f", "/cell1/anns/none/f", 403},
		{"ann", "COPY", "/cell1/anns/in", "/cell1/anns/copy", 201},
		{"ann", "MOVE", "/cell1/anns/copy", "/cell1/anns/moved", 201},
		{"ann", "COPY", "/cell1/anns/in/f", "/cell1/anns/moved/f", 204},
	} {
		if got := transfer(c.name, c.method, c.src, c.dst).StatusCode; got != c.want {
			t.Errorf("%s: %s %s to %s = %d, want %d", c.name, c.method, c.src, c.dst, got, c.want)
		}
	}
	// A copy has no ACL of its own (RFC 3744, 7.3), what was moved keeps its own (7.4).
	s.SetACL("/cell1/anns/in", davtest.ACE{Privileges: "D:read"})
	transfer("ann", "COPY", "/cell1/anns/in", "/cell1/anns/copy")
	transfer("ann", "MOVE", "/cell1/anns/in", "/cell1/anns/gone")
	s.Anonymous().GET("/cell1/anns/gone/f").Expect().Status(http.StatusOK)
	davtest.Error(s.Anonymous().GET("/cell1/anns/copy/f").Expect(), "PR401-AU-0001")
}

// TestSchemaAuthz: what asks for an application lets nobody in who comes without one,
// whatever the ACL grants, and is not taken away with what holds it.
func TestSchemaAuthz(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me", "r")
	s.Mkcol("/cell1/b")
	for _, p := range []string{"/cell1/b/d", "/cell1/b/d/safe", "/cell1/b/d/safe/open"} {
		s.Mkcol(p)
	}
	s.SetACL("/cell1/b", davtest.ACE{Role: "r", Privileges: "D:all"}, davtest.ACE{Privileges: "D:read"})
	set := func(path, value string) {
		t.Helper()
		s.Request("ACL", path).WithBytes([]byte(`<D:acl xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns" p:requireSchemaAuthz="` + value + `"/>`)).Expect().Status(http.StatusOK)
	}
	set("/cell1/b/d/safe", "public")
	set("/cell1/b/d/safe/open", "none")
	davtest.Error(s.As("me", "GET", "/cell1/b/d/safe").Expect(), "PR403-AU-0004")
	davtest.Error(s.Anonymous().GET("/cell1/b/d/safe").Expect(), "PR401-AU-0001")
	s.As("me", "GET", "/cell1/b/d/safe/open").Expect().Status(http.StatusOK)
	s.As("me", "GET", "/cell1/b/d").Expect().Status(http.StatusOK)
	if got := len(davtest.ParseMultistatus(t, s.As("me", "PROPFIND", "/cell1/b/d").WithHeader("Depth", "1").Expect().Body().Raw())); got != 1 {
		t.Errorf("the listing shows %d resources, want the collection alone", got)
	}
	bar := func() int {
		return s.As("me", "GET", "/cell1/b").WithHeader("Accept", "application/zip+x-personium-bar").Expect().Raw().StatusCode
	}
	for _, r := range []int{
		bar(),
		s.As("me", "DELETE", "/cell1/b/d").Expect().Raw().StatusCode,
		s.As("me", "COPY", "/cell1/b/d").WithHeader("Destination", s.URL+"/cell1/b/e").Expect().Raw().StatusCode,
		s.As("me", "MOVE", "/cell1/b/d").WithHeader("Destination", s.URL+"/cell1/b/e").Expect().Raw().StatusCode,
	} {
		if r != http.StatusForbidden {
			t.Errorf("a collection with something safe in it: %d", r)
		}
	}
	set("/cell1/b/d/safe", "none")
	if got := bar(); got != http.StatusOK {
		t.Errorf("a bar of a box with nothing safe in it: %d", got)
	}
	// Who may remove boxes may remove this one.
	set("/cell1/b/d/safe", "confidential")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:box"})
	s.As("me", "DELETE", "/cell1/b").Expect().Status(http.StatusNoContent)
}
