package cellfs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"strings"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
)

func read(f *cellfs.FS, p cellfs.Path) (string, error) {
	_, c, err := f.OpenAt(context.Background(), p)
	if err != nil {
		return "", err
	}
	defer c.Close()
	text, err := io.ReadAll(c)
	return string(text), err
}

// TestCacheIsExact reads files while others write them: a reader never sees less
// than what was acknowledged before it began.
func TestCacheIsExact(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short: it takes seconds")
	}
	m, b := openReal(t)
	f := cellfs.New(cellfs.Config{Meta: m, Blobs: b, Snapshots: cellfstest.NoSnapshots{}})
	seed(t, f)
	ctx := context.Background()
	const files, writes = 4, 300
	var acked [files]atomic.Int64
	path := func(i int) cellfs.Path { return cellfstest.Path(t, fmt.Sprintf("/c/b/n%d", i)) }
	stop := make(chan struct{})
	var writers, readers sync.WaitGroup
	for i := range files {
		if _, _, err := f.Put(ctx, path(i), strings.NewReader("0"), cellfs.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		writers.Go(func() {
			for n := int64(1); n <= writes; n++ {
				if _, _, err := f.Put(ctx, path(i), strings.NewReader(strconv.FormatInt(n, 10)), cellfs.PutOptions{}); err != nil {
					t.Error(err)
				}
				acked[i].Store(n)
			}
		})
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				least := acked[i].Load()
				stored, err := f.Node(ctx, path(i)) // not from the cache
				if err != nil {
					t.Error(err)
					return
				}
				if n, c, err := f.OpenAt(ctx, path(i)); err != nil || n.Version < stored.Version {
					t.Errorf("version %d (%v) after version %d was seen", n.Version, err, stored.Version)
				} else {
					c.Close()
				}
				text, err := read(f, path(i))
				if n, perr := strconv.ParseInt(text, 10, 64); err != nil || perr != nil || n < least {
					t.Errorf("read %q, %v, but %d was acknowledged before", text, err, least)
					return
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

// TestCacheForgets goes through every operation that changes what a path names.
func TestCacheForgets(t *testing.T) {
	for engine, open := range engines {
		t.Run(engine, func(t *testing.T) {
			var faults cellfstest.Faults
			m, b := open(t)
			f := cellfs.New(cellfs.Config{Meta: cellfstest.FaultyMeta{Meta: m, Faults: &faults}, Blobs: b, Snapshots: cellfstest.NoSnapshots{}})
			seed(t, f)
			ctx := context.Background()
			path := func(s string) cellfs.Path { return cellfstest.Path(t, s) }
			want := func(what, p, content string) {
				t.Helper()
				for range 2 { // the second time from the cache
					got, err := read(f, path(p))
					if content == "" && !errors.Is(err, fs.ErrNotExist) || content != "" && (err != nil || got != content) {
						t.Errorf("after %s: %s = %.20q, %v, want %q", what, p, got, err, content)
					}
				}
			}
			want("nothing", "/c/b/f", "f")
			if _, err := f.Move(ctx, path("/c/b/f"), path("/c/b/g"), cellfs.TransferOptions{}); err != nil {
				t.Fatal(err)
			}
			want("a MOVE", "/c/b/f", "")
			want("a MOVE", "/c/b/g", "f")
			want("nothing", "/c/b/d/sub/h", "h")
			if _, err := f.Move(ctx, path("/c/b/d"), path("/c2/__/d"), cellfs.TransferOptions{}); err != nil {
				t.Fatal(err)
			}
			want("a MOVE of the tree", "/c/b/d/sub/h", "")
			want("a MOVE of the tree", "/c2/__/d/sub/h", "h")
			if _, err := f.Copy(ctx, path("/c/b/g"), path("/c2/__/d/sub/h"), cellfs.TransferOptions{}); err != nil {
				t.Fatal(err)
			}
			want("a COPY over it", "/c2/__/d/sub/h", "f")
			faults.Arm(1, cellfstest.Stored)
			if _, _, err := f.Put(ctx, path("/c/b/g"), strings.NewReader("new"), cellfs.PutOptions{}); err == nil {
				t.Fatal("the fault did not happen")
			}
			want("a write that failed but is stored", "/c/b/g", "new")
			want("nothing", "/c/b/not/yet", "")
			if _, err := f.List(ctx, path("/c/b/not"), true); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a listing of nothing: %v", err)
			}
			if _, err := f.Mkcol(ctx, path("/c/b/not"), cellfs.KindCollection, nil); err != nil {
				t.Fatal(err)
			}
			want("a MKCOL", "/c/b/not/yet", "")
			if l, err := f.List(ctx, path("/c/b/not"), true); err != nil || l.Node.Name != "not" {
				t.Errorf("a listing after the MKCOL: %+v, %v", l, err)
			}
			if _, _, err := f.Put(ctx, path("/c/b/not/yet"), strings.NewReader("now"), cellfs.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			want("a PUT", "/c/b/not/yet", "now")
			want("nothing", "/c/none/x", "")
			if err := f.Delete(ctx, path("/c/b"), nil); err != nil {
				t.Fatal(err)
			}
			want("a DELETE of the box", "/c/b/g", "")
			if err := f.DeleteCell(ctx, "c2", nil); err != nil {
				t.Fatal(err)
			}
			want("a DELETE of the cell", "/c2/__/d/sub/h", "")
			guarded := errors.New("guarded")
			if _, _, err := f.Put(ctx, path("/c/__/x"), strings.NewReader("x"), cellfs.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			want("a PUT", "/c/__/x", "x")
			f.SetGuard(func(int64, int64) error { return guarded })
			if _, err := read(f, path("/c/__/x")); !errors.Is(err, guarded) {
				t.Errorf("below a guarded box: %v", err)
			}
		})
	}
}
