package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"cellar/barfs/bartest"
)

// TestToldOnAFullDiskSurvives lets long operations run into a disk with little room left:
// what a client was shown at their end is what a restart shows, and no write that was
// acknowledged after it is lost. CELLAR_SOAK=1 tries 50 levels of each, CELLAR_SEED repeats.
func TestToldOnAFullDiskSurvives(t *testing.T) {
	t.Parallel()
	levels, seed := 2, uint64(1)
	if os.Getenv("CELLAR_SOAK") != "" {
		levels, seed = 50, rand.Uint64()
	}
	if v := os.Getenv("CELLAR_SEED"); v != "" {
		fmt.Sscan(v, &seed)
	}
	t.Logf("CELLAR_SEED=%d", seed)
	for i, kind := range []string{"install", "export", "import"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			disk := smallDisk(t, "48m")
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			outcomes := map[string]int{}
			for range levels {
				room := random.Int64N(64 << 10)
				if random.IntN(2) == 0 {
					room = random.Int64N(1 << 20)
				}
				l := &fullDisk{t: t, kind: kind, disk: disk, data: filepath.Join(disk, "data"), crash: random.IntN(2) == 0, early: random.IntN(2) == 0}
				outcomes[l.run(room)]++
				if t.Failed() {
					t.Fatalf("with %d bytes of room", room)
				}
			}
			t.Logf("%d levels: %v", levels, outcomes)
		})
	}
}

// smallDisk mounts a tmpfs of that size, or skips the test.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: mounting a small disk takes root")
	}
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", disk).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: nothing can be mounted here: %s", out)
	}
	t.Cleanup(func() { run(t, exec.Command("umount", "-l", disk)) })
	return disk
}

// fullDisk is one operation that runs into a full disk.
type fullDisk struct {
	t          *testing.T
	kind       string
	disk, data string
	crash      bool // the server is killed at the end, rather than stopped
	early      bool // and already while it keeps an outcome back
	p          *program
}

func (l *fullDisk) filler() string { return filepath.Join(l.disk, "filler") }

// fill leaves so many bytes.
func (l *fullDisk) fill(room int64) {
	l.t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(l.disk, &s); err != nil {
		l.t.Fatal(err)
	}
	err := os.WriteFile(l.filler(), make([]byte, max(0, int64(s.Bavail)*s.Bsize-room)), 0o600)
	if err != nil && !errors.Is(err, syscall.ENOSPC) { // the server may write at the same time
		l.t.Fatal(err)
	}
}

func (l *fullDisk) makeRoom() {
	if err := os.Remove(l.filler()); err != nil {
		l.t.Fatal(err)
	}
}

// end ends the server.
func (l *fullDisk) end() {
	if l.crash {
		l.p.kill()
	} else {
		l.p.stop()
	}
	l.p = nil
}

// endFull ends the server while the disk is full: it cannot write its log back into the
// database then, which the exit code tells, and the next start does it.
func (l *fullDisk) endFull() {
	signal := syscall.SIGTERM
	if l.crash {
		signal = syscall.SIGKILL
	}
	if err := l.p.cmd.Process.Signal(signal); err != nil {
		l.t.Fatal(err)
	}
	l.p.ended <- <-l.p.ended
	l.p = nil
}

const manyFiles = 300

// run returns how it went.
func (l *fullDisk) run(room int64) string {
	t := l.t
	t.Helper()
	l.p = serve(t, l.data, "--cell", "cell1")
	defer func() {
		l.p.kill()
		if err := os.RemoveAll(l.data); err != nil {
			t.Fatal(err)
		}
	}()
	state, target, status, body := l.prepare()
	l.fill(room)
	before := l.troubles()
	res, text, err := l.p.do(status.method, status.path, bytes.NewReader(body), "Content-Type", status.contentType)
	if err != nil {
		t.Fatal(err)
	}
	outcome := "refused"
	switch res.StatusCode {
	case http.StatusAccepted:
		outcome = l.wait(state, target, before)
		if outcome == "kept back" && l.early {
			outcome = "kept back over a restart"
			l.endFull()
		}
		l.makeRoom()
		if l.p == nil {
			l.p = serve(t, l.data)
		}
		for l.running(state) { // until what could not be recorded is
		}
	case http.StatusInsufficientStorage:
		if res.Header.Get("Content-Type") != "application/json" || !strings.Contains(string(text), "PR507-SV-0001") {
			t.Errorf("refused with %s", text)
		}
		l.makeRoom()
	default:
		t.Errorf("%s %s = %s %s", status.method, status.path, res.Status, text)
		l.makeRoom()
	}
	shown := l.shown(state)
	if strings.Contains(shown, l.disk) {
		t.Errorf("shown of the server:\n%s", shown)
	}
	failed := strings.Contains(shown, "failed") || strings.Contains(shown, "new.error")
	if failed && !strings.Contains(shown, "PR507-SV-0001") {
		t.Errorf("the failure does not say why:\n%s\n%s", shown, l.p.output())
	}
	if outcome != "refused" || l.kind != "install" {
		l.p.must(http.StatusCreated, "PUT", target, strings.NewReader("acknowledged"))
	}
	l.end()
	l.p = serve(t, l.data)
	for l.running(state) {
	}
	if again := l.shown(state); again != shown {
		t.Errorf("%s: shown was\n%s\nand after a restart it is\n%s", outcome, shown, again)
	}
	if outcome != "refused" || l.kind != "install" {
		if got := string(l.p.must(200, "GET", target, nil)); got != "acknowledged" {
			t.Errorf("an acknowledged write is now %q", got)
		}
	}
	l.p.stop()
	check(t, l.data)
	switch {
	case failed:
		return outcome + ", failed"
	case outcome == "refused":
		return outcome
	}
	return outcome + ", done"
}

// request is what starts the operation.
type request struct{ method, path, contentType string }

// prepare fills the cell, and tells where the state of the operation is, a file that can be
// written after it, and how it is started.
func (l *fullDisk) prepare() (state, target string, start request, body []byte) {
	p := l.p
	bar := bartest.Many("", manyFiles, 1000)
	switch l.kind {
	case "install":
		return "/cell1/app", "/cell1/app/acked", request{"MKCOL", "/cell1/app", "application/zip"}, bar
	case "export":
		l.installed("/cell1/full", bar)
		return "/cell1/__export", "/cell1/__/acked", request{"POST", "/cell1/__export", "application/json"}, []byte(`{"Name":"new"}`)
	}
	l.installed("/cell1/full", bar)
	p.must(201, "PUT", "/cell1/__/f", strings.NewReader("snapshot"))
	p.must(202, "POST", "/cell1/__export", strings.NewReader(`{"Name":"old"}`))
	for l.running("/cell1/__export") {
	}
	p.must(204, "PUT", "/cell1/__/f", strings.NewReader("current"))
	if l.crash { // then also with the zip in the request
		zip := p.must(200, "GET", "/cell1/__snapshot/old.zip", nil)
		return "/cell1/__import", "/cell1/__/acked", request{"POST", "/cell1/__import", "application/zip"}, zip
	}
	return "/cell1/__import", "/cell1/__/acked", request{"POST", "/cell1/__import", "application/json"}, []byte(`{"Name":"old"}`)
}

func (l *fullDisk) installed(box string, bar []byte) {
	l.t.Helper()
	l.p.must(202, "MKCOL", box, bytes.NewReader(bar), "Content-Type", "application/zip")
	for l.running(box) {
	}
}

// running reports whether what is shown at path is in progress, and waits a while for its end.
func (l *fullDisk) running(path string) bool {
	l.t.Helper()
	return l.inProgress(path, "Prefer", "wait=10")
}

func (l *fullDisk) inProgress(path string, header ...string) bool {
	l.t.Helper()
	res, text, err := l.p.do("GET", path, nil, header...)
	if err != nil {
		l.t.Fatalf("%v\n%s", err, l.p.output())
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusNotFound {
		l.t.Fatalf("GET %s = %s %s", path, res.Status, text)
	}
	return strings.Contains(string(text), "in progress")
}

// troubles is how often something could not be recorded.
func (l *fullDisk) troubles() int { return strings.Count(l.p.output(), "cannot be recorded") }

// wait waits, with the disk full, for the end of the operation, or for a sign that it cannot
// be shown: then writes must still be refused.
func (l *fullDisk) wait(state, target string, before int) string {
	l.t.Helper()
	for l.inProgress(state) {
		if l.troubles() == before {
			continue
		}
		res, text, err := l.p.do("PUT", target, strings.NewReader("meanwhile"))
		if err != nil {
			l.t.Fatal(err)
		}
		if l.inProgress(state) {
			if l.kind != "export" && res.StatusCode < 400 {
				l.t.Errorf("a write while nothing can be shown = %s %s", res.Status, text)
			}
			return "kept back"
		}
	}
	return "shown at once"
}

// address is another after a restart.
var address = regexp.MustCompile(`http://[0-9.:]+`)

// shown is everything that a client can see of the cell and of the operation.
func (l *fullDisk) shown(state string) string {
	l.t.Helper()
	var all []string
	_, text, err := l.p.do("GET", state, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, text, "", " ") == nil {
		text = pretty.Bytes()
	}
	all = append(all, string(text))
	for _, path := range []string{"/cell1/app", "/cell1/__", "/cell1/__snapshot"} {
		_, text, err := l.p.do("PROPFIND", path, nil, "Depth", "infinity")
		if err != nil {
			l.t.Fatal(err)
		}
		for _, href := range hrefs.FindAllString(string(text), -1) {
			if !strings.HasSuffix(href, "/acked</D:href>") { // written later
				all = append(all, href)
			}
		}
	}
	for _, path := range []string{"/cell1/__/f", "/cell1/__snapshot/new.error"} {
		res, text, err := l.p.do("GET", path, nil)
		if err != nil {
			l.t.Fatal(err)
		}
		if res.StatusCode == http.StatusOK {
			all = append(all, string(text))
		}
	}
	return address.ReplaceAllString(strings.Join(all, "\n"), "")
}

var hrefs = regexp.MustCompile(`<D:href>[^<]*</D:href>`)
