package dav_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cellar/barfs/bartest"
	"cellar/cellfs"
	"cellar/dav/davtest"
)

// client sends requests without the assertions of httpexpect, whose cost would
// be measured too.
func client(b *testing.B, s *davtest.Server) func(method, path string, body []byte, header ...string) int64 {
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.Cleanup(c.CloseIdleConnections)
	return func(method, path string, body []byte, header ...string) int64 {
		r, err := http.NewRequest(method, s.URL+path, bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.SetBasicAuth(davtest.User, davtest.Password)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := c.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		defer res.Body.Close()
		n, err := io.Copy(io.Discard, res.Body)
		if err != nil || res.StatusCode >= 300 {
			b.Fatalf("%s %s: %s, %v", method, path, res.Status, err)
		}
		return n
	}
}

// fill makes n small files in the box, in collections of 1,000.
func fill(tb testing.TB, fs *cellfs.FS, cell, box string, n int, content func(i int) string) {
	tb.Helper()
	ctx := context.Background()
	root, _ := cellfs.NewPath(cell, box)
	if box != cellfs.MainBox {
		if _, err := fs.Mkcol(ctx, root, cellfs.KindBox, nil); err != nil {
			tb.Fatal(err)
		}
	}
	for from := 0; from < n; from += 1000 {
		col, err := fs.Mkcol(ctx, root.Join(fmt.Sprintf("c%03d", from/1000)), cellfs.KindCollection, nil)
		if err != nil {
			tb.Fatal(err)
		}
		err = fs.Update(ctx, func(tx cellfs.Tx) error {
			for i := from; i < min(from+1000, n); i++ {
				s := cellfs.StageBytes([]byte(content(i)))
				blob, err := s.Add(tx)
				if err != nil {
					return err
				}
				node := cellfs.Node{
					Cell: col.Cell, Parent: col.ID, Name: fmt.Sprintf("file-%06d.txt", i), Kind: cellfs.KindFile, ContentType: "text/plain",
					Blob: blob, Size: s.Size, Version: col.Version, Created: col.Created, Modified: col.Created,
				}
				if err := tx.AddNode(&node); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkInstall installs a bar of 20,000 small files over HTTP, durably.
func BenchmarkInstall(b *testing.B) {
	const files = 20_000
	s := davtest.New(b, davtest.Config{NoCheck: true})
	do := client(b, s)
	unzip, err := exec.LookPath("unzip")
	if err != nil {
		b.Log("SKIPPED: unzip is not installed: there is nothing to compare with")
	}
	var unzipped time.Duration
	b.ResetTimer()
	for i := range b.N {
		b.StopTimer()
		bar := bartest.Many("", files, 400+i) // contents that are not there yet
		b.StartTimer()
		do("MKCOL", fmt.Sprintf("/cell1/box%d", i), bar, "Content-Type", "application/zip")
		do("GET", fmt.Sprintf("/cell1/box%d", i), nil, "Prefer", "wait=60")
		b.StopTimer()
		if unzip != "" {
			unzipped += timeUnzip(b, unzip, bar)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N*files)/b.Elapsed().Seconds(), "entries/s")
	if unzip != "" {
		b.ReportMetric(b.Elapsed().Seconds()/unzipped.Seconds(), "of-unzip+sync")
	}
}

// timeUnzip is how long unzip takes for the archive, and then sync.
func timeUnzip(b *testing.B, unzip string, bar []byte) time.Duration {
	b.Helper()
	dir := b.TempDir()
	file := filepath.Join(dir, "a.zip")
	if err := os.WriteFile(file, bar, 0o600); err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	for _, cmd := range []*exec.Cmd{exec.Command(unzip, "-q", file, "-d", filepath.Join(dir, "out")), exec.Command("sync")} {
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
	}
	return time.Since(begin)
}

const connections = 16

// parallel runs f on 16 connections.
func parallel(b *testing.B, f func(n int64)) {
	var next atomic.Int64
	b.SetParallelism(max(1, connections/runtime.GOMAXPROCS(0)))
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			f(next.Add(1))
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

func BenchmarkGet4K(b *testing.B) {
	s := davtest.New(b, davtest.Config{NoCheck: true})
	fill(b, s.FS, "cell1", "box", 1000, func(i int) string { return strings.Repeat(fmt.Sprintf("%07d\n", i), 512) })
	do := client(b, s)
	parallel(b, func(n int64) { do("GET", fmt.Sprintf("/cell1/box/c000/file-%06d.txt", n*7919%1000), nil) })
}

// BenchmarkGetLarge downloads one file of 256 MiB, which the kernel should send.
func BenchmarkGetLarge(b *testing.B) {
	const size = 256 << 20
	s := davtest.New(b, davtest.Config{NoCheck: true})
	s.Mkcol("/cell1/box")
	do := client(b, s)
	do("PUT", "/cell1/box/large", make([]byte, size))
	b.SetBytes(size)
	b.ResetTimer()
	for range b.N {
		do("GET", "/cell1/box/large", nil)
	}
}

func BenchmarkPut4K(b *testing.B) {
	s := davtest.New(b, davtest.Config{NoCheck: true})
	s.Mkcol("/cell1/box")
	do := client(b, s)
	parallel(b, func(n int64) {
		do("PUT", fmt.Sprintf("/cell1/box/f%d", n), []byte(strings.Repeat(fmt.Sprintf("%07d\n", n), 512)))
	})
}

// BenchmarkLock locks a file, writes it and unlocks it, on 8 connections.
func BenchmarkLock(b *testing.B) {
	s := davtest.New(b, davtest.Config{NoCheck: true})
	s.Mkcol("/cell1/box")
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.Cleanup(c.CloseIdleConnections)
	send := func(method, path, body string, header ...string) http.Header {
		r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
		if err != nil {
			b.Error(err)
			return nil
		}
		r.SetBasicAuth(davtest.User, davtest.Password)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := c.Do(r)
		if err != nil {
			b.Error(err)
			return nil
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode >= 300 {
			b.Errorf("%s %s: %s, %v", method, path, res.Status, err)
		}
		return res.Header
	}
	var next atomic.Int64
	b.SetParallelism(max(1, 8/runtime.GOMAXPROCS(0)))
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		path := fmt.Sprintf("/cell1/box/f%d", next.Add(1))
		for p.Next() {
			token := send("LOCK", path, exclusiveLock, "Timeout", "Second-60").Get("Lock-Token")
			send("PUT", path, "x", "If", "("+token+")")
			send("UNLOCK", path, "", "Lock-Token", token)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
}

// BenchmarkPropfind lists a collection again and again, as clients do that look
// for changes, and after a write to its cell, when nothing of it is cached.
func BenchmarkPropfind(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		s := davtest.New(b, davtest.Config{NoCheck: true})
		do := client(b, s)
		s.Mkcol("/cell1/box")
		s.Mkcol("/cell1/box/col")
		for i := range n {
			do("PUT", fmt.Sprintf("/cell1/box/col/file-%06d.txt", i), []byte("x"))
		}
		list := func() int64 {
			return do("PROPFIND", "/cell1/box/col/", nil, "Depth", "1", "Accept-Encoding", "identity")
		}
		for name, write := range map[string]bool{"again": false, "after a write": true} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				bytes := list()
				b.ResetTimer()
				for range b.N {
					if write {
						b.StopTimer()
						do("PUT", "/cell1/box/other", []byte("x"))
						b.StartTimer()
					}
					list()
				}
				b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms/listing")
				b.ReportMetric(float64(bytes)/1e3, "kB")
			})
		}
	}
}

// BenchmarkGetDuringInstalls compares how long others wait for a GET of 4 KiB while
// 20 boxes are installed into each of 20 cells with how long they wait when nothing
// else goes on: the 99th percentiles of 4 clients, and their ratio.
func BenchmarkGetDuringInstalls(b *testing.B) {
	const cells, boxes = 20, 20
	names := []string{"other"}
	for i := range cells {
		names = append(names, fmt.Sprintf("cell%d", i))
	}
	s := davtest.New(b, davtest.Config{NoCheck: true, Cells: names, Workers: runtime.NumCPU()})
	do := client(b, s)
	for i := range 100 {
		do("PUT", fmt.Sprintf("/other/__/f%d", i), make([]byte, 4096))
	}
	bar := bartest.Many("", 100, 500)
	var idle, busy time.Duration
	for n := range b.N {
		idle += p99(do, func(done int64) bool { return done >= 20_000 })
		var installed atomic.Bool
		var install sync.WaitGroup
		install.Go(func() {
			defer installed.Store(true)
			for i := range cells {
				for j := range boxes {
					do("MKCOL", fmt.Sprintf("/cell%d/box%d-%d", i, n, j), bar, "Content-Type", "application/zip")
				}
			}
			for i := range cells {
				for j := range boxes {
					do("GET", fmt.Sprintf("/cell%d/box%d-%d", i, n, j), nil, "Prefer", "wait=60")
				}
			}
		})
		busy += p99(do, func(int64) bool { return installed.Load() })
		install.Wait()
	}
	b.ReportMetric(float64(idle.Microseconds())/float64(b.N), "µs-p99-idle")
	b.ReportMetric(float64(busy.Microseconds())/float64(b.N), "µs-p99-busy")
	b.ReportMetric(float64(busy)/float64(idle), "busy/idle")
}

// p99 is the 99th percentile of GETs by 4 clients, which go on until there are
// enough.
func p99(do func(method, path string, body []byte, header ...string) int64, enough func(done int64) bool) time.Duration {
	var clients sync.WaitGroup
	var done atomic.Int64
	took := make([][]time.Duration, 4)
	for c := range took {
		clients.Go(func() {
			for i := 0; !enough(done.Load()); i++ {
				begin := time.Now()
				do("GET", fmt.Sprintf("/other/__/f%d", i%100), nil)
				took[c] = append(took[c], time.Since(begin))
				done.Add(1)
			}
		})
	}
	clients.Wait()
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	return all[len(all)*99/100]
}

// BenchmarkInstallIntoManyCells installs one application into 200 cells, one after
// the other, and compares the last ten with the ten after the first.
func BenchmarkInstallIntoManyCells(b *testing.B) {
	const cells, some = 200, 10
	bar := bartest.Many("https://app.example/", 1000, 1000)
	var early, late time.Duration
	for range b.N {
		names := make([]string, cells)
		for i := range names {
			names[i] = fmt.Sprintf("cell%d", i)
		}
		s := davtest.New(b, davtest.Config{NoCheck: true, Cells: names})
		do := client(b, s)
		for i, name := range names {
			begin := time.Now()
			do("MKCOL", "/"+name+"/app", bar, "Content-Type", "application/zip")
			do("GET", "/"+name+"/app", nil, "Prefer", "wait=60")
			switch took := time.Since(begin); {
			case i >= 1 && i <= some:
				early += took
			case i >= cells-some:
				late += took
			}
		}
		s.Close()
	}
	b.ReportMetric(early.Seconds()/float64(b.N*some), "s-second")
	b.ReportMetric(late.Seconds()/float64(b.N*some), "s-200th")
	b.ReportMetric(late.Seconds()/early.Seconds(), "200th/second")
}
