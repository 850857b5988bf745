package dav_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"cellar/cellfs/cellfstest"
	"cellar/dav/davtest"
)

var fuzzMethods = []string{"GET", "HEAD", "PUT", "DELETE", "MKCOL", "COPY", "MOVE", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "OPTIONS", "POST"}

// sandbox is a server with a box where hostile requests work, and a cell beside it
// that they must not reach.
type sandbox struct {
	*davtest.Server
	conn net.Conn
	in   *bufio.Reader
	tree string
}

func newSandbox(t testing.TB) *sandbox {
	s := &sandbox{Server: davtest.New(t, davtest.Config{Cells: []string{"cell1", "kept"}})}
	s.Mkcol("/cell1/box")
	s.Mkcol("/kept/box")
	s.Put("/kept/box/f", "kept")
	s.tree = s.kept(t)
	t.Cleanup(s.hangUp)
	return s
}

func (s *sandbox) kept(t testing.TB) string {
	var kept []string
	for line := range strings.Lines(cellfstest.Tree(t, s.FS)) {
		if strings.HasPrefix(line, "/kept/") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func (s *sandbox) hangUp() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// oneLine makes a text stand in a line of a request: what breaks out of that is
// another request, not a hostile one.
var oneLine = strings.NewReplacer("\r", "", "\n", "", "\x00", "")

// send sends a request below the box as it is. The server must answer, and not
// with an error of its own.
func (s *sandbox) send(t testing.TB, method, path, destination, condition, body string) {
	t.Helper()
	path = strings.ReplaceAll(oneLine.Replace(path), " ", "%20")
	request := fmt.Sprintf("%s /cell1/box/%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic %s\r\nDepth: 1\r\nDestination: %s\r\nIf: %s\r\nContent-Length: %d\r\n\r\n%s",
		method, path, basic(), oneLine.Replace(destination), oneLine.Replace(condition), len(body), body)
	if condition == "" {
		request = strings.Replace(request, "If: \r\n", "", 1)
	}
	if s.conn == nil {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		s.conn, s.in = c, bufio.NewReader(c)
	}
	io.WriteString(s.conn, request)
	res, err := http.ReadResponse(s.in, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("no answer to %q: %v", request, err)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 500 && res.StatusCode != http.StatusBadGateway {
		t.Fatalf("%q = %s %s, %v", request, res.Status, text, err)
	}
	if res.Close {
		s.hangUp()
	}
}

// FuzzRequests: no path, Destination, If header or XML body gets out of its cell,
// or makes the server fail.
func FuzzRequests(f *testing.F) {
	s := newSandbox(f)
	f.Add(uint8(6), "f", "/kept/../kept/box/f", "(<a>)", "")
	f.Add(uint8(7), "%2e%2e/%2e%2e/kept", "", "<http://x/> (Not [\"a\"])", "<propfind xmlns='DAV:'><prop><a/></prop></propfind>")
	f.Add(uint8(8), "f", "*", "", "<propertyupdate xmlns='DAV:'><set><prop><x xmlns=''>1</x></prop></set></propertyupdate>")
	f.Add(uint8(9), "\u0301", "//kept", "", exclusiveLock)
	f.Fuzz(func(t *testing.T, method uint8, path, destination, condition, body string) {
		if strings.Contains(destination, "kept") { // may well be meant
			destination = ""
		}
		s.send(t, fuzzMethods[int(method)%len(fuzzMethods)], path, destination, condition, body)
		if now := s.kept(t); now != s.tree {
			t.Errorf("the cell beside changed:\n%s\nto\n%s", s.tree, now)
		}
	})
}

// fragments are what hostile paths, headers and bodies are made of.
var fragments = []string{
	"/", "//", "..", ".", "%2e%2e", "%2f", "%5c", "\\", "%00", "%c0%ae", "%ff", "%", "%zz", "é", "e\u0301", "%F0%9F%92%A9", "f", "d", "d/x", "box", "__", "__snapshot",
	"__log", "__export", "kept", "cell1", "http://localhost", "http://localhost:80/", "https://", "#", "?", "*", "<", ">", "(", ")", "[", "]", "\"", "Not ",
	"<DAV:no-lock>", "urn:uuid:", ";", ":", "@", "&", "&amp;", "<!DOCTYPE a>", "<a", "/>", "</a>", " xmlns='DAV:'", " xmlns:x=''", "<propfind xmlns='DAV:'>", "<prop>",
	"</prop>", "</propfind>", "<allprop/>", "<propertyupdate xmlns='DAV:'>", "<set>", "</set>", "</propertyupdate>", "<lockinfo xmlns='DAV:'>", strings.Repeat("x", 300),
}

// TestRandomRequests sends thousands of hostile requests: the server answers each,
// the cell beside stays as it is, and no memory is kept.
func TestRandomRequests(t *testing.T) {
	s := newSandbox(t)
	r := rand.New(rand.NewPCG(4918, 9110))
	text := func() string {
		var b strings.Builder
		for range r.IntN(7) {
			b.WriteString(fragments[r.IntN(len(fragments))])
		}
		return b.String()
	}
	round := func(n int) {
		for range n {
			destination := text()
			if strings.Contains(destination, "kept") {
				destination = strings.ReplaceAll(destination, "kept", "..%2fkept")
			}
			s.send(t, fuzzMethods[r.IntN(len(fuzzMethods))], text(), destination, text(), text())
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	round(1000)
	before := heap()
	round(4000)
	if grown := int64(heap()) - int64(before); grown > 8<<20 {
		t.Errorf("4,000 requests left %d bytes of memory", grown)
	}
	if now := s.kept(t); now != s.tree {
		t.Errorf("the cell beside changed:\n%s\nto\n%s", s.tree, now)
	}
}
