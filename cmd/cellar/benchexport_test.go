package main_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// soaking reports whether the long cases run too.
func soaking() bool { return os.Getenv("CELLAR_SOAK") != "" }

// await waits until an export or import of cell1 has ended.
func (p *program) await(what string) {
	p.t.Helper()
	for {
		text := string(p.must(http.StatusOK, "GET", "/cell1/"+what, nil, "Prefer", "wait=60"))
		if strings.Contains(text, `"ready"`) {
			return
		}
		if !strings.Contains(text, "in progress") {
			p.t.Fatalf("%s: %s", what, text)
		}
	}
}

// export takes a snapshot of cell1. After an export that failed the state is "ready"
// too, but there is no snapshot.
func (p *program) export(name string) {
	p.t.Helper()
	p.must(http.StatusAccepted, "POST", "/cell1/__export", strings.NewReader(`{"Name":"`+name+`"}`))
	p.await("__export")
	p.must(http.StatusOK, "HEAD", "/cell1/__snapshot/"+name+".zip", nil)
}

// exports takes snapshots as long as more is true, and returns how long each took.
func (p *program) exports(prefix string, more func() bool) (all times) {
	p.t.Helper()
	for i := 0; more(); i++ {
		all.measure(func() { p.export(prefix + strconv.Itoa(i)) })
	}
	return all
}

// upTo is true n times.
func upTo(n int) func() bool { return func() bool { n--; return n >= 0 } }

// BenchmarkExportFiles takes snapshots of cells with many files: 100,000, and a
// million with CELLAR_SOAK. MB is what the memory of the server grew by, cpu-s what it
// worked, which strays less than the time does where others use the processors too.
func BenchmarkExportFiles(b *testing.B) {
	counts := []int{100_000}
	if soaking() {
		counts = append(counts, 1_000_000)
	}
	for _, n := range counts {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			data := b.TempDir()
			filling{files: n, size: 30}.populateCell(b, data)
			p := serve(b, data)
			p.must(http.StatusMultiStatus, "PROPFIND", "/cell1/__", nil, "Depth", "1")
			var all times
			worked := p.worked()
			grown := p.growth(func() { all = p.exports("s", b.Loop) })
			worked = (p.worked() - worked) / time.Duration(len(all))
			p.stop()
			b.Logf("%d files: %v; memory grew by %.1f MB", n, all, float64(grown)/1e6)
			b.ReportMetric(all.median().Seconds(), "s/export")
			b.ReportMetric(worked.Seconds(), "cpu-s/export")
			b.ReportMetric(float64(grown)/1e6, "MB")
		})
	}
}

// worked is how much processor time the program has used.
func (p *program) worked() time.Duration {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Skip("SKIPPED: the work of a process cannot be watched here: ", err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may hold blanks
	fields := strings.Fields(rest)
	var ticks int64 // of 10 ms: proc_pid_stat(5), utime and stime
	for _, v := range fields[11:13] {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// BenchmarkExportBytes exports cells of 20,000 files that differ in nothing but their
// sizes: 20 MB and 20 GB. Contents repeat, as the disk would not hold them else.
func BenchmarkExportBytes(b *testing.B) {
	const files, rounds = 20_000, 5
	var medians []time.Duration
	for _, size := range []int{1000, 1_000_000} {
		data := b.TempDir()
		filling{files: files, size: size, distinct: 100}.populateCell(b, data)
		p := serve(b, data)
		p.export("first") // reads the database from the disk
		all := p.exports("s", upTo(rounds))
		b.Logf("%d files of %d bytes: %v", files, size, all)
		medians = append(medians, all.median())
		p.stop()
	}
	for b.Loop() { // the work is done: the figures are medians
	}
	b.ReportMetric(medians[0].Seconds(), "s-20MB")
	b.ReportMetric(medians[1].Seconds(), "s-20GB")
	b.ReportMetric(medians[1].Seconds()/medians[0].Seconds(), "20GB/20MB")
}

// BenchmarkExportBesideZip compares an export of 1 GiB with what zip and tar take for
// the same files on the disk, whose contents are in memory when they begin. They are
// not made to sync, as an export is. With CELLAR_SOAK only: it takes more than a minute.
func BenchmarkExportBesideZip(b *testing.B) {
	if !soaking() {
		b.Skip("with CELLAR_SOAK only")
	}
	const rounds = 3
	zip, tar := tool(b, "zip"), tool(b, "tar")
	for _, f := range []filling{{files: 1024, size: 1 << 20}, {files: 16_384, size: 64 << 10}} {
		b.Run(fmt.Sprintf("%dx%dKiB", f.files, f.size>>10), func(b *testing.B) {
			data, tree := b.TempDir(), b.TempDir()
			f.populateCell(b, data)
			f.writeTree(b, tree)
			p := serve(b, data)
			p.export("first")
			out := filepath.Join(b.TempDir(), "out")
			var exported, zipped, tarred times
			for i := range rounds {
				exported.measure(func() { p.export("s" + strconv.Itoa(i)) })
				zipped.measure(func() { command(b, tree, zip, "-0", "-q", "-r", out, ".") })
				os.Remove(out + ".zip") // zip adds to what is there
				tarred.measure(func() { command(b, tree, tar, "-cf", out, ".") })
				os.Remove(out)
			}
			p.stop()
			for b.Loop() { // the work is done: the figures are medians
			}
			b.Logf("export: %v; zip: %v; tar: %v", exported, zipped, tarred)
			b.ReportMetric(exported.median().Seconds(), "s/export")
			b.ReportMetric(zipped.median().Seconds()/exported.median().Seconds(), "zip/export")
			b.ReportMetric(tarred.median().Seconds()/exported.median().Seconds(), "tar/export")
		})
	}
}

// writeTree writes the files into a folder.
func (f filling) writeTree(tb testing.TB, dir string) {
	tb.Helper()
	for i := range f.files {
		name := filepath.Join(dir, f.path(i))
		if i%perCollection == 0 {
			if err := os.Mkdir(filepath.Dir(name), 0o700); err != nil {
				tb.Fatal(err)
			}
		}
		if err := os.WriteFile(name, f.content(i), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	command(tb, dir, "sync") // or the disk is busy with it when the clock runs
}

func command(tb testing.TB, dir, name string, args ...string) {
	tb.Helper()
	c := exec.Command(name, args...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		tb.Fatalf("%v: %v\n%s", c.Args, err, out)
	}
}

// BenchmarkSnapshotGet downloads a snapshot of 2 GiB, and in turn a file of that size:
// one large content, many that are files of their own, many that lie in the database.
// 256 MiB without CELLAR_SOAK.
func BenchmarkSnapshotGet(b *testing.B) {
	const rounds = 5
	size := 256 << 20
	if soaking() {
		size = 2 << 30
	}
	for _, f := range []filling{{files: size >> 30, size: 1 << 30}, {files: size >> 20, size: 1 << 20}, {files: size >> 16, size: 64 << 10}} {
		if f.files == 0 {
			f = filling{files: 1, size: size}
		}
		b.Run(fmt.Sprintf("%dx%dKiB", f.files, f.size>>10), func(b *testing.B) {
			data := b.TempDir()
			f.populateCell(b, data)
			p := serve(b, data)
			p.export("s")
			p.must(http.StatusCreated, "PUT", "/cell1/__/large", io.LimitReader(endless{}, int64(size)))
			p.drain("/cell1/__/large") // both from memory
			p.drain("/cell1/__snapshot/s.zip")
			var plain, snapshot times
			for range rounds {
				plain.measure(func() { p.drain("/cell1/__/large") })
				snapshot.measure(func() { p.drain("/cell1/__snapshot/s.zip") })
			}
			p.stop()
			for b.Loop() { // the work is done: the figures are medians
			}
			b.Logf("file: %v; snapshot: %v", plain, snapshot)
			b.ReportMetric(float64(size)/1e6/plain.median().Seconds(), "MB/s-file")
			b.ReportMetric(float64(size)/1e6/snapshot.median().Seconds(), "MB/s-snapshot")
			b.ReportMetric(plain.median().Seconds()/snapshot.median().Seconds(), "snapshot/file")
		})
	}
}

// drain reads what is at the path and drops it.
func (p *program) drain(path string) {
	p.t.Helper()
	res := p.open("GET", path)
	defer res.Body.Close()
	// io.Discard would read 8 KiB at a time, and the client be what is measured.
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, make([]byte, 1<<20))
	if err != nil || res.StatusCode != http.StatusOK || n != res.ContentLength {
		p.t.Fatalf("GET %s = %s, %d bytes of %d, %v", path, res.Status, n, res.ContentLength, err)
	}
}
