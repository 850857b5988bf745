package main_test

import (
	"net/http"
	"os/exec"
	"regexp"
	"testing"
)

// TestLitmus runs the protocol tester over a box, the main box and a collection.
func TestLitmus(t *testing.T) {
	t.Parallel()
	litmus := tool(t, "litmus")
	dir := t.TempDir()
	p := serve(t, dir, "--cell", "cell1")
	for _, path := range []string{"/cell1/box", "/cell1/box/deep"} {
		p.must(http.StatusCreated, "MKCOL", path, nil)
	}
	summary := regexp.MustCompile("summary for `([a-z]+)': of ([0-9]+) tests run: ([0-9]+) passed, 0 failed")
	for _, path := range []string{"/cell1/box/", "/cell1/__/", "/cell1/box/deep/"} {
		cmd := exec.Command(litmus, p.url+path, adminUser, adminPassword)
		cmd.Dir = t.TempDir() // for its debug.log
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", path, err, out)
		}
		passed := map[string]string{}
		for _, m := range summary.FindAllStringSubmatch(string(out), -1) {
			passed[m[1]] = m[3] + "/" + m[2]
		}
		for suite, want := range map[string]string{"basic": "16/16", "copymove": "13/13", "props": "30/30", "locks": "41/41", "http": "4/4"} {
			if passed[suite] != want {
				t.Errorf("%s: %s passed %s, want %s\n%s", path, suite, passed[suite], want, out)
			}
		}
		if regexp.MustCompile("(?i)warning|skipped").Match(out) {
			t.Errorf("%s: a warning or a skip:\n%s", path, out)
		}
	}
	p.stop()
	check(t, dir)
}
