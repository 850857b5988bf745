package main_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"cellar/barfs/bartest"
	"cellar/cellfs/restore/personiumtest"
)

// archive writes a zip entry by entry, packed as tightly as goes.
type archive struct {
	t testing.TB
	b bytes.Buffer
	z *zip.Writer
}

func newArchive(t testing.TB) *archive {
	a := &archive{t: t}
	a.z = zip.NewWriter(&a.b)
	a.z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.DefaultCompression) })
	return a
}

func (a *archive) add(name string, write func(w io.Writer)) {
	a.t.Helper()
	w, err := a.z.Create(name)
	if err != nil {
		a.t.Fatal(err)
	}
	write(w)
}

func (a *archive) text(name, text string) {
	a.add(name, func(w io.Writer) { _, _ = io.WriteString(w, text) }) // a buffer takes everything
}

func (a *archive) bytes() []byte {
	a.t.Helper()
	if err := a.z.Close(); err != nil {
		a.t.Fatal(err)
	}
	return a.b.Bytes()
}

// snapshot is one of cellar's: control and nodes write the lines of roles and, after those of
// the cell and the main box, of the nodes.
func snapshot(t testing.TB, control, nodes func(w io.Writer), more func(a *archive)) []byte {
	a := newArchive(t)
	a.text("00_manifest.json", `{"export_version":3,"entries":0,"bytes":0}`)
	for _, name := range []string{"boxes", "accounts", "roles", "relations", "extcells", "extroles", "rules", "links"} {
		a.add("10_control/"+name+".ndjson", func(w io.Writer) {
			if name == "roles" {
				control(w)
			}
		})
	}
	a.add("20_nodes.ndjson", func(w io.Writer) {
		node(w, "", "cell", "")
		node(w, "__", "box", "")
		nodes(w)
	})
	more(a)
	return a.bytes()
}

func node(w io.Writer, path, kind, more string) {
	fmt.Fprintf(w, `{"path":"%s","kind":"%s","created":0,"modified":0,"version":0%s}`+"\n", path, kind, more)
}

func nothing(io.Writer) {}

// TestImportMemory sends archives that are small and stand for much: long paths, names, keys,
// ids and properties, and entries without number. Whether they are imported or refused, they
// take little. CELLAR_SOAK makes them as large as few megabytes allow, and tries them all.
func TestImportMemory(t *testing.T) {
	t.Parallel()
	soak := os.Getenv("CELLAR_SOAK") != ""
	limit, scale := int64(150<<20), 1
	if !soak {
		scale = 5
	}
	name := strings.Repeat("n", 249)
	deep := "__"
	var nested []string
	for i := range 118 {
		deep += fmt.Sprintf("/%c%s", 'a'+i%26, name)
		nested = append(nested, deep)
	}
	nest := func(w io.Writer) {
		for _, p := range nested {
			node(w, p, "collection", "")
		}
	}
	property := strings.Repeat("v", 1<<19)
	for what, x := range map[string]struct {
		always bool
		path   string
		make   func() []byte
	}{
		"long paths": {true, "/cell1/__import", func() []byte {
			return snapshot(t, nothing, func(w io.Writer) {
				nest(w)
				for i := range 30_000 / scale {
					node(w, fmt.Sprintf("%s/%d", deep, i), "collection", "")
				}
			}, func(*archive) {})
		}},
		"collections": {false, "/cell1/__import", func() []byte {
			return snapshot(t, nothing, func(w io.Writer) {
				for i := range 600_000 {
					node(w, fmt.Sprintf("__/%x", i), "collection", "")
				}
			}, func(*archive) {})
		}},
		"large properties": {false, "/cell1/__import", func() []byte {
			return snapshot(t, nothing, func(w io.Writer) {
				for i := range 600 {
					node(w, fmt.Sprintf("__/%d", i), "collection", `,"props":[{"ns":"x","name":"p","xml":"<p xmlns=\"x\">`+property+`</p>"}]`)
				}
			}, func(*archive) {})
		}},
		"lists": {true, "/cell1/__import", func() []byte {
			return snapshot(t, nothing, func(w io.Writer) {
				node(w, "__/a", "collection", `,"props":[`+strings.Repeat("{},", 5_000_000)+`{}]`)
			}, func(*archive) {})
		}},
		"large control objects": {false, "/cell1/__import", func() []byte {
			return snapshot(t, func(w io.Writer) {
				for i := range 400 {
					fmt.Fprintf(w, `{"key":"%d","box":"","doc":{"Name":"%s"},"created":0,"updated":0}`+"\n", i, property)
				}
			}, nothing, func(*archive) {})
		}},
		"long keys": {false, "/cell1/__import", func() []byte {
			return snapshot(t, func(w io.Writer) {
				for i := range 30_000 {
					fmt.Fprintf(w, `{"key":"%d%s","box":"","doc":{},"created":0,"updated":0}`+"\n", i, property[:8000])
				}
			}, nothing, func(*archive) {})
		}},
		"documents": {false, "/cell1/__import", func() []byte {
			return snapshot(t, nothing, func(w io.Writer) { node(w, "__/o", "odata", "") }, func(a *archive) {
				a.text("40_odata/__/o/$metadata.xml", `<Edmx><Schema><EntityType Name="T"/></Schema></Edmx>`)
				a.add("40_odata/__/o/T.ndjson", func(w io.Writer) {
					for i := range 200_000 {
						id := fmt.Sprintf("%d%s", i, name[:200])
						fmt.Fprintf(w, `{"name":"%s.json","created":0,"modified":0,"version":0,"doc":{"__id":"%s"}}`+"\n", id, id)
					}
				})
			})
		}},
		"a document of many members": {false, "/cell1/__import", func() []byte {
			return snapshot(t, nothing, func(w io.Writer) { node(w, "__/o", "odata", "") }, func(a *archive) {
				a.text("40_odata/__/o/T.ndjson", `{"name":"1.json","created":0,"modified":0,"version":0,"doc":{"__id":"1"`+strings.Repeat(`,"a":1`, 3_000_000)+"}}\n")
			})
		}},
		"entries": {true, "/cell1/__import", func() []byte {
			return snapshot(t, nothing, nothing, func(a *archive) {
				for i := range 60_000 / scale {
					if _, err := a.z.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("x/%d", i)}); err != nil {
						t.Fatal(err)
					}
				}
			})
		}},
		"Personium's folders": {false, "/cell1/__import", func() []byte {
			a := newArchive(t)
			for _, e := range personiumtest.New("cell").Entries() {
				a.text(e.Name, string(e.Data))
			}
			at := "20_webdav/" + deep + "/"
			for i := range 100 { // each takes 60 KB of the zip
				a.text(fmt.Sprintf("%s%d/.pmeta", at, i), `{"i":"x","t":"col.webdav","v":0,"d":{"p@x":"<p xmlns='x'>`+property+`</p>"}}`)
			}
			return a.bytes()
		}},
		"directories of a bar": {true, "/cell1/box", func() []byte {
			a := newArchive(t)
			for i := range 6_000 {
				if _, err := a.z.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("90_contents/%d/%sx", i, strings.Repeat("d/", 120))}); err != nil {
					t.Fatal(err)
				}
			}
			return a.bytes()
		}},
		"properties of a bar": {true, "/cell1/box", func() []byte {
			return bartest.New("").Box("<a>" + strings.Repeat("<b/>", 490_000) + "</a>").Bytes()
		}},
		"entries of a bar": {false, "/cell1/box", func() []byte {
			b := bartest.New("")
			for i := range 30_000 {
				b.Entry(fmt.Sprintf("90_contents/%d", i), "")
			}
			return b.Bytes()
		}},
	} {
		if !x.always && !soak {
			continue
		}
		t.Run(what, func(t *testing.T) {
			data := t.TempDir()
			p := serve(t, data, "--cell", "cell1")
			p.must(http.StatusMultiStatus, "PROPFIND", "/cell1/__", nil, "Depth", "1")
			body := x.make()
			method := "POST"
			if x.path == "/cell1/box" {
				method = "MKCOL"
			}
			outcome := ""
			grown := p.growth(func() {
				res, err := p.send(method, x.path, bytes.NewReader(body), "Content-Type", "application/zip")
				if err != nil {
					t.Fatal(err)
				}
				text, _ := io.ReadAll(res.Body) // what it says is for the log
				res.Body.Close()
				if outcome = res.Status + string(text); res.StatusCode == http.StatusAccepted {
					outcome = string(p.must(http.StatusOK, "GET", x.path, nil, "Prefer", "wait=60"))
				}
			})
			t.Logf("%d bytes: %.1f MB, %.300s", len(body), float64(grown)/1e6, outcome)
			if grown > limit {
				t.Errorf("an archive of %d bytes took %d bytes of memory", len(body), grown)
			}
			p.stop()
		})
	}
}
