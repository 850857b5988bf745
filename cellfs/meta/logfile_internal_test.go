package meta

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// writes is a file that counts how often it is written, and can be full.
type writes struct {
	vfs.File
	data  []byte
	count int
	err   error
}

func (w *writes) WriteAt(p []byte, off int64) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	w.count++
	if end := int(off) + len(p); end > len(w.data) {
		w.data = append(w.data, make([]byte, end-len(w.data))...)
	}
	return copy(w.data[off:], p), nil
}

func (w *writes) ReadAt(p []byte, off int64) (int, error) { return copy(p, w.data[off:]), nil }

// frame writes a page as SQLite does; commit is the size of the database if the page ends a transaction.
func frame(t *testing.T, f *logFile, off int64, commit uint32, b byte) (next int64, want []byte, err error) {
	t.Helper()
	header := make([]byte, frameHeader)
	header[0] = b
	binary.BigEndian.PutUint32(header[4:8], commit)
	page := bytes.Repeat([]byte{b}, 4096)
	if _, err = f.WriteAt(header, off); err == nil {
		_, err = f.WriteAt(page, off+frameHeader)
	}
	return off + frameHeader + 4096, append(header, page...), err
}

// TestLogIsWrittenByTransaction: the pages of a transaction are one write, which is done when its last page is written;
// what is read meanwhile is what was written.
func TestLogIsWrittenByTransaction(t *testing.T) {
	w := &writes{}
	f := &logFile{File: w}
	var all []byte
	off := int64(0)
	for i := range 10 {
		next, want, err := frame(t, f, off, map[bool]uint32{true: 10}[i == 9], byte(i+1))
		if err != nil {
			t.Fatal(err)
		}
		all, off = append(all, want...), next
		if i < 9 && w.count > 0 {
			t.Fatalf("page %d of 10 was written", i)
		}
	}
	if w.count != 1 || !bytes.Equal(w.data, all) {
		t.Errorf("%d writes, %d bytes, want 1 of %d", w.count, len(w.data), len(all))
	}
	_, want, _ := frame(t, f, off, 0, 11)
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, off); err != nil || !bytes.Equal(got, want) {
		t.Errorf("a page that is held is not read: %v", err)
	}
	w.count, off = 0, 0
	for range logBuffer/(4096+frameHeader) + 2 { // a large transaction is not held in memory
		off, _, _ = frame(t, f, off, 0, 12)
	}
	if w.count != 1 || len(f.held) > logBuffer {
		t.Errorf("%d writes, %d bytes held", w.count, len(f.held))
	}
	w.err = syscall.ENOSPC
	if _, _, err := frame(t, f, off, 7, 13); err != sqlite3.FULL {
		t.Errorf("a full disk = %v", err)
	}
}

// TestLogHasRoom: the log is longer than what is in it, up to a bound, and keeps what is in it.
func TestLogHasRoom(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString("frames"); err != nil {
		t.Fatal(err)
	}
	const frame = 4096 + frameHeader
	a := &allocation{log: file}
	for pages := 1; pages*frame < 2*logMost; pages += 50 {
		if err := a.room(pages); err != nil {
			t.Fatal(err)
		}
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if least := min(int64(pages)*frame+logAhead, logMost); info.Size() < least || info.Size() > logMost {
			t.Fatalf("%d pages: the log has %d bytes, want %d to %d", pages, info.Size(), least, logMost)
		}
	}
	start := make([]byte, 7)
	if _, err := file.ReadAt(start, 0); err != nil || string(start) != "frames\x00" {
		t.Errorf("the log begins with %q: %v", start, err)
	}
}
