package dav_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cellar/barfs/bartest"
	"cellar/dav"
	"cellar/dav/davtest"
)

var linkPattern = regexp.MustCompile(`<a href="([^"]*)">`)

func links(page string) (all []string) {
	for _, m := range linkPattern.FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	return all
}

// TestPageOfACollection: GET answers with links that lead to the members, whatever their
// names are.
func TestPageOfACollection(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Mkcol("/cell1/box/d")
	names := []string{"a b", `"quoted" & <script>`, "ümläut", "100%", "a'b", "javascript:alert(1)", "?query#fragment"}
	for _, name := range names {
		s.Put("/cell1/box/d/"+url.PathEscape(name), "content of "+name).Status(http.StatusCreated)
	}
	s.Mkcol("/cell1/box/d/sub")
	for _, path := range []string{"/cell1/box/d", "/cell1/box/d/"} {
		r := s.Request("GET", path).Expect().Status(http.StatusOK)
		r.Header("Content-Type").IsEqual("text/html; charset=utf-8")
		r.Header("Content-Security-Policy").HasPrefix("default-src 'none'")
		r.Header("Vary").Contains("Accept")
		page := r.Body().NotContains("<script").NotContains("..").Raw()
		found := links(page)
		if len(found) != len(names)+1 || !slices.Contains(found, "/cell1/box/d/sub/") {
			t.Fatalf("links %q", found)
		}
		for _, l := range found {
			if l != "/cell1/box/d/sub/" {
				name, _ := url.PathUnescape(strings.TrimPrefix(l, "/cell1/box/d/"))
				s.WantGet(l, "content of "+name)
			}
		}
		head := s.Request("HEAD", path).Expect().Status(http.StatusOK)
		head.Header("Content-Length").IsEqual(fmt.Sprint(len(page)))
		head.Body().IsEmpty()
	}
	s.Request("GET", "/cell1/box/d/sub").Expect().Status(http.StatusOK).Body().NotContains("<a ")
}

// TestPageIsWhatTheCallerSees: members that a caller may not see are not linked, and who may
// not read the collection has no page.
func TestPageIsWhatTheCallerSees(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me", "r")
	s.Mkcol("/cell1/box")
	for _, name := range []string{"open", "closed"} {
		s.Mkcol("/cell1/box/" + name)
		s.Put("/cell1/box/"+name+"/f", "x")
	}
	s.SetACL("/cell1/box", davtest.ACE{Role: "r", Privileges: "D:read"})
	body := strings.Replace(s.ACL("/cell1/box/closed", davtest.ACE{Role: "r", Privileges: "D:read"}), "<D:acl ", `<D:acl p:requireSchemaAuthz="confidential" `, 1)
	s.Request("ACL", "/cell1/box/closed").WithBytes([]byte(body)).Expect().Status(http.StatusOK)
	html := func(path string) []string {
		return links(s.As("me", "GET", path).WithHeader("Accept", "text/html").Expect().Status(http.StatusOK).Body().Raw())
	}
	if got := html("/cell1/box"); !slices.Equal(got, []string{"/cell1/box/open/"}) {
		t.Errorf("links %q", got)
	}
	if got := html("/cell1/box/open"); !slices.Equal(got, []string{"/cell1/box/open/f"}) {
		t.Errorf("links %q", got)
	}
	s.As("me", "GET", "/cell1/box/closed").Expect().Status(http.StatusForbidden)
	s.Anonymous().GET("/cell1/box/open").Expect().Status(http.StatusUnauthorized)
}

// TestPersoniumsClientsHaveNoPage: who comes with a token, or asks for JSON, has what
// Personium answers, and a box its metadata unless a page is asked for.
func TestPersoniumsClientsHaveNoPage(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me", "r")
	s.Mkcol("/cell1/box")
	s.Mkcol("/cell1/box/d")
	s.SetACL("/cell1/box", davtest.ACE{Role: "r", Privileges: "D:read"})
	token := s.Token("cell1", "me", nil).Value("access_token").String().Raw()
	line := "URL : " + s.URL + "/cell1/box/d\n"
	s.With(token, "GET", "/cell1/box/d").Expect().Status(http.StatusOK).Body().IsEqual(line)
	s.With(token, "GET", "/cell1/box/d").WithHeader("Accept", "*/*").Expect().Status(http.StatusOK).Body().IsEqual(line)
	s.Request("GET", "/cell1/box/d").WithHeader("Accept", "application/json").Expect().Status(http.StatusOK).Body().IsEqual(line)
	s.With(token, "GET", "/cell1/box/d").WithHeader("Accept", "text/html").Expect().Status(http.StatusOK).Body().HasPrefix("<!DOCTYPE html>")
	s.Request("GET", "/cell1/box").WithHeader("Accept", "*/*").Expect().Status(http.StatusOK).JSON().Object().ContainsKey("box")
	s.Request("GET", "/cell1/box").WithHeader("Accept", "text/html,*/*;q=0.8").Expect().Status(http.StatusOK).Body().Contains(`<a href="/cell1/box/d/">`)

	s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(bartest.New("").Bytes()).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/app")
	s.Request("GET", "/cell1/app").WithHeader("Accept", "text/html").Expect().Status(http.StatusOK).Header("Content-Type").HasPrefix("text/html")
}

// TestPageIsBounded in members and in bytes, and says when there is more.
func TestPageIsBounded(t *testing.T) {
	const more = "There is more"
	for _, c := range []struct{ members, bytes, want int }{{5, 1 << 20, 5}, {4, 1 << 20, 4}, {1 << 20, 1 << 20, 5}, {1 << 20, 400, 4}} {
		t.Run(fmt.Sprint(c.members, " ", c.bytes), func(t *testing.T) {
			dav.SetPageLimits(t, c.members, c.bytes)
			s := davtest.New(t)
			s.Mkcol("/cell1/box")
			s.Mkcol("/cell1/box/d")
			for i := range 5 {
				s.Put(fmt.Sprintf("/cell1/box/d/file-with-a-long-name-%d", i), "x")
			}
			page := s.Request("GET", "/cell1/box/d").Expect().Status(http.StatusOK).Body().Raw()
			exact := c.bytes == 1<<20 // how long a line is, is not told here
			if n := len(links(page)); n > c.want || n < c.want-3 || exact && n != c.want || (n == 5) == strings.Contains(page, more) || !strings.HasSuffix(page, "</html>\n") {
				t.Errorf("%d links in %s", n, page)
			}
		})
	}
}

// TestWgetFindsAll: a crawler has the tree.
func TestWgetFindsAll(t *testing.T) {
	t.Parallel()
	wget, err := exec.LookPath("wget")
	if err != nil {
		t.Skip("SKIPPED: wget is not installed")
	}
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Mkcol("/cell1/box/d")
	s.Mkcol("/cell1/box/d/e")
	files := []string{"one", "e/two words", "e/ümläut"}
	for _, f := range files {
		s.Put("/cell1/box/d/"+(&url.URL{Path: f}).EscapedPath(), "content of "+f)
	}
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), wget, "-r", "-np", "-nH", "--cut-dirs=3", "-P", dir, "--restrict-file-names=nocontrol", "-e", "robots=off",
		"--auth-no-challenge", "--user="+davtest.User, "--password="+davtest.Password, s.URL+"/cell1/box/d/").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, f := range files {
		if got, err := os.ReadFile(filepath.Join(dir, f)); string(got) != "content of "+f {
			t.Errorf("%s has %q, %v: %s", f, got, err, out)
		}
	}
}
