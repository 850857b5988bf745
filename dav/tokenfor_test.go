package dav_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/dav/davtest"
)

// tokenFor gets a token of the account that is good at the URL.
func tokenFor(s *davtest.Server, cell, name, url string, more ...string) string {
	s.T.Helper()
	form := map[string]string{"p_target": url}
	for i := 0; i+1 < len(more); i += 2 {
		form[more[i]] = more[i+1]
	}
	o := s.Token(cell, name, form)
	o.Value("p_target").IsEqual(url)
	return o.Value("access_token").String().Raw()
}

// refusedToken asks for a token of the account and expects the code.
func refusedToken(s *davtest.Server, cell, name string, form map[string]string, status int, code string) {
	s.T.Helper()
	all := map[string]string{"grant_type": "password", "username": name, "password": davtest.AccountPassword}
	for k, v := range form {
		all[k] = v
	}
	s.Anonymous().POST("/" + cell + "/__token").WithForm(all).Expect().Status(status).JSON().Object().
		Value("error_description").String().HasPrefix("[" + code + "]")
}

// link links two control objects of a cell.
func link(s *davtest.Server, cell, from, to, toURL string) {
	s.T.Helper()
	s.Request("POST", "/"+cell+"/__ctl/"+from+"/$links/_"+to).
		WithJSON(map[string]string{"uri": s.URL + "/" + cell + "/__ctl/" + toURL}).Expect().Status(http.StatusNoContent)
}

// create makes a control object of a cell.
func create(s *davtest.Server, cell, set string, values map[string]any) *httpexpect.Response {
	s.T.Helper()
	return s.Request("POST", "/"+cell+"/__ctl/"+set).WithJSON(values).Expect().Status(http.StatusCreated)
}

func cellNames(r *httpexpect.Response) (all []string) {
	for _, v := range r.Status(http.StatusOK).JSON().Path("$.d.results[*].Name").Array().Iter() {
		all = append(all, v.String().Raw())
	}
	return all
}

// TestUnitUsers: an account of an admin cell makes, sees and deletes its own cells, does everything in
// them, and nothing in others (contract 5.16).
func TestUnitUsers(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "ops"}, AdminCells: []string{"ops"}})
	s.Account("ops", "alice")
	s.Account("ops", "carol")
	s.Account("cell1", "bob")
	unit := s.URL + "/"
	alice, carol, bob := tokenFor(s, "ops", "alice", unit), tokenFor(s, "ops", "carol", unit), tokenFor(s, "cell1", "bob", unit)

	// Whoever is no unit user learns that, and not that the token is bad.
	for _, token := range []string{bob, s.Token("cell1", "bob", nil).Value("access_token").String().Raw(), s.Token("ops", "alice", nil).Value("access_token").String().Raw()} {
		davtest.Error(s.With(token, "GET", "/__ctl/Cell").Expect(), "PR403-AU-0001")
	}
	davtest.Error(s.With(bob, "MKCOL", "/sneaked").Expect(), "PR403-AU-0001")
	davtest.Error(s.Anonymous().GET("/__ctl/Cell").Expect(), "PR401-AU-0001")

	if got := cellNames(s.With(alice, "GET", "/__ctl/Cell").Expect()); len(got) > 0 {
		t.Errorf("alice sees %v before she has a cell", got)
	}
	s.With(alice, "POST", "/__ctl/Cell").WithJSON(map[string]string{"Name": "mine"}).Expect().Status(http.StatusCreated)
	s.With(alice, "MKCOL", "/too").Expect().Status(http.StatusCreated)
	s.With(carol, "MKCOL", "/carols").Expect().Status(http.StatusCreated)
	if got := strings.Join(cellNames(s.With(alice, "GET", "/__ctl/Cell").Expect()), " "); got != "mine too" {
		t.Errorf("alice sees %q", got)
	}

	// All of her own.
	s.With(alice, "PUT", "/mine/__/f").WithBytes([]byte("x")).Expect().Status(http.StatusCreated)
	s.With(alice, "PROPFIND", "/mine").WithHeader("Depth", "1").Expect().Status(http.StatusMultiStatus)
	s.With(alice, "POST", "/mine/__ctl/Role").WithJSON(map[string]string{"Name": "r"}).Expect().Status(http.StatusCreated)
	s.With(alice, "COPY", "/mine/__/f").WithHeader("Destination", "/too/__/f").Expect().Status(http.StatusForbidden) // the copy is a request to mine
	s.With(alice, "POST", "/mine/__export").WithJSON(map[string]string{"Name": "e"}).Expect().Status(http.StatusAccepted)
	if log := s.Get("/mine/__log/current/default.log"); !strings.Contains(log, s.URL+"/ops/#alice") {
		t.Errorf("the log does not name alice:\n%s", log)
	}

	// Nothing of others.
	for _, r := range []*httpexpect.Request{
		s.With(alice, "PUT", "/cell1/__/f").WithBytes([]byte("x")), s.With(alice, "PUT", "/carols/__/f").WithBytes([]byte("x")),
		s.With(alice, "PROPFIND", "/carols"), s.With(alice, "DELETE", "/carols").WithHeader("X-Personium-Recursive", "true"),
		s.With(alice, "COPY", "/mine/__/f").WithHeader("Destination", "/carols/__/f"),
		s.With(alice, "MOVE", "/mine/__/f").WithHeader("Destination", "/cell1/__/f"),
		s.With(alice, "GET", "/carols/__ctl/Role"),
	} {
		r.Expect().Status(http.StatusForbidden)
	}
	for _, method := range []string{"GET", "DELETE"} {
		davtest.Error(s.With(alice, method, "/__ctl/Cell('carols')").Expect(), "PR403-AU-0003")
	}
	davtest.Error(s.With(alice, "MERGE", "/__ctl/Cell('carols')").WithJSON(map[string]string{"Name": "stolen"}).Expect(), "PR403-AU-0003")
	davtest.Error(s.With(alice, "GET", "/__ctl/Cell('none')").Expect(), "PR404-OD-0002")
	s.With(alice, "PUT", "/ops/__mypassword").WithHeader("X-Personium-Credential", "another-one").Expect().Status(http.StatusUnauthorized)

	// A narrower token owns nothing.
	narrow := tokenFor(s, "ops", "alice", unit, "scope", "box-read")
	davtest.Error(s.With(narrow, "MKCOL", "/more").Expect(), "PR403-AU-0007")
	s.With(narrow, "PUT", "/mine/__/g").WithBytes([]byte("x")).Expect().Status(http.StatusForbidden)

	s.Request("GET", "/mine/__export").WithHeader("Prefer", "wait=60").Expect().Status(http.StatusOK)
	s.With(alice, "DELETE", "/__ctl/Cell('too')").Expect().Status(http.StatusNoContent)
	s.With(alice, "DELETE", "/mine").WithHeader("X-Personium-Recursive", "true").Expect().Status(http.StatusNoContent)
	if got := cellNames(s.With(alice, "GET", "/__ctl/Cell").Expect()); len(got) > 0 {
		t.Errorf("alice still sees %v", got)
	}
}

// TestUnitAdmins: the role unitadmin of an admin cell makes a unit user the unit admin, as long as the
// account has it (contract 5.16).
func TestUnitAdmins(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "ops"}, AdminCells: []string{"ops"}})
	s.Account("ops", "root", "unitadmin")
	s.Account("cell1", "bob", "unitadmin")
	root := tokenFor(s, "ops", "root", s.URL+"/")
	if got := strings.Join(cellNames(s.With(root, "GET", "/__ctl/Cell").Expect()), " "); got != "cell1 ops" {
		t.Errorf("the unit admin sees %q", got)
	}
	s.With(root, "PUT", "/cell1/__/f").WithBytes([]byte("x")).Expect().Status(http.StatusCreated)
	s.With(root, "POST", "/cell1/__ctl/Role").WithJSON(map[string]string{"Name": "r"}).Expect().Status(http.StatusCreated)
	s.With(tokenFor(s, "cell1", "bob", s.URL+"/"), "PUT", "/cell1/__/f").WithBytes([]byte("y")).Expect().Status(http.StatusForbidden)
	narrow := tokenFor(s, "ops", "root", s.URL+"/", "scope", "log-read")
	s.With(narrow, "PUT", "/cell1/__/f").WithBytes([]byte("y")).Expect().Status(http.StatusForbidden)
	s.With(narrow, "GET", "/cell1/__log/current/default.log").Expect().Status(http.StatusOK)
	s.Request("DELETE", "/ops/__ctl/Account('root')/$links/_Role('unitadmin')").Expect().Status(http.StatusNoContent)
	davtest.Error(s.With(root, "PUT", "/cell1/__/f").WithBytes([]byte("y")).Expect(), "PR403-AU-0002")
	davtest.Error(s.With(root, "GET", "/__ctl/Cell('cell1')").Expect(), "PR403-AU-0003")
}

// TestVisitors: a token of p_target is good in that cell alone, with the roles that its ext cells,
// relations and ext roles grant (contract 5.17).
func TestVisitors(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2", "cell3"}})
	s.Account("cell1", "alice", "friend")
	s.Account("cell1", "bob")
	s.Account("cell2", "alice") // another one of that name
	cell2 := s.URL + "/cell2/"
	for _, role := range []string{"direct", "related", "special"} {
		s.Role("cell2", role)
		s.Request("PUT", "/cell2/__/"+role).WithBytes([]byte(role)).Expect().Status(http.StatusCreated)
		s.SetACL("/cell2/__/"+role, davtest.ACE{Role: role, Privileges: "D:read"})
	}
	alice, bob := tokenFor(s, "cell1", "alice", cell2), tokenFor(s, "cell1", "bob", cell2)
	sees := func(what, token, want string) {
		t.Helper()
		var got []string
		for _, role := range []string{"direct", "related", "special"} {
			if r := s.With(token, "GET", "/cell2/__/"+role).Expect().Raw(); r.StatusCode == http.StatusOK {
				got = append(got, role)
			} else if r.StatusCode != http.StatusForbidden {
				t.Errorf("%s: GET %s = %d", what, role, r.StatusCode)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s sees %v, want %s", what, got, want)
		}
	}
	sees("nobody known", alice, "")
	extCell := "ExtCell('" + strings.ReplaceAll(s.URL+"/cell1/", "/", "%2F") + "')"
	create(s, "cell2", "ExtCell", map[string]any{"Url": s.URL + "/cell1/"}).JSON().Path("$.d.results.Url").IsEqual(s.URL + "/cell1/")
	sees("an ext cell without roles", alice, "")
	link(s, "cell2", extCell, "Role", "Role('direct')")
	sees("the ext cell", alice, "direct")
	sees("the ext cell", bob, "direct")
	create(s, "cell2", "Relation", map[string]any{"Name": "circle"})
	link(s, "cell2", extCell, "Relation", "Relation('circle')")
	link(s, "cell2", "Relation('circle')", "Role", "Role('related')")
	sees("the relation", bob, "direct related")
	extRole := s.URL + "/cell1/__role/__/friend"
	create(s, "cell2", "ExtRole", map[string]any{"ExtRole": extRole, "_Relation.Name": "circle"})
	link(s, "cell2", "ExtRole(ExtRole='"+strings.ReplaceAll(extRole, "/", "%2F")+"',_Relation.Name='circle')", "Role", "Role('special')")
	sees("the ext role", alice, "direct related special")
	sees("no ext role", bob, "direct related")
	s.Request("DELETE", "/cell1/__ctl/Account('alice')/$links/_Role('friend')").Expect().Status(http.StatusNoContent)
	sees("a role that was taken away", alice, "direct related")
	sees("a token of another cell's ext cells", tokenFor(s, "cell3", somebody(s, "cell3"), cell2), "")

	// The token is good nowhere else.
	for _, path := range []string{"/cell1/__/", "/cell3/__/"} {
		davtest.Error(s.With(alice, "GET", path).Expect(), "PR401-AU-0006")
	}
	davtest.Error(s.With(alice, "GET", "/__ctl/Cell").Expect(), "PR401-AU-0006")
	s.With(alice, "PUT", "/cell2/__mypassword").WithHeader("X-Personium-Credential", "another-one").Expect().Status(http.StatusUnauthorized)
	s.Token("cell2", "alice", nil) // whose password is what it was

	// It is worth nothing once the account has another password, or is gone.
	s.Request("PUT", "/cell1/__ctl/Account('bob')").WithHeader("X-Personium-Credential", "another-one").WithJSON(map[string]string{"Name": "bob"}).Expect().Status(http.StatusNoContent)
	davtest.Error(s.With(bob, "GET", "/cell2/__/direct").Expect(), "PR401-AU-0002")
	s.Request("DELETE", "/cell1/__ctl/Account('alice')").Expect().Status(http.StatusNoContent)
	davtest.Error(s.With(alice, "GET", "/cell2/__/direct").Expect(), "PR401-AU-0001")
}

// somebody makes an account of the cell and returns its name.
func somebody(s *davtest.Server, cell string) string {
	s.Account(cell, "somebody")
	return "somebody"
}

const assertionGrant = "urn:ietf:params:oauth:grant-type:saml2-bearer"

// TestAssertions: a visitor gets tokens of the cell for the one that its own cell gave, and for no
// other; nothing of a visitor's opens a third cell (contract 5.17).
func TestAssertions(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2", "cell3"}})
	s.Account("cell1", "alice")
	s.Role("cell2", "guest")
	s.Request("PUT", "/cell2/__/f").WithBytes([]byte("x")).Expect().Status(http.StatusCreated)
	s.SetACL("/cell2", davtest.ACE{Role: "guest", Privileges: "p:root"})
	create(s, "cell2", "ExtCell", map[string]any{"Url": "personium-localunit:/cell1/"}).JSON().Path("$.d.results.Url").IsEqual(s.URL + "/cell1/")
	link(s, "cell2", "ExtCell('personium-localunit:%2Fcell1%2F')", "Role", "Role('guest')")
	ask := func(cell string, form map[string]string) *httpexpect.Response {
		return s.Anonymous().POST("/" + cell + "/__token").WithForm(form).Expect()
	}
	refused := func(cell string, form map[string]string, code string) {
		t.Helper()
		ask(cell, form).Status(http.StatusBadRequest).JSON().Object().Value("error_description").String().HasPrefix("[" + code + "]")
	}
	assertion := tokenFor(s, "cell1", "alice", s.URL+"/cell2/", "scope", "log-read box-read")
	s.With(assertion, "GET", "/cell2/__log/current/default.log").Expect().Status(http.StatusOK)
	got := ask("cell2", map[string]string{"grant_type": assertionGrant, "assertion": assertion, "scope": "log-read root"}).Status(http.StatusOK).JSON().Object()
	got.Value("scope").IsEqual("log-read") // it never grows
	access, refresh := got.Value("access_token").String().Raw(), got.Value("refresh_token").String().Raw()
	s.With(access, "GET", "/cell2/__log/current/default.log").Expect().Status(http.StatusOK)
	davtest.Error(s.With(access, "GET", "/cell2/__ctl/Box").Expect(), "PR403-AU-0007")
	again := ask("cell2", map[string]string{"grant_type": "refresh_token", "refresh_token": refresh}).Status(http.StatusOK).JSON().Object()
	again.Value("scope").IsEqual("log-read")
	s.With(again.Value("access_token").String().Raw(), "GET", "/cell2/__log/current/default.log").Expect().Status(http.StatusOK)

	refused("cell2", map[string]string{"grant_type": assertionGrant}, "PR400-AN-0016")
	refused("cell2", map[string]string{"grant_type": assertionGrant, "assertion": "nonsense"}, "PR400-AN-0009")
	refused("cell3", map[string]string{"grant_type": assertionGrant, "assertion": assertion}, "PR400-AN-0012")
	refused("cell2", map[string]string{"grant_type": assertionGrant, "assertion": access}, "PR400-AN-0012")
	own := s.Token("cell1", "alice", nil)
	refused("cell1", map[string]string{"grant_type": assertionGrant, "assertion": own.Value("access_token").String().Raw()}, "PR400-AN-0012")
	refused("cell2", map[string]string{"grant_type": "refresh_token", "refresh_token": own.Value("refresh_token").String().Raw()}, "PR400-AN-0009")
	refused("cell1", map[string]string{"grant_type": "refresh_token", "refresh_token": refresh}, "PR400-AN-0009")
	for _, target := range []string{s.URL + "/cell3/", s.URL + "/cell1/", s.URL + "/"} {
		refused("cell2", map[string]string{"grant_type": "refresh_token", "refresh_token": refresh, "p_target": target}, "PR400-AN-0002")
	}

	// The refresh token that came along is good at home, for other targets too.
	home := s.Token("cell1", "alice", map[string]string{"p_target": s.URL + "/cell2/", "scope": "log-read"}).Value("refresh_token").String().Raw()
	third := ask("cell1", map[string]string{"grant_type": "refresh_token", "refresh_token": home, "p_target": s.URL + "/cell2/"}).Status(http.StatusOK).JSON().Object()
	third.Value("scope").IsEqual("log-read")
	s.With(third.Value("access_token").String().Raw(), "GET", "/cell2/__log/current/default.log").Expect().Status(http.StatusOK)

	// Cells elsewhere, and what is no cell.
	for _, target := range []string{"https://other.example/cell2/", s.URL + "/none/", s.URL + "/cell2/box/", "nonsense", "ftp://x/", s.URL + "/cell2/?x=1"} {
		refusedToken(s, "cell1", "alice", map[string]string{"p_target": target}, http.StatusBadRequest, "PR400-AN-0002")
	}
	tokenFor(s, "cell1", "alice", "personium-localunit:/cell2/")
	// The cell itself is a target like none.
	here := tokenFor(s, "cell1", "alice", s.URL+"/cell1/")
	s.With(here, "GET", "/cell1").Expect().Status(http.StatusOK)
	refused("cell1", map[string]string{"grant_type": assertionGrant, "assertion": here}, "PR400-AN-0012")
}

// TestExtCellsNameCellsForAll: the host of a request proves nothing, so that nobody can make another
// server's cell one of this unit (contract 5.17).
func TestExtCellsNameCellsForAll(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}, UnitURL: "https://unit.example/"})
	s.Account("cell1", "alice")
	s.Role("cell2", "guest")
	s.Request("PUT", "/cell2/__/f").WithBytes([]byte("x")).Expect().Status(http.StatusCreated)
	s.SetACL("/cell2/__/f", davtest.ACE{Role: "guest", Privileges: "D:read"})
	create(s, "cell2", "ExtCell", map[string]any{"Url": "https://partner.example/cell1/"})
	link(s, "cell2", "ExtCell('https:%2F%2Fpartner.example%2Fcell1%2F')", "Role", "Role('guest')")
	token := tokenFor(s, "cell1", "alice", "https://unit.example/cell2/")
	r := s.With(token, "GET", "/cell2/__/f").WithHost("partner.example")
	r.Expect().Status(http.StatusForbidden)
	create(s, "cell2", "ExtCell", map[string]any{"Url": "https://cell1.unit.example/"}).JSON().Path("$.d.results.Url").IsEqual("https://unit.example/cell1/")
	link(s, "cell2", "ExtCell('https:%2F%2Funit.example%2Fcell1%2F')", "Role", "Role('guest')")
	s.With(token, "GET", "/cell2/__/f").Expect().Status(http.StatusOK)
}

// TestApplications: an application shows by a token of its cell who it is, and meets what an ACL
// asks of applications (contract 5.13, 5.18).
func TestApplications(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "app", "app2"}, UnitURL: "https://unit.example/"})
	s.Account("cell1", "alice", "user")
	s.Account("app", "public")
	s.Account("app", "secret", "confidentialClient")
	s.Account("app2", "public")
	app, cell1 := "https://unit.example/app/", "https://unit.example/cell1/"
	s.Request("POST", "/cell1/__ctl/Box").WithJSON(map[string]string{"Name": "box", "Schema": "https://app.unit.example/"}).Expect().Status(http.StatusCreated)
	for _, level := range []string{"none", "public", "confidential"} {
		s.Request("PUT", "/cell1/box/"+level).WithBytes([]byte("x")).Expect().Status(http.StatusCreated)
		acl := strings.Replace(s.ACL("/cell1", davtest.ACE{Role: "user", Privileges: "D:read"}), "<D:acl", `<D:acl p:requireSchemaAuthz="`+level+`"`, 1)
		s.Request("ACL", "/cell1/box/"+level).WithBytes([]byte(strings.ReplaceAll(acl, s.URL+"/", "https://unit.example/"))).Expect().Status(http.StatusOK)
	}
	through := func(id, secret string) *httpexpect.Object {
		return s.Token("cell1", "alice", map[string]string{"client_id": id, "client_secret": secret})
	}
	want := func(what, token string, codes ...string) {
		t.Helper()
		for i, level := range []string{"none", "public", "confidential"} {
			r := s.With(token, "GET", "/cell1/box/"+level).Expect()
			if codes[i] == "" {
				r.Status(http.StatusOK)
			} else {
				davtest.Error(r, codes[i])
			}
		}
	}
	const none, other, weak = "PR403-AU-0004", "PR403-AU-0005", "PR403-AU-0006"
	access := func(o *httpexpect.Object) string { return o.Value("access_token").String().Raw() }
	public, secret := tokenFor(s, "app", "public", cell1), tokenFor(s, "app", "secret", cell1)
	want("no application", access(s.Token("cell1", "alice", nil)), "", none, none)
	want("only an id", access(s.Token("cell1", "alice", map[string]string{"client_id": app})), "", none, none)
	want("public", access(through(app, public)), "", "", weak)
	want("confidential", access(through("https://app.unit.example/", secret)), "", "", "")
	want("another", access(through("https://unit.example/app2/", tokenFor(s, "app2", "public", cell1))), "", other, other)

	refused := func(id, secret, code string) {
		t.Helper()
		refusedToken(s, "cell1", "alice", map[string]string{"client_id": id, "client_secret": secret}, http.StatusBadRequest, code)
	}
	refused(app, "nonsense", "PR400-AN-0003")
	refused("https://unit.example/app2/", public, "PR400-AN-0006")
	refused("https://other.example/app/", public, "PR400-AN-0006")
	refused("nonsense", public, "PR400-AN-0006")
	refused(app, access(s.Token("app", "public", nil)), "PR400-AN-0007")
	refused(app, tokenFor(s, "app", "public", "https://unit.example/app2/"), "PR400-AN-0007")
	form := map[string]string{"grant_type": "password", "username": "alice", "password": davtest.AccountPassword}
	s.Anonymous().POST("/cell1/__token").WithForm(form).WithHeader("Authorization", "Bearer x").Expect().Status(http.StatusBadRequest).
		JSON().Object().Value("error").IsEqual("invalid_client")
	want("by Basic", access(s.Anonymous().POST("/cell1/__token").WithForm(form).WithBasicAuth(app, public).Expect().Status(http.StatusOK).JSON().Object()), "", "", weak)

	want("by Basic as a form", access(s.Anonymous().POST("/cell1/__token").WithForm(form).WithBasicAuth(url.QueryEscape(app), public).Expect().Status(http.StatusOK).JSON().Object()), "", "", weak)

	// A refresh token stays the application's.
	refresh := through(app, secret).Value("refresh_token").String().Raw()
	again := func(more map[string]string) *httpexpect.Response {
		form := map[string]string{"grant_type": "refresh_token", "refresh_token": refresh}
		for k, v := range more {
			form[k] = v
		}
		return s.Anonymous().POST("/cell1/__token").WithForm(form).Expect()
	}
	again(nil).Status(http.StatusUnauthorized).JSON().Object().Value("error_description").String().HasPrefix("[PR401-AN-0021]")
	again(map[string]string{"client_id": "https://unit.example/app2/", "client_secret": tokenFor(s, "app2", "public", cell1)}).Status(http.StatusUnauthorized).
		JSON().Object().Value("error_description").String().HasPrefix("[PR401-AN-0020]")
	want("refreshed", access(again(map[string]string{"client_id": app, "client_secret": public}).Status(http.StatusOK).JSON().Object()), "", "", weak)
	if log := s.Get("/cell1/__log/current/default.log"); strings.Contains(log, "personium-localunit:") {
		t.Errorf("a placeholder is shown:\n%s", log)
	}
}
