package main_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cellar/barfs/bartest"
)

// killRounds is how often the server is killed; CELLAR_KILL_ROUNDS sets it for
// a longer run.
func killRounds(t *testing.T) int {
	if v := os.Getenv("CELLAR_KILL_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 8
}

// TestKill kills the server with SIGKILL at random moments of 200 PUTs, an
// install and an export, and starts it again over the same data: what was
// acknowledged is there, locks included, nothing half is, both jobs end, the store
// is sound.
func TestKill(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	k := &killTest{T: t, acked: map[string]string{}, tried: map[string][]string{}, bar: bartest.Many("", 1500, 300)}
	for round := range killRounds(t) {
		// In 200 rounds the log grows beyond its limit: what is looked for would be in a closed one.
		p := serve(t, dir, "--cell", "cell1", "--event-log-limit", "1GiB")
		k.round(p, round, 1+rnd.IntN(200))
		p = serve(t, dir, "--event-log-limit", "1GiB")
		k.verify(p, round)
		p.stop()
		check(t, dir)
		if t.Failed() {
			return
		}
	}
}

type killTest struct {
	*testing.T
	bar []byte

	mu        sync.Mutex
	acked     map[string]string   // path: content acknowledged last
	tried     map[string][]string // path: contents sent since and not acknowledged: each may be there
	installed bool                // the install was acknowledged
	locked    string              // token of a lock that was acknowledged; "" for none
	exported  bool
}

// content is small or large, and says which write it is.
func content(round, i int) string {
	s := fmt.Sprintf("round %d write %d\n", round, i)
	if i%10 == 0 {
		return s + strings.Repeat("large ", 20_000)
	}
	return s
}

// round works until killAt PUTs are acknowledged, and kills the server there.
func (k *killTest) round(p *program, round, killAt int) {
	k.installed, k.exported, k.locked = false, false, ""
	if round == 0 {
		p.must(http.StatusCreated, "MKCOL", "/cell1/puts", nil)
	}
	var wg sync.WaitGroup
	var acks atomic.Int64
	wg.Go(func() {
		res, _, err := p.do("MKCOL", fmt.Sprintf("/cell1/box%d", round), bytes.NewReader(k.bar), "Content-Type", "application/zip")
		k.note(&k.installed, err == nil && res.StatusCode == http.StatusAccepted)
	})
	wg.Go(func() {
		res, _, err := p.do("POST", "/cell1/__export", strings.NewReader(fmt.Sprintf(`{"Name":"s%d"}`, round)))
		k.note(&k.exported, err == nil && res.StatusCode == http.StatusAccepted)
	})
	wg.Go(func() {
		res, _, err := p.do("LOCK", fmt.Sprintf("/cell1/puts/locked%d", round), strings.NewReader(
			`<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`))
		if err == nil && res.StatusCode == http.StatusCreated {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.locked = res.Header.Get("Lock-Token")
		}
	})
	for w := range 8 {
		wg.Go(func() { // every path has one writer, so that its last content is known
			for i := range 25 {
				path := fmt.Sprintf("/cell1/puts/f%d-%d", w, i%8)
				body := content(round, 25*w+i)
				k.send(path, body)
				res, _, err := p.do("PUT", path, strings.NewReader(body))
				if err != nil || res.StatusCode >= 300 {
					continue
				}
				k.ack(path, body)
				if int(acks.Add(1)) == killAt {
					p.kill()
				}
			}
		})
	}
	wg.Wait()
	p.kill()
}

func (k *killTest) send(path, body string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tried[path] = append(k.tried[path], body)
}

// ack notes that body is stored: what was sent before it cannot be there any more.
func (k *killTest) ack(path, body string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.acked[path], k.tried[path] = body, nil
}

func (k *killTest) note(flag *bool, v bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	*flag = v
}

func (k *killTest) verify(p *program, round int) {
	for path, sent := range k.tried {
		res, got, err := p.do("GET", path, nil)
		if err != nil {
			k.Fatal(err)
		}
		acked, must := k.acked[path]
		switch {
		case res.StatusCode == http.StatusNotFound && !must:
		case res.StatusCode != http.StatusOK:
			k.Errorf("GET %s = %s", path, res.Status)
		case string(got) != acked && !oneOf(string(got), sent):
			k.Errorf("GET %s: %.40q (%d bytes) was never sent", path, got, len(got))
		}
		if res.StatusCode == http.StatusOK {
			k.acked[path], k.tried[path] = string(got), nil
		}
	}
	if k.locked != "" {
		path := fmt.Sprintf("/cell1/puts/locked%d", round)
		p.must(http.StatusLocked, "PUT", path, strings.NewReader("x"))
		p.must(http.StatusNoContent, "PUT", path, strings.NewReader("x"), "If", "("+k.locked+")")
		p.must(http.StatusNoContent, "UNLOCK", path, nil, "Lock-Token", k.locked)
	}
	k.verifyInstall(p, round)
	k.verifyExport(p, round)
}

func oneOf(s string, all []string) bool {
	for _, x := range all {
		if s == x {
			return true
		}
	}
	return false
}

func (k *killTest) verifyInstall(p *program, round int) {
	path := fmt.Sprintf("/cell1/box%d", round)
	res, text, err := p.do("GET", path, nil, "Prefer", "wait=60")
	if err != nil {
		k.Fatal(err)
	}
	if res.StatusCode == http.StatusNotFound && !k.installed {
		return
	}
	var meta struct {
		Box struct{ Status string }
	}
	if err := json.Unmarshal(text, &meta); err != nil || meta.Box.Status != "ready" {
		k.Errorf("round %d: the install ended with %s", round, text)
		return
	}
	zr, err := zip.NewReader(bytes.NewReader(k.bar), int64(len(k.bar)))
	if err != nil {
		k.Fatal(err)
	}
	for i, f := range zr.File {
		name, ok := strings.CutPrefix(f.Name, "90_contents/")
		if !ok || name == "" || i%25 != 0 {
			continue
		}
		r, err := f.Open()
		if err != nil {
			k.Fatal(err)
		}
		want, err := io.ReadAll(r)
		if err != nil {
			k.Fatal(err)
		}
		if got := p.must(http.StatusOK, "GET", path+"/"+name, nil); !bytes.Equal(got, want) {
			k.Errorf("round %d: %s differs from the bar", round, name)
		}
	}
	log := p.must(http.StatusOK, "GET", "/cell1/__log/current/default.log", nil)
	object := fmt.Sprintf("%q", p.url+path)
	for _, event := range []string{"boxinstall", "PL-BI-1000", "PL-BI-0000"} {
		if n := strings.Count(string(log), fmt.Sprintf("%q,%s,", event, object)); n != 1 {
			k.Errorf("round %d: %d lines %s for the box, want 1", round, n, event)
		}
	}
	if n := strings.Count(string(log), `"PL-BI-1003","90_contents/c0/f0.txt"`); n > round+1 {
		k.Errorf("round %d: an entry was logged twice", round)
	}
}

func (k *killTest) verifyExport(p *program, round int) {
	var state struct{ Status string }
	text := p.must(http.StatusOK, "GET", "/cell1/__export", nil, "Prefer", "wait=60")
	if err := json.Unmarshal(text, &state); err != nil || state.Status != "ready" {
		k.Errorf("round %d: the export is %s", round, text)
	}
	res, body, err := p.do("GET", fmt.Sprintf("/cell1/__snapshot/s%d.zip", round), nil)
	if err != nil {
		k.Fatal(err)
	}
	if res.StatusCode == http.StatusNotFound && !k.exported {
		return
	}
	zr, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		k.Errorf("round %d: snapshot: %s, %v", round, res.Status, err)
		return
	}
	for _, f := range zr.File {
		r, err := f.Open()
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			k.Errorf("round %d: snapshot: %s: %v", round, f.Name, err)
		}
	}
}
