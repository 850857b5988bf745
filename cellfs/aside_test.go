package cellfs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
)

// asideTree is a unit with a tree that is more than is done at once.
func asideTree(t *testing.T, m cellfs.Meta, b cellfs.Blobs, now func() time.Time) *cellfs.FS {
	t.Helper()
	f := cellfs.New(cellfs.Config{Meta: m, Blobs: b, Snapshots: cellfstest.NoSnapshots{}, Now: now})
	t.Cleanup(f.Close)
	ctx := context.Background()
	for _, c := range []string{"c", "c2"} {
		if _, err := f.CreateCell(ctx, c, ""); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		dir := cellfstest.Path(t, "/c/__/d")
		for range i {
			dir = dir.Join("sub")
		}
		if _, err := f.Mkcol(ctx, dir, cellfs.KindCollection, nil); err != nil {
			t.Fatal(err)
		}
		for n := range 7 {
			p := dir.Join(fmt.Sprint("f", n))
			if _, _, err := f.Put(ctx, p, strings.NewReader(p.String()), cellfs.PutOptions{ContentType: "text/x"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return f
}

// version is the first part of an entity tag.
var version = regexp.MustCompile(`"\d+-`)

// taken are the bytes and the nodes that a cell counts.
func taken(t *testing.T, f *cellfs.FS, cell string) (nodes, bytes int64) {
	t.Helper()
	err := f.View(t.Context(), func(tx cellfs.Tx) error {
		c, err := tx.Cell(cell)
		nodes, bytes = c.Nodes, c.Used
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return nodes, bytes
}

// TestAsideIsLikeAtOnce: what COPY, MOVE and DELETE of a large tree leave is what they leave of a small one.
func TestAsideIsLikeAtOnce(t *testing.T) {
	path := func(s string) cellfs.Path { return cellfstest.Path(t, s) }
	steps := map[string]func(context.Context, *cellfs.FS) error{
		"copy": func(ctx context.Context, f *cellfs.FS) error {
			_, err := f.Copy(ctx, path("/c/__/d"), path("/c/__/e"), cellfs.TransferOptions{})
			return err
		},
		"copy abroad": func(ctx context.Context, f *cellfs.FS) error {
			_, err := f.Copy(ctx, path("/c/__/d"), path("/c2/__/e"), cellfs.TransferOptions{})
			return err
		},
		"copy of a box": func(ctx context.Context, f *cellfs.FS) error {
			_, err := f.Copy(ctx, path("/c/__"), path("/c2/__/box"), cellfs.TransferOptions{})
			return err
		},
		"copy over": func(ctx context.Context, f *cellfs.FS) error {
			_, err := f.Copy(ctx, path("/c/__/d/sub"), path("/c2/__/over"), cellfs.TransferOptions{})
			if err == nil {
				_, err = f.Copy(ctx, path("/c/__/d/sub/sub"), path("/c2/__/over"), cellfs.TransferOptions{})
			}
			return err
		},
		"move": func(ctx context.Context, f *cellfs.FS) error {
			_, err := f.Move(ctx, path("/c/__/d/sub"), path("/c/__/m"), cellfs.TransferOptions{})
			return err
		},
		"move abroad": func(ctx context.Context, f *cellfs.FS) error {
			_, err := f.Move(ctx, path("/c/__/d/sub"), path("/c2/__/m"), cellfs.TransferOptions{})
			return err
		},
		"delete": func(ctx context.Context, f *cellfs.FS) error { return f.Delete(ctx, path("/c/__/d/sub"), nil) },
	}
	for engine, open := range engines {
		for name, step := range steps {
			t.Run(engine+"/"+name, func(t *testing.T) {
				var trees [2]string
				var counts [2][4]int64
				for i, atOnce := range []int{1000, 3} {
					undo := cellfs.SetAtOnce(atOnce)
					m, b := open(t)
					clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
					f := asideTree(t, m, b, func() time.Time { return clock })
					if err := step(t.Context(), f); err != nil {
						t.Fatal(err)
					}
					cellfstest.CheckStore(t, f)
					if err := f.PruneAsides(t.Context()); err != nil {
						t.Fatal(err)
					}
					cellfstest.CheckStore(t, f)
					if trees[i] = cellfstest.Tree(t, f); strings.HasPrefix(name, "copy") {
						trees[i] = version.ReplaceAllString(trees[i], `"v-`) // a copy aside takes one more
					}
					counts[i][0], counts[i][1] = taken(t, f, "c")
					counts[i][2], counts[i][3] = taken(t, f, "c2")
					undo()
				}
				if trees[0] != trees[1] || counts[0] != counts[1] {
					t.Errorf("at once\n%s\n%v\naside\n%s\n%v", trees[0], counts[0], trees[1], counts[1])
				}
			})
		}
	}
}

// TestRefusedAsideLeavesNothing: a large COPY or MOVE that is refused in the end was never seen, and what was
// built goes.
func TestRefusedAsideLeavesNothing(t *testing.T) {
	defer cellfs.SetAtOnce(3)()
	path := func(s string) cellfs.Path { return cellfstest.Path(t, s) }
	refused := errors.New("refused")
	m, b := openReal(t)
	f := asideTree(t, m, b, nil)
	before := cellfstest.Tree(t, f)
	calls := 0
	late := func(cellfs.Tx, cellfs.Place) error { // not before the last transaction
		if calls++; calls > 2 {
			return refused
		}
		return nil
	}
	for _, dst := range []string{"/c/__/e", "/c2/__/e"} {
		calls = 0
		if _, err := f.Copy(t.Context(), path("/c/__/d"), path(dst), cellfs.TransferOptions{Destination: late}); !errors.Is(err, refused) {
			t.Errorf("COPY to %s = %v after %d calls", dst, err, calls)
		}
	}
	calls = 0
	if _, err := f.Move(t.Context(), path("/c/__/d"), path("/c2/__/e"), cellfs.TransferOptions{Destination: late}); !errors.Is(err, refused) {
		t.Errorf("MOVE = %v after %d calls", err, calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := f.Copy(ctx, path("/c/__/d"), path("/c/__/e"), cellfs.TransferOptions{Source: func(cellfs.Tx, cellfs.Place) error { cancel(); return nil }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a COPY whose client is gone = %v", err)
	}
	if err := f.PruneAsides(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := cellfstest.Tree(t, f); after != before {
		t.Errorf("the tree was\n%s\nand is\n%s", before, after)
	}
	cellfstest.CheckStore(t, f)
	if _, _, err := f.Put(t.Context(), path("/c/__/d/f0"), strings.NewReader("x"), cellfs.PutOptions{Check: noLocks(f)}); err != nil {
		t.Errorf("what did not move in the end: %v", err)
	}
}

// noLocks is a check that respects locks.
func noLocks(f *cellfs.FS) cellfs.Check {
	return func(tx cellfs.Tx, at cellfs.Place) error {
		p, err := cellfs.ParsePath("/c/__/d/f0")
		if err != nil {
			return err
		}
		return f.CheckLocks(tx, cellfs.Change{Path: p})
	}
}

// TestMovingIsLocked: what moves to another cell cannot be changed meanwhile, and whoever tries hears that it
// will not last.
func TestMovingIsLocked(t *testing.T) {
	defer cellfs.SetAtOnce(3)()
	m, b := openReal(t)
	f := asideTree(t, m, b, nil)
	src, dst := cellfstest.Path(t, "/c/__/d"), cellfstest.Path(t, "/c2/__/d")
	var locked atomic.Int64
	var others sync.WaitGroup
	var once sync.Once
	moved := cellfs.TransferOptions{Destination: func(tx cellfs.Tx, _ cellfs.Place) error { return nil }}
	moved.Source = func(tx cellfs.Tx, at cellfs.Place) error {
		once.Do(func() {
			others.Go(func() {
				for {
					_, _, err := f.Put(context.Background(), src.Join("f0"), strings.NewReader("late"), cellfs.PutOptions{Check: noLocks(f)})
					var l *cellfs.LockedError
					if errors.As(err, &l) && l.Passing {
						locked.Add(1)
					}
					if errors.Is(err, cellfs.ErrNoParent) || errors.Is(err, fs.ErrNotExist) {
						return
					}
				}
			})
		})
		return nil
	}
	created, err := f.Move(t.Context(), src, dst, moved)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	others.Wait()
	if locked.Load() == 0 {
		t.Error("nobody met the lock")
	}
	if n, err := f.Node(t.Context(), dst.Join("sub", "sub", "sub", "f6")); err != nil || n.ContentType != "text/x" {
		t.Errorf("%+v, %v", n, err)
	}
	if err := f.PruneAsides(t.Context()); err != nil {
		t.Fatal(err)
	}
	cellfstest.CheckStore(t, f)
}

// TestRemovedIsCountedBeforeARefusal: a cell that is full only because what was removed is not counted yet has
// room (RFC 4918, 9.7.1).
func TestRemovedIsCountedBeforeARefusal(t *testing.T) {
	defer cellfs.SetAtOnce(3)()
	for engine, open := range engines {
		t.Run(engine, func(t *testing.T) {
			m, b := open(t)
			f := asideTree(t, m, b, nil)
			f.Close() // nobody counts by himself
			nodes, bytes := taken(t, f, "c")
			if err := f.SetQuota(t.Context(), "c", bytes+cellfs.NodeCost*nodes+100); err != nil {
				t.Fatal(err)
			}
			put := func(name string) error {
				p := cellfstest.Path(t, "/c/__/"+name)
				_, _, err := f.Put(t.Context(), p, strings.NewReader(strings.Repeat("x", 2000)), cellfs.PutOptions{})
				return err
			}
			if err := put("before"); !errors.Is(err, cellfs.ErrQuota) {
				t.Errorf("before anything is removed: %v", err)
			}
			if err := f.Delete(t.Context(), cellfstest.Path(t, "/c/__/d"), nil); err != nil {
				t.Fatal(err)
			}
			if n, _ := taken(t, f, "c"); n != nodes {
				t.Errorf("the cell counts %d nodes of %d: something was counted", n, nodes)
			}
			if room, err := f.PutAllowed(t.Context(), cellfstest.Path(t, "/c/__/after"), nil); err != nil || room < 2000 {
				t.Errorf("there is room for %d bytes, %v", room, err)
			}
			if err := put("after"); err != nil {
				t.Errorf("after that: %v", err)
			}
			cellfstest.CheckStore(t, f)
		})
	}
}
