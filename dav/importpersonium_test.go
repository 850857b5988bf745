package dav_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cellar/cellfs"
	"cellar/cellfs/restore/personiumtest"
	"cellar/dav/davtest"
)

// TestImportPersonium imports a snapshot as Personium writes them, with something of
// everything, and looks at all of it.
func TestImportPersonium(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}})
	s.Put("/cell1/__/old", "old")
	from := personiumtest.Sample()
	if state := importZip(s, "cell1", from.Bytes()).Raw(); state["status"] != "ready" {
		t.Fatal(state)
	}
	s.WantGone("/cell1/__/old")
	first := export(s, "cell1", "first")
	parts := map[string]string{}
	for _, e := range zipEntries(t, first) {
		parts[e.name] = e.text
	}
	t.Run("files", func(t *testing.T) { personiumFiles(s) })
	t.Run("data", func(t *testing.T) { personiumData(s) })
	t.Run("control", func(t *testing.T) { personiumControl(t, parts) })
	t.Run("nodes", func(t *testing.T) { personiumNodes(t, parts["20_nodes.ndjson"]) })
	t.Run("round trip", func(t *testing.T) {
		importZip(s, "cell2", first).Value("status").IsEqual("ready")
		sameSnapshots(t, export(s, "cell2", "again"), first)
	})
	t.Run("without entries for folders", func(t *testing.T) {
		importZip(s, "cell2", from.Entries().WithoutDirectories().Bytes()).Value("status").IsEqual("ready")
		sameSnapshots(t, export(s, "cell2", "plain"), first)
	})
	t.Run("what is not of the cell", func(t *testing.T) {
		folder := "20_webdav/__/welcome.txt/"
		body := from.Entries().With(folder+"tmp", []byte("cut o")).With("20_webdav/import.error", []byte("{}")).Bytes()
		importZip(s, "cell2", body).Value("status").IsEqual("ready")
		sameSnapshots(t, export(s, "cell2", "clean"), first)
	})
}

func personiumFiles(s *davtest.Server) {
	for path, want := range map[string]string{
		"/cell1/__/welcome.txt": "welcome\n", "/cell1/app/docs/%E6%97%A5%E6%9C%AC%E8%AA%9E.txt": "こんにちは\n", "/cell1/app/docs/a+b%2520c.txt": "second",
		"/cell1/app/docs/content/content": "\x00\x01\x02\xff", "/cell1/app/docs/empty": "", "/cell1/app/untyped.bin": "?",
		"/cell1/app/svc/__src/run.js": "function run(request) { return 1; }\n",
	} {
		s.WantGet(path, want)
	}
	s.Request("GET", "/cell1/__/welcome.txt").Expect().Header("Content-Type").IsEqual("text/plain; charset=utf-8")
	all := s.Hrefs("/cell1", "1")
	for _, want := range []string{"/cell1/app/", "/cell1/empty/", "/cell1/__/"} {
		if !slices.Contains(all, want) {
			s.T.Errorf("%s is missing in %v", want, all)
		}
	}
	s.Put("/cell1/empty/f", "a box that was never opened")
	s.Request("DELETE", "/cell1/empty/f").Expect().Status(http.StatusNoContent)
}

// personiumData looks at user data through the answers that clients get.
func personiumData(s *davtest.Server) {
	get := func(url string) map[string]any {
		return s.Request("GET", url).Expect().Status(http.StatusOK).JSON().Path("$.d.results").Object().Raw()
	}
	book := get("/cell1/app/db/Book('book1')")
	for name, want := range map[string]any{
		"title": `One "quoted" / slashed`, "pages": 250.0, "price": 12345678.9, "rating": 4.5, "lent": true, "printed": "/Date(1500000000000)/",
		"keywords": []any{"x", "y"}, "flags": []any{true, false}, "colour": "red", "weight": 0.25, "signed": true, "copies": "3",
	} {
		if got := book[name]; !sameJSON(got, want) {
			s.T.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	author := get("/cell1/app/db/Author('author1')")
	want := map[string]any{"street": "High/Street", "place": map[string]any{"city": "Example"}, "floors": []any{1.0, 2.0}}
	if !sameJSON(author["home"], want) {
		s.T.Errorf("home is %v, want %v", author["home"], want)
	}
	if former, ok := author["former"].([]any); !ok || len(former) != 2 || !sameJSON(former[0].(map[string]any)["street"], "Low Street") {
		s.T.Errorf("former is %v", author["former"])
	}
	for url, n := range map[string]int{
		"Author('author1')/$links/_Book": 2, "Book('book1')/$links/_Tag": 2, "Book('book1')/$links/_Author": 1,
		"Book('book1')/$links/_Cover": 1, "Cover('cover1')/$links/_Book": 1, "Tag('t:2')/$links/_Book": 1,
	} {
		links := s.Request("GET", "/cell1/app/db/"+url).Expect().Status(http.StatusOK).Body().Raw()
		if got := strings.Count(links, `"uri":`); got != n {
			s.T.Errorf("%s: %d links, want %d: %s", url, got, n, links)
		}
	}
	schema := s.Get("/cell1/app/db/$metadata")
	for _, want := range []string{`<EntityType Name="Book">`, `Name="home" Type="UserData.Address"`, `Multiplicity="0..1"`, `DefaultValue="100"`} {
		if !strings.Contains(schema, want) {
			s.T.Errorf("%s is missing in %s", want, schema)
		}
	}
	if strings.Contains(schema, "colour") {
		s.T.Error("a property that nobody declared is in the schema")
	}
}

func sameJSON(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// personiumControl looks at control objects in a snapshot of cellar's own.
func personiumControl(t *testing.T, parts map[string]string) {
	for file, want := range map[string][]string{
		"accounts": {
			`"key":"alice"`, `"HashAlgorithm":"scrypt"`, `"IPAddressRange":"192.0.2.0/24,198.51.100.7"`, `"key":"carol"`, `"HashedCredential"`,
		},
		"boxes":     {`{"name":"app","schema":"https://app.example/"}`, `{"name":"empty","schema":""}`},
		"roles":     {`"box":"app","created"`, `"key":"reader"`, `"key":"admin"`},
		"relations": {`"key":"friend"`, `"key":"+:member"`},
		"extcells":  {`"key":"https://other.example/"`, `"key":"personium-localunit:neighbour:/"`},
		"extroles":  {`"key":"https://other.example/__role/__/staff friend"`, `"_Relation.Name":"+:member"`},
		"rules":     {`"key":"on-mail"`, `"TargetUrl":"personium-localbox:/svc/run"`, `"EventExternal":true`},
		"links":     {`"from":{"box":"","key":"alice","set":"Account"},"to":{"box":"","key":"admin","set":"Role"}`, `"set":"ReceivedMessage"`},

		"sentmessages":     {`"Title":"hello"`, `"RequestType":"role.add"`},
		"receivedmessages": {`"Status":"read"`, `"Status":"unread"`},
	} {
		text, ok := parts["10_control/"+file+".ndjson"]
		if !ok {
			t.Errorf("no %s", file)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s is missing in %s:\n%s", w, file, text)
			}
		}
		if strings.Contains(text, "_Box.Name") {
			t.Errorf("%s names the box twice:\n%s", file, text)
		}
	}
	if n := strings.Count(parts["10_control/links.ndjson"], "\n"); n != 7 {
		t.Errorf("%d links, want 7", n)
	}
	for _, line := range strings.Split(parts["10_control/accounts.ndjson"], "\n") {
		var account struct {
			Key    string
			Doc    json.RawMessage
			Hidden json.RawMessage
		}
		if line == "" {
			continue
		}
		if err := json.Unmarshal([]byte(line), &account); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(account.Doc, []byte("Hash")) || (account.Key == "carol") != (account.Hidden == nil) {
			t.Errorf("account %s shows %s, hides %s", account.Key, account.Doc, account.Hidden)
		}
	}
}

func personiumNodes(t *testing.T, nodes string) {
	find := func(path string) string {
		i := strings.Index(nodes, `{"path":"`+path+`",`)
		if i < 0 {
			t.Errorf("%s is missing", path)
			return ""
		}
		line, _, _ := strings.Cut(nodes[i:], "\n")
		return line
	}
	for path, want := range map[string][]string{
		"": {`"acl":{"aces":[{"role":{"name":"admin"},"privileges":[{"ns":"urn:x-personium:xmlns","name":"root"}]},{"privileges":[`, `"name":"colour"`, `blue \u0026amp; green`},
		"app": {
			`"requireSchemaAuthz":"public"`, `"role":{"box":"app","name":"reader"}`, `{"ns":"DAV:","name":"read"},{"ns":"urn:x-personium:xmlns","name":"exec"}`, `"schema":"https://app.example/"`,
		},
		"app/docs":             {`"kind":"collection"`, `"requireSchemaAuthz":"none"`},
		"app/svc":              {`"kind":"service"`, `run.js`},
		"app/stream":           {`"kind":"collection"`},
		"app/db":               {`"kind":"odata"`},
		"__/notes":             {`"kind":"odata"`},
		"app/untyped.bin":      {`"type":"application/octet-stream","size":1`},
		"app/docs/a+b%20c.txt": {`"version":2}`, `"sha256":"`},
		"__/welcome.txt":       {`"acl":{"aces":[{"privileges":[{"ns":"DAV:","name":"read"}]}]}`},
	} {
		line := find(path)
		for _, w := range want {
			if !strings.Contains(line, w) {
				t.Errorf("%s is missing in\n%s", w, line)
			}
		}
	}
}

// TestImportPersoniumETag: files keep the entity tags they had.
func TestImportPersoniumETag(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	c := personiumtest.New("cell")
	f := c.MainBox().Root().AddFile("f", "text/plain", []byte("1"))
	f.Update("text/plain", []byte("2")).Update("text/plain", []byte("3"))
	importZip(s, "cell1", c.Bytes()).Value("status").IsEqual("ready")
	s.Request("GET", "/cell1/__/f").Expect().Header("ETag").IsEqual(f.ETag())
	etag := s.Put("/cell1/__/f", "4").Header("ETag").Raw()
	if etag == f.ETag() {
		t.Errorf("a new content has the tag %s of the old", etag)
	}
}

// TestImportPersoniumDefaults: a property that was declared when entities were there
// already is null in those, whatever its default is.
func TestImportPersoniumDefaults(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	c := personiumtest.New("cell")
	set := c.MainBox().Root().AddOData("db").AddEntityType("T")
	set.AddProperty("n", "Edm.Int32").Default("7")
	set.Add(map[string]any{"__id": "old", "text": "a<b>&c / d"})
	set.AddProperty("late", "Edm.Int32").Default("100")
	set.Add(map[string]any{"__id": "new"})
	importZip(s, "cell1", c.Bytes()).Value("status").IsEqual("ready")
	old := s.Request("GET", "/cell1/__/db/T('old')").Expect().JSON().Path("$.d.results").Object()
	old.Value("n").IsEqual(7)
	old.Value("late").IsNull()
	s.Request("GET", "/cell1/__/db/T('new')").Expect().JSON().Path("$.d.results.late").IsEqual(100)
	if text := s.Get("/cell1/__/db/T/old.json"); !strings.Contains(text, `"a<b>&c / d"`) {
		t.Errorf("the document is %s", text)
	}
}

// TestImportPersoniumDeep: complex values lie in each other as deep as Personium has
// them, and no deeper; a null for a list of an ACL is an empty one.
func TestImportPersoniumDeep(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	s := davtest.New(t)
	for depth, want := range map[int]string{3: "ready", 4: "import failed"} {
		c := personiumtest.New("cell")
		c.MainBox().Root().SetMeta("a", personiumtest.Raw(`{"D.ace":null}`))
		db := c.MainBox().Root().AddOData("db")
		value, typ := any("innermost"), "Edm.String"
		for i := range depth {
			complexType := db.AddComplexType("C" + strconv.Itoa(i))
			complexType.AddProperty("p", typ)
			value, typ = map[string]any{"p": value}, "C"+strconv.Itoa(i)
		}
		set := db.AddEntityType("T")
		set.AddProperty("p", typ)
		set.Add(map[string]any{"__id": "1", "p": value})
		if state := importZip(s, "cell1", c.Bytes()).Raw(); state["status"] != want {
			t.Errorf("%d levels: %v, want %s", depth, state, want)
		}
	}
}

// TestImportPersoniumRefused sends damaged ones: what lacks a part is refused at once,
// all else ends as failed and leaves the cell as it was.
func TestImportPersoniumRefused(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	s := davtest.New(t)
	s.Put("/cell1/__/kept", "kept")
	before := export(s, "cell1", "before")
	good := personiumtest.Sample().Entries()
	var lists []string
	for _, e := range good {
		if strings.HasPrefix(e.Name, "10_odata/") && e.Name != "10_odata/" {
			lists = append(lists, e.Name)
		}
	}
	if len(lists) != 17 {
		t.Fatalf("%d files in 10_odata, want 17", len(lists))
	}
	for _, name := range append(lists, "20_webdav/") {
		r := s.Request("POST", "/cell1/__import").WithHeader("Content-Type", "application/zip").WithBytes(good.Without(name).Bytes()).Expect()
		davtest.Error(r, "PR400-MC-0001")
		r.JSON().Path("$.message.value").IsEqual("[" + strings.TrimSuffix(name, "/") + "] does not exist in the snapshot file.")
	}
	failing := map[string]personiumtest.Entries{}
	for _, name := range lists {
		failing["broken line in "+name] = good.Replace(name, `"_type":"`, `"_type":`)
		failing["another type in "+name] = good.Replace(name, `"_type":"`, `"_type":"X`)
		if name != "10_odata/00_cell.json" {
			failing["empty line in "+name] = good.With(name, append([]byte("\n"), dataOf(t, good, name)...))
			failing["twice in "+name] = good.With(name, append(dataOf(t, good, name), dataOf(t, good, name)...))
		}
	}
	const meta = "20_webdav/__/welcome.txt/.pmeta"
	for name, entries := range map[string]personiumtest.Entries{
		"no .pmeta":           good.Without(meta),
		".pmeta no JSON":      good.Replace(meta, "{", "["),
		"unknown kind":        good.Replace(meta, "dav.file", "dav.device"),
		"a file is none":      good.Replace(meta, "dav.file", "col.webdav"),
		"length":              good.Replace(meta, `"cl":8`, `"cl":9`),
		"time":                good.Replace(meta, `"u":1`, `"u":999999`),
		"version":             good.Replace(meta, `"v":`, `"v":-`),
		"ACL":                 good.Replace(meta, `"a":{`, `"a":{"D.ace":7},"x":{`),
		"ACL for nobody":      good.Replace(meta, "D.all", "D.some"),
		"privilege":           good.Replace(meta, "D.read", "x.read"),
		"property":            good.Replace("20_webdav/.pmeta", "<s:colour", "<s:color"),
		"property's name":     good.Replace("20_webdav/.pmeta", "colour@https", "colour#https"),
		"no content":          good.Without("20_webdav/__/welcome.txt/content"),
		"other file":          good.With("20_webdav/__/welcome.txt/other", []byte("x")),
		"file in a file":      good.With("20_webdav/__/welcome.txt/x/.pmeta", dataOf(t, good, meta)).With("20_webdav/__/welcome.txt/x/content", []byte("12345678")),
		"slip":                good.With("20_webdav/__/../../x/.pmeta", dataOf(t, good, meta)).With("20_webdav/__/../../x/content", []byte("12345678")),
		"absolute":            good.With("20_webdav//etc/.pmeta", dataOf(t, good, meta)).With("20_webdav//etc/content", []byte("12345678")),
		"two slashes":         good.With("20_webdav/__//.pmeta", dataOf(t, good, meta)),
		"junk after a slash":  good.With("20_webdav//.pmeta", []byte("junk")),
		"unknown box":         good.With("20_webdav/AAAAAAAAAAAAAAAAAAAAAA/.pmeta", dataOf(t, good, meta)),
		"box name":            good.Replace("10_odata/10_box.pjson", `"Name":"empty"`, `"Name":"__empty"`),
		"box of a role":       good.Replace("10_odata/20_role.pjson", `"Box":"`, `"Box":"X`),
		"relation":            good.Replace("10_odata/30_extrole.pjson", `"Relation":"`, `"Relation":"X`),
		"end of a link":       good.Replace("10_odata/80_link.pjson", `"k1":"`, `"k1":"X`),
		"type of a link":      good.Replace("10_odata/80_link.pjson", `"t1":"Account"`, `"t1":"Rule"`),
		"collection":          good.Replace("10_odata/40_entitytype.pjson", `"n":"`, `"n":"X`),
		"type of a property":  good.Replace("10_odata/50_property.pjson", `"EntityType":"`, `"EntityType":"X`),
		"complex type":        good.Replace("10_odata/51_complextypeproperty.pjson", `"ComplexType":"`, `"ComplexType":"X`),
		"unknown EDM type":    good.Replace("10_odata/50_property.pjson", "Edm.Int32", "Edm.Int33"),
		"end of no type":      good.Replace("10_odata/60_associationend.pjson", `"EntityType":"`, `"EntityType":"X`),
		"type of a document":  good.Replace("10_odata/70_userdata.pjson", `"t":"`, `"t":"X`),
		"link of a document":  good.Replace("10_odata/70_userdata.pjson", `"ll":["`, `"ll":["X`),
		"document without id": good.Replace("10_odata/70_userdata.pjson", `"__id":"book1"`, `"__ID":"book1"`),
	} {
		failing[name] = entries
	}
	for name, entries := range failing {
		state := importZip(s, "cell1", entries.Bytes())
		if got := state.Value("status").String().Raw(); got != "import failed" {
			t.Errorf("%s: %s", name, got)
			continue
		}
		state.Value("message").Object().Value("code").IsEqual("PR400-MC-0005")
	}
	sameSnapshots(t, export(s, "cell1", "after"), before)
	if _, err := s.FS.Sweep(t.Context(), 0); err != nil {
		t.Error(err)
	}
	importZip(s, "cell1", good.Bytes()).Value("status").IsEqual("ready")
}

func dataOf(t *testing.T, all personiumtest.Entries, name string) []byte {
	t.Helper()
	data, ok := all.Data(name)
	if !ok {
		t.Fatalf("no %s", name)
	}
	return slices.Clone(data)
}

// TestImportPersoniumLarge imports more than fits in one transaction.
func TestImportPersoniumLarge(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	s := davtest.New(t)
	c := personiumtest.New("cell")
	root := c.MainBox().Root()
	for i := range 1500 {
		root.AddCollection(strconv.Itoa(i)).AddFile("f", "text/plain", []byte(strconv.Itoa(i)))
	}
	root.AddFile("large", "text/plain", bytes.Repeat([]byte("x"), cellfs.MaxInline+1))
	set, other := root.AddOData("db").AddEntityType("T"), root.AddOData("db2").AddEntityType("T")
	for i := range 2500 {
		set.Add(map[string]any{"__id": strconv.Itoa(i), "n": strconv.Itoa(i)})
	}
	other.Add(map[string]any{"__id": "1", "n": "other"})
	importZip(s, "cell1", c.Bytes()).Value("status").IsEqual("ready")
	s.WantGet("/cell1/__/1499/f", "1499")
	s.Request("GET", "/cell1/__/db/T('2499')").Expect().JSON().Path("$.d.results.n").IsEqual("2499")
	s.Request("GET", "/cell1/__/db2/T('1')").Expect().JSON().Path("$.d.results.n").IsEqual("other")
	z := export(s, "cell1", "s")
	if r, err := zip.NewReader(bytes.NewReader(z), int64(len(z))); err != nil || len(r.File) < 3000 {
		t.Errorf("%v", err)
	}
}
