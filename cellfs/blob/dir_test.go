package blob_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/blob"
	"cellar/cellfs/cellfstest"
)

func open(t *testing.T, dir string) *blob.Dir {
	t.Helper()
	d, err := blob.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestDir(t *testing.T) {
	cellfstest.TestBlobs(t, func(t *testing.T) cellfs.Blobs { return open(t, t.TempDir()) })
}

func TestUnfinishedPutsAreRemovedAtStart(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	left := filepath.Join(dir, "tmp", "left")
	if err := os.WriteFile(left, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("Stat = %v", err)
	}
}

func TestStrayFilesAreReported(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "00", "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := d.List(context.Background(), func(cellfs.Hash, int64, time.Time) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "notes.txt") {
		t.Errorf("List = %v", err)
	}
}

func BenchmarkPut(b *testing.B) {
	d, err := blob.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	data := make([]byte, 64<<20)
	b.SetBytes(int64(len(data)))
	for i := range b.N {
		data[0], data[1] = byte(i), byte(i>>8)
		if _, err := d.Put(context.Background(), bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}
