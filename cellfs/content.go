package cellfs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"sync"
)

// MaxInline is the largest content kept in the database beside its row. A
// larger one goes to [Blobs].
const MaxInline = 64 << 10 // bytes

// Staged is a content that is durable but that no row names yet. It is kept at
// least as long as the sweeper's grace time.
type Staged struct {
	Ref
	data []byte // the content if it is at most MaxInline
}

var stageBuffers = sync.Pool{New: func() any { return new([MaxInline + 1]byte) }}

// Stage reads r to its end and keeps what it read. If r fails, nothing is kept
// and its error comes back.
func (f *FS) Stage(ctx context.Context, r io.Reader) (Staged, error) {
	return f.stage(ctx, r, f.blobs.Put)
}

// StageSoon is Stage, but the content is durable only once SyncStaged has returned.
func (f *FS) StageSoon(ctx context.Context, r io.Reader) (Staged, error) {
	return f.stage(ctx, r, f.blobs.PutSoon)
}

// SyncStaged makes durable what StageSoon staged before.
func (f *FS) SyncStaged(ctx context.Context) error { return f.blobs.Sync(ctx) }

func (f *FS) stage(ctx context.Context, r io.Reader, put func(context.Context, io.Reader) (Ref, error)) (Staged, error) {
	buf := stageBuffers.Get().(*[MaxInline + 1]byte)
	defer stageBuffers.Put(buf)
	n := 0
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		if err == io.EOF && n <= MaxInline {
			return StageBytes(bytes.Clone(buf[:n])), nil
		}
		if err != nil && err != io.EOF {
			return Staged{}, err
		}
	}
	ref, err := put(ctx, io.MultiReader(bytes.NewReader(buf[:]), r))
	return Staged{Ref: ref}, err
}

// StageBytes stages a content of at most [MaxInline] bytes without I/O. It keeps b.
func StageBytes(b []byte) Staged {
	if len(b) == 0 {
		b = []byte{} // not nil: that would say it is in Blobs
	}
	return Staged{Ref: Ref{Hash: sha256.Sum256(b), Size: int64(len(b)), CRC32: crc32.ChecksumIEEE(b)}, data: b}
}

// Free is how many bytes can still be stored; ok is false if the store of large
// contents does not know.
func (f *FS) Free() (bytes int64, ok bool, err error) {
	s, ok := f.blobs.(interface{ Free() (int64, error) })
	if !ok {
		return 0, false, nil
	}
	bytes, err = s.Free()
	return bytes, err == nil, err
}

// OpenStaged opens a content that has no row yet.
func (f *FS) OpenStaged(ctx context.Context, s Staged) (Content, error) {
	if s.data != nil {
		return BytesContent(s.data), nil
	}
	return f.blobs.Open(ctx, s.Hash)
}

// Add names the content in the transaction and returns its id, 0 for an empty one.
func (s Staged) Add(tx Tx) (int64, error) {
	if s.Size == 0 {
		return 0, nil
	}
	return tx.AddBlob(&Blob{Ref: s.Ref, Data: s.data})
}

// Open opens the content of a file: of a box, of __snapshot. It returns
// [ErrIsCollection] for a collection. What is missing or has another size is a
// [*DamagedError], and logged with cell and path; so it is with all that opens contents.
func (f *FS) Open(ctx context.Context, n Node) (Content, error) {
	switch {
	case n.IsCollection():
		return nil, ErrIsCollection
	case n.Kind == KindSnapshot && IsZipName(n.Name):
		return f.zip.Open(ctx, f, Snapshot{ID: n.ID, Cell: n.Cell, Name: n.Name, Index: n.Blob, Size: n.Size, Created: n.Created})
	case n.Kind == KindLog:
		return f.openLog(ctx, n)
	}
	return f.OpenBlob(ctx, n.Blob)
}

// OpenAt finds the node at p and opens its content in one point in time. For a
// collection the content is nil. The node's DatesFrom is that of its place.
func (f *FS) OpenAt(ctx context.Context, p Path) (Node, Content, error) {
	e, b, err := f.lookupContent(ctx, p)
	if err == nil {
		err = cmp.Or(f.guardedBelow(e.way), e.none)
	}
	if err != nil {
		return Node{}, nil, err
	}
	at := e.found()
	n := at.shown()
	switch {
	case n.IsCollection():
		return n, nil, nil
	case n.Kind != KindFile:
		c, err := f.Open(ctx, e.node)
		return n, c, err
	case b == nil && n.Blob == 0:
		b = &Blob{}
	case b == nil:
		if b, err = f.cachedBlob(ctx, n.Blob); err != nil {
			return n, nil, err
		}
	}
	c, err := f.open(ctx, *b)
	f.noticeLater(ctx, err)
	return n, c, err
}

// OpenBlob opens a content by its id; 0 is the empty content.
func (f *FS) OpenBlob(ctx context.Context, id int64) (c Content, err error) {
	err = f.meta.View(ctx, func(tx Tx) error {
		c, err = f.OpenTx(ctx, tx, id)
		return err
	})
	return c, err
}

// OpenBlobs opens several contents in one point in time.
func (f *FS) OpenBlobs(ctx context.Context, ids []int64) (all []Content, err error) {
	err = f.meta.View(ctx, func(tx Tx) error {
		found, err := tx.BlobsByID(ids)
		for i := 0; i < len(ids) && err == nil; i++ {
			b, ok := found[ids[i]]
			if !ok && ids[i] != 0 {
				return fmt.Errorf("content %d: %w", ids[i], fs.ErrNotExist)
			}
			var c Content
			if c, err = f.open(ctx, b); err == nil {
				all = append(all, c)
			}
			f.notice(tx, err)
		}
		return err
	})
	if err != nil {
		for _, c := range all {
			c.Close()
		}
		return nil, err
	}
	return all, nil
}

// OpenTx is [FS.OpenBlob] inside a transaction.
func (f *FS) OpenTx(ctx context.Context, tx Tx, id int64) (Content, error) {
	var b Blob
	if id != 0 {
		var err error
		if b, err = tx.Blob(id); err != nil {
			return nil, err
		}
	}
	c, err := f.open(ctx, b)
	f.notice(tx, err)
	return c, err
}

// Stored reports whether a content is seen to be there in its size without asking for its
// row. Where it does not, [FS.CheckStored] knows better.
func (f *FS) Stored(ctx context.Context, r Ref) bool {
	if r.Size <= MaxInline {
		return true
	}
	s, ok := f.blobs.(Statter)
	if !ok {
		return false
	}
	size, err := s.Stat(ctx, r.Hash)
	return err == nil && size == r.Size
}

// CheckStored returns a [*DamagedError] unless the content with that id is there in its
// size; its bytes are not read. A small one lies beside its row, which is there.
func (f *FS) CheckStored(ctx context.Context, tx Tx, id int64, r Ref) error {
	if f.Stored(ctx, r) {
		return nil
	}
	c, err := f.OpenTx(ctx, tx, id) // knows better: whether it lies beside its row, and what is wrong
	if err != nil {
		return err
	}
	return c.Close()
}

// open opens a content and looks whether it has its size.
func (f *FS) open(ctx context.Context, b Blob) (Content, error) {
	if b.ID == 0 || b.Data != nil {
		if int64(len(b.Data)) != b.Size {
			return nil, wrongSize(&b, int64(len(b.Data)))
		}
		return BytesContent(b.Data), nil
	}
	c, err := f.blobs.Open(ctx, b.Hash)
	if err != nil {
		return nil, lost(&b, err)
	}
	size, err := c.Seek(0, io.SeekEnd)
	if err == nil && size != b.Size {
		err = wrongSize(&b, size)
	}
	if err == nil {
		_, err = c.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// BytesContent is a content held in memory; it has a method Bytes() []byte.
func BytesContent(b []byte) Content {
	m := &memory{b: b}
	m.Reset(b)
	return m
}

type memory struct {
	bytes.Reader
	b []byte
}

func (*memory) Close() error { return nil }

// Bytes is the whole content.
func (m *memory) Bytes() []byte { return m.b }
