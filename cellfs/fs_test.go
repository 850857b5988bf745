package cellfs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"cellar/cellfs"
	"cellar/cellfs/blob"
	"cellar/cellfs/cellfstest"
	"cellar/cellfs/meta"
)

func openReal(t *testing.T) (cellfs.Meta, cellfs.Blobs) {
	t.Helper()
	dir := t.TempDir()
	b, err := blob.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := meta.OpenSQLite(context.Background(), dir, meta.Full, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(m.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	return m, b
}

func openMemory(*testing.T) (cellfs.Meta, cellfs.Blobs) {
	return cellfstest.NewMemMeta(), cellfstest.NewMemBlobs()
}

var engines = map[string]func(*testing.T) (cellfs.Meta, cellfs.Blobs){"sqlite and directory": openReal, "memory": openMemory}

func TestFS(t *testing.T) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) { cellfstest.TestFS(t, open) })
	}
}

// TestFaults makes every store call of every writing operation fail, in both
// ways. The operation must say so, the tree must be as before or as after it,
// and the store must be sound.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short: it takes seconds")
	}
	ctx := context.Background()
	large := strings.Repeat("x", cellfs.MaxInline+1)
	path := func(s string) cellfs.Path { return cellfstest.Path(t, s) }
	put := func(p, content string) func(*cellfs.FS) error {
		return func(f *cellfs.FS) error {
			_, _, err := f.Put(ctx, path(p), strings.NewReader(content), cellfs.PutOptions{})
			return err
		}
	}
	ops := map[string]func(*cellfs.FS) error{
		"put new":   put("/c/b/new", "new"),
		"put large": put("/c/b/new", large),
		"put over":  put("/c/b/f", large),
		"put empty": put("/c/b/f", ""),
		"mkcol": func(f *cellfs.FS) error {
			_, err := f.Mkcol(ctx, path("/c/b/new"), cellfs.KindCollection, nil)
			return err
		},
		"mkcol service": func(f *cellfs.FS) error {
			_, err := f.Mkcol(ctx, path("/c/b/svc"), cellfs.KindService, nil)
			return err
		},
		"mkcol box":   func(f *cellfs.FS) error { _, err := f.Mkcol(ctx, path("/c/new"), cellfs.KindBox, nil); return err },
		"delete file": func(f *cellfs.FS) error { return f.Delete(ctx, path("/c/b/f"), nil) },
		"delete tree": func(f *cellfs.FS) error { return f.Delete(ctx, path("/c/b"), nil) },
		"copy tree over": func(f *cellfs.FS) error {
			_, err := f.Copy(ctx, path("/c/b/d"), path("/c/b/e"), cellfs.TransferOptions{})
			return err
		},
		"move tree over": func(f *cellfs.FS) error {
			_, err := f.Move(ctx, path("/c/b/d"), path("/c/b/e"), cellfs.TransferOptions{})
			return err
		},
		"move abroad": func(f *cellfs.FS) error {
			_, err := f.Move(ctx, path("/c/b/d"), path("/c2/__/d"), cellfs.TransferOptions{})
			return err
		},
		"patch": func(f *cellfs.FS) error {
			_, err := f.Patch(ctx, path("/c/b/f"), []cellfs.PropPatch{{Property: cellfs.Property{Local: "p", XML: "<p/>"}}}, nil)
			return err
		},
		"acl": func(f *cellfs.FS) error {
			_, err := f.SetACL(ctx, path("/c"), nil, func(cellfs.Tx, *cellfs.Node) (*cellfs.ACL, error) {
				return &cellfs.ACL{RequireSchemaAuthz: "public"}, nil
			})
			return err
		},
		"create cell": func(f *cellfs.FS) error { _, err := f.CreateCell(ctx, "c3", ""); return err },
		"delete cell": func(f *cellfs.FS) error { return f.DeleteCell(ctx, "c", nil) },
		"sweep": func(f *cellfs.FS) error {
			_, err := f.Sweep(ctx, -cellfs.SweepGrace)
			return err
		},
	}
	all := func(t *testing.T) {
		for engine, open := range engines {
			for name, op := range ops {
				for _, kind := range []cellfstest.Fault{cellfstest.NotStored, cellfstest.Stored} {
					t.Run(fmt.Sprintf("%s/%s/%s", engine, name, kind), func(t *testing.T) {
						for n := 1; ; n++ {
							if !tryFault(t, open, op, n, kind) {
								if n == 1 {
									t.Error("the operation makes no call that could fail")
								}
								return
							}
						}
					})
				}
			}
		}
	}
	t.Run("at once", all)
	t.Run("aside", func(t *testing.T) {
		defer cellfs.SetAtOnce(1)()
		all(t)
	})
}

// tryFault runs op on a fresh tree with the n-th store call failing, and
// reports whether there was an n-th.
func tryFault(t *testing.T, open func(*testing.T) (cellfs.Meta, cellfs.Blobs), op func(*cellfs.FS) error, n int, kind cellfstest.Fault) bool {
	t.Helper()
	var faults cellfstest.Faults
	m, b := open(t)
	f := cellfs.New(cellfs.Config{
		Meta: cellfstest.FaultyMeta{Meta: m, Faults: &faults}, Blobs: cellfstest.FaultyBlobs{Blobs: b, Faults: &faults}, Snapshots: cellfstest.NoSnapshots{},
	})
	seed(t, f)
	f.Close() // nothing is removed beside: that would meet the faults
	before := cellfstest.Tree(t, f)
	faults.Arm(n, kind)
	err := op(f)
	hit := faults.Disarm()
	if hit && !errors.Is(err, cellfstest.ErrFault) {
		t.Errorf("call %d failed, but the operation = %v", n, err)
	}
	if !hit && err != nil {
		t.Errorf("without a fault: %v", err)
	}
	after := cellfstest.Tree(t, f)
	if hit && kind == cellfstest.NotStored && n == 1 && after != before {
		t.Errorf("the first call failed and yet the tree changed:\n%s\nto\n%s", before, after)
	}
	cellfstest.CheckStore(t, f)
	// The operation can be done again, or was done.
	if err := op(f); hit && after == before && err != nil && !errors.Is(err, cellfs.ErrLocked) { // what was moving stays locked for a while
		t.Errorf("again: %v", err)
	}
	if err := f.PruneAsides(context.Background()); err != nil {
		t.Error(err)
	}
	cellfstest.CheckStore(t, f)
	return hit
}

func seed(t *testing.T, f *cellfs.FS) {
	t.Helper()
	ctx := context.Background()
	for _, c := range []string{"c", "c2"} {
		if _, err := f.CreateCell(ctx, c, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{"/c/b", "/c/b/d", "/c/b/d/sub", "/c/b/e"} {
		if _, err := f.Mkcol(ctx, cellfstest.Path(t, p), cellfs.KindCollection, nil); err != nil {
			t.Fatal(err)
		}
	}
	large := strings.Repeat("seed", cellfs.MaxInline)
	for p, content := range map[string]string{"/c/b/f": "f", "/c/b/d/g": large, "/c/b/d/sub/h": "h", "/c/b/e/i": large + "i", "/c/b/z": "z"} {
		if _, _, err := f.Put(ctx, cellfstest.Path(t, p), strings.NewReader(content), cellfs.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Delete(ctx, cellfstest.Path(t, "/c/b/z"), nil); err != nil { // work for the sweeper
		t.Fatal(err)
	}
}

// TestSweepBatches sweeps more contents than are looked for in the snapshots at once.
func TestSweepBatches(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short: it takes seconds")
	}
	defer cellfs.SetUnnamedBatch(1000)()
	ctx := context.Background()
	m, b := openReal(t)
	f := cellfs.New(cellfs.Config{Meta: m, Blobs: b, Snapshots: cellfstest.NoSnapshots{}})
	if _, err := f.CreateCell(ctx, "c", "owner"); err != nil {
		t.Fatal(err)
	}
	dir := cellfstest.Path(t, "/c/__/d")
	if _, err := f.Mkcol(ctx, dir, cellfs.KindCollection, nil); err != nil {
		t.Fatal(err)
	}
	const files = 2300
	for i := range files {
		if _, _, err := f.Put(ctx, dir.Join(fmt.Sprint(i)), strings.NewReader(fmt.Sprint("content ", i)), cellfs.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Delete(ctx, dir, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.PruneAsides(ctx); err != nil {
		t.Fatal(err)
	}
	if s, err := f.SweepPlan(ctx, -cellfs.SweepGrace); err != nil || s.Contents != files {
		t.Errorf("the plan is %+v, %v, want %d contents", s, err, files)
	}
	if s, err := f.Sweep(ctx, -cellfs.SweepGrace); err != nil || s.Contents != files {
		t.Errorf("a sweep removed %+v, %v, want %d contents", s, err, files)
	}
}
