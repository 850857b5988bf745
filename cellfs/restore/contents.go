package restore

import (
	"archive/zip"
	"errors"
	"io"
	"io/fs"

	"golang.org/x/sync/errgroup"

	"cellar/cellfs"
)

// content finds the content of a file: in the store, or in the snapshot. If the snapshot is
// from elsewhere, every content is read, because what the snapshot says of it may be wrong.
func (r *restorer) content(p *pending, l *nodeLine) error {
	r.files++
	r.bytes += p.Size
	if err := r.stores(p.Size); err != nil {
		return err
	}
	r.step()
	f := l.content
	if f == nil || f.UncompressedSize64 != uint64(p.Size) {
		return damaged(p.where, "there is no content of %d bytes", p.Size)
	}
	if p.Size == 0 && l.SHA256 == "" {
		return nil
	}
	var want *cellfs.Hash
	if l.SHA256 != "" {
		h, err := cellfs.ParseHash(l.SHA256)
		if err != nil {
			return damaged(p.where, "sha256: %v", err)
		}
		want = &h
	}
	if r.o.BlobAt != nil && want != nil {
		return r.refer(p, f, *want)
	}
	p.source, p.want = f, want
	return nil
}

// refer makes the node refer to the content that the snapshot itself refers to.
func (r *restorer) refer(p *pending, f *zip.File, want cellfs.Hash) error {
	at, err := f.DataOffset()
	if err != nil {
		return entryError(f.Name, err)
	}
	if p.Blob, err = r.o.BlobAt(at); err != nil {
		return err
	}
	if p.Blob == 0 {
		return damaged(f.Name, "is no content of this store")
	}
	ref := cellfs.Ref{Hash: want, Size: p.Size}
	if r.f.Stored(r.ctx, ref) {
		return nil
	}
	err = r.f.View(r.ctx, func(tx cellfs.Tx) error { return r.f.CheckStored(r.ctx, tx, p.Blob, ref) })
	var lost *cellfs.DamagedError
	if errors.As(err, &lost) || errors.Is(err, fs.ErrNotExist) {
		return damaged(p.where, "its content is missing or damaged")
	}
	return err
}

// stagers is how many contents are taken at once: each waits for the disk.
const stagers = 8

// take stages the contents of a page from the snapshot.
func (r *restorer) take(page []*pending) error {
	large := false
	var group errgroup.Group
	group.SetLimit(stagers)
	for _, p := range page {
		if p.source != nil {
			group.Go(func() error { return r.takeOne(p) })
			large = large || p.Size > cellfs.MaxInline
		}
	}
	if err := group.Wait(); err != nil || !large {
		return err
	}
	return r.f.SyncStaged(r.ctx) // before the rows that name them
}

func (r *restorer) takeOne(p *pending) error {
	staged, err := r.stage(p.source, p.Size)
	if err != nil {
		return err
	}
	if p.want != nil && staged.Hash != *p.want {
		return damaged(p.source.Name, "its SHA-256 is another than the snapshot says")
	}
	p.staged = &staged
	return nil
}

// lookUp verifies that the contents that a page refers to are there.
func (r *restorer) lookUp(page []*pending) error {
	var ids []int64
	for _, p := range page {
		if p.Blob != 0 {
			ids = append(ids, p.Blob)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var sizes map[int64]int64
	err := r.f.View(r.ctx, func(tx cellfs.Tx) (err error) {
		sizes, err = tx.BlobSizes(ids)
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range page {
		if size, ok := sizes[p.Blob]; p.Blob != 0 && (!ok || size != p.Size) {
			return damaged(p.where, "content %d of %d bytes is not in the store", p.Blob, p.Size)
		}
	}
	return nil
}

// stores counts what the cell will hold.
func (r *restorer) stores(size int64) error {
	r.stored += size
	if r.o.Cell.Quota > 0 && r.stored > r.o.Cell.Quota {
		return cellfs.ErrQuota
	}
	return nil
}

// stage takes a content out of the snapshot; its size and CRC-32 are checked.
func (r *restorer) stage(f *zip.File, size int64) (s cellfs.Staged, err error) {
	in, err := openEntry(f)
	if err != nil {
		return s, err
	}
	defer in.Close()
	// One byte more than announced is enough to know that the header lies.
	if s, err = r.f.StageSoon(r.ctx, io.LimitReader(in, size+1)); err != nil {
		return s, entryError(f.Name, err)
	}
	if s.Size != size {
		return s, damaged(f.Name, "it has not the %d bytes that are announced", size)
	}
	return s, nil
}
