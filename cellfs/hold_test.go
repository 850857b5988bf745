package cellfs_test

import (
	"bytes"
	"testing"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
)

// TestHoldKeepsWhatIsStaged: a content that was staged under a hold waits for its row as long
// as that takes; without one it is swept.
func TestHoldKeepsWhatIsStaged(t *testing.T) {
	f := cellfs.New(cellfs.Config{Meta: cellfstest.NewMemMeta(), Blobs: cellfstest.NewMemBlobs(), Snapshots: cellfstest.NoSnapshots{}})
	release := f.Hold()
	staged, err := f.Stage(t.Context(), bytes.NewReader(make([]byte, cellfs.MaxInline+1)))
	if err != nil {
		t.Fatal(err)
	}
	const all = -cellfs.SweepGrace // also what was staged just now
	for _, want := range []int64{0, 1} {
		swept, err := f.SweepStrays(t.Context(), all)
		if err != nil || int64(swept.Strays) != want {
			t.Errorf("swept %+v, %v, want %d strays", swept, err, want)
		}
		c, err := f.OpenStaged(t.Context(), staged)
		if (err == nil) != (want == 0) {
			t.Errorf("opening it: %v", err)
		}
		if err == nil {
			c.Close()
		}
		release()
	}
}
