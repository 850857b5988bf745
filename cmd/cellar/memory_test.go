package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"cellar/barfs/bartest"
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
	path := populate(t, data, members, 0)
	put := func(p *program, size int64) {
		t.Helper()
		res, err := p.send("PUT", "/cell1/box/large", io.LimitReader(zeros{}, size))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode >= 300 {
			t.Fatalf("chunked PUT = %s", res.Status)
		}
	}
	start := func() *program {
		p := serve(t, data)
		if _, _, err := p.do("MKCOL", "/cell1/box", nil); err != nil { // it may be there
			t.Fatal(err)
		}
		return p
	}
	leastGrowth(t, limit, fmt.Sprintf("a PUT of %d MiB", size>>20), func() int64 {
		p := start()
		defer p.stop()
		return p.growth(func() { put(p, size) })
	})
	leastGrowth(t, limit, fmt.Sprintf("a PROPFIND of %d members", members), func() int64 {
		p := start()
		defer p.stop()
		put(p, 64<<20) // so that it has worked before
		return p.growth(func() {
			res := p.open("PROPFIND", path, "Depth", "1", "Accept-Encoding", "identity")
			defer res.Body.Close()
			n, err := io.Copy(io.Discard, res.Body)
			if err != nil || res.StatusCode != http.StatusMultiStatus || int(n) < 300*members {
				t.Fatalf("PROPFIND = %s, %d bytes, %v", res.Status, n, err)
			}
		})
	})
}

// leastGrowth is the memory that something takes, measured up to three times, each time with a
// new server. A machine that has much else to do collects garbage late, so that one figure may
// be too high; none is too low.
func leastGrowth(t *testing.T, limit int64, what string, measure func() int64) {
	t.Helper()
	for try := 1; ; try++ {
		grown := measure()
		t.Logf("%s: %.1f MB", what, float64(grown)/1e6)
		if grown <= limit {
			return
		}
		if try == 3 {
			t.Errorf("%s took %d bytes of memory, each time more than %d", what, grown, limit)
			return
		}
	}
}

// TestInstallMemory installs a bar of many small files and one of few large ones.
func TestInstallMemory(t *testing.T) {
	t.Parallel()
	const limit = 100 << 20
	noise := make([]byte, 10<<20)
	rand.NewChaCha8([32]byte{}).Read(noise) // does not shrink
	large := bartest.New("")
	for i := range 9 {
		large.File(fmt.Sprintf("large%d.bin", i), "application/octet-stream", string(noise[i:]))
	}
	for name, bar := range map[string][]byte{"20,000 small files": bartest.Many("", 20_000, 100), "9 large files": large.Bytes()} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			p := serve(t, data, "--cell", "cell1")
			p.must(http.StatusMultiStatus, "PROPFIND", "/cell1/__", nil, "Depth", "1")
			grown := p.growth(func() {
				p.must(http.StatusAccepted, "MKCOL", "/cell1/app", bytes.NewReader(bar), "Content-Type", "application/zip")
				text := p.must(http.StatusOK, "GET", "/cell1/app", nil, "Prefer", "wait=60")
				if !strings.Contains(string(text), `"ready"`) {
					t.Fatalf("%s", text)
				}
			})
			t.Logf("%d bytes in the bar: %.1f MB", len(bar), float64(grown)/1e6)
			if grown > limit {
				t.Errorf("the install took %d bytes of memory", grown)
			}
			p.stop()
			check(t, data)
		})
	}
}

// TestMemoryOfListings watches the memory of the server while requests are refused whose
// bodies are as large as they may be, and while long listings and ones of large
// properties are made side by side.
func TestMemoryOfListings(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	wide := populate(t, data, 10_000, 1<<10)
	heavy := populate(t, data, 50, 1<<20-100)
	p := serve(t, data)
	p.must(http.StatusMultiStatus, "PROPFIND", wide, nil, "Depth", "0")
	many := func(n int, request func()) func() {
		return func() {
			var wg sync.WaitGroup
			for range n {
				wg.Go(request)
			}
			wg.Wait()
		}
	}
	list := func(path, body string) func() {
		return func() {
			r, err := http.NewRequest("PROPFIND", p.url+path, strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			r.SetBasicAuth(adminUser, adminPassword)
			r.Header.Set("Depth", "1")
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if n, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusMultiStatus {
				t.Errorf("PROPFIND %s = %s, %d bytes, %v", path, res.Status, n, err)
			}
		}
	}
	refused := func() {
		body := `<propfind xmlns="DAV:"><prop>` + strings.Repeat("<a/>", (256<<10-100)/4) + `</prop></propfind>`
		res, err := http.Post(p.url+wide, "text/xml", strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		res.Body.Close()
		r, _ := http.NewRequest("PROPFIND", p.url+wide, strings.NewReader(body))
		if res, err = http.DefaultClient.Do(r); err != nil {
			t.Error(err)
			return
		}
		res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("PROPFIND of nobody = %s", res.Status)
		}
	}
	const tag = `<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>`
	for _, c := range []struct {
		name  string
		do    func()
		limit int64
	}{
		{"30 refused PROPFINDs", many(30, refused), 64 << 20},
		{"six listings of 10,000 members with all properties", many(6, list(wide, "")), 200 << 20},
		{"six listings of tags beside large properties", many(6, list(heavy, tag)), 200 << 20},
		{"six listings of large properties", many(6, list(heavy, "")), 200 << 20},
	} {
		grown := p.growth(c.do)
		t.Logf("%s: %.1f MB", c.name, float64(grown)/1e6)
		if grown > c.limit {
			t.Errorf("%s took %d bytes of memory", c.name, grown)
		}
	}
	p.stop()
}

// populate makes a collection with many files in cell1 of a unit, each with a property of
// so many bytes unless it is 0, and returns its path.
func populate(t *testing.T, dir string, files, property int) (path string) {
	t.Helper()
	ctx := t.Context()
	rows, err := meta.OpenSQLite(ctx, dir, meta.Full, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	f := cellfs.New(cellfs.Config{Meta: rows})
	if _, err := f.CreateCell(ctx, "cell1", adminUser); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	p, err := cellfs.NewPath("cell1", cellfs.MainBox, fmt.Sprint("col", files))
	if err != nil {
		t.Fatal(err)
	}
	col, err := f.Mkcol(ctx, p, cellfs.KindCollection, nil)
	if err != nil {
		t.Fatal(err)
	}
	var props []cellfs.Property
	if property > 0 {
		const frame = `<x xmlns="u"></x>`
		props = []cellfs.Property{{Space: "u", Local: "x", XML: `<x xmlns="u">` + strings.Repeat("x", property-len(frame)) + `</x>`}}
	}
	err = f.Update(ctx, func(tx cellfs.Tx) error {
		for i := range files {
			n := cellfs.Node{
				Cell: col.Cell, Parent: col.ID, Name: fmt.Sprintf("file-%06d.txt", i), Kind: cellfs.KindFile, ContentType: "text/plain",
				Version: col.Version, Created: col.Created, Modified: col.Created, Props: props,
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
	return p.String()
}

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
