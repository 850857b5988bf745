package dav_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cellar/dav/davtest"
)

// installs sends installs without a body, each under another name, and wants them refused.
func installs(t *testing.T, s *davtest.Server, n int, authorization string, status int) {
	t.Helper()
	for i := range n {
		r, err := http.NewRequestWithContext(t.Context(), "MKCOL", fmt.Sprintf("%s/cell1/made-up-%d", s.URL, i), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/zip")
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != status {
			t.Fatalf("install %d = %s, want %d", i, res.Status, status)
		}
	}
}

// TestNobodyWritesNoEvents: what nobody asked for pushes no event out of a cell's log. The
// program's log tells of it, but not of each.
func TestNobodyWritesNoEvents(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var log bytes.Buffer
	s := davtest.New(t, davtest.Config{Now: func() time.Time { return now }, Log: &log})
	s.Mkcol("/cell1/box")
	before := s.Get("/cell1/__log/current/default.log")
	installs(t, s, 1000, "", http.StatusUnauthorized)
	installs(t, s, 10, "Bearer AA~made-up", http.StatusUnauthorized)
	if after := s.Get("/cell1/__log/current/default.log"); after != before {
		t.Errorf("the log of the cell has grown by\n%.500s", strings.TrimPrefix(after, before))
	}
	now = now.Add(time.Minute)
	installs(t, s, 1, "", http.StatusUnauthorized)
	s.Close()
	lines := strings.Count(log.String(), "an install of an anonymous caller was refused")
	if lines != 11 || !strings.Contains(log.String(), "left_out=1000") {
		t.Errorf("%d lines in the program's log:\n%s", lines, log.String())
	}
}

// TestRefusalsOfAccountsAreBounded: an account that may not install writes so many lines in a
// minute, and the admin as many as there are.
func TestRefusalsOfAccountsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := davtest.New(t, davtest.Config{Now: func() time.Time { return now }})
	s.Account("cell1", "me")
	me := "Bearer " + s.Token("cell1", "me", nil).Value("access_token").String().Raw()
	lines := func() int { return strings.Count(s.Get("/cell1/__log/current/default.log"), `"boxinstall"`) }
	installs(t, s, 60, me, http.StatusForbidden)
	if got := lines(); got != 60 {
		t.Errorf("%d lines of 60 refusals", got)
	}
	installs(t, s, 60, me, http.StatusForbidden)
	if got := lines(); got != 60 {
		t.Errorf("%d lines of 120 refusals in a minute", got)
	}
	s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").Expect().Status(http.StatusBadRequest)
	if got := lines(); got != 61 {
		t.Errorf("%d lines with that of the admin", got)
	}
	now = now.Add(time.Minute)
	installs(t, s, 1, me, http.StatusForbidden)
	if got := lines(); got != 62 {
		t.Errorf("%d lines with one of the next minute", got)
	}
}
