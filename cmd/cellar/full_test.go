package main_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDiskFull fills a small disk with large and small files: what does not fit is
// refused with 507, what was acknowledged stays, and with more room all goes on
// (RFC 4918, 11.5).
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "24m")
	data := filepath.Join(disk, "data")
	p := serve(t, data, "--cell", "cell1")
	p.must(201, "MKCOL", "/cell1/box", nil)
	acked := map[string][32]byte{}
	put := func(name string, size int) int {
		body := bytes.Repeat([]byte(fmt.Sprintln(name)), size)[:size]
		res, text, err := p.do("PUT", "/cell1/box/"+name, bytes.NewReader(body))
		if err != nil {
			t.Fatalf("PUT %s: %v", name, err)
		}
		switch res.StatusCode {
		case http.StatusCreated:
			acked[name] = sha256.Sum256(body)
		case http.StatusInsufficientStorage:
		default:
			t.Errorf("PUT %s = %s %s", name, res.Status, text)
		}
		return res.StatusCode
	}
	for _, size := range []int{3 << 20, 60 << 10, 1000} {
		refused := 0
		for n := 0; refused < 3; n++ {
			if n > 50_000 {
				t.Fatal("the disk does not fill")
			}
			if put(fmt.Sprintf("f%d-%d", size, n), size) != http.StatusCreated {
				refused++
			}
		}
	}
	intact := func() {
		t.Helper()
		listed := string(p.must(http.StatusMultiStatus, "PROPFIND", "/cell1/box", nil, "Depth", "1"))
		if n := strings.Count(listed, "<D:response>"); n != len(acked)+1 {
			t.Errorf("%d files are listed, %d were acknowledged", n-1, len(acked))
		}
		for name, sum := range acked {
			if sha256.Sum256(p.must(200, "GET", "/cell1/box/"+name, nil)) != sum {
				t.Errorf("%s differs", name)
			}
		}
	}
	intact()
	run(t, exec.Command("mount", "-o", "remount,size=64m", disk))
	for _, size := range []int{3 << 20, 1000} {
		if got := put(fmt.Sprint("again", size), size); got != http.StatusCreated {
			t.Errorf("PUT with room = %d\n%s", got, p.output())
		}
	}
	intact()
	p.stop()
	check(t, data)
}
