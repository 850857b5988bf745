package restore_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"cellar/barfs/install"
	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
	"cellar/cellfs/restore"
	"cellar/cellfs/restore/personiumtest"
	"cellar/cellfs/snapshot"
)

// store is a unit in memory with one cell.
type store struct {
	*cellfs.FS
	cell   cellfs.Cell
	limits restore.Limits
}

func newStore(t testing.TB) *store {
	t.Helper()
	f := cellfs.New(cellfs.Config{Meta: cellfstest.NewMemMeta(), Blobs: cellfstest.NewMemBlobs(), Snapshots: snapshot.Reader{}, Log: slog.New(slog.DiscardHandler)})
	c, err := f.CreateCell(t.Context(), "cell", "owner")
	if err != nil {
		t.Fatal(err)
	}
	return &store{FS: f, cell: c}
}

// restore imports a snapshot as the cell, and returns what refuses it.
func (s *store) restore(ctx context.Context, b []byte) error {
	a, err := restore.Open(bytes.NewReader(b), int64(len(b)), s.limits)
	if err != nil {
		return err
	}
	r, err := a.Restore(ctx, s.FS, restore.Options{Cell: s.cell, Job: 1, DocumentName: install.DocumentName})
	if err != nil {
		return err
	}
	return s.Update(ctx, func(tx cellfs.Tx) error { return r.Show(tx, s.Now()) })
}

// export returns a snapshot of the cell.
func (s *store) export(t testing.TB) []byte {
	t.Helper()
	r, err := snapshot.Build(t.Context(), s.FS, snapshot.Options{Cell: "cell"})
	if err != nil {
		t.Fatalf("the cell cannot be exported: %v", err)
	}
	row := cellfs.Snapshot{Cell: s.cell.ID, Name: "s.zip", Size: r.Size, Created: s.Now()}
	err = s.Update(t.Context(), func(tx cellfs.Tx) (err error) {
		if row.Index, err = r.Index.Add(tx); err != nil {
			return err
		}
		return tx.AddSnapshot(&row)
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := snapshot.Reader{}.Open(t.Context(), s.FS, row)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tryRestore imports what may be damaged. It is refused as such, or makes a cell that
// can be exported, and imported from there.
func tryRestore(t *testing.T, b []byte) {
	s := newStore(t)
	err := s.restore(t.Context(), b)
	var refused *restore.Error
	if errors.As(err, &refused) {
		return
	}
	if err != nil {
		t.Fatalf("it fails with %v", err)
	}
	if err := newStore(t).restore(t.Context(), s.export(t)); err != nil {
		t.Fatalf("what became of it is refused: %v", err)
	}
}

// FuzzPersonium replaces one file of a snapshot of Personium's.
func FuzzPersonium(f *testing.F) { fuzzEntries(f, personiumtest.Sample().Entries()) }

// FuzzOwn replaces one file of a snapshot of cellar's.
func FuzzOwn(f *testing.F) {
	s := newStore(f)
	if err := s.restore(f.Context(), personiumtest.Sample().Bytes()); err != nil {
		f.Fatal(err)
	}
	fuzzEntries(f, entriesOf(f, s.export(f)))
}

func fuzzEntries(f *testing.F, good personiumtest.Entries) {
	isFile := func(i int) bool { return i >= 0 && i < len(good) && !strings.HasSuffix(good[i].Name, "/") }
	for i, e := range good {
		if isFile(i) {
			f.Add(i, e.Data)
		}
	}
	f.Fuzz(func(t *testing.T, i int, data []byte) {
		if isFile(i) {
			tryRestore(t, good.With(good[i].Name, data).Bytes())
		}
	})
}

func entriesOf(t testing.TB, b []byte) (all personiumtest.Entries) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, personiumtest.Entry{Name: f.Name, Data: data})
	}
	return all
}
