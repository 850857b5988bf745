// Package blob keeps large contents for package cellfs.
package blob

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"
	"time"

	"cellar/cellfs"
)

// copyBuffer is how much a Put moves at a time: with 32 KiB, what io.Copy takes,
// large uploads run at half the speed.
const copyBuffer = 256 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, copyBuffer); return &b }}

// Dir keeps blobs as files of a directory: {2 hex digits}/{64 hex digits}, read
// only, and unfinished ones in tmp/. It implements [cellfs.Blobs].
//
// A Put writes a temporary file, syncs it, renames it and syncs the directory,
// so that a name stands for complete content also after a power loss. Losing
// tmp/ is harmless. A PutSoon leaves both syncs to Sync, which does them for the whole
// file system.
type Dir struct {
	root *os.Root
	top  *os.File // the directory itself
	name string

	// gate is held shared while a blob gets its name and exclusively while one
	// is removed, so that Delete never takes away what was put after it looked.
	gate sync.RWMutex
}

// Open opens or creates the directory, and removes what unfinished Puts of an
// earlier process left.
func Open(dir string) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	d := &Dir{root: root, name: dir}
	if d.top, err = root.Open("."); err == nil {
		err = d.prepare()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare %s: %w", dir, err), d.Close())
	}
	return d, nil
}

func (d *Dir) prepare() error {
	if err := d.root.RemoveAll("tmp"); err != nil {
		return err
	}
	for _, sub := range subdirs() {
		if err := d.root.Mkdir(sub, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return d.syncDir(".")
}

func subdirs() []string {
	all := []string{"tmp"}
	for i := range 256 {
		all = append(all, fmt.Sprintf("%02x", i))
	}
	return all
}

// Free is how many bytes the file system has left for this user.
func (d *Dir) Free() (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.name, &s); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", d.name, err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}

// Close releases the directory.
func (d *Dir) Close() error {
	err := d.root.Close()
	if d.top != nil {
		err = errors.Join(err, d.top.Close())
	}
	return err
}

func blobName(h cellfs.Hash) string {
	s := h.String()
	return path.Join(s[:2], s)
}

// Put implements [cellfs.Blobs].
func (d *Dir) Put(ctx context.Context, r io.Reader) (cellfs.Ref, error) {
	return d.put(ctx, r, (*Dir).publish)
}

// PutSoon implements [cellfs.Blobs].
func (d *Dir) PutSoon(ctx context.Context, r io.Reader) (cellfs.Ref, error) {
	return d.put(ctx, r, (*Dir).publishSoon)
}

// put writes a temporary file, and has it published under its name.
func (d *Dir) put(ctx context.Context, r io.Reader, publish func(d *Dir, f *os.File, tmp, name string) error) (ref cellfs.Ref, err error) {
	tmp := path.Join("tmp", rand.Text())
	f, err := d.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return ref, fmt.Errorf("stage blob: %w", err)
	}
	ref, err = hashInto(ctx, f, r)
	if err != nil {
		return cellfs.Ref{}, errors.Join(err, f.Close(), d.root.Remove(tmp))
	}
	if err := publish(d, f, tmp, blobName(ref.Hash)); err != nil {
		return cellfs.Ref{}, err
	}
	return ref, nil
}

// publish syncs the file, gives it its name and syncs that.
func (d *Dir) publish(f *os.File, tmp, name string) error {
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return errors.Join(err, d.root.Remove(tmp))
	}
	d.gate.RLock()
	defer d.gate.RUnlock()
	if err := d.root.Rename(tmp, name); err != nil {
		return errors.Join(fmt.Errorf("name blob: %w", err), d.root.Remove(tmp))
	}
	// From here on the blob has its name; a failing sync leaves a complete file
	// that no row names, for the sweeper.
	if err := d.syncDir(path.Dir(name)); err != nil {
		return fmt.Errorf("sync blob directory: %w", err)
	}
	return nil
}

// publishSoon gives the file its name and leaves syncing to Sync. A file that has the
// name already is replaced only by one that is synced: it may be one that is durable,
// and it may be what a power loss left of one that was not.
func (d *Dir) publishSoon(f *os.File, tmp, name string) error {
	if !canSync || d.link(tmp, name) != nil {
		return d.publish(f, tmp, name)
	}
	return errors.Join(f.Close(), d.root.Remove(tmp))
}

// link gives the file a second name unless that exists.
func (d *Dir) link(tmp, name string) error {
	d.gate.RLock()
	defer d.gate.RUnlock()
	return d.root.Link(tmp, name)
}

// Sync implements [cellfs.Blobs].
func (d *Dir) Sync(context.Context) error {
	if err := syncFileSystem(d.top); err != nil {
		return fmt.Errorf("sync blobs: %w", err)
	}
	return nil
}

// hashInto copies r to w and returns what it was. Hashing goes on beside reading
// and writing: one after the other they would take twice as long.
func hashInto(ctx context.Context, w io.Writer, r io.Reader) (cellfs.Ref, error) {
	h := startHasher()
	err := h.copy(ctx, w, r)
	ref := h.finish()
	if err != nil {
		return cellfs.Ref{}, err
	}
	return ref, nil
}

// hasher is a goroutine that hashes what it is sent, with as many buffers as it
// may lag behind.
type hasher struct {
	free chan *[]byte // buffers to fill
	full chan hashed
	done chan cellfs.Ref
}

type hashed struct {
	buf *[]byte
	n   int
}

const hashBuffers = 3

func startHasher() *hasher {
	h := &hasher{free: make(chan *[]byte, hashBuffers), full: make(chan hashed, hashBuffers), done: make(chan cellfs.Ref, 1)}
	for range hashBuffers {
		h.free <- buffers.Get().(*[]byte)
	}
	go h.run()
	return h
}

func (h *hasher) run() {
	var ref cellfs.Ref
	sum, crc := sha256.New(), crc32.NewIEEE()
	for f := range h.full {
		b := (*f.buf)[:f.n]
		sum.Write(b)
		crc.Write(b)
		ref.Size += int64(f.n)
		h.free <- f.buf
	}
	sum.Sum(ref.Hash[:0])
	ref.CRC32 = crc.Sum32()
	h.done <- ref
}

// finish waits for the goroutine and gives the buffers back.
func (h *hasher) finish() cellfs.Ref {
	close(h.full)
	ref := <-h.done
	for range hashBuffers {
		buffers.Put(<-h.free)
	}
	return ref
}

// copy moves r to w and sends all to the goroutine. When it returns, no buffer is
// in use but by that.
func (h *hasher) copy(ctx context.Context, w io.Writer, r io.Reader) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		buf := <-h.free
		n, err := fill(r, *buf)
		// Hash and file only read the buffer; it is filled again after both.
		b := (*buf)[:n]
		h.full <- hashed{buf, n}
		if _, werr := w.Write(b); werr != nil {
			return fmt.Errorf("write blob: %w", werr)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// fill reads until buf is full or r returns an error, which it hands on as it
// is. io.ReadFull would turn the end of the reader into the very error with
// which a request body says that it broke off.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

func (d *Dir) syncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Stat is the size of a blob. It wraps [fs.ErrNotExist] when the blob is absent.
func (d *Dir) Stat(_ context.Context, h cellfs.Hash) (int64, error) {
	i, err := d.root.Stat(blobName(h))
	if err != nil {
		return 0, fmt.Errorf("stat blob: %w", err)
	}
	return i.Size(), nil
}

// Open implements [cellfs.Blobs]; the content is an *os.File.
func (d *Dir) Open(_ context.Context, h cellfs.Hash) (cellfs.Content, error) {
	f, err := d.root.Open(blobName(h))
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	return f, nil
}

// OpenCold is Open for a reader that looks whether a blob is still what it was: where the
// system lets it, it reads from the disk and not from memory, and leaves nothing there.
func (d *Dir) OpenCold(_ context.Context, h cellfs.Hash) (cellfs.Content, error) {
	f, err := d.root.Open(blobName(h))
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	dropCached(f)
	return coldFile{f}, nil
}

// coldFile is a file whose pages are given back when it is closed.
type coldFile struct{ *os.File }

func (f coldFile) Close() error {
	dropCached(f.File)
	return f.File.Close()
}

// Delete implements [cellfs.Blobs].
func (d *Dir) Delete(_ context.Context, h cellfs.Hash, before time.Time) error {
	d.gate.Lock()
	defer d.gate.Unlock()
	info, err := d.root.Stat(blobName(h))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.ModTime().Before(before) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.root.Remove(blobName(h))
}

// List implements [cellfs.Blobs].
func (d *Dir) List(ctx context.Context, yield func(cellfs.Hash, int64, time.Time) error) error {
	for _, sub := range subdirs()[1:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.list(sub, yield); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dir) list(sub string, yield func(cellfs.Hash, int64, time.Time) error) error {
	f, err := d.root.Open(sub)
	if err != nil {
		return err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		h, err := cellfs.ParseHash(e.Name())
		if err != nil {
			return fmt.Errorf("stray file %s/%s in the blob directory", sub, e.Name())
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := yield(h, info.Size(), info.ModTime()); err != nil {
			return err
		}
	}
	return nil
}
