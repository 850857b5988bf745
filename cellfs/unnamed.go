package cellfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// unnamedBatch is how many contents are looked for in the snapshots in one go: up to 33
// bytes of memory each. A variable for the tests.
var unnamedBatch = 1 << 20

// unnamed are contents that no row names, in the order of their ids. A snapshot can
// still refer to them.
type unnamed struct {
	ids, sizes []int64
	held       []bool // by a snapshot
}

// find is the place of a content; false if it is not among them.
func (u *unnamed) find(id int64) (int, bool) { return slices.BinarySearch(u.ids, id) }

// free are those that no snapshot refers to.
func (u *unnamed) free() (ids []int64) {
	for i, id := range u.ids {
		if !u.held[i] {
			ids = append(ids, id)
		}
	}
	return ids
}

// eachUnnamed calls yield for every batch of contents that nothing but snapshots has
// named since the cutoff. read is the kind of transaction that finds them.
func (f *FS) eachUnnamed(ctx context.Context, read func(context.Context, func(Tx) error) error, cutoff time.Time, yield func(*unnamed) error) error {
	for after := int64(0); ; {
		batch, err := f.unnamedAfter(ctx, read, cutoff, after)
		if err != nil || len(batch.ids) == 0 {
			return err
		}
		after = batch.ids[len(batch.ids)-1]
		err = f.eachSnapshotBlob(ctx, func(_ *Snapshot, id int64) error {
			if i, ok := batch.find(id); ok {
				batch.held[i] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := yield(batch); err != nil {
			return err
		}
	}
}

// unnamedAfter reads a batch.
func (f *FS) unnamedAfter(ctx context.Context, read func(context.Context, func(Tx) error) error, cutoff time.Time, after int64) (*unnamed, error) {
	u := &unnamed{}
	for len(u.ids) < unnamedBatch {
		if after > 0 { // only the first page cleans the list
			read = f.meta.View
		}
		var page []Blob
		err := read(ctx, func(tx Tx) (err error) {
			page, err = tx.Orphans(cutoff, after, sweepPage)
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		for _, b := range page {
			u.ids, u.sizes = append(u.ids, b.ID), append(u.sizes, b.Size)
		}
		after = page[len(page)-1].ID
	}
	u.held = make([]bool, len(u.ids))
	return u, nil
}

// eachSnapshotBlob calls yield for every reference of every snapshot, one after the
// other, those of a cell together.
func (f *FS) eachSnapshotBlob(ctx context.Context, yield func(s *Snapshot, id int64) error) error {
	var all []Snapshot
	err := f.meta.View(ctx, func(tx Tx) (err error) {
		all, err = tx.Snapshots(0)
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range all {
		if !IsZipName(s.Name) {
			continue
		}
		err := f.zip.Blobs(ctx, f, s, func(id int64) error { return yield(&s, id) })
		if errors.Is(err, fs.ErrNotExist) && f.snapshotGone(ctx, s) {
			continue
		}
		if err != nil {
			return fmt.Errorf("references of snapshot %q: %w", s.Name, err)
		}
	}
	return nil
}

func (f *FS) snapshotGone(ctx context.Context, s Snapshot) bool {
	err := f.meta.View(ctx, func(tx Tx) error {
		_, err := tx.Snapshot(s.Cell, s.Name)
		return err
	})
	return errors.Is(err, fs.ErrNotExist)
}
