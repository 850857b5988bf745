package dav_test

import (
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"cellar/dav/davtest"
)

// TestPersoniumForm: who comes with a token gets the 207 as Personium's applications read it, and it
// says the same as that of WebDAV (contract 1.13).
func TestPersoniumForm(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me", "r")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:root p:propfind"})
	s.Request("MKCOL", "/cell1/box").Expect().Status(http.StatusCreated)
	s.Request("MKCOL", "/cell1/box/a folder").Expect().Status(http.StatusCreated)
	s.Request("PUT", "/cell1/box/f.txt").WithText("x").Expect().Status(http.StatusCreated)
	s.SetACL("/cell1/box", davtest.ACE{Privileges: "D:read p:exec"}, davtest.ACE{Role: "r", Privileges: "D:write"})
	// Prefixes of others stay as they are, whatever they stand for.
	s.Request("PROPPATCH", "/cell1/box/f.txt").WithText(`<d:propertyupdate xmlns:d="DAV:" xmlns:D="urn:mine" xmlns:p="urn:too"><d:set><d:prop><D:x><D:y a="&lt;D:z>">&lt;p:q&gt;</D:y><p:z/></D:x></d:prop></d:set></d:propertyupdate>`).
		Expect().Status(http.StatusMultiStatus)
	s.Request("LOCK", "/cell1/box/f.txt").WithText(`<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner>me</D:owner></D:lockinfo>`).Expect().Status(http.StatusOK)
	token := s.Token("cell1", "me", nil).Value("access_token").String().Raw()
	for _, path := range []string{"/cell1", "/cell1/box", "/cell1/box/f.txt"} {
		basic := s.As("me", "PROPFIND", path).WithHeader("Depth", "1").Expect().Status(http.StatusMultiStatus).Body().Raw()
		body := s.With(token, "PROPFIND", path).WithHeader("Depth", "1").Expect().Status(http.StatusMultiStatus).Body().Raw()
		for _, want := range []string{"?>", "\n<response>", "\n<href>" + s.URL + path + "</href>", "\n<propstat>", "\n<prop>", "\n<status>", "\n<resourcetype", "\n<acl ", "\n<ace>", "\n<principal>", "r</href></principal>", "\n<privilege>"} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: %q is not in\n%s", path, want, body)
			}
		}
		if strings.Contains(body, "<D:re") || strings.Contains(body, "<D:supportedlock") {
			t.Errorf("%s: a prefix\n%s", path, body)
		}
		for _, r := range davtest.ParseMultistatus(t, body) {
			if !strings.HasPrefix(r.Href, s.URL+path) || strings.HasSuffix(r.Href, "/") {
				t.Errorf("%s: href %s", path, r.Href)
			}
		}
		got, want := plain(davtest.ParseMultistatus(t, body)), plain(davtest.ParseMultistatus(t, basic))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: with a token\n%v\nwithout\n%v", path, got, want)
		}
	}
	patch := `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="urn:x">1</x></prop></set></propertyupdate>`
	body := s.With(token, "PROPPATCH", "/cell1/box").WithText(patch).Expect().Status(http.StatusMultiStatus).Body().Raw()
	if !strings.Contains(body, "\n<href>"+s.URL+"/cell1/box</href>") {
		t.Errorf("PROPPATCH: %s", body)
	}
}

// remaining is what is left of a lock, which gets less between two requests.
var remaining = regexp.MustCompile(`Second-[0-9]+`)

// plain are the resources of a 207 by their paths, with what their properties say: without line breaks,
// and without the prefixes and declarations of DAV:.
func plain(all []davtest.Resource) map[string]map[string]string {
	m := map[string]map[string]string{}
	for _, r := range all {
		path := strings.TrimSuffix(r.Href, "/")
		if i := strings.Index(path, "/cell1"); i > 0 {
			path = path[i:]
		}
		props := map[string]string{}
		for name, value := range r.Props {
			if strings.HasPrefix(name, "{DAV:}") {
				value = strings.NewReplacer("<D:", "<", "</D:", "</").Replace(value)
			}
			props[name] = remaining.ReplaceAllString(strings.ReplaceAll(value, "\n", ""), "")
		}
		m[path] = props
	}
	return m
}
