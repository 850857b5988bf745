package main_test

import (
	"archive/zip"
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"cellar/barfs/bartest"
)

// TestKillExport kills the server at random moments of exports. After the restart an
// export that was acknowledged is run to its end: the snapshot shows the cell. One
// that was not is there as a whole or not at all. Once the snapshot is deleted a sweep
// leaves nothing over.
func TestKillExport(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	p := serve(t, dir, "--cell", "cell1")
	p.must(http.StatusAccepted, "MKCOL", "/cell1/box", bytes.NewReader(bartest.Many("https://app.example/", 10_000, 20)), "Content-Type", "application/zip")
	p.must(http.StatusOK, "GET", "/cell1/box", nil, "Prefer", "wait=60")
	p.must(http.StatusAccepted, "POST", "/cell1/__export", strings.NewReader(`{"Name":"first"}`))
	p.must(http.StatusOK, "GET", "/cell1/__export", nil, "Prefer", "wait=60")
	want := contentsOfZip(t, p.must(http.StatusOK, "GET", "/cell1/__snapshot/first.zip", nil))
	p.must(http.StatusNoContent, "DELETE", "/cell1/__snapshot/first.zip", nil)
	p.stop()
	contents := sweepAndCount(t, dir)
	running := 0
	for round := range killRounds(t) {
		p := serve(t, dir)
		acknowledged := rnd.IntN(8) > 0
		if acknowledged {
			p.must(http.StatusAccepted, "POST", "/cell1/__export", strings.NewReader(`{"Name":"s"}`))
			killAtProgress(t, p, "/cell1/__export", rnd.IntN(130))
		} else {
			go p.do("POST", "/cell1/__export", strings.NewReader(`{"Name":"s"}`))
			for range rnd.IntN(20) {
				p.do("GET", "/cell1/__export", nil)
			}
			p.kill()
		}
		p = serve(t, dir)
		if state := p.must(http.StatusOK, "GET", "/cell1/__export", nil); !bytes.Contains(state, []byte(`"ready"`)) {
			running++
		}
		if state := p.must(http.StatusOK, "GET", "/cell1/__export", nil, "Prefer", "wait=60"); !bytes.Contains(state, []byte(`"ready"`)) {
			t.Errorf("round %d: %s\n%s", round, state, p.output())
		}
		p.must(http.StatusNotFound, "GET", "/cell1/__snapshot/s.error", nil)
		res, body, err := p.do("GET", "/cell1/__snapshot/s.zip", nil)
		switch {
		case err != nil:
			t.Error(err)
		case res.StatusCode == http.StatusOK:
			if contentsOfZip(t, body) != want {
				t.Errorf("round %d: the snapshot shows another state", round)
			}
			p.must(http.StatusNoContent, "DELETE", "/cell1/__snapshot/s.zip", nil)
		case acknowledged:
			t.Errorf("round %d: the export was acknowledged, the snapshot is %s", round, res.Status)
		}
		p.stop()
		check(t, dir)
		if n := sweepAndCount(t, dir); n != contents {
			t.Errorf("round %d: %s after a sweep, %s before", round, n, contents)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d exports went on after the restart", running)
}

// contentsOfZip is all that a snapshot says of the cell, each entry read and checked.
func contentsOfZip(t *testing.T, b []byte) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, f := range z.File {
		if f.Name == "00_manifest.json" {
			continue // when it was made
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(f.Name + "\n")
		if _, err := io.Copy(&out, r); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	return out.String()
}
