package snapshot

import (
	"errors"
	"io"
	"os"
	"sync"
)

// copyBuffers hold what is sent together: literal bytes and small contents.
var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

const copyBuffer = 256 << 10

// CopyTo copies n bytes from where the last Read or Seek ended, or fewer at the end of
// the zip, and returns how many it copied. Contents that are files are handed to w as
// such, so that the kernel can send them if w can read from a file.
func (v *view) CopyTo(w io.Writer, n int64) (sent int64, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := copier{w: w, b: copyBuffers.Get().(*[copyBuffer]byte)}
	defer copyBuffers.Put(c.b)
	for end := v.pos + n; v.pos < end && err == nil; {
		var s segment
		if s, err = v.segment(v.pos); err == nil {
			s.size = min(s.size, end-v.pos)
			err = v.copySegment(&c, s)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return c.sent, errors.Join(err, c.flush()) // what was read before an error goes out, too
}

// copySegment moves v.pos past what it took of the segment.
func (v *view) copySegment(c *copier, s segment) error {
	if s.record >= 0 {
		if err := v.open(s); err != nil {
			return err
		}
		if f, ok := v.content.(*os.File); ok && s.size > copyBuffer {
			if _, err := f.Seek(s.from, io.SeekStart); err != nil {
				return err
			}
			v.pos += s.size
			return c.file(f, s.size)
		}
	}
	if c.n == len(c.b) {
		if err := c.flush(); err != nil {
			return err
		}
	}
	b := c.b[c.n:]
	b = b[:min(int64(len(b)), s.size)]
	if err := v.read(b, s); err != nil {
		return err
	}
	c.n += len(b)
	v.pos += int64(len(b))
	return nil
}

// copier writes through a buffer.
type copier struct {
	w    io.Writer
	b    *[copyBuffer]byte
	n    int   // bytes in b
	sent int64 // to w
}

func (c *copier) flush() error {
	if c.n == 0 {
		return nil
	}
	n, err := c.w.Write(c.b[:c.n])
	c.sent += int64(n)
	c.n = 0
	return err
}

// file sends so many bytes of the file.
func (c *copier) file(f *os.File, size int64) error {
	if err := c.flush(); err != nil {
		return err
	}
	n, err := io.CopyN(c.w, f, size)
	c.sent += n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
