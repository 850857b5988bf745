package dav_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/barfs/bartest"
	"cellar/dav/davtest"
)

const librarySchema = `<?xml version="1.0"?><edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"><edmx:DataServices>
<Schema xmlns="http://schemas.microsoft.com/ado/2006/04/edm" Namespace="UserData">
<ComplexType Name="Size"><Property Name="pages" Type="Edm.Int32"/><Property Name="unit" Type="Edm.String" DefaultValue="page"/></ComplexType>
<EntityType Name="Book"><Key><PropertyRef Name="__id"/></Key><Property Name="__id" Type="Edm.String" Nullable="false"/>
<Property Name="title" Type="Edm.String" Nullable="false"/><Property Name="lent" Type="Edm.Boolean" Nullable="false" DefaultValue="false"/>
<Property Name="note" Type="Edm.String"/><Property Name="size" Type="UserData.Size"/><Property Name="tags" Type="Edm.String" CollectionKind="List"/></EntityType>
<EntityType Name="Author"/><EntityType Name="Shelf"/>
<Association Name="written"><End Role="Book:works" Type="UserData.Book" Multiplicity="*"/><End Role="Author:authors" Type="UserData.Author" Multiplicity="*"/></Association>
<Association Name="stands"><End Role="Book:books" Type="UserData.Book" Multiplicity="*"/><End Role="Shelf:shelf" Type="UserData.Shelf" Multiplicity="0..1"/></Association>
</Schema></edmx:DataServices></edmx:Edmx>`

// oddID can be no name in a path: it is too long, and it has a slash, a quote and
// more that URLs treat in their own way.
var oddID = "https://books.example/it's?q=1&x#a%20b " + strings.Repeat("é", 300)

// library is a bar with books, authors and a shelf.
func library(t *testing.T) []byte {
	b := bartest.New("").Meta("10_relations.json", `{"Relations":[{"Name":"reads"}]}`).Meta("20_roles.json", `{"Roles":[{"Name":"reader"}]}`).
		Meta("70_$links.json", `{"Links":[{"FromType":"Relation","FromName":{"Name":"reads"},"ToType":"Role","ToName":{"Name":"reader"}}]}`).Collection("d", "").OData("d/lib").Entry("90_contents/d/lib/00_$metadata.xml", librarySchema).
		Entry("90_contents/d/lib/10_odatarelations.json", `{"Links":[
			{"FromType":"Book","FromId":{"__id":"b1"},"ToType":"Author","ToId":{"__id":"a1"}},
			{"FromType":"Author","FromId":{"__id":"a2"},"ToType":"Book","ToId":{"__id":"b1"}},
			{"FromType":"Book","FromId":{"__id":"b1"},"ToType":"Shelf","ToId":{"__id":"s"}}]}`)
	data := func(set string, docs ...any) {
		for i, doc := range docs {
			text, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			b.Entry(fmt.Sprintf("90_contents/d/lib/90_data/%s/%d.json", set, i+1), string(text))
		}
	}
	type object map[string]any
	books := []any{
		object{"__id": "b1", "title": "One", "size": object{"pages": 7}, "tags": []string{"x", "y"}, "free": 1.5},
		object{"__id": oddID, "title": "Odd", "lent": true, "note": "<&>"},
	}
	for i := range 60 {
		books = append(books, object{"__id": fmt.Sprintf("n%02d", i), "title": "Many"})
	}
	data("Book", books...)
	data("Author", object{"__id": "a1", "name": "First"}, object{"__id": "a2"}, object{"__id": "a3"})
	data("Shelf", object{"__id": "s"})
	return b.Bytes()
}

// entityURL is the URL of an entity below that of its collection.
func entityURL(set, id string) string {
	return "/" + set + "('" + url.PathEscape(strings.ReplaceAll(id, "'", "''")) + "')"
}

// TestOData reads what a bar brought by OData.
func TestOData(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(library(t)).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/app").Value("status").IsEqual("ready")
	const col = "/cell1/app/d/lib"
	get := func(path string) *httpexpect.Object {
		t.Helper()
		r := s.Request("GET", col+path).Expect().Status(http.StatusOK)
		r.Header("DataServiceVersion").IsEqual("2.0")
		return r.JSON().Object().Value("d").Object()
	}
	get("/").Value("EntitySets").Array().ConsistsOf("Book", "Author", "Shelf")
	s.Request("GET", col+"/$metadata").Expect().Status(http.StatusOK).Body().IsEqual(librarySchema)

	t.Run("entity", func(t *testing.T) {
		b1 := get(entityURL("Book", "b1")).Value("results").Object()
		meta := b1.Value("__metadata").Object()
		meta.Value("uri").IsEqual(s.URL + col + "/Book('b1')")
		meta.Value("type").IsEqual("UserData.Book")
		b1.Value("__published").String().Match(`^/Date\([0-9]{13}\)/$`)
		b1.Value("title").IsEqual("One")
		b1.Value("lent").IsEqual(false) // its default
		b1.Value("note").IsNull()
		b1.Value("size").IsEqual(map[string]any{"pages": 7, "unit": "page"})
		b1.Value("tags").IsEqual([]string{"x", "y"})
		b1.Value("free").IsEqual(1.5)
		b1.Value("_Author").Object().Value("__deferred").Object().Value("uri").IsEqual(s.URL + col + "/Book('b1')/_Author")
		b1.ContainsKey("_Shelf")
		get("/Book(__id='b1')").Value("results").IsEqual(b1.Raw())

		odd := get(entityURL("Book", oddID)).Value("results").Object()
		odd.Value("__id").IsEqual(oddID)
		odd.Value("note").IsEqual("<&>")
		odd.Value("size").IsNull()
		uri := strings.TrimPrefix(odd.Value("__metadata").Object().Value("uri").String().Raw(), s.URL+col)
		get(uri).Value("results").Object().Value("title").IsEqual("Odd")

		tag := s.Request("GET", col+"/Book('b1')").Expect().Header("ETag").IsEqual(meta.Value("etag").String().Raw()).Raw()
		s.Request("GET", col+"/Book('b1')").WithHeader("If-None-Match", tag).Expect().Status(http.StatusNotModified).Body().IsEmpty()
		s.Request("HEAD", col+"/Book('b1')").Expect().Status(http.StatusOK).Body().IsEmpty()
		s.Request("GET", col+"/Book/b1.json").Expect().Status(http.StatusOK).JSON().Object().Value("title").IsEqual("One") // as a file
	})
	t.Run("list", func(t *testing.T) {
		ids := func(query string) (all []string) {
			t.Helper()
			d := get("/Book" + query)
			for _, e := range d.Value("results").Array().Iter() {
				all = append(all, e.Object().Value("__id").String().Raw())
			}
			if strings.Contains(query, "allpages") {
				d.Value("__count").IsEqual("62")
			} else {
				d.NotContainsKey("__count")
			}
			return all
		}
		all := ids("?$top=10000&$inlinecount=allpages")
		if len(all) != 62 {
			t.Fatalf("%d books", len(all))
		}
		for query, want := range map[string][]string{
			"": all[:25], "?$skip=60&$inlinecount=allpages": all[60:], "?$top=3&$skip=2": all[2:5], "?$top=0&$inlinecount=allpages": nil,
			"?$skip=100000": nil, "?$inlinecount=none&$top=1": all[:1], "?$format=json&$top=1": all[:1], "/?$top=2": all[:2],
		} {
			if got := ids(query); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%q: %v, want %v", query, got, want)
			}
		}
	})
	t.Run("links", func(t *testing.T) {
		uris := func(path string) []string {
			t.Helper()
			var all []string
			for _, e := range get(path).Value("results").Array().Iter() {
				all = append(all, strings.TrimPrefix(e.Object().Value("uri").String().Raw(), s.URL+col))
			}
			return all
		}
		for path, want := range map[string][]string{
			"/Book('b1')/$links/_Author": {"/Author('a1')", "/Author('a2')"}, "/Author('a2')/$links/_Book": {"/Book('b1')"},
			"/Author('a3')/$links/_Book": nil, "/Book('b1')/$links/_Author?$top=1": {"/Author('a1')"}, "/Book('b1')/$links/_Author?$skip=1": {"/Author('a2')"},
			"/Shelf('s')/$links/_Book": {"/Book('b1')"},
		} {
			if got := uris(path); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %v, want %v", path, got, want)
			}
		}
		get("/Book('b1')/$links/_Shelf").Value("uri").IsEqual(s.URL + col + "/Shelf('s')")
		get("/Book('b1')/_Shelf").Value("results").Object().Value("__id").IsEqual("s")
		get("/Book('b1')/_Author").Value("results").Array().Value(0).Object().Value("name").IsEqual("First")
	})
	t.Run("errors", func(t *testing.T) {
		for path, code := range map[string]string{
			"/Nope": "PR404-OD-0001", "/Nope('x')": "PR404-OD-0001", "/Book('x')": "PR404-OD-0002", entityURL("Book", oddID+"x"): "PR404-OD-0002",
			"/Book('b1')/_Nope": "PR404-OD-0003", "/Book('b1')/$links": "PR404-OD-0003", "/Book('b1')/$links/Author": "PR404-OD-0003", "/Author('a1')/_Shelf": "PR404-OD-0003",
			"/Book('n00')/$links/_Shelf": "PR404-OD-0000", "/Book(1)": "PR400-OD-0004", "/Book('a'b')": "PR400-OD-0004", "/Book()": "PR400-OD-0004",
			"/Book?$top=-1": "PR400-OD-0029", "/Book?$top=10001": "PR400-OD-0029", "/Book?$top=x": "PR400-OD-0036", "/Book?$skip=100001": "PR400-OD-0029",
			"/Book?$inlinecount=some": "PR400-OD-0013", "/Book?$format=atom": "PR400-OD-0005", "/Book?$filter=title%20eq": "PR400-OD-0003", "/Book?$filter=lent%20gt%20true": "PR400-OD-0003", "/Book?$filter=title%20eq%201": "PR400-OD-0003", "/Book?$orderby=tags": "PR400-OD-0015", "/Book?$expand=_Nope": "PR400-OD-0026", "/Book?$other=1": "PR400-OD-0042",
		} {
			davtest.Error(s.Request("GET", col+path).Expect(), code)
		}
		davtest.Error(s.Request("PUT", col+"/Book('b1')").WithText("x").Expect(), "PR400-OD-0001")
		davtest.Error(s.Request("PUT", col+entityURL("Book", oddID)).WithText("x").Expect(), "PR400-OD-0001")
		davtest.Error(s.Request("GET", "/cell1/app/d"+entityURL("Book", oddID)).Expect(), "PR403-DV-0004")
		davtest.Error(s.Request("GET", "/cell1/app/d/Book('b1')").Expect(), "PR404-DV-0001")
		davtest.Error(s.Anonymous().Request("GET", "").WithURL(s.URL+col+entityURL("Book", oddID)).Expect(), "PR401-AU-0001")
	})
	t.Run("files", func(t *testing.T) { // such names are still names of files elsewhere
		s.Put("/cell1/app/d/Book('b1')", "a file")
		s.WantGet("/cell1/app/d/Book('b1')", "a file")
	})
	t.Run("failed", func(t *testing.T) { // what was made of a schema can be read
		bad := bartest.New("").OData("lib").Entry("90_contents/lib/00_$metadata.xml",
			`<Schema Namespace="UserData"><EntityType Name="a"><Property Name="p" Type="Edm.String"/><Property Name="-q" Type="Edm.String"/></EntityType></Schema>`).Bytes()
		s.Request("MKCOL", "/cell1/bad").WithHeader("Content-Type", "application/zip").WithBytes(bad).Expect().Status(http.StatusAccepted)
		s.WaitBox("/cell1/bad").Value("status").IsEqual("installation failed")
		s.Request("GET", "/cell1/bad/lib/$metadata").Expect().Body().Contains(`Name="p"`).NotContains("-q")
		s.Request("GET", "/cell1/bad/lib/a").Expect().JSON().Path("$.d.results").Array().IsEmpty()
	})
}
