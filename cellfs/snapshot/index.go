package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"

	"cellar/cellfs"
)

const (
	magic      = 0x31786469_6c6c6563 // "cellidx1"
	recordSize = 32
	footerSize = 32
)

// indexReader is the index made of the parts and the central directory.
func indexReader(parts []*part, central *spool, size int64) (io.Reader, error) {
	var readers []io.Reader
	var records, literal int64
	for _, p := range parts {
		r, err := p.literal.reader()
		if err != nil {
			return nil, err
		}
		readers = append(readers, r)
		literal += p.literal.n
		records += int64(len(p.refs))
	}
	r, err := central.reader()
	if err != nil {
		return nil, err
	}
	literal += central.n
	var footer []byte
	for _, v := range []int64{magic, records, literal, size} {
		footer = le.AppendUint64(footer, uint64(v))
	}
	return io.MultiReader(append(readers, r, &recordReader{parts: parts}, bytes.NewReader(footer))...), nil
}

// recordReader encodes the references of the parts as it is read.
type recordReader struct {
	parts         []*part
	offset, lit   int64 // begin of the first part left
	next          int   // reference of that part
	pending       []byte
	pendingBuffer [recordSize]byte
}

func (r *recordReader) Read(b []byte) (n int, err error) {
	for n < len(b) {
		if len(r.pending) == 0 && !r.fill() {
			if n == 0 {
				return 0, io.EOF
			}
			return n, nil
		}
		m := copy(b[n:], r.pending)
		r.pending = r.pending[m:]
		n += m
	}
	return n, nil
}

func (r *recordReader) fill() bool {
	for len(r.parts) > 0 && r.next == len(r.parts[0].refs) {
		r.offset += r.parts[0].size
		r.lit += r.parts[0].literal.n
		r.parts, r.next = r.parts[1:], 0
	}
	if len(r.parts) == 0 {
		return false
	}
	x := r.parts[0].refs[r.next]
	r.next++
	b := r.pendingBuffer[:0]
	for _, v := range []int64{r.offset + x.offset, x.size, r.lit + x.literal, x.blob} {
		b = le.AppendUint64(b, uint64(v))
	}
	r.pending = b
	return true
}

// Reader opens snapshots; it implements [cellfs.SnapshotReader].
type Reader struct{}

// ErrIndex: an index is damaged or of another version.
var ErrIndex = errors.New("snapshot index cannot be read")

// index is an opened index.
type index struct {
	c       cellfs.Content
	records int64
	literal int64 // bytes
	size    int64 // bytes of the zip
}

func openIndex(ctx context.Context, f *cellfs.FS, s cellfs.Snapshot) (*index, error) {
	c, err := f.OpenBlob(ctx, s.Index)
	if err != nil {
		return nil, err
	}
	x, err := readFooter(c)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("snapshot %q: %w", s.Name, err)
	}
	return x, nil
}

func readFooter(c cellfs.Content) (*index, error) {
	end, err := c.Seek(-footerSize, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(ErrIndex, err)
	}
	var b [footerSize]byte
	if _, err := c.ReadAt(b[:], end); err != nil {
		return nil, err
	}
	at := func(i int) int64 { return int64(le.Uint64(b[8*i:])) }
	x := &index{c: c, records: at(1), literal: at(2), size: at(3)}
	if at(0) != magic || x.records < 0 || x.literal < 0 || x.literal+x.records*recordSize != end {
		return nil, ErrIndex
	}
	return x, nil
}

// record reads the i-th reference.
func (x *index) record(i int64) (ref, error) {
	var b [recordSize]byte
	if _, err := x.c.ReadAt(b[:], x.literal+i*recordSize); err != nil {
		return ref{}, err
	}
	return decodeRecord(b[:]), nil
}

func decodeRecord(b []byte) ref {
	return ref{
		offset: int64(le.Uint64(b)), size: int64(le.Uint64(b[8:])),
		literal: int64(le.Uint64(b[16:])), blob: int64(le.Uint64(b[24:])),
	}
}

// Blobs implements [cellfs.SnapshotReader].
func (Reader) Blobs(ctx context.Context, f *cellfs.FS, s cellfs.Snapshot, yield func(int64) error) error {
	x, err := openIndex(ctx, f, s)
	if err != nil {
		return err
	}
	defer x.c.Close()
	buf := make([]byte, 1024*recordSize)
	for i := int64(0); i < x.records; {
		n := min(x.records-i, int64(len(buf)/recordSize))
		b := buf[:n*recordSize]
		if _, err := x.c.ReadAt(b, x.literal+i*recordSize); err != nil {
			return err
		}
		for ; len(b) > 0; b = b[recordSize:] {
			if err := yield(decodeRecord(b).blob); err != nil {
				return err
			}
		}
		i += n
	}
	return ctx.Err()
}

// Open implements [cellfs.SnapshotReader].
func (Reader) Open(ctx context.Context, f *cellfs.FS, s cellfs.Snapshot) (cellfs.Content, error) {
	x, err := openIndex(ctx, f, s)
	if err != nil {
		return nil, err
	}
	return &view{ctx: ctx, fs: f, index: x, current: -1}, nil
}

// view reads the zip that an index describes. It keeps open only the content it
// reads from.
type view struct {
	ctx   context.Context
	fs    *cellfs.FS
	index *index

	mu      sync.Mutex // one read at a time
	pos     int64
	current int64 // record whose content is open; -1 for none
	content cellfs.Content
}

func (v *view) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return errors.Join(v.release(), v.index.c.Close())
}

func (v *view) release() error {
	v.current = -1
	if v.content == nil {
		return nil
	}
	c := v.content
	v.content = nil
	return c.Close()
}

func (v *view) Seek(offset int64, whence int) (int64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += v.pos
	case io.SeekEnd:
		offset += v.index.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the begin")
	}
	v.pos = offset
	return offset, nil
}

func (v *view) Read(b []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n, err := v.readAt(b, v.pos)
	v.pos += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (v *view) ReadAt(b []byte, at int64) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.readAt(b, at)
}

// readAt fills b from the zip, as io.ReaderAt.
func (v *view) readAt(b []byte, at int64) (n int, err error) {
	i, err := v.find(at)
	if err != nil {
		return 0, err
	}
	for n < len(b) {
		pos := at + int64(n)
		if pos >= v.index.size {
			return n, io.EOF
		}
		if err := v.ctx.Err(); err != nil {
			return n, err
		}
		m, inside, err := v.readSegment(b[n:], pos, i)
		n += m
		if err != nil {
			return n, err
		}
		if !inside {
			i++
		}
	}
	return n, nil
}

// find returns the last record that begins at or before at; -1 if none does.
func (v *view) find(at int64) (int64, error) {
	var ferr error
	i := sort.Search(int(v.index.records), func(i int) bool {
		r, err := v.index.record(int64(i))
		ferr = errors.Join(ferr, err)
		return r.offset > at
	})
	return int64(i) - 1, ferr
}

// readSegment reads at pos, which lies in the content of record i or in the
// literal bytes behind it, up to the end of that. inside tells that more of the
// same record follows.
func (v *view) readSegment(b []byte, pos, i int64) (n int, inside bool, err error) {
	var r ref
	if i >= 0 {
		if r, err = v.index.record(i); err != nil {
			return 0, false, err
		}
		if into := pos - r.offset; into < r.size {
			n, err = v.readContent(b, r, i, into)
			return n, true, err
		}
	}
	literal := r.literal + pos - (r.offset + r.size)
	end := v.index.literal
	if i+1 < v.index.records {
		next, err := v.index.record(i + 1)
		if err != nil {
			return 0, false, err
		}
		end = next.literal
	}
	b = b[:min(int64(len(b)), end-literal)]
	n, err = v.index.c.ReadAt(b, literal)
	if n == len(b) {
		err = nil
	}
	return n, literal+int64(n) < end, err
}

func (v *view) readContent(b []byte, r ref, i, into int64) (int, error) {
	if v.current != i {
		if err := v.release(); err != nil {
			return 0, err
		}
		c, err := v.fs.OpenBlob(v.ctx, r.blob)
		if err != nil {
			return 0, fmt.Errorf("snapshot content: %w", err)
		}
		v.content, v.current = c, i
	}
	b = b[:min(int64(len(b)), r.size-into)]
	n, err := v.content.ReadAt(b, into)
	if n == len(b) {
		err = nil
	} else if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
