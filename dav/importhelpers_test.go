package dav_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

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
	for _, f := range zipFiles(t, b) {
		text := zipText(t, f)
		e := zipEntry{f.Name, text, f.Modified.Unix()}
		if strings.HasPrefix(f.Name, "00_") || strings.HasPrefix(f.Name, "10_") || strings.HasPrefix(f.Name, "20_") || f.Name == "30_contents/" {
			e.modified = 0 // when it was made
		}
		if f.Name == "00_manifest.json" {
			var m map[string]any
			if err := json.Unmarshal([]byte(text), &m); err != nil {
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

// altered is a snapshot with its entries changed: edit returns what takes the place of
// an entry, or keep as false.
func altered(t *testing.T, b []byte, edit func(h *zip.FileHeader, text string) (_ string, keep bool), more ...zipEntry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	w.RegisterCompressor(zip.Deflate, fast)
	put := func(h *zip.FileHeader, text string) {
		h.CRC32, h.CompressedSize64, h.UncompressedSize64, h.Extra = 0, 0, 0, nil
		f, err := w.CreateHeader(h)
		if err == nil && text != "" {
			_, err = io.WriteString(f, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range zipFiles(t, b) {
		before := zipText(t, f)
		h := f.FileHeader
		after, keep := edit(&h, before)
		switch {
		case !keep:
		case after == before && h.Name == f.Name && h.Method == f.Method && h.ExternalAttrs == f.ExternalAttrs:
			if err := w.Copy(f); err != nil {
				t.Fatal(err)
			}
		default:
			put(&h, after)
		}
	}
	for _, e := range more {
		put(&zip.FileHeader{Name: e.name, Method: zip.Deflate}, e.text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// lengthened is a snapshot in which one entry, which may be a new one, begins with more
// than a test wants to hold: begin, n times fill, and end.
func lengthened(t *testing.T, b []byte, name, begin string, fill byte, n int, end string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	w.RegisterCompressor(zip.Deflate, fast)
	put := func(rest string) {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, begin)
		for block := bytes.Repeat([]byte{fill}, 64<<10); n > 0; n -= len(block) {
			f.Write(block[:min(n, len(block))])
		}
		if _, err := io.WriteString(f, end+rest); err != nil {
			t.Fatal(err)
		}
	}
	found := false
	for _, f := range zipFiles(t, b) {
		if f.Name == name {
			found = true
			put(zipText(t, f))
		} else if err := w.Copy(f); err != nil {
			t.Fatal(err)
		}
	}
	if !found {
		put("")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func fast(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) }

func zipFiles(t *testing.T, b []byte) []*zip.File {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return z.File
}

func zipText(t *testing.T, f *zip.File) string {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	return string(text)
}

func asIs(_ *zip.FileHeader, text string) (string, bool) { return text, true }

// without leaves an entry out; replacing changes text in the entry with that name.
func without(name string) func(*zip.FileHeader, string) (string, bool) {
	return func(h *zip.FileHeader, text string) (string, bool) { return text, h.Name != name }
}

func replacing(name, old, text string) func(*zip.FileHeader, string) (string, bool) {
	return func(h *zip.FileHeader, s string) (string, bool) {
		if h.Name == name {
			s = strings.Replace(s, old, text, 1)
		}
		return s, true
	}
}

func nodesOf(t *testing.T, b []byte) string {
	t.Helper()
	for _, e := range zipEntries(t, b) {
		if e.name == "20_nodes.ndjson" {
			return e.text
		}
	}
	t.Fatal("no nodes")
	return ""
}

// randomFiles puts files with odd names, properties and times into the main box.
func randomFiles(t *testing.T, f *cellfs.FS, n int) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 5))
	alphabet := []rune("ab 1.-_~!$&'()+,;=@%#?[]\"<>|\\^`{}:*äßé日本語😀\u0301\u202e")
	name := func(i int) string {
		r := make([]rune, 1+rnd.IntN(12))
		for j := range r {
			r[j] = alphabet[rnd.IntN(len(alphabet))]
		}
		return fmt.Sprint(string(r), i)
	}
	at, err := cellfs.NewPath("cell1", cellfs.MainBox)
	if err != nil {
		t.Fatal(err)
	}
	dirs := []cellfs.Path{at}
	for i := range n {
		p := dirs[rnd.IntN(len(dirs))].Join(name(i))
		if rnd.IntN(20) == 0 && p.Len() < 40 {
			if _, err := f.Mkcol(t.Context(), p, cellfs.KindCollection, nil); err != nil {
				t.Fatal(err)
			}
			dirs = append(dirs, p)
			continue
		}
		o := cellfs.PutOptions{ContentType: []string{"", "text/plain", `text/html; charset="x y"`}[rnd.IntN(3)]}
		if rnd.IntN(3) == 0 {
			o.MTime = time.UnixMicro(rnd.Int64N(1 << 50)).UTC()
		}
		if _, _, err := f.Put(t.Context(), p, strings.NewReader(strings.Repeat(fmt.Sprint(i), rnd.IntN(3)*rnd.IntN(200))), o); err != nil {
			t.Fatalf("%q: %v", p, err)
		}
		if rnd.IntN(10) == 0 {
			x := xml.Name{Space: "urn:x", Local: fmt.Sprint("p", rnd.IntN(5))}
			prop := cellfs.Property{Space: x.Space, Local: x.Local, XML: cellfs.Element(x, "", fmt.Sprintf("v &lt; <y xmlns=\"urn:y\">%d</y>", i))}
			if _, err := f.Patch(t.Context(), p, []cellfs.PropPatch{{Property: prop}}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}
