package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"cellar/barfs/bartest"
)

// TestKillImport kills the server at random moments of imports, by name and of a zip.
// After the restart the import goes on to its end: the cell is as the snapshot has it,
// or as it was if the request was not acknowledged. After a sweep no content is left
// over.
func TestKillImport(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	p := serve(t, dir, "--cell", "cell1")
	p.must(http.StatusAccepted, "MKCOL", "/cell1/box", bytes.NewReader(bartest.Many("https://app.example/", 2500, 200)), "Content-Type", "application/zip")
	p.must(http.StatusOK, "GET", "/cell1/box", nil, "Prefer", "wait=60")
	p.must(http.StatusCreated, "PUT", "/cell1/__/large", strings.NewReader(strings.Repeat("large", 100_000)))
	p.must(http.StatusAccepted, "POST", "/cell1/__export", strings.NewReader(`{"Name":"s"}`))
	p.must(http.StatusOK, "GET", "/cell1/__export", nil, "Prefer", "wait=60")
	body := p.must(http.StatusOK, "GET", "/cell1/__snapshot/s.zip", nil)
	want := cellState(t, p)
	// An import forgets what the bar made of the box: counted is what is left after one.
	p.must(http.StatusAccepted, "POST", "/cell1/__import", strings.NewReader(`{"Name":"s"}`))
	p.must(http.StatusOK, "GET", "/cell1/__import", nil, "Prefer", "wait=60")
	p.stop()
	contents := sweepAndCount(t, dir)
	for round := range killRounds(t) {
		p := serve(t, dir)
		p.must(http.StatusCreated, "MKCOL", "/cell1/later", nil)
		p.must(http.StatusCreated, "PUT", "/cell1/later/f", strings.NewReader(fmt.Sprint("round ", round)))
		p.must(http.StatusNoContent, "DELETE", "/cell1/box/c3", nil)
		before := cellState(t, p)
		request, header := []byte(`{"Name":"s"}`), []string{"Content-Type", "application/json"}
		if rnd.IntN(2) == 0 {
			request, header = body, []string{"Content-Type", "application/zip"}
		}
		acknowledged := rnd.IntN(8) > 0
		if acknowledged {
			p.must(http.StatusAccepted, "POST", "/cell1/__import", bytes.NewReader(request), header...)
			killAtProgress(t, p, "/cell1/__import", rnd.IntN(130))
		} else {
			go p.do("POST", "/cell1/__import", bytes.NewReader(request), header...)
			for range rnd.IntN(20) {
				p.do("GET", "/cell1/__import", nil)
			}
			p.kill()
		}
		p = serve(t, dir)
		var state struct{ Status string }
		if err := json.Unmarshal(p.must(http.StatusOK, "GET", "/cell1/__import", nil, "Prefer", "wait=60"), &state); err != nil || state.Status != "ready" {
			t.Errorf("round %d: the import is %q (%v)\n%s", round, state.Status, err, p.output())
		}
		got := cellState(t, p)
		if got != want && (acknowledged || got != before) {
			t.Errorf("round %d, acknowledged %v: %s", round, acknowledged, firstDifference(got, want))
		}
		if got != want { // it never began
			p.must(http.StatusAccepted, "POST", "/cell1/__import", strings.NewReader(`{"Name":"s"}`))
			p.must(http.StatusOK, "GET", "/cell1/__import", nil, "Prefer", "wait=60")
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
}

// killAtProgress kills the server when the job has come so far; more than 100
// percent is some time after its end.
func killAtProgress(t *testing.T, p *program, job string, percent int) {
	t.Helper()
	for after := percent - 100; ; {
		var state struct{ Status, Progress string }
		if err := json.Unmarshal(p.must(http.StatusOK, "GET", job, nil), &state); err != nil {
			t.Fatal(err)
		}
		n := 0
		fmt.Sscanf(state.Progress, "%d%%", &n)
		if state.Status == "ready" {
			after--
		}
		if n >= percent || state.Status == "ready" && after <= 0 {
			p.kill()
			return
		}
	}
}

// cellState describes all that a cell shows.
func cellState(t *testing.T, p *program) string {
	t.Helper()
	var out strings.Builder
	for path, props := range propfindAll(t, p, "/cell1") {
		if strings.HasPrefix(path, "__log") || strings.HasPrefix(path, "__snapshot") || path == "" {
			continue
		}
		for name := range props {
			switch name { // those that tell of now
			case "quota-used-bytes", "quota-available-bytes", "lockdiscovery", "current-user-principal", "acl base":
				delete(props, name)
			}
		}
		fmt.Fprintln(&out, path, props)
	}
	lines := strings.Split(out.String(), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// sweepAndCount frees what nothing names and returns what "cellar check" counts.
func sweepAndCount(t *testing.T, dir string) string {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(file, "sweep", "--data", dir, "--grace", "0s").CombinedOutput(); err != nil {
		t.Fatalf("cellar sweep: %v\n%s", err, out)
	}
	out, err := exec.Command(file, "check", "--data", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("cellar check: %v\n%s", err, out)
	}
	return string(out)
}
