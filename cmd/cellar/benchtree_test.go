package main_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkLargeTrees works with a tree of 100,000 files, and of a million with CELLAR_SOAK. It measures how
// long COPY and DELETE of it take, and the longest PUT in another cell meanwhile; how a GET in it compares
// with one in a cell of a thousand files; and how a listing of 20,000 members compares with one of 1,000.
func BenchmarkLargeTrees(b *testing.B) {
	doublings := 7
	if soaking() {
		doublings = 10
	}
	p := serve(b, b.TempDir(), "--cell", "cell1", "--cell", "small", "--propfind-limit", "3000000")
	const each = 1000
	p.growTree("/cell1/__/t", each, doublings)
	p.growTree("/small/__/t", each, 0)

	var puts times
	var left atomic.Int64 // PUTs that come still
	left.Store(math.MaxInt64)
	ended := make(chan struct{})
	p.must(http.StatusCreated, "MKCOL", "/small/__/puts", nil)
	go func() {
		defer close(ended)
		for n := 0; left.Add(-1) > 0; n++ {
			puts.measure(func() {
				p.must(http.StatusCreated, "PUT", fmt.Sprintf("/small/__/puts/f%d", n), bytes.NewReader(make([]byte, 4096)))
			})
		}
	}()
	var copied, deleted times
	copied.measure(func() { p.must(http.StatusCreated, "COPY", "/cell1/__/t", nil, "Destination", "/cell1/__/copy") })
	deleted.measure(func() { p.must(http.StatusNoContent, "DELETE", "/cell1/__/copy", nil) })
	left.Store(1000) // it is being removed meanwhile
	<-ended

	get := func(path func() string) time.Duration {
		var took times
		for range 2000 {
			at := path()
			took.measure(func() { p.must(http.StatusOK, "GET", at, nil) })
		}
		return took.median()
	}
	large := get(func() string {
		return fmt.Sprintf("/cell1/__/t/d%d/f%d", rand.IntN(1<<doublings), rand.IntN(each))
	})
	small := get(func() string { return fmt.Sprintf("/small/__/t/d0/f%d", rand.IntN(each)) })

	list := func(path string) time.Duration {
		var took times
		for range 5 {
			took.measure(func() { p.must(http.StatusMultiStatus, "PROPFIND", path, nil, "Depth", "1") })
		}
		return took.median()
	}
	p.must(http.StatusCreated, "MKCOL", "/cell1/__/wide", nil)
	for n := range 20_000 {
		p.must(http.StatusCreated, "PUT", fmt.Sprintf("/cell1/__/wide/f%d", n), bytes.NewReader(nil))
	}
	wide, narrow := list("/cell1/__/wide"), list("/small/__/t/d0")
	p.stop()
	for b.Loop() { // the work is done
	}
	b.ReportMetric(float64(int(each)<<doublings), "files")
	b.ReportMetric(copied[0].Seconds(), "s-COPY")
	b.ReportMetric(float64(deleted[0].Microseconds())/1000, "ms-DELETE")
	b.ReportMetric(float64(slices.Max(puts).Microseconds())/1000, "ms-longest-PUT")
	b.ReportMetric(float64(large)/float64(small), "GET-large/small")
	b.ReportMetric(float64(wide)/float64(narrow), "PROPFIND-20,000/1,000")
}

// growTree makes a folder of so many files, and copies it until there are 2^doublings of them.
func (p *program) growTree(path string, files, doublings int) {
	p.t.Helper()
	p.must(http.StatusCreated, "MKCOL", path, nil)
	p.must(http.StatusCreated, "MKCOL", path+"/d0", nil)
	for n := range files {
		p.must(http.StatusCreated, "PUT", fmt.Sprintf("%s/d0/f%d", path, n), bytes.NewReader(fmt.Appendf(nil, "%04096d", n)))
	}
	for d := 1; d < 1<<doublings; d++ {
		p.must(http.StatusCreated, "COPY", path+"/d0", nil, "Destination", fmt.Sprintf("%s/d%d", path, d))
	}
}
