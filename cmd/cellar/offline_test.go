package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"cellar/barfs/bartest"
	"cellar/cellfs"
	"cellar/cellfs/control"
	"cellar/cellfs/meta"
	"cellar/jobs"
)

// offline runs a command on the data folder of a stopped server.
func offline(t *testing.T, args ...string) (string, error) {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(file, args...).CombinedOutput()
	return string(out), err
}

// TestOfflineChangesAreEvents: what the commands change while the server is stopped is in the
// event log, as it is when a client changes it.
func TestOfflineChangesAreEvents(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	password := filepath.Join(t.TempDir(), "password")
	if err := writeFile(password, "correct-horse\n"); err != nil {
		t.Fatal(err)
	}
	serve(t, data, "--cell", "cell1").stop()
	for _, line := range []string{
		"account add --password-file PASSWORD --data DATA cell1 alice", "role add --data DATA cell1 reader", "account grant --data DATA cell1 alice reader",
		"account passwd --password-file PASSWORD --data DATA cell1 alice", "account revoke --data DATA cell1 alice reader",
		"account remove --data DATA cell1 alice", "role remove --data DATA cell1 reader",
	} {
		args := strings.Fields(strings.NewReplacer("PASSWORD", password, "DATA", data).Replace(line))
		if out, err := offline(t, args...); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	p := serve(t, data)
	log := string(p.must(http.StatusOK, "GET", "/cell1/__log/current/default.log", nil))
	ctl := p.url + "/cell1/__ctl/"
	want := []string{
		`"cellctl.Account.create","` + ctl + `Account('alice')","201,` + ctl + `Account"`,
		`"cellctl.Role.create","` + ctl + `Role(Name='reader',_Box.Name=null)","201,` + ctl + `Role"`,
		`"cellctl.Account.links.Role.create","` + ctl + `Account('alice')/$links/_Role(Name='reader',_Box.Name=null)","204"`,
		`"cellctl.Account.patch","` + ctl + `Account('alice')","204,Account('alice')"`,
		`"cellctl.Account.links.Role.delete","` + ctl + `Account('alice')/$links/_Role(Name='reader',_Box.Name=null)","204"`,
		`"cellctl.Account.delete","` + ctl + `Account('alice')","204"`,
		`"cellctl.Role.delete","` + ctl + `Role(Name='reader',_Box.Name=null)","204"`,
	}
	lines := strings.Split(strings.TrimSpace(log), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), log)
	}
	for i, end := range want {
		if !strings.HasSuffix(lines[i], ",null,\""+p.url+"/#admin\","+end) {
			t.Errorf("line %d is\n%s, it should end in\n%s", i, lines[i], end)
		}
	}
	p.stop()
}

// TestOfflineCommandsRunNoJobs: an install that a crash cut off goes on with the next server, and
// not while a command works on the folder: its row stays as the crash left it.
func TestOfflineCommandsRunNoJobs(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	password := filepath.Join(t.TempDir(), "password")
	if err := writeFile(password, "correct-horse\n"); err != nil {
		t.Fatal(err)
	}
	bar := bartest.Many("", 5_000, 10)
	var left cellfs.Job
	box, ended := "", true
	for try := 0; try < 10 && ended; try++ { // it may have ended before the crash, and then another one is tried
		p := serve(t, data, "--cell", "cell1")
		box = fmt.Sprint("/cell1/box", try)
		p.must(http.StatusAccepted, "MKCOL", box, bytes.NewReader(bar), "Content-Type", "application/zip")
		p.kill()
		left = lastJob(t, data)
		ended = jobs.State(left.State).Ended()
	}
	if ended {
		t.Fatalf("no install was cut off: %+v", left)
	}
	for n := range 5 { // more often than a job is started; each takes as long as a password is hashed
		if out, err := offline(t, "account", "add", "--data", data, "--password-file", password, "cell1", fmt.Sprint("a", n)); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if now := lastJob(t, data); !reflect.DeepEqual(now, left) {
			t.Fatalf("a command changed the job\n%+v\nto\n%+v", left, now)
		}
	}
	p := serve(t, data)
	if state := p.must(http.StatusOK, "GET", box, nil, "Prefer", "wait=60"); !bytes.Contains(state, []byte(`"ready"`)) {
		t.Errorf("%s", state)
	}
	p.stop()
	check(t, data)
}

// lastJob is the row of the job that was accepted last in a data folder.
func lastJob(t *testing.T, data string) (last cellfs.Job) {
	t.Helper()
	inFolder(t, data, func(_ *cellfs.FS, tx cellfs.Tx) error {
		all, err := tx.Jobs()
		for _, j := range all {
			if j.ID > last.ID {
				last = j
			}
		}
		return err
	})
	return last
}

// inFolder runs fn on the rows of a data folder that no server has open.
func inFolder(t *testing.T, data string, fn func(*cellfs.FS, cellfs.Tx) error) {
	t.Helper()
	rows, err := meta.OpenSQLite(t.Context(), data, meta.Full, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f := cellfs.New(cellfs.Config{Meta: rows})
	err = f.Update(t.Context(), func(tx cellfs.Tx) error { return fn(f, tx) })
	if err := errors.Join(err, rows.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestOfflineWaitsForImports: while an import that a crash cut off waits for the next server, no
// command changes an account that the import would replace.
func TestOfflineWaitsForImports(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	password := filepath.Join(t.TempDir(), "password")
	if err := writeFile(password, "correct-horse\n"); err != nil {
		t.Fatal(err)
	}
	p := serve(t, data, "--cell", "cell1")
	p.must(http.StatusAccepted, "MKCOL", "/cell1/box", bytes.NewReader(bartest.Many("", 10_000, 10)), "Content-Type", "application/zip")
	p.must(http.StatusOK, "GET", "/cell1/box", nil, "Prefer", "wait=60")
	p.must(http.StatusAccepted, "POST", "/cell1/__export", strings.NewReader(`{"Name":"s"}`))
	p.must(http.StatusOK, "GET", "/cell1/__export", nil, "Prefer", "wait=60")
	refused := false
	for try := 0; try < 10 && !refused; try++ {
		p.must(http.StatusAccepted, "POST", "/cell1/__import", strings.NewReader(`{"Name":"s"}`))
		p.kill() // it may have ended, and then another one is tried
		out, err := offline(t, "account", "add", "--data", data, "--password-file", password, "cell1", fmt.Sprint("a", try))
		refused = err != nil
		if refused && !strings.Contains(out, "[cell import] is being executed") {
			t.Fatalf("%v\n%s", err, out)
		}
		p = serve(t, data)
		p.must(http.StatusOK, "GET", "/cell1/__import", nil, "Prefer", "wait=60")
	}
	if !refused {
		t.Error("an account was added each time")
	}
	if out, err := offline(t, "account", "list", "--data", t.TempDir(), "cell1"); err == nil {
		t.Errorf("a folder without data: %s", out)
	}
	p.stop()
	if out, err := offline(t, "account", "add", "--data", data, "--password-file", password, "cell1", "after"); err != nil {
		t.Errorf("after the import: %v\n%s", err, out)
	}
}

// TestListsAreWhole: a command lists all roles, also where the server gives them in several pages.
func TestListsAreWhole(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	serve(t, data, "--cell", "cell1").stop()
	const roles = 10_001 // a page has 10,000
	inFolder(t, data, func(f *cellfs.FS, tx cellfs.Tx) error {
		s, err := control.In(f, tx, "cell1")
		for n := 0; n < roles && err == nil; n++ {
			err = s.Add(control.SetOf(cellfs.SetRole), control.Values{"Name": fmt.Sprintf("r%05d", n)})
		}
		return err
	})
	out, err := offline(t, "role", "list", "--data", data, "cell1")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Fields(out)
	if len(lines) != roles || lines[0] != "r00000" || lines[roles-1] != fmt.Sprintf("r%05d", roles-1) {
		t.Errorf("%d roles, want %d", len(lines), roles)
	}
}
