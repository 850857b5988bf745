package main_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cellar/cellfs"
)

// TestKillSweep kills, with SIGKILL, a server that deletes a snapshot, and then the
// sweep of what nothing shows any more. The store stays sound, a snapshot that is
// still there is whole, and the next sweep takes away all that is left over.
func TestKillSweep(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	p := serve(t, dir, "--cell", "cell1")
	p.must(http.StatusCreated, "PUT", "/cell1/__/kept", strings.NewReader(strings.Repeat("kept", cellfs.MaxInline)))
	p.stop()
	contents, files := sweepAndCount(t, dir), countFiles(t, dir)
	deleted, cut := 0, 0
	for round := range killRounds(t) {
		p := serve(t, dir)
		const many = 60
		p.must(http.StatusCreated, "MKCOL", "/cell1/__/d", nil)
		for i := range many {
			p.must(http.StatusCreated, "PUT", fmt.Sprintf("/cell1/__/d/f%d", i), strings.NewReader(strings.Repeat(fmt.Sprint(round, " ", i), cellfs.MaxInline)))
		}
		p.must(http.StatusAccepted, "POST", "/cell1/__export", strings.NewReader(`{"Name":"s"}`))
		p.must(http.StatusOK, "GET", "/cell1/__export", nil, "Prefer", "wait=60")
		body := p.must(http.StatusOK, "GET", "/cell1/__snapshot/s.zip", nil)
		p.must(http.StatusNoContent, "DELETE", "/cell1/__/d", nil)
		if acknowledged := rnd.IntN(2) == 0; acknowledged {
			p.must(http.StatusNoContent, "DELETE", "/cell1/__snapshot/s.zip", nil)
		} else {
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_, _, _ = p.do("DELETE", "/cell1/__snapshot/s.zip", nil)
			}()
			for range rnd.IntN(3) {
				_, _, _ = p.do("GET", "/cell1/__snapshot/s.zip", nil, "Range", "bytes=0-0")
			}
			p.kill()
			<-ended
		}
		p.kill()
		if killSweep(t, dir, files+rnd.IntN(many)) {
			cut++
		}
		check(t, dir)
		p = serve(t, dir)
		res, got, err := p.do("GET", "/cell1/__snapshot/s.zip", nil)
		switch {
		case err != nil:
			t.Error(err)
		case res.StatusCode == http.StatusNotFound:
			deleted++
		case res.StatusCode != http.StatusOK || !bytes.Equal(got, body):
			t.Errorf("round %d: the snapshot: %s, %d bytes of %d", round, res.Status, len(got), len(body))
		default:
			p.must(http.StatusNoContent, "DELETE", "/cell1/__snapshot/s.zip", nil)
		}
		p.stop()
		if n := sweepAndCount(t, dir); n != contents {
			t.Errorf("round %d: %s after a sweep, %s before", round, n, contents)
		}
		if n := countFiles(t, dir); n != files {
			t.Errorf("round %d: %d files are left, want %d", round, n, files)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d snapshots were gone, %d sweeps were cut off", deleted, cut)
}

// killSweep runs a sweep until so many files are left, and reports whether it had
// to be killed.
func killSweep(t *testing.T, dir string, left int) bool {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	sweep := exec.Command(file, "sweep", "--data", dir, "--grace", "0s")
	if err := sweep.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- sweep.Wait() }()
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
			return false
		default:
		}
		if countFiles(t, dir) <= left {
			_ = sweep.Process.Kill() // it may have ended
			return <-ended != nil
		}
	}
}

// countFiles counts the contents that are files.
func countFiles(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "blobs"), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return nil // what goes while it is listed does not count
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
