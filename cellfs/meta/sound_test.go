package meta_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
	"cellar/cellfs/meta"
)

// TestDamagedPages: damage in a part that the start does not need is found at the start in a
// database of up to a size, and by looking through it in any.
func TestDamagedPages(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, meta.Full)
	err := cellfstest.Update(t.Context(), s, func(tx cellfs.Tx) error {
		for i := range 300 {
			b := cellfs.StageBytes(fmt.Appendf(nil, "%03000d", i))
			if _, err := b.Add(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if faults, err := s.Integrity(t.Context()); err != nil || len(faults) != 0 {
		t.Errorf("a good one: %v, %v", faults, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "cellar.db")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(text) / 2; i < len(text)/2+4096; i++ {
		text[i] ^= 0x55
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	size := int64(len(text))

	undo := meta.SetStartCheck(size)
	_, err = meta.OpenSQLite(context.Background(), dir, meta.Full, slog.New(slog.DiscardHandler))
	undo()
	if !errors.Is(err, cellfs.ErrDatabase) {
		t.Errorf("at the limit: %v", err)
	}
	defer meta.SetStartCheck(size - 1)()
	large := open(t, dir, meta.Full)
	if faults, err := large.Integrity(t.Context()); err == nil && len(faults) == 0 || err != nil && !errors.Is(err, cellfs.ErrDatabase) {
		t.Errorf("beyond the limit: %v, %v", faults, err)
	}
}
