package ops

import (
	"context"
	"errors"
	"io"

	"cellar/barfs"
	"cellar/cellfs"
	"cellar/jobs"
)

// openBar stages the body of a request and opens it as a bar.
func (o *Ops) openBar(ctx context.Context, body io.Reader) (staged cellfs.Staged, bar *barfs.Archive, done func(), err error) {
	limit := o.cfg.Limits.Archive
	if limit == 0 {
		limit = barfs.MaxArchive
	}
	counted := &limited{r: body, left: limit}
	staged, err = o.fs.Stage(ctx, counted)
	if counted.left < 0 {
		return staged, nil, nil, barfs.TooLarge(limit + 1)
	}
	if err != nil {
		return staged, nil, nil, err
	}
	content, err := o.fs.OpenStaged(ctx, staged)
	if err != nil {
		return staged, nil, nil, err
	}
	bar, err = barfs.Open(content, staged.Size, o.cfg.Limits)
	if err != nil {
		content.Close()
		return staged, nil, nil, err
	}
	return staged, bar, func() { content.Close() }, nil
}

// openInput opens the bar that a job works from.
func (o *Ops) openInput(ctx context.Context, j jobs.Job) (bar *barfs.Archive, done func(), err error) {
	content, err := o.fs.OpenBlob(ctx, j.Input)
	if err != nil {
		return nil, nil, err
	}
	size, err := content.Seek(0, io.SeekEnd)
	if err == nil {
		bar, err = barfs.Open(content, size, o.cfg.Limits)
	}
	if err != nil {
		content.Close()
		return nil, nil, err
	}
	return bar, func() { content.Close() }, nil
}

// limited is a reader that fails after its limit instead of ending.
type limited struct {
	r    io.Reader
	left int64 // negative: more came than allowed
}

var errLimit = errors.New("body exceeds its limit")

func (l *limited) Read(b []byte) (int, error) {
	if l.left < 0 {
		return 0, errLimit
	}
	if int64(len(b)) > l.left+1 {
		b = b[:l.left+1]
	}
	n, err := l.r.Read(b)
	if l.left -= int64(n); l.left < 0 {
		return 0, errLimit
	}
	return n, err
}
