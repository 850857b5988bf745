package meta

import (
	"encoding/binary"
	"errors"
	"net/url"
	"syscall"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"
)

// logVFS is the file system that SQLite works on: that of the system, but for the log.
type logVFS struct{ vfs.VFS }

const vfsName = "cellar"

func init() { vfs.Register(vfsName, logVFS{vfs.Find("")}) }

// uriOf names a database file for SQLite, on [logVFS].
func uriOf(file string) string {
	return (&url.URL{Scheme: "file", Path: file, RawQuery: url.Values{"vfs": {vfsName}}.Encode()}).String()
}

// OpenFilename implements [vfs.VFSFilename].
func (v logVFS) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, out, err := vfsutil.WrapOpenFilename(v.VFS, name, flags)
	if err == nil && flags&vfs.OPEN_WAL != 0 {
		f = &logFile{File: f}
	}
	return f, out, err
}

const (
	frameHeader = 24 // bytes, before each page of the log
	logBuffer   = 1 << 20
)

// logFile writes a transaction to the log at once. SQLite writes each page for itself, and its header
// before that: two calls of the system for a page. Here they gather up to the page that ends the
// transaction; only after that SQLite lets others look at them. What follows a page in the log
// without one that ends a transaction, nobody else reads.
type logFile struct {
	vfs.File
	held []byte
	at   int64 // where held belongs
	ends bool  // the page that comes next ends a transaction
}

// WriteAt implements [vfs.File].
func (f *logFile) WriteAt(p []byte, off int64) (int, error) {
	if off != f.at+int64(len(f.held)) {
		if err := f.flush(); err != nil {
			return 0, err
		}
	}
	if len(f.held) == 0 {
		f.at = off
	}
	f.held = append(f.held, p...)
	ends := f.ends && len(p) != frameHeader
	f.ends = len(p) == frameHeader && binary.BigEndian.Uint32(p[4:8]) != 0 // the size of the database afterwards
	if ends || len(f.held) >= logBuffer {
		if err := f.flush(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (f *logFile) flush() error {
	if len(f.held) == 0 {
		return nil
	}
	_, err := f.File.WriteAt(f.held, f.at)
	f.held = f.held[:0]
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return sqlite3.FULL
	}
	return err
}

// ReadAt implements [vfs.File].
func (f *logFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.flush(); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

// Truncate implements [vfs.File].
func (f *logFile) Truncate(size int64) error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

// Sync implements [vfs.File].
func (f *logFile) Sync(flags vfs.SyncFlag) error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.File.Sync(flags)
}

// Size implements [vfs.File].
func (f *logFile) Size() (int64, error) {
	if err := f.flush(); err != nil {
		return 0, err
	}
	return f.File.Size()
}

// Close implements [vfs.File].
func (f *logFile) Close() error { return errors.Join(f.flush(), f.File.Close()) }
