package dav_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
	"cellar/dav/davtest"
)

const barType = "application/zip+x-personium-bar"

func barOf(s *davtest.Server, box string) []byte {
	s.T.Helper()
	r := s.Request("GET", box).WithHeader("Accept", "text/plain, "+barType+";q=0.5").Expect().Status(http.StatusOK)
	r.Header("Content-Type").IsEqual(barType)
	body := r.Body().Raw()
	r.Header("Content-Length").IsEqual(fmt.Sprint(len(body)))
	return []byte(body)
}

var barTimes = regexp.MustCompile(`<(creationdate|getlastmodified)>[^<]*`)

// sameBars fails the test unless two bars say the same, but for times.
func sameBars(t *testing.T, a, b []byte) {
	t.Helper()
	x, y := zipEntries(t, a), zipEntries(t, b)
	for i := range max(len(x), len(y)) {
		if i >= len(x) || i >= len(y) || x[i].name != y[i].name {
			t.Errorf("entry %d of %d and %d", i, len(x), len(y))
			return
		}
		got, want := strings.Split(barTimes.ReplaceAllString(x[i].text, ""), "\n"), strings.Split(barTimes.ReplaceAllString(y[i].text, ""), "\n")
		for j := range max(len(got), len(want)) {
			if j >= len(got) || j >= len(want) || got[j] != want[j] {
				t.Errorf("%s, line %d is\n%.1000s\nwant\n%.1000s", x[i].name, j, got[min(j, len(got)-1)], want[min(j, len(want)-1)])
				break
			}
		}
	}
}

// TestBarExport takes boxes out as bars and installs them elsewhere: they are equal.
func TestBarExport(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	s, other := davtest.New(t), davtest.New(t)
	furnish(t, s, "cell1")
	s.Mkcol("/cell1/made")
	for i, name := range []string{"plain.txt", "a b&c<d>.txt", "日本語", "%41", "'quote\"", "#frag?ment", "100%", strings.Repeat("n", 255),
		"10:30.txt", "c:d", "*|", `back\slash`, `%5C`, ".DS_Store", "Thumbs.db", "e\u0301", " ", "..."} {
		s.Put("/cell1/made/"+escapeAll(name), fmt.Sprint("content ", i))
		s.Mkcol("/cell1/made/" + escapeAll("in "+name[:min(len(name), 250)]))
		s.Put("/cell1/made/"+escapeAll("in "+name[:min(len(name), 250)])+"/"+escapeAll(name), fmt.Sprint("below ", i))
	}
	// Older ones were stored as they came.
	setContentType(t, s, "/cell1/made/c:d", "foo")
	setContentType(t, s, "/cell1/made/...", "")
	s.Put("/cell1/made/large", strings.Repeat("large", cellfs.MaxInline))
	s.Request("PROPPATCH", "/cell1/made/large").WithText(`<propertyupdate xmlns="DAV:"><set><prop><z:p xmlns:z="urn:z" xml:lang="en" z:a="&lt;1">t &amp; <z:q/></z:p></prop></set></propertyupdate>`).
		Expect().Status(http.StatusMultiStatus)
	s.Request("MKCOL", "/cell1/made/od").WithText(`<mkcol xmlns="DAV:"><set><prop><resourcetype><collection/><p:odata xmlns:p="urn:x-personium:xmlns"/></resourcetype></prop></set></mkcol>`).
		WithHeader("Content-Type", "application/xml").Expect().Status(http.StatusCreated)
	for _, box := range []string{"library", "notes", "empty", "made"} {
		t.Run(box, func(t *testing.T) {
			s.T, other.T = t, t
			first := barOf(s, "/cell1/"+box)
			other.Request("MKCOL", "/cell1/"+box).WithHeader("Content-Type", "application/zip").WithBytes(first).Expect().Status(http.StatusAccepted)
			meta := other.WaitBox("/cell1/" + box)
			if meta.Value("status").String().Raw() != "ready" {
				t.Fatal(meta.Raw())
			}
			second := barOf(other, "/cell1/"+box)
			if box != "notes" && box != "library" { // without a schema, ACLs tell the URL of their cell
				first = []byte(strings.ReplaceAll(string(first), s.URL, other.URL))
			}
			sameBars(t, second, first)
		})
	}
	s.T, other.T = t, t
	other.WantGet("/cell1/made/"+escapeAll(`in back\slash`)+"/"+escapeAll(`back\slash`), "below 11")
	other.Request("HEAD", "/cell1/made/c:d").Expect().Status(http.StatusOK).Header("Content-Type").IsEqual("application/octet-stream")
	other.WantGet("/cell1/made/large", strings.Repeat("large", cellfs.MaxInline))
	other.Request("GET", "/cell1/library/d/lib/Book('b1')/$links/_Author").Expect().JSON().Path("$.d.results").Array().Length().IsEqual(2)
	davtest.Error(s.Request("GET", "/cell1/__").WithHeader("Accept", barType).Expect(), "PR404-OD-0002")
	davtest.Error(s.Request("GET", "/cell1/none").WithHeader("Accept", barType).Expect(), "PR404-DV-0002")
	s.Request("HEAD", "/cell1/notes").WithHeader("Accept", "application/x-personium-bar+zip").Expect().Status(http.StatusOK).Body().IsEmpty()
}

// setContentType changes the type under which a file is stored.
func setContentType(t *testing.T, s *davtest.Server, path, contentType string) {
	t.Helper()
	err := s.FS.Update(t.Context(), func(tx cellfs.Tx) error {
		n, err := s.FS.Lookup(tx, cellfstest.Path(t, path))
		if err != nil {
			return err
		}
		changed := n
		changed.ContentType = contentType
		return tx.SetNode(&n, &changed, s.FS.Now())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestBarStalled has a client ask for a bar and take nothing of it: what it holds
// can be swept after a while.
func TestBarStalled(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{StallTime: time.Second})
	s.Mkcol("/cell1/box")
	// More than a connection buffers, and not by a request: its body could stall too.
	large := strings.NewReader(strings.Repeat("0123456789abcdef", 2<<20))
	if _, _, err := s.FS.Put(t.Context(), cellfstest.Path(t, "/cell1/box/f"), large, cellfs.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	credentials := base64.StdEncoding.EncodeToString([]byte(davtest.User + ":" + davtest.Password))
	fmt.Fprintf(c, "GET /cell1/box HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic %s\r\nAccept: %s\r\n\r\n", strings.TrimPrefix(s.URL, "http://"), credentials, "application/zip+x-personium-bar")
	status := make([]byte, len("HTTP/1.1 200"))
	if _, err := io.ReadFull(c, status); err != nil || string(status) != "HTTP/1.1 200" {
		t.Fatal(string(status), err)
	}
	s.Request("DELETE", "/cell1/box/f").Expect().Status(http.StatusNoContent)
	for t.Context().Err() == nil { // the test's time limit ends it
		swept, err := s.FS.Sweep(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if swept.Contents > 0 {
			break
		}
	}
	if rest, err := io.ReadAll(c); err == nil && len(rest) > 32<<20 {
		t.Errorf("all %d bytes came", len(rest))
	}
}

// TestBarExportReal takes the archives of real applications in and out and in again.
func TestBarExportReal(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	dir := davtest.Corpus(t)
	s, other := davtest.New(t), davtest.New(t)
	for i, x := range readCases(t, filepath.Join(dir, "realworld.json")) {
		body, err := os.ReadFile(filepath.Join(dir, x.File))
		if err != nil {
			t.Fatal(err)
		}
		box := fmt.Sprintf("/cell1/app%d", i)
		if s.Request("MKCOL", box).WithHeader("Content-Type", "application/zip").WithBytes(body).Expect().Raw().StatusCode != http.StatusAccepted ||
			s.WaitBox(box).Value("status").String().Raw() != "ready" {
			continue
		}
		first := barOf(s, box)
		other.Request("MKCOL", box).WithHeader("Content-Type", "application/zip").WithBytes(first).Expect().Status(http.StatusAccepted)
		if meta := other.WaitBox(box); meta.Value("status").String().Raw() != "ready" {
			t.Errorf("%s: %v", x.File, meta.Raw())
			continue
		}
		second := barOf(other, box)
		sameBars(t, []byte(strings.ReplaceAll(string(second), other.URL, s.URL)), first)
	}
}
