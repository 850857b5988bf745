package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"cellar/cellfs"
)

// Open implements [cellfs.SnapshotReader]. The content has the methods CopyTo and
// BlobAt, too.
func (Reader) Open(ctx context.Context, f *cellfs.FS, s cellfs.Snapshot) (cellfs.Content, error) {
	x, err := openIndex(ctx, f, s)
	if err != nil {
		return nil, err
	}
	return &view{ctx: ctx, fs: f, index: x, at: -2, current: -1}, nil
}

// view reads the zip that an index describes. It keeps open only the content it
// reads from, and in memory the small ones that come next.
type view struct {
	ctx   context.Context
	fs    *cellfs.FS
	index *index

	mu      sync.Mutex // one read at a time
	pos     int64
	at      int64 // record of the last read; -2 for none
	current int64 // record whose content is open; -1 for none
	content cellfs.Content
	ahead   []cellfs.Content // of the records after the current one
	next    *fetch           // of the records after those; nil for none
}

func (v *view) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return errors.Join(v.release(), v.index.c.Close())
}

// release closes all contents.
func (v *view) release() (err error) {
	all := append(v.ahead, v.content)
	if v.next != nil {
		got := v.next.wait()
		all, v.next = append(all, got.contents...), nil
	}
	for _, c := range all {
		if c != nil {
			err = errors.Join(err, c.Close())
		}
	}
	v.current, v.content, v.ahead = -1, nil, nil
	return err
}

// fetch reads contents while others are being sent.
type fetch struct {
	first    int64 // record
	contents []cellfs.Content
	err      error
	done     chan struct{}
}

func (f *fetch) wait() *fetch {
	<-f.done
	return f
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
	for n < len(b) {
		s, err := v.segment(at + int64(n))
		if err != nil {
			return n, err
		}
		m := int(min(int64(len(b)-n), s.size))
		if err := v.read(b[n:n+m], s); err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// BlobAt is the id of the content that begins at a place of the zip; 0 if none does.
func (v *view) BlobAt(offset int64) (int64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if offset < 0 || offset >= v.index.size {
		return 0, nil
	}
	r, _, err := v.locate(offset)
	if err != nil || r.offset != offset {
		return 0, err
	}
	return r.blob, nil
}

// segment is a run of bytes that lie together: the rest of a content, or the literal
// bytes between two.
type segment struct {
	ref          // whose content it is
	record int64 // of that content; -1 for literal bytes
	from   int64 // in the content, or in the literal bytes
	size   int64
}

// segment is the one at a place of the zip; io.EOF at its end.
func (v *view) segment(pos int64) (s segment, err error) {
	if pos >= v.index.size {
		return s, io.EOF
	}
	if err := v.ctx.Err(); err != nil {
		return s, err
	}
	r, next, err := v.locate(pos)
	if err != nil {
		return s, err
	}
	if into := pos - r.offset; v.at >= 0 && into < r.size {
		return segment{ref: r, record: v.at, from: into, size: r.size - into}, nil
	}
	from := r.literal + pos - (r.offset + r.size)
	return segment{record: -1, from: from, size: next.literal - from}, nil
}

// locate sets v.at to the last record at or before pos, and returns it and the next
// one. A read mostly goes on where the last one ended, so those are tried first.
func (v *view) locate(pos int64) (r, next ref, err error) {
	for i := v.at; i >= -1 && i <= v.at+1; i++ {
		if r, next, err = v.pair(i); err != nil {
			return r, next, err
		}
		if r.offset <= pos && pos < next.offset {
			v.at = i
			return r, next, nil
		}
	}
	if v.at, err = v.index.find(pos); err != nil {
		return r, next, err
	}
	r, next, err = v.pair(v.at)
	return r, next, err
}

// pair is a record and the next one. Before the first there is an empty one, after the
// last one that begins at the end.
func (v *view) pair(i int64) (r, next ref, err error) {
	if i >= v.index.records {
		return ref{offset: v.index.size}, ref{}, nil
	}
	if i >= 0 {
		if r, err = v.index.record(i); err != nil {
			return r, next, err
		}
	}
	if i+1 == v.index.records {
		return r, ref{offset: v.index.size, literal: v.index.literal}, nil
	}
	next, err = v.index.record(i + 1)
	return r, next, err
}

// read fills b from the begin of a segment.
func (v *view) read(b []byte, s segment) error {
	from := io.ReaderAt(v.index.c)
	if s.record >= 0 {
		if err := v.open(s); err != nil {
			return err
		}
		from = v.content
	}
	n, err := from.ReadAt(b, s.from)
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("snapshot content: %w", err)
}

// Small contents are read from the database together, at most so many and so large.
const (
	aheadContents = 192
	aheadBytes    = 1 << 20
)

// open makes the content of the segment the current one.
func (v *view) open(s segment) error {
	if v.current == s.record {
		return nil
	}
	inOrder := s.record == v.current+1
	ahead, next := v.ahead, v.next
	if inOrder {
		v.ahead, v.next = nil, nil // they stay
	}
	if err := v.release(); err != nil {
		return err
	}
	if inOrder && len(ahead) == 0 && next != nil && next.first == s.record {
		got := next.wait()
		if got.err != nil {
			return fmt.Errorf("snapshot content: %w", got.err)
		}
		ahead, next = got.contents, nil
	}
	if !inOrder || len(ahead) == 0 {
		var err error
		if ahead, err = v.readAhead(s, inOrder); err != nil {
			return fmt.Errorf("snapshot content: %w", err)
		}
	}
	v.content, v.current, v.ahead, v.next = ahead[0], s.record, ahead[1:], next
	if inOrder && next == nil && len(ahead) > 1 {
		return v.fetch(s.record + int64(len(ahead)))
	}
	return nil
}

// fetch begins to read what comes after what is ahead.
func (v *view) fetch(first int64) error {
	if first >= v.index.records {
		return nil
	}
	r, err := v.index.record(first)
	if err != nil || r.size > cellfs.MaxInline {
		return err
	}
	ids, err := v.smallFrom(first, r)
	if err != nil {
		return err
	}
	f := &fetch{first: first, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.contents, f.err = v.fs.OpenBlobs(v.ctx, ids)
	}()
	v.next = f
	return nil
}

// readAhead opens the content of the segment, and if contents are read in order and
// are small those of the next, too.
func (v *view) readAhead(s segment, inOrder bool) ([]cellfs.Content, error) {
	ids := []int64{s.blob}
	if inOrder && s.ref.size <= cellfs.MaxInline {
		var err error
		if ids, err = v.smallFrom(s.record, s.ref); err != nil {
			return nil, err
		}
	}
	return v.fs.OpenBlobs(v.ctx, ids)
}

// smallFrom lists the contents from a record on that are small and are to be read together.
func (v *view) smallFrom(record int64, first ref) ([]int64, error) {
	ids := []int64{first.blob}
	for i, sum := record+1, first.size; i < v.index.records && len(ids) < aheadContents; i++ {
		r, err := v.index.record(i)
		if err != nil {
			return nil, err
		}
		if sum += r.size; r.size > cellfs.MaxInline || sum > aheadBytes {
			break
		}
		ids = append(ids, r.blob)
	}
	return ids, nil
}
