package main_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// as sends a request with a name and a password.
func (p *program) as(name, password, method, path, body string, header ...string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.SetBasicAuth(name, password)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// account makes an account with a role of its name.
func (p *program) account(cell, name, password string) {
	p.t.Helper()
	p.must(http.StatusCreated, "POST", "/"+cell+"/__ctl/Account", strings.NewReader(`{"Name":"`+name+`"}`), "X-Personium-Credential", password)
	p.must(http.StatusCreated, "POST", "/"+cell+"/__ctl/Role", strings.NewReader(`{"Name":"`+name+`"}`))
	p.must(http.StatusNoContent, "POST", "/"+cell+"/__ctl/Account('"+name+"')/$links/_Role",
		strings.NewReader(`{"uri":"`+p.url+"/"+cell+`/__ctl/Role('`+name+`')"}`))
}

// acl grants roles their privileges: "role privilege privilege".
func (p *program) acl(path string, grants ...string) {
	p.t.Helper()
	cell, _, _ := strings.Cut(path[1:], "/")
	b := `<D:acl xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns" xml:base="` + p.url + "/" + cell + `/__role/__/">`
	for _, g := range grants {
		words := strings.Fields(g)
		b += `<D:ace><D:principal><D:href>` + words[0] + `</D:href></D:principal><D:grant>`
		for _, w := range words[1:] {
			b += `<D:privilege><` + w + `/></D:privilege>`
		}
		b += `</D:grant></D:ace>`
	}
	p.must(http.StatusOK, "ACL", path, strings.NewReader(b+`</D:acl>`))
}

// TestTwoPeopleMount: two people mount the same cell with their own passwords. Each sees
// and changes only what the ACLs give.
func TestTwoPeopleMount(t *testing.T) {
	t.Parallel()
	tool(t, "rclone")
	tool(t, "fusermount3")
	mounting(t)
	p := serve(t, t.TempDir(), "--cell", "home")
	passwords := map[string]string{"ann": "anns-password", "bob": "bobs_password"}
	for _, name := range []string{"ann", "bob"} {
		p.account("home", name, passwords[name])
	}
	for _, box := range []string{"shared", "ann", "bob"} {
		p.must(http.StatusCreated, "MKCOL", "/home/"+box, nil)
	}
	p.must(http.StatusCreated, "PUT", "/home/shared/news.txt", strings.NewReader("for both\n"))
	p.must(http.StatusCreated, "PUT", "/home/ann/diary.txt", strings.NewReader("of ann\n"))
	p.acl("/home", "ann p:propfind", "bob p:propfind")
	p.acl("/home/shared", "ann D:read D:write", "bob D:read")
	p.acl("/home/ann", "ann D:all")
	p.acl("/home/bob", "bob D:all")

	mounts := map[string]string{}
	for name, password := range passwords {
		hidden := strings.TrimSpace(run(t, exec.Command("rclone", "obscure", password)))
		at := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(at, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("rclone", "mount", ":webdav:", at, "--webdav-url", p.url+"/home", "--webdav-user", name, "--webdav-pass", hidden,
			"--config", os.DevNull, "--cache-dir", t.TempDir(), "--dir-cache-time", "0s", "--vfs-cache-mode", "writes", "--vfs-write-back", "100ms", "--low-level-retries", "1", "--retries", "1")
		out := new(strings.Builder)
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		t.Cleanup(func() {
			_ = exec.Command("fusermount3", "-u", at).Run()
			<-ended
			if t.Failed() {
				t.Logf("rclone of %s: %s", name, out)
			}
		})
		mounts[name] = at
		eventually(t, func() error {
			text, err := os.ReadFile(filepath.Join(at, "shared", "news.txt"))
			if err == nil && string(text) != "for both\n" {
				err = fmt.Errorf("it reads %q", text)
			}
			return err
		})
	}
	list := func(name string) string {
		t.Helper()
		entries, err := os.ReadDir(mounts[name])
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	for name, want := range map[string]string{"ann": "ann shared", "bob": "bob shared"} {
		if got := list(name); got != want {
			t.Errorf("%s sees %s, want %s", name, got, want)
		}
	}
	if text, err := os.ReadFile(filepath.Join(mounts["ann"], "ann", "diary.txt")); err != nil || string(text) != "of ann\n" {
		t.Errorf("ann's diary for ann: %q, %v", text, err)
	}
	if text, err := os.ReadFile(filepath.Join(mounts["bob"], "ann", "diary.txt")); err == nil {
		t.Errorf("bob reads ann's diary: %q", text)
	}
	// Ann writes where both read; Bob cannot.
	if err := os.WriteFile(filepath.Join(mounts["ann"], "shared", "from-ann.txt"), []byte("hello bob\n"), 0o644); err != nil {
		t.Error(err)
	}
	eventually(t, func() error {
		text, err := os.ReadFile(filepath.Join(mounts["bob"], "shared", "from-ann.txt"))
		if err == nil && string(text) != "hello bob\n" {
			err = fmt.Errorf("bob reads %q", text)
		}
		return err
	})
	// rclone keeps what it may not write for later, so that the write itself succeeds.
	_ = os.WriteFile(filepath.Join(mounts["bob"], "shared", "from-bob.txt"), []byte("no"), 0o644)
	if err := os.Remove(filepath.Join(mounts["bob"], "shared", "news.txt")); err == nil {
		t.Error("bob removes what he may only read")
	}
	if err := os.WriteFile(filepath.Join(mounts["bob"], "bob", "mine.txt"), []byte("of bob\n"), 0o644); err != nil {
		t.Error(err)
	}
	eventually(t, func() error { // after that file, also the one before was tried
		if _, body, err := p.do("GET", "/home/bob/mine.txt", nil); err != nil || string(body) != "of bob\n" {
			return fmt.Errorf("bob's file: %q, %v", body, err)
		}
		return nil
	})
	if res, _, err := p.do("GET", "/home/shared/from-bob.txt", nil); err != nil || res.StatusCode != http.StatusNotFound {
		t.Errorf("what bob wrote where he may not: %v, %v", res.StatusCode, err)
	}
	p.must(http.StatusOK, "GET", "/home/shared/news.txt", nil)
}

// TestKillControl kills the server at random moments of changes of accounts, roles and
// ACLs: what was acknowledged is there after the restart, and works.
func TestKillControl(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	type state struct {
		mu     sync.Mutex
		linked []string // accounts that have their role
		gone   []string // accounts that were removed
	}
	var s state
	for round := range killRounds(t) {
		p := serve(t, dir, "--cell", "cell1")
		killAt := int64(1 + rnd.IntN(40))
		var acks atomic.Int64
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := range 6 {
					name := fmt.Sprintf("a%d-%d-%d", round, w, i)
					ok := func(method, path, body string, want int, header ...string) bool {
						res, _, err := p.do(method, path, strings.NewReader(body), header...)
						if err != nil || res.StatusCode != want {
							return false
						}
						if acks.Add(1) == killAt {
							p.kill()
						}
						return true
					}
					made := ok("POST", "/cell1/__ctl/Account", `{"Name":"`+name+`"}`, http.StatusCreated, "X-Personium-Credential", "password-"+name) &&
						ok("POST", "/cell1/__ctl/Role", `{"Name":"`+name+`"}`, http.StatusCreated) &&
						ok("POST", "/cell1/__ctl/Account('"+name+"')/$links/_Role", `{"uri":"`+p.url+`/cell1/__ctl/Role('`+name+`')"}`, http.StatusNoContent)
					if !made {
						continue
					}
					if i%3 == 2 {
						if ok("DELETE", "/cell1/__ctl/Account('"+name+"')", "", http.StatusNoContent) {
							s.mu.Lock()
							s.gone = append(s.gone, name)
							s.mu.Unlock()
						}
						continue
					}
					s.mu.Lock()
					s.linked = append(s.linked, name)
					s.mu.Unlock()
				}
			})
		}
		wg.Wait()
		p.kill()
		p = serve(t, dir)
		for _, name := range s.linked {
			_, body, err := p.do("GET", "/cell1/__ctl/Account('"+name+"')/$links/_Role", nil)
			if err != nil || !strings.Contains(string(body), "Role(Name='"+name+"'") {
				t.Errorf("round %d: %s has lost its role: %s, %v", round, name, body, err)
			}
		}
		for _, name := range s.gone {
			if res, _, err := p.do("GET", "/cell1/__ctl/Account('"+name+"')", nil); err != nil || res.StatusCode != http.StatusNotFound {
				t.Errorf("round %d: %s is back: %v, %v", round, name, res.StatusCode, err)
			}
		}
		if n := len(s.linked); n > 0 { // the last one can use what it was given
			name := s.linked[n-1]
			p.acl("/cell1", name+" p:log-read")
			if status, text := p.as(name, "password-"+name, "GET", "/cell1/__log/current/default.log", ""); status != http.StatusOK {
				t.Errorf("round %d: %s may not read the log: %d %s", round, name, status, text)
			}
		}
		p.stop()
		check(t, dir)
		if t.Failed() {
			return
		}
	}
}
