package main_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cellar/barfs/bartest"
)

// killedBars are a good bar and bad ones, each with something of everything.
func killedBars() map[string][]byte {
	bar := func(with func(*bartest.Bar)) []byte {
		b := bartest.New("https://app.example/").Meta("10_relations.json", `{"Relations":[{"Name":"friend"}]}`).
			Meta("20_roles.json", `{"Roles":[{"Name":"reader"},{"Name":"writer"}]}`).
			Meta("70_$links.json", `{"Links":[{"FromType":"Relation","FromName":{"Name":"friend"},"ToType":"Role","ToName":{"Name":"reader"}}]}`)
		for i := range 900 {
			if i%100 == 0 {
				b.Collection(fmt.Sprintf("c%d", i/100), `<acl xml:base="https://a.example/__role/b/"><ace><principal><href>reader</href></principal><grant><privilege><read/></privilege></grant></ace></acl>`)
			}
			data := fmt.Sprintf("file %d\n", i)
			if i%200 == 7 {
				data = strings.Repeat(data, 20_000) // not in the database
			}
			b.FileWith(fmt.Sprintf("c%d/f%d.txt", i/100, i), "text/plain", data, `<z:n xmlns:z="urn:z">1</z:n>`)
		}
		b.OData("lib").Entry("90_contents/lib/00_$metadata.xml", `<Schema Namespace="UserData"><EntityType Name="a"><Property Name="n" Type="Edm.Int32"/></EntityType><EntityType Name="b"/>`+
			`<Association Name="n"><End Role="a:x" Type="UserData.a" Multiplicity="*"/><End Role="b:y" Type="UserData.b" Multiplicity="*"/></Association></Schema>`)
		var links []string
		for i := range 1200 {
			b.Entry(fmt.Sprintf("90_contents/lib/90_data/a/%d.json", i), fmt.Sprintf(`{"__id":"%04d","n":%d}`, i, i))
			if i < 400 {
				links = append(links, fmt.Sprintf(`{"FromType":"a","FromId":{"__id":"%04d"},"ToType":"b","ToId":{"__id":"b"}}`, i))
			}
		}
		b.Entry("90_contents/lib/90_data/b/1.json", `{"__id":"b"}`).Entry("90_contents/lib/10_odatarelations.json", `{"Links":[`+strings.Join(links, ",")+`]}`)
		if with != nil {
			with(b)
		}
		return b.Bytes()
	}
	return map[string][]byte{
		"good":       bar(nil),
		"undeclared": bar(func(b *bartest.Bar) { b.Entry("90_contents/c8/undeclared", "x") }),
		"bad link": bar(func(b *bartest.Bar) {
			b.OData("lib2").Entry("90_contents/lib2/00_$metadata.xml", `<Schema><EntityType Name="a"/></Schema>`).Entry("90_contents/lib2/90_data/a/1.json", `{"__id":"1"}`).
				Entry("90_contents/lib2/10_odatarelations.json", `{"Links":[{"FromType":"a","FromId":{"__id":"1"},"ToType":"a","ToId":{"__id":"1"}}]}`)
		}),
		"no role": bar(func(b *bartest.Bar) {
			b.FileWith("c0/acl", "text/plain", "x", `<acl xml:base="https://a.example/__role/b/"><ace><principal><href>nobody</href></principal><grant><privilege><read/></privilege></grant></ace></acl>`)
		}),
		"not an entity": bar(func(b *bartest.Bar) { b.Entry("90_contents/lib/90_data/b/2.json", `{"__id":"2","n":[1]}`) }),
	}
}

// TestKillInstall kills the server at random moments of an install, from the
// upload to the end. After a restart the box is as it is without that: ready with
// exactly the same tree and log, or failed with the same cause.
func TestKillInstall(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	bars := killedBars()
	want := map[string]string{}
	calm := serve(t, t.TempDir(), "--cell", "cell1")
	names := slices.Sorted(maps.Keys(bars))
	for i, name := range names {
		key := fmt.Sprintf("calm-%d", i)
		calm.must(http.StatusAccepted, "MKCOL", "/cell1/app", bytes.NewReader(bars[name]), "Content-Type", "application/zip", "X-Personium-RequestKey", key)
		want[name] = boxState(t, calm, key)
		calm.must(http.StatusNoContent, "DELETE", "/cell1/app", nil)
	}
	calm.stop()
	dir := t.TempDir()
	serve(t, dir, "--cell", "cell1").stop()
	resumed := 0
	for round := range killRounds(t) {
		name := names[rnd.IntN(len(names))]
		key := fmt.Sprintf("k-%d", round)
		p := serve(t, dir)
		accepted := killDuring(t, p, bars[name], key, rnd)
		p = serve(t, dir)
		res, _, err := p.do("GET", "/cell1/app", nil)
		if err != nil {
			t.Fatal(err)
		}
		if accepted && res.StatusCode != http.StatusOK {
			t.Errorf("%s: accepted, and then %s", name, res.Status)
		}
		if res.StatusCode == http.StatusOK { // perhaps accepted without an answer
			resumed++
			if got := boxState(t, p, key); got != want[name] {
				t.Errorf("%s, round %d: %s", name, round, firstDifference(got, want[name]))
			}
			p.must(http.StatusNoContent, "DELETE", "/cell1/app", nil)
		}
		p.stop()
		check(t, dir)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d installs went on after a restart", resumed)
}

// firstDifference is the first line in which two texts differ.
func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d is\n%s\nwant\n%s", i, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}

// killDuring sends the bar and kills the server during the upload, or when the
// install has come to a random point. It reports whether the bar was accepted.
func killDuring(t *testing.T, p *program, bar []byte, key string, rnd *rand.Rand) bool {
	t.Helper()
	header := []string{"Content-Type", "application/zip", "X-Personium-RequestKey", key}
	if rnd.IntN(10) == 0 {
		at := rnd.IntN(len(bar))
		body := io.MultiReader(bytes.NewReader(bar[:at]), killReader{p}, bytes.NewReader(bar[at:]))
		if _, _, err := p.do("MKCOL", "/cell1/app", body, header...); err == nil {
			t.Error("a killed server has answered")
		}
		return false
	}
	p.must(http.StatusAccepted, "MKCOL", "/cell1/app", bytes.NewReader(bar), header...)
	for percent := rnd.IntN(100); ; {
		var meta struct {
			Box struct{ Status, Progress string }
		}
		if err := json.Unmarshal(p.must(http.StatusOK, "GET", "/cell1/app", nil), &meta); err != nil {
			t.Fatal(err)
		}
		n := 0
		fmt.Sscanf(meta.Box.Progress, "%d%%", &n)
		if n >= percent || meta.Box.Status != "installation in progress" {
			p.kill()
			return true
		}
	}
}

// killReader kills the server when it is read.
type killReader struct{ p *program }

func (k killReader) Read([]byte) (int, error) {
	k.p.kill()
	return 0, io.EOF
}

// boxState waits for the install and describes its outcome, everything in the box,
// and its lines in the log.
func boxState(t *testing.T, p *program, key string) string {
	t.Helper()
	var out strings.Builder
	var meta struct {
		Box struct {
			Status, Progress, Schema string
			Message                  any
		}
	}
	if err := json.Unmarshal(p.must(http.StatusOK, "GET", "/cell1/app", nil, "Prefer", "wait=60"), &meta); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&out, meta.Box)
	all := propfindAll(t, p, "/cell1/app")
	for _, path := range slices.Sorted(maps.Keys(all)) {
		props := all[path]
		for name := range props { // what differs from run to run, or tells of the server
			switch name {
			case "creationdate", "getlastmodified", "getetag", "acl base", "quota-used-bytes", "quota-available-bytes", "lockdiscovery", "current-user-principal":
				delete(props, name)
			}
		}
		fmt.Fprintln(&out, path, props)
	}
	for _, set := range []string{"a", "b"} { // and the links between them
		if res, text, err := p.do("GET", "/cell1/app/lib/"+set+"('0001')/$links/_b", nil); err == nil && res.StatusCode == http.StatusOK {
			fmt.Fprintln(&out, strings.ReplaceAll(string(text), p.url, ""))
		}
	}
	lines, err := csv.NewReader(bytes.NewReader(p.must(http.StatusOK, "GET", "/cell1/__log/current/default.log", nil))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if l[2] == key {
			fmt.Fprintln(&out, l[6], strings.ReplaceAll(l[7], p.url, ""), l[8])
		}
	}
	return out.String()
}
