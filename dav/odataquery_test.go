package dav_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cellar/barfs/bartest"
	"cellar/dav/davtest"
)

// sample is an entity of the random sets below.
type sample map[string]any

// node is a filter as a test evaluates it: naively, in memory.
type node struct {
	text  string
	holds func(sample) bool
}

var texts = []string{"", "a", "ab", "abc", "b", "Äpfel", "it's", "zz", "a b"}

// literal is a random value of a property, and as a literal.
func literal(r *rand.Rand, property string) (any, string) {
	switch property {
	case "s", "free":
		t := texts[r.IntN(len(texts))]
		return t, "'" + strings.ReplaceAll(t, "'", "''") + "'"
	case "i":
		n := r.IntN(9) - 4
		return float64(n), fmt.Sprint(n)
	case "d":
		n := float64(r.IntN(9)-4) / 2
		return n, fmt.Sprint(n)
	case "t":
		day := r.IntN(5)
		at := time.Date(2020, 1, 1+day, 0, 0, 0, 0, time.UTC)
		return float64(at.UnixMilli()), "datetime'" + at.Format("2006-01-02T15:04:05") + "'"
	}
	v := r.IntN(2) == 0
	return v, fmt.Sprint(v)
}

// shown is a value as JSON has it.
func shownValue(property string, v any) any {
	if ms, ok := v.(float64); ok && property == "t" {
		return fmt.Sprintf("/Date(%d)/", int64(ms))
	}
	return v
}

var sampleProperties = []string{"s", "i", "d", "t", "b", "free"}

// randomFilter is a filter of at most so many levels.
func randomFilter(r *rand.Rand, depth int) node {
	if depth > 0 {
		switch r.IntN(5) {
		case 0:
			a, b := randomFilter(r, depth-1), randomFilter(r, depth-1)
			return node{"(" + a.text + " and " + b.text + ")", func(s sample) bool { return a.holds(s) && b.holds(s) }}
		case 1:
			a, b := randomFilter(r, depth-1), randomFilter(r, depth-1)
			return node{"(" + a.text + " or " + b.text + ")", func(s sample) bool { return a.holds(s) || b.holds(s) }}
		case 2:
			a := randomFilter(r, depth-1)
			return node{"not (" + a.text + ")", func(s sample) bool { return !a.holds(s) }}
		}
	}
	p := sampleProperties[r.IntN(len(sampleProperties))]
	v, text := literal(r, p)
	switch r.IntN(6) {
	case 0:
		is := r.IntN(2) == 0
		return node{p + map[bool]string{true: " eq null", false: " ne null"}[is], func(s sample) bool { return (s[p] == nil) == is }}
	case 1:
		if want, ok := v.(string); ok {
			return node{"startswith(" + p + "," + text + ")", func(s sample) bool { got, ok := s[p].(string); return ok && strings.HasPrefix(got, want) }}
		}
	case 2:
		if want, ok := v.(string); ok {
			return node{"substringof(" + text + "," + p + ")", func(s sample) bool { got, ok := s[p].(string); return ok && strings.Contains(got, want) }}
		}
	}
	ops := []string{"eq", "ne", "lt", "le", "gt", "ge"}
	if _, isBool := v.(bool); isBool {
		ops = ops[:2]
	}
	op := ops[r.IntN(len(ops))]
	return node{p + " " + op + " " + text, func(s sample) bool { return naive(s[p], op, v) }}
}

// naive compares as the contract says: what is null, or of another type, is only not equal.
func naive(got any, op string, want any) bool {
	order, same := 0, false
	switch want := want.(type) {
	case string:
		if g, ok := got.(string); ok {
			order, same = strings.Compare(g, want), true
		}
	case float64:
		if g, ok := got.(float64); ok {
			same = true
			if g < want {
				order = -1
			} else if g > want {
				order = 1
			}
		}
	case bool:
		if g, ok := got.(bool); ok {
			same = true
			if g != want {
				order = 1
			}
		}
	}
	if !same {
		return op == "ne"
	}
	return map[string]bool{"eq": order == 0, "ne": order != 0, "lt": order < 0, "le": order <= 0, "gt": order > 0, "ge": order >= 0}[op]
}

// naiveOrder orders by a property: null first.
func naiveOrder(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	switch x := a.(type) {
	case string:
		return strings.Compare(x, b.(string))
	case float64:
		switch y := b.(float64); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
	}
	return 0
}

const sampleSchema = `<Schema xmlns="http://schemas.microsoft.com/ado/2006/04/edm" Namespace="UserData"><EntityType Name="E"><Property Name="s" Type="Edm.String"/>
<Property Name="i" Type="Edm.Int32"/><Property Name="d" Type="Edm.Double"/><Property Name="t" Type="Edm.DateTime"/><Property Name="b" Type="Edm.Boolean"/></EntityType></Schema>`

// samples are random entities, and a bar with them.
func samples(r *rand.Rand, n int) (all []sample, bar []byte) {
	b := bartest.New("").OData("col").Entry("90_contents/col/00_$metadata.xml", sampleSchema)
	for i := range n {
		e := sample{"__id": fmt.Sprintf("e%06d", i)}
		doc := sample{"__id": e["__id"]}
		for _, p := range sampleProperties {
			if r.IntN(4) == 0 {
				continue // null
			}
			e[p], _ = literal(r, p)
			doc[p] = shownValue(p, e[p])
		}
		text, _ := json.Marshal(doc)
		b.Entry(fmt.Sprintf("90_contents/col/90_data/E/%d.json", i+1), string(text))
		all = append(all, e)
	}
	return all, b.Bytes()
}

// TestQueriesOfUserData asks random queries and compares with a naive evaluation in memory. With
// CELLAR_SOAK it does so for ten minutes.
func TestQueriesOfUserData(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	s := davtest.New(t)
	all, bar := samples(r, 200)
	s.Request("MKCOL", "/cell1/b").WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/b").Value("status").IsEqual("ready")
	rounds, end := 150, time.Time{}
	if os.Getenv("CELLAR_SOAK") != "" {
		end = time.Now().Add(10 * time.Minute)
	}
	for i := 0; i < rounds || time.Now().Before(end); i++ {
		askRandomly(t, s, r, all, seed)
	}
}

// askRandomly asks one query of the set of samples and compares.
func askRandomly(t *testing.T, s *davtest.Server, r *rand.Rand, all []sample, seed uint64) {
	t.Helper()
	f := randomFilter(r, 3)
	order := append([]string{"__id"}, sampleProperties...)[r.IntN(5)]
	down, filtered, counted := r.IntN(2) == 0, r.IntN(8) > 0, r.IntN(3) > 0
	top, skip := r.IntN(30), r.IntN(20)
	var want []sample
	for _, e := range all {
		if !filtered || f.holds(e) {
			want = append(want, e)
		}
	}
	total := len(want)
	slices.SortStableFunc(want, func(a, b sample) int {
		c := naiveOrder(a[order], b[order])
		if down {
			c = -c
		}
		return c
	})
	want = want[min(skip, len(want)):]
	want = want[:min(top, len(want))]
	q := s.Request("GET", "/cell1/b/col/E").WithQuery("$orderby", order+map[bool]string{true: " desc", false: " asc"}[down]).
		WithQuery("$top", top).WithQuery("$skip", skip).WithQuery("$select", "__id")
	if filtered {
		q = q.WithQuery("$filter", f.text)
	}
	if counted {
		q = q.WithQuery("$inlinecount", "allpages")
	}
	d := q.Expect().Status(http.StatusOK).JSON().Path("$.d").Object()
	var got, ids []string
	for _, v := range d.Value("results").Array().Iter() {
		got = append(got, v.Object().Value("__id").String().Raw())
	}
	for _, e := range want {
		ids = append(ids, e["__id"].(string))
	}
	if fmt.Sprint(got) != fmt.Sprint(ids) || counted && d.Value("__count").String().Raw() != fmt.Sprint(total) {
		t.Fatalf("seed %d: $filter=%s (%v), by %s, down is %v, top %d, skip %d:\n%v, want\n%v of %d", seed, f.text, filtered, order, down, top, skip, d.Raw(), ids, total)
	}
}

// TestQueryOptionsOfUserData: $select, $expand and q.
func TestQueryOptionsOfUserData(t *testing.T) {
	t.Parallel()
	s, col := withLibrary(t)
	get := func(path string, options ...string) []any {
		t.Helper()
		r := s.Request("GET", col+path)
		for i := 0; i+1 < len(options); i += 2 {
			r = r.WithQuery(options[i], options[i+1])
		}
		return r.Expect().Status(http.StatusOK).JSON().Path("$.d.results").Array().Raw()
	}
	ids := func(list []any) (all []string) {
		for _, e := range list {
			all = append(all, e.(map[string]any)["__id"].(string))
		}
		return all
	}
	one := get("/Book", "$filter", "title eq 'One'", "$expand", "_Author,_Shelf", "$select", "title")[0].(map[string]any)
	if got := fmt.Sprint(ids(one["_Author"].([]any)), ids(one["_Shelf"].([]any))); got != "[a1 a2] [s]" || one["note"] != nil || one["title"] != "One" {
		t.Errorf("expanded %v", one)
	}
	if _, there := one["lent"]; there {
		t.Errorf("$select shows lent: %v", one)
	}
	for path, want := range map[string]string{"/Book('b1')": "a1", "/Book('n00')": ""} {
		e := s.Request("GET", col+path).WithQuery("$expand", "_Author").Expect().Status(http.StatusOK).JSON().Path("$.d.results._Author").Array().Raw()
		if got := ids(e); (len(got) == 0) != (want == "") || len(got) > 0 && got[0] != want {
			t.Errorf("%s leads to %v", path, got)
		}
	}
	if got := ids(get("/Author", "$expand", "_Book", "$top", "2")); fmt.Sprint(got) != "[a1 a2]" {
		t.Errorf("authors %v", got)
	}
	for text, want := range map[string]int{"one": 1, "MANY": 60, "many x": 0, "n01 many": 1, "": 25} {
		if got := get("/Book", "q", text, "$top", "1000"); len(got) != want && text != "" {
			t.Errorf("q=%s finds %d, want %d", text, len(got), want)
		}
	}
	if got := ids(get("/Book", "$filter", "size/pages eq 7 and free gt 1")); fmt.Sprint(got) != "[b1]" {
		t.Errorf("a property within another finds %v", got)
	}
	if got := get("/Book", "$filter", "__id eq 'n07' or __published lt 0"); len(got) != 1 {
		t.Errorf("__id finds %v", got)
	}
}
