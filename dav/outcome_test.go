package dav_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/barfs/bartest"
	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
	"cellar/dav/davtest"
)

// operation is a long operation on a cell, and what a client can be shown of it.
type operation struct {
	start func(s *davtest.Server, cell string) *httpexpect.Response
	path  string // below the cell, where its state is shown
	// target is a file that can be written once it has ended.
	target string
}

var operations = map[string]operation{
	"install": {func(s *davtest.Server, cell string) *httpexpect.Response {
		bar := bartest.New("").Meta("20_roles.json", `{"Roles":[{"Name":"r"}]}`).Collection("d", "").File("d/large", "text/plain", strings.Repeat("x", 100_000)).Bytes()
		return s.Request("MKCOL", "/"+cell+"/app").WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect()
	}, "app", "app/acked"},
	"export": {func(s *davtest.Server, cell string) *httpexpect.Response {
		return s.Request("POST", "/"+cell+"/__export").WithText(`{"Name":"new"}`).Expect()
	}, "__export", "__/acked"},
	"import": {func(s *davtest.Server, cell string) *httpexpect.Response {
		return s.Request("POST", "/"+cell+"/__import").WithText(`{"Name":"old"}`).Expect()
	}, "__import", "__/acked"},
}

// faultArms are how a store fails from its n-th call on: for good, as a disk that is full, and once, with and
// without effect.
var faultArms = map[string]func(f *cellfstest.Faults, n int){
	"full":       (*cellfstest.Faults).Fill,
	"not stored": func(f *cellfstest.Faults, n int) { f.Arm(n, cellfstest.NotStored) },
	"stored":     func(f *cellfstest.Faults, n int) { f.Arm(n, cellfstest.Stored) },
}

// shown is all that a client hears: the state of the operation, the snapshots with what the
// failed ones say, and the content that an import would replace.
func (o operation) shown(s *davtest.Server, cell string) (shown string, runs bool) {
	state := strings.ReplaceAll(s.Get("/"+cell+"/"+o.path), s.URL, "")
	shown = state
	for _, h := range s.Hrefs("/"+cell+"/__snapshot", "1")[1:] {
		shown += "\n" + h
		if strings.HasSuffix(h, ".error") {
			shown += s.Get(h)
		}
	}
	return shown + "\n" + s.Get("/"+cell+"/__/f"), strings.Contains(state, "in progress")
}

// TestToldOutcomesSurvive fails the store at every call of every long operation. What is shown at its end is what a
// restart shows, and writes that were acknowledged after it stay.
func TestToldOutcomesSurvive(t *testing.T) {
	t.Parallel()
	for name, o := range operations {
		for how, arm := range faultArms {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				faults := &cellfstest.Faults{}
				s := davtest.New(t, davtest.Config{Wrap: func(m cellfs.Meta, b cellfs.Blobs) (cellfs.Meta, cellfs.Blobs) {
					return cellfstest.FaultyMeta{Meta: m, Faults: faults}, cellfstest.FaultyBlobs{Blobs: b, Faults: faults}
				}})
				shown := map[string]string{}
				for n := 1; ; n++ {
					cell := fmt.Sprint("c", n)
					s.Mkcol("/" + cell)
					s.Put("/"+cell+"/__/f", "snapshot")
					s.Export(cell, "old")
					s.Put("/"+cell+"/__/f", "current")
					arm(faults, n)
					text, hit := o.endsUnder(t, s, faults, cell)
					if !hit {
						if n < 4 {
							t.Errorf("only %d calls were tried", n-1)
						}
						break
					}
					if text != "" {
						shown[cell] = text
					}
				}
				s.Restart()
				for cell, want := range shown {
					s.WantGet("/"+cell+"/"+o.target, "acknowledged")
					if got, _ := o.shown(s, cell); got != want {
						t.Errorf("%s: before the restart was shown\n%s\nand after it\n%s", cell, want, got)
					}
					if log := s.Get("/" + cell + "/__log/current/default.log"); strings.Contains(log, s.Dir) {
						t.Errorf("the log of %s tells of the server:\n%s", cell, log)
					}
				}
			})
		}
	}
}

// endsUnder starts the operation on a store that will fail, and returns what was shown at its
// end; "" if it was not accepted.
func (o operation) endsUnder(t *testing.T, s *davtest.Server, faults *cellfstest.Faults, cell string) (shown string, hit bool) {
	t.Helper()
	r := o.start(s, cell)
	if r.Raw().StatusCode != http.StatusAccepted {
		code := "PR500-SV-0000"
		if r.Raw().StatusCode == http.StatusInsufficientStorage {
			code = "PR507-SV-0001"
		}
		davtest.Error(r, code) // as JSON, whatever the method
		hit = faults.Disarm()
		// It may be there all the same, but then for all to see.
		if got := s.Request("GET", "/"+cell+"/"+o.path).WithHeader("Prefer", "wait=60").Expect(); got.Raw().StatusCode == http.StatusOK {
			got.Body().NotContains("in progress")
		}
		return "", hit
	}
	runs := true
	for runs && faults.Failed() < 2 {
		_, runs = o.shown(s, cell)
	}
	write := func() int {
		return s.Request("PUT", "/"+cell+"/"+o.target).WithText("acknowledged").Expect().Raw().StatusCode
	}
	if runs && faults.Failed() >= 2 { // nothing can be recorded any more
		if text, runs := o.shown(s, cell); !runs {
			t.Errorf("%s: shown is\n%s\nthough nothing can be recorded", cell, text)
		}
		if got := write(); got < http.StatusBadRequest {
			t.Errorf("%s: a write meanwhile = %d", cell, got)
		}
	}
	hit = faults.Disarm()
	s.Request("GET", "/"+cell+"/"+o.path).WithHeader("Prefer", "wait=60").Expect().Status(http.StatusOK)
	if shown, runs = o.shown(s, cell); runs {
		t.Errorf("%s goes on with room:\n%s", cell, shown)
	}
	if hit && strings.Contains(shown, "failed") && !strings.Contains(shown, "PR507-SV-0001") && faults.Failed() > 1 {
		t.Errorf("%s does not say why:\n%s", cell, shown)
	}
	if strings.Contains(shown, s.Dir) {
		t.Errorf("%s tells of the server:\n%s", cell, shown)
	}
	if got := write(); got != http.StatusCreated {
		t.Errorf("%s: a write after the end = %d", cell, got)
	}
	return shown, hit
}
