package blob

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// canSync reports whether syncFileSystem does what it should.
const canSync = true

// syncFileSystem makes durable all of the file system that f is in (syncfs(2)).
func syncFileSystem(f *os.File) error {
	for {
		err := unix.Syncfs(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("syncfs", err)
		}
	}
}

// dropCached gives back the memory in which the system keeps the file. That it does not
// is no error: then it is read from there.
func dropCached(f *os.File) { _ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }
