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
