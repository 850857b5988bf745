package main_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestSnapshotDownload reads a snapshot in every way that a download is read, while
// the cell changes, and after all that it shows is gone: always the same bytes.
func TestSnapshotDownload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serve(t, dir, "--cell", "cell1")
	p.must(http.StatusCreated, "MKCOL", "/cell1/__/d", nil)
	rnd := rand.New(rand.NewPCG(7, 7))
	for i := range 60 {
		content := make([]byte, rnd.IntN(1<<(3+i%18))) // up to 1 MiB: in the database, and in files
		for j := range content {
			content[j] = byte(rnd.Uint32())
		}
		p.must(http.StatusCreated, "PUT", fmt.Sprintf("/cell1/__/d/f%d", i), bytes.NewReader(content))
	}
	p.must(http.StatusAccepted, "POST", "/cell1/__export", strings.NewReader(`{"Name":"s"}`))
	p.must(http.StatusOK, "GET", "/cell1/__export", nil, "Prefer", "wait=60")
	const path = "/cell1/__snapshot/s.zip"
	want := p.must(http.StatusOK, "GET", path, nil)

	stop := make(chan struct{})
	var writers sync.WaitGroup
	writers.Go(func() { rewrite(p, stop) })
	readAtOnce(p, path, want)
	t.Run("curl", func(t *testing.T) { resumeWithCurl(t, p, path, want) })
	severalRanges(p, path, want)
	close(stop)
	writers.Wait()

	p.must(http.StatusNoContent, "DELETE", "/cell1/__/d", nil)
	p.stop()
	sweepAndCount(t, dir)
	p = serve(t, dir)
	readAtOnce(p, path, want)
	t.Run("curl after all is gone", func(t *testing.T) { resumeWithCurl(t, p, path, want) })

	// A download that has begun ends, though the snapshot is deleted meanwhile.
	res := p.open("GET", path)
	defer res.Body.Close()
	p.must(http.StatusNoContent, "DELETE", path, nil)
	if got, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(got, want) {
		t.Errorf("deleted during its download: %d bytes of %d, %v", len(got), len(want), err)
	}
	p.must(http.StatusNotFound, "GET", path, nil)
	p.stop()
	sweepAndCount(t, dir)
	check(t, dir)
}

// rewrite changes the files of the snapshot until stop is closed.
func rewrite(p *program, stop chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		url := fmt.Sprintf("/cell1/__/d/f%d", i%60)
		method, body := "PUT", io.Reader(strings.NewReader(strings.Repeat("new", i)))
		if i%3 == 0 {
			method, body = "DELETE", nil
		}
		if _, _, err := p.do(method, url, body); err != nil {
			p.t.Error(err)
			return
		}
	}
}

// readAtOnce has eight readers read ranges, and the whole.
func readAtOnce(p *program, path string, want []byte) {
	var readers sync.WaitGroup
	for n := range 8 {
		readers.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(n), 1))
			for range 40 {
				from := rnd.IntN(len(want))
				to := from + rnd.IntN(min(300_000, len(want)-from))
				res, got, err := p.do("GET", path, nil, "Range", fmt.Sprintf("bytes=%d-%d", from, to))
				if err != nil || res.StatusCode != http.StatusPartialContent || !bytes.Equal(got, want[from:to+1]) {
					p.t.Errorf("bytes %d to %d: %d bytes, %v", from, to, len(got), err)
					return
				}
			}
			if _, got, err := p.do("GET", path, nil); err != nil || !bytes.Equal(got, want) {
				p.t.Errorf("the whole: %d bytes of %d, %v", len(got), len(want), err)
			}
		})
	}
	readers.Wait()
}

// resumeWithCurl breaks a download off and has curl fetch the rest.
func resumeWithCurl(t *testing.T, p *program, path string, want []byte) {
	t.Helper()
	curl := tool(t, "curl")
	for _, have := range []int{1, len(want) / 3, len(want) - 1} {
		file := filepath.Join(t.TempDir(), "s.zip")
		if err := os.WriteFile(file, want[:have], 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(curl, "-sS", "--fail", "-C", "-", "-o", file, "-u", adminUser+":"+adminPassword, p.url+path)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("curl -C - after %d bytes: %v\n%s", have, err, out)
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("after %d bytes curl has %d, want %d, %v", have, len(got), len(want), err)
		}
	}
}

// severalRanges asks for three ranges in one request (RFC 9110, 14.6).
func severalRanges(p *program, path string, want []byte) {
	p.t.Helper()
	res, body, err := p.do("GET", path, nil, "Range", "bytes=0-9,1000-1999,-22")
	if err != nil || res.StatusCode != http.StatusPartialContent {
		p.t.Fatal(res, err)
	}
	_, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		p.t.Fatal(err)
	}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for _, part := range [][]byte{want[:10], want[1000:2000], want[len(want)-22:]} {
		r, err := parts.NextPart()
		if err != nil {
			p.t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, part) {
			p.t.Errorf("%s: %d bytes, want %d, %v", r.Header.Get("Content-Range"), len(got), len(part), err)
		}
	}
}
