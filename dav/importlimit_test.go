package dav_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"cellar/dav/davtest"
)

// TestImportBodyIsBounded: the body of an import ends at its limit, whether its length is
// announced or not; nothing of it is kept.
func TestImportBodyIsBounded(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	source := davtest.New(t)
	noise := make([]byte, 100_000) // does not compress, and is stored in a file
	rand.NewChaCha8([32]byte{}).Read(noise)
	source.Put("/cell1/__/f", string(noise))
	snapshot := export(source, "cell1", "s")

	send := func(s *davtest.Server, body io.Reader, chunked bool) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/cell1/__import", body)
		if err != nil {
			t.Fatal(err)
		}
		if chunked {
			r.Body, r.ContentLength = io.NopCloser(body), -1
		}
		r.Close = true
		r.SetBasicAuth(davtest.User, davtest.Password)
		r.Header.Set("Content-Type", "application/zip")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res
	}
	for what, c := range map[string]struct {
		limit  int64 // of the server
		quota  int64
		status int
	}{
		"at the limit":   {int64(len(snapshot)), 0, http.StatusAccepted},
		"over the limit": {int64(len(snapshot)) - 1, 0, http.StatusRequestEntityTooLarge},
		"within a quota": {0, 1 << 20, http.StatusAccepted},
	} {
		s := davtest.New(t, davtest.Config{ImportLimit: c.limit})
		if err := s.FS.SetQuota(t.Context(), "cell1", c.quota); err != nil {
			t.Fatal(err)
		}
		for _, chunked := range []bool{false, true} {
			if got := send(s, bytes.NewReader(snapshot), chunked); got.StatusCode != c.status {
				t.Errorf("%s, chunked %t: %s, want %d", what, chunked, got.Status, c.status)
			}
			if c.status == http.StatusAccepted {
				imported(s, "cell1").Value("status").IsEqual("ready")
			}
		}
	}
	s := davtest.New(t, davtest.Config{ImportLimit: 1 << 20})
	endless := &counter{}
	if got := send(s, endless, true); got.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("an endless body: %s", got.Status)
	}
	if endless.n.Load() > 8<<20 {
		t.Errorf("%d bytes were taken of it", endless.n.Load())
	}
	err := filepath.WalkDir(filepath.Join(s.Dir, "blobs"), func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("%s is left of it", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// counter is an endless body that knows how much of it was taken.
type counter struct{ n atomic.Int64 }

func (c *counter) Read(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return len(b), nil
}
