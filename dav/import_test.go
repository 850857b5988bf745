package dav_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cellar/cellfs"
	"cellar/dav/davtest"
)

// TestImport restores snapshots: into the cell itself, into another, and into one of
// another server. Each then exports the same.
func TestImport(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}})
	furnish(t, s, "cell1")
	first := export(s, "cell1", "first")
	etag := s.Request("GET", "/cell1/__/large").Expect().Header("ETag").Raw()

	t.Run("same cell", func(t *testing.T) {
		s.Request("DELETE", "/cell1/notes").Expect().Status(http.StatusNoContent)
		s.Put("/cell1/__/large", "changed")
		s.Put("/cell1/__/more", "more")
		s.Mkcol("/cell1/more")
		importByName(s, "cell1", "first").Value("status").IsEqual("ready")
		s.WantGone("/cell1/__/more")
		s.WantGone("/cell1/more")
		s.WantGet("/cell1/__/large", strings.Repeat("large", cellfs.MaxInline))
		s.Request("GET", "/cell1/__/large").Expect().Header("ETag").IsEqual(etag)
		s.Request("GET", "/cell1/library").Expect().JSON().Path("$.box.status").IsEqual("ready")
		s.Request("GET", "/cell1/library/d/lib/Book('b1')/$links/_Author").Expect().JSON().Path("$.d.results").Array().Length().IsEqual(2)
		sameSnapshots(t, export(s, "cell1", "again"), first)
		s.Get("/cell1/__snapshot/first.zip") // the area stays
		if log := s.Get("/cell1/__log/current/default.log"); !strings.Contains(log, `"cell.import","`+s.URL+`/cell1/__import",""`) || !strings.Contains(log, "PL-BI-0000") {
			t.Errorf("the log is\n%s", log)
		}
		s.Put("/cell1/__/after", "written after")
	})
	t.Run("another cell", func(t *testing.T) {
		s.Put("/cell2/__/old", "old")
		importZip(s, "cell2", first).Value("status").IsEqual("ready")
		s.WantGone("/cell2/__/old")
		sameSnapshots(t, export(s, "cell2", "copy"), first)
	})
	t.Run("another server", func(t *testing.T) {
		other := davtest.New(t)
		importZip(other, "cell1", first).Value("status").IsEqual("ready")
		sameSnapshots(t, export(other, "cell1", "copy"), first)
		if _, err := other.FS.Sweep(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		sameSnapshots(t, export(other, "cell1", "swept"), first)
	})
}

// TestImportRefused sends snapshots with every kind of fault. Each is refused at once
// or ends as failed, and leaves the cell as it was.
func TestImportRefused(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}})
	furnish(t, s, "cell1")
	good := export(s, "cell1", "good")
	s.Put("/cell2/__/kept", "kept")
	before := export(s, "cell2", "before")
	const nodes = "20_nodes.ndjson"
	control := []string{"boxes", "accounts", "roles", "relations", "extcells", "extroles", "rules", "links"}
	at := map[string][]byte{ // refused at once, by code
		"PR400-MC-0004":    []byte("no zip"),
		"PR400-MC-0004 #2": nil,
		"PR400-MC-0001":    altered(t, good, without("00_manifest.json")),
		"PR400-MC-0001 #2": altered(t, good, without(nodes)),
		"PR400-CM-0004":    altered(t, good, replacing("00_manifest.json", "{", "[")),
		"PR400-MC-0003":    altered(t, good, replacing("00_manifest.json", `"export_version":3`, `"export_version":1`)),
		"PR400-MC-0003 #2": altered(t, good, replacing("00_manifest.json", `"export_version":3,`, ``)),
		"PR400-MC-0005":    altered(t, good, asIs, zipEntry{name: nodes, text: "x"}), // twice
		"PR400-MC-0005 #2": altered(t, good, func(h *zip.FileHeader, text string) (string, bool) {
			if h.Name == "30_contents/__/large" {
				h.SetMode(0o777 | 1<<27) // a symbolic link
			}
			return text, true
		}),
	}
	for i, c := range control {
		at[fmt.Sprintf("PR400-MC-0001 #c%d", i)] = altered(t, good, without("10_control/"+c+".ndjson"))
	}
	for code, body := range at {
		code, _, _ := strings.Cut(code, " ")
		davtest.Error(s.Request("POST", "/cell2/__import").WithHeader("Content-Type", "application/zip").WithBytes(body).Expect(), code)
	}
	firstOf := func(text string) string { return text[:strings.IndexByte(text, '\n')+1] }
	flip := bytes.Clone(good) // a byte of a stored content
	flip[bytes.Index(flip, []byte("largelarge"))+3] ^= 1
	failing := map[string][]byte{
		"a content was changed":      flip,
		"content missing":            altered(t, good, without("30_contents/__/large")),
		"content longer":             altered(t, good, replacing("30_contents/__/large", "", "x")),
		"content of the same length": altered(t, good, replacing("30_contents/__/large", "large", "LARGE")),
		"content nobody names":       altered(t, good, asIs, zipEntry{name: "30_contents/__/extra", text: "x"}),
		"slip":                       altered(t, good, asIs, zipEntry{name: "30_contents/../../x", text: "x"}),
		"file missing from nodes": altered(t, good, func(h *zip.FileHeader, text string) (string, bool) {
			if h.Name == nodes {
				lines := strings.SplitAfter(text, "\n")
				text = strings.Join(lines[:len(lines)-2], "")
			}
			return text, true
		}),
		"path goes up":        altered(t, good, replacing(nodes, `"path":"__/large"`, `"path":"__/../large"`)),
		"path is absolute":    altered(t, good, replacing(nodes, `"path":"__/large"`, `"path":"/__/large"`)),
		"slash at the begin":  altered(t, good, replacing(nodes, firstOf(nodesOf(t, good)), firstOf(nodesOf(t, good))+`{"path":"/__","kind":"box","created":1,"modified":1,"version":1}`+"\n")),
		"slash at the end":    altered(t, good, replacing(nodes, `"path":"__/dir"`, `"path":"__/dir/"`)),
		"name with control":   altered(t, good, replacing(nodes, `"path":"__/large"`, `"path":"__/la\u0001rge"`)),
		"parent missing":      altered(t, good, replacing(nodes, `"path":"__/dir","kind":"collection"`, `"path":"__/dur","kind":"collection"`)),
		"unknown kind":        altered(t, good, replacing(nodes, `"kind":"collection"`, `"kind":"device"`)),
		"unknown field":       altered(t, good, replacing(nodes, `"kind":"collection"`, `"kind":"collection","x":1`)),
		"line no JSON":        altered(t, good, replacing(nodes, `{"path":"__/dir"`, `{path":"__/dir"`)),
		"negative size":       altered(t, good, replacing(nodes, `"size":9`, `"size":-9`)),
		"no hash":             altered(t, good, replacing(nodes, `"sha256":"`, `"sha256":"zz`)),
		"twice the same name": altered(t, good, replacing(nodes, `"path":"__/large"`, `"path":"__/nothing"`)),
		"property no XML":     altered(t, good, replacing(nodes, `\u003cp xmlns`, `\u003cp\u003e xmlns`)),
		"property another":    altered(t, good, replacing(nodes, `"ns":"urn:z"`, `"ns":"urn:y"`)),
		"acl without role":    altered(t, good, replacing(nodes, `"role":{"box":"notes"`, `"role":{"box":"nots"`)),
		"manifest counts":     altered(t, good, replacing("00_manifest.json", `"entries":`, `"entries":1`)),
		"OData nobody names":  altered(t, good, asIs, zipEntry{name: "40_odata/notes/x/$metadata.xml", text: "x"}),
		"OData document":      altered(t, good, replacing("40_odata/library/d/lib/Book.ndjson", `"doc":{`, `"doc":[{`)),
		"OData without id":    altered(t, good, replacing("40_odata/library/d/lib/Book.ndjson", `"__id"`, `"id"`)),
		"OData link":          altered(t, good, replacing("40_odata/library/d/lib/$links.ndjson", `"a1"`, `"a9"`)),
		"OData other file":    altered(t, good, asIs, zipEntry{name: "40_odata/library/d/lib/x.txt", text: "x"}),
		"box twice": altered(t, good, func(h *zip.FileHeader, text string) (string, bool) {
			if h.Name == "10_control/boxes.ndjson" {
				text += firstOf(text)
			}
			return text, true
		}),
		"box name":                altered(t, good, replacing("10_control/boxes.ndjson", `"empty"`, `"__empty"`)),
		"box missing":             altered(t, good, replacing("10_control/boxes.ndjson", `"empty"`, `"empti"`)),
		"role's box":              altered(t, good, replacing("10_control/roles.ndjson", `"box":"notes"`, `"box":"none"`)),
		"link's end":              altered(t, good, replacing("10_control/links.ndjson", `"key":"`, `"key":"no `)),
		"a bomb":                  lengthened(t, good, "30_contents/__/bomb", "", 0, 50<<20, ""),
		"long line":               lengthened(t, good, "10_control/rules.ndjson", `{"key":"`, 'x', 66<<20, ""),
		"version below 0":         altered(t, good, replacing(nodes, `"version":`, `"version":-`)),
		"version not to count on": altered(t, good, replacing(nodes, `"version":`, `"version":99999999`+"99999999")),
		"time":                    altered(t, good, replacing(nodes, `"created":`, `"created":99999`)),
		"content of the cell":     altered(t, good, replacing(nodes, `"kind":"cell"`, `"kind":"cell","size":9`)),
		"content of a box":        altered(t, good, replacing(nodes, `"kind":"box"`, `"kind":"box","size":9`)),
		"privilege":               altered(t, good, replacing(nodes, `"privileges":[{"ns":"DAV:"`, `"privileges":[{"ns":"urn:x"`)),
		"OData schema":            altered(t, good, replacing("40_odata/library/d/lib/$metadata.xml", "<", "")),
		"OData name":              altered(t, good, replacing("40_odata/library/d/lib/Book.ndjson", `"name":"`, `"name":"x`)),
		"OData twice": altered(t, good, func(h *zip.FileHeader, text string) (string, bool) {
			if strings.HasSuffix(h.Name, "/Book.ndjson") {
				text += firstOf(text)
			}
			return text, true
		}),
		"control key":  altered(t, good, replacing("10_control/roles.ndjson", `"key":"`, `"key":"\u0001`)),
		"cell missing": altered(t, good, replacing(nodes, firstOf(nodesOf(t, good)), "")),
	}
	for name, body := range failing {
		state := importZip(s, "cell2", body)
		if got := state.Value("status").String().Raw(); got != "import failed" {
			t.Errorf("%s: %s", name, got)
			continue
		}
		state.Value("message").Object().Value("code").IsEqual("PR400-MC-0005")
	}
	sameSnapshots(t, export(s, "cell2", "after"), before)
	long := lengthened(t, good, "10_control/relations.ndjson", `{"key":"long","doc":{"Name":"long","x":"`, 'x', 15<<20, `"},"created":1,"updated":1}`+"\n")
	importZip(s, "cell1", long).Value("status").IsEqual("ready")
	imported(s, "cell2").Value("status").IsEqual("import failed") // until the next
	s.Put("/cell2/__/kept", "still writable")
	importByName(s, "cell2", "before").Value("status").IsEqual("ready")
	s.WantGet("/cell2/__/kept", "kept")
	for range 2 { // and once more without what is free
		if r, err := s.FS.Check(t.Context()); err != nil || len(r.Problems) > 0 {
			t.Error(r.Problems, err)
		}
		if _, err := s.FS.Sweep(t.Context(), 0); err != nil {
			t.Error(err)
		}
	}

	for body, code := range map[string]string{
		"": "PR400-CM-0004", "x": "PR400-CM-0004", "[]": "PR400-CM-0004", "{}": "PR400-CM-0001", `{"Name":null}`: "PR400-CM-0001",
		`{"Name":1}`: "PR400-CM-0002", `{"Name":"a.b"}`: "PR400-CM-0002", `{"Name":"none"}`: "PR404-DV-0001",
	} {
		davtest.Error(s.Request("POST", "/cell2/__import").WithText(body).Expect(), code)
	}
	davtest.Error(s.Request("PUT", "/cell2/__import").WithText("x").Expect(), "PR405-MC-0001")
	davtest.Error(s.Anonymous().Request("POST", s.URL+"/cell2/__import").WithText("{}").Expect(), "PR401-AU-0001")
}

// TestImportWhileOthersWork holds an import in the middle: reads see the old state,
// writes to the cell are refused, and other cells do not notice (contract 4.9).
func TestImportWhileOthersWork(t *testing.T) {
	t.Parallel()
	gate := &gated{open: make(chan struct{})}
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}, Wrap: func(m cellfs.Meta, b cellfs.Blobs) (cellfs.Meta, cellfs.Blobs) {
		gate.Blobs = b
		return m, gate
	}})
	s.Put("/cell1/__/large", strings.Repeat("large", cellfs.MaxInline))
	s.Put("/cell1/__/f", "then")
	body := altered(t, export(s, "cell1", "s"), func(h *zip.FileHeader, text string) (string, bool) {
		h.Method = zip.Deflate // small enough to be taken while the gate is closed
		return text, true
	})
	s.Put("/cell1/__/f", "now")
	s.Mkcol("/cell1/box")
	s.Account("cell1", "reader")
	token := s.Request("LOCK", "/cell1/__/f").WithText(lockBody).Expect().Status(http.StatusOK).Header("Lock-Token").Raw()
	gate.closed.Store(true)
	s.Request("POST", "/cell1/__import").WithHeader("Content-Type", "application/zip").WithBytes(body).Expect().Status(http.StatusAccepted)

	s.Token("cell1", "reader", nil) // reading goes on, and who reads logs in
	state := s.Request("GET", "/cell1/__import").Expect().JSON().Object()
	state.Value("status").IsEqual("importation in progress")
	state.ContainsKey("started_at").ContainsKey("progress")
	for _, c := range []struct{ method, path, body string }{
		{"PUT", "/cell1/__/f", "x"}, {"PUT", "/cell1/__/new", "x"}, {"MKCOL", "/cell1/__/c", ""}, {"MKCOL", "/cell1/new", ""}, {"DELETE", "/cell1/__/f", ""},
		{"DELETE", "/cell1/box", ""}, {"LOCK", "/cell1/__/g", lockBody}, {"POST", "/cell1/__export", "{}"}, {"POST", "/cell1/__import", `{"Name":"s"}`},
		{"PROPPATCH", "/cell1/__/f", `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="urn:x">1</x></prop></set></propertyupdate>`},
	} {
		davtest.Error(s.Request(c.method, c.path).WithText(c.body).Expect(), "PR409-CM-0002")
	}
	davtest.Error(s.Transfer("COPY", "/cell1/__/f", "/cell1/__/copy", ""), "PR409-CM-0002")
	davtest.Error(s.Transfer("COPY", "/cell2/__", "/cell1/__/copy", ""), "PR409-CM-0002")
	davtest.Error(s.Anonymous().Request("PUT", s.URL+"/cell1/__/f").WithText("x").Expect(), "PR409-CM-0002") // before the privilege
	davtest.Error(s.Request("DELETE", "/cell1").WithHeader("X-Personium-Recursive", "true").Expect(), "PR409-CM-0002")
	s.WantGet("/cell1/__/f", "now")
	s.Hrefs("/cell1/box", "0")
	s.Put("/cell2/__/f", "x")

	close(gate.open)
	imported(s, "cell1").Value("status").IsEqual("ready")
	s.WantGet("/cell1/__/f", "then")
	davtest.Error(s.Request("PROPFIND", "/cell1/box").WithHeader("Depth", "0").Expect(), "PR404-DV-0002")
	s.Put("/cell1/__/f", "free again") // what was locked is gone
	s.Request("UNLOCK", "/cell1/__/f").WithHeader("Lock-Token", token).Expect().Status(http.StatusConflict)
}

const lockBody = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`

// TestImportReal takes the archives of real applications side by side, and 5,000
// files at random, through a snapshot into another server and out again.
func TestImportReal(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	dir := davtest.Corpus(t)
	s := davtest.New(t)
	installed := 0
	for i, x := range readCases(t, filepath.Join(dir, "realworld.json")) {
		body, err := os.ReadFile(filepath.Join(dir, x.File))
		if err != nil {
			t.Fatal(err)
		}
		box := fmt.Sprintf("/cell1/app%d", i)
		if s.Request("MKCOL", box).WithHeader("Content-Type", "application/zip").WithBytes(body).Expect().Raw().StatusCode == http.StatusAccepted {
			s.WaitBox(box)
			installed++
		}
	}
	if installed < 10 {
		t.Errorf("%d applications are installed", installed)
	}
	randomFiles(t, s.FS, 5000)
	first := export(s, "cell1", "first")
	other := davtest.New(t)
	importZip(other, "cell1", first).Value("status").IsEqual("ready")
	sameSnapshots(t, export(other, "cell1", "copy"), first)
}
