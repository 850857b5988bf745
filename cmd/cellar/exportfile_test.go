package main_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// cellar runs a command of the program on the running server, and returns its exit code and
// what it says.
func (p *program) cellar(words ...string) (int, string) {
	p.t.Helper()
	file, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(file, append(words, "--server", p.url)...)
	cmd.Env = append(os.Environ(), "CELLAR_ADMIN_PASSWORD="+adminPassword)
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		p.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// files are the names of a folder.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// TestExportWritesWhatItIsTold: an export follows links, writes into pipes and devices rather
// than replacing them, and takes no snapshot that it cannot keep.
func TestExportWritesWhatItIsTold(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--cell", "c")
	p.must(201, "PUT", "/c/__/file", strings.NewReader("text"))
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	good := func(what string, b []byte) {
		t.Helper()
		if _, err := zip.NewReader(bytes.NewReader(b), int64(len(b))); err != nil {
			t.Errorf("%s: %v in %d bytes", what, err, len(b))
		}
	}
	snapshots := func() int {
		return strings.Count(string(p.must(207, "PROPFIND", "/c/__snapshot", nil, "Depth", "1")), "<D:response>") - 1
	}

	for _, link := range [][2]string{{"there.zip", "link"}, {"notyet.zip", "dangling"}, {"dangling2", "chain"}, {"late.zip", "dangling2"}} {
		if err := os.Symlink(link[0], at(link[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeFile(at("there.zip"), "old"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"plain.zip": "plain.zip", "link": "there.zip", "dangling": "notyet.zip", "chain": "late.zip"} {
		if code, out := p.cellar("cell", "export", "c", "-o", at(name)); code != 0 {
			t.Errorf("to %s: %d %s", name, code, out)
		}
		b, err := os.ReadFile(at(name))
		if err != nil {
			t.Error(err)
		}
		good(name, b)
		if info, err := os.Lstat(at(want)); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s is no regular file: %v", want, err)
		}
		if info, err := os.Lstat(at(name)); err != nil || name != want && info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s is no link any more: %v", name, err)
		}
	}
	if n := snapshots(); n != 0 {
		t.Errorf("%d snapshots stay on the server", n)
	}

	for _, name := range []string{at("missing/c.zip"), dir, at("plain.zip/c.zip")} {
		if code, out := p.cellar("cell", "export", "c", "--name", "s", "-o", name); code != 1 || strings.Count(out, "\n") != 1 {
			t.Errorf("to %s: %d %s", name, code, out)
		}
	}
	if n := snapshots(); n != 0 {
		t.Errorf("%d snapshots were taken for nothing", n)
	}

	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan []byte, 1)
	go func() {
		b, err := os.ReadFile(at("pipe"))
		if err != nil {
			t.Error(err)
		}
		read <- b
	}()
	if code, out := p.cellar("cell", "export", "c", "-o", at("pipe")); code != 0 || out != "" {
		t.Errorf("to a pipe: %d %s", code, out)
	}
	good("a pipe", <-read)
	if info, err := os.Lstat(at("pipe")); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		t.Errorf("the pipe is gone: %v", err)
	}
	if code, out := p.cellar("cell", "export", "c", "--name", "other", "-o", os.DevNull); code != 0 {
		t.Errorf("to a device: %d %s", code, out)
	}
	if info, err := os.Lstat(os.DevNull); err != nil || info.Mode()&fs.ModeDevice == 0 {
		t.Fatalf("the device is gone: %v", err)
	}
	if n := snapshots(); n != 2 {
		t.Errorf("%d snapshots of 2 stay: nobody knows whether a pipe and a device kept theirs", n)
	}
	p.stop()
}

// TestExportNoticesDamage: a content that is damaged on the server's disk is told by its path; no
// file appears, and one that was there stays.
func TestExportNoticesDamage(t *testing.T) {
	t.Parallel()
	data, dir := t.TempDir(), t.TempDir()
	p := serve(t, data, "--cell", "c")
	p.must(201, "MKCOL", "/c/box", nil)
	p.must(201, "MKCOL", "/c/box/sub", nil)
	content := bytes.Repeat([]byte("0123456789"), 20_000) // a file of its own
	p.must(201, "PUT", "/c/box/sub/large file", bytes.NewReader(content))
	p.must(201, "PUT", "/c/box/small", strings.NewReader("good"))
	to := filepath.Join(dir, "c.zip")
	if code, out := p.cellar("cell", "export", "c", "-o", to); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	before, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	spoil(t, data, content, func(file string) error {
		text := bytes.Clone(content)
		text[100_000] = 'x'
		return os.WriteFile(file, text, 0o600)
	})
	for name, out := range map[string]string{"bad1": to, "bad2": "-"} {
		code, text := p.cellar("cell", "export", "c", "--name", name, "-o", out)
		if code != 1 || !strings.Contains(text, `cellar: damaged in the snapshot: "box/sub/large file": `) {
			t.Errorf("to %s: %d, it says %.300q", out, code, text[max(0, len(text)-300):])
		}
	}
	if after, err := os.ReadFile(to); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the good file of before is not there any more: %v", err)
	}
	if names := files(t, dir); len(names) != 1 {
		t.Errorf("files are left: %v", names)
	}
	p.stop()
}

// spoil does something to the file of a content in the data folder.
func spoil(t *testing.T, data string, content []byte, do func(file string) error) {
	t.Helper()
	blobs, err := filepath.Glob(filepath.Join(data, "blobs", "??", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range blobs {
		if text, err := os.ReadFile(file); err != nil {
			t.Fatal(err)
		} else if bytes.Equal(text, content) {
			if err := errors.Join(os.Chmod(file, 0o600), do(file)); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("there is no such content")
}

// TestServerFindsDamage: a running server reads its contents again, and logs with cell and path
// what is damaged; so does a GET. "--scrub 0" does not look.
func TestServerFindsDamage(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := serve(t, data, "--cell", "c", "--scrub", "0")
	p.must(201, "MKCOL", "/c/box", nil)
	contents := map[string][]byte{}
	for _, name := range []string{"flipped", "missing"} {
		contents[name] = bytes.Repeat([]byte(name), 20_000)
		p.must(201, "PUT", "/c/box/"+name, bytes.NewReader(contents[name]))
	}
	spoil(t, data, contents["flipped"], func(file string) error { return os.Truncate(file, 10) })
	spoil(t, data, contents["missing"], os.Remove)
	tells := func(log, name string) bool {
		for line := range strings.Lines(log) {
			if strings.Contains(line, "level=ERROR") && strings.Contains(line, "cell=c path=/box/"+name+" ") {
				return true
			}
		}
		return false
	}
	p.must(500, "GET", "/c/box/missing", nil)
	if !p.logs(func(log string) bool { return tells(log, "missing") }) || tells(p.output(), "flipped") {
		t.Errorf("after a GET of what is missing the log is\n%s", p.output())
	}
	p.stop()

	p = serve(t, data, "--scrub", "1GiB")
	if !p.logs(func(log string) bool { return strings.Contains(log, "msg=scrubbed") }) {
		t.Fatalf("it does not scrub:\n%s", p.output())
	}
	if !tells(p.output(), "missing") || !tells(p.output(), "flipped") || !strings.Contains(p.output(), "contents=2 bytes=280000 damaged=2") {
		t.Errorf("after a scrub the log is\n%s", p.output())
	}
	p.stop()
}
