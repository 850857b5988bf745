//go:build !linux

package meta

import "os"

func fdatasync(f *os.File) error { return f.Sync() }
