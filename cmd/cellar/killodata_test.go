package main_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestKillEntities kills the server while entities, links and properties are made, one by one and by
// changesets, and finds all that was acknowledged, each entity and changeset whole, and the store sound.
func TestKillEntities(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	const col = "/cell1/__/data"
	post := func(p *program, path, body string) {
		p.must(http.StatusCreated, "POST", col+path, strings.NewReader(body))
	}
	p := serve(t, dir, "--cell", "cell1")
	p.must(http.StatusCreated, "MKCOL", col, strings.NewReader(`<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype><D:collection/><p:odata/></D:resourcetype></D:prop></D:set></D:mkcol>`), "Content-Type", "application/xml")
	for _, name := range []string{"A", "B"} {
		post(p, "/$metadata/EntityType", `{"Name":"`+name+`"}`)
		post(p, "/$metadata/AssociationEnd", `{"Name":"e","_EntityType.Name":"`+name+`","Multiplicity":"*"}`)
	}
	p.must(http.StatusNoContent, "POST", col+"/$metadata/AssociationEnd(Name='e',_EntityType.Name='A')/$links/_AssociationEnd",
		strings.NewReader(`{"uri":"`+p.url+col+`/$metadata/AssociationEnd(Name='e',_EntityType.Name='B')"}`))
	post(p, "/B", `{"__id":"b"}`)
	// Enough entities for an index to be made, in a set of their own.
	post(p, "/$metadata/EntityType", `{"Name":"N"}`)
	post(p, "/$metadata/Property", `{"Name":"n","_EntityType.Name":"N","Type":"Edm.Int32"}`)
	for i := range 2 {
		many := ""
		for j := range 800 {
			many += fmt.Sprintf("--s\r\nContent-Type: application/http\r\n\r\nPOST N HTTP/1.1\r\n\r\n{\"__id\":\"n%d-%d\",\"n\":%d}\r\n", i, j, j%10)
		}
		p.must(http.StatusAccepted, "POST", col+"/$batch", strings.NewReader("--b\r\nContent-Type: multipart/mixed; boundary=s\r\n\r\n"+many+"--s--\r\n--b--\r\n"), "Content-Type", "multipart/mixed; boundary=b")
	}
	p.stop()

	var mu sync.Mutex
	merged, gone, properties := map[string]string{}, []string{}, []string{}
	whole := 0
	changesets := map[string]bool{} // by the id that each began with: was it acknowledged?
	for round := range killRounds(t) {
		p := serve(t, dir)
		killAt := int64(1 + rnd.IntN(50))
		var acks atomic.Int64
		var wg sync.WaitGroup
		wg.Go(func() { // an index is made, while it changes
			for i := range 10 {
				if _, _, err := p.do("GET", col+"/N?$filter=n%20eq%203", nil); err != nil {
					return
				}
				if _, _, err := p.do("MERGE", fmt.Sprintf("%s/N('n%d-%d')", col, i%2, (round*10+i)%800), strings.NewReader(fmt.Sprintf(`{"n":%d}`, i))); err != nil {
					return
				}
			}
		})
		for w := range 4 {
			wg.Go(func() {
				for i := range 8 {
					id := fmt.Sprintf("a%d-%d-%d", round, w, i)
					ok := func(method, path, body string, want int) bool {
						res, _, err := p.do(method, col+path, strings.NewReader(body))
						if err != nil || res.StatusCode != want {
							return false
						}
						if acks.Add(1) == killAt {
							p.kill()
						}
						return true
					}
					done := func(note func()) {
						mu.Lock()
						defer mu.Unlock()
						note()
					}
					large := strings.Repeat(id+" ", 2000) // beside the database
					switch {
					case i%4 == 3: // three entities, linked, or none
						set := "Content-Type: multipart/mixed; boundary=s\r\n\r\n"
						for n, what := range []string{`A {"__id":"` + id + `","two":"` + large + `"}`, `$0/_B {"__id":"` + id + `b"}`, `A {"__id":"` + id + `c"}`} {
							uri, body, _ := strings.Cut(what, " ")
							set += fmt.Sprintf("--s\r\nContent-Type: application/http\r\nContent-ID: %d\r\n\r\nPOST %s HTTP/1.1\r\n\r\n%s\r\n", n, uri, body)
						}
						done(func() { changesets[id] = false })
						if res, body, err := p.do("POST", col+"/$batch", strings.NewReader("--b\r\n"+set+"--s--\r\n--b--\r\n"), "Content-Type", "multipart/mixed; boundary=b"); err == nil && res.StatusCode == http.StatusAccepted && strings.Count(string(body), "201 Created") == 3 {
							done(func() { changesets[id] = true })
							if acks.Add(1) == killAt {
								p.kill()
							}
						}
					case i == 1:
						name := fmt.Sprintf("p%d_%d", round, w)
						if ok("POST", "/$metadata/Property", `{"Name":"`+name+`","_EntityType.Name":"A","Type":"Edm.String"}`, http.StatusCreated) {
							done(func() { properties = append(properties, name) })
						}
					case !ok("POST", "/A", `{"__id":"`+id+`","one":"`+large+`"}`, http.StatusCreated):
					case i%3 == 2:
						if ok("DELETE", "/A('"+id+"')", "", http.StatusNoContent) {
							done(func() { gone = append(gone, id) })
						}
					case ok("POST", "/A('"+id+"')/$links/_B", `{"uri":"`+p.url+col+`/B('b')"}`, http.StatusNoContent) && ok("MERGE", "/A('"+id+"')", `{"two":"`+id+`"}`, http.StatusNoContent):
						done(func() { merged[id] = large })
					}
				}
			})
		}
		wg.Wait()
		p.kill()
		p = serve(t, dir)
		for id, one := range merged {
			body := string(p.must(http.StatusOK, "GET", col+"/A('"+id+"')?$expand=_B", nil))
			if !strings.Contains(body, `"two":"`+id+`"`) || !strings.Contains(body, one) || !strings.Contains(body, `"_B":[{`) {
				t.Errorf("round %d: %s is not what it was: %.200s", round, id, body)
			}
		}
		for id, acknowledged := range changesets {
			var found []int
			for _, path := range []string{"/A('" + id + "')/_B('", "/B('" + id + "b')", "/A('" + id + "c')"} {
				res, body, err := p.do("GET", col+strings.TrimSuffix(path, "('"), nil)
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasSuffix(path, "('") && res.StatusCode == http.StatusOK && !strings.Contains(string(body), id+"b") {
					t.Errorf("round %d: changeset %s lost its link", round, id)
				}
				found = append(found, res.StatusCode)
			}
			if want := fmt.Sprint(found); want != "[200 200 200]" && (acknowledged || want != "[404 404 404]") {
				t.Errorf("round %d: changeset %s (acknowledged: %t): %v", round, id, acknowledged, found)
			}
			if acknowledged {
				whole++
			}
			delete(changesets, id)
		}
		for _, id := range gone {
			p.must(http.StatusNotFound, "GET", col+"/A('"+id+"')", nil)
		}
		for n := range 10 { // by the index, and without
			indexed := string(p.must(http.StatusOK, "GET", fmt.Sprintf("%s/N?$top=1000&$select=__id&$filter=n%%20eq%%20%d", col, n), nil))
			if plain := string(p.must(http.StatusOK, "GET", fmt.Sprintf("%s/N?$top=1000&$select=__id&$filter=n%%20eq%%20%d%%20or%%20n%%20eq%%20%[2]d", col, n), nil)); indexed != plain {
				t.Errorf("round %d: by the index %d bytes, without %d", round, len(indexed), len(plain))
			}
		}
		schema := string(p.must(http.StatusOK, "GET", col+"/$metadata", nil))
		for _, name := range properties {
			if !strings.Contains(schema, `Name="`+name+`"`) {
				t.Errorf("round %d: property %s is lost", round, name)
			}
		}
		p.stop()
		check(t, dir)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d merged, %d gone, %d properties, %d changesets", len(merged), len(gone), len(properties), whole)
}
