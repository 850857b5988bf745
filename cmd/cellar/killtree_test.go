package main_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestKillTransfers kills the server with SIGKILL at random moments while a large tree is copied, moved to
// another cell and back, and removed. Each is done whole or not at all, and done if it was
// acknowledged; the store is sound, and counts what there is, after a sweep too.
func TestKillTransfers(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	k := &killTransfers{T: t, dir: t.TempDir(), rnd: rand.New(rand.NewPCG(seed, 0)), there: map[string]bool{}}
	p := serve(t, k.dir, "--cell", "cell1", "--cell", "cell2")
	k.seed(p)
	p.stop()
	for round := range killRounds(t) {
		p := serve(t, k.dir)
		method, from, to := k.next()
		acked := k.round(p, method, from, to)
		p = serve(t, k.dir)
		k.verify(p, fmt.Sprintf("round %d: %s %s %s, acknowledged %t", round, method, from, to, acked), method, from, to, acked)
		p.stop()
		check(t, k.dir)
		k.swept()
		if t.Failed() {
			return
		}
	}
}

// The places of the tree and of its copy.
const (
	treeFrom = "/cell1/__/tree"
	treeCopy = "/cell1/__/copy"
	treeGone = "/cell2/__/gone"
)

// treeFolders and treeFiles make a tree of 1,221 nodes.
const (
	treeFolders = 20
	treeFiles   = 60
	treeNodes   = 1 + treeFolders*(1+treeFiles)
)

type killTransfers struct {
	*testing.T
	dir   string
	rnd   *rand.Rand
	there map[string]bool // the copy is at that place
	took  time.Duration   // the longest that was not killed
}

func (k *killTransfers) seed(p *program) {
	p.must(http.StatusCreated, "MKCOL", treeFrom, nil)
	p.must(http.StatusCreated, "MKCOL", treeFrom+"/d0", nil)
	for i := range treeFiles {
		p.must(http.StatusCreated, "PUT", fmt.Sprintf("%s/d0/f%d", treeFrom, i), strings.NewReader(fmt.Sprint("content ", i)))
	}
	for i := 1; i < treeFolders; i++ {
		p.must(http.StatusCreated, "COPY", treeFrom+"/d0", nil, "Destination", fmt.Sprintf("%s/d%d", treeFrom, i))
	}
}

// next is what is to be done: the copy wanders to the other cell and back, and goes.
func (k *killTransfers) next() (method, from, to string) {
	switch {
	case k.there[treeCopy] && k.rnd.IntN(3) > 0:
		return "MOVE", treeCopy, treeGone
	case k.there[treeCopy]:
		return "DELETE", treeCopy, ""
	case k.there[treeGone] && k.rnd.IntN(2) > 0:
		return "MOVE", treeGone, treeCopy
	case k.there[treeGone]:
		return "DELETE", treeGone, ""
	}
	return "COPY", treeFrom, treeCopy
}

// round does it, and kills the server at some moment of it.
func (k *killTransfers) round(p *program, method, from, to string) (acked bool) {
	at := time.Duration(k.rnd.Int64N(int64(max(k.took, 50*time.Millisecond))))
	var wg sync.WaitGroup
	began := time.Now()
	killed := make(chan struct{})
	timer := time.AfterFunc(at, func() {
		p.kill()
		close(killed)
	})
	wg.Go(func() {
		res, text, err := p.do(method, from, nil, "Destination", to)
		if err != nil {
			return
		}
		if acked = res.StatusCode < 300; !acked {
			k.Errorf("%s %s = %s %s", method, from, res.Status, text)
		}
	})
	wg.Wait()
	if acked && timer.Stop() {
		k.took = max(k.took, time.Since(began))
		p.kill()
	} else {
		<-killed
	}
	return acked
}

// nodes is how many there are at a place.
func (k *killTransfers) nodes(p *program, path string) int {
	k.Helper()
	res, text, err := p.do("PROPFIND", path, strings.NewReader(`<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>`), "Depth", "infinity")
	switch {
	case err != nil:
		k.Fatal(err)
	case res.StatusCode == http.StatusNotFound:
		return 0
	case res.StatusCode != http.StatusMultiStatus:
		k.Fatalf("PROPFIND %s = %s %s", path, res.Status, text)
	}
	return strings.Count(string(text), "<D:response>")
}

func (k *killTransfers) verify(p *program, what, method, from, to string, acked bool) {
	before := map[string]bool{treeFrom: true, treeCopy: k.there[treeCopy], treeGone: k.there[treeGone]}
	after := map[string]bool{treeFrom: true, treeCopy: before[treeCopy], treeGone: before[treeGone]}
	if method != "COPY" {
		after[from] = false
	}
	if to != "" {
		after[to] = true
	}
	is := map[string]bool{}
	for place := range before {
		n := k.nodes(p, place)
		if n != 0 && n != treeNodes {
			k.Errorf("%s: %s has %d nodes, want %d or none", what, place, n, treeNodes)
		}
		is[place] = n != 0
	}
	same := func(a, b map[string]bool) bool { return fmt.Sprint(a) == fmt.Sprint(b) }
	if !same(is, after) && (acked || !same(is, before)) {
		k.Errorf("%s: there are %v; before were %v", what, is, before)
	}
	k.there = is
}

// swept removes what is left aside: then there are only the nodes that are seen.
func (k *killTransfers) swept() {
	k.Helper()
	if out, err := offline(k.T, "sweep", "--data", k.dir); err != nil {
		k.Errorf("sweep: %v\n%s", err, out)
	}
	want := treeNodes + 4 // two cells with their main boxes
	for _, place := range []string{treeCopy, treeGone} {
		if k.there[place] {
			want += treeNodes
		}
	}
	if text, err := offline(k.T, "check", "--data", k.dir); err != nil || !strings.Contains(text, fmt.Sprintf(" %d nodes", want)) {
		k.Errorf("after a sweep: %s, %v, want %d nodes", text, err, want)
	}
}
