package meta_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
	"cellar/cellfs/meta"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string, d meta.Durability) *meta.Store {
	t.Helper()
	s, err := meta.OpenSQLite(context.Background(), dir, d, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSQLite(t *testing.T) {
	for name, d := range map[string]meta.Durability{"full": meta.Full, "relaxed": meta.Relaxed} {
		t.Run(name, func(t *testing.T) {
			cellfstest.TestMeta(t, func(t *testing.T) cellfs.Meta { return open(t, t.TempDir(), d) })
		})
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, meta.Full)
	ctx := context.Background()
	c := cellfs.Cell{Name: "c1", Created: cellfs.Now()}
	if err := s.Update(ctx, func(tx cellfs.Tx) error { return tx.AddCell(&c) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, meta.Full)
	n := cellfs.Node{Cell: c.ID, Parent: c.Root, Name: "b", Kind: cellfs.KindBox, Created: c.Created, Modified: c.Created}
	if err := s.Update(ctx, func(tx cellfs.Tx) error { return tx.AddNode(&n) }); err != nil {
		t.Fatalf("ids do not go on after a restart: %v", err)
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, meta.Full)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	meta.SetVersion(t, dir, 99999)
	_, err := meta.OpenSQLite(context.Background(), dir, meta.Full, slog.Default())
	if err == nil || !strings.Contains(err.Error(), "use a newer cellar") {
		t.Errorf("OpenSQLite = %v", err)
	}
}

func TestPanicInUpdateIsAnError(t *testing.T) {
	s := open(t, t.TempDir(), meta.Full)
	ctx := context.Background()
	err := s.Update(ctx, func(tx cellfs.Tx) error {
		if err := tx.SetSetting("a", "b"); err != nil {
			return err
		}
		panic("boom")
	})
	if err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("Update = %v", err)
	}
	err = s.View(ctx, func(tx cellfs.Tx) error {
		if v, err := tx.Setting("a"); v != "" || err != nil {
			t.Errorf("setting %q, %v", v, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The statements of the hot paths must use their indexes, at any size.
func TestQueryPlans(t *testing.T) {
	s := open(t, t.TempDir(), meta.Full)
	for query, want := range meta.HotQueries {
		plan := s.Explain(t, query)
		if strings.Contains(plan, "SCAN node") || !strings.Contains(plan, want) {
			t.Errorf("%s:\n%s\nwant %q and no scan", query, plan, want)
		}
	}
}

// The name of the folder is no URI: what is special there must not move the
// database elsewhere.
func TestOddFolderNames(t *testing.T) {
	for _, name := range []string{"a#b", "a?b", "a%41b", "a b", "日本", "a&mode=memory"} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		open(t, dir, meta.Full)
		if _, err := os.Stat(filepath.Join(dir, "cellar.db")); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Close while Updates wait: each is either kept or refused, none hangs.
func TestCloseUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, meta.Relaxed)
	var wg sync.WaitGroup
	var kept atomic.Int64
	begun := make(chan struct{}, 200)
	for i := range 200 {
		wg.Go(func() {
			begun <- struct{}{}
			err := s.Update(context.Background(), func(tx cellfs.Tx) error { return tx.SetSetting(fmt.Sprint(i), "x") })
			if err == nil {
				kept.Add(1)
			}
			_ = s.View(context.Background(), func(cellfs.Tx) error { return nil })
		})
	}
	for range 100 {
		<-begun
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	s = open(t, dir, meta.Relaxed)
	var have int64
	err := s.View(context.Background(), func(tx cellfs.Tx) error {
		for i := range 200 {
			v, err := tx.Setting(fmt.Sprint(i))
			if err != nil {
				return err
			}
			if v != "" {
				have++
			}
		}
		return nil
	})
	if err != nil || have != kept.Load() {
		t.Errorf("%d are kept, %d were acknowledged (%v)", have, kept.Load(), err)
	}
}
