package meta_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
	if testing.Short() {
		t.Skip("SKIPPED: -short: it takes seconds")
	}
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
	if err := cellfstest.Update(ctx, s, func(tx cellfs.Tx) error { return tx.AddCell(&c) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, meta.Full)
	n := cellfs.Node{Cell: c.ID, Parent: c.Root, Name: "b", Kind: cellfs.KindBox, Created: c.Created, Modified: c.Created}
	if err := cellfstest.Update(ctx, s, func(tx cellfs.Tx) error { return tx.AddNode(&n) }); err != nil {
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
	err := cellfstest.Update(ctx, s, func(tx cellfs.Tx) error {
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
			err := cellfstest.Update(context.Background(), s, func(tx cellfs.Tx) error { return tx.SetSetting(fmt.Sprint(i), "x") })
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

// An Update is synced when it returns, one that need not be a while later.
func TestUpdatesAreSynced(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short: it takes seconds")
	}
	synced := make(chan struct{}, 100)
	meta.WithSync(t, func(f *os.File) error {
		synced <- struct{}{}
		return f.Sync()
	})
	ctx := context.Background()
	set := func(tx cellfs.Tx) error { return tx.SetSetting("a", fmt.Sprint(time.Now())) }
	s := open(t, t.TempDir(), meta.Full)
	for range 5 {
		if err := cellfstest.Update(ctx, s, set); err != nil {
			t.Fatal(err)
		}
		if len(synced) != 1 {
			t.Fatalf("%d syncs for an Update", len(synced))
		}
		<-synced
	}
	refused := errors.New("refused")
	if err := cellfstest.Update(ctx, s, func(tx cellfs.Tx) error { return errors.Join(set(tx), refused) }); !errors.Is(err, refused) || len(synced) != 0 {
		t.Errorf("%v, %d syncs for what was refused", err, len(synced))
	}
	began := time.Now()
	if err := s.Update(ctx, cellfs.Update{Soon: true, Do: set}); err != nil {
		t.Fatal(err)
	}
	<-synced
	if d := time.Since(began); d < meta.SyncLag/2 {
		t.Errorf("synced after %v", d)
	}
	s = open(t, t.TempDir(), meta.Relaxed)
	if err := cellfstest.Update(ctx, s, set); err != nil {
		t.Fatal(err)
	}
	<-synced
}

// After a failed sync nobody knows what is on the disk: nothing succeeds any more.
func TestFailedSync(t *testing.T) {
	broken := errors.New("input/output error")
	var fail atomic.Bool
	meta.WithSync(t, func(f *os.File) error {
		if fail.Load() {
			return broken
		}
		return f.Sync()
	})
	ctx := context.Background()
	s := open(t, t.TempDir(), meta.Full)
	set := func(tx cellfs.Tx) error { return tx.SetSetting("a", "1") }
	if err := cellfstest.Update(ctx, s, set); err != nil {
		t.Fatal(err)
	}
	fail.Store(true)
	if err := cellfstest.Update(ctx, s, set); !errors.Is(err, broken) {
		t.Errorf("Update = %v", err)
	}
	fail.Store(false)
	for _, soon := range []bool{false, true} {
		if err := s.Update(ctx, cellfs.Update{Do: set, Soon: soon}); !errors.Is(err, broken) {
			t.Errorf("after the failure: %v", err)
		}
	}
	if err := s.View(ctx, func(tx cellfs.Tx) error { _, err := tx.Setting("a"); return err }); err != nil {
		t.Errorf("reading: %v", err)
	}
}

// TestDatabaseIsPrivate: only its owner reads the database, also in a folder that others
// can enter and where it lay open before.
func TestDatabaseIsPrivate(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "cellar.db")
	for range 2 {
		s, err := meta.OpenSQLite(t.Context(), dir, meta.Full, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for _, suffix := range []string{"", "-wal", "-shm"} {
			info, err := os.Stat(file + suffix)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("cellar.db%s: %v, %v", suffix, info.Mode(), err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
