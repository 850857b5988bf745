package dav_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"cellar/barfs/bartest"
	"cellar/cellfs"
	"cellar/dav/davtest"
)

// TestEventLogRotation: a log that is too long is closed, twelve closed ones are
// kept, and no line is lost or told twice until then (contract 6.6).
func TestEventLogRotation(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	const limit = 1600
	s := davtest.New(t, davtest.Config{LogLimit: limit})
	const logs = "/cell1/__log"
	archives := func() (names []string) {
		for _, h := range s.Hrefs(logs+"/archive", "1")[1:] {
			names = append(names, h[strings.LastIndex(h, "/")+1:])
		}
		return names
	}
	read := func(path string) []string {
		t.Helper()
		r := s.Request("GET", logs+path).Expect().Status(http.StatusOK)
		r.Header("Content-Type").IsEqual("text/csv")
		text := r.Body().Raw()
		s.Request("HEAD", logs+path).Expect().Header("Content-Length").IsEqual(strconv.Itoa(len(text)))
		s.Request("PROPFIND", logs+path).WithHeader("Depth", "0").Expect().Status(http.StatusMultiStatus).Body().
			Contains("<D:getcontentlength>" + strconv.Itoa(len(text)) + "</D:getcontentlength>")
		lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var objects []string
		for _, l := range lines {
			if len(l) != 9 {
				t.Errorf("line of %d columns: %q", len(l), l)
			}
			objects = append(objects, l[6])
		}
		return objects
	}
	for _, path := range []string{"/other", "/other/default.log", "/current/archive/default.log"} {
		for _, method := range []string{"GET", "PROPFIND", "DELETE"} {
			davtest.Error(s.Request(method, logs+path).Expect(), "PR404-MC-0001")
		}
	}
	davtest.Error(s.Request("GET", logs+"/current/other.log").Expect(), "PR404-DV-0001")
	if got := read("/current/default.log"); len(got) != 0 || len(archives()) != 0 {
		t.Errorf("a new cell has %q, %q", got, archives())
	}
	n := 0
	add := func(more int) {
		t.Helper()
		err := s.FS.Update(t.Context(), func(tx cellfs.Tx) error {
			c, err := tx.Cell("cell1")
			for i := n; i < n+more && err == nil; i++ {
				err = tx.AddEvents(cellfs.Event{Cell: c.ID, Time: s.FS.Now(), RequestKey: "k", Type: fmt.Sprint("type", i), Object: cellfs.LocalCell + `x"y`, Info: "info"})
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		n += more
	}
	inAll := func() (all []string) {
		for _, name := range archives() {
			all = append(all, read("/archive/"+name)...)
		}
		return append(all, read("/current/default.log")...)
	}
	for i := 0; len(archives()) < cellfs.MaxLogArchives; i++ {
		add(1 + i%7)
		if got := inAll(); len(got) != n || got[0] != "type0" || got[n-1] != fmt.Sprint("type", n-1) {
			t.Fatalf("%d of %d lines: %q", len(got), n, got)
		}
	}
	first := archives()[0]
	if !strings.HasPrefix(first, "default.log.") || len(read("/archive/"+first)) < limit/200 {
		t.Errorf("the oldest is %s with %d lines", first, len(read("/archive/"+first)))
	}
	for archives()[0] == first { // the thirteenth takes the place of the oldest
		add(1)
	}
	if got := archives(); len(got) != cellfs.MaxLogArchives {
		t.Errorf("%d are kept", len(got))
	}
	davtest.Error(s.Request("GET", logs+"/archive/"+first).Expect(), "PR404-DV-0001")

	davtest.Error(s.Request("DELETE", logs+"/current/default.log").Expect(), "PR400-EV-0005")
	davtest.Error(s.Request("DELETE", logs+"/archive/default.log.1").Expect(), "PR404-DV-0001")
	second := archives()[0]
	s.Request("DELETE", logs+"/archive/"+second).Expect().Status(http.StatusNoContent)
	davtest.Error(s.Request("DELETE", logs+"/archive/"+second).Expect(), "PR404-DV-0001")
	if len(archives()) != cellfs.MaxLogArchives-1 {
		t.Errorf("%d are left", len(archives()))
	}
	rest := inAll()
	if _, err := s.FS.Sweep(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if got := inAll(); len(got) != len(rest) {
		t.Errorf("%d lines after a sweep, %d before", len(got), len(rest))
	}
	err := s.FS.View(t.Context(), func(tx cellfs.Tx) error { // what was dropped is gone
		c, err := tx.Cell("cell1")
		if err != nil {
			return err
		}
		all, err := tx.Events(c.ID, 0, n+1)
		if len(all) != len(rest) {
			t.Errorf("%d events are kept for %d lines", len(all), len(rest))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Request("COPY", logs+"/archive/"+archives()[0]).WithHeader("Destination", s.URL+"/cell1/__/old.csv").Expect().Status(http.StatusCreated)
	s.WantGet("/cell1/__/old.csv", s.Get(logs+"/archive/"+archives()[0]))
}

// TestLogOfLongInstall: an install whose lines fill several logs has all of them.
func TestLogOfLongInstall(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{LogLimit: 20_000})
	s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(bartest.Many("", 300, 10)).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/app").Value("status").IsEqual("ready")
	text := ""
	for _, h := range s.Hrefs("/cell1/__log/archive", "1")[1:] {
		text += s.Get(h)
	}
	text += s.Get("/cell1/__log/current/default.log")
	if n := strings.Count(text, `"PL-BI-1003"`); n != 1+1+3+300 || !strings.Contains(text, "PL-BI-0000") {
		t.Errorf("%d entries are logged", n)
	}
}
