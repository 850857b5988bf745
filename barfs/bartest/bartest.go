// Package bartest builds bars for tests: good ones, and ones that are broken in
// just one way.
package bartest

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

// Bar is an archive being made. The zero value is empty; [New] is a small valid
// one. Methods return the bar, so that calls chain.
type Bar struct {
	entries   []entry
	resources []resource
	version   int
	schema    string
	noProps   bool
}

type entry struct {
	name   string
	data   []byte
	header func(*zip.FileHeader)
}

type resource struct{ path, kind, contentType, more string }

// New is a version 2 bar with the given schema ("" for none) that declares only
// the box itself.
func New(schema string) *Bar { return &Bar{version: 2, schema: schema} }

// NewV1 is the same in version 1, with the order that version wants.
func NewV1(schema string) *Bar { return &Bar{version: 1, schema: schema} }

// Entry adds an entry as it is; the name is the full one.
func (b *Bar) Entry(name, data string) *Bar {
	b.entries = append(b.entries, entry{name: name, data: []byte(data)})
	return b
}

// Header adds an entry whose zip header is changed before it is written.
func (b *Bar) Header(name, data string, change func(*zip.FileHeader)) *Bar {
	b.entries = append(b.entries, entry{name, []byte(data), change})
	return b
}

func (b *Bar) prefix() string {
	if b.version == 1 {
		return "bar/"
	}
	return ""
}

// Meta adds a file of 00_meta, such as "20_roles.json".
func (b *Bar) Meta(name, data string) *Bar { return b.Entry(b.prefix()+"00_meta/"+name, data) }

// Collection declares a collection; more is XML for its prop element.
func (b *Bar) Collection(p, more string) *Bar {
	b.resources = append(b.resources, resource{p, "<collection/>", "", more})
	return b
}

// OData and Service declare collections of these kinds; a service gets its __src.
func (b *Bar) OData(p string) *Bar {
	b.resources = append(b.resources, resource{p, "<collection/><p:odata/>", "", ""})
	return b
}

// Service declares a service collection with its __src.
func (b *Bar) Service(p, more string) *Bar {
	b.resources = append(b.resources, resource{p, "<collection/><p:service/>", "", more})
	return b.Collection(p+"/__src", "")
}

// File declares a file and adds its content.
func (b *Bar) File(p, contentType, data string) *Bar { return b.FileWith(p, contentType, data, "") }

// Declare declares a file without adding its content.
func (b *Bar) Declare(p, contentType string) *Bar {
	b.resources = append(b.resources, resource{p, "", contentType, ""})
	return b
}

// FileWith is [Bar.File] with more XML for its prop element.
func (b *Bar) FileWith(p, contentType, data, more string) *Bar {
	b.Declare(p, contentType)
	b.resources[len(b.resources)-1].more = more
	return b.Entry(b.prefix()+"90_contents/"+p, data)
}

// Box adds XML to the prop element of the box itself.
func (b *Bar) Box(more string) *Bar {
	b.resources = append([]resource{{"", "<collection/>", "", more}}, b.resources...)
	return b
}

// NoRootProps leaves out 90_rootprops.xml.
func (b *Bar) NoRootProps() *Bar {
	b.noProps = true
	return b
}

func (b *Bar) scheme() string {
	if b.version == 1 {
		return "dcbox:/"
	}
	return "personium-localbox:/"
}

func (b *Bar) rootProps() string {
	var x strings.Builder
	x.WriteString(`<?xml version="1.0" encoding="UTF-8"?><multistatus xmlns="DAV:" xmlns:p="urn:x-personium:xmlns">`)
	if len(b.resources) == 0 || b.resources[0].path != "" {
		b.Box("")
	}
	for _, r := range b.resources {
		fmt.Fprintf(&x, "<response><href>%s%s</href><propstat><prop><resourcetype>%s</resourcetype>", b.scheme(), escape(r.path), r.kind)
		if r.contentType != "" {
			fmt.Fprintf(&x, "<getcontenttype>%s</getcontenttype>", escape(r.contentType))
		}
		x.WriteString(r.more + "</prop><status>HTTP/1.1 200 OK</status></propstat></response>")
	}
	x.WriteString("</multistatus>")
	return x.String()
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

func (b *Bar) manifest() string {
	schema := "null"
	if b.schema != "" {
		schema = `"` + b.schema + `"`
	}
	if b.version == 1 {
		return `{"bar_version":"1","box_version":"1","DefaultPath":"sample","schema":` + schema + `}`
	}
	return `{"bar_version":"2","box_version":"1","default_path":"sample","schema":` + schema + `}`
}

// Bytes writes the archive: directories, 00_meta in order, contents as added. A
// manifest or rootprops that was added by Meta stands for the made one.
func (b *Bar) Bytes() []byte {
	if b.version == 0 {
		return write(b.entries)
	}
	var all, rest []entry
	p := b.prefix()
	if p != "" {
		all = append(all, entry{name: p})
	}
	all = append(all, entry{name: p + "00_meta/"})
	meta := map[string]entry{
		"00_manifest.json": {name: p + "00_meta/00_manifest.json", data: []byte(b.manifest())},
		"90_rootprops.xml": {name: p + "00_meta/90_rootprops.xml", data: []byte(b.rootProps())},
	}
	if b.noProps {
		delete(meta, "90_rootprops.xml")
	}
	for _, e := range b.entries {
		if path.Dir(e.name) == p+"00_meta" {
			meta[path.Base(e.name)] = e
		} else {
			rest = append(rest, e)
		}
	}
	for _, name := range []string{"00_manifest.json", "10_relations.json", "20_roles.json", "30_extroles.json", "50_rules.json", "70_$links.json", "90_rootprops.xml"} {
		if e, ok := meta[name]; ok {
			all = append(all, e)
			delete(meta, name)
		}
	}
	for _, e := range meta {
		all = append(all, e)
	}
	all = append(all, entry{name: p + "90_contents/"})
	return write(append(all, rest...))
}

func write(entries []entry) []byte {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	z.RegisterCompressor(zip.Deflate, compressor())
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)}
		if strings.HasSuffix(e.name, "/") {
			h.Method = zip.Store
		}
		if e.header != nil {
			e.header(h)
		}
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write(e.data)
		}
		if err != nil {
			panic(fmt.Sprintf("bartest: %s: %v", e.name, err)) // writes go to memory
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// compressor has all entries of one archive made by one [flate.Writer]: making one, or
// emptying the tables of a better level, takes longer than a small entry.
func compressor() zip.Compressor {
	var one *flate.Writer
	return func(w io.Writer) (io.WriteCloser, error) {
		if one == nil {
			var err error
			one, err = flate.NewWriter(w, flate.BestSpeed)
			return one, err
		}
		one.Reset(w)
		return one, nil
	}
}

// Many is a bar with n small files of the given size in collections of 100.
func Many(schema string, n, size int) []byte {
	b := New(schema)
	for i := range n {
		if i%100 == 0 {
			b.Collection(fmt.Sprintf("c%d", i/100), "")
		}
		data := fmt.Sprintf("file %d of %d\n", i, n)
		b.File(fmt.Sprintf("c%d/f%d.txt", i/100, i), "text/plain", data+strings.Repeat("x", max(0, size-len(data))))
	}
	return b.Bytes()
}
