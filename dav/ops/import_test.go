package ops

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"cellar/barfs"
	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/jobs"
)

// TestImportRoom: the limit of the server holds for all cells, and a quota below it for its
// own.
func TestImportRoom(t *testing.T) {
	const slack = importSlack
	for _, c := range []struct {
		limit, quota, want int64
		over               answer.Code
	}{
		{0, 0, DefaultImportLimit, answer.BodyTooLarge},
		{1000, 0, 1000, answer.BodyTooLarge},
		{0, 1 << 20, 2<<20 + slack, answer.QuotaExceeded},
		{0, 1 << 62, DefaultImportLimit, answer.BodyTooLarge},
		{slack + 20, 9, 18 + slack, answer.QuotaExceeded},
		{slack + 20, 10, slack + 20, answer.BodyTooLarge},
		{slack - 1, 1, slack - 1, answer.BodyTooLarge},
	} {
		o := &Ops{cfg: Config{ImportLimit: c.limit}}
		if got, over := o.importRoom(cellfs.Cell{Quota: c.quota}); got != c.want || over.Code != c.over {
			t.Errorf("limit %d, quota %d: %d, %v, want %d, %v", c.limit, c.quota, got, over, c.want, c.over)
		}
	}
}

// TestTell: what is a client's to hear is in the answer, and of everything else nothing.
func TestTell(t *testing.T) {
	path := &fs.PathError{Op: "write", Path: "/srv/cellar/blobs/tmp/x", Err: syscall.ENOSPC}
	for err, want := range map[error]*answer.Error{
		path: answer.New(answer.NoSpace),
		fmt.Errorf("commit: %w", cellfs.ErrNoSpace):                             answer.New(answer.NoSpace),
		fmt.Errorf("cell: %w", cellfs.ErrQuota):                                 answer.New(answer.QuotaExceeded),
		fmt.Errorf("job: %w", jobs.ErrCutOff):                                   answer.New(answer.GivenUp, jobs.ErrCutOff),
		&fs.PathError{Op: "read", Path: "/srv/x", Err: syscall.EIO}:             answer.New(answer.Internal),
		errors.New("panic: /srv"):                                               answer.New(answer.Internal),
		fmt.Errorf("open: %w", &barfs.Error{Fault: barfs.NotZip, Message: "m"}): answer.With(answer.BarNotZip, "m"),
		fmt.Errorf("open: %w", answer.With("C", "m")):                           answer.With("C", "m"),
	} {
		if got := AnswerOf(err); *got != *want {
			t.Errorf("%v is answered as %v, want %v", err, got, want)
		}
	}
}
