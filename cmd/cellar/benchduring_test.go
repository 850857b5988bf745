package main_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkPutDuringExports compares how long clients wait for a PUT of 4 KiB into a
// cell of 100,000 files while exports of it run one after the other with how long they
// wait when none does: the 99th percentiles, and their ratio. Both are measured in turn,
// in the order that lets the cell grow evenly: 8 clients in one turn, and with CELLAR_SOAK
// also 4, in 8 turns. A single turn says little, as the disk strays.
func BenchmarkPutDuringExports(b *testing.B) {
	counts, turns := []int{8}, 1
	if soaking() {
		counts, turns = []int{4, 8}, 8
	}
	for _, clients := range counts {
		b.Run(fmt.Sprintf("%d clients", clients), func(b *testing.B) {
			data := b.TempDir()
			filling{files: 100_000, size: 30}.populateCell(b, data)
			p := serve(b, data)
			w := newWriters(p, clients)
			w.phase() // reads and caches what later phases find
			var calm, busy times
			var ratios []float64
			for i := range turns {
				var idle, exporting times
				if i%2 == 0 {
					idle, exporting = w.phase(), w.phaseWithExports()
				} else {
					exporting, idle = w.phaseWithExports(), w.phase()
				}
				calm, busy = append(calm, idle...), append(busy, exporting...)
				ratios = append(ratios, float64(exporting.at(99))/float64(idle.at(99)))
			}
			p.stop()
			for b.Loop() { // the work is done
			}
			slices.Sort(ratios)
			b.Logf("without exports: p50 %v, p99 %v; during %d exports: p50 %v, p99 %v; p99 ratio by turn %.2f",
				calm.at(50), calm.at(99), w.exports, busy.at(50), busy.at(99), ratios)
			b.ReportMetric(float64(calm.at(99).Microseconds()), "µs-p99-idle")
			b.ReportMetric(float64(busy.at(99).Microseconds()), "µs-p99-busy")
			b.ReportMetric(float64(busy.at(99))/float64(calm.at(99)), "busy/idle")
			b.ReportMetric(ratios[len(ratios)/2], "busy/idle-by-turn")
			b.ReportMetric(float64(w.exports), "exports")
		})
	}
}

// putsPerPhase is how many files a phase writes: enough for a 99th percentile.
const putsPerPhase = 5000

// writers are clients that put files, each file a new one.
type writers struct {
	p       *program
	clients int
	phases  int
	exports int
	client  *http.Client
}

func newWriters(p *program, clients int) *writers {
	w := &writers{p: p, clients: clients, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}}
	p.t.Cleanup(w.client.CloseIdleConnections)
	return w
}

// phase puts files into a collection of their own and returns how long each PUT took.
func (w *writers) phase() times {
	w.p.t.Helper()
	w.phases++
	col := fmt.Sprintf("/cell1/__/phase%d", w.phases)
	w.p.must(http.StatusCreated, "MKCOL", col, nil)
	var next atomic.Int64
	var all sync.WaitGroup
	took := make([]times, w.clients)
	for c := range took {
		all.Go(func() {
			for n := next.Add(1); n <= putsPerPhase; n = next.Add(1) {
				body := []byte(strings.Repeat(fmt.Sprintf("%04d%011d\n", w.phases, n), 256))
				took[c].measure(func() { w.put(fmt.Sprintf("%s/f%d", col, n), body) })
			}
		})
	}
	all.Wait()
	return slices.Concat(took...)
}

// phaseWithExports is a phase during all of which exports run.
func (w *writers) phaseWithExports() times {
	w.p.t.Helper()
	var written atomic.Bool
	var exporting sync.WaitGroup
	exporting.Go(func() {
		for !written.Load() && w.export() {
		}
	})
	took := w.phase()
	written.Store(true)
	exporting.Wait()
	return took
}

// export takes a snapshot; false if that fails.
func (w *writers) export() bool {
	w.exports++
	name := fmt.Sprintf("s%d", w.exports)
	for _, r := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/cell1/__export", `{"Name":"` + name + `"}`, http.StatusAccepted},
		{"GET", "/cell1/__export", "", http.StatusOK}, // once it has ended
		{"HEAD", "/cell1/__snapshot/" + name + ".zip", "", http.StatusOK},
	} {
		res, _, err := w.p.do(r.method, r.path, strings.NewReader(r.body), "Prefer", "wait=60")
		if err != nil || res.StatusCode != r.status {
			w.p.t.Errorf("%s %s = %v, %v", r.method, r.path, res, err)
			return false
		}
	}
	return true
}

func (w *writers) put(path string, body []byte) {
	r, err := http.NewRequest(http.MethodPut, w.p.url+path, bytes.NewReader(body))
	if err != nil {
		w.p.t.Error(err)
		return
	}
	r.SetBasicAuth(adminUser, adminPassword)
	res, err := w.client.Do(r)
	if err != nil {
		w.p.t.Error(err)
		return
	}
	res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		w.p.t.Errorf("PUT %s = %s", path, res.Status)
	}
}

// BenchmarkRestoreFiles restores a cell of 100,000 files from a snapshot of its own: by
// reference, no content is read.
func BenchmarkRestoreFiles(b *testing.B) {
	data := b.TempDir()
	filling{files: 100_000, size: 30}.populateCell(b, data)
	p := serve(b, data)
	p.export("s")
	var all times
	worked := p.worked()
	grown := p.growth(func() {
		for b.Loop() {
			all.measure(func() {
				p.must(http.StatusAccepted, "POST", "/cell1/__import", strings.NewReader(`{"Name":"s"}`))
				p.await("__import")
			})
		}
	})
	worked = (p.worked() - worked) / time.Duration(len(all))
	p.stop()
	b.Logf("%v; memory grew by %.1f MB", all, float64(grown)/1e6)
	b.ReportMetric(all.median().Seconds(), "s/restore")
	b.ReportMetric(worked.Seconds(), "cpu-s/restore")
	b.ReportMetric(float64(grown)/1e6, "MB")
}
