package main_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"

	"cellar/cellfs"
	"cellar/cellfs/meta"
)

// memory reads a line of the process's status, in bytes.
func (p *program) memory(name string) int64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), name+":")
	var kb int64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		p.t.Fatal(err)
	}
	return kb << 10
}

// growth is how far above its beginning the memory in use rises while f runs.
func (p *program) growth(f func()) int64 {
	p.t.Helper()
	// Resets the highest value, VmHWM, to the present one.
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0); err != nil {
		p.t.Skip("SKIPPED: the memory of a process cannot be watched here: ", err)
	}
	before := p.memory("VmRSS")
	f()
	return p.memory("VmHWM") - before
}

// TestMemoryIsFlat watches the memory of the server while a large upload of
// unknown length and a long listing run. 4 GiB and 100,000 members with
// CELLAR_SOAK, less without.
func TestMemoryIsFlat(t *testing.T) {
	if _, err := os.Stat("/proc/self/clear_refs"); err != nil {
		t.Skip("SKIPPED: no /proc/self/clear_refs here")
	}
	const limit = 20 << 20
	size, members := int64(512<<20), 25_000
	if os.Getenv("CELLAR_SOAK") != "" {
		size, members = 4<<30, 100_000
	}
	data := t.TempDir()
	populate(t, data, members)
	p := serve(t, data)
	p.must(http.StatusCreated, "MKCOL", "/cell1/box", nil)

	grown := p.growth(func() {
		r, err := http.NewRequestWithContext(t.Context(), "PUT", p.url+"/cell1/box/large", io.LimitReader(zeros{}, size))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(adminUser, adminPassword)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if r.ContentLength != 0 || res.StatusCode != http.StatusCreated { // 0: unknown
			t.Fatalf("chunked PUT = %s", res.Status)
		}
	})
	t.Logf("PUT of %d MiB: %.1f MB", size>>20, float64(grown)/1e6)
	if grown > limit {
		t.Errorf("a PUT of %d bytes took %d bytes of memory", size, grown)
	}
	listed := 0
	grown = p.growth(func() {
		res := p.list("/cell1/__/col")
		defer res.Body.Close()
		n, err := io.Copy(io.Discard, res.Body)
		if err != nil || res.StatusCode != http.StatusMultiStatus {
			t.Fatalf("PROPFIND = %s, %v", res.Status, err)
		}
		listed = int(n)
	})
	t.Logf("PROPFIND of %d members, %d bytes: %.1f MB", members, listed, float64(grown)/1e6)
	if grown > limit || listed < 300*members {
		t.Errorf("a PROPFIND of %d members and %d bytes took %d bytes of memory", members, listed, grown)
	}
	p.stop()
}

// populate makes a unit whose cell1 has one collection with many files.
func populate(t *testing.T, dir string, files int) {
	t.Helper()
	ctx := t.Context()
	rows, err := meta.OpenSQLite(ctx, dir, meta.Full, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	f := cellfs.New(cellfs.Config{Meta: rows})
	cell, err := f.CreateCell(ctx, "cell1", adminUser)
	if err != nil {
		t.Fatal(err)
	}
	p, err := cellfs.NewPath(cell.Name, cellfs.MainBox, "col")
	if err != nil {
		t.Fatal(err)
	}
	col, err := f.Mkcol(ctx, p, cellfs.KindCollection, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = f.Update(ctx, func(tx cellfs.Tx) error {
		for i := range files {
			n := cellfs.Node{
				Cell: cell.ID, Parent: col.ID, Name: fmt.Sprintf("file-%06d.txt", i), Kind: cellfs.KindFile, ContentType: "text/plain",
				Version: col.Version, Created: col.Created, Modified: col.Created,
			}
			if err := tx.AddNode(&n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (p *program) list(path string) *http.Response {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), "PROPFIND", p.url+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.SetBasicAuth(adminUser, adminPassword)
	r.Header.Set("Depth", "1")
	r.Header.Set("Accept-Encoding", "identity")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	return res
}

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
