package bartest

import (
	"archive/zip"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"testing"
)

// Archives are those of others, where they are.
func Archives(f *testing.F) (all []string) {
	for _, folder := range []string{"files", "boundary", "realworld"} {
		files, err := filepath.Glob(filepath.Join(shared(), folder, "*.bar"))
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, files...)
	}
	return all
}

// Seed adds the parts with that name of the archives of others.
func Seed(f *testing.F, name string) {
	for _, file := range Archives(f) {
		for _, text := range parts(file, name) {
			f.Add(text)
		}
	}
}

// maxAllocated is what one input may allocate in all, in bytes: more than is in use
// at any moment.
const maxAllocated = 256 << 20

// Bounded fails the test if f allocates more than that.
func Bounded(t *testing.T, f func()) {
	t.Helper()
	allocated := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	before := allocated()
	f()
	if n := allocated() - before; n > maxAllocated {
		t.Errorf("%d MB are allocated for one input", n>>20)
	}
}

// parts are the entries of an archive with that last name.
func parts(file, name string) (all []string) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return nil
	}
	defer z.Close()
	for _, e := range z.File {
		if path.Base(e.Name) != name {
			continue
		}
		r, err := e.Open()
		if err != nil {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(r, 1<<20))
		r.Close()
		if err == nil {
			all = append(all, string(text))
		}
	}
	return all
}

// shared is the folder of the archives of others.
func shared() string {
	if dir := os.Getenv("CELLAR_BARS"); dir != "" {
		return dir
	}
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "..", "..", "..", "shared", "bars")
}
