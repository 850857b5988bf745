package webdavfs_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/webdav"

	"cellar/cellfs"
	"cellar/cellfs/blob"
	"cellar/cellfs/cellfstest"
	"cellar/cellfs/meta"
	"cellar/cellfs/webdavfs"
)

// TestStockHandler serves the tree with the handler of x/net/webdav: [webdavfs.FileSystem] is
// all that it needs.
func TestStockHandler(t *testing.T) {
	dir := t.TempDir()
	m, err := meta.OpenSQLite(t.Context(), dir, meta.Full, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	b, err := blob.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	f := cellfs.New(cellfs.Config{Meta: m, Blobs: b, Snapshots: cellfstest.NoSnapshots{}})
	if _, err := f.CreateCell(context.Background(), "c", ""); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(&webdav.Handler{FileSystem: webdavfs.New(f), LockSystem: webdavfs.New(f).LockSystem("me")})
	defer s.Close()
	do := func(method, path, body string, header ...string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if tag := res.Header.Get("ETag"); method == "PUT" && res.StatusCode < 300 {
			if n, err := f.Node(t.Context(), cellfstest.Path(t, path)); err != nil || n.ETag() != tag {
				t.Errorf("PUT says ETag %s, the file has %s (%v)", tag, n.ETag(), err)
			}
		}
		return res.StatusCode, string(text)
	}
	large := strings.Repeat("x", cellfs.MaxInline+1)
	for _, c := range []struct {
		method, path, body, dst string
		want                    int
	}{
		{"MKCOL", "/c/b", "", "", 201},
		{"MKCOL", "/c/b/d", "", "", 201},
		{"MKCOL", "/c/b/d", "", "", 405},
		{"MKCOL", "/c/b/none/x", "", "", 409},
		{"PUT", "/c/b/d/f", "hello", "", 201},
		{"PUT", "/c/b/d/large", large, "", 201},
		{"PUT", "/c/b/d/empty", "", "", 201},
		{"COPY", "/c/b/d", "", "/c/b/e", 201},
		{"MOVE", "/c/b/e", "", "/c/b/g", 201},
		{"DELETE", "/c/b/d", "", "", 204},
		{"GET", "/c/b/d/f", "", "", 404},
		{"GET", "/c/b/none", "", "", 404},
		{"PROPFIND", "/c/b/g", "", "", 207},
	} {
		if got, text := do(c.method, c.path, c.body, "Destination", s.URL+c.dst, "Depth", "infinity"); got != c.want {
			t.Errorf("%s %s = %d, want %d\n%s", c.method, c.path, got, c.want, text)
		}
	}
	for path, want := range map[string]string{"/c/b/g/f": "hello", "/c/b/g/large": large, "/c/b/g/empty": ""} {
		if code, got := do("GET", path, ""); code != 200 || got != want {
			t.Errorf("GET %s = %d, %.20q", path, code, got)
		}
	}
	_, listing := do("PROPFIND", "/c", "", "Depth", "1")
	for _, href := range []string{"/c/b/", "/c/__/", "/c/__snapshot/", "/c/__log/"} {
		if !strings.Contains(listing, "<D:href>"+href+"</D:href>") {
			t.Errorf("the cell does not list %s:\n%s", href, listing)
		}
	}
	for _, path := range []string{"/c/b/g", "/c/b/g/f"} {
		patch := `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="urn:x">1</x></D:prop></D:set></D:propertyupdate>`
		if code, text := do("PROPPATCH", path, patch); code != 207 || !strings.Contains(text, "200 OK") {
			t.Errorf("PROPPATCH %s = %d %s", path, code, text)
		}
		if _, text := do("PROPFIND", path, "", "Depth", "0"); !strings.Contains(text, `<x xmlns="urn:x">1</x>`) {
			t.Errorf("PROPFIND %s: %s", path, text)
		}
	}
	stockLocks(t, f, do)
	cellfstest.CheckStore(t, f)
}

// stockLocks has the stock handler lock, and sees that the locks are the tree's.
func stockLocks(t *testing.T, f *cellfs.FS, do func(method, path, body string, header ...string) (int, string)) {
	const info = `<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner><a/></D:owner></D:lockinfo>`
	status := func(want int, method, path, body string, header ...string) string {
		t.Helper()
		got, text := do(method, path, body, header...)
		if got != want {
			t.Errorf("%s %s = %d, want %d\n%s", method, path, got, want, text)
		}
		return text
	}
	text := status(200, "LOCK", "/c/b/g", info, "Timeout", "Second-60")
	_, rest, _ := strings.Cut(text, "<D:locktoken><D:href>")
	token, _, _ := strings.Cut(rest, "<")
	status(423, "PUT", "/c/b/g/f", "x")
	status(423, "LOCK", "/c/b/g/f", info, "Timeout", "Second-60")
	status(423, "DELETE", "/c/b", "")
	status(201, "PUT", "/c/b/g/f", "x", "If", "(<"+token+">)")
	status(412, "PUT", "/c/b/g/f", "x", "If", "(<urn:other>)")
	status(200, "LOCK", "/c/b/g", "", "If", "(<"+token+">)", "Timeout", "Second-120")
	err := f.View(t.Context(), func(tx cellfs.Tx) error {
		all, err := tx.LocksAbove(cellfstest.Path(t, "/c/b/g/f"), cellfs.WholeLocks, f.Now())
		if len(all) != 1 || all[0].Token != token || !all[0].Infinite || all[0].Owner != "&lt;a/&gt;" {
			t.Errorf("locks %+v", all)
		}
		err = errors.Join(err, f.CheckLocks(tx, cellfs.Change{Path: cellfstest.Path(t, "/c/b/g/f"), Tokens: []string{token}, Principal: "me"}))
		if somebody := f.CheckLocks(tx, cellfs.Change{Path: cellfstest.Path(t, "/c/b/g/f"), Tokens: []string{token}, Principal: "you"}); !errors.Is(somebody, cellfs.ErrLocked) {
			t.Errorf("another principal: %v", somebody)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	status(204, "UNLOCK", "/c/b/g", "", "Lock-Token", "<"+token+">")
	status(409, "UNLOCK", "/c/b/g", "", "Lock-Token", "<"+token+">")
	status(201, "PUT", "/c/b/g/f", "x")
}
