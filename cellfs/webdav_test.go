package cellfs_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/webdav"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
)

// TestStockHandler serves the tree with the handler of x/net/webdav: FS is a
// webdav.FileSystem on its own.
func TestStockHandler(t *testing.T) {
	m, b := openReal(t)
	f := cellfs.New(cellfs.Config{Meta: m, Blobs: b, Snapshots: cellfstest.NoSnapshots{}})
	if _, err := f.CreateCell(context.Background(), "c", ""); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(&webdav.Handler{FileSystem: f, LockSystem: webdav.NewMemLS()})
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
	cellfstest.CheckStore(t, f)
}
