package dav_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"cellar/cellfs"
	"cellar/dav/davtest"
)

// hrefs counts the responses of a 207 body without keeping it.
func hrefs(t *testing.T, body io.Reader) (n int) {
	t.Helper()
	seen := map[string]bool{}
	d := xml.NewDecoder(body)
	for {
		token, err := d.Token()
		if err == io.EOF {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "href" {
			var href string
			if err := d.DecodeElement(&href, &e); err != nil {
				t.Fatal(err)
			}
			if seen[href] {
				t.Errorf("%s is listed twice", href)
			}
			seen[href] = true
			n++
		}
	}
}

// stream sends a PROPFIND whose answer is too large for a string.
func stream(t *testing.T, s *davtest.Server, path, depth, encoding string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "PROPFIND", s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(davtest.User, davtest.Password)
	r.Header.Set("Depth", depth)
	r.Header.Set("Accept-Encoding", encoding)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// TestManyMembers lists more than is kept in memory.
func TestManyMembers(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	s := davtest.New(t, davtest.Config{PropfindLimit: 100_000})
	s.Mkcol("/cell1/box")
	root, err := cellfs.NewPath("cell1", "box")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{cellfs.MaxListed, cellfs.MaxListed + 1} {
		col, err := s.FS.Mkcol(t.Context(), root.Join(fmt.Sprint(n)), cellfs.KindCollection, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = s.FS.Update(t.Context(), func(tx cellfs.Tx) error {
			for i := range n {
				f := cellfs.Node{Cell: col.Cell, Parent: col.ID, Name: fmt.Sprintf("f%d", i), Kind: cellfs.KindFile, Version: 1, Created: col.Created, Modified: col.Created}
				if err := tx.AddNode(&f); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, depth := range []string{"1", "infinity"} {
			var plain bytes.Buffer
			res := stream(t, s, fmt.Sprintf("/cell1/box/%d", n), depth, "identity")
			// What is made from the cache is sent as it is made, its length is not known before.
			known := n > cellfs.MaxListed || depth == "infinity"
			if got := hrefs(t, io.TeeReader(res.Body, &plain)); got != n+1 || res.ContentLength > 0 != known {
				t.Errorf("Depth %s: %d responses, want %d; Content-Length %d", depth, got, n+1, res.ContentLength)
			}
			z, err := gzip.NewReader(stream(t, s, fmt.Sprintf("/cell1/box/%d", n), depth, "gzip").Body)
			if err != nil {
				t.Fatal(err)
			}
			if unpacked, err := io.ReadAll(z); err != nil || !bytes.Equal(unpacked, plain.Bytes()) {
				t.Errorf("Depth %s, compressed: %d bytes that are others, %v", depth, len(unpacked), err)
			}
		}
	}
	if left, err := filepath.Glob(filepath.Join(s.Dir, "tmp", "*")); err != nil || len(left) != 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
	if err := os.Remove(filepath.Join(s.Dir, "tmp")); err != nil {
		t.Fatal(err)
	}
	if res := stream(t, s, fmt.Sprintf("/cell1/box/%d", cellfs.MaxListed+1), "1", "identity"); res.StatusCode != http.StatusInternalServerError {
		t.Errorf("without a folder to spool to: %s", res.Status)
	}
}

// failing fails to list children from a given page on.
type failing struct {
	cellfs.Meta
	left atomic.Int64 // pages that can be read
}

var errDisk = errors.New("input/output error")

func (f *failing) View(ctx context.Context, fn func(cellfs.Tx) error) error {
	return f.Meta.View(ctx, func(tx cellfs.Tx) error { return fn(failingTx{tx, f}) })
}

type failingTx struct {
	cellfs.Tx
	f *failing
}

func (t failingTx) Children(parent int64, p cellfs.Page) ([]cellfs.Node, bool, error) {
	if t.f.left.Add(-1) < 0 {
		return nil, false, errDisk
	}
	return t.Tx.Children(parent, p)
}

// TestListingThatFails: a client deletes what a listing does not show, so that one
// that fails half way must not look complete (RFC 4918, 9.1).
func TestListingThatFails(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	var store *failing
	s := davtest.New(t, davtest.Config{NoCheck: true, Wrap: func(m cellfs.Meta, b cellfs.Blobs) (cellfs.Meta, cellfs.Blobs) {
		store = &failing{Meta: m}
		store.left.Store(1 << 40)
		return store, b
	}})
	fill(t, s.FS, "cell1", "box", 5000, func(int) string { return "x" }) // collections of 1,000: two pages each
	for _, depth := range []string{"1", "infinity"} {
		for pages := range int64(4) {
			if depth == "1" && pages > 0 {
				continue // the box has one page
			}
			s.Put("/cell1/box/other", fmt.Sprint(depth, pages)) // nothing is cached
			store.left.Store(pages)
			res := stream(t, s, "/cell1/box", depth, "identity")
			if res.StatusCode != http.StatusInternalServerError {
				t.Errorf("Depth %s, failing after %d pages: %s", depth, pages, res.Status)
			}
		}
	}
	store.left.Store(1 << 40)
	if got := hrefs(t, stream(t, s, "/cell1/box", "infinity", "identity").Body); got != 5007 {
		t.Errorf("%d responses, want 5007", got)
	}
}

// TestLostBytes: a content that is missing on the disk is an error of the server,
// not a resource that is not there.
func TestLostBytes(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{NoCheck: true})
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/large", strings.Repeat("x", 2*cellfs.MaxInline))
	files, err := filepath.Glob(filepath.Join(s.Dir, "blobs", "??", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	davtest.Error(s.Request("GET", "/cell1/box/large").Expect(), "PR500-SV-0000")
	s.Request("PROPFIND", "/cell1/box/large").WithHeader("Depth", "0").Expect().Status(http.StatusMultiStatus)
}
