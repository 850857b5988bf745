package barfs_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
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
// refused whole, and the answer names the entry (contract 3.2).
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
			if !errors.As(err, &e) || e.Fault != barfs.Structure {
				t.Errorf("Open = %v, want a fault of the structure", err)
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
		fault     barfs.Fault
	}{
		"archive": {barfs.Limits{Archive: int64(len(bar))}, barfs.Limits{Archive: int64(len(bar)) - 1}, barfs.BarSize},
		"entry":   {barfs.Limits{Entry: 1000}, barfs.Limits{Entry: 999}, barfs.EntrySize},
		"entries": {barfs.Limits{Entries: entries}, barfs.Limits{Entries: entries - 1}, barfs.Structure},
		"total":   {barfs.Limits{Total: total}, barfs.Limits{Total: total - 1}, barfs.EntrySize},
	} {
		if _, err := open(bar, c.fits); err != nil {
			t.Errorf("%s: at the limit: %v", name, err)
		}
		var e *barfs.Error
		if _, err := open(bar, c.not); !errors.As(err, &e) || e.Fault != c.fault {
			t.Errorf("%s: over the limit = %v, want fault %d", name, err, c.fault)
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
		if _, err := open(b, barfs.Limits{}); !errors.As(err, &e) || e.Fault != barfs.Structure || !strings.Contains(e.Message, "90_contents/bomb") {
			t.Errorf("%s: Open = %v", name, err)
		}
	}
}

// TestRootProps is one altered document for each rule of contract 3.6.1.
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
	if !errors.As(err, &refused) || refused.Fault != barfs.Structure || !strings.Contains(refused.Message, "long") {
		t.Errorf("%v, want the entry refused that lies", err)
	}
}

// rootProps is a bar whose 90_rootprops.xml has these responses after that of the box.
func rootProps(responses string) []byte {
	return bartest.New("").Meta("90_rootprops.xml", `<multistatus xmlns="DAV:"><response><href>personium-localbox:/</href><propstat><prop>`+
		`<resourcetype><collection/></resourcetype></prop></propstat></response>`+responses+`</multistatus>`).Bytes()
}

// TestACLsAreBounded declares as many aces, and privileges in one, as a resource may have,
// and one more.
func TestACLsAreBounded(t *testing.T) {
	resource := func(aces, privileges int) string {
		ace := `<ace><principal><all/></principal><grant>` + strings.Repeat(`<privilege><read/></privilege>`, privileges) + `</grant></ace>`
		return `<response><href>personium-localbox:/a</href><propstat><prop><resourcetype><collection/></resourcetype>` +
			`<acl xml:base="https://x/__role/__/">` + strings.Repeat(ace, aces) + `</acl></prop></propstat></response>`
	}
	for _, c := range []struct {
		aces, privileges int
		fits             bool
	}{
		{barfs.MaxACEs, 1, true}, {barfs.MaxACEs + 1, 1, false}, {1, barfs.MaxPrivileges, true}, {1, barfs.MaxPrivileges + 1, false},
	} {
		_, err := open(rootProps(resource(c.aces, c.privileges)), barfs.Limits{})
		var e *barfs.Error
		if c.fits != (err == nil) || err != nil && (!errors.As(err, &e) || e.Fault != barfs.Structure) {
			t.Errorf("%d aces of %d privileges: %v", c.aces, c.privileges, err)
		}
	}
}

// TestPropsAreBounded declares properties on both sides of the limits: how many, and how
// many bytes. What is beyond is refused before anything is made.
func TestPropsAreBounded(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `<p%d xmlns="x"/>`, i)
		}
		return b.String()
	}
	resource := func(props string) string {
		return `<response><href>personium-localbox:/a</href><propstat><prop><creationdate/><getetag/><resourcetype><collection/></resourcetype>` +
			`<acl/>` + props + `</prop></propstat></response>`
	}
	size := func(n int) string {
		const around = len(`<></>`) + 2*len("big") + len(` xmlns="x"`)
		return `<big xmlns="x">` + strings.Repeat("v", n-around) + `</big>`
	}
	twoParts := strings.Replace(many(8), `<p4 `, `</prop></propstat><propstat><prop><p4 `, 1)
	limits := barfs.Limits{Props: 8, PropBytes: 1000}
	for name, x := range map[string]struct {
		props string
		l     barfs.Limits
		fits  bool
	}{
		"as many as fit":               {many(8), limits, true},
		"one too many":                 {many(9), limits, false},
		"in two parts":                 {twoParts, limits, true},
		"in two parts, one too many":   {twoParts + `<more xmlns="x"/>`, limits, false},
		"as large as fits":             {size(1000), limits, true},
		"a byte too large":             {size(1001), limits, false},
		"namespaces written anew":      {`<a xmlns:z="` + strings.Repeat("n", 200) + `"><z:b/><z:b/><z:b/><z:b/><z:b/></a>`, limits, false},
		"attributes":                   {`<a b="` + strings.Repeat("n", 1000) + `"/>`, limits, false},
		"the defaults":                 {many(1000), barfs.Limits{}, true},
		"the default count":            {many(1001), barfs.Limits{}, false},
		"far too many":                 {many(100_000), barfs.Limits{}, false},
		"the default size":             {size(1 << 20), barfs.Limits{}, true},
		"5 MB":                         {size(5 << 20), barfs.Limits{}, false},
		"many small elements":          {"<a>" + strings.Repeat("<b/>", 1<<19) + "</a>", barfs.Limits{}, false},
		"live properties do not count": {many(8) + strings.Repeat("<getcontentlength/><lockdiscovery/>", 10), limits, true},
	} {
		_, err := open(rootProps(resource(x.props)), x.l)
		var e *barfs.Error
		switch {
		case x.fits && err != nil:
			t.Errorf("%s: %v", name, err)
		case !x.fits && (!errors.As(err, &e) || e.Fault != barfs.Structure || !strings.Contains(e.Message, "too many")):
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
	if _, err := open(rootProps(strings.Repeat(resource(many(8)), 3)), limits); err != nil {
		t.Errorf("several resources: %v", err) // that they have one path is told later
	}
	// Neither another encoding nor litter, for which the file is read early, passes them by.
	text := `<multistatus xmlns="DAV:">` + resource(many(100_000)) + `</multistatus>`
	for name, b := range map[string]*bartest.Bar{
		"another encoding": bartest.New("").Meta("90_rootprops.xml", `<?xml version="1.0" encoding="ISO-8859-1"?>`+text),
		"litter":           bartest.New("").Meta("90_rootprops.xml", text).File(".DS_Store", "a/b", "x"),
	} {
		var e *barfs.Error
		if _, err := open(b.Bytes(), barfs.Limits{}); !errors.As(err, &e) || !strings.Contains(e.Message, "a resource declares too many") { // found before a tree is made
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestImpliedDirectoriesAreBounded: a few hundred bytes of path name more than a hundred
// directories, each of which takes memory.
func TestImpliedDirectoriesAreBounded(t *testing.T) {
	deep := func(n int) []byte {
		b := bartest.New("")
		for i := range n {
			b.Entry(fmt.Sprintf("90_contents/%d/%sx", i, strings.Repeat("d/", 96)), "")
		}
		return b.Bytes()
	}
	const here = 2 // 00_meta and 90_contents
	limits := barfs.Limits{Entries: here + 10*97}
	if _, err := open(deep(10), limits); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	limits.Entries--
	var e *barfs.Error
	if _, err := open(deep(10), limits); !errors.As(err, &e) || e.Fault != barfs.Structure || !strings.Contains(e.Message, "directories") {
		t.Errorf("over the limit = %v", err)
	}
}

// TestNamesInAnyUnicodeForm: an archive and its list can have names in different forms, as
// after a Mac packed it.
func TestNamesInAnyUnicodeForm(t *testing.T) {
	const nfc, nfd = "\u00e9", "e\u0301"
	col := `<propstat><prop><resourcetype><collection/></resourcetype></prop></propstat>`
	response := func(p, rest string) string {
		return `<response><href>personium-localbox:/` + p + `</href>` + rest + `</response>`
	}
	a, err := open(rootProps(response(nfd, col)+response(nfc+"/"+nfd, col)+response(nfd+"/"+nfc+"/x", "")), barfs.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := a.RootProps()
	if err != nil || len(all) != 4 || all[3].Path != nfd+"/"+nfd+"/x" {
		t.Errorf("RootProps = %+v, %v: a path has the names under which what holds it is declared", all, err)
	}
	a, err = open(rootProps(response(nfc, col)+response(nfd, col)), barfs.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var invalid *barfs.Invalid
	if _, err = a.RootProps(); !errors.As(err, &invalid) || !strings.Contains(invalid.Cause, "Duplicated paths") {
		t.Errorf("two forms of one path: %v", err)
	}
}

// TestDeclaredLitterIsKept: a file manager copied its files into a box over WebDAV, and the
// box became a bar.
func TestDeclaredLitterIsKept(t *testing.T) {
	a, err := open(bartest.New("").Collection("c", "").File("c/.DS_Store", "a/b", "kept").Entry("90_contents/.DS_Store", "").Entry("90_contents/Thumbs.db", "").Bytes(), barfs.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if !a.Has("90_contents/c/.DS_Store") || a.Has("90_contents/.DS_Store") || a.Has("90_contents/Thumbs.db") || a.Files() != 3 {
		t.Errorf("%d files", a.Files())
	}
}

// TestCausesAreReadable: messages show names as they are, and say why an archive cannot be
// read.
func TestCausesAreReadable(t *testing.T) {
	stored := func(change func(h *zip.FileHeader)) *bartest.Bar {
		return bartest.New("").Header("90_contents/x", "text", change)
	}
	for want, b := range map[string]*bartest.Bar{
		`Invalid bar file structures [90_contents\a "b"].`:          bartest.New("").Entry(`90_contents\a "b"`, ""),
		"Invalid bar file structures [90_contents/a\ufffd\ufffdb].": bartest.New("").Entry("90_contents/a\x00\x1bb", ""),
		"Invalid bar file structures [90_contents/日本/../x].":        bartest.New("").Entry("90_contents/日本/../x", ""),
		"Cannot open bar file [90_contents/x is encrypted].":        stored(func(h *zip.FileHeader) { h.Flags |= 1 }),
		"Invalid bar file structures [bar/00_meta/].": (&bartest.Bar{}).Entry("bar/", "").Entry("bar/90_contents/", "").
			Entry("bar/00_meta/00_manifest.json", `{"bar_version":"1","box_version":"1","DefaultPath":"d","schema":"urn:x"}`).Entry("bar/00_meta/90_rootprops.xml", "<a/>"),
	} {
		if _, err := open(b.Bytes(), barfs.Limits{}); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	bar := bartest.New("").File("x", "a/b", "text").Bytes()
	copy(bar[bytes.LastIndex(bar, []byte("90_contents/x"))-46+10:], "\x63\x00")
	const want = "Cannot open bar file [90_contents/x is compressed by the unknown method 99]."
	if _, err := open(bar, barfs.Limits{}); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
