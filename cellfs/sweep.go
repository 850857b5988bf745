package cellfs

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"
)

// SweepGrace is how long a content stays after the last reference to it went,
// and how long a staged content may wait for its row. It must exceed the time
// between the end of an upload's body and its transaction by far.
const SweepGrace = time.Hour

// sweepPage bounds the contents looked at, and the rows dropped, in one go.
const sweepPage = 1000

// Swept counts what a sweep removed.
type Swept struct {
	Contents int
	Bytes    int64
	Strays   int // files that no row names, left by a crash
}

// Sweep removes contents that nothing has named for the grace time. Contents
// that a snapshot refers to stay on the work list until it is deleted.
func (f *FS) Sweep(ctx context.Context, grace time.Duration) (s Swept, err error) {
	if err := f.purgeEvents(ctx); err != nil {
		return s, err
	}
	if err := f.PruneAsides(ctx); err != nil {
		return s, err
	}
	if err := f.purgeIndexes(ctx); err != nil {
		return s, err
	}
	cutoff := f.oldestHold(f.now().Add(-grace))
	err = f.eachUnnamed(ctx, f.Update, cutoff, func(all *unnamed) error {
		for page := range slices.Chunk(all.free(), sweepPage) {
			if err := f.drop(ctx, page, cutoff, &s); err != nil {
				return err
			}
		}
		return nil
	})
	return s, err
}

// purgeEvents removes the events of logs that are not kept any more.
func (f *FS) purgeEvents(ctx context.Context) error {
	return f.purge(ctx, func(tx Tx) (int64, error) { return tx.PurgeEvents(sweepPage) })
}

// purge removes rows page by page, so that writers get their turn.
func (f *FS) purge(ctx context.Context, page func(Tx) (int64, error)) error {
	for {
		var n int64
		err := f.Update(ctx, func(tx Tx) (err error) {
			n, err = page(tx)
			return err
		})
		if err != nil || n < sweepPage {
			return err
		}
	}
}

// drop removes the rows first and then the files, so that a crash between
// leaves a stray file and never a row without its content.
func (f *FS) drop(ctx context.Context, ids []int64, cutoff time.Time, s *Swept) error {
	var dropped []Blob
	err := f.Update(ctx, func(tx Tx) (err error) {
		dropped, err = tx.DropBlobs(ids, cutoff)
		return err
	})
	if err != nil {
		return err
	}
	for _, b := range dropped {
		if b.Data == nil {
			if err := f.blobs.Delete(ctx, b.Hash, cutoff); err != nil {
				return err
			}
		}
		s.Contents++
		s.Bytes += b.Size
	}
	return nil
}

// SweepPlan reports what a Sweep would remove now.
func (f *FS) SweepPlan(ctx context.Context, grace time.Duration) (s Swept, err error) {
	cutoff := f.oldestHold(f.now().Add(-grace))
	err = f.eachUnnamed(ctx, f.meta.View, cutoff, func(all *unnamed) error {
		for i, held := range all.held {
			if !held {
				s.Contents++
				s.Bytes += all.sizes[i]
			}
		}
		return nil
	})
	return s, err
}

// SweepStrays removes files of the blob store that no row names and that are
// older than the grace time: what a crash left between staging and publishing. What an
// export has staged waits for its row under a hold, on a full disk for long.
func (f *FS) SweepStrays(ctx context.Context, grace time.Duration) (s Swept, err error) {
	cutoff := f.oldestHold(f.now().Add(-grace))
	err = f.blobs.List(ctx, func(h Hash, size int64, put time.Time) error {
		if !put.Before(cutoff) {
			return nil
		}
		err := f.meta.View(ctx, func(tx Tx) error {
			_, err := tx.BlobByHash(h)
			return err
		})
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		s.Strays++
		s.Bytes += size
		return f.blobs.Delete(ctx, h, cutoff)
	})
	return s, err
}
