package main_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mounting skips the test where nothing can be mounted.
func mounting(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("SKIPPED: no /dev/fuse: nothing can be mounted here")
	}
}

// run runs a program, which must succeed.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}

// eventually waits until f succeeds, for what a client does in the background.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var err error
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); <-tick.C {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// tree is the checksum of every file below dir.
func tree(dir string) (map[string][32]byte, error) {
	sums := map[string][32]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path) // dir is a prefix of path
		sums[name] = sha256.Sum256(data)
		return err
	})
	return sums, err
}

func sameTree(t *testing.T, got, want string) {
	t.Helper()
	a, aerr := tree(got)
	b, berr := tree(want)
	if aerr != nil || berr != nil {
		t.Fatal(aerr, berr)
	}
	for name, sum := range b {
		if a[name] != sum {
			t.Errorf("%s differs or is missing in %s", name, got)
		}
	}
	if len(a) != len(b) {
		t.Errorf("%d files in %s, %d in %s", len(a), got, len(b), want)
	}
}

// sources is a folder with that many files of Go's own source tree.
func sources(t *testing.T, files int) string {
	t.Helper()
	root := strings.TrimSpace(run(t, exec.Command("go", "env", "GOROOT")))
	from, to := filepath.Join(root, "src"), filepath.Join(t.TempDir(), "src")
	n := 0
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case n == files:
			return fs.SkipAll
		case !d.Type().IsRegular():
			return nil
		}
		n++
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(from, path) // from is a prefix of path
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), data, 0o644)
	})
	if err != nil || n != files {
		t.Fatalf("%d files of %s: %v", n, from, err)
	}
	return to
}

// TestRcloneSync keeps a folder and a box the same. rclone waits 10 ms before each
// request to a WebDAV server, so that it waits for itself most of the time.
func TestRcloneSync(t *testing.T) {
	t.Parallel()
	tool(t, "rclone")
	src := sources(t, 300)
	data := t.TempDir()
	p := serve(t, data, "--cell", "cell1")
	p.must(201, "MKCOL", "/cell1/box", nil)
	rclone(t, p, "/cell1/box", "sync", src, "dav:")
	rclone(t, p, "/cell1/box", "check", "--download", src, "dav:")
	for _, err := range []error{
		os.RemoveAll(filepath.Join(src, "archive")), writeFile(filepath.Join(src, "README.vendor"), "changed"), writeFile(filepath.Join(src, "new"), "new"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	rclone(t, p, "/cell1/box", "sync", src, "dav:")
	back := t.TempDir()
	rclone(t, p, "/cell1/box", "copy", "dav:", back)
	sameTree(t, back, src)
	p.stop()
	check(t, data)
}

// TestRcloneMount mounts a box and works in it with git and tar, which unpacks 500 files;
// with CELLAR_SOAK 2,000.
func TestRcloneMount(t *testing.T) {
	t.Parallel()
	tool(t, "rclone")
	tool(t, "fusermount3")
	mounting(t)
	files := 500
	if os.Getenv("CELLAR_SOAK") != "" {
		files = 2000
	}
	src := sources(t, files)
	data := t.TempDir()
	p := serve(t, data, "--cell", "cell1")
	p.must(201, "MKCOL", "/cell1/box", nil)
	t.Run("work", func(t *testing.T) {
		dir := mountRclone(t, p, "/cell1/box")
		workWithGit(t, p, dir)
		unpack(t, p, src, dir)
	})
	p.stop()
	check(t, data)
}

// mountRclone mounts a folder of the server until the test ends.
func mountRclone(t *testing.T, p *program, root string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	// Files are uploaded a while after they were closed: git opens and renames its
	// own within moments.
	rclone(t, p, root, "mount", "dav:", dir, "--daemon", "--vfs-cache-mode", "writes", "--vfs-write-back", "1s",
		"--dir-cache-time", "1s", "--transfers", "16", "--cache-dir", t.TempDir())
	t.Cleanup(func() {
		eventually(t, func() error { return exec.Command("fusermount3", "-u", dir).Run() })
	})
	return dir
}

// workWithGit clones into the mount, edits, commits, and has git check all; then
// the same once more from what the server has.
func workWithGit(t *testing.T, p *program, dir string) {
	t.Helper()
	git := func(in string, args ...string) string {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = in
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org")
		return run(t, cmd)
	}
	origin := t.TempDir()
	git(origin, "init", "-q")
	for i := range 20 {
		if err := writeFile(filepath.Join(origin, fmt.Sprintf("file%d.txt", i)), strings.Repeat(fmt.Sprintln("line", i), 200)); err != nil {
			t.Fatal(err)
		}
	}
	git(origin, "add", ".")
	git(origin, "commit", "-q", "-m", "first")
	clone := filepath.Join(dir, "clone")
	git(dir, "clone", "-q", origin, "clone")
	if err := writeFile(filepath.Join(clone, "file3.txt"), "edited through the mount\n"); err != nil {
		t.Fatal(err)
	}
	git(clone, "commit", "-q", "-am", "second")
	git(clone, "fsck", "--full", "--strict")
	head := git(clone, "rev-parse", "HEAD")
	eventually(t, func() error {
		_, text, err := p.do("GET", "/cell1/box/clone/.git/logs/HEAD", nil)
		if err != nil || !bytes.Contains(text, []byte(strings.TrimSpace(head))) {
			return fmt.Errorf("the server does not have the commit: %s, %w", text, err)
		}
		return nil
	})
	copied := t.TempDir()
	eventually(t, func() error { // until all is uploaded
		rclone(t, p, "/cell1/box/clone", "sync", "dav:", copied)
		if out, err := exec.Command("git", "-C", copied, "fsck", "--full", "--strict").CombinedOutput(); err != nil {
			return fmt.Errorf("git fsck of what the server has: %w\n%s", err, out)
		}
		out, err := exec.Command("git", "-C", copied, "rev-parse", "HEAD").CombinedOutput()
		if err != nil || string(out) != head {
			return fmt.Errorf("HEAD on the server is %s, want %s (%w)", out, head, err)
		}
		return nil
	})
}

// unpack unpacks an archive into the mount and compares there and on the server.
func unpack(t *testing.T, p *program, src, dir string) {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "src.tar")
	run(t, exec.Command("tar", "-cf", archive, "-C", src, "."))
	to := filepath.Join(dir, "src")
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command("tar", "-xf", archive, "-C", to, "--no-same-owner"))
	sameTree(t, to, src)
	want, err := tree(src)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { // until all is uploaded
		if got := len(propfindAll(t, p, "/cell1/box/src")); got < len(want) {
			return fmt.Errorf("%d resources on the server, want %d files", got, len(want))
		}
		for name, sum := range want {
			res, text, err := p.do("GET", "/cell1/box/src/"+escapePath(filepath.ToSlash(name)), nil)
			if err != nil || res.StatusCode != 200 || sha256.Sum256(text) != sum {
				return fmt.Errorf("%s on the server: %w, %d bytes", name, err, len(text))
			}
		}
		return nil
	})
}

// TestDavfs2 works in a box that the kernel mounts. Reading a directory can fail
// with EINVAL on new kernels, so only files are used.
func TestDavfs2(t *testing.T) {
	t.Parallel()
	tool(t, "mount.davfs")
	mounting(t)
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: mounting with davfs2 takes root")
	}
	data := t.TempDir()
	p := serve(t, data, "--cell", "cell1")
	p.must(201, "MKCOL", "/cell1/box", nil)
	p.must(201, "PUT", "/cell1/box/there.txt", strings.NewReader("was there"))
	// Its processes change to a user of their own, who must reach the cache.
	dir, err := os.MkdirTemp("", "cellar-davfs-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	mnt, cache, conf, secrets := filepath.Join(dir, "mnt"), filepath.Join(dir, "cache"), filepath.Join(dir, "conf"), filepath.Join(dir, "secrets")
	for _, err := range []error{
		os.Chmod(dir, 0o755), os.Mkdir(mnt, 0o755), os.Mkdir(cache, 0o777), os.Chmod(cache, 0o777|fs.ModeSticky),
		writeFile(conf, fmt.Sprintf("use_locks 1\nask_auth 0\ndelay_upload 0\ncache_dir %s\nsecrets %s\n", cache, secrets)),
		writeFile(secrets, fmt.Sprintf("%s/cell1/box %s %q\n", p.url, adminUser, adminPassword)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	run(t, exec.Command("mount", "-t", "davfs", "-o", "conf="+conf, p.url+"/cell1/box", mnt))
	t.Cleanup(func() { exec.Command("umount", mnt).Run() })
	file := func(name string) string { return filepath.Join(mnt, name) }
	text, err := os.ReadFile(file("there.txt"))
	if err != nil || string(text) != "was there" {
		t.Errorf("read %q, %v", text, err)
	}
	large := strings.Repeat("0123456789abcdef", 20_000)
	for _, err := range []error{
		writeFile(file("new.txt"), "new"), writeFile(file("large.txt"), large), writeFile(file("there.txt"), "written over"),
		os.Mkdir(file("dir"), 0o755), os.Rename(file("new.txt"), filepath.Join(file("dir"), "moved.txt")),
		writeFile(file("gone.txt"), "gone"), os.Remove(file("gone.txt")),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	run(t, exec.Command("umount", mnt)) // waits until all is uploaded
	for name, want := range map[string]string{"dir/moved.txt": "new", "large.txt": large, "there.txt": "written over"} {
		if got := p.must(200, "GET", "/cell1/box/"+name, nil); string(got) != want {
			t.Errorf("%s has %d bytes, want %d", name, len(got), len(want))
		}
	}
	p.must(404, "GET", "/cell1/box/gone.txt", nil)
	p.must(204, "DELETE", "/cell1/box/large.txt", nil) // no lock is left
	p.stop()
	check(t, data)
}

// TestGio works in a box as the file manager of GNOME does.
func TestGio(t *testing.T) {
	t.Parallel()
	tool(t, "gio")
	session := tool(t, "dbus-run-session")
	if _, err := os.Stat("/usr/share/gvfs/mounts/dav.mount"); err != nil {
		t.Skip("SKIPPED: gvfs has no WebDAV backend here")
	}
	data := t.TempDir()
	p := serve(t, data, "--cell", "cell1")
	p.must(201, "MKCOL", "/cell1/box", nil)
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	script := fmt.Sprintf(`set -e
printf '%%s\n' '%s' | gio mount "$BOX/"
printf 'some text' > "$HOME/a.txt"
gio copy "$HOME/a.txt" "$BOX/a (1).txt"
test "$(gio cat "$BOX/a (1).txt")" = 'some text'
gio list -l "$BOX/" | grep -F 'a (1).txt	9	(regular)'
gio mkdir "$BOX/dir"
gio move "$BOX/a (1).txt" "$BOX/dir/b.txt"
gio copy "$BOX/dir/b.txt" "$BOX/c.txt"
gio rename "$BOX/c.txt" d.txt
printf 'saved' | gio save "$BOX/dir/b.txt"
gio copy "$BOX/dir/b.txt" "$BOX/e.txt"
gio remove "$BOX/e.txt"
gio info -f "$BOX/" | grep filesystem::free
gio mount -u "$BOX/"
`, adminPassword)
	cmd := exec.Command(session, "--", "sh", "-c", script)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME="+home, "XDG_RUNTIME_DIR="+home, "GVFS_DISABLE_FUSE=1",
		fmt.Sprintf("BOX=dav://%s@%s/cell1/box", adminUser, u.Host))
	out := run(t, cmd)
	if got := p.must(200, "GET", "/cell1/box/dir/b.txt", nil); string(got) != "saved" {
		t.Errorf("dir/b.txt is %q\n%s", got, out)
	}
	if got := p.must(200, "GET", "/cell1/box/d.txt", nil); string(got) != "some text" {
		t.Errorf("d.txt is %q\n%s", got, out)
	}
	p.must(404, "GET", "/cell1/box/e.txt", nil)
	p.stop()
	check(t, data)
}
