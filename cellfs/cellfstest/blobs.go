package cellfstest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"cellar/cellfs"
)

// TestBlobs checks the contract of [cellfs.Blobs]. open returns an empty store.
func TestBlobs(t *testing.T, open func(t *testing.T) cellfs.Blobs) {
	ctx := context.Background()
	t.Run("sizes", func(t *testing.T) {
		b := open(t)
		for _, size := range []int{0, 1, 4095, 64<<10 - 1, 64 << 10, 64<<10 + 1, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1<<20 + 7} {
			data := random(size)
			ref, err := b.Put(ctx, iotest.HalfReader(bytes.NewReader(data)))
			if err != nil {
				t.Fatalf("size %d: %v", size, err)
			}
			if ref.Size != int64(size) || ref.Hash != sha256.Sum256(data) {
				t.Errorf("size %d: ref %+v", size, ref)
			}
			wantBlob(t, b, ref, data)
		}
	})
	t.Run("soon", func(t *testing.T) {
		b := open(t)
		var refs []cellfs.Ref
		for _, put := range []func(context.Context, io.Reader) (cellfs.Ref, error){b.PutSoon, b.PutSoon, b.Put, b.PutSoon} {
			for _, n := range []int{1, 70_000} { // the same contents each time
				ref, err := put(ctx, bytes.NewReader(random(n)))
				if err != nil {
					t.Fatal(err)
				}
				refs = append(refs, ref)
			}
		}
		if err := b.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		for i, n := range []int{1, 70_000, 1, 70_000, 1, 70_000, 1, 70_000} {
			wantBlob(t, b, refs[i], random(n))
		}
		if n := count(t, b); n != 2 {
			t.Errorf("%d blobs, want 2", n)
		}
		if _, err := b.PutSoon(ctx, iotest.ErrReader(ErrFault)); !errors.Is(err, ErrFault) {
			t.Errorf("PutSoon = %v", err)
		}
	})
	t.Run("absent", func(t *testing.T) {
		b := open(t)
		if _, err := b.Open(ctx, cellfs.Hash{1}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open = %v, want fs.ErrNotExist", err)
		}
		if err := b.Delete(ctx, cellfs.Hash{1}, time.Now()); err != nil {
			t.Errorf("Delete of nothing = %v", err)
		}
	})
	t.Run("reader fails", func(t *testing.T) {
		b := open(t)
		for _, fault := range []error{io.ErrUnexpectedEOF, ErrFault} {
			for _, n := range []int{0, 1, 300 << 10} {
				r := io.MultiReader(bytes.NewReader(random(n)), iotest.ErrReader(fault))
				if _, err := b.Put(ctx, r); !errors.Is(err, fault) {
					t.Errorf("Put after %d bytes = %v, want %v", n, err, fault)
				}
			}
		}
		if n := count(t, b); n != 0 {
			t.Errorf("%d blobs were kept", n)
		}
	})
	t.Run("same content twice", func(t *testing.T) {
		b := open(t)
		data := random(100_000)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, err := b.Put(ctx, bytes.NewReader(data)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := count(t, b); n != 1 {
			t.Errorf("%d blobs, want 1", n)
		}
	})
	t.Run("delete spares what was put later", func(t *testing.T) {
		b := open(t)
		data := random(70_000)
		ref, err := b.Put(ctx, bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Delete(ctx, ref.Hash, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		wantBlob(t, b, ref, data)
		r, err := b.Open(ctx, ref.Hash)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := b.Delete(ctx, ref.Hash, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Open(ctx, ref.Hash); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open after Delete = %v", err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
			t.Errorf("what was open reads %d bytes, %v", len(got), err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		b := open(t)
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := b.Put(ctx, bytes.NewReader(random(10))); !errors.Is(err, context.Canceled) {
			t.Errorf("Put = %v", err)
		}
	})
}

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)})
	r.Read(b)
	return b
}

func count(t *testing.T, b cellfs.Blobs) (n int) {
	t.Helper()
	err := b.List(context.Background(), func(cellfs.Hash, int64, time.Time) error {
		n++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func wantBlob(t *testing.T, b cellfs.Blobs, ref cellfs.Ref, want []byte) {
	t.Helper()
	r, err := b.Open(context.Background(), ref.Hash)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("content of %d bytes reads %d bytes, %v", len(want), len(got), err)
	}
	if len(want) > 1 {
		one := make([]byte, 1)
		if _, err := r.ReadAt(one, int64(len(want)-1)); err != nil && err != io.EOF || one[0] != want[len(want)-1] {
			t.Errorf("ReadAt the last byte: %v", err)
		}
	}
}
