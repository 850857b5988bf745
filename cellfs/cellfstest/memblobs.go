package cellfstest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"sync"
	"time"

	"cellar/cellfs"
)

// MemBlobs is a [cellfs.Blobs] in memory.
type MemBlobs struct {
	mu  sync.Mutex
	all map[cellfs.Hash]memBlob
}

type memBlob struct {
	data []byte
	put  time.Time
}

// NewMemBlobs returns an empty store.
func NewMemBlobs() *MemBlobs { return &MemBlobs{all: map[cellfs.Hash]memBlob{}} }

// Put implements [cellfs.Blobs].
func (m *MemBlobs) Put(ctx context.Context, r io.Reader) (cellfs.Ref, error) {
	data, err := io.ReadAll(r)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return cellfs.Ref{}, err
	}
	h := cellfs.Hash(sha256.Sum256(data))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[h] = memBlob{data, time.Now()}
	return cellfs.Ref{Hash: h, Size: int64(len(data)), CRC32: crc32.ChecksumIEEE(data)}, nil
}

// PutSoon implements [cellfs.Blobs].
func (m *MemBlobs) PutSoon(ctx context.Context, r io.Reader) (cellfs.Ref, error) {
	return m.Put(ctx, r)
}

// Sync implements [cellfs.Blobs].
func (m *MemBlobs) Sync(context.Context) error { return nil }

// Open implements [cellfs.Blobs].
func (m *MemBlobs) Open(_ context.Context, h cellfs.Hash) (cellfs.Content, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.all[h]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", h, fs.ErrNotExist)
	}
	return cellfs.BytesContent(b.data), nil
}

// Delete implements [cellfs.Blobs].
func (m *MemBlobs) Delete(_ context.Context, h cellfs.Hash, before time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all[h].put.Before(before) {
		delete(m.all, h)
	}
	return nil
}

// List implements [cellfs.Blobs].
func (m *MemBlobs) List(_ context.Context, yield func(cellfs.Hash, int64, time.Time) error) error {
	m.mu.Lock()
	all := make(map[cellfs.Hash]memBlob, len(m.all))
	for h, b := range m.all {
		all[h] = b
	}
	m.mu.Unlock()
	for h, b := range all {
		if err := yield(h, int64(len(b.data)), b.put); err != nil {
			return err
		}
	}
	return nil
}
