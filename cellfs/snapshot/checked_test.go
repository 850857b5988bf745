package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// zipOf makes the zip of a snapshot with these files.
func zipOf(t *testing.T, names []string, content func(name string) []byte) []byte {
	t.Helper()
	p, err := newPart(temp{dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for _, name := range names {
		b := content(name)
		e := entry{name: name, size: int64(len(b)), crc: crc32.ChecksumIEEE(b), modified: time.Unix(1_700_000_000, 0)}
		if err := p.header(&e); err != nil {
			t.Fatal(err)
		}
		if _, err := p.literal.Write(b); err != nil {
			t.Fatal(err)
		}
		p.size += e.size
	}
	central, err := newSpool(temp{dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer central.close()
	if _, err := writeCentral(central, []*part{p}); err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, s := range []*spool{p.literal, central} {
		r, err := s.reader()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

func contentOf(name string) []byte {
	if strings.HasSuffix(name, "/") {
		return nil
	}
	return []byte("content of " + name)
}

// TestCopyCheckedNoticesDamage: a snapshot in which any byte is another, or that is cut off
// anywhere, does not pass for a good one.
func TestCopyCheckedNoticesDamage(t *testing.T) {
	good := zipOf(t, []string{"00_manifest.json", "30_contents/box/", "30_contents/box/a b.txt", "30_contents/box/empty", "30_contents/box/ü"}, contentOf)
	var out bytes.Buffer
	if n, err := CopyChecked(&out, bytes.NewReader(good)); err != nil || n != int64(len(good)) || !bytes.Equal(out.Bytes(), good) {
		t.Fatalf("a good one: %d of %d bytes, %v", n, len(good), err)
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 0x20
		if _, err := CopyChecked(io.Discard, bytes.NewReader(bad)); err == nil {
			t.Errorf("byte %d is another", i)
		}
		if _, err := CopyChecked(io.Discard, bytes.NewReader(good[:i])); err == nil {
			t.Errorf("cut off after %d bytes", i)
		}
	}
	if _, err := CopyChecked(io.Discard, bytes.NewReader(append(slices.Clone(good), 0))); err == nil {
		t.Error("more behind the end")
	}
}

// TestCopyCheckedNamesPaths: damaged contents are told by their paths, the first of them, and
// all is copied.
func TestCopyCheckedNamesPaths(t *testing.T) {
	var names []string
	for i := range maxDamagedPaths + 5 {
		names = append(names, fmt.Sprintf("30_contents/box/f%02d", i))
	}
	zip := zipOf(t, names, contentOf)
	damage := func(n int) []byte {
		bad := slices.Clone(zip)
		for _, name := range names[:n] {
			bad[bytes.Index(bad, contentOf(name))] ^= 1
		}
		return bad
	}
	for n, want := range map[int]string{
		1:                   `damaged in the snapshot: "box/f00"`,
		2:                   `damaged in the snapshot: "box/f00", "box/f01"`,
		maxDamagedPaths + 3: `"box/f19" and 3 more`,
	} {
		var out bytes.Buffer
		bad := damage(n)
		_, err := CopyChecked(&out, bytes.NewReader(bad))
		var damaged *DamagedError
		if !errors.As(err, &damaged) || damaged.Entries != int64(n) || len(damaged.Paths) > maxDamagedPaths || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%d damaged: %v", n, err)
		}
		if !bytes.Equal(out.Bytes(), bad) {
			t.Errorf("%d damaged: %d bytes were copied of %d", n, out.Len(), len(bad))
		}
	}
	if _, err := CopyChecked(io.Discard, bytes.NewReader(zip[:bytes.Index(zip, []byte("t of 30_contents/box/f03"))])); err == nil || !strings.Contains(err.Error(), `in "box/f03"`) {
		t.Errorf("broken off in a content: %v", err)
	}
}

// TestCopyCheckedLargeSizes: what needs Zip64 is understood, as are times that only one of the
// two forms of a zip can hold.
func TestCopyCheckedLargeSizes(t *testing.T) {
	for _, e := range []entry{
		{name: "30_contents/box/large", size: 5 << 30, modified: time.Unix(1_700_000_000, 0)},
		{name: "30_contents/box/exact", size: max32, modified: time.Unix(1_700_000_000, 0)},
		{name: "30_contents/box/late", modified: time.Date(2107, 7, 1, 0, 0, 0, 0, time.UTC)},
		{name: "30_contents/box/early", modified: time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		header := appendLocal(nil, &e)
		_, err := CopyChecked(io.Discard, bytes.NewReader(append(header, "x"[:min(1, e.size)]...)))
		if want := int64(len(header)) + min(1, e.size); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("broke off after %d bytes", want)) {
			t.Errorf("%s: %v, want that it broke off after %d bytes", e.name, err, want)
		}
	}
}
