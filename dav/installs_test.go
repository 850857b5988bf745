package dav_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/barfs/bartest"
	"cellar/cellfs"
	"cellar/dav/davtest"
)

// TestSharedContents installs one application into 40 cells (200 with CELLAR_SOAK): it is
// stored once.
func TestSharedContents(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	cells := 40
	if os.Getenv("CELLAR_SOAK") != "" {
		cells = 200
	}
	names := make([]string, cells)
	for i := range names {
		names[i] = fmt.Sprintf("cell%d", i)
	}
	s := davtest.New(t, davtest.Config{Cells: names})
	bar := bartest.New("https://app.example/").Collection("d", "")
	for i := range 50 {
		bar.File(fmt.Sprintf("d/f%d.txt", i), "text/plain", fmt.Sprintln("file", i))
	}
	body := bar.File("d/large.bin", "application/octet-stream", strings.Repeat("large", cellfs.MaxInline)).Bytes()
	stored := func() (contents int, bytes int64) {
		t.Helper()
		if _, err := s.FS.Sweep(t.Context(), 0); err != nil { // the bars themselves
			t.Fatal(err)
		}
		r, err := s.FS.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r.Contents, r.Bytes
	}
	var contents int
	var bytes int64
	for i, cell := range names {
		box := "/" + cell + "/app"
		s.Request("MKCOL", box).WithHeader("Content-Type", "application/zip").WithBytes(body).Expect().Status(http.StatusAccepted)
		s.WaitBox(box).Value("status").IsEqual("ready")
		if i == 0 {
			contents, bytes = stored()
		}
	}
	if c, b := stored(); c != contents || b != bytes || contents != 52 { // those of the bar, and what it made of the box
		t.Errorf("%d contents with %d bytes for %d cells, %d with %d for one", c, b, cells, contents, bytes)
	}
	s.WantGet("/"+names[cells-1]+"/app/d/f49.txt", "file 49\n")
}

// TestManyInstallsAtOnce installs into 2 boxes (20 with CELLAR_SOAK) of 20 cells at
// once, with readers and writers in other boxes: nothing fails.
func TestManyInstallsAtOnce(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	const cells = 20
	boxes := 2
	if os.Getenv("CELLAR_SOAK") != "" {
		boxes = 20
	}
	names := make([]string, cells)
	for i := range names {
		names[i] = fmt.Sprintf("cell%d", i)
	}
	s := davtest.New(t, davtest.Config{Cells: names})
	for _, cell := range names {
		s.Put("/"+cell+"/__/f", "first")
	}
	bar := bartest.Many("", 100, 500)
	stop := make(chan struct{})
	var others, installs sync.WaitGroup
	for w := range 4 {
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				path := fmt.Sprintf("/cell%d/__/f%d", i%cells, w)
				s.Request("PUT", path).WithText(path).Expect().StatusRange(httpexpect.Status2xx)
				if got := s.Get(path); got != path {
					t.Errorf("%s is %q", path, got)
				}
			}
		})
	}
	for _, cell := range names {
		installs.Go(func() {
			for b := range boxes {
				s.Request("MKCOL", fmt.Sprintf("/%s/box%d", cell, b)).WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(http.StatusAccepted)
			}
			for b := range boxes {
				s.WaitBox(fmt.Sprintf("/%s/box%d", cell, b)).Value("status").IsEqual("ready")
			}
		})
	}
	installs.Wait()
	close(stop)
	others.Wait()
	for _, cell := range names {
		for b := range boxes {
			if n := len(s.Hrefs(fmt.Sprintf("/%s/box%d/c0", cell, b), "1")); n != 101 {
				t.Errorf("box%d of %s has %d members", b, cell, n-1)
			}
		}
	}
}
