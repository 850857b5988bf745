package main_test

import (
	"bufio"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the program as a user does.
func TestScripts(t *testing.T) {
	t.Parallel()
	programs(t)
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(file)+string(filepath.ListSeparator)+e.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"serve-once": serveOnce},
	})
}

// serveOnce runs "cellar serve" with the given flags until it has said that it
// serves, ends it, and leaves what it wrote in server.out and server.err. After
// --while stands a command line that is run meanwhile, with the server's URL in the
// place of SERVER; what it writes goes to while.err.
func serveOnce(ts *testscript.TestScript, neg bool, args []string) {
	var during []string
	if i := slices.Index(args, "--while"); i >= 0 {
		args, during = args[:i], args[i+1:]
	}
	file, err := binary()
	ts.Check(err)
	var stderr strings.Builder
	cmd := exec.Command(file, append([]string{"serve"}, args...)...)
	cmd.Dir, cmd.Stderr = ts.MkAbs("."), &stderr
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	lines, text := bufio.NewReader(out), ""
	for !strings.Contains(text, "admin: ") {
		line, err := lines.ReadString('\n')
		text += line
		if err != nil {
			ts.Fatalf("the server ended: %s%s", text, stderr.String())
		}
	}
	if during != nil {
		_, rest, _ := strings.Cut(text, "cellar serves ")
		url, _, _ := strings.Cut(rest, "\n")
		for i := range during {
			during[i] = strings.ReplaceAll(during[i], "SERVER", url)
		}
		c := exec.Command(file, during...)
		c.Dir = cmd.Dir
		combined, _ := c.CombinedOutput()
		ts.Check(writeFile(ts.MkAbs("while.err"), string(combined)))
	}
	ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	rest, err := io.ReadAll(lines)
	ts.Check(err)
	if err := cmd.Wait(); (err != nil) != neg {
		ts.Fatalf("the server ended with %v\n%s", err, stderr.String())
	}
	ts.Check(writeFile(ts.MkAbs("server.out"), text+string(rest)))
	ts.Check(writeFile(ts.MkAbs("server.err"), stderr.String()))
}
