package personiumtest

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWriteIsTheSameEveryTime(t *testing.T) {
	if !bytes.Equal(Sample().Bytes(), Sample().Bytes()) {
		t.Error("two writes of the same cell differ")
	}
}

func TestLayout(t *testing.T) {
	data := Sample().Bytes()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range z.File {
		if found[f.Name] || strings.HasPrefix(f.Name, "/") {
			t.Errorf("entry %q: twice, or a bad name", f.Name)
		}
		found[f.Name] = true
		if dir := filepath.Dir(strings.TrimSuffix(f.Name, "/")) + "/"; dir != "./" && !found[dir] {
			t.Errorf("entry %q comes before its directory", f.Name)
		}
		dir := strings.HasSuffix(f.Name, "/")
		if dir != (f.Method == zip.Store) || dir != (f.Flags&0x800 == 0) {
			t.Errorf("entry %q: method %d, flags %#x", f.Name, f.Method, f.Flags)
		}
		checkContent(t, f)
	}
	for _, name := range []string{"00_manifest.json", "10_odata/00_cell.json", "20_webdav/.pmeta", "20_webdav/__/welcome.txt/content"} {
		if !found[name] {
			t.Errorf("no %s", name)
		}
	}
	for _, f := range files {
		if !found["10_odata/"+f.name+".pjson"] {
			t.Errorf("no file for %s", f.typ)
		}
	}
}

func checkContent(t *testing.T, f *zip.File) {
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	switch {
	case strings.HasSuffix(f.Name, ".pjson"):
		if len(data) == 0 || data[len(data)-1] != '\n' {
			t.Fatalf("%s: %q", f.Name, data)
		}
		for line := range bytes.Lines(data) {
			checkLine(t, f.Name, line)
		}
	case strings.HasSuffix(f.Name, ".json"), strings.HasSuffix(f.Name, ".pmeta"):
		if !json.Valid(data) {
			t.Errorf("%s: %s", f.Name, data)
		}
	}
}

func checkLine(t *testing.T, name string, line []byte) {
	var doc struct {
		Index  string         `json:"_index"`
		Type   string         `json:"_type"`
		ID     string         `json:"_id"`
		Source map[string]any `json:"_source"`
	}
	if err := json.Unmarshal(line, &doc); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if doc.Source["type"] != doc.Type || doc.Source["c"] == nil || !strings.HasPrefix(doc.Index, "u0_owner.") {
		t.Errorf("%s: %s", name, line)
	}
	if size := len(doc.ID); size != 22 && (doc.Type != "link" || size != 45) {
		t.Errorf("%s: id %q", name, doc.ID)
	}
}

func TestUnzip(t *testing.T) {
	unzip, err := exec.LookPath("unzip")
	if err != nil {
		t.Skip("no unzip here")
	}
	file := filepath.Join(t.TempDir(), "sample.zip")
	if err := os.WriteFile(file, Sample().Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(unzip, "-tq", file).CombinedOutput(); err != nil {
		t.Errorf("unzip -t: %v\n%s", err, out)
	}
}

// The expected texts were printed by Java 17 and follow from json-simple's source.
func TestJavaText(t *testing.T) {
	// Without "c", which shares its bucket with "s".
	keys := map[string]any{"s": 0, "h": 0, "p": 0, "u": 0, "b": 0, "n": 0, "t": 0, "l": 0, "type": 0}
	if got := strings.Join(hashOrder(keys), " "); got != "p b s t u h l type n" {
		t.Errorf("order of keys: %s", got)
	}
	keys = map[string]any{"__id": 0}
	for _, p := range strings.Fields("P001 P002 P003 P004 P005 P006 P007 P008 P009 P010 P011 P012 P013 P014 P015 P016 P017 P018 P019 P020") {
		keys[p] = 0
	}
	if got := strings.Join(hashOrder(keys), " "); got != "P005 P016 P004 P015 P007 P018 P006 P017 P001 P012 P011 P003 P014 P002 P013 P009 P008 P019 __id P010 P020" {
		t.Errorf("order of many keys: %s", got)
	}
	for f, want := range map[float64]string{
		1: "1.0", 1.5: "1.5", 12345678.9: "1.23456789E7", 0.001: "0.001", 0.0001: "1.0E-4", 1e7: "1.0E7", 100: "100.0", 0: "0.0",
	} {
		if got := javaDouble(f); got != want {
			t.Errorf("javaDouble(%g) = %s, want %s", f, got, want)
		}
	}
	if got, want := jsonText("a/b\"\\\n\u0001\u0085\u2028é日本😀"), `"a\/b\"\\\n\u0001\u0085\u2028é日本😀"`; got != want {
		t.Errorf("text %s, want %s", got, want)
	}
}

func TestVersionsAndETag(t *testing.T) {
	c := New("cell1")
	f := c.MainBox().Root().AddFile("f", "text/plain", []byte("1"))
	before := f.Meta("u")
	f.SetACL("", Ace{Privileges: []string{"read"}})
	if f.Meta("v") != 2 || f.Meta("u") != before {
		t.Errorf("after ACL: %s", f.ETag())
	}
	f.Update("text/plain", []byte("22"))
	if f.Meta("v") != 3 || f.Meta("u") == before || f.Meta("cl") != 2 {
		t.Errorf("after PUT: %s", f.ETag())
	}
}

func TestUserDataAliases(t *testing.T) {
	c := New("cell1")
	db := c.AddBox("b", "").Root().AddOData("db")
	k := db.AddEntityType("K")
	k.AddProperty("one", "Edm.Int32")
	k.AddProperty("two", "Edm.Boolean").Default("true")
	u := k.Add(map[string]any{"__id": "x", "one": 1, "three": 2.0})
	want := map[string]any{"__id": "x", "P001": int64(1), "P002": "true", "P003": "2.0"}
	if got := jsonText(u.s); got != jsonText(want) {
		t.Errorf("stored %s, want %s", got, jsonText(want))
	}
	if u.Key() != "x" || u.etype != k.ID() {
		t.Errorf("key %s, type %v", u.Key(), u.etype)
	}
}

func TestDamage(t *testing.T) {
	es := Sample().Entries()
	if got := es.Without("20_webdav/__/"); len(got) >= len(es) || got.index("20_webdav/__/welcome.txt/content") >= 0 {
		t.Error("Without left something of the directory")
	}
	if slices.ContainsFunc(es.WithoutDirectories(), func(e Entry) bool { return strings.HasSuffix(e.Name, "/") }) {
		t.Error("WithoutDirectories left one")
	}
	changed := es.Replace("00_manifest.json", `"export_version":2`, `"export_version":1`)
	if data, _ := changed.Data("00_manifest.json"); !bytes.Contains(data, []byte(`"export_version":1`)) {
		t.Errorf("manifest %s", data)
	}
	if data, _ := es.Data("00_manifest.json"); !bytes.Contains(data, []byte(`"export_version":2`)) {
		t.Error("Replace changed the original")
	}
}
