package barfs_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"cellar/barfs"
	"cellar/barfs/bartest"
)

func open(b []byte, l barfs.Limits) (*barfs.Archive, error) {
	a, err := barfs.Open(bytes.NewReader(b), int64(len(b)), l)
	if err == nil {
		err = a.Verify()
	}
	return a, err
}

func TestFS(t *testing.T) {
	for name, b := range map[string]*bartest.Bar{
		"version 2": bartest.Notes(),
		"version 1": bartest.NewV1("https://a.example/").Collection("d", "").File("d/f", "text/plain", "x").File("日本", "text/plain", "y"),
		"implied":   (&bartest.Bar{}).Entry("00_meta/00_manifest.json", `{"bar_version":"2"}`).Entry("00_meta/90_rootprops.xml", "<a/>").Entry("90_contents/a/b/c", "x"),
	} {
		t.Run(name, func(t *testing.T) {
			a, err := open(b.Bytes(), barfs.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			var files []string
			for _, e := range a.Entries() {
				files = append(files, strings.TrimSuffix(e.Name, "/"))
			}
			if err := fstest.TestFS(a, files...); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHostileNames: an archive with an entry that could mean two things is
// refused whole, and the answer names the entry (DECISIONS 29).
func TestHostileNames(t *testing.T) {
	base := func() *bartest.Bar { return bartest.New("") }
	link := func(h *zip.FileHeader) { h.SetMode(fs.ModeSymlink | 0o777) }
	for name, b := range map[string]*bartest.Bar{
		"dot dot":             base().Entry("90_contents/../x", ""),
		"dot":                 base().Entry("90_contents/./x", ""),
		"absolute":            base().Entry("/x", ""),
		"empty segment":       base().Entry("90_contents//x", ""),
		"backslash":           base().Entry(`90_contents\x`, ""),
		"drive":               base().Entry("C:x", ""),
		"control":             base().Entry("90_contents/a\x01", ""),
		"noncharacter":        base().Entry("90_contents/a\uffff", ""),
		"long":                base().Entry("90_contents/"+strings.Repeat("x", 256), ""),
		"deep":                base().Entry(strings.Repeat("d/", 200)+"x", ""),
		"twice":               base().Entry("90_contents/x", "").Entry("90_contents/x", ""),
		"twice after NFC":     base().Entry("90_contents/\u00e9", "").Entry("90_contents/e\u0301", ""),
		"file and directory":  base().Entry("90_contents/x", "").Entry("90_contents/x/", ""),
		"file above":          base().Entry("90_contents/x", "").Entry("90_contents/x/y", ""),
		"file above, NFD":     base().Entry("90_contents/\u00e9", "").Entry("90_contents/e\u0301/y", ""),
		"symlink":             base().Header("90_contents/x", "/etc/passwd", link),
		"device":              base().Header("90_contents/x", "", func(h *zip.FileHeader) { h.SetMode(fs.ModeDevice) }),
		"undecodable":         base().Header("90_contents/x", "", func(h *zip.FileHeader) { h.Name, h.NonUTF8 = "90_contents/\xff\xfe", true }),
		"no manifest at all":  (&bartest.Bar{}).Entry("x", ""),
		"no rootprops":        base().NoRootProps(),
		"manifest, no schema": bartest.NewV1(""),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := open(b.Bytes(), barfs.Limits{})
			var e *barfs.Error
			if !errors.As(err, &e) || e.Code != barfs.CodeStructure {
				t.Errorf("Open = %v, want %s", err, barfs.CodeStructure)
			}
		})
	}
}

func TestToolLitterIsSkipped(t *testing.T) {
	a, err := open(bartest.New("").Entry("__MACOSX/90_contents/._x", "").Entry("90_contents/.DS_Store", "").Bytes(), barfs.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range a.Entries() {
		if strings.Contains(e.Name, "MACOSX") || strings.Contains(e.Name, "DS_Store") {
			t.Errorf("entry %s", e.Name)
		}
	}
	if a.Files() != 2 {
		t.Errorf("%d files, want manifest and rootprops", a.Files())
	}
}

func TestShiftJISNames(t *testing.T) {
	b := bartest.New("").Header("90_contents/x", "", func(h *zip.FileHeader) { h.Name, h.NonUTF8 = "90_contents/\x93\xfa\x96\x7b", true }).Bytes()
	a, err := open(b, barfs.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if !a.Has("90_contents/日本") {
		t.Errorf("entries %v", a.Entries())
	}
}

// TestLimits looks at both sides of every limit.
func TestLimits(t *testing.T) {
	bar := bartest.New("").File("a", "a/b", strings.Repeat("x", 1000)).Bytes()
	entries, total := 0, int64(0)
	z, err := zip.NewReader(bytes.NewReader(bar), int64(len(bar)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		entries++
		total += int64(f.UncompressedSize64)
	}
	for name, c := range map[string]struct {
		fits, not barfs.Limits
		code      string
	}{
		"archive": {barfs.Limits{Archive: int64(len(bar))}, barfs.Limits{Archive: int64(len(bar)) - 1}, barfs.CodeBarSize},
		"entry":   {barfs.Limits{Entry: 1000}, barfs.Limits{Entry: 999}, barfs.CodeEntrySize},
		"entries": {barfs.Limits{Entries: entries}, barfs.Limits{Entries: entries - 1}, barfs.CodeStructure},
		"total":   {barfs.Limits{Total: total}, barfs.Limits{Total: total - 1}, barfs.CodeEntrySize},
	} {
		if _, err := open(bar, c.fits); err != nil {
			t.Errorf("%s: at the limit: %v", name, err)
		}
		var e *barfs.Error
		if _, err := open(bar, c.not); !errors.As(err, &e) || e.Code != c.code {
			t.Errorf("%s: over the limit = %v, want %s", name, err, c.code)
		}
	}
}

// TestLyingHeaders changes sizes and checksums in the central directory.
func TestLyingHeaders(t *testing.T) {
	bar := bartest.New("").File("bomb", "a/b", strings.Repeat("\x00", 1<<20)).Bytes()
	central := bytes.LastIndex(bar, []byte("90_contents/bomb")) - 46
	for name, change := range map[string]func([]byte){
		"smaller": func(h []byte) { copy(h[24:28], []byte{10, 0, 0, 0}) },
		"larger":  func(h []byte) { copy(h[24:28], []byte{0, 0, 32, 0}) },
		"crc":     func(h []byte) { h[16] ^= 1 },
	} {
		b := bytes.Clone(bar)
		change(b[central:])
		var e *barfs.Error
		if _, err := open(b, barfs.Limits{}); !errors.As(err, &e) || e.Code != barfs.CodeStructure || !strings.Contains(e.Message, "90_contents/bomb") {
			t.Errorf("%s: Open = %v", name, err)
		}
	}
}

// TestRootProps is one altered document for each rule of spec/bar-format.md §4.1.
func TestRootProps(t *testing.T) {
	const file, col = "<getcontenttype>a/b</getcontenttype><resourcetype/>", "<resourcetype><collection/></resourcetype>"
	response := func(href, prop string) string {
		return "<response><href>" + href + "</href><propstat><prop>" + prop + "</prop></propstat></response>"
	}
	const box = "personium-localbox:"
	root := response(box+"/", col)
	for want, inner := range map[string]string{
		"href tag does not exist.":     root + "<response/>",
		"href element value is empty.": root + response(" ", col),
		"href element value does not start with 'personium-localbox:': dcbox:/a": root + response("dcbox:/a", col),
		"Unexpected tag: x": root + response(box+"/a", "<resourcetype><collection/><x/></resourcetype>"),
		"Duplicated paths are detected in href elements: personium-localbox:/a": root + response(box+"/a", col) + response(box+"/a", file),
		"Collection path is not defined: personium-localbox:/none":              root + response(box+"/none/a", col),
		"Collection path is not defined: personium-localbox:":                   response(box+"/a", col),
		"Another resource exists under the OData collection: personium-localbox:/o/a": root + response(box+"/o/a", file) +
			response(box+"/o", `<resourcetype><collection/><p:odata xmlns:p="urn:x-personium:xmlns"/></resourcetype>`),
		"Another resource exists under the WebDAV File: personium-localbox:/f/a": root + response(box+"/f", file) + response(box+"/f/a", file),
		"Service collection must contain '__src' collection: personium-localbox:/s": root +
			response(box+"/s", `<resourcetype><collection/><p:service xmlns:p="urn:x-personium:xmlns"/></resourcetype>`),
		"Unexpected tag: q:service": root +
			response(box+"/s", `<resourcetype><collection/><q:service xmlns:q="urn:x-personium:xmlns"/></resourcetype>`),
		"Resource name is invalid: a*b":         root + response(box+"/a*b", col),
		"Resource name is invalid: a%01b":       root + response(box+"/a%01b", col),
		"[90_rootprops.xml] file format error.": root + response(box+"/a", col+`<acl xml:base="personium-localunit:x"/>`),
	} {
		b := bartest.New("").Meta("90_rootprops.xml", `<multistatus xmlns="DAV:">`+inner+`</multistatus>`).Bytes()
		a, err := open(b, barfs.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.RootProps()
		var e *barfs.Invalid
		if !errors.As(err, &e) || e.Cause != want {
			t.Errorf("RootProps = %v, want %q", err, want)
		}
	}
	good := root + response(box+"/d/a%20b", file) + response(box+"/d", col+`<acl><ace/></acl><z:x xmlns:z="urn:z">1</z:x>`)
	a, err := open(bartest.New("").Meta("90_rootprops.xml", `<multistatus xmlns="DAV:">`+good+`</multistatus>`).Bytes(), barfs.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := a.RootProps()
	if err != nil || len(all) != 3 || all[2].Path != "d" || all[1].Path != "d/a b" || all[2].ACL != nil || len(all[2].Props) != 1 {
		t.Errorf("RootProps = %+v, %v", all, err)
	}
}

// TestLyingLength: an entry that says it is nearly as long as numbers go does not hide
// that others lie within it.
func TestLyingLength(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range []struct {
		name   string
		length uint64
	}{{"first", 4}, {"long", 1<<63 - 1}, {"within", 4}} {
		w, err := z.CreateRaw(&zip.FileHeader{Name: f.name, Method: zip.Store, CompressedSize64: f.length, UncompressedSize64: 4})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("text")); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := open(b.Bytes(), barfs.Limits{})
	var refused *barfs.Error
	if !errors.As(err, &refused) || refused.Code != barfs.CodeStructure || !strings.Contains(refused.Message, "long") {
		t.Errorf("%v, want the entry refused that lies", err)
	}
}
