package restore

import (
	"archive/zip"
	"io"

	"cellar/cellfs"
)

// content finds the content of a file: in the store, or in the snapshot. Of a
// snapshot from elsewhere every content is read, so that what is told of it is
// known to be true.
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
	if r.o.Trusted && want != nil {
		p.want, p.source = &cellfs.Ref{Hash: *want, Size: p.Size}, f
		return nil
	}
	return r.take(p, f, want)
}

// take takes the content of a file out of the snapshot. want is nil if the snapshot
// does not tell the hash.
func (r *restorer) take(p *pending, f *zip.File, want *cellfs.Hash) error {
	staged, err := r.stage(f, p.Size)
	if err != nil {
		return err
	}
	if want != nil && staged.Hash != *want {
		return damaged(f.Name, "its SHA-256 is another than is told")
	}
	p.staged = &staged
	return nil
}

// lookUp finds the contents of a page that are in the store, and takes those out of
// the snapshot that are not.
func (r *restorer) lookUp(page []*pending) error {
	var hashes []cellfs.Hash
	for _, p := range page {
		if p.want != nil {
			hashes = append(hashes, p.want.Hash)
		}
	}
	if len(hashes) == 0 {
		return nil
	}
	var found map[cellfs.Hash]cellfs.BlobID
	err := r.f.View(r.ctx, func(tx cellfs.Tx) (err error) {
		found, err = tx.BlobIDs(hashes)
		return err
	})
	var absent []*pending
	for _, p := range page {
		if p.want == nil || err != nil {
			continue
		}
		b, ok := found[p.want.Hash]
		switch {
		case !ok:
			absent = append(absent, p)
		case b.Size != p.Size:
			err = damaged(p.where, "content %s has %d bytes", p.want.Hash, b.Size)
		}
		p.Blob = b.ID
	}
	for _, p := range absent {
		if err == nil {
			err = r.take(p, p.source, &p.want.Hash)
		}
	}
	return err
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
	if s, err = r.f.Stage(r.ctx, io.LimitReader(in, size+1)); err != nil {
		return s, entryError(f.Name, err)
	}
	if s.Size != size {
		return s, damaged(f.Name, "it has not the %d bytes that are announced", size)
	}
	return s, nil
}
