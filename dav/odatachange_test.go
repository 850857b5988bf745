package dav_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/dav/davtest"
)

// withLibrary starts a server with the bar of [library], and returns the path of its collection.
func withLibrary(t *testing.T) (*davtest.Server, string) {
	t.Helper()
	s := davtest.New(t)
	s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(library(t)).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/app").Value("status").IsEqual("ready")
	return s, "/cell1/app/d/lib"
}

// TestEntities: entities are made, replaced, merged and deleted, as documents of the tree (contract 1.17).
func TestEntities(t *testing.T) {
	t.Parallel()
	s, col := withLibrary(t)
	send := func(method, path string, body any) *httpexpect.Response {
		r := s.Request(method, col+path)
		if body != nil {
			r = r.WithJSON(body)
		}
		return r.Expect()
	}
	get := func(path string) *httpexpect.Object {
		t.Helper()
		return send("GET", path, nil).Status(http.StatusOK).JSON().Path("$.d.results").Object()
	}
	type object map[string]any

	made := send("POST", "/Book", object{"__id": "new", "title": "T", "size": object{"pages": 1}, "more": 2}).Status(http.StatusCreated)
	made.Header("Location").IsEqual(s.URL + col + "/Book('new')")
	b := made.JSON().Path("$.d.results").Object()
	b.Value("lent").IsEqual(false) // a default
	b.Value("size").IsEqual(object{"pages": 1, "unit": "page"})
	b.Value("more").IsEqual(2)
	tag := made.Header("ETag").IsEqual(b.Value("__metadata").Object().Value("etag").String().Raw()).Raw()
	get("/Book('new')").IsEqual(b.Raw())
	s.Request("GET", col+"/Book/new.json").Expect().Status(http.StatusOK).JSON().Object().Value("title").IsEqual("T") // as a file
	// Without an __id it gets one.
	id := send("POST", "/Author", object{}).Status(http.StatusCreated).JSON().Path("$.d.results.__id").String().Raw()
	if len(id) != 32 {
		t.Errorf("__id %q", id)
	}
	get("/Author('" + id + "')")

	for name, c := range map[string]struct {
		method, path string
		body         any
		code         string
	}{
		"exists":            {"POST", "/Book", object{"__id": "new", "title": "T"}, "PR409-OD-0003"},
		"no set":            {"POST", "/Nope", object{}, "PR404-OD-0001"},
		"no object":         {"POST", "/Book", []int{1}, "PR400-OD-0001"},
		"bad id":            {"POST", "/Book", object{"__id": "-x", "title": "T"}, "PR400-OD-0006"},
		"id of a number":    {"POST", "/Book", object{"__id": 1, "title": "T"}, "PR400-OD-0006"},
		"required":          {"POST", "/Book", object{"__id": "x"}, "PR400-OD-0009"},
		"wrong type":        {"POST", "/Book", object{"title": 1}, "PR400-OD-0006"},
		"wrong inside":      {"POST", "/Book", object{"title": "T", "size": object{"pages": "x"}}, "PR400-OD-0006"},
		"no list":           {"POST", "/Book", object{"title": "T", "tags": "x"}, "PR400-OD-0006"},
		"a dynamic list":    {"POST", "/Book", object{"title": "T", "more": []int{1}}, "PR400-OD-0006"},
		"not there, PUT":    {"PUT", "/Book('none')", object{"title": "T"}, "PR404-OD-0002"},
		"not there, MERGE":  {"MERGE", "/Book('none')", object{"title": "T"}, "PR404-OD-0002"},
		"not there, DELETE": {"DELETE", "/Book('none')", nil, "PR404-OD-0002"},
		"another id":        {"PUT", "/Book('new')", object{"__id": "other", "title": "T"}, "PR400-OD-0006"},
		"PUT, required":     {"PUT", "/Book('new')", object{}, "PR400-OD-0009"},
		"POST with a key":   {"POST", "/Book('new')", object{}, "PR405-MC-0001"},
		"PUT of a set":      {"MERGE", "/Book", object{}, "PR405-MC-0001"},
		"the collection":    {"POST", "/", object{}, "PR405-MC-0001"},
	} {
		t.Run(name, func(t *testing.T) { unchanged(t, s, func() { davtest.Error(send(c.method, c.path, c.body), c.code) }) })
	}

	// MERGE keeps what is not given, PUT does not.
	merged := s.Request("MERGE", col+"/Book('new')").WithHeader("If-Match", tag).WithJSON(object{"note": "n", "more": nil}).Expect().Status(http.StatusNoContent)
	now := merged.Header("ETag").NotEqual(tag).Raw()
	b = get("/Book('new')")
	b.Value("title").IsEqual("T")
	b.Value("note").IsEqual("n")
	b.Value("__metadata").Object().Value("etag").IsEqual(now)
	for _, method := range []string{"MERGE", "PUT", "DELETE"} {
		davtest.Error(s.Request(method, col+"/Book('new')").WithHeader("If-Match", tag).WithJSON(object{"title": "lost"}).Expect(), "PR412-OD-0002")
	}
	s.Request("PUT", col+"/Book('new')").WithHeader("If-Match", now).WithJSON(object{"title": "U"}).Expect().Status(http.StatusNoContent)
	b = get("/Book('new')")
	b.Value("note").IsNull()
	b.Value("lent").IsEqual(false)
	b.NotContainsKey("more")

	// An id that is no name, made by a bar.
	odd := entityURL("Book", oddID)
	s.Request("MERGE", col+odd).WithJSON(object{"note": "changed"}).Expect().Status(http.StatusNoContent)
	get(odd).Value("note").IsEqual("changed")
	s.Request("DELETE", col+odd).Expect().Status(http.StatusNoContent)
	davtest.Error(s.Request("GET", col+odd).Expect(), "PR404-OD-0002")

	log := s.Get("/cell1/__log/current/default.log")
	for _, want := range []string{"odata.create", "odata.patch", "odata.update", "odata.delete", "/cell1/app/d/lib/Book('new')"} {
		if !strings.Contains(log, want) {
			t.Errorf("%s is not in the log", want)
		}
	}
	if strings.Count(log, "odata.") != 6 {
		t.Errorf("refusals are in the log:\n%s", log)
	}
	s.Export("cell1", "all")
	s.Request("POST", "/cell1/__import").WithJSON(object{"Name": "all"}).Expect().Status(http.StatusAccepted)
	s.Request("GET", "/cell1/__import").WithHeader("Prefer", "wait=60").Expect().JSON().Object().Value("status").IsEqual("ready")
	get("/Book('new')").Value("title").IsEqual("U")
}

// TestEntityLinks: links are made and removed as the associations allow, from either side.
func TestEntityLinks(t *testing.T) {
	t.Parallel()
	s, col := withLibrary(t)
	uri := func(of string) map[string]string { return map[string]string{"uri": s.URL + col + of} }
	link := func(path, to string) *httpexpect.Response {
		return s.Request("POST", col+path).WithJSON(uri(to)).Expect()
	}
	linked := func(path string) (all []string) {
		t.Helper()
		for _, v := range s.Request("GET", col+path).Expect().Status(http.StatusOK).JSON().Path("$.d.results[*].__id").Array().Iter() {
			all = append(all, v.String().Raw())
		}
		return all
	}
	want := func(path string, ids ...string) {
		t.Helper()
		if got := linked(path); fmt.Sprint(got) != fmt.Sprint(ids) {
			t.Errorf("%s: %v, want %v", path, got, ids)
		}
	}
	link("/Book('n00')/$links/_Author", "/Author('a3')").Status(http.StatusNoContent)
	want("/Author('a3')/_Book", "n00")
	davtest.Error(link("/Author('a3')/$links/_Book", "/Book('n00')"), "PR409-OD-0002")
	davtest.Error(link("/Book('b1')/$links/_Shelf", "/Shelf('s')"), "PR409-OD-0002") // it stands on one
	link("/Shelf('s')/$links/_Book", "/Book('n00')").Status(http.StatusNoContent)
	want("/Shelf('s')/_Book", "b1", "n00")
	s.Request("POST", col+"/Book('n00')/_Author").WithJSON(map[string]any{"__id": "a4"}).Expect().Status(http.StatusCreated)
	want("/Book('n00')/_Author", "a3", "a4")
	davtest.Error(s.Request("POST", col+"/Book('none')/_Author").WithJSON(map[string]any{"__id": "a5"}).Expect(), "PR404-OD-0002")
	davtest.Error(s.Request("GET", col+"/Author('a5')").Expect(), "PR404-OD-0002")

	davtest.Error(link("/Book('none')/$links/_Author", "/Author('a3')"), "PR404-OD-0002")
	davtest.Error(link("/Book('n01')/$links/_Author", "/Author('none')"), "PR400-OD-0006")
	davtest.Error(link("/Book('n01')/$links/_Author", "/Book('n00')"), "PR400-OD-0006")
	davtest.Error(link("/Book('n01')/$links/_Author", "/../../../other/lib/Author('a3')"), "PR400-OD-0006")
	davtest.Error(link("/Book('n01')/$links/_Nope", "/Nope('a3')"), "PR404-OD-0003")
	davtest.Error(link("/Author('a3')/$links/_Shelf", "/Shelf('s')"), "PR404-OD-0003")
	davtest.Error(s.Request("POST", col+"/Book('n01')/$links/_Author").WithJSON(map[string]any{}).Expect(), "PR400-OD-0009")

	s.Request("DELETE", col+"/Author('a3')/$links/_Book('n00')").Expect().Status(http.StatusNoContent)
	want("/Book('n00')/_Author", "a4")
	davtest.Error(s.Request("DELETE", col+"/Author('a3')/$links/_Book('n00')").Expect(), "PR404-OD-0000")
	// Links go with an entity.
	s.Request("DELETE", col+"/Book('n00')").Expect().Status(http.StatusNoContent)
	want("/Author('a4')/_Book")
	want("/Shelf('s')/_Book", "b1")
}

// TestEntityRaces: of changes with one entity tag exactly one is made, and of many creations with one
// id, too; nothing is lost without tags.
func TestEntityRaces(t *testing.T) {
	t.Parallel()
	s, col := withLibrary(t)
	tag := s.Request("GET", col+"/Book('b1')").Expect().Header("ETag").Raw()
	var merged, created atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if s.Request("MERGE", col+"/Book('b1')").WithHeader("If-Match", tag).WithJSON(map[string]any{"note": fmt.Sprint(i)}).Expect().Raw().StatusCode == http.StatusNoContent {
				merged.Add(1)
			}
			if s.Request("POST", col+"/Book").WithJSON(map[string]any{"__id": "one", "title": fmt.Sprint(i)}).Expect().Raw().StatusCode == http.StatusCreated {
				created.Add(1)
			}
			s.Request("MERGE", col+"/Author('a1')").WithJSON(map[string]any{fmt.Sprint("p", i): i}).Expect().Status(http.StatusNoContent)
		})
	}
	all.Wait()
	if merged.Load() != 1 || created.Load() != 1 {
		t.Errorf("%d merges and %d creations, want one of each", merged.Load(), created.Load())
	}
	a1 := s.Request("GET", col+"/Author('a1')").Expect().JSON().Path("$.d.results").Object()
	for i := range 8 {
		a1.Value(fmt.Sprint("p", i)).IsEqual(i)
	}
}

// TestEntityPrivileges: changes need D:write at the collection, and locks count.
func TestEntityPrivileges(t *testing.T) {
	t.Parallel()
	s, col := withLibrary(t)
	s.Account("cell1", "me", "r")
	body := map[string]any{"title": "T"}
	s.SetACL(col, davtest.ACE{Role: "r", Privileges: "D:read D:bind D:write-content"})
	davtest.Error(s.As("me", "POST", col+"/Book").WithJSON(body).Expect(), "PR403-AU-0002")
	davtest.Error(s.Anonymous().POST(col+"/Book").WithJSON(body).Expect(), "PR401-AU-0001")
	s.SetACL(col, davtest.ACE{Role: "r", Privileges: "D:read D:write"})
	s.As("me", "POST", col+"/Book").WithJSON(body).Expect().Status(http.StatusCreated)
	token := s.Request("LOCK", col).WithText(`<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>`).
		Expect().Status(http.StatusOK).Header("Lock-Token").Raw()
	davtest.Error(s.Request("MERGE", col+"/Book('b1')").WithJSON(body).Expect(), "PR423-DV-0001")
	s.Request("MERGE", col+"/Book('b1')").WithHeader("If", "<"+s.URL+col+"> ("+token+")").WithJSON(body).Expect().Status(http.StatusNoContent)
}
