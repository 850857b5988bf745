package cellfs

// SetUnnamedBatch has sweeps look for so many contents at a time, and returns what
// undoes it.
func SetUnnamedBatch(n int) (undo func()) {
	old := unnamedBatch
	unnamedBatch = n
	return func() { unnamedBatch = old }
}
