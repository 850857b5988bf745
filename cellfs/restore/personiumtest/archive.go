package personiumtest

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Entry is an entry of the archive; the names of directories end in a slash.
type Entry struct {
	Name string
	Data []byte
	// Header changes the zip header before it is written; it may be nil.
	Header func(*zip.FileHeader)
}

// Entries is an archive before zipping. Its methods return a changed copy.
type Entries []Entry

// files are the types of 10_odata in the order in which they are written.
var files = []struct{ name, typ string }{
	{"10_box", "Box"},
	{"11_account", "Account"},
	{"12_extcell", "ExtCell"},
	{"20_role", "Role"},
	{"21_rule", "Rule"},
	{"22_relation", "Relation"},
	{"23_sentmessage", "SentMessage"},
	{"24_receivedmessage", "ReceivedMessage"},
	{"30_extrole", "ExtRole"},
	{"40_entitytype", "EntityType"},
	{"41_complextype", "ComplexType"},
	{"50_property", "Property"},
	{"51_complextypeproperty", "ComplexTypeProperty"},
	{"60_associationend", "AssociationEnd"},
	{"70_userdata", "UserData"},
	{"80_link", "link"},
}

// Entries is the whole archive in the order in which Personium writes it: both
// directories first, then the manifest and the data.
func (c *Cell) Entries() Entries {
	all := Entries{{Name: "10_odata/"}, {Name: "20_webdav/"}}
	add := func(name, data string) { all = append(all, Entry{Name: name, Data: []byte(data)}) }
	add("00_manifest.json", jsonText(map[string]any{
		"export_version": c.ExportVersion,
		"unit_url":       c.UnitURL,
		"create_date":    c.exported(),
	}))
	add("10_odata/00_cell.json", c.document("Cell", c.doc.id, c.doc.source()))
	for _, f := range files {
		add("10_odata/"+f.name+".pjson", c.lines(f.typ))
	}
	// The top directory is there already.
	return append(all, c.Root().entries("20_webdav/")[1:]...)
}

// exported is the time of the export, in epoch milliseconds.
func (c *Cell) exported() int64 { return firstMoment + (c.moments+1)*stepMillis }

// Bytes is the snapshot in memory.
func (c *Cell) Bytes() []byte { return c.Entries().Bytes() }

// Bytes is the archive in memory.
func (es Entries) Bytes() []byte {
	var b bytes.Buffer
	if err := WriteZip(&b, es); err != nil {
		panic(err) // writes go to memory
	}
	return b.Bytes()
}

// Data is the content of an entry, and whether there is one.
func (es Entries) Data(name string) ([]byte, bool) {
	i := es.index(name)
	if i < 0 {
		return nil, false
	}
	return es[i].Data, true
}

func (es Entries) index(name string) int {
	return slices.IndexFunc(es, func(e Entry) bool { return e.Name == name })
}

// Without leaves an entry out, and if it is a directory all below it.
func (es Entries) Without(name string) Entries {
	return slices.DeleteFunc(slices.Clone(es), func(e Entry) bool {
		return e.Name == name || strings.HasSuffix(name, "/") && strings.HasPrefix(e.Name, name)
	})
}

// WithoutDirectories leaves out the entries of directories, not what is in them.
func (es Entries) WithoutDirectories() Entries {
	return slices.DeleteFunc(slices.Clone(es), func(e Entry) bool { return strings.HasSuffix(e.Name, "/") })
}

// With replaces the content of an entry, or adds the entry at the end.
func (es Entries) With(name string, data []byte) Entries {
	es = slices.Clone(es)
	if i := es.index(name); i >= 0 {
		es[i].Data = data
		return es
	}
	return append(es, Entry{Name: name, Data: data})
}

// Replace replaces text in an entry; both must exist.
func (es Entries) Replace(name, old, text string) Entries {
	data, ok := es.Data(name)
	if !ok || !bytes.Contains(data, []byte(old)) {
		panic(fmt.Sprintf("personiumtest: no %q in %s", old, name))
	}
	return es.With(name, bytes.ReplaceAll(data, []byte(old), []byte(text)))
}

// WriteZip writes entries as Java's zip file system does: files deflated, with a
// data descriptor and the flag for UTF-8, also when they are empty; directories
// stored and without that flag, though their names are in UTF-8 all the same.
func WriteZip(w io.Writer, entries Entries) error {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, compressor())
	for _, e := range entries {
		h := &zip.FileHeader{
			Name: e.Name, Method: zip.Deflate, Flags: 0x800,
			Modified: time.UnixMilli(firstMoment).UTC(),
		}
		if strings.HasSuffix(e.Name, "/") {
			h.Method, h.NonUTF8 = zip.Store, true
		}
		if e.Header != nil {
			e.Header(h)
		}
		f, err := z.CreateHeader(h)
		if err == nil && len(e.Data) > 0 {
			_, err = f.Write(e.Data)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	return z.Close()
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
