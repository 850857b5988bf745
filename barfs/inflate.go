package barfs

import (
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// inflaters are kept for the next entry: a bar has thousands, and each would
// allocate its window anew.
var inflaters sync.Pool

// inflate is a [zip.Decompressor].
func inflate(r io.Reader) io.ReadCloser {
	if f, ok := inflaters.Get().(flateReader); ok {
		if err := f.Reset(r, nil); err == nil {
			return &inflater{f: f}
		}
	}
	return &inflater{f: flate.NewReader(r).(flateReader)}
}

type flateReader interface {
	io.ReadCloser
	flate.Resetter
}

// inflater goes back to the pool when it is closed.
type inflater struct{ f flateReader }

var errInflaterClosed = errors.New("barfs: read of a closed entry")

func (i *inflater) Read(p []byte) (int, error) {
	if i.f == nil {
		return 0, errInflaterClosed
	}
	return i.f.Read(p)
}

func (i *inflater) Close() error {
	if i.f == nil {
		return nil
	}
	err := i.f.Close()
	inflaters.Put(i.f)
	i.f = nil
	return err
}
