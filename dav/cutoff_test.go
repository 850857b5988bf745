package dav_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gavv/httpexpect/v2"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
	"cellar/cellfs/meta"
	"cellar/dav/davtest"
	"cellar/jobs"
)

// leave stops the server and leaves jobs as a killed one would.
func leave(t *testing.T, s *davtest.Server, all ...cellfs.Job) {
	t.Helper()
	s.Close()
	m, err := meta.OpenSQLite(t.Context(), s.Dir, meta.Full, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	err = m.Update(t.Context(), cellfs.Update{Do: func(tx cellfs.Tx) error {
		for i := range all {
			if err := tx.PutJob(&all[i]); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	s.Restart()
}

// left is a job of that kind as a killed server leaves it.
func left(t *testing.T, s *davtest.Server, kind, path string) cellfs.Job {
	t.Helper()
	p, err := cellfs.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.FS.Node(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	j := cellfs.Job{Kind: kind, Cell: n.Cell, State: string(jobs.Running), Name: n.Name, RequestKey: "key", Started: time.Now(), Total: 4}
	if n.Kind == cellfs.KindBox {
		j.Target = n.ID
	}
	return j
}

// TestCutOffThreeTimesSaysSo: what was started three times and never got further fails, and
// tells why where a failure of its kind is told.
func TestCutOffThreeTimesSaysSo(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2", "cell3"}})
	s.Mkcol("/cell1/app")
	s.Put("/cell3/__/f", "as it was")
	install, export, imports := left(t, s, "install", "/cell1/app"), left(t, s, "export", "/cell2"), left(t, s, "import", "/cell3")
	for _, j := range []*cellfs.Job{&install, &export, &imports} {
		j.Starts = jobs.MaxStarts
	}
	export.Name = "e"
	leave(t, s, install, export, imports)

	const why = "it was cut off 3 times at the same step"
	box := s.WaitBox("/cell1/app")
	box.Value("status").IsEqual("installation failed")
	box.Path("$.message.code").IsEqual("PL-BI-1005")
	box.Path("$.message.message.value").String().Contains(why)
	s.Request("GET", "/cell2/__export").WithHeader("Prefer", "wait=60").Expect().Status(http.StatusOK)
	e := s.Request("GET", "/cell2/__snapshot/e.error").Expect().Status(http.StatusOK).JSON().Object()
	e.Value("code").IsEqual("PR500-MC-0001")
	e.Path("$.message.value").String().Contains(why)
	i := imported(s, "cell3")
	i.Value("status").IsEqual("import failed")
	i.Path("$.message.code").IsEqual("PR500-MC-0001")
	i.Path("$.message.message.value").String().Contains(why)
	s.WantGet("/cell3/__/f", "as it was")
	s.Put("/cell3/__/f", "goes on")
	s.Restart()
	if got := imported(s, "cell3").Value("status").String().Raw(); got != "import failed" {
		t.Errorf("after a restart: %s", got)
	}
}

var lines = regexp.MustCompile(`"PL-BI-[0-9]+"`)

// TestInstallWithoutItsBarIsInTheLog: an install that cannot go on because its bar is gone
// ends in the log as any other, with exact progress.
func TestInstallWithoutItsBarIsInTheLog(t *testing.T) {
	t.Parallel()
	for begun, want := range map[bool]string{
		false: `["PL-BI-1000" "PL-BI-1005" "PL-BI-0001"]`,
		true:  `["PL-BI-1005" "PL-BI-0001"]`, // the first lines are of the run before
	} {
		s := davtest.New(t)
		s.Mkcol("/cell1/app")
		j := left(t, s, "install", "/cell1/app")
		j.Input, j.Starts = 999, 1
		if begun {
			j.Step, j.Done = 7, 1
		}
		leave(t, s, j)
		box := s.WaitBox("/cell1/app")
		box.Value("status").IsEqual("installation failed")
		box.Value("progress").IsEqual(fmt.Sprintf("%d%%", j.Done*25))
		box.Path("$.message.message.value").IsEqual("Unknown error(internal error).")
		log := s.Get("/cell1/__log/current/default.log")
		if got := fmt.Sprint(lines.FindAllString(log, -1)); got != want {
			t.Errorf("begun %t: the log has %s, want %s\n%s", begun, got, want, log)
		}
	}
}

// TestErrorsOfJSONAPIsAreJSON: where clients speak JSON they hear JSON, also of what WebDAV
// has an element for (RFC 4918, 16); where they speak WebDAV they hear the element.
func TestErrorsOfJSONAPIsAreJSON(t *testing.T) {
	t.Parallel()
	faults := &cellfstest.Faults{}
	s := davtest.New(t, davtest.Config{Wrap: func(m cellfs.Meta, b cellfs.Blobs) (cellfs.Meta, cellfs.Blobs) {
		return cellfstest.FaultyMeta{Meta: m, Faults: faults}, b
	}})
	s.Mkcol("/cell1/box")
	s.Account("cell1", "me")
	me := s.Token("cell1", "me", nil).Value("access_token").String().Raw()
	faults.Fill(1)
	for what, r := range map[string]*httpexpect.Response{
		"__export":     s.Request("POST", "/cell1/__export").WithText("{}").Expect(),
		"__event":      s.Request("POST", "/cell1/__event").WithText(`{"Type":"t","Object":"o","Info":"i"}`).Expect(),
		"__ctl":        s.Request("POST", "/cell1/__ctl/Role").WithText(`{"Name":"r"}`).Expect(),
		"unit's __ctl": s.Request("POST", "/__ctl/Cell").WithText(`{"Name":"c"}`).Expect(),
		"password":     s.With(me, "PUT", "/cell1/__mypassword").WithHeader("X-Personium-Credential", "another password").Expect(),
		"install":      operations["install"].start(s, "cell1"),
	} {
		if res := r.Raw(); res.StatusCode != http.StatusInsufficientStorage || res.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s, %s", what, res.Status, res.Header.Get("Content-Type"))
		}
	}
	for what, r := range map[string]*httpexpect.Response{
		"MKCOL of a box": s.Request("MKCOL", "/cell1/other").Expect(),
		"PUT":            s.Request("PUT", "/cell1/box/f").WithText("x").Expect(),
	} {
		if res := r.Raw(); res.StatusCode != http.StatusInsufficientStorage || !strings.Contains(res.Header.Get("Content-Type"), "xml") {
			t.Errorf("%s: %s, %s", what, res.Status, res.Header.Get("Content-Type"))
		}
	}
	faults.Disarm()
}
