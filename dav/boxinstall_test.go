package dav_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"cellar/barfs/bartest"
	"cellar/cellfs"
	"cellar/dav/davtest"
)

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
