package cellfs

import (
	"context"
	"time"
)

// SetUnnamedBatch has sweeps look for so many contents at a time, and returns what
// undoes it.
func SetUnnamedBatch(n int) (undo func()) {
	old := unnamedBatch
	unnamedBatch = n
	return func() { unnamedBatch = old }
}

// SetPause has a scrub call fn in the place of waiting, and returns what undoes it.
func SetPause(fn func(context.Context, time.Duration) error) (undo func()) {
	old := pause
	pause = fn
	return func() { pause = old }
}

// SetAtOnce has trees of more than n nodes copied, moved and removed aside, in steps of n, and returns what undoes it.
func SetAtOnce(n int) (undo func()) {
	old := []int{copyAtOnce, copyPage, removeAtOnce, countAtOnce, prunePage}
	copyAtOnce, copyPage, removeAtOnce, countAtOnce, prunePage = n, n, n, n, n
	return func() {
		copyAtOnce, copyPage, removeAtOnce, countAtOnce, prunePage = old[0], old[1], old[2], old[3], old[4]
	}
}
