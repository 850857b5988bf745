package ops

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"cellar/barfs"
	"cellar/cellfs"
	"cellar/jobs"
)

// TestImportRoom: the limit of the server holds for all cells, and a quota below it for its
// own.
func TestImportRoom(t *testing.T) {
	const slack = importSlack
	for _, c := range []struct {
		limit, quota, want int64
		over               *Refused
	}{
		{0, 0, DefaultImportLimit, TooLarge},
		{1000, 0, 1000, TooLarge},
		{0, 1 << 20, 2<<20 + slack, NoQuota},
		{0, 1 << 62, DefaultImportLimit, TooLarge},
		{slack + 20, 9, 18 + slack, NoQuota},
		{slack + 20, 10, slack + 20, TooLarge},
		{slack - 1, 1, slack - 1, TooLarge},
	} {
		o := &Ops{cfg: Config{ImportLimit: c.limit}}
		if got, over := o.importRoom(cellfs.Cell{Quota: c.quota}); got != c.want || over != c.over {
			t.Errorf("limit %d, quota %d: %d, %v, want %d, %v", c.limit, c.quota, got, over, c.want, c.over)
		}
	}
}

// TestTell: what is a client's to hear is told, and of everything else nothing.
func TestTell(t *testing.T) {
	path := &fs.PathError{Op: "write", Path: "/srv/cellar/blobs/tmp/x", Err: syscall.ENOSPC}
	for err, want := range map[error]*Refused{
		path: NoSpace,
		fmt.Errorf("commit: %w", cellfs.ErrNoSpace):                   NoSpace,
		fmt.Errorf("cell: %w", cellfs.ErrQuota):                       NoQuota,
		fmt.Errorf("job: %w", jobs.ErrCutOff):                         CutOff,
		&fs.PathError{Op: "read", Path: "/srv/x", Err: syscall.EIO}:   Unknown,
		errors.New("panic: /srv"):                                     Unknown,
		fmt.Errorf("open: %w", &barfs.Error{Code: "C", Message: "m"}): {"C", "m"},
		fmt.Errorf("open: %w", &Refused{"C", "m"}):                    {"C", "m"},
	} {
		if got := Tell(err); *got != *want {
			t.Errorf("%v is told as %v, want %v", err, got, want)
		}
	}
}
