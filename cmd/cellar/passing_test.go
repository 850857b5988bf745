package main_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDownloadEvictsNothing: what "cellar cell export" takes and removes leaves the
// snapshots that are kept alone.
func TestDownloadEvictsNothing(t *testing.T) {
	t.Parallel()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	data, out := t.TempDir(), filepath.Join(t.TempDir(), "out.zip")
	p := serve(t, data, "--cell", "cell1")
	p.stop()
	run(t, exec.Command(file, "cell", "keep-snapshots", "--data", data, "cell1", "1"))
	p = serve(t, data)
	export := func(args ...string) {
		t.Helper()
		if code, text := p.cellar(append([]string{"cell", "export", "-o", out, "cell1"}, args...)...); code != 0 {
			t.Fatal(text)
		}
	}
	export("--name", "nightly", "--keep")
	for range 3 {
		export("--name", "passing")
	}
	listed := string(p.must(207, "PROPFIND", "/cell1/__snapshot", nil, "Depth", "1"))
	if !strings.Contains(listed, "nightly.zip") || strings.Count(listed, ".zip</D:href>") != 1 {
		t.Errorf("what is kept:\n%s", listed)
	}
	p.stop()
	check(t, data)
}
