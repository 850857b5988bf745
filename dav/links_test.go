package dav_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"cellar/dav/davtest"
)

// TestLinkInAnyFormOfTheURL: the object of a link is named by any URL of its cell, and by
// none of another.
func TestLinkInAnyFormOfTheURL(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}})
	s.Account("cell1", "me", "r")
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	const links, role = "/cell1/__ctl/Account('me')/$links/_Role", "Role('r')"
	link := func(uri string) string {
		t.Helper()
		s.Request("DELETE", links+"(Name='r',_Box.Name=null)").Expect()
		r := s.Request("POST", links).WithJSON(map[string]string{"uri": uri}).Expect()
		if r.Raw().StatusCode == http.StatusNoContent {
			return ""
		}
		return r.JSON().Object().Value("code").String().Raw()
	}
	for uri, want := range map[string]string{
		s.URL + "/cell1/__ctl/" + role:                               "",
		strings.ToUpper("http") + s.URL[4:] + "/cell1/__ctl/" + role: "",
		"http://localhost:" + port + "/cell1/__ctl/" + role:          "",
		"http://cell1.localhost:" + port + "/__ctl/" + role:          "",
		"https://CELL1.LOCALHOST/__ctl/" + role:                      "",
		"http://localhost/cell1/__ctl/" + role:                       "",
		"/cell1/__ctl/" + role:                                       "",
		"personium-localcell:/__ctl/" + role:                         "",
		s.URL + "/cell1/__ctl/Role(Name='r',_Box.Name=null)":         "",
		s.URL + "/cell1/__ctl/Role(Name=%27r%27)":                    "",
		s.URL + "/cell1/__ctl/Role('none')":                          "PR400-OD-0006",
		s.URL + "/cell2/__ctl/" + role:                               "PR400-OD-0006",
		"http://cell2.localhost:" + port + "/__ctl/" + role:          "PR400-OD-0006",
		"http://other.example/cell1/__ctl/" + role:                   "PR400-OD-0006",
		"ftp://localhost/cell1/__ctl/" + role:                        "PR400-OD-0006",
		s.URL + "/cell1/x/__ctl/" + role:                             "PR400-OD-0006",
		s.URL + "/cell1/__ctl/" + role + "?x":                        "PR400-OD-0006",
		s.URL + "/cell1/__ctl/" + role + "/_Account":                 "PR400-OD-0006",
		s.URL + "/cell1/" + role:                                     "PR400-OD-0006",
		"http://[":                                                   "PR400-OD-0006",
		"":                                                           "PR400-OD-0006",
	} {
		if got := link(uri); got != want {
			t.Errorf("a link to %q is answered %q, want %q", uri, got, want)
		}
	}
	// Slashes in a key stand for themselves.
	const ext = "https://other.example/cell/"
	s.Request("POST", "/cell1/__ctl/ExtCell").WithJSON(map[string]string{"Url": ext}).Expect().Status(http.StatusCreated)
	for _, key := range []string{ext, url.PathEscape(ext)} {
		s.Request("POST", "/cell1/__ctl/Role('r')/$links/_ExtCell").WithJSON(map[string]string{"uri": s.URL + "/cell1/__ctl/ExtCell('" + key + "')"}).
			Expect().Status(http.StatusNoContent)
		s.Request("DELETE", "/cell1/__ctl/Role('r')/$links/_ExtCell('"+url.PathEscape(ext)+"')").Expect().Status(http.StatusNoContent)
	}
}

// TestQueriesDropNothing: an option that cannot be honoured is refused; it is never as if
// it had not been sent.
func TestQueriesDropNothing(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	for _, name := range []string{"one", "two"} {
		s.Role("cell1", name)
	}
	s.Mkcol("/cell1/b")
	s.Request("MKCOL", "/cell1/b/o").WithText(odataBody).Expect().Status(http.StatusCreated)
	s.Put("/cell1/b/f", "x")
	s.SetACL("/cell1/b/f", davtest.ACE{Privileges: "D:read"})
	get := func(path, query string) string {
		t.Helper()
		r := s.Request("GET", path+"?"+query)
		if path == "/cell1/b/f" {
			r = s.Anonymous().Request("GET", "").WithURL(s.URL + path + "?" + query)
		}
		answer := r.Expect()
		if answer.Raw().StatusCode != http.StatusOK {
			return answer.JSON().Object().Value("code").String().Raw()
		}
		return strings.Join([]string{"ok", map[bool]string{true: "one"}[strings.Contains(answer.Body().Raw(), "'one'")]}, " ")
	}
	for _, c := range []struct{ path, query, want string }{
		{"/cell1/__ctl/Role", "", "ok one"},
		{"/cell1/__ctl/Role", "$filter=Name%20eq%20'a;b'", "ok "},
		{"/cell1/__ctl/Role", "$filter=Name%20eq%20'one'%20or%20Name%20eq%20'a;b'", "ok one"},
		{"/cell1/__ctl/Role", "$filter=Name%20eq%20'100%'", "PR400-OD-0002"},
		{"/cell1/__ctl/Role", "$top=1&$filter=Name%20eq%20%zz", "PR400-OD-0002"},
		{"/cell1/__ctl/Role", "$filter=Name%20eq%20'one'&$filter=Name%20eq%20'two'", "PR400-OD-0002"},
		{"/cell1/__ctl/Role", "$fliter=Name%20eq%20'two'", "PR400-OD-0042"},
		{"/cell1/__ctl/Role", "$Filter=Name%20eq%20'two'", "PR400-OD-0042"},
		{"/cell1/__ctl/Role", "$format=JSON&_=1", "ok one"},
		{"/cell1/b/o", "$format=JSON", "ok "},
		{"/cell1/b/o", "$format=json", "ok "},
		{"/cell1/b/o", "$format=atom", "PR400-OD-0005"},
		{"/cell1/b/o", "$top=1;$skip=1", "PR400-OD-0036"},
		{"/cell1/b/o", "$top=%", "PR400-OD-0002"},
		{"/cell1/b/f", "p_cookie_peer=%zz", "PR400-OD-0002"},
	} {
		if got := get(c.path, c.query); got != c.want {
			t.Errorf("%s?%s is answered %q, want %q", c.path, c.query, got, c.want)
		}
	}
}
