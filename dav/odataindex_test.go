package dav_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
	"cellar/dav/davtest"
	"cellar/dav/odata"
)

// setOf is the collection of the entities of the samples.
func setOf(t testing.TB, s *davtest.Server) (set cellfs.Node) {
	t.Helper()
	err := s.FS.View(t.Context(), func(tx cellfs.Tx) (err error) {
		set, err = s.FS.Lookup(tx, cellfstest.Path(t, "/cell1/b/col/E"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func indexesOf(t testing.TB, s *davtest.Server, set int64) (all []cellfs.Index) {
	t.Helper()
	err := s.FS.View(t.Context(), func(tx cellfs.Tx) (err error) {
		all, err = tx.Indexes(set)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestIndexesFollowChanges makes indexes while entities change, and changes entities that are indexed: queries give
// the same as without (a naive evaluation in memory). With CELLAR_SOAK it goes on for ten minutes.
func TestIndexesFollowChanges(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 2))
	s := davtest.New(t)
	all, bar := samples(r, 300)
	s.Request("MKCOL", "/cell1/b").WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/b").Value("status").IsEqual("ready")
	set := setOf(t, s)

	// Each writer has entities of its own; the changes meet the making of the indexes.
	var writers sync.WaitGroup
	const n = 4
	parts := make([][]sample, n)
	for w := range n {
		for i := w; i < len(all); i += n {
			parts[w] = append(parts[w], all[i])
		}
		wr := rand.New(rand.NewPCG(seed, uint64(10+w)))
		writers.Go(func() {
			for i := range 40 {
				parts[w] = changeRandomly(t, s, wr, parts[w], fmt.Sprintf("w%d-%d", w, i))
			}
		})
	}
	for _, p := range []string{"s", "i", "d", "t", "b", "__id", "__updated"} {
		if err := odata.BuildIndex(t.Context(), s.FS, odata.Missing{Set: set.ID, Property: p}); err != nil {
			t.Error(err)
		}
	}
	writers.Wait()
	indexes := indexesOf(t, s, set.ID)
	if len(indexes) != 7 || slices.ContainsFunc(indexes, func(x cellfs.Index) bool { return !x.Complete }) {
		t.Fatalf("indexes %+v", indexes)
	}
	all = slices.Concat(parts...)
	byID := func(a, b sample) int { return strings.Compare(a["__id"].(string), b["__id"].(string)) }
	end := time.Time{}
	if os.Getenv("CELLAR_SOAK") != "" {
		end = time.Now().Add(10 * time.Minute)
	}
	for i := 0; i < 150 || time.Now().Before(end); i++ {
		if i%3 == 0 {
			all = changeRandomly(t, s, r, all, fmt.Sprintf("r%d", i))
		}
		slices.SortFunc(all, byID)
		askRandomly(t, s, r, all, seed)
	}
	// The newest first, as most applications ask.
	s.Request("MERGE", "/cell1/b/col/E('"+all[7]["__id"].(string)+"')").WithJSON(sample{"free": "last"}).Expect().Status(http.StatusNoContent)
	s.Request("GET", "/cell1/b/col/E").WithQuery("$orderby", "__updated desc").WithQuery("$top", 1).Expect().JSON().Path("$.d.results[0].__id").IsEqual(all[7]["__id"])
}

// changeRandomly makes, replaces, merges or removes an entity, alone or in a changeset.
func changeRandomly(t *testing.T, s *davtest.Server, r *rand.Rand, all []sample, id string) []sample {
	t.Helper()
	const set = "/cell1/b/col/E"
	fresh := func() (doc, e sample) {
		doc, e = sample{}, sample{}
		for _, p := range sampleProperties {
			if r.IntN(4) > 0 {
				e[p], _ = literal(r, p)
				doc[p] = shownValue(p, e[p])
			}
		}
		return doc, e
	}
	i := r.IntN(len(all))
	old := all[i]["__id"].(string)
	doc, e := fresh()
	switch r.IntN(4) {
	case 0:
		doc["__id"], e["__id"] = id, id
		s.Request("POST", set).WithJSON(doc).Expect().Status(http.StatusCreated)
		return append(all, e)
	case 1:
		e["__id"] = old
		s.Request("PUT", set+"('"+old+"')").WithJSON(doc).Expect().Status(http.StatusNoContent)
		all[i] = e
	case 2:
		a := batchAnswers(t, sendBatch(s.Request("POST", "/cell1/b/col/$batch"), changeset(one("", "MERGE", "E('"+old+"')", `{"i":3,"s":null}`), one("", "POST", "E", `{"__id":"`+id+`","i":3}`))))
		if len(a[0]) != 2 {
			t.Errorf("%+v", a)
		}
		all[i]["i"], all[i]["s"] = 3.0, nil
		return append(all, sample{"__id": id, "i": 3.0})
	case 3:
		s.Request("DELETE", set+"('"+old+"')").Expect().Status(http.StatusNoContent)
		return slices.Delete(all, i, i+1)
	}
	return all
}

// TestQueriesMakeIndexes: a query of many entities has an index made, which later queries use; the schema decides
// what an index holds.
func TestQueriesMakeIndexes(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	_, bar := samples(rand.New(rand.NewPCG(1, 1)), 1100)
	s.Request("MKCOL", "/cell1/b").WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/b").Value("status").IsEqual("ready")
	set := setOf(t, s)
	ask := func(filter string) {
		s.Request("GET", "/cell1/b/col/E").WithQuery("$filter", filter).Expect().Status(http.StatusOK)
	}
	for _, filter := range []string{"free eq 'a'", "substringof('a',s)", "s ne 'a'", "s eq 'none' or i eq 99", "not (i eq 3)"} {
		ask(filter)
	}
	s.WaitIndexes()
	if all := indexesOf(t, s, set.ID); len(all) != 0 {
		t.Errorf("queries that no index helps made %+v", all)
	}
	ask("s eq 'none' and i eq 99")
	s.WaitIndexes()
	ask("s eq 'none' and i eq 99") // this is found by the first index
	s.WaitIndexes()
	ask("i eq 99 and b eq true")
	s.WaitIndexes()
	var properties []string
	for _, x := range indexesOf(t, s, set.ID) {
		properties = append(properties, x.Property)
		if !x.Complete {
			t.Errorf("%+v is not complete", x)
		}
	}
	if fmt.Sprint(properties) != "[s i]" {
		t.Errorf("indexes by %v", properties)
	}

	// Numbers may become wider, and stay indexed.
	s.Request("MERGE", "/cell1/b/col/$metadata/Property(Name='i',_EntityType.Name='E')").WithJSON(sample{"Type": "Edm.Double"}).Expect().Status(http.StatusNoContent)
	if all := indexesOf(t, s, set.ID); len(all) != 2 {
		t.Errorf("indexes %+v", all)
	}
	// An import makes the tree anew: without indexes.
	s.Export("cell1", "all")
	s.Request("POST", "/cell1/__import").WithJSON(sample{"Name": "all"}).Expect().Status(http.StatusAccepted)
	s.Request("GET", "/cell1/__import").WithHeader("Prefer", "wait=60").Expect().JSON().Object().Value("status").IsEqual("ready")
	if _, err := s.FS.Sweep(t.Context(), -cellfs.SweepGrace); err != nil {
		t.Fatal(err)
	}
	if all := indexesOf(t, s, set.ID); len(all) != 0 {
		t.Errorf("indexes of a collection that is gone: %+v", all)
	}
	s.Request("GET", "/cell1/b/col/E").WithQuery("$filter", "i eq 3").WithQuery("$inlinecount", "allpages").Expect().JSON().Path("$.d.__count").NotEqual("0")

	// Another type of a property: only without entities.
	const data = "/cell1/__/d"
	s.MkOData(data)
	s.Request("POST", data+"/$metadata/EntityType").WithJSON(sample{"Name": "T"}).Expect().Status(http.StatusCreated)
	s.Request("POST", data+"/$metadata/Property").WithJSON(sample{"Name": "p", "_EntityType.Name": "T", "Type": "Edm.String"}).Expect().Status(http.StatusCreated)
	var t2 cellfs.Node
	if err := s.FS.View(t.Context(), func(tx cellfs.Tx) (err error) {
		t2, err = s.FS.Lookup(tx, cellfstest.Path(t, data+"/T"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := odata.BuildIndex(t.Context(), s.FS, odata.Missing{Set: t2.ID, Property: "p"}); err != nil {
		t.Fatal(err)
	}
	if all := indexesOf(t, s, t2.ID); len(all) != 1 || !all[0].Complete {
		t.Errorf("indexes of an empty set: %+v", all)
	}
	s.Request("MERGE", data+"/$metadata/Property(Name='p',_EntityType.Name='T')").WithJSON(sample{"Type": "Edm.DateTime"}).Expect().Status(http.StatusNoContent)
	if all := indexesOf(t, s, t2.ID); len(all) != 0 {
		t.Errorf("an index of texts is one of times: %+v", all)
	}
}

// TestIndexesAreBounded: a set has a bounded number of indexes.
func TestIndexesAreBounded(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	_, bar := samples(rand.New(rand.NewPCG(1, 1)), 3)
	s.Request("MKCOL", "/cell1/b").WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/b").Value("status").IsEqual("ready")
	set := setOf(t, s)
	for i := range odata.MaxIndexes + 1 {
		name := fmt.Sprint("p", i)
		s.Request("POST", "/cell1/b/col/$metadata/Property").WithJSON(sample{"Name": name, "_EntityType.Name": "E", "Type": "Edm.String"}).Expect().Status(http.StatusCreated)
		if err := odata.BuildIndex(t.Context(), s.FS, odata.Missing{Set: set.ID, Property: name}); err != nil {
			t.Fatal(err)
		}
		if got, want := len(indexesOf(t, s, set.ID)), min(i+1, odata.MaxIndexes); got != want {
			t.Fatalf("%d indexes, want %d", got, want)
		}
	}
}

// TestUniqueKeys: no two entities have the same values of a unique key, also when many come at once.
func TestUniqueKeys(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	const col = "/cell1/__/d"
	s.MkOData(col)
	s.Request("POST", col+"/$metadata/EntityType").WithJSON(sample{"Name": "T"}).Expect().Status(http.StatusCreated)
	for _, p := range []string{"a", "b"} {
		s.Request("POST", col+"/$metadata/Property").WithJSON(sample{"Name": p, "_EntityType.Name": "T", "Type": "Edm.String", "UniqueKey": "key"}).Expect().Status(http.StatusCreated)
	}
	s.Request("GET", col+"/$metadata/Property(Name='a',_EntityType.Name='T')").Expect().JSON().Path("$.d.results.UniqueKey").IsEqual("key")
	post := func(doc sample) int { return s.Request("POST", col+"/T").WithJSON(doc).Expect().Raw().StatusCode }
	for _, c := range []struct {
		doc  sample
		want int
	}{
		{sample{"__id": "1", "a": "x", "b": "y"}, 201}, {sample{"__id": "2", "a": "x", "b": "y"}, 409}, {sample{"__id": "2", "a": "xy", "b": ""}, 201},
		{sample{"__id": "3", "a": "x"}, 201}, {sample{"__id": "4", "a": "x"}, 201}, {sample{"__id": "5", "a": "x", "b": strings.Repeat("y", 300)}, 201},
		{sample{"__id": "6", "a": "x", "b": strings.Repeat("y", 301)}, 201},
	} {
		if got := post(c.doc); got != c.want {
			t.Errorf("%v: %d, want %d", c.doc, got, c.want)
		}
	}
	davtest.Error(s.Request("MERGE", col+"/T('3')").WithJSON(sample{"b": "y"}).Expect(), "PR409-OD-0003")
	davtest.Error(s.Request("PUT", col+"/T('3')").WithJSON(sample{"a": "x", "b": "y"}).Expect(), "PR409-OD-0003")
	s.Request("MERGE", col+"/T('1')").WithJSON(sample{"more": 1}).Expect().Status(http.StatusNoContent) // its own value
	a := batchAnswers(t, sendBatch(s.Request("POST", col+"/$batch"), changeset(one("", "POST", "T", `{"a":"n","b":"n"}`), one("", "POST", "T", `{"a":"n","b":"n"}`))))
	if len(a[0]) != 1 || a[0][0].status != http.StatusConflict {
		t.Errorf("%+v", a)
	}
	s.Request("DELETE", col+"/T('1')").Expect().Status(http.StatusNoContent)
	var wg sync.WaitGroup
	made := make(chan int, 8)
	for range 8 {
		wg.Go(func() { made <- post(sample{"a": "x", "b": "y"}) })
	}
	wg.Wait()
	close(made)
	count := 0
	for status := range made {
		if status == http.StatusCreated {
			count++
		}
	}
	if count != 1 {
		t.Errorf("%d of 8 were made", count)
	}
	// A key for what is there already, and for what cannot be one.
	s.Request("POST", col+"/$metadata/Property").WithJSON(sample{"Name": "c", "_EntityType.Name": "T", "Type": "Edm.String"}).Expect().Status(http.StatusCreated)
	davtest.Error(s.Request("MERGE", col+"/$metadata/Property(Name='c',_EntityType.Name='T')").WithJSON(sample{"UniqueKey": "key"}).Expect(), "PR409-OD-0001")
	davtest.Error(s.Request("POST", col+"/$metadata/Property").WithJSON(sample{"Name": "d", "_EntityType.Name": "T", "Type": "Edm.String", "CollectionKind": "List", "UniqueKey": "k"}).Expect(), "PR400-OD-0006")
	// It goes with a bar, and comes back with an import.
	s.Export("cell1", "all")
	s.Request("POST", "/cell1/__import").WithJSON(sample{"Name": "all"}).Expect().Status(http.StatusAccepted)
	s.Request("GET", "/cell1/__import").WithHeader("Prefer", "wait=60").Expect().JSON().Object().Value("status").IsEqual("ready")
	if got := post(sample{"a": "x", "b": "y"}); got != http.StatusConflict {
		t.Errorf("after an import: %d", got)
	}
}

// BenchmarkQuery asks for a few of 100,000 entities: by properties that are indexed, and not.
func BenchmarkQuery(b *testing.B) {
	s := davtest.New(b, davtest.Config{NoCheck: true})
	send := client(b, s)
	const n = 100_000
	_, bar := samples(rand.New(rand.NewPCG(1, 1)), 10)
	s.Request("MKCOL", "/cell1/b").WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/b").Value("status").IsEqual("ready")
	for i := 0; i < n; i += 1000 {
		var all []string
		for j := range 1000 {
			all = append(all, one("", "POST", "E", fmt.Sprintf(`{"s":"text %d","i":%d,"free":%d}`, (i+j)/10, i+j, i+j)))
		}
		sendBatch(s.Request("POST", "/cell1/b/col/$batch"), changeset(all...)).Status(http.StatusAccepted)
	}
	for _, c := range []struct{ name, option, query string }{
		{"unindexed", "$filter", "free eq 500"}, {"eq", "$filter", "s eq 'text 77'"}, {"range", "$filter", "i ge 500 and i lt 600"},
		{"startswith", "$filter", "startswith(s,'text 12')"}, {"order", "$orderby", "i desc"}, {"newest", "$orderby", "__updated desc"},
	} {
		ask := func() { send("GET", "/cell1/b/col/E?"+url.Values{c.option: {c.query}}.Encode(), nil) }
		ask()
		s.WaitIndexes()
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				ask()
			}
		})
	}
}
