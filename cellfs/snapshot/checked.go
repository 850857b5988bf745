package snapshot

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"
	"time"
)

// DamagedError says which entries of a snapshot are not what they were.
type DamagedError struct {
	// Paths names the first of them by their paths in the cell: {box}/…
	Paths   []string
	Entries int64 // how many there are
}

// maxDamagedPaths bounds the paths that a [DamagedError] names.
const maxDamagedPaths = 20

func (e *DamagedError) Error() string {
	names := make([]string, len(e.Paths))
	for i, p := range e.Paths {
		names[i] = fmt.Sprintf("%q", p)
	}
	text := strings.Join(names, ", ")
	if more := e.Entries - int64(len(e.Paths)); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return "damaged in the snapshot: " + text
}

func (e *DamagedError) add(path string) {
	if e.Entries++; len(e.Paths) < maxDamagedPaths {
		e.Paths = append(e.Paths, path)
	}
}

// CopyChecked copies the zip of a snapshot from r to w, and looks at it as it passes: each
// content must have its CRC-32, and all between them must be what package snapshot writes.
// Memory does not grow with the snapshot. It goes on behind a content that differs, and
// then returns a [*DamagedError]. Any other error, of reading, of writing, or that r is no
// whole snapshot, ends it.
func CopyChecked(w io.Writer, r io.Reader) (n int64, err error) {
	c := &checked{r: bufio.NewReaderSize(io.TeeReader(r, w), copyBuffer), central: sha256.New(), crc: crc32.NewIEEE()}
	if err := c.all(); err != nil {
		return c.at, err
	}
	if c.damaged.Entries > 0 {
		return c.at, &c.damaged
	}
	return c.at, nil
}

// checked reads a zip from its begin to its end.
type checked struct {
	r  *bufio.Reader
	at int64 // of the next byte

	entries int64
	central hash.Hash // of what the central directory must be
	listed  int64     // its bytes
	crc     hash.Hash32
	damaged DamagedError
	read    [30 + 2*max16]byte
	want    []byte
}

var errNoSnapshot = errors.New("this is no snapshot as this version of cellar makes it, or it is damaged between its files")

func (c *checked) all() error {
	for {
		sig, err := c.r.Peek(4)
		if err != nil {
			return c.broken(err)
		}
		if le.Uint32(sig) != sigLocal {
			return c.end()
		}
		if err := c.entry(); err != nil {
			return err
		}
	}
}

// broken is the error to return for one of reading. The end of the zip, too, is an error here.
func (c *checked) broken(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("the snapshot broke off after %d bytes: %w", c.at, err)
}

// take reads into b.
func (c *checked) take(b []byte) error {
	n, err := io.ReadFull(c.r, b)
	if c.at += int64(n); err != nil {
		return c.broken(err)
	}
	return nil
}

// localSize is the size of a local header without its name and extra fields.
const localSize = 30

// entry reads a member of the zip with its content.
func (c *checked) entry() error {
	e, begin := entry{offset: c.at}, c.read[:localSize]
	if err := c.take(begin); err != nil {
		return err
	}
	names, extra := int(le.Uint16(begin[26:])), int(le.Uint16(begin[28:]))
	h := c.read[:localSize+names+extra]
	if err := c.take(h[localSize:]); err != nil {
		return err
	}
	e.name, e.crc, e.size = string(h[localSize:localSize+names]), le.Uint32(h[14:]), int64(le.Uint32(h[22:]))
	fields := h[localSize+names:]
	if e.size == max32 && len(fields) >= 12 {
		e.size = int64(le.Uint64(fields[4:]))
	}
	if len(fields) >= timeExtraLen {
		e.modified = time.Unix(int64(le.Uint32(fields[len(fields)-4:])), 0)
	}
	if e.name == "" || e.size < 0 {
		return errNoSnapshot
	}
	// The times of 4.4.6 can hold years that the other one cannot.
	c.want = appendLocal(c.want[:0], &e)
	copy(c.want[10:14], h[10:14])
	if !bytes.Equal(c.want, h) {
		return errNoSnapshot
	}
	c.want = appendCentral(c.want[:0], &e)
	copy(c.want[12:16], h[10:14])
	c.central.Write(c.want)
	c.entries, c.listed = c.entries+1, c.listed+int64(len(c.want))

	c.crc.Reset()
	if err := c.pass(c.crc, e.size); err != nil {
		return fmt.Errorf("in %q: %w", pathOf(e.name), err)
	}
	if c.crc.Sum32() != e.crc {
		c.damaged.add(pathOf(e.name))
	}
	return nil
}

// pass reads n bytes into a hash.
func (c *checked) pass(h hash.Hash, n int64) error {
	for n > 0 {
		if _, err := c.r.Peek(1); err != nil {
			return c.broken(err)
		}
		b, err := c.r.Peek(int(min(n, int64(c.r.Buffered()))))
		if err != nil {
			return c.broken(err)
		}
		h.Write(b)
		if _, err := c.r.Discard(len(b)); err != nil {
			return c.broken(err)
		}
		c.at, n = c.at+int64(len(b)), n-int64(len(b))
	}
	return nil
}

// pathOf is the path in the cell of an entry that is a file of it.
func pathOf(entry string) string { return strings.TrimPrefix(entry, "30_contents/") }

// end reads what follows the entries, and must follow from them.
func (c *checked) end() error {
	begin, listed := c.at, sha256.New()
	if err := c.pass(listed, c.listed); err != nil {
		return err
	}
	if c.entries == 0 || !bytes.Equal(listed.Sum(nil), c.central.Sum(nil)) {
		return errNoSnapshot
	}
	c.want = appendEnd(c.want[:0], c.entries, begin, c.listed)
	got := c.read[:len(c.want)]
	if err := c.take(got); err != nil {
		return err
	}
	if !bytes.Equal(got, c.want) {
		return errNoSnapshot
	}
	if _, err := c.r.ReadByte(); err == nil {
		return errNoSnapshot
	} else if err != io.EOF {
		return c.broken(err)
	}
	return nil
}
