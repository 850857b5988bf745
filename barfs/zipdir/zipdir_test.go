package zipdir_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"cellar/barfs/zipdir"
)

// archive has so many empty entries, with names of that length.
func archive(t testing.TB, entries, nameBytes int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := range entries {
		h := &zip.FileHeader{Name: fmt.Sprintf("%0*d", nameBytes, i)}
		if _, err := z.CreateRaw(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// repeated is an archive whose central directory names one local header over and over.
func repeated(entries int) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	_, _ = z.CreateRaw(&zip.FileHeader{Name: "a"}) // a buffer takes everything
	_ = z.Close()
	one := b.Bytes()
	at := bytes.Index(one, []byte("PK\x01\x02"))
	end := bytes.Index(one, []byte("PK\x05\x06"))
	out := bytes.Clone(one[:at])
	for range entries {
		out = append(out, one[at:end]...)
	}
	le := binary.LittleEndian
	size := len(out) - at
	end64 := len(out)
	out = append(out, "PK\x06\x06"...)
	out = le.AppendUint64(out, 44)
	out = append(out, make([]byte, 12)...)
	for _, v := range []int{entries, entries, size, at} {
		out = le.AppendUint64(out, uint64(v))
	}
	out = append(out, "PK\x06\x07"...)
	out = le.AppendUint32(out, 0)
	out = le.AppendUint64(out, uint64(end64))
	out = le.AppendUint32(out, 1)
	out = append(out, "PK\x05\x06"...)
	out = le.AppendUint32(out, 0)
	out = append(out, bytes.Repeat([]byte{0xff}, 12)...)
	return le.AppendUint16(out, 0)
}

// counted counts what is read.
type counted struct {
	io.ReaderAt
	bytes int64
}

func (c *counted) ReadAt(b []byte, at int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(b, at)
	c.bytes += int64(n)
	return n, err
}

// TestDirectoryIsBounded opens archives on both sides of each limit.
func TestDirectoryIsBounded(t *testing.T) {
	small := archive(t, 100, 20)
	limits := zipdir.Limits{Entries: 100, Bytes: 100 * (46 + 20)}
	for name, x := range map[string]struct {
		archive []byte
		limits  zipdir.Limits
		want    string // "": it opens
	}{
		"within both":                    {small, limits, ""},
		"an entry too many":              {small, zipdir.Limits{Entries: 99, Bytes: limits.Bytes}, "more than 99 entries"},
		"a byte too many":                {small, zipdir.Limits{Entries: 100, Bytes: limits.Bytes - 1}, "more than 6599 bytes"},
		"many entries from 4.7 MB":       {repeated(100_000), zipdir.Limits{Entries: 10_000, Bytes: 1 << 30}, "more than 10000 entries"},
		"the same, announced as few":     {fewAnnounced(repeated(100_000)), zipdir.Limits{Entries: 10_000, Bytes: 1 << 30}, "more than 10000 entries"},
		"long names":                     {archive(t, 2000, 5000), zipdir.Limits{Entries: 10_000, Bytes: 1 << 20}, "more than 1048576 bytes"},
		"long names that fit":            {archive(t, 2000, 5000), zipdir.Limits{Entries: 10_000, Bytes: 2000 * 5046}, ""},
		"names that look like an entry":  {archiveOf(t, strings.Repeat("PK\x01\x02", 10)), zipdir.Limits{Entries: 1, Bytes: 1 << 20}, ""},
		"the most entries of an archive": {repeated(70_000), zipdir.Limits{Entries: 70_000, Bytes: 1 << 30}, ""},
	} {
		r := &counted{ReaderAt: bytes.NewReader(x.archive)}
		z, err := zipdir.Open(r, int64(len(x.archive)), x.limits)
		var exceeded *zipdir.LimitError
		switch {
		case x.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case x.want != "" && (!errors.As(err, &exceeded) || !strings.Contains(err.Error(), x.want)):
			t.Errorf("%s: %v, want %q", name, err, x.want)
		case x.want != "" && r.bytes > 2<<20: // all of them are longer, or small
			t.Errorf("%s: %d bytes were read", name, r.bytes)
		case x.want == "" && z == nil:
			t.Errorf("%s: nothing", name)
		}
	}
	if _, err := zipdir.Open(strings.NewReader("no zip"), 6, limits); !errors.Is(err, zip.ErrFormat) {
		t.Errorf("what is no zip: %v", err)
	}
}

func archiveOf(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, n := range names {
		if _, err := z.CreateRaw(&zip.FileHeader{Name: n}); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// fewAnnounced changes the number of entries that the end of the archive announces; the
// reader takes that number modulo 65,536.
func fewAnnounced(b []byte) []byte {
	at := bytes.LastIndex(b, []byte("PK\x06\x06"))
	n := binary.LittleEndian.Uint64(b[at+32:]) % 65_536
	for _, i := range []int{24, 32} {
		binary.LittleEndian.PutUint64(b[at+i:], n)
	}
	return b
}
