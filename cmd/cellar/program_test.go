package main_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	adminUser     = "admin"
	adminPassword = "correct horse"
)

// binary is the program under test, built once, in binaryDir.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cellar-test-*")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	file := filepath.Join(dir, "cellar")
	cmd := exec.Command("go", "build", "-trimpath", "-o", file, ".") // as make build does, so that it compiles nothing again
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return file, nil
})

var binaryDir string // "" before it is built

func TestMain(m *testing.M) {
	code := m.Run()
	if binaryDir != "" {
		os.RemoveAll(binaryDir)
	}
	os.Exit(code)
}

// programs skips a test that runs programs when only the short ones are to run.
func programs(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: -short: it runs programs")
	}
}

// program is a running "cellar serve".
type program struct {
	t    testing.TB
	cmd  *exec.Cmd
	url  string // without final slash
	log  *bytes.Buffer
	mu   *sync.Mutex // guards log
	more *sync.Cond  // log grew

	ended chan error
}

// serve starts the program on a free port and waits until it listens.
func serve(t testing.TB, dir string, args ...string) *program {
	t.Helper()
	return serveWith(t, []string{"CELLAR_ADMIN_PASSWORD=" + adminPassword}, dir, args...)
}

// serveWith is serve with other variables in the environment.
func serveWith(t testing.TB, env []string, dir string, args ...string) *program {
	t.Helper()
	programs(t)
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, log: &bytes.Buffer{}, mu: &sync.Mutex{}, ended: make(chan error, 1)}
	p.more = sync.NewCond(p.mu)
	p.cmd = exec.Command(file, append([]string{"serve", "--data", dir, "--listen", "127.0.0.1:0"}, args...)...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = lockedWriter{p}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for p.url == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the program ended before it listened: %v\n%s", p.cmd.Wait(), p.output())
		}
		if u, ok := strings.CutPrefix(line, "cellar serves "); ok {
			p.url = strings.TrimSuffix(strings.TrimSpace(u), "/")
		}
	}
	go func() {
		io.Copy(io.Discard, lines)
		p.ended <- p.cmd.Wait()
	}()
	t.Cleanup(func() { p.kill() })
	return p
}

type lockedWriter struct{ p *program }

func (w lockedWriter) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	defer w.p.more.Broadcast()
	return w.p.log.Write(b)
}

func (p *program) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// hangup sends SIGHUP and waits until the log says that text once more.
func (p *program) hangup(says string) {
	p.t.Helper()
	before := strings.Count(p.output(), says)
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		p.t.Fatal(err)
	}
	if !p.logs(func(log string) bool { return strings.Count(log, says) > before }) {
		p.t.Fatalf("it does not say %q\n%s", says, p.output())
	}
}

// logs waits, for up to a minute, until the log is as wanted: its lines come a while after the
// answers that they are about.
func (p *program) logs(wanted func(log string) bool) bool {
	late := false
	defer time.AfterFunc(time.Minute, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		late = true
		p.more.Broadcast()
	}).Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for !wanted(p.log.String()) {
		if late {
			return false
		}
		p.more.Wait()
	}
	return true
}

// kill ends the program without warning and waits until it is gone.
func (p *program) kill() {
	if p.cmd.Process.Signal(syscall.SIGKILL) == nil {
		p.ended <- <-p.ended
	}
}

// stop asks the program to end, which it must do well.
func (p *program) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		p.ended <- err
		if err != nil {
			p.t.Errorf("the program ended with %v\n%s", err, p.output())
		}
	case <-time.After(60 * time.Second):
		p.t.Fatalf("the program does not end\n%s", p.output())
	}
}

// send sends a request as the admin; header holds names and values in turn. The caller
// closes the body of the answer.
func (p *program) send(method, path string, body io.Reader, header ...string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(context.Background(), method, p.url+path, body)
	if err != nil {
		return nil, err
	}
	r.SetBasicAuth(adminUser, adminPassword)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return http.DefaultClient.Do(r)
}

// do sends a request and reads the answer.
func (p *program) do(method, path string, body io.Reader, header ...string) (*http.Response, []byte, error) {
	res, err := p.send(method, path, body, header...)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res, text, err
}

// open is send for what must be answered.
func (p *program) open(method, path string, header ...string) *http.Response {
	p.t.Helper()
	res, err := p.send(method, path, nil, header...)
	if err != nil {
		p.t.Fatal(err)
	}
	return res
}

// must is do with an expected status.
func (p *program) must(status int, method, path string, body io.Reader, header ...string) []byte {
	p.t.Helper()
	res, text, err := p.do(method, path, body, header...)
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", method, path, err, p.output())
	}
	if res.StatusCode != status {
		p.t.Fatalf("%s %s = %s, want %d\n%s", method, path, res.Status, status, text)
	}
	return text
}

// check runs "cellar check" over a stopped server's data, which must be sound.
func check(t testing.TB, dir string) {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(file, "check", "--data", dir).CombinedOutput(); err != nil {
		t.Errorf("cellar check: %v\n%s", err, out)
	}
}

func writeFile(name, text string) error { return os.WriteFile(name, []byte(text), 0o600) }

// tool returns the path of a client program, or skips the test where there is
// none.
func tool(t testing.TB, name string) string {
	t.Helper()
	file, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED: %s is not installed", name)
	}
	return file
}
