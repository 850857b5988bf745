package dav_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/barfs/bartest"
	"cellar/cellfs"
	"cellar/dav/davtest"
)

// export takes a snapshot and returns it.
func export(s *davtest.Server, cell, name string) []byte {
	s.T.Helper()
	s.Request("POST", "/"+cell+"/__export").WithText(`{"Name":"` + name + `"}`).Expect().Status(http.StatusAccepted)
	s.Request("GET", "/"+cell+"/__export").WithHeader("Prefer", "wait=60").Expect().Status(http.StatusOK).JSON().Path("$.status").IsEqual("ready")
	return []byte(s.Get("/" + cell + "/__snapshot/" + name + ".zip"))
}

// importByName restores a snapshot of the cell.
func importByName(s *davtest.Server, cell, name string) *httpexpect.Object {
	s.T.Helper()
	r := s.Request("POST", "/"+cell+"/__import").WithText(`{"Name":"` + name + `"}`).Expect().Status(http.StatusAccepted)
	r.Header("Location").IsEqual(s.URL + "/" + cell + "/__import")
	return imported(s, cell)
}

// importZip restores a snapshot that is sent.
func importZip(s *davtest.Server, cell string, body []byte) *httpexpect.Object {
	s.T.Helper()
	s.Request("POST", "/"+cell+"/__import").WithHeader("Content-Type", "application/zip").WithBytes(body).Expect().Status(http.StatusAccepted)
	return imported(s, cell)
}

func imported(s *davtest.Server, cell string) *httpexpect.Object {
	s.T.Helper()
	return s.Request("GET", "/"+cell+"/__import").WithHeader("Prefer", "wait=60").Expect().Status(http.StatusOK).JSON().Object()
}

// zipEntry is what a reader sees of an entry.
type zipEntry struct {
	name, text string
	modified   int64
}

// zipEntries are those of a snapshot, in order; what of the manifest differs from one
// to the next is left out.
func zipEntries(t *testing.T, b []byte) (all []zipEntry) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		e := zipEntry{f.Name, string(text), f.Modified.Unix()}
		if strings.HasPrefix(f.Name, "00_") || strings.HasPrefix(f.Name, "10_") || strings.HasPrefix(f.Name, "20_") || f.Name == "30_contents/" {
			e.modified = 0 // when it was made
		}
		if f.Name == "00_manifest.json" {
			var m map[string]any
			if err := json.Unmarshal(text, &m); err != nil {
				t.Fatal(err)
			}
			delete(m, "create_date")
			delete(m, "unit_url")
			delete(m, "cell")
			e.text = fmt.Sprint(m)
		}
		all = append(all, e)
	}
	return all
}

// sameSnapshots fails the test unless two snapshots say the same.
func sameSnapshots(t *testing.T, a, b []byte) {
	t.Helper()
	x, y := zipEntries(t, a), zipEntries(t, b)
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			lines, want := strings.Split(fmt.Sprint(x[i]), "\n"), strings.Split(fmt.Sprint(y[i]), "\n")
			for j := range min(len(lines), len(want)) {
				if lines[j] != want[j] {
					t.Errorf("%s, line %d is\n%s\nwant\n%s", x[i].name, j, lines[j], want[j])
				}
			}
			return
		}
	}
	if len(x) != len(y) {
		t.Errorf("%d entries, want %d", len(x), len(y))
	}
}

// furnish fills a cell with something of everything.
func furnish(t *testing.T, s *davtest.Server, cell string) {
	t.Helper()
	install := func(box string, bar []byte) {
		s.Request("MKCOL", "/"+cell+"/"+box).WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(http.StatusAccepted)
		s.WaitBox("/" + cell + "/" + box).Value("status").IsEqual("ready")
	}
	install("library", library(t))
	install("notes", bartest.Notes().Bytes())
	s.Mkcol("/" + cell + "/empty")
	s.Mkcol("/" + cell + "/__/dir")
	for i, name := range []string{"plain.txt", "a b&c<d>.txt", "日本語", "e\u0301", "%41", "'quote\"", "#frag?ment", strings.Repeat("n", 255)} {
		s.Put("/"+cell+"/__/dir/"+escapeAll(name), fmt.Sprint("content ", i))
	}
	s.Put("/"+cell+"/__/large", strings.Repeat("large", cellfs.MaxInline))
	s.Request("PUT", "/"+cell+"/__/nothing").WithHeader("X-OC-Mtime", "1000000000").Expect().Status(http.StatusCreated)
	s.Request("PROPPATCH", "/"+cell+"/__/large").WithText(`<propertyupdate xmlns="DAV:"><set><prop><z:p xmlns:z="urn:z" xml:lang="en" z:a="&lt;1">t &amp; <z:q/></z:p></prop></set></propertyupdate>`).
		Expect().Status(http.StatusMultiStatus)
}

func escapeAll(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// TestImport restores snapshots: into the cell itself, into another, and into one of
// another server. Each then exports the same.
func TestImport(t *testing.T) {
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
