package main_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cellar/barfs/bartest"
)

// zipReaders are programs that read a zip: the first arguments, to which the file is
// added, verify its contents; the second list it, and print a line for each entry.
var zipReaders = []struct {
	name         string
	verify, list []string
}{
	{"unzip", []string{"-tqq"}, []string{"-Z1"}},
	{"python3", []string{"-c", "import sys, zipfile; sys.exit(zipfile.ZipFile(sys.argv[1]).testzip())"},
		[]string{"-c", "import sys, zipfile; print(*zipfile.ZipFile(sys.argv[1]).namelist(), sep='\\n')"}},
	{"bsdtar", []string{"-xOf"}, []string{"-tf"}},
	{"7z", []string{"t", "-bso0", "-bsp0"}, nil},
	{"jar", nil, []string{"tf"}},
}

// TestZipReaders has other programs read a snapshot of more than 65,535 entries, and
// with CELLAR_SOAK also one of more than 4 GiB.
func TestZipReaders(t *testing.T) {
	t.Parallel()
	const files = 66_000
	p := serve(t, t.TempDir(), "--cell", "cell1", "--bar-entry-limit", "67108864")
	p.must(http.StatusAccepted, "MKCOL", "/cell1/box", bytes.NewReader(bartest.Many("https://app.example/", files, 10)), "Content-Type", "application/zip")
	p.must(http.StatusOK, "GET", "/cell1/box", nil, "Prefer", "wait=120")
	if os.Getenv("CELLAR_SOAK") != "" {
		const size = 500 << 20
		p.must(http.StatusCreated, "PUT", "/cell1/__/large0", io.LimitReader(endless{}, size))
		for i := 1; i*size <= 4<<30; i++ {
			p.must(http.StatusCreated, "COPY", "/cell1/__/large0", nil, "Destination", fmt.Sprintf("%s/cell1/__/large%d", p.url, i))
		}
	}
	p.must(http.StatusAccepted, "POST", "/cell1/__export", strings.NewReader(`{"Name":"s"}`))
	p.must(http.StatusOK, "GET", "/cell1/__export", nil, "Prefer", "wait=60")
	file := filepath.Join(t.TempDir(), "s.zip")
	size := p.download("/cell1/__snapshot/s.zip", file)
	t.Logf("%d bytes", size)
	for _, r := range zipReaders {
		t.Run(r.name, func(t *testing.T) {
			program, err := exec.LookPath(r.name)
			if err != nil {
				t.Skipf("SKIPPED: %s is not installed", r.name)
			}
			if r.verify != nil {
				cmd := exec.Command(program, append(r.verify, file)...)
				var said bytes.Buffer
				cmd.Stderr = &said // the output can be all the contents
				if err := cmd.Run(); err != nil {
					t.Errorf("%v: %v\n%.2000s", r.verify, err, &said)
				}
			}
			if r.list != nil {
				out := run(t, exec.Command(program, append(r.list, file)...))
				if n, want := strings.Count(out, "30_contents/box/c"), files+files/100; n != want { // with their collections
					t.Errorf("%d entries are listed, want %d", n, want)
				}
			}
		})
	}
}

// endless is a content without an end.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(i)
	}
	return len(b), nil
}

// download saves what is at the path.
func (p *program) download(path, file string) int64 {
	p.t.Helper()
	res := p.open("GET", path)
	defer res.Body.Close()
	f, err := os.Create(file)
	if err != nil {
		p.t.Fatal(err)
	}
	n, err := io.Copy(f, res.Body)
	if err != nil || n != res.ContentLength {
		p.t.Fatalf("GET %s: %d bytes of %d, %v", path, n, res.ContentLength, err)
	}
	if err := f.Close(); err != nil {
		p.t.Fatal(err)
	}
	return n
}
