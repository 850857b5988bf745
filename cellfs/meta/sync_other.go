//go:build !linux

package meta

import "os"

func syncData(f *os.File) error { return f.Sync() }
