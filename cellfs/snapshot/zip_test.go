package snapshot

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
)

// sparse is a zip whose contents are zeros that nobody keeps.
type sparse struct {
	x    *index
	refs []ref
}

func (s sparse) ReadAt(b []byte, at int64) (n int, err error) {
	for n < len(b) {
		pos := at + int64(n)
		if pos >= s.x.size {
			return n, io.EOF
		}
		literal, end := int64(0), s.x.size // of the stretch that pos is in
		inside := false
		for _, r := range s.refs {
			if pos < r.offset {
				end = r.offset
				break
			}
			if pos < r.offset+r.size {
				inside, end = true, r.offset+r.size
				break
			}
			literal += r.size
		}
		m := int(min(int64(len(b)-n), end-pos))
		if inside {
			clear(b[n : n+m])
		} else if _, err := s.x.c.ReadAt(b[n:n+m], pos-literal); err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// build makes an index of entries that have only sizes.
func build(t *testing.T, entries []entry) (*index, []ref) {
	t.Helper()
	p, err := newPart(temp{dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for i, e := range entries {
		if err := p.content(e, int64(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	central, err := newSpool(temp{dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer central.close()
	size, err := writeCentral(central, []*part{p})
	if err != nil {
		t.Fatal(err)
	}
	r, err := indexReader([]*part{p}, central, size)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	x, err := readFooter(cellfs.BytesContent(data))
	if err != nil {
		t.Fatal(err)
	}
	var refs []ref
	for i := range x.records {
		r, err := x.record(i)
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, r)
	}
	return x, refs
}

// TestZip64 looks at both sides of what the classic format can hold.
func TestZip64(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)
	one := func(size int64) []entry {
		return []entry{{name: "a", size: size, modified: at}, {name: "b", modified: at}}
	}
	many := func(n int) (all []entry) {
		for i := range n {
			all = append(all, entry{name: fmt.Sprintf("f%d", i), modified: at})
		}
		return all
	}
	for name, entries := range map[string][]entry{
		"size 2^32-2": one(max32 - 1), "size 2^32-1": one(max32), "size 2^32": one(max32 + 1), "size 20 GiB": one(20 << 30),
		"65,534 entries": many(max16 - 1), "65,535 entries": many(max16), "65,536 entries": many(max16 + 1),
		"offset 2^32": {{name: "a", size: max32 - 40, modified: at}, {name: "b", modified: at}, {name: "c", size: 5, modified: at}},
	} {
		t.Run(name, func(t *testing.T) {
			x, refs := build(t, entries)
			z, err := zip.NewReader(sparse{x, refs}, x.size)
			if err != nil {
				t.Fatal(err)
			}
			if len(z.File) != len(entries) {
				t.Fatalf("%d entries, want %d", len(z.File), len(entries))
			}
			for i, f := range z.File {
				if f.Name != entries[i].name || f.UncompressedSize64 != uint64(entries[i].size) || !f.Modified.Equal(at) {
					t.Errorf("entry %d: %+v", i, f.FileHeader)
				}
				if offset, err := f.DataOffset(); err != nil || entries[i].size > 0 && offset != refAt(refs, int64(i+1)) {
					t.Errorf("%s: data at %d, %v", f.Name, offset, err)
				}
			}
		})
	}
	p, err := newPart(temp{dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := p.header(&entry{name: strings.Repeat("x", max16)}); err != nil {
		t.Errorf("the longest name: %v", err)
	}
	if err := p.header(&entry{name: strings.Repeat("x", max16+1)}); err == nil {
		t.Error("a name too long for a zip is written")
	}
}

func refAt(refs []ref, blob int64) int64 {
	for _, r := range refs {
		if r.blob == blob {
			return r.offset
		}
	}
	return -1
}

// TestReadAnywhere compares reads at random places with the whole.
func TestReadAnywhere(t *testing.T) {
	f := cellfs.New(cellfs.Config{Meta: cellfstest.NewMemMeta(), Blobs: cellfstest.NewMemBlobs(), Snapshots: Reader{}})
	ctx := t.Context()
	if _, err := f.CreateCell(ctx, "c", ""); err != nil {
		t.Fatal(err)
	}
	for i, size := range []int{0, 1, 0, 0, 100, cellfs.MaxInline, cellfs.MaxInline + 1, 300_000, 0} {
		p := cellfstest.Path(t, fmt.Sprintf("/c/__/f%d", i))
		if _, _, err := f.Put(ctx, p, strings.NewReader(strings.Repeat(string(rune('a'+i)), size)), cellfs.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	res, err := Build(ctx, f, Options{Cell: "c", TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s := cellfs.Snapshot{Name: "x.zip", Size: res.Size, Created: f.Now()}
	err = f.Update(ctx, func(tx cellfs.Tx) error {
		c, err := tx.Cell("c")
		if err != nil {
			return err
		}
		s.Cell = c.ID
		if s.Index, err = res.Index.Add(tx); err != nil {
			return err
		}
		return tx.AddSnapshot(&s)
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := Reader{}.Open(ctx, f, s)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	whole, err := io.ReadAll(c)
	if err != nil || int64(len(whole)) != res.Size {
		t.Fatalf("%d bytes, %v, want %d", len(whole), err, res.Size)
	}
	z, err := zip.NewReader(bytes.NewReader(whole), res.Size)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range z.File {
		r, err := e.Open()
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		at, n := rnd.Int64N(res.Size+10), rnd.IntN(200)
		if rnd.IntN(10) == 0 {
			n *= 1000
		}
		b := make([]byte, n)
		got, err := c.ReadAt(b, at)
		want := whole[min(at, res.Size):min(at+int64(n), res.Size)]
		if !bytes.Equal(b[:got], want) || got < n && err != io.EOF {
			t.Fatalf("ReadAt(%d, %d) = %d bytes, %v, want %d", at, n, got, err, len(want))
		}
	}
	for range 500 {
		at, n := rnd.Int64N(res.Size+10), rnd.Int64N(res.Size)
		if _, err := c.Seek(at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		got, err := c.(*view).CopyTo(&b, n)
		want := whole[min(at, res.Size):min(at+n, res.Size)]
		if err != nil || got != int64(len(want)) || !bytes.Equal(b.Bytes(), want) {
			t.Fatalf("CopyTo(%d) at %d = %d bytes, %v, want %d", n, at, got, err, len(want))
		}
	}
	if _, err := readFooter(cellfs.BytesContent(whole)); err == nil {
		t.Error("what is no index is read as one")
	}
	cellfstest.CheckStore(t, f)
}
