package cellfs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
)

// scrubbed is a store with n contents of the same length, and its clock.
func scrubbed(t *testing.T, n, length int) (*cellfs.FS, *time.Time) {
	t.Helper()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := cellfs.New(cellfs.Config{
		Meta: cellfstest.NewMemMeta(), Blobs: cellfstest.NewMemBlobs(), Snapshots: cellfstest.NoSnapshots{}, Now: func() time.Time { return now },
	})
	err := f.Update(t.Context(), func(tx cellfs.Tx) error {
		for i := range n {
			if _, err := cellfs.StageBytes(fmt.Appendf(nil, "%0*d", length, i)).Add(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, &now
}

// TestScrubKeepsItsPace: a scrub reads no faster than it may, and small contents count more
// than their bytes.
func TestScrubKeepsItsPace(t *testing.T) {
	for _, c := range []struct {
		contents, length int
		rate             int64
		want             time.Duration
	}{
		{10, 40_000, 100_000, 4 * time.Second},
		{100, 40_000, 100_000, 40 * time.Second},
		{100, 2, 40_960, 10 * time.Second},
		{10, 1, 1 << 40, 0},
	} {
		var owed time.Duration // nobody waits, so that it adds up
		undo := cellfs.SetPause(func(_ context.Context, d time.Duration) error {
			owed = d
			return nil
		})
		f, _ := scrubbed(t, c.contents, c.length)
		s, _, err := f.Scrub(t.Context(), c.rate)
		undo()
		if err != nil || s.Contents != int64(c.contents) || s.Bytes != int64(c.contents*c.length) || s.Damaged != 0 {
			t.Errorf("%d contents of %d bytes: %+v, %v", c.contents, c.length, s, err)
		}
		if owed > c.want || owed < c.want*9/10 {
			t.Errorf("%d contents of %d bytes at %d a second take %v, want %v", c.contents, c.length, c.rate, owed, c.want)
		}
	}
}

// TestScrubGoesOn: a scrub that is cut off goes on behind the last content that it looked at, and
// the next one begins when it is due.
func TestScrubGoesOn(t *testing.T) {
	f, now := scrubbed(t, 20, 1000)
	begin := *now
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	left := 30 // pauses
	defer cellfs.SetPause(func(ctx context.Context, _ time.Duration) error {
		if left--; left == 0 {
			cancel()
		}
		return ctx.Err()
	})()
	first, _, err := f.Scrub(ctx, 1)
	if !errors.Is(err, context.Canceled) || first.Contents < 1 || first.Contents > 19 {
		t.Fatalf("cut off: %+v, %v", first, err)
	}
	*now = now.Add(2 * cellfs.ScrubEvery) // it is late, and still the same one
	s, due, err := f.Scrub(t.Context(), 1)
	if err != nil || s.Contents != 20 || s.Bytes != 20_000 || !due.Equal(begin.Add(cellfs.ScrubEvery)) {
		t.Errorf("gone on: %+v, due %v, %v", s, due, err)
	}
	*now = begin.Add(cellfs.ScrubEvery - time.Second)
	if s, due, err := f.Scrub(t.Context(), 1); err != nil || s.Contents != 0 || !due.Equal(begin.Add(cellfs.ScrubEvery)) {
		t.Errorf("not due: %+v, due %v, %v", s, due, err)
	}
	*now = begin.Add(cellfs.ScrubEvery)
	if s, due, err := f.Scrub(t.Context(), 1); err != nil || s.Contents != 20 || !due.Equal(now.Add(cellfs.ScrubEvery)) {
		t.Errorf("due: %+v, next %v, %v", s, due, err)
	}
}
