package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"

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
		records += p.records.n / recordSize
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
	readers = append(readers, r)
	var before ref // the parts before
	for _, p := range parts {
		r, err := p.records.reader()
		if err != nil {
			return nil, err
		}
		readers = append(readers, &recordReader{r: r, before: before})
		before.offset += p.size
		before.literal += p.literal.n
	}
	return io.MultiReader(append(readers, bytes.NewReader(footer))...), nil
}

func appendRef(b []byte, r ref) []byte {
	for _, v := range []int64{r.offset, r.size, r.literal, r.blob} {
		b = le.AppendUint64(b, uint64(v))
	}
	return b
}

// recordReader reads the references of a part as those of the whole.
type recordReader struct {
	r       io.Reader
	before  ref // what lies before the part
	pending []byte
	record  [recordSize]byte
}

func (r *recordReader) Read(b []byte) (n int, err error) {
	for n < len(b) {
		if len(r.pending) == 0 {
			if _, err := io.ReadFull(r.r, r.record[:]); err != nil {
				return n, err // io.EOF at the end
			}
			x := decodeRecord(r.record[:])
			x.offset += r.before.offset
			x.literal += r.before.literal
			r.pending = appendRef(r.record[:0], x)
		}
		m := copy(b[n:], r.pending)
		r.pending = r.pending[m:]
		n += m
	}
	return n, nil
}

// Reader opens snapshots; it implements [cellfs.SnapshotReader].
type Reader struct{}

// ErrIndex: an index is damaged or of another version.
var ErrIndex = errors.New("snapshot index cannot be read")

// index is an opened index. One goroutine at a time may use it.
type index struct {
	c       cellfs.Content
	records int64
	literal int64 // bytes
	size    int64 // bytes of the zip

	block   []byte // records that were read last
	blockAt int64  // the first of them
}

// blockRecords is how many records are read at once.
const blockRecords = 1024

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

// record reads the i-th reference, and those after it, which are asked for next.
func (x *index) record(i int64) (ref, error) {
	if n := int64(len(x.block) / recordSize); i < x.blockAt || i >= x.blockAt+n {
		n = min(x.records-i, blockRecords)
		if x.block == nil {
			x.block = make([]byte, 0, min(x.records, blockRecords)*recordSize)
		}
		x.block, x.blockAt = x.block[:n*recordSize], i
		if _, err := x.c.ReadAt(x.block, x.literal+i*recordSize); err != nil {
			x.block = x.block[:0]
			return ref{}, err
		}
	}
	return decodeRecord(x.block[(i-x.blockAt)*recordSize:]), nil
}

// find returns the last record that begins at or before at; -1 if none does. It looks
// at a few records all over the index, so it reads them one by one.
func (x *index) find(at int64) (int64, error) {
	var ferr error
	i := sort.Search(int(x.records), func(i int) bool {
		var b [recordSize]byte
		if _, err := x.c.ReadAt(b[:], x.literal+int64(i)*recordSize); err != nil {
			ferr = errors.Join(ferr, err)
		}
		return decodeRecord(b[:]).offset > at
	})
	return int64(i) - 1, ferr
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
	for i := range x.records {
		r, err := x.record(i)
		if err != nil {
			return err
		}
		if err := yield(r.blob); err != nil {
			return err
		}
	}
	return ctx.Err()
}
