//go:build !linux

package blob

import "os"

// canSync is false: each file is synced by itself.
const canSync = false

func syncFileSystem(*os.File) error { return nil }

func dropCached(*os.File) {}
