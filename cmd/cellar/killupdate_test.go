package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"cellar/barfs/bartest"
)

// TestKillUpdate kills the server at random moments of updates. The box is wholly that of one version, and after a
// restart that of the one that was accepted last; entities that were acknowledged stay.
func TestKillUpdate(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	const files = 400
	version := func(n int) []byte {
		b := bartest.New("https://app.example/").Meta("20_roles.json", fmt.Sprintf(`{"Roles":[{"Name":"r%d"}]}`, n)).OData("db").
			Entry("90_contents/db/00_$metadata.xml", fmt.Sprintf(`<Schema Namespace="UserData"><EntityType Name="N"><Property Name="n" Type="Edm.Int32"/></EntityType><EntityType Name="V%d"/></Schema>`, n))
		for i := range files {
			b.FileWith(fmt.Sprintf("f%03d", i), "text/plain", fmt.Sprintf("version %d\n", n), fmt.Sprintf(`<z:v xmlns:z="urn:z">%d</z:v>`, n))
		}
		b.File(fmt.Sprintf("only%d", n), "text/plain", strings.Repeat("x", 100_000))
		return b.Bytes()
	}
	dir := t.TempDir()
	p := serve(t, dir, "--cell", "cell1")
	p.must(http.StatusAccepted, "MKCOL", "/cell1/app", bytes.NewReader(version(0)), "Content-Type", "application/zip")
	p.must(http.StatusOK, "GET", "/cell1/app", nil, "Prefer", "wait=60")
	p.stop()
	at, entities, finished := 0, []int{}, 0
	for round := range killRounds(t) {
		p := serve(t, dir)
		next := round + 1
		if _, _, err := p.do("POST", "/cell1/app/db/N", strings.NewReader(fmt.Sprintf(`{"__id":"e%d","n":%d}`, next, next))); err == nil {
			entities = append(entities, next)
		}
		header := []string{"Content-Type", "application/zip", "X-Personium-Update", "true"}
		bar := version(next)
		accepted := true
		if rnd.IntN(8) == 0 {
			cut := rnd.IntN(len(bar))
			_, _, err := p.do("MKCOL", "/cell1/app", io.MultiReader(bytes.NewReader(bar[:cut]), killReader{p}, bytes.NewReader(bar[cut:])), header...)
			accepted = err == nil
		} else {
			p.must(http.StatusAccepted, "MKCOL", "/cell1/app", bytes.NewReader(bar), header...)
			for range rnd.IntN(40) { // each takes a little while
				if strings.Contains(string(p.must(http.StatusOK, "GET", "/cell1/app", nil)), `"updated"`) {
					finished++
					break
				}
			}
		}
		p.kill()
		p = serve(t, dir)
		var meta struct {
			Box struct{ Update struct{ Status string } }
		}
		if err := json.Unmarshal(p.must(http.StatusOK, "GET", "/cell1/app", nil, "Prefer", "wait=60"), &meta); err != nil {
			t.Fatal(err)
		}
		if accepted {
			at = next
			if meta.Box.Update.Status != "updated" {
				t.Errorf("round %d: %s", round, meta.Box.Update.Status)
			}
		}
		for i := range files {
			if got := string(p.must(http.StatusOK, "GET", fmt.Sprintf("/cell1/app/f%03d", i), nil)); got != fmt.Sprintf("version %d\n", at) {
				t.Fatalf("round %d: file %d is of %q, want version %d", round, i, got, at)
			}
		}
		for n := range at + 1 {
			want := http.StatusNotFound
			if n == at {
				want = http.StatusOK
			}
			p.must(want, "GET", fmt.Sprintf("/cell1/app/only%d", n), nil)
		}
		p.must(http.StatusOK, "GET", fmt.Sprintf("/cell1/__ctl/Role(Name='r%d',_Box.Name='app')", at), nil)
		for _, n := range entities {
			p.must(http.StatusOK, "GET", fmt.Sprintf("/cell1/app/db/N('e%d')", n), nil)
		}
		p.stop()
		check(t, dir)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d updates ended before the server did, %d entities", finished, len(entities))
}
