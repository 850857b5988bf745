package odata

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"cellar/barfs/edm"
	"cellar/cellfs"
)

// TestSchemasAreReadOnce: a schema is read once however many ask for it, as long as those
// remembered are within their bound, and again after a failure.
func TestSchemasAreReadOnce(t *testing.T) {
	c := newSchemaCache(100)
	var reads atomic.Int64
	get := func(h byte, size int64, err error) error {
		_, got := c.get(cellfs.Hash{h}, size, func() (*edm.Schema, error) {
			reads.Add(1)
			return &edm.Schema{}, err
		})
		return got
	}
	want := func(n int64, what string) {
		t.Helper()
		if got := reads.Swap(0); got != n {
			t.Errorf("%s: read %d times, want %d", what, got, n)
		}
	}
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { _ = get(1, 40, nil) }) // does not fail
	}
	group.Wait()
	want(1, "fifty at once")
	_ = get(2, 60, nil)
	_ = get(1, 40, nil)
	_ = get(2, 60, nil)
	want(1, "two that fit")
	_ = get(3, 1, nil)
	_ = get(2, 60, nil)
	want(1, "one more, which takes the place of that used longest ago")
	_ = get(1, 40, nil)
	want(1, "that one")
	broken := errors.New("broken")
	if err := get(4, 1, broken); !errors.Is(err, broken) {
		t.Errorf("a failure: %v", err)
	}
	if err := get(4, 1, nil); err != nil {
		t.Errorf("after a failure: %v", err)
	}
	want(2, "a failure, and again")
	if c.bytes > c.limit || len(c.byKey) != c.last.Len() {
		t.Errorf("%d bytes of %d are held by %d entries", c.bytes, c.limit, c.last.Len())
	}
}
