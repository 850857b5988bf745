package dav_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
	"cellar/dav/davtest"
)

func TestPropfindDepth(t *testing.T) { // contract 1.8
	t.Parallel()
	s := davtest.New(t, davtest.Config{PropfindLimit: 6})
	s.Mkcol("/cell1/box")
	for i := range 4 {
		s.Mkcol(fmt.Sprintf("/cell1/box/d%d", i))
	}
	s.Put("/cell1/box/d0/f", "x")
	if n := len(s.Propfind("/cell1/box", "infinity", "")); n != 6 {
		t.Errorf("%d responses at the limit, want 6", n)
	}
	r := s.Request("PROPFIND", "/cell1/box").Expect().Status(http.StatusMultiStatus) // absent means infinity
	if n := len(davtest.ParseMultistatus(t, r.Body().Raw())); n != 6 {
		t.Errorf("%d responses without Depth, want 6", n)
	}
	s.Put("/cell1/box/d0/g", "x")
	s.Request("PROPFIND", "/cell1/box").WithHeader("Depth", "Infinity").Expect().Status(http.StatusForbidden).Body().Contains("propfind-finite-depth")
	if n := len(s.Propfind("/cell1/box", "1", "")); n != 5 {
		t.Errorf("%d responses at Depth 1, want 5", n)
	}
	davtest.Error(s.Request("PROPFIND", "/cell1/box").WithHeader("Depth", "2").Expect(), "PR400-DV-0003")
	for i := range 10 {
		s.Export("cell1", fmt.Sprintf("s%d", i))
	}
	if n := len(s.Propfind("/cell1/__snapshot", "infinity", "")); n != 11 { // flat: always served
		t.Errorf("%d responses from the snapshot area", n)
	}
}

func TestProperties(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	for _, p := range []string{"/cell1/box", "/cell1/box/d", "/cell1/box/f"} {
		if p == "/cell1/box/d" {
			s.Mkcol(p)
		} else if p == "/cell1/box/f" {
			s.Put(p, "x")
		}
		patched := s.Request("PROPPATCH", p).WithText(`<D:propertyupdate xmlns:D="DAV:" xmlns:z="urn:z"><D:set><D:prop><z:a xml:lang="de">1 &lt; 2<z:b c="d"/></z:a>` +
			`<n xmlns="">none</n></D:prop></D:set><D:remove><D:prop><z:gone/></D:prop></D:remove></D:propertyupdate>`).
			Expect().Status(http.StatusMultiStatus)
		patched.Body().Contains("200 OK")
		n, err := s.FS.Node(t.Context(), cellfstest.Path(t, p))
		if err != nil {
			t.Fatal(err)
		}
		patched.Header("ETag").IsEqual(n.ETag())
		r := s.Propfind(p, "0", `<propfind xmlns="DAV:"><prop><a xmlns="urn:z"/><n xmlns=""/><b xmlns="urn:z"/><displayname/></prop></propfind>`)[0]
		if got := r.Props["{urn:z}a"]; !strings.HasPrefix(got, "1 &lt; 2<b") || !strings.Contains(got, `c="d"`) || r.Props["{}n"] != "none" {
			t.Errorf("%s: properties %v", p, r.Props)
		}
		if fmt.Sprint(r.Missing) != "[{urn:z}b]" {
			t.Errorf("%s: missing %v", p, r.Missing)
		}
		refused := s.Request("PROPPATCH", p).WithText(`<propertyupdate xmlns="DAV:"><set><prop><getetag>x</getetag><x xmlns="urn:z">y</x></prop></set></propertyupdate>`).
			Expect().Status(http.StatusMultiStatus).Body()
		refused.Contains("403 Forbidden")
		refused.Contains("424 Failed Dependency")
		if _, set := s.Propfind(p, "0", "")[0].Props["{urn:z}x"]; set {
			t.Errorf("%s: part of a refused PROPPATCH was set", p)
		}
	}
	s.Transfer("COPY", "/cell1/box/d", "/cell1/box/copy", "").Status(http.StatusCreated)
	if _, ok := s.Propfind("/cell1/box/copy", "0", "")[0].Props["{urn:z}a"]; !ok {
		t.Error("a copied collection lost its properties")
	}
	names := s.Propfind("/cell1/box/f", "0", `<propfind xmlns="DAV:"><propname/></propfind>`)[0].Props
	if _, ok := names["{urn:z}a"]; !ok || names["{DAV:}getetag"] != "" {
		t.Errorf("propname: %v", names)
	}
	tag := regexp.MustCompile(`^"\d+-\d+"$`)
	if got := s.Propfind("/cell1/box/f", "0", "")[0].Props["{DAV:}getetag"]; !tag.MatchString(got) {
		t.Errorf("getetag %s", got)
	}
}

// TestManyProperties fills a resource with dead properties up to the limit.
func TestManyProperties(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	patch := func(name string, size int) *httpexpect.Response {
		return s.Request("PROPPATCH", "/cell1/box").WithText(`<propertyupdate xmlns="DAV:"><set><prop><` + name + ` xmlns="u">` + strings.Repeat("x", size) +
			`</` + name + `></prop></set></propertyupdate>`).Expect()
	}
	const frame = len(`<a xmlns="u"></a>`)
	patch("a", cellfs.MaxPropBytes/2-frame).Status(http.StatusMultiStatus)
	patch("b", cellfs.MaxPropBytes/2-frame).Status(http.StatusMultiStatus)
	unchanged(t, s, func() { davtest.Error(patch("c", 1), "PR507-DV-0002") })
	patch("b", 1).Status(http.StatusMultiStatus)
	patch("c", 1).Status(http.StatusMultiStatus)
}

func TestExtendedMkcol(t *testing.T) { // RFC 5689
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	mkcol := func(path, types, props string) *httpexpect.Response {
		return s.Request("MKCOL", path).WithHeader("Content-Type", "application/xml").WithHeader("X-OC-Mtime", "0").
			WithText(`<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype>` + types + `</D:resourcetype>` + props +
				`</D:prop></D:set></D:mkcol>`).Expect()
	}
	for path, types := range map[string]string{"plain": "<D:collection/>", "data": "<D:collection/><p:odata/>", "svc": "<D:collection/><p:service/>"} {
		mkcol("/cell1/box/"+path, types, `<x xmlns="urn:x">1</x><D:displayname>Shown</D:displayname>`).Status(http.StatusCreated)
		props := s.Propfind("/cell1/box/"+path, "0", "")[0].Props
		if props["{urn:x}x"] != "1" || props["{DAV:}displayname"] != "Shown" || props["{DAV:}getlastmodified"] != "Thu, 01 Jan 1970 00:00:00 GMT" {
			t.Errorf("%s: %v", path, props)
		}
		if want := strings.ReplaceAll(types, "/>", ""); strings.Count(props["{DAV:}resourcetype"], "<") != strings.Count(want, "<") {
			t.Errorf("%s: resourcetype %s", path, props["{DAV:}resourcetype"])
		}
	}
	davtest.Error(mkcol("/cell1/box/new", "<D:collection/><p:stream/>", ""), "PR400-DV-0002")
	davtest.Error(mkcol("/cell1/box/new", "<p:odata/>", ""), "PR400-DV-0002")
	davtest.Error(mkcol("/cell1/box/new", "", ""), "PR400-DV-0002")
	mkcol("/cell1/box/new", "<D:collection/>", "<D:getetag>x</D:getetag>").Status(http.StatusForbidden).Body().Contains("cannot-modify-protected-property")
	s.Request("MKCOL", "/cell1/box/new").WithHeader("Content-Type", "text/xml").WithText(`<propfind xmlns="DAV:"/>`).Expect().Status(http.StatusUnsupportedMediaType)
	s.WantGone("/cell1/box/new")
}

// TestQuotaProperties: said when asked, and not in the allprop of a listing (RFC 4331, 2).
func TestQuotaProperties(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "12345")
	for _, path := range []string{"/cell1", "/cell1/box"} {
		props := s.Propfind(path, "0", `<propfind xmlns="DAV:"><prop><quota-used-bytes/><quota-available-bytes/></prop></propfind>`)[0].Props
		if free, err := strconv.ParseInt(props["{DAV:}quota-available-bytes"], 10, 64); err != nil || free <= 0 || props["{DAV:}quota-used-bytes"] != fmt.Sprint(5+2*cellfs.NodeCost) {
			t.Errorf("%s: %v", path, props)
		}
		if _, shown := s.Propfind(path, "1", "")[0].Props["{DAV:}quota-used-bytes"]; shown {
			t.Errorf("%s: allprop shows the quota", path)
		}
	}
}

// TestListingForms: compressed when asked, and without what is missing when
// preferred (RFC 8144).
func TestListingForms(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	for i := range 20 {
		s.Put(fmt.Sprintf("/cell1/box/f%d", i), "x")
	}
	plain := s.Request("PROPFIND", "/cell1/box").WithHeader("Depth", "1").WithHeader("Accept-Encoding", "gzip;q=0").Expect().Status(http.StatusMultiStatus)
	plain.Header("Content-Encoding").IsEmpty()
	zipped := s.Request("PROPFIND", "/cell1/box").WithHeader("Depth", "1").WithHeader("Accept-Encoding", "br, gzip").Expect().Status(http.StatusMultiStatus)
	zipped.Header("Content-Encoding").IsEqual("gzip")
	r, err := gzip.NewReader(strings.NewReader(zipped.Body().Raw()))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || string(text) != plain.Body().Raw() {
		t.Errorf("the compressed listing has %d bytes, %v", len(text), err)
	}
	s.Request("PROPFIND", "/cell1/box/f1").WithHeader("Depth", "0").WithHeader("Accept-Encoding", "gzip").Expect().Header("Content-Encoding").IsEmpty()
	s.Request("GET", "/cell1/box/f1").WithHeader("Accept-Encoding", "gzip").Expect().Header("Content-Encoding").IsEmpty()

	ask := `<propfind xmlns="DAV:"><prop><getetag/><none/></prop></propfind>`
	full := s.Request("PROPFIND", "/cell1/box/f1").WithHeader("Depth", "0").WithText(ask).Expect().Body()
	full.Contains("404 Not Found")
	minimal := s.Request("PROPFIND", "/cell1/box/f1").WithHeader("Depth", "0").WithHeader("Prefer", "return=minimal").WithText(ask).Expect()
	minimal.Header("Preference-Applied").IsEqual("return=minimal")
	minimal.Body().NotContains("404 Not Found").Contains("getetag")
}
