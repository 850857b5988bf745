package dav_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cellar/barfs/bartest"
	"cellar/cellfs"
	"cellar/dav/davtest"
)

// TestClients replays what clients send, byte for byte over a plain connection,
// and wants the answers they need (testdata/clients; the form is told in its
// README).
func TestClients(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "clients", "*.http"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded sequences: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".http"), func(t *testing.T) {
			s := davtest.New(t, davtest.Config{AdminCells: []string{"ops"}})
			s.Mkcol("/cell1/box")
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p := &player{t: t, host: strings.TrimPrefix(s.URL, "http://"), vars: map[string]string{"url": s.URL, "url-escaped": url.QueryEscape(s.URL)}}
			defer p.hangUp()
			for _, x := range parseExchanges(t, string(text)) {
				p.play(x)
			}
		})
	}
}

// exchange is a request and what its answer must be.
type exchange struct {
	line         int // of the file
	method, path string
	headers      []string // as they stand
	body         string
	status       int
	want         []string
}

func parseExchanges(t *testing.T, text string) (all []exchange) {
	t.Helper()
	var x *exchange
	part := "" // "", "headers", "body" or "want"
	for i, line := range strings.Split(text, "\n") {
		status, isAnswer := strings.CutPrefix(line, "=> ")
		switch {
		case part == "" && (line == "" || strings.HasPrefix(line, "#")):
		case part == "":
			method, path, ok := strings.Cut(line, " ")
			if !ok {
				t.Fatalf("line %d: %q is no request", i+1, line)
			}
			all = append(all, exchange{line: i + 1, method: method, path: path})
			x, part = &all[len(all)-1], "headers"
		case isAnswer:
			n, err := strconv.Atoi(status)
			if err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
			x.status, part = n, "want"
		case part == "headers" && line == "":
			part = "body"
		case part == "headers":
			x.headers = append(x.headers, line)
		case part == "body":
			x.body += line + "\n"
		case line == "":
			part = ""
		default:
			x.want = append(x.want, line)
		}
	}
	return all
}

// player sends exchanges over one connection, which it opens again if the server
// closed it.
type player struct {
	t    *testing.T
	host string
	vars map[string]string
	conn net.Conn
	in   *bufio.Reader
}

func (p *player) hangUp() {
	if p.conn != nil {
		p.conn.Close()
		p.conn = nil
	}
}

// fill puts in the variables: {name}.
func (p *player) fill(s string) string {
	for _, name := range slices.Sorted(maps.Keys(p.vars)) {
		s = strings.ReplaceAll(s, "{"+name+"}", p.vars[name])
	}
	return s
}

func (p *player) play(x exchange) {
	p.t.Helper()
	head, body, waits := p.request(x)
	if p.conn == nil {
		conn, err := net.Dial("tcp", p.host)
		if err != nil {
			p.t.Fatal(err)
		}
		p.conn, p.in = conn, bufio.NewReader(conn)
	}
	if !waits {
		head += body
	}
	io.WriteString(p.conn, head)
	res := p.answer(x)
	if res.StatusCode == http.StatusContinue {
		io.WriteString(p.conn, body)
		res = p.answer(x)
	} else if waits {
		res.Close = true // the body was never sent
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatalf("line %d: %v", x.line, err)
	}
	if res.Close {
		p.hangUp()
	}
	p.check(x, res, string(text))
}

// request is what goes over the wire. waits: the body is sent only when the
// server says so.
func (p *player) request(x exchange) (head, body string, waits bool) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", x.method, p.fill(x.path), p.host)
	anonymous, chunked, multipart := false, false, false
	for _, h := range x.headers {
		if h == "@anonymous" {
			anonymous = true
			continue
		}
		chunked = chunked || strings.EqualFold(h, "Transfer-Encoding: chunked")
		multipart = multipart || strings.HasPrefix(h, "Content-Type: multipart/")
		waits = waits || strings.EqualFold(h, "Expect: 100-continue")
		b.WriteString(p.fill(h) + "\r\n")
	}
	if !anonymous {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(davtest.User, davtest.Password)
		b.WriteString("Authorization: " + r.Header.Get("Authorization") + "\r\n")
	}
	body = strings.TrimSuffix(p.fill(x.body), "\n")
	if schema, ok := strings.CutPrefix(body, "< bar: "); ok {
		body = smallBar(schema)
	}
	if multipart {
		body = strings.ReplaceAll(body, "\n", "\r\n")
	}
	switch {
	case chunked:
		half := len(body) / 2
		body = chunks(body[:half], body[half:])
	case body != "":
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return b.String() + "\r\n", body, waits
}

// smallBar is the bar that a body "< bar: {schema}" stands for: a role, which may read the box, and a file.
func smallBar(schema string) string {
	return string(bartest.New(schema).Meta("20_roles.json", `{"Roles":[{"Name":"reader"}]}`).
		Box(`<acl xml:base="https://any.example/__role/any/"><ace><principal><href>reader</href></principal><grant><privilege><read/></privilege></grant></ace></acl>`).
		File("welcome.txt", "text/plain", "Welcome.\n").Bytes())
}

func chunks(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		if part != "" {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(part), part)
		}
	}
	return b.String() + "0\r\n\r\n"
}

func (p *player) answer(x exchange) *http.Response {
	p.t.Helper()
	res, err := http.ReadResponse(p.in, &http.Request{Method: x.method})
	if err != nil {
		p.t.Fatalf("line %d: %s %s: %v", x.line, x.method, x.path, err)
	}
	return res
}

var wantLine = regexp.MustCompile(`^(no )?(body|[A-Za-z-]+:) ?(.*)$`)

// check compares the answer. Named groups of what it must match become variables.
func (p *player) check(x exchange, res *http.Response, body string) {
	p.t.Helper()
	where := fmt.Sprintf("line %d: %s %s", x.line, x.method, x.path)
	if res.StatusCode != x.status {
		p.t.Fatalf("%s = %d, want %d\n%s", where, res.StatusCode, x.status, body)
	}
	for _, line := range x.want {
		m := wantLine.FindStringSubmatch(line)
		if m == nil {
			p.t.Fatalf("%s: cannot read %q", where, line)
		}
		value := body
		if m[2] != "body" {
			value = strings.Join(res.Header.Values(strings.TrimSuffix(m[2], ":")), ", ")
		}
		pattern := regexp.MustCompile("(?s)" + p.fill(m[3]))
		found := pattern.FindStringSubmatch(value)
		if m[1] != "" {
			if found != nil && (m[2] == "body" || value != "") {
				p.t.Errorf("%s: %s is there: %s", where, line[3:], value)
			}
			continue
		}
		if found == nil || value == "" {
			p.t.Errorf("%s: no %s in %q", where, line, value)
			continue
		}
		for i, name := range pattern.SubexpNames() {
			if name != "" {
				p.vars[name] = found[i]
			}
		}
	}
}

// TestJunkProbes: clients look for files of their own in every folder, all the
// time. The second look asks no store, and writing them is never refused.
func TestJunkProbes(t *testing.T) {
	t.Parallel()
	var store *countingViews
	s := davtest.New(t, davtest.Config{Wrap: func(m cellfs.Meta, b cellfs.Blobs) (cellfs.Meta, cellfs.Blobs) {
		store = &countingViews{Meta: m}
		return store, b
	}})
	s.Mkcol("/cell1/box")
	junk := []string{"._file", ".DS_Store", "._.DS_Store", ".Spotlight-V100", ".metadata_never_index", "desktop.ini", "Thumbs.db", ".directory", "autorun.inf"}
	probe := func() {
		for _, name := range junk {
			for _, method := range []string{"GET", "HEAD", "PROPFIND"} {
				s.Request(method, "/cell1/box/"+name).WithHeader("Depth", "0").Expect().Status(http.StatusNotFound)
			}
		}
	}
	probe()
	before := store.views.Load()
	probe()
	if n := store.views.Load() - before; n != 0 {
		t.Errorf("%d probes asked the store %d times", 3*len(junk), n)
	}
	for _, name := range junk {
		s.Put("/cell1/box/"+name, "junk").Status(http.StatusCreated)
		s.WantGet("/cell1/box/"+name, "junk")
	}
}
