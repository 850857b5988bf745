package snapshot

import (
	"archive/zip"
	"io"
	"strings"

	"cellar/cellfs"
)

// content finds the content of a file: in the store, or in the snapshot. Of a
// snapshot from elsewhere every content is read, so that what is told of it is
// known to be true.
func (r *restorer) content(p *pending, sha string) error {
	r.files++
	r.bytes += p.Size
	if err := r.stores(p.Size); err != nil {
		return err
	}
	if r.o.Progress != nil && r.files%nodePage == 0 {
		r.o.Progress(r.files, r.a.Manifest.Entries)
	}
	name := contentsDir + p.path
	f := r.a.files[name]
	if f == nil || f.UncompressedSize64 != uint64(p.Size) {
		return damaged(p.where, "there is no %s of %d bytes", name, p.Size)
	}
	r.seen++
	if p.Size == 0 && sha == "" {
		return nil
	}
	want, err := cellfs.ParseHash(sha)
	if err != nil {
		return damaged(p.where, "sha256: %v", err)
	}
	if r.o.Trusted {
		p.want = &cellfs.Ref{Hash: want, Size: p.Size}
		return nil
	}
	return r.take(p, f, want)
}

// take takes the content of a file out of the snapshot.
func (r *restorer) take(p *pending, f *zip.File, want cellfs.Hash) error {
	staged, err := r.stage(f, p.Size)
	if err != nil {
		return err
	}
	if staged.Hash != want {
		return damaged(f.Name, "its SHA-256 is another than in %s", nodesFile)
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
			err = r.take(p, r.a.files[contentsDir+p.path], p.want.Hash)
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

// unused refuses contents that no line of the nodes names.
func (r *restorer) unused() error {
	var there int64
	for name := range r.a.files {
		if (strings.HasPrefix(name, contentsDir) || strings.HasPrefix(name, odataDir)) && !strings.HasSuffix(name, "/") {
			there++
		}
	}
	if there != r.seen {
		return damaged(nodesFile, "%d files of the snapshot are in it, %d are there", r.seen, there)
	}
	return nil
}
