// Package zipdir opens zip archives that come from strangers. Reading an archive takes
// memory for every entry of its central directory, which a small archive can make long:
// how long it may be is known, and looked at, before that memory is taken.
package zipdir

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Limits bound the central directory of an archive.
type Limits struct {
	Entries int   // entries, directories included
	Bytes   int64 // of the directory: names, extra fields and comments, and what every entry has
}

// LimitError says which limit an archive exceeds.
type LimitError struct {
	Limit int64
	What  string // "entries" or "bytes"
}

func (e *LimitError) Error() string {
	if e.What == "entries" {
		return fmt.Sprintf("more than %d entries", e.Limit)
	}
	return fmt.Sprintf("a central directory of more than %d bytes", e.Limit)
}

// Open reads the central directory of an archive of size bytes. It returns a
// [*LimitError] beyond the limits, and the errors of [zip.NewReader], but for
// [zip.ErrInsecurePath]: names are for the caller to judge.
func Open(r io.ReaderAt, size int64, l Limits) (*zip.Reader, error) {
	g := &guard{r: r, limits: l}
	z, err := zip.NewReader(g, size)
	if g.exceeded != nil {
		return nil, g.exceeded
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, err
	}
	g.opened = true
	return z, l.check(z.File)
}

// headerSize is what an entry of the directory has beside name, extra field and comment
// (APPNOTE 4.3.12).
const headerSize = 46

func (l Limits) check(files []*zip.File) error {
	if len(files) > l.Entries {
		return l.tooManyEntries()
	}
	var bytes int64
	for _, f := range files {
		bytes += headerSize + int64(len(f.Name)+len(f.Extra)+len(f.Comment))
	}
	if bytes > l.Bytes {
		return l.tooManyBytes()
	}
	return nil
}

func (l Limits) tooManyEntries() error { return &LimitError{int64(l.Entries), "entries"} }
func (l Limits) tooManyBytes() error   { return &LimitError{l.Bytes, "bytes"} }

// What is read besides the directory, or twice: the end of the archive, in which parts
// of the directory can lie.
const (
	slackBytes   = 256 << 10
	slackEntries = slackBytes / headerSize
)

var (
	sigEntry = []byte("PK\x01\x02")
	sigEnd64 = []byte("PK\x06\x06")
)

const end64Size = 56 // 4.3.14

// guard watches what is read of an archive while its directory is, and ends that as soon as
// it is certain that it is too long. [Limits.check] is exact, but comes after.
type guard struct {
	r        io.ReaderAt
	limits   Limits
	opened   bool // the directory was read: the guard is off
	exceeded error

	bytes   int64
	entries int
	end     int64   // where the last read ended
	tail    [3]byte // its last bytes: a signature can lie on both sides
}

func (g *guard) ReadAt(b []byte, at int64) (int, error) {
	n, err := g.r.ReadAt(b, at)
	if g.opened {
		return n, err
	}
	if g.watch(b[:n], at); g.exceeded != nil {
		return 0, g.exceeded
	}
	return n, err
}

func (g *guard) watch(b []byte, at int64) {
	if len(b) == end64Size && bytes.HasPrefix(b, sigEnd64) && binary.LittleEndian.Uint64(b[32:]) > uint64(g.limits.Entries) {
		g.exceeded = g.limits.tooManyEntries() // the reader makes room for as many as are announced
		return
	}
	if g.bytes += int64(len(b)); g.bytes > g.limits.Bytes+slackBytes {
		g.exceeded = g.limits.tooManyBytes()
		return
	}
	g.entries += bytes.Count(b, sigEntry)
	if at == g.end {
		g.entries += bytes.Count(append(g.tail[:], b[:min(len(b), len(g.tail))]...), sigEntry)
	}
	g.tail = [3]byte{}
	copy(g.tail[3-min(3, len(b)):], b[max(0, len(b)-3):])
	g.end = at + int64(len(b))
	if g.entries > g.limits.Entries+slackEntries {
		g.exceeded = g.limits.tooManyEntries()
	}
}
