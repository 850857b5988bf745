package dav_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
	"cellar/dav/davtest"
)

// logged are the lines with that request key: subject, type, object, info.
func logged(t *testing.T, s *davtest.Server, key string) (all []string) {
	t.Helper()
	lines, err := csv.NewReader(strings.NewReader(s.Get("/cell1/__log/current/default.log"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if l[1] != "[INFO ]" {
			t.Errorf("level %q", l[1])
		}
		if l[2] == key {
			all = append(all, strings.ReplaceAll(strings.Join(append([]string{l[3]}, l[5:]...), " "), s.URL, ""))
		}
	}
	return all
}

// TestChangesAreEvents: each change is one line, with who did it and the key of the
// request; what fails or changes nothing is none (contract 6.1).
func TestChangesAreEvents(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}})
	if got := s.Get("/cell1/__log/current/default.log"); got != "" {
		t.Errorf("a new cell has the log %q", got)
	}
	s.Account("cell1", "me", "r")
	davtest.Error(s.As("me", "GET", "/cell1/__log/current/default.log").Expect(), "PR403-AU-0002")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:root"})
	acl := s.ACL("/cell1", davtest.ACE{Role: "r", Privileges: "D:all"})
	for i, c := range []struct {
		method, path, body string
		headers            string // "Name: value", one a line
		status             int
		want               string
	}{
		{"MKCOL", "/cell1/b", "", "", 201, "box.mkcol /cell1/b 201"},
		{"MKCOL", "/cell1/b", "", "", 405, ""},
		{"MKCOL", "/cell1/b/d", "", "", 201, "webdavcol.mkcol /cell1/b/d 201"},
		{"PUT", "/cell1/b/d/f%20x", "text", "", 201, "davfile.create /cell1/b/d/f%20x 201"},
		{"PUT", "/cell1/b/d/f%20x", "more", "", 204, "davfile.update /cell1/b/d/f%20x 204"},
		{"PUT", "/cell1/b/d/f%20x", "more", `If-Match: "0-0"`, 412, ""},
		{"PUT", "/cell1/b/none/f", "more", "", 409, ""},
		{"PUT", "/cell1/b/d/large", strings.Repeat("x", 100_000), "", 201, "davfile.create /cell1/b/d/large 201"},
		{"PROPPATCH", "/cell1/b/d", `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="y"/></D:prop></D:set></D:propertyupdate>`, "", 207, "webdavcol.proppatch /cell1/b/d 207"},
		{"ACL", "/cell1/b/d", acl, "", 200, "webdavcol.acl /cell1/b/d 200"},
		{"ACL", "/cell1/b", acl, "", 200, "box.acl /cell1/b 200"},
		{"ACL", "/cell1/b/d/large", acl, "", 200, "davfile.acl /cell1/b/d/large 200"},
		{"COPY", "/cell1/b/d/large", "", "Destination: /cell1/b/copy", 201, "davfile.copy /cell1/b/d/large 201,/cell1/b/copy"},
		{"MOVE", "/cell1/b/copy", "", "Destination: /cell1/b/d/large", 204, "davfile.move /cell1/b/copy 204,/cell1/b/d/large"},
		{"MOVE", "/cell1/b/d", "", "Destination: /cell1/b/e", 201, "webdavcol.move /cell1/b/d 201,/cell1/b/e"},
		{"LOCK", "/cell1/b/locked", `<lockinfo xmlns="DAV:"><lockscope><shared/></lockscope><locktype><write/></locktype></lockinfo>`, "", 201, "davfile.create /cell1/b/locked 201"},
		{"DELETE", "/cell1/b/e", "", "", 204, "webdavcol.delete /cell1/b/e 204"},
		{"DELETE", "/cell1/b/e", "", "", 404, ""},
		{"PROPFIND", "/cell1/b", "", "Depth: 1", 207, ""},
		{"GET", "/cell1/b", "", "", 200, ""},
		{"POST", "/cell1/__event", `{"Type":"t","Object":"o \"quoted\"","Info":null,"more":1}`, "", 200, `t o "quoted" null`},
		{"POST", "/cell1/__event", `{"Type":1}`, "", 400, ""},
		{"POST", "/cell1/__event", `{"Info":"` + strings.Repeat("é", 51200) + `"}`, "", 200, "null null " + strings.Repeat("é", 51200)},
		{"POST", "/cell1/__event", `{"Type":"","Object":""}`, "", 200, "  null"},
		{"POST", "/cell1/__event", `{"Info":"` + strings.Repeat("é", 51201) + `"}`, "", 400, ""},
		{"POST", "/cell1/__event", `no`, "", 400, ""},
		{"PROPFIND", "/cell1/__event", ``, "", 501, ""},
		{"DELETE", "/cell1/__log/current/default.log", ``, "", 400, ""},
	} {
		key := fmt.Sprint("key-", i)
		r := s.As("me", c.method, c.path).WithHeader("X-Personium-RequestKey", key)
		if c.body != "" {
			r = r.WithBytes([]byte(c.body))
		}
		for h := range strings.Lines(c.headers) {
			name, value, _ := strings.Cut(h, ": ")
			r = r.WithHeader(name, value)
		}
		r.Expect().Status(c.status)
		got := strings.Join(logged(t, s, key), "\n")
		want := ""
		if c.want != "" {
			want = "false /cell1/#me " + c.want
			if strings.HasSuffix(c.path, "__event") {
				want = "true /cell1/#me " + c.want
			}
		}
		if got != want {
			t.Errorf("%s %s is in the log as\n%.300s\nwant\n%.300s", c.method, c.path, got, want)
		}
	}
	// What goes to another cell is told in both.
	s.Mkcol("/cell2/b")
	s.Put("/cell1/b/f", "x")
	s.Request("MOVE", "/cell1/b/f").WithHeader("Destination", "/cell2/b/g").WithHeader("X-Personium-RequestKey", "away").Expect().Status(http.StatusCreated)
	if got := logged(t, s, "away"); len(got) != 1 || !strings.HasSuffix(got[0], "davfile.move /cell1/b/f 201,/cell2/b/g") {
		t.Errorf("what goes away: %q", got)
	}
	if got := s.Get("/cell2/__log/current/default.log"); !strings.Contains(got, `"away","false",null,"`+s.URL+`/#admin","davfile.create","`+s.URL+`/cell2/b/g","201"`) {
		t.Errorf("what comes: %s", got)
	}
	// The subject goes with the jobs.
	s.As("me", "POST", "/cell1/__export").WithHeader("X-Personium-RequestKey", "export").WithJSON(map[string]string{"Name": "s"}).Expect().Status(http.StatusAccepted)
	s.Request("GET", "/cell1/__export").WithHeader("Prefer", "wait=60").Expect().Status(http.StatusOK)
	if got := logged(t, s, "export"); len(got) != 1 || got[0] != "false /cell1/#me cell.export /cell1/__export " {
		t.Errorf("an export: %q", got)
	}
	davtest.Error(s.Anonymous().POST("/cell1/__event").WithText("{}").Expect(), "PR401-AU-0001")
}

// TestEventIsOneLine: whatever a client sends, its event is one line of nine columns
// without anything that a terminal would obey, and tells what was sent.
func TestEventIsOneLine(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me", "r")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:event"})
	for i, c := range []struct{ sent, shown string }{
		{"one\n2026-01-01T00:00:00.000Z,[INFO ],\"k\",\"false\",null,\"admin\",\"box.delete\",\"o\",\"204\"", `one\u000A2026-01-01T00:00:00.000Z,[INFO ],"k","false",null,"admin","box.delete","o","204"`},
		{"a\x00b\rc\td", `a\u0000b\u000Dc\u0009d`},
		{"\x1b[2J\x1b]0;title\x07\u009b31m", `\u001B[2J\u001B]0;title\u0007\u009B31m`},
		{"\u2028\u202e", `\u2028\u202E`},
		{strings.Repeat("\x1b", cellfs.MaxEventField), strings.Repeat(`\u001B`, cellfs.MaxEventField)},
	} {
		key := fmt.Sprint("sent-", i)
		s.As("me", "POST", "/cell1/__event").WithHeader("X-Personium-RequestKey", key).
			WithJSON(map[string]string{"Type": c.sent, "Object": "o"}).Expect().Status(http.StatusOK)
		if got, want := strings.Join(logged(t, s, key), "\n"), "true /cell1/#me "+c.shown+" o null"; got != want {
			t.Errorf("%.80q is in the log as %.200q, want %.200q", c.sent, got, want)
		}
	}
	text := s.Get("/cell1/__log/current/default.log")
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 }) {
		t.Error("the log has control characters")
	}
	for line := range strings.Lines(text) { // each line stands for itself
		if fields, err := csv.NewReader(strings.NewReader(line)).Read(); err != nil || len(fields) != 9 {
			t.Errorf("%d columns, %v: %.200q", len(fields), err, line)
		}
	}
}

// TestLogIsAsNewAsItsLastEvent: who polls the log by its date sees that it grew.
func TestLogIsAsNewAsItsLastEvent(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	const log = "/cell1/__log/current/default.log"
	created, err := s.FS.Node(t.Context(), cellfstest.Path(t, "/cell1"))
	if err != nil {
		t.Fatal(err)
	}
	modified := func() string {
		t.Helper()
		return s.Propfind(log, "0", "")[0].Props["{DAV:}getlastmodified"]
	}
	if got := modified(); got != created.Created.UTC().Format(http.TimeFormat) {
		t.Errorf("an empty log is of %s", got)
	}
	for _, hours := range []time.Duration{1, 2} {
		at := s.FS.Now().Add(hours * time.Hour)
		err := s.FS.Update(t.Context(), func(tx cellfs.Tx) error {
			return tx.AddEvents(cellfs.Event{Cell: created.Cell, Time: at, Type: "t"})
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := modified(), at.UTC().Format(http.TimeFormat); got != want {
			t.Errorf("the log is of %s, its last event of %s", got, want)
		}
	}
}

// TestReadsAreEvents: with LogReads, reads are lines too, all of them and each once.
func TestReadsAreEvents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := davtest.New(t, davtest.Config{Dir: dir, LogReads: true})
	s.Mkcol("/cell1/b")
	s.Put("/cell1/b/f", "x")
	const gets = 500
	for range gets {
		s.Request("GET", "/cell1/b/f").WithHeader("X-Personium-RequestKey", "many").Expect().Status(http.StatusOK)
	}
	for _, c := range []struct{ method, path string }{
		{"GET", "/cell1/b"}, {"PROPFIND", "/cell1/b"}, {"PROPFIND", "/cell1/b/f"}, {"GET", "/cell1/b/none"},
		{"GET", "/cell1/__ctl/Role"}, {"GET", "/cell1/__ctl/Box('b')"},
	} {
		s.Request(c.method, c.path).WithHeader("Depth", "0").WithHeader("X-Personium-RequestKey", "few").Expect()
	}
	s.Restart() // writes what is left
	want := []string{"box.get /cell1/b 200", "box.propfind /cell1/b 207", "davfile.propfind /cell1/b/f 207",
		"cellctl.Role.list /cell1/__ctl/Role 200", "cellctl.Box.get /cell1/__ctl/Box('b') 200"}
	var got []string
	for _, l := range logged(t, s, "few") {
		_, l, _ = strings.Cut(l, "#admin ")
		got = append(got, l)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("reads are in the log as %q", got)
	}
	if n := len(logged(t, s, "many")); n != gets {
		t.Errorf("%d of %d reads are in the log", n, gets)
	}
}
