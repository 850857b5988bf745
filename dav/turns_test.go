package dav_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cellar/barfs/bartest"
	"cellar/cellfs"
	"cellar/dav/davtest"
)

// TestCellsTakeTurns: eight installs of one cell, of which some are held and the others wait,
// keep an export of another cell from nothing.
func TestCellsTakeTurns(t *testing.T) {
	for _, workers := range []int{1, 2} {
		gate := &gated{open: make(chan struct{})}
		s := davtest.New(t, davtest.Config{Workers: workers, Cells: []string{"cell1", "cell2", "cell3"}, Wrap: func(m cellfs.Meta, b cellfs.Blobs) (cellfs.Meta, cellfs.Blobs) {
			gate.Blobs = b
			return m, gate
		}})
		s.Put("/cell2/__/f", "tiny")
		bar := bartest.New("").File("big.txt", "text/plain", strings.Repeat("large", cellfs.MaxInline)).Bytes()
		gate.closed.Store(true)
		for i := range 8 {
			s.Request("MKCOL", fmt.Sprint("/cell1/app", i)).WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(http.StatusAccepted)
		}
		s.Export("cell2", "one")
		s.Export("cell3", "one")
		s.Export("cell2", "two")
		for i := range 8 {
			s.Request("GET", fmt.Sprint("/cell1/app", i)).Expect().Status(http.StatusOK).JSON().Path("$.box.status").IsEqual("installation in progress")
		}
		close(gate.open)
		for i := range 8 {
			s.WaitBox(fmt.Sprint("/cell1/app", i)).Value("status").IsEqual("ready")
		}
	}
}

// BenchmarkExportBesideInstalls reports how long exports of a tiny cell take while eight boxes
// of 15,000 files each are installed into another.
func BenchmarkExportBesideInstalls(b *testing.B) {
	const boxes, files = 8, 15_000
	bar := bartest.Many("", files, 100)
	for range b.N {
		s := davtest.New(b, davtest.Config{Cells: []string{"cell1", "cell2"}, NoCheck: true})
		s.Put("/cell2/__/f", "tiny")
		for i := range boxes {
			s.Request("MKCOL", fmt.Sprint("/cell1/app", i)).WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(http.StatusAccepted)
		}
		var longest, first time.Duration
		n := 0
		for running := true; running; n++ {
			begin := time.Now()
			s.Export("cell2", fmt.Sprint("e", n))
			longest = max(longest, time.Since(begin))
			if n == 0 {
				first = longest
			}
			running = false
			for i := range boxes {
				state := s.Get(fmt.Sprint("/cell1/app", i))
				running = running || strings.Contains(state, "in progress")
				if strings.Contains(state, "failed") {
					b.Fatal(state)
				}
			}
		}
		b.ReportMetric(first.Seconds()*1000, "first-ms")
		b.ReportMetric(longest.Seconds()*1000, "longest-ms")
		b.ReportMetric(float64(n), "exports")
	}
}
