package main_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/blob"
	"cellar/cellfs/meta"
)

// filling says what the cell of a benchmark holds: files of one size in collections
// of 1,000, of which as many differ as distinct says; 0: all.
type filling struct {
	files, size, distinct int
}

// perCollection is how many files of a filling lie in one collection.
const perCollection = 1000

func (f filling) path(i int) string {
	return fmt.Sprintf("c%04d/file-%07d.bin", i/perCollection, i)
}

// content is that of the i-th file: its number again and again.
func (f filling) content(i int) []byte {
	if f.distinct > 0 {
		i %= f.distinct
	}
	b := fmt.Appendf(make([]byte, 0, f.size+16), "file %d\n", i)
	for len(b) < f.size {
		b = append(b, b[:min(len(b), f.size-len(b))]...)
	}
	return b[:f.size]
}

// populateCell makes a unit in dir whose cell1 holds the files. It goes through the
// package that a PUT goes through, but makes 1,000 files in a transaction: by HTTP a
// million of them takes minutes.
func (f filling) populateCell(tb testing.TB, dir string) {
	tb.Helper()
	ctx := tb.Context()
	rows, err := meta.OpenSQLite(ctx, dir, meta.Relaxed, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	defer rows.Close()
	blobs, err := blob.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		tb.Fatal(err)
	}
	defer blobs.Close()
	fs := cellfs.New(cellfs.Config{Meta: rows, Blobs: blobs})
	if _, err := fs.CreateCell(ctx, "cell1", adminUser); err != nil {
		tb.Fatal(err)
	}
	staged := make([]cellfs.Staged, f.distinct) // so that what repeats is hashed once
	for i := range staged {
		staged[i] = f.stage(tb, fs, i)
	}
	for from := 0; from < f.files; from += perCollection {
		page := staged
		if f.distinct == 0 {
			page = make([]cellfs.Staged, min(perCollection, f.files-from))
			for i := range page {
				page[i] = f.stage(tb, fs, from+i)
			}
		}
		if err := f.addCollection(tb, fs, from, page); err != nil {
			tb.Fatal(err)
		}
	}
}

func (f filling) stage(tb testing.TB, fs *cellfs.FS, i int) cellfs.Staged {
	tb.Helper()
	s, err := fs.Stage(tb.Context(), bytes.NewReader(f.content(i)))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// addCollection makes the collection that begins with a file, whose contents are
// those of the page in turn.
func (f filling) addCollection(tb testing.TB, fs *cellfs.FS, from int, page []cellfs.Staged) error {
	p, err := cellfs.NewPath("cell1", cellfs.MainBox, filepath.Dir(f.path(from)))
	if err != nil {
		return err
	}
	col, err := fs.Mkcol(tb.Context(), p, cellfs.KindCollection, nil)
	if err != nil {
		return err
	}
	return fs.Update(tb.Context(), func(tx cellfs.Tx) error {
		for i := from; i < min(from+perCollection, f.files); i++ {
			s := page[(i-from)%len(page)]
			id, err := s.Add(tx)
			if err != nil {
				return err
			}
			n := cellfs.Node{
				Cell: col.Cell, Parent: col.ID, Name: filepath.Base(f.path(i)), Kind: cellfs.KindFile, ContentType: "application/octet-stream",
				Blob: id, Size: s.Size, Version: col.Version, Created: col.Created, Modified: col.Created,
			}
			if err := tx.AddNode(&n); err != nil {
				return err
			}
		}
		return nil
	})
}

// times are how long the runs of one thing took. A benchmark of this package reports
// the median, because single runs stray.
type times []time.Duration

func (t times) at(percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(t))
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

func (t times) median() time.Duration { return t.at(50) }

func (t times) String() string {
	return fmt.Sprintf("median %v of %d, %v to %v", t.median().Round(time.Millisecond), len(t), slices.Min(t).Round(time.Millisecond), slices.Max(t).Round(time.Millisecond))
}

func (t *times) measure(f func()) {
	begin := time.Now()
	f()
	*t = append(*t, time.Since(begin))
}
