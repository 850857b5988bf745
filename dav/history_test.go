package dav_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"cellar/dav/davtest"
)

// TestHistory has 8 clients change 50 files in 5 folders while 8 others read them and list the folders. What
// each reads is what was acknowledged last before, or what was written meanwhile; so is what a listing shows.
// No two contents share an entity tag, and the date of a folder is never before its last change.
func TestHistory(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	s := davtest.New(t)
	h := &history{T: t, s: s, began: time.Now(), tags: map[string]string{}, files: map[string][]event{}}
	for d := range historyFolders {
		s.Mkcol(fmt.Sprintf("/cell1/__/d%d", d))
	}
	stop := make(chan struct{})
	var writers, readers sync.WaitGroup
	for w := range historyClients {
		writers.Go(func() { h.write(w) })
		readers.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 1))
			for {
				select {
				case <-stop:
					return
				default:
				}
				if rnd.IntN(4) == 0 {
					h.list(rnd.IntN(historyFolders))
				} else {
					h.read(historyPath(rnd.IntN(historyPaths)))
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	h.judge()
}

const (
	historyClients = 8
	historyPaths   = 50
	historyFolders = 5
	historyWrites  = 150 // of each client
)

func historyPath(i int) string { return fmt.Sprintf("/cell1/__/d%d/f%d", i%historyFolders, i) }

// event is something that was done between two moments.
type event struct {
	from, to time.Duration // since the test began
	value    string        // that was written or read; "" for no file
}

// seen is a read of a file.
type seen struct {
	event
	path, how string
}

// dated is the date that a listing gave a folder.
type dated struct {
	from   time.Duration
	folder int
	date   time.Time
}

type history struct {
	*testing.T
	s     *davtest.Server
	began time.Time

	mu    sync.Mutex
	files map[string][]event // writes, by path; each path has one writer
	reads []seen
	dates []dated
	tags  map[string]string // entity tag: the content that has it
}

// do sends a request, as an event without its value.
func (h *history) do(method, path, body string, header ...string) (res *http.Response, text string, e event) {
	req, err := http.NewRequest(method, h.s.URL+path, strings.NewReader(body))
	if err != nil {
		h.Error(err)
	}
	req.SetBasicAuth(davtest.User, davtest.Password)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	e.from = time.Since(h.began)
	if res, err = http.DefaultClient.Do(req); err != nil {
		h.Error(err)
		return &http.Response{}, "", e
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.Error(err)
	}
	e.to = time.Since(h.began)
	return res, string(b), e
}

// write changes the files of one client.
func (h *history) write(client int) {
	rnd := rand.New(rand.NewPCG(uint64(client), 0))
	var own []string
	for i := client; i < historyPaths; i += historyClients {
		own = append(own, historyPath(i))
	}
	now := map[string]string{}
	for n := range historyWrites {
		path := own[rnd.IntN(len(own))]
		switch other := own[rnd.IntN(len(own))]; {
		case rnd.IntN(6) == 0 && now[path] != "":
			_, _, e := h.do("DELETE", path, "")
			now[path] = ""
			h.wrote(path, e)
		case rnd.IntN(6) == 0 && now[path] != "" && other != path:
			res, text, e := h.do("MOVE", path, "", "Destination", h.s.URL+other)
			if res.StatusCode >= 300 {
				h.Errorf("MOVE %s to %s = %d %s", path, other, res.StatusCode, text)
			}
			h.wrote(path, e)
			e.value = now[path]
			h.wrote(other, e)
			now[path], now[other] = "", e.value
		default:
			value := fmt.Sprintf("client %d write %d", client, n)
			res, text, e := h.do("PUT", path, value)
			if res.StatusCode >= 300 {
				h.Errorf("PUT %s = %d %s", path, res.StatusCode, text)
			}
			e.value, now[path] = value, value
			h.tagged(res.Header.Get("ETag"), value)
			h.wrote(path, e)
		}
	}
}

func (h *history) wrote(path string, e event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files[path] = append(h.files[path], e)
}

// tagged notes which content has an entity tag.
func (h *history) tagged(tag, value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if was, ok := h.tags[tag]; tag == "" || ok && was != value {
		h.Errorf("%q and %q have the entity tag %s", was, value, tag)
	}
	h.tags[tag] = value
}

func (h *history) read(path string) {
	res, text, e := h.do("GET", path, "")
	switch res.StatusCode {
	case http.StatusOK:
		e.value = text
		h.tagged(res.Header.Get("ETag"), text)
	case http.StatusNotFound:
	default:
		h.Errorf("GET %s = %d %s", path, res.StatusCode, text)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads = append(h.reads, seen{e, path, "GET"})
}

// list reads a folder. What it shows of a file is its entity tag, which is turned into a content in the end.
func (h *history) list(folder int) {
	path := fmt.Sprintf("/cell1/__/d%d", folder)
	_, text, e := h.do("PROPFIND", path, `<propfind xmlns="DAV:"><prop><getetag/><getlastmodified/></prop></propfind>`, "Depth", "1")
	var listed struct {
		Responses []struct {
			Href     string `xml:"href"`
			ETag     string `xml:"propstat>prop>getetag"`
			Modified string `xml:"propstat>prop>getlastmodified"`
		} `xml:"response"`
	}
	if err := xml.Unmarshal([]byte(text), &listed); err != nil {
		h.Errorf("%v: %s", err, text)
		return
	}
	tags := map[string]string{}
	for _, r := range listed.Responses {
		tags[strings.TrimSuffix(r.Href, "/")] = r.ETag
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if date, err := http.ParseTime(listed.Responses[0].Modified); err != nil {
		h.Error(err)
	} else {
		h.dates = append(h.dates, dated{e.from, folder, date})
	}
	for i := folder; i < historyPaths; i += historyFolders {
		p := historyPath(i)
		e.value = tags[p]
		h.reads = append(h.reads, seen{e, p, "PROPFIND"})
	}
}

// judge looks whether what was read can have been there.
func (h *history) judge() {
	for _, r := range h.reads {
		if r.how == "PROPFIND" && r.value != "" {
			value, ok := h.tags[r.value]
			if !ok {
				h.Errorf("%s: a listing shows the entity tag %s, which nothing has", r.path, r.value)
				continue
			}
			r.value = value
		}
		if !r.possible(h.files[r.path]) {
			h.Errorf("%s of %s from %v to %v shows %q; the writes are %v", r.how, r.path, r.from, r.to, r.value, h.files[r.path])
			return
		}
	}
	for _, d := range h.dates {
		for i := d.folder; i < historyPaths; i += historyFolders {
			for _, w := range h.files[historyPath(i)] {
				if written := h.began.Add(w.from).Truncate(time.Second); w.to < d.from && d.date.Before(written) {
					h.Errorf("folder d%d was changed at %v and is of %v", d.folder, written, d.date)
					return
				}
			}
		}
	}
	h.Logf("%d reads, %d dates", len(h.reads), len(h.dates))
}

// possible reports whether the read can have seen its value: it was written, or being written, before the read
// ended, and nothing else was written for certain between that and the read.
func (s *seen) possible(writes []event) bool {
	for i := -1; i < len(writes); i++ {
		w := event{from: -1, to: -1}
		if i >= 0 {
			w = writes[i]
		}
		if w.value != s.value || w.from > s.to {
			continue
		}
		if i+1 == len(writes) || writes[i+1].to > s.from {
			return true
		}
	}
	return false
}
