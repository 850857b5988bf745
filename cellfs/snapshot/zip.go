package snapshot

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"
)

// The zip is written by hand rather than by archive/zip because the bytes of
// the contents must never pass through: see APPNOTE.TXT 6.3.10, whose section
// numbers stand below.
const (
	sigLocal      = 0x04034b50 // 4.3.7
	sigCentral    = 0x02014b50 // 4.3.12
	sigEnd64      = 0x06064b50 // 4.3.14
	sigLocator64  = 0x07064b50 // 4.3.15
	sigEnd        = 0x06054b50 // 4.3.16
	flagUTF8      = 0x0800     // 4.4.4, bit 11
	version20     = 20         // 4.4.3: directories
	version45     = 45         // 4.4.3: Zip64
	madeByUnix    = 3 << 8     // 4.4.2
	extraZip64    = 0x0001     // 4.5.3
	extraTime     = 0x5455     // extended timestamp: modification time in UTC
	max32         = 0xffffffff
	max16         = 0xffff
	modeFile      = 0o100644 << 16 // 4.4.15
	modeDirectory = 0o040755<<16 | 0x10
)

// temp is where spools are made.
type temp struct {
	dir  string                  // "": the system's
	take func(bytes int64) error // asked before a spool grows; nil: it may
}

// spoolStep is how many bytes a spool asks for at a time.
const spoolStep = 256 << 10

// spool collects bytes in a temporary file that has no name any more.
type spool struct {
	temp
	f     *os.File
	w     *bufio.Writer
	n     int64
	taken int64
}

func newSpool(t temp) (*spool, error) {
	f, err := os.CreateTemp(t.dir, "snapshot-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return &spool{temp: t, f: f, w: bufio.NewWriterSize(f, 256<<10)}, nil
}

func (s *spool) Write(b []byte) (int, error) {
	for s.take != nil && s.n+int64(len(b)) > s.taken {
		if err := s.take(spoolStep); err != nil {
			return 0, err
		}
		s.taken += spoolStep
	}
	n, err := s.w.Write(b)
	s.n += int64(n)
	return n, err
}

// reader reads what was written from its start. Nothing may be written after.
func (s *spool) reader() (io.Reader, error) {
	if err := s.w.Flush(); err != nil {
		return nil, err
	}
	_, err := s.f.Seek(0, io.SeekStart)
	return bufio.NewReaderSize(s.f, 256<<10), err
}

func (s *spool) close() { s.f.Close() }

// entry is a member of the zip.
type entry struct {
	name     string // a directory's ends in "/"
	size     int64
	crc      uint32
	modified time.Time
	offset   int64 // of its local header, from the begin of its part
}

// ref is a content within the zip.
type ref struct {
	offset  int64 // in the zip, from the begin of its part
	size    int64
	literal int64 // literal bytes before it, from the begin of its part
	blob    int64
}

// part is a run of entries whose place in the zip is known only when the parts
// before it are complete.
type part struct {
	literal   *spool
	directory *spool // the entries, for the central directory
	records   *spool // the references, as the index has them but from the begin of the part
	entries   int64
	size      int64 // in the zip
	buf       []byte
}

func newPart(t temp) (_ *part, err error) {
	p := &part{}
	for _, s := range []**spool{&p.literal, &p.directory, &p.records} {
		if *s, err = newSpool(t); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func (p *part) close() {
	for _, s := range []*spool{p.literal, p.directory, p.records} {
		if s != nil {
			s.close()
		}
	}
}

// header writes the local header of e, whose offset it sets.
func (p *part) header(e *entry) error {
	if len(e.name) > max16 {
		return fmt.Errorf("path of %d bytes does not fit into a zip", len(e.name))
	}
	e.offset = p.size
	p.buf = appendLocal(p.buf[:0], e)
	p.size += int64(len(p.buf))
	if _, err := p.literal.Write(p.buf); err != nil {
		return err
	}
	p.entries++
	p.buf = appendRecord(p.buf[:0], e)
	_, err := p.directory.Write(p.buf)
	return err
}

// content adds an entry whose bytes are a content of the store.
func (p *part) content(e entry, blob int64) error {
	if err := p.header(&e); err != nil {
		return err
	}
	if e.size == 0 {
		return nil
	}
	p.buf = appendRef(p.buf[:0], ref{offset: p.size, size: e.size, literal: p.literal.n, blob: blob})
	p.size += e.size
	_, err := p.records.Write(p.buf)
	return err
}

// bytes adds an entry with the given bytes.
func (p *part) bytes(e entry, b io.Reader) error {
	if err := p.header(&e); err != nil {
		return err
	}
	n, err := io.Copy(p.literal, b)
	p.size += n
	if err == nil && n != e.size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func dosTime(t time.Time) (date, clock uint16) {
	t = t.UTC()
	switch { // what the form can hold
	case t.Year() < 1980:
		return 1<<5 | 1, 0
	case t.Year() > 2107:
		t = time.Date(2107, 12, 31, 23, 59, 58, 0, time.UTC)
	}
	return uint16((t.Year()-1980)<<9 | int(t.Month())<<5 | t.Day()), uint16(t.Hour()<<11 | t.Minute()<<5 | t.Second()/2)
}

var le = binary.LittleEndian

func appendTime(b []byte, t time.Time) []byte {
	b = le.AppendUint16(b, extraTime)
	b = le.AppendUint16(b, 5)
	b = append(b, 1)                                                // only the modification time follows
	return le.AppendUint32(b, uint32(min(max(t.Unix(), 0), max32))) // unsigned: 1970 to 2106
}

const timeExtraLen = 9

// appendLocal is the local header (4.3.7).
func appendLocal(b []byte, e *entry) []byte {
	version, size, extra := uint16(version20), uint32(e.size), timeExtraLen
	big := e.size >= max32
	if big {
		version, size, extra = version45, max32, extra+20
	}
	date, clock := dosTime(e.modified)
	b = le.AppendUint32(b, sigLocal)
	b = le.AppendUint16(b, version)
	b = le.AppendUint16(b, flagUTF8)
	b = le.AppendUint16(b, 0) // stored
	b = le.AppendUint16(b, clock)
	b = le.AppendUint16(b, date)
	b = le.AppendUint32(b, e.crc)
	b = le.AppendUint32(b, size)
	b = le.AppendUint32(b, size)
	b = le.AppendUint16(b, uint16(len(e.name)))
	b = le.AppendUint16(b, uint16(extra))
	b = append(b, e.name...)
	if big {
		b = le.AppendUint16(b, extraZip64)
		b = le.AppendUint16(b, 16)
		b = le.AppendUint64(b, uint64(e.size))
		b = le.AppendUint64(b, uint64(e.size))
	}
	return appendTime(b, e.modified)
}

// appendCentral is the header in the central directory (4.3.12).
func appendCentral(b []byte, e *entry) []byte {
	version, size, offset := uint16(version20), uint32(e.size), uint32(e.offset)
	var zip64 []byte
	if e.size >= max32 {
		size = max32
		zip64 = le.AppendUint64(zip64, uint64(e.size))
		zip64 = le.AppendUint64(zip64, uint64(e.size))
	}
	if e.offset >= max32 {
		offset = max32
		zip64 = le.AppendUint64(zip64, uint64(e.offset))
	}
	extra := timeExtraLen
	if zip64 != nil {
		version, extra = version45, extra+4+len(zip64)
	}
	mode := uint32(modeFile)
	if e.name[len(e.name)-1] == '/' {
		mode = modeDirectory
	}
	date, clock := dosTime(e.modified)
	b = le.AppendUint32(b, sigCentral)
	b = le.AppendUint16(b, madeByUnix|version45)
	b = le.AppendUint16(b, version)
	b = le.AppendUint16(b, flagUTF8)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint16(b, clock)
	b = le.AppendUint16(b, date)
	b = le.AppendUint32(b, e.crc)
	b = le.AppendUint32(b, size)
	b = le.AppendUint32(b, size)
	b = le.AppendUint16(b, uint16(len(e.name)))
	b = le.AppendUint16(b, uint16(extra))
	b = le.AppendUint16(b, 0) // comment
	b = le.AppendUint16(b, 0) // disk
	b = le.AppendUint16(b, 0) // internal attributes
	b = le.AppendUint32(b, mode)
	b = le.AppendUint32(b, offset)
	b = append(b, e.name...)
	if zip64 != nil {
		b = le.AppendUint16(b, extraZip64)
		b = le.AppendUint16(b, uint16(len(zip64)))
		b = append(b, zip64...)
	}
	return appendTime(b, e.modified)
}

// appendEnd closes the zip: the central directory of entries lies at offset and
// has the given size.
func appendEnd(b []byte, entries, offset, size int64) []byte {
	n, s, o := uint16(entries), uint32(size), uint32(offset)
	if entries >= max16 || offset >= max32 || size >= max32 {
		end64 := offset + size
		b = le.AppendUint32(b, sigEnd64)
		b = le.AppendUint64(b, 44)
		b = le.AppendUint16(b, madeByUnix|version45)
		b = le.AppendUint16(b, version45)
		b = le.AppendUint32(b, 0)
		b = le.AppendUint32(b, 0)
		b = le.AppendUint64(b, uint64(entries))
		b = le.AppendUint64(b, uint64(entries))
		b = le.AppendUint64(b, uint64(size))
		b = le.AppendUint64(b, uint64(offset))
		b = le.AppendUint32(b, sigLocator64)
		b = le.AppendUint32(b, 0)
		b = le.AppendUint64(b, uint64(end64))
		b = le.AppendUint32(b, 1)
		n, s, o = max16, max32, max32
	}
	b = le.AppendUint32(b, sigEnd)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint16(b, n)
	b = le.AppendUint16(b, n)
	b = le.AppendUint32(b, s)
	b = le.AppendUint32(b, o)
	return le.AppendUint16(b, 0)
}

// appendRecord and readRecord keep an entry until the central directory is
// written.
func appendRecord(b []byte, e *entry) []byte {
	b = binary.AppendUvarint(b, uint64(len(e.name)))
	b = append(b, e.name...)
	b = binary.AppendUvarint(b, uint64(e.size))
	b = le.AppendUint32(b, e.crc)
	b = binary.AppendVarint(b, e.modified.Unix())
	return binary.AppendUvarint(b, uint64(e.offset))
}

func readRecord(r *bufio.Reader) (e entry, err error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return e, err // io.EOF at the end
	}
	name, err := r.Peek(int(min(n, max16))) // the buffer is larger
	if err != nil {
		return e, err
	}
	e.name = string(name)
	if _, err := r.Discard(len(name)); err != nil {
		return e, err
	}
	size, err := binary.ReadUvarint(r)
	if err != nil {
		return e, err
	}
	var crc [4]byte
	if _, err := io.ReadFull(r, crc[:]); err != nil {
		return e, err
	}
	seconds, err := binary.ReadVarint(r)
	if err != nil {
		return e, err
	}
	offset, err := binary.ReadUvarint(r)
	e.size, e.crc, e.modified, e.offset = int64(size), le.Uint32(crc[:]), time.Unix(seconds, 0), int64(offset)
	return e, err
}
