package meta

import (
	"errors"
	"os"
	"syscall"
)

// fdatasync makes the content of f durable, but not times that nobody needs.
func fdatasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
