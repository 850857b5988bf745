package dav_test

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gavv/httpexpect/v2"
	"go.uber.org/goleak"

	"cellar/barfs/bartest"
	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
	"cellar/dav"
	"cellar/dav/davtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// TestEveryAnswer looks at what every response carries (contract 1.4).
func TestEveryAnswer(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	anyone := s.Anonymous()
	for name, r := range map[string]*httpexpect.Response{
		"health":            anyone.GET("/__health").Expect().Status(http.StatusOK),
		"good":              s.Request("GET", "/cell1/box").Expect().Status(http.StatusOK),
		"created":           s.Request("PUT", "/cell1/box/f").WithText("x").Expect().Status(http.StatusCreated),
		"listing":           s.Request("PROPFIND", "/cell1/").WithHeader("Depth", "1").Expect().Status(http.StatusMultiStatus),
		"missing":           s.Request("GET", "/cell1/box/none").Expect().Status(http.StatusNotFound),
		"no such cell":      s.Request("GET", "/none/").Expect().Status(http.StatusNotFound),
		"unauthorized":      anyone.GET("/cell1/box").Expect().Status(http.StatusUnauthorized),
		"method":            s.Request("POST", "/cell1/box/f").Expect().Status(http.StatusMethodNotAllowed),
		"preflight":         anyone.OPTIONS("/no/such/path").WithHeader("Access-Control-Request-Headers", "depth").Expect().Status(http.StatusOK),
		"unknown name":      s.Request("GET", "/cell1/__nonsense").Expect().Status(http.StatusNotFound),
		"unknown at unit":   s.Request("GET", "/__nonsense").Expect().Status(http.StatusNotFound),
		"bad request key":   s.Request("GET", "/cell1/").WithHeader("X-Personium-RequestKey", "a.b").Expect().Status(http.StatusBadRequest),
		"long request key":  s.Request("GET", "/cell1/").WithHeader("X-Personium-RequestKey", strings.Repeat("a", 129)).Expect().Status(http.StatusBadRequest),
		"right request key": s.Request("GET", "/cell1/").WithHeader("X-Personium-RequestKey", strings.Repeat("a", 128)).Expect().Status(http.StatusOK),
	} {
		if got := r.Header("X-Personium-Version").Raw(); got != dav.Version {
			t.Errorf("%s: X-Personium-Version %q", name, got)
		}
		if got := r.Header("Access-Control-Allow-Origin").Raw(); got != "*" {
			t.Errorf("%s: Access-Control-Allow-Origin %q", name, got)
		}
		if r.Raw().StatusCode >= 400 {
			o := r.JSON().Object()
			o.Keys().ContainsOnly("code", "message")
			o.Value("message").Object().Value("lang").IsEqual("en")
		}
	}
	anyone.OPTIONS("/x").WithHeader("Access-Control-Request-Headers", "depth").Expect().Header("Access-Control-Allow-Headers").IsEqual("depth")
	o := s.Request("OPTIONS", "/cell1/box/f").Expect().Status(http.StatusOK)
	o.Header("DAV").IsEqual("1, 2, 3")
	o.Header("Allow").Contains("PROPPATCH")
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "x")
	r := s.Request("POST", "/cell1/box").WithHeader("X-HTTP-Method-Override", "PROPFIND").WithHeader("X-Override", "Depth:0").WithHeader("Depth", "1").
		Expect().Status(http.StatusMultiStatus)
	if n := len(davtest.ParseMultistatus(t, r.Body().Raw())); n != 1 {
		t.Errorf("%d responses, want 1: X-Override beats the header", n)
	}
	s.Request("GET", "/cell1/box/f").WithHeader("X-HTTP-Method-Override", "DELETE").Expect().Status(http.StatusOK)
	davtest.Error(s.Request("PUT", "/cell1/none").WithHeader("X-HTTP-Method-Override", "MKCOL").Expect(), "PR404-DV-0002")
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	bearer := func(token string) *httpexpect.Request {
		return s.Anonymous().GET("/cell1/box").WithHeader("Authorization", token)
	}
	none := s.Anonymous().GET("/cell1/box").Expect()
	davtest.Error(none, "PR401-AU-0001")
	if got := none.Raw().Header["Www-Authenticate"]; len(got) != 2 || got[1] != `Bearer realm="`+s.URL+`/cell1/"` || !strings.HasPrefix(got[0], "Basic realm=") {
		t.Errorf("WWW-Authenticate %q", got)
	}
	none.Header("DAV").IsEqual("1, 2, 3")
	davtest.Error(s.Anonymous().GET("/cell1/box").WithBasicAuth(davtest.User, "wrong").Expect(), "PR401-AU-0011")
	davtest.Error(s.Anonymous().GET("/cell1/box").WithBasicAuth("other", davtest.Password).Expect(), "PR401-AU-0011")
	davtest.Error(bearer("Basic !").Expect(), "PR401-AU-0004")
	davtest.Error(bearer("Digest x").Expect(), "PR401-AU-0003")
	davtest.Error(bearer("Bearer xxxx").Expect(), "PR401-AU-0006")

	grant := func(form map[string]string) *httpexpect.Response {
		return s.Anonymous().POST("/__token").WithForm(form).Expect()
	}
	o := grant(map[string]string{"grant_type": "password", "username": davtest.User, "password": davtest.Password}).Status(http.StatusOK).JSON().Object()
	access, refresh := o.Value("access_token").String().Raw(), o.Value("refresh_token").String().Raw()
	if !strings.HasPrefix(access, "AA~") || !strings.HasPrefix(refresh, "RA~") {
		t.Errorf("tokens %q, %q", access, refresh)
	}
	bearer("Bearer " + access).Expect().Status(http.StatusOK)
	davtest.Error(bearer("Bearer "+refresh).Expect(), "PR401-AU-0007")
	davtest.Error(bearer("Bearer "+access[:len(access)-3]+"abc").Expect(), "PR401-AU-0006")
	o = grant(map[string]string{"grant_type": "refresh_token", "refresh_token": refresh}).Status(http.StatusOK).JSON().Object()
	bearer("Bearer " + o.Value("access_token").String().Raw()).Expect().Status(http.StatusOK)
	for want, form := range map[string]map[string]string{
		"unsupported_grant_type": {"grant_type": "x"},
		"invalid_request":        {"grant_type": "password", "username": "a"},
		"invalid_grant":          {"grant_type": "password", "username": "a", "password": "b"},
	} {
		grant(form).Status(http.StatusBadRequest).JSON().Object().Value("error").IsEqual(want)
	}
	// What does not exist is said before who may not (contract 1.2).
	davtest.Error(s.Anonymous().GET("/none/box").Expect(), "PR404-DV-0003")
	davtest.Error(s.Anonymous().GET("/cell1/none").Expect(), "PR404-DV-0002")
	davtest.Error(s.Anonymous().POST("/cell1/box").Expect(), "PR405-MC-0001")
	davtest.Error(s.Anonymous().GET("/cell1/box/none").Expect(), "PR401-AU-0001")
	davtest.Error(s.Anonymous().GET("/cell1/__snapshot/none.zip").Expect(), "PR401-AU-0001")
	davtest.Error(s.Anonymous().Request("MKCOL", "/cell1/__").Expect(), "PR405-MC-0001")
}

func TestTokensSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := davtest.New(t, davtest.Config{Dir: dir})
	o := s.Anonymous().POST("/__token").WithForm(map[string]string{"grant_type": "password", "username": davtest.User, "password": davtest.Password}).
		Expect().Status(http.StatusOK).JSON().Object()
	token := o.Value("access_token").String().Raw()
	s.Close()
	s = davtest.New(t, davtest.Config{Dir: dir})
	s.Anonymous().GET("/cell1/").WithHeader("Authorization", "Bearer "+token).Expect().Status(http.StatusOK)
}

// TestHostForm reaches the same cell as {cell}.{unit host} (contract 1.1).
func TestHostForm(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	host := "cell1.localhost" + port
	at := func(method, path string) *httpexpect.Request { return s.Request(method, path).WithHost(host) }
	at("MKCOL", "/box").Expect().Status(http.StatusCreated)
	at("PUT", "/box/f").WithText("x").Expect().Status(http.StatusCreated)
	s.WantGet("/cell1/box/f", "x")
	r := at("PROPFIND", "/box").WithHeader("Depth", "1").Expect().Status(http.StatusMultiStatus)
	if got := davtest.ParseMultistatus(t, r.Body().Raw()); got[0].Href != "/box/" || got[1].Href != "/box/f" {
		t.Errorf("hrefs %q, %q", got[0].Href, got[1].Href)
	}
	at("GET", "/box").Expect().Status(http.StatusOK).JSON().Object().Value("box").Object().Value("url").IsEqual("http://" + host + "/box/")
	at("POST", "/__export").WithText("").Expect().Status(http.StatusAccepted).Header("Location").IsEqual("http://" + host + "/__export")
	at("MOVE", "/box/f").WithHeader("Destination", "http://"+host+"/box/g").Expect().Status(http.StatusCreated)
	at("MOVE", "/box/g").WithHeader("Destination", s.URL+"/cell1/box/h").Expect().Status(http.StatusCreated)
	at("MOVE", "/box/h").WithHeader("Destination", "/box/i").Expect().Status(http.StatusCreated)
	s.WantGet("/cell1/box/i", "x")
	davtest.Error(s.Request("GET", "/").WithHost("none.localhost"+port).Expect(), "PR404-DV-0003")
	s.Request("GET", "/cell1/__export").WithHeader("Prefer", "wait=60").Expect().Status(http.StatusOK)
}

func TestCellsAndBoxes(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{}})
	s.Mkcol("/cell1/")
	davtest.Error(s.Request("MKCOL", "/cell1").Expect(), "PR405-DV-0001")
	for _, name := range []string{"Cell1", "-a", strings.Repeat("a", 129), "a_b"} {
		davtest.Error(s.Request("MKCOL", "/"+name).Expect(), "PR400-OD-0006")
	}
	s.Mkcol("/" + strings.Repeat("a", 128))
	s.Mkcol("/cell1/box")
	davtest.Error(s.Request("MKCOL", "/cell1/box").Expect(), "PR405-DV-0001")
	davtest.Error(s.Request("MKCOL", "/cell1/a%20b").Expect(), "PR400-OD-0006")
	s.Request("MKCOL", "/cell1/new").WithHeader("Content-Type", "application/xml").
		WithText(`<mkcol xmlns="DAV:"><set><prop/></set></mkcol>`).Expect().Status(http.StatusUnsupportedMediaType)

	want := []string{"/cell1/", "/cell1/__/", "/cell1/__log/", "/cell1/__snapshot/", "/cell1/box/"}
	if got := s.Hrefs("/cell1", "1"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the cell lists %v, want %v", got, want)
	}
	if got := s.Hrefs("/", "1"); len(got) != 3 || got[0] != "/" {
		t.Errorf("the unit lists %v", got)
	}
	for _, p := range []string{"/cell1/__export", "/cell1/__log/current", "/cell1/__log/archive", "/cell1/__log/current/default.log"} {
		s.Propfind(p, "0", "")
	}
	s.Request("GET", "/cell1/__log/current/default.log").Expect().Status(http.StatusOK).HasContentType("text/csv")
	s.Request("GET", "/cell1").Expect().Status(http.StatusOK).JSON().Object().Value("cell").Object().Value("name").IsEqual("cell1")
	main := s.Request("GET", "/cell1/__").Expect().Status(http.StatusOK).JSON().Object().Value("box").Object()
	main.Value("name").IsEqual("__")
	main.Value("schema").IsEqual(s.URL + "/cell1/")
	davtest.Error(s.Request("DELETE", "/cell1/__").Expect(), "PR405-MC-0001")
	s.Put("/cell1/box/f", "x")
	s.Transfer("MOVE", "/cell1/box", "/cell1/box2", "").Status(http.StatusForbidden)
	s.Request("DELETE", "/cell1/box").Expect().Status(http.StatusNoContent)
	davtest.Error(s.Request("GET", "/cell1/box").Expect(), "PR404-DV-0002")
	davtest.Error(s.Request("DELETE", "/cell1").Expect(), "PR412-MC-0001")
	davtest.Error(s.Request("DELETE", "/cell1").WithHeader("X-Personium-Recursive", "True").Expect(), "PR412-MC-0001")
	s.Request("DELETE", "/cell1").WithHeader("X-Personium-Recursive", "true").Expect().Status(http.StatusNoContent)
	davtest.Error(s.Request("PROPFIND", "/cell1").Expect(), "PR404-DV-0003")
}

// TestInstallIsVisible follows an install from its acceptance to the log.
func TestInstallIsVisible(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	reader := `<ace><principal><href>reader</href></principal><grant><privilege><read/></privilege></grant></ace>`
	bar := bartest.New("https://app.example").
		Meta("10_relations.json", `{"Relations":[{"Name":"friend"}]}`).
		Meta("20_roles.json", `{"Roles":[{"Name":"reader"}]}`).
		Meta("70_$links.json", `{"Links":[{"FromType":"Relation","FromName":{"Name":"friend"},"ToType":"Role","ToName":{"Name":"reader"}}]}`).
		Box(`<acl xml:base="https://x.example/c/__role/__/">`+reader+`</acl>`).
		Collection("docs", `<z:author xmlns:z="urn:z" z:lang="x">A &amp; B</z:author>`).
		File("docs/a.txt", "text/plain", "hello").
		Service("svc", `<p:service language="JavaScript"><p:path name="go" src="go.js"/></p:service>`).
		File("svc/__src/go.js", "text/javascript", "go()").
		Bytes()
	r := s.Request("MKCOL", "/cell1/app/").WithHeader("Content-Type", "Application/ZIP").WithHeader("X-Personium-RequestKey", "install-42").
		WithBytes(bar).Expect().Status(http.StatusAccepted)
	r.Header("Location").IsEqual(s.URL + "/cell1/app")
	r.Body().IsEmpty()
	box := s.WaitBox("/cell1/app")
	box.Keys().ContainsOnly("name", "url", "schema", "status", "installed_at")
	box.Value("status").IsEqual("ready")
	box.Value("schema").IsEqual("https://app.example/")
	box.Value("url").IsEqual(s.URL + "/cell1/app/")
	s.WantGet("/cell1/app/docs/a.txt", "hello")
	s.WantGet("/cell1/app/svc/__src/go.js", "go()")

	all := map[string]map[string]string{}
	for _, x := range s.Propfind("/cell1/app", "infinity", "") {
		all[x.Href] = x.Props
	}
	if got := all["/cell1/app/"]["{urn:x-personium:xmlns}status"]; got != "ready" {
		t.Errorf("p:status is %q", got)
	}
	if got := all["/cell1/app/"]["{DAV:}acl"]; !strings.Contains(got, "<D:href>reader</D:href>") || !strings.Contains(got, "<D:read/>") {
		t.Errorf("acl is %s", got)
	}
	if got := all["/cell1/app/docs/"]["{urn:z}author"]; got != "A &amp; B" {
		t.Errorf("dead property is %q", got)
	}
	if got := all["/cell1/app/svc/"]["{urn:x-personium:xmlns}service"]; !strings.Contains(got, `src="go.js"`) {
		t.Errorf("service definition is %q", got)
	}
	if got := all["/cell1/app/svc/"]["{DAV:}resourcetype"]; !strings.Contains(got, "service") {
		t.Errorf("resourcetype is %q", got)
	}
	checkLog(t, s.Get("/cell1/__log/current/default.log"), s.URL+"/cell1/app")
}

// checkLog reads the log as a client does: find the line "boxinstall", keep the
// lines with its key (contract 6.8).
func checkLog(t *testing.T, log, box string) {
	t.Helper()
	reader := csv.NewReader(strings.NewReader(log))
	lines, err := reader.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	key := ""
	for _, l := range lines {
		if len(l) != 9 || l[1] != "[INFO ]" {
			t.Errorf("line %q", l)
		}
		if l[6] == "boxinstall" && l[7] == box {
			key = l[2]
		}
	}
	if key != "install-42" {
		t.Fatalf("the key is %q", key)
	}
	var got []string
	for _, l := range lines {
		if l[2] == key {
			got = append(got, l[6])
		}
	}
	entry := []string{"PL-BI-1001", "PL-BI-1003"}
	want := []string{"boxinstall", "PL-BI-1000", "cellctl.Box.create"}
	want = append(want, "PL-BI-1001", "cellctl.Relation.create", "PL-BI-1003", "PL-BI-1001", "cellctl.Role.create", "PL-BI-1003")
	want = append(want, "PL-BI-1001", "cellctl.Relation.links.Role.create", "PL-BI-1003")
	for range 7 { // rootprops, 90_contents/, docs/, docs/a.txt, svc/, svc/__src/, svc/__src/go.js
		want = append(want, entry...)
	}
	want = append(want, "PL-BI-0000")
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("events\n%v, want\n%v", got, want)
	}
}

// TestInstallingBoxIsLocked holds an install at its start and tries everything
// on the box (contract 2.6).
func TestInstallingBoxIsLocked(t *testing.T) {
	t.Parallel()
	gate := &gated{open: make(chan struct{})}
	s := davtest.New(t, davtest.Config{Wrap: func(m cellfs.Meta, b cellfs.Blobs) (cellfs.Meta, cellfs.Blobs) {
		gate.Blobs = b
		return m, gate
	}})
	s.Mkcol("/cell1/other")
	s.Put("/cell1/other/f", "x")
	bar := bartest.New("").File("big.txt", "text/plain", strings.Repeat("large", cellfs.MaxInline)).Bytes()
	gate.closed.Store(true)
	s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(http.StatusAccepted)
	box := s.Request("GET", "/cell1/app").Expect().Status(http.StatusOK).JSON().Object().Value("box").Object()
	box.Value("status").IsEqual("installation in progress")
	box.Keys().ContainsOnly("name", "url", "schema", "status", "started_at", "progress")
	if p := s.Propfind("/cell1/app", "0", "")[0].Props; p["{urn:x-personium:xmlns}status"] != "installation in progress" {
		t.Errorf("p:status is %q", p["{urn:x-personium:xmlns}status"])
	}
	s.Hrefs("/cell1", "1") // tells which boxes are ready
	s.Request("PROPFIND", "/cell1").WithHeader("Depth", "infinity").Expect().Status(http.StatusMultiStatus).Body().
		Contains("<D:response><D:href>/cell1/app/</D:href><D:status>HTTP/1.1 423 Locked</D:status><D:responsedescription>PR423-BI-0001: Box [app] is being installed.</D:responsedescription></D:response>").
		Contains("<D:href>/cell1/other/f</D:href><D:propstat>")
	for _, c := range []struct{ method, path string }{
		{"GET", "/cell1/app/big.txt"}, {"PUT", "/cell1/app/x"}, {"MKCOL", "/cell1/app/x"}, {"DELETE", "/cell1/app"}, {"DELETE", "/cell1/app/big.txt"},
		{"PROPFIND", "/cell1/app"}, {"PROPFIND", "/cell1/app/big.txt"}, {"PROPPATCH", "/cell1/app"},
	} {
		r := s.Request(c.method, c.path).WithHeader("Depth", "1")
		if c.method == "PROPPATCH" {
			r = r.WithText(`<propertyupdate xmlns="DAV:"><set><prop><x xmlns="urn:x">1</x></prop></set></propertyupdate>`)
		}
		e := r.Expect()
		davtest.Error(e, "PR423-BI-0001")
		e.Header("Retry-After").IsEqual("1")
	}
	davtest.Error(s.Transfer("COPY", "/cell1/other/f", "/cell1/app/f", ""), "PR423-BI-0001")
	davtest.Error(s.Transfer("COPY", "/cell1/app", "/cell1/other/app", ""), "PR423-BI-0001")
	davtest.Error(s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect(), "PR405-BI-0001")
	davtest.Error(s.Request("DELETE", "/cell1").WithHeader("X-Personium-Recursive", "true").Expect(), "PR409-MC-0001")
	s.WantGet("/cell1/other/f", "x")
	close(gate.open)
	s.WaitBox("/cell1/app").Value("status").IsEqual("ready")
	s.Request("DELETE", "/cell1/app").Expect().Status(http.StatusNoContent)
}

// gated holds Puts back until it is opened.
type gated struct {
	cellfs.Blobs
	closed atomic.Bool
	open   chan struct{}
}

func (g *gated) Put(ctx context.Context, r io.Reader) (cellfs.Ref, error) {
	if g.closed.Load() {
		<-g.open
	}
	return g.Blobs.Put(ctx, r)
}

func (g *gated) PutSoon(ctx context.Context, r io.Reader) (cellfs.Ref, error) {
	if g.closed.Load() {
		<-g.open
	}
	return g.Blobs.PutSoon(ctx, r)
}

func TestFailedInstallStays(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	bar := bartest.New("https://app.example/").
		Meta("20_roles.json", `{"Roles":[{"Name":"reader"}]}`).
		Collection("docs", "").File("docs/a.txt", "text/plain", "a").
		Entry("90_contents/docs/undeclared.txt", "x").Bytes()
	s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(http.StatusAccepted)
	box := s.WaitBox("/cell1/app")
	box.Keys().ContainsOnly("name", "url", "schema", "status", "started_at", "progress", "message")
	box.Value("status").IsEqual("installation failed")
	box.Value("progress").IsEqual("75%") // three files of four: what fails is not done
	m := box.Value("message").Object()
	m.Value("code").IsEqual("PL-BI-1004")
	m.Value("message").Object().Value("value").IsEqual("Installation failed(Entry is not contained in 90_rootprops.xml.).")
	s.WantGet("/cell1/app/docs/a.txt", "a") // what came before the fault stays
	log := s.Get("/cell1/__log/current/default.log")
	for _, line := range []string{
		`"PL-BI-1004","90_contents/docs/undeclared.txt","Installation failed(Entry is not contained in 90_rootprops.xml.)."`, `"PL-BI-0001","` + s.URL + `/cell1/app","Bar installation failed(`,
	} {
		if !strings.Contains(log, line) {
			t.Errorf("no %s in\n%s", line, log)
		}
	}
	davtest.Error(s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(bartest.New("").Bytes()).Expect(), "PR405-BI-0001")
	s.Request("DELETE", "/cell1/app").Expect().Status(http.StatusNoContent)
	s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(bartest.New("https://app.example/").Bytes()).
		Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/app").Value("status").IsEqual("ready")
}

// TestODataIsKept installs user OData and finds it over WebDAV (contract 1.17).
func TestODataIsKept(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	schema := `<Edmx xmlns="http://schemas.microsoft.com/ado/2007/06/edmx"><DataServices><Schema xmlns="http://schemas.microsoft.com/ado/2006/04/edm" Namespace="UserData">` +
		`<EntityType Name="Book"><Property Name="Title" Type="Edm.String"/></EntityType><EntityType Name="Author"/>` +
		`<Association Name="a"><End Role="Book:b" Type="UserData.Book" Multiplicity="*"/><End Role="Author:a" Type="UserData.Author" Multiplicity="*"/></Association>` +
		`</Schema></DataServices></Edmx>`
	bar := bartest.New("").OData("lib").Entry("90_contents/lib/00_$metadata.xml", schema).
		Entry("90_contents/lib/10_odatarelations.json", `{"Links":[{"FromType":"Book","FromId":{"__id":"b/1"},"ToType":"Author","ToId":{"__id":"a1"}}]}`).
		Entry("90_contents/lib/90_data/Book/1.json", "{\n \"__id\": \"b/1\", \"Title\": \"T\" }").
		Entry("90_contents/lib/90_data/Author/1.json", `{"__id":"a1"}`).
		Entry("90_contents/lib/90_data/Author/2.json", `{"Name":"no id"}`).Bytes()
	s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/app").Value("status").IsEqual("ready")
	s.WantGet("/cell1/app/lib/$metadata", schema)
	s.WantGet("/cell1/app/lib/Book/b%252F1.json", `{"__id":"b/1","Title":"T"}`)
	if got := s.Hrefs("/cell1/app/lib/Author", "1"); len(got) != 3 {
		t.Errorf("authors %v", got)
	}
	davtest.Error(s.Request("PUT", "/cell1/app/lib/Author/x.json").WithText("{}").Expect(), "PR405-MC-0001")
	s.Export("cell1", "all")
	body := s.Get("/cell1/__snapshot/all.zip")
	for _, want := range []string{`"doc":{"__id":"b/1","Title":"T"}`, "40_odata/app/lib/$links.ndjson", schema} {
		if !strings.Contains(body, want) && want != schema {
			t.Errorf("the snapshot lacks %s", want)
		}
	}
}

// TestBadLump: of documents that are made together none is made if one is bad, and
// those of a lump before are (contract 3.9.2).
func TestBadLump(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	const schema = `<Edmx><DataServices><Schema Namespace="UserData"><EntityType Name="Book"/></Schema></DataServices></Edmx>`
	for _, first := range []int{2, 1000} {
		bar := bartest.New("").OData("lib").Entry("90_contents/lib/00_$metadata.xml", schema)
		for i := range first {
			bar.Entry(fmt.Sprintf("90_contents/lib/90_data/Book/%04d.json", i), fmt.Sprintf(`{"__id":"b%d"}`, i))
		}
		bar.Entry("90_contents/lib/90_data/Book/9999.json", `{"__id":"b0"}`)
		box := fmt.Sprintf("/cell1/app%d", first)
		s.Request("MKCOL", box).WithHeader("Content-Type", "application/zip").WithBytes(bar.Bytes()).Expect().Status(http.StatusAccepted)
		meta := s.WaitBox(box)
		meta.Value("status").IsEqual("installation failed")
		meta.Value("message").Object().Value("message").Object().Value("value").IsEqual("Installation failed(The entity already exists.).")
		if got, want := len(s.Hrefs(box+"/lib/Book", "1"))-1, first/1000*1000; got != want {
			t.Errorf("%d documents before the bad one: %d are made, want %d", first, got, want)
		}
	}
}

// TestLongLump: documents wait in memory only up to some megabytes.
func TestLongLump(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	const schema = `<Edmx><DataServices><Schema Namespace="UserData"><EntityType Name="Book"/></Schema></DataServices></Edmx>`
	var long strings.Builder
	for i := range 110 {
		fmt.Fprintf(&long, `,"p%d":"%s"`, i, strings.Repeat("x", 40_000))
	}
	bar := bartest.New("").OData("lib").Entry("90_contents/lib/00_$metadata.xml", schema).
		Entry("90_contents/lib/90_data/Book/1.json", `{"__id":"b1"`+long.String()+`}`).
		Entry("90_contents/lib/90_data/Book/2.json", `{"__id":"b2"}`).
		Entry("90_contents/lib/90_data/Book/3.json", `{"__id":"b1"}`).Bytes()
	s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/app").Value("status").IsEqual("installation failed")
	if got := s.Hrefs("/cell1/app/lib/Book", "1"); fmt.Sprint(got) != "[/cell1/app/lib/Book/ /cell1/app/lib/Book/b1.json]" {
		t.Errorf("made are %v, want the document that filled its lump alone", got)
	}
}

// TestLostUpdate lets fifty writers use If-Match: each version has one winner.
func TestLostUpdate(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	tag := s.Put("/cell1/box/f", "0").Header("ETag").Raw()
	s.Request("PUT", "/cell1/box/f").WithHeader("If-Match", `"1-1"`).WithText("x").Expect().Status(http.StatusPreconditionFailed)
	s.Request("PUT", "/cell1/box/f").WithHeader("If-None-Match", "*").WithText("x").Expect().Status(http.StatusPreconditionFailed)
	s.Request("PUT", "/cell1/box/g").WithHeader("If-Match", "*").WithText("x").Expect().Status(http.StatusPreconditionFailed)
	s.Request("DELETE", "/cell1/box/f").WithHeader("If-Match", `"1-1"`).Expect().Status(http.StatusPreconditionFailed)
	s.Request("PUT", "/cell1/box/f").WithHeader("If-None-Match", "JoplinIgnore-1").WithText("0").Expect().Status(http.StatusNoContent)
	tag = s.Request("HEAD", "/cell1/box/f").Expect().Header("ETag").NotEqual(tag).Raw()
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			r := s.Request("PUT", "/cell1/box/f").WithHeader("If-Match", tag).WithText(fmt.Sprint(i)).Expect()
			if r.Raw().StatusCode == http.StatusNoContent {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d writers won, want 1", won.Load())
	}
}

func TestMoveMissingSourceKeepsDestination(t *testing.T) { // RFC 4918, 9.9.3
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/b", "keep")
	davtest.Error(s.Transfer("MOVE", "/cell1/box/none", "/cell1/box/b", "T"), "PR404-DV-0001")
	s.WantGet("/cell1/box/b", "keep")
}

func TestStatusesOfMethods(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Mkcol("/cell1/box/d")
	s.Put("/cell1/box/f", "x").Status(http.StatusCreated)
	s.Put("/cell1/box/f", "y").Status(http.StatusNoContent)
	davtest.Error(s.Request("PUT", "/cell1/box/d").WithText("x").Expect(), "PR405-MC-0001")
	davtest.Error(s.Request("PUT", "/cell1/box/new/").WithText("x").Expect(), "PR405-MC-0001")
	davtest.Error(s.Request("PUT", "/cell1/box/none/x").WithText("x").Expect(), "PR409-DV-0001")
	davtest.Error(s.Request("PUT", "/cell1/box/f").WithHeader("Content-Range", "bytes 0-0/2").WithText("x").Expect(), "PR400-DV-0009")
	davtest.Error(s.Request("MKCOL", "/cell1/box/d").Expect(), "PR405-DV-0001")
	davtest.Error(s.Request("MKCOL", "/cell1/box/none/x").Expect(), "PR409-DV-0001")
	s.Request("MKCOL", "/cell1/box/new").WithText("x").Expect().Status(http.StatusUnsupportedMediaType)
	s.Request("MKCOL", "/cell1/box/new").WithChunked(strings.NewReader("x")).Expect().Status(http.StatusUnsupportedMediaType)
	s.Request("HEAD", "/cell1/box/d").Expect().Status(http.StatusOK)
	s.Request("GET", "/cell1/box/d/").WithHeader("Accept", "application/json").Expect().Status(http.StatusOK).Body().IsEqual("URL : " + s.URL + "/cell1/box/d\n")
	s.Transfer("COPY", "/cell1/box/f", "/cell1/box/g", "").Status(http.StatusCreated)
	s.Transfer("COPY", "/cell1/box/f", "/cell1/box/g", "").Status(http.StatusNoContent)
	davtest.Error(s.Transfer("COPY", "/cell1/box/f", "/cell1/box/g", "F"), "PR412-DV-0002")
	davtest.Error(s.Transfer("MOVE", "/cell1/box/f", "/cell1/box/f", ""), "PR403-DV-0005")
	davtest.Error(s.Transfer("MOVE", "/cell1/box/f", "/cell1/box/none/f", ""), "PR409-DV-0001")
	davtest.Error(s.Request("MOVE", "/cell1/box/f").Expect(), "PR400-DV-0010")
	s.Request("DELETE", "/cell1/box/d/").Expect().Status(http.StatusNoContent)
	davtest.Error(s.Request("DELETE", "/cell1/box/d").Expect(), "PR404-DV-0001")
}

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

// TestActiveTypes: what a browser would run is only downloaded.
func TestActiveTypes(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	types := map[string]bool{}
	for _, active := range []string{
		"text/html; charset=utf-8", "TEXT/HTML", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml", "application/atom+xml", "application/rss+xml",
		"application/rdf+xml", "application/mathml+xml", "application/vnd.any+xml", "text/xsl", "text/x-unknown", "multipart/x-mixed-replace", "application/x-shockwave-flash",
		"application/json+xml", "image/any+xml", "video/xml", "message/rfc822", "application/wasm",
	} {
		types[active] = true
	}
	for _, inert := range []string{"text/plain", "text/plain; charset=utf-8", "image/png", "IMAGE/JPEG", "video/mp4", "audio/ogg", "font/woff2", "application/pdf", "application/json", "text/csv"} {
		types[inert] = false
	}
	const path = "/cell1/box/a%22b@%20%3A=%27%C3%A4"
	for contentType, active := range types {
		s.Request("PUT", path).WithHeader("Content-Type", contentType).WithBytes([]byte("x")).Expect()
		r := s.Request("GET", path).Expect().Status(http.StatusOK)
		r.Header("Content-Type").IsEqual(contentType)
		r.Header("X-Content-Type-Options").IsEqual("nosniff")
		r.Header("Content-Security-Policy").Contains("sandbox")
		want := ""
		if active {
			want = "attachment; filename*=UTF-8''a%22b%40%20%3A%3D%27%C3%A4" // RFC 8187, 3.2.1
		}
		r.Header("Content-Disposition").IsEqual(want)
	}
}

func TestLocks(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Mkcol("/cell1/box/d")
	s.Put("/cell1/box/f", "x")
	const exclusive = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype><owner>me</owner></lockinfo>`
	lock := func(path, depth string) string {
		t.Helper()
		r := s.Request("LOCK", path).WithHeader("Depth", depth).WithHeader("Timeout", "Second-60").WithText(exclusive).Expect()
		r.StatusRange(httpexpect.Status2xx)
		return strings.Trim(r.Header("Lock-Token").Raw(), "<>")
	}
	unlock := func(path, token string) {
		t.Helper()
		s.Request("UNLOCK", path).WithHeader("Lock-Token", "<"+token+">").Expect().Status(http.StatusNoContent)
	}
	token := lock("/cell1/box/f", "0")
	s.Request("PUT", "/cell1/box/f").WithText("y").Expect().Status(http.StatusLocked)
	s.Request("DELETE", "/cell1/box").Expect().Status(http.StatusLocked) // a lock inside a collection
	s.Transfer("MOVE", "/cell1/box/f", "/cell1/box/g", "").Status(http.StatusLocked)
	s.Request("PUT", "/cell1/box/f").WithHeader("If", "(<"+token+">)").WithText("y").Expect().Status(http.StatusNoContent)
	// A lock of one's own elsewhere opens nothing here.
	mine := lock("/cell1/box/d", "infinity")
	s.Request("PUT", "/cell1/box/f").WithHeader("If", "<"+s.URL+"/cell1/box/d> (<"+mine+">)").WithText("y").Expect().Status(http.StatusLocked)
	// The save of Office: a locked temporary file moves onto an unlocked one.
	tmp := lock("/cell1/box/tmp", "0")
	s.Request("PUT", "/cell1/box/tmp").WithHeader("If", "(<"+tmp+">)").WithText("new").Expect().Status(http.StatusNoContent)
	unlock("/cell1/box/f", token)
	s.Request("MOVE", "/cell1/box/tmp").WithHeader("If", "(<"+tmp+">)").WithHeader("Destination", s.URL+"/cell1/box/f").WithHeader("Overwrite", "T").
		Expect().Status(http.StatusNoContent)
	s.WantGet("/cell1/box/f", "new")
	s.Put("/cell1/box/tmp", "again").Status(http.StatusCreated) // the lock went with the MOVE
	unlock("/cell1/box/d", mine)
	s.Request("UNLOCK", "/cell1/box/d").WithHeader("Lock-Token", "<"+mine+">").Expect().Status(http.StatusConflict)
}
