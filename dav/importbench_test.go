package dav_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"cellar/cellfs"
	"cellar/dav/davtest"
)

// BenchmarkImportForeign imports snapshots of 1 GiB from another server, whose contents
// are not there: few large files, and many of the sizes at which contents lie in the
// database and in files of their own. The time is that from the first byte of the
// request to the end of the import. 128 MiB without CELLAR_SOAK.
func BenchmarkImportForeign(b *testing.B) {
	total := 128 << 20
	if os.Getenv("CELLAR_SOAK") != "" {
		total = 1 << 30
	}
	for _, size := range []int{64 << 20, cellfs.MaxInline, 2 * cellfs.MaxInline} {
		b.Run(fmt.Sprintf("%dx%dKiB", total/size, size>>10), func(b *testing.B) {
			file := foreignSnapshot(b, total/size, size)
			b.SetBytes(int64(total))
			for b.Loop() {
				b.StopTimer()
				s := davtest.New(b, davtest.Config{NoCheck: true}) // where the contents are not
				b.StartTimer()
				importFile(b, s, file)
				b.StopTimer()
				s.Close()
				os.RemoveAll(s.Dir) // or the disk fills
				b.StartTimer()
			}
		})
	}
}

// foreignSnapshot is the name of a file with a snapshot of n files of that size.
func foreignSnapshot(b *testing.B, n, size int) string {
	b.Helper()
	s := davtest.New(b, davtest.Config{NoCheck: true})
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(i + i>>8)
	}
	fillLarge(b, s.FS, n, func(i int) io.Reader {
		copy(content, fmt.Sprintf("file %d\n", i))
		return bytes.NewReader(content)
	})
	s.Export("cell1", "s")
	r, err := http.NewRequest(http.MethodGet, s.URL+"/cell1/__snapshot/s.zip", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.SetBasicAuth(davtest.User, davtest.Password)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	f, err := os.Create(filepath.Join(b.TempDir(), "s.zip"))
	if err != nil {
		b.Fatal(err)
	}
	if got, err := io.Copy(f, res.Body); err != nil || got != res.ContentLength || got < int64(n*size) {
		b.Fatalf("%s, %d bytes, %v", res.Status, got, err)
	}
	if err := f.Sync(); err != nil { // or the disk is busy with it when the clock runs
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	s.Close()
	os.RemoveAll(s.Dir)
	return f.Name()
}

// fillLarge makes n files of any size in the main box.
func fillLarge(b *testing.B, fs *cellfs.FS, n int, content func(i int) io.Reader) {
	b.Helper()
	ctx := context.Background()
	for i := range n {
		p, err := cellfs.NewPath("cell1", cellfs.MainBox, fmt.Sprintf("f%d", i))
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := fs.Put(ctx, p, content(i), cellfs.PutOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// importFile imports the snapshot and waits for the end.
func importFile(b *testing.B, s *davtest.Server, file string) {
	b.Helper()
	f, err := os.Open(file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	r, err := http.NewRequest(http.MethodPost, s.URL+"/cell1/__import", f)
	if err != nil {
		b.Fatal(err)
	}
	r.SetBasicAuth(davtest.User, davtest.Password)
	r.Header.Set("Content-Type", "application/zip")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		b.Fatalf("POST __import = %s", res.Status)
	}
	s.Request("GET", "/cell1/__import").WithHeader("Prefer", "wait=60").Expect().Status(http.StatusOK).
		JSON().Object().Value("status").IsEqual("ready")
}
