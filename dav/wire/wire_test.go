package wire_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"cellar/dav/wire"
)

// TestPeers: what a proxy says of the client counts only from one that is trusted, and then the
// last address that is no proxy's.
func TestPeers(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		remote string
		header []string
		peer   wire.Peer
		host   string
	}{
		{"192.0.2.1:5", nil, wire.Peer{Addr: netip.MustParseAddr("192.0.2.1")}, "h"},
		{"192.0.2.1:5", []string{"X-Forwarded-For", "198.51.100.1", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "x"}, wire.Peer{Addr: netip.MustParseAddr("192.0.2.1")}, "h"},
		{"10.0.0.1:5", []string{"X-Forwarded-For", "203.0.113.9, 198.51.100.1", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "x.example"}, wire.Peer{Addr: netip.MustParseAddr("198.51.100.1"), HTTPS: true}, "x.example"},
		{"10.0.0.1:5", []string{"X-Forwarded-For", "198.51.100.1, 10.0.0.2"}, wire.Peer{Addr: netip.MustParseAddr("198.51.100.1")}, "h"},
		{"10.0.0.1:5", []string{"X-Forwarded-For", "[2001:db8::1]:80"}, wire.Peer{Addr: netip.MustParseAddr("2001:db8::1")}, "h"},
		{"10.0.0.1:5", []string{"X-Forwarded-For", "nonsense", "X-Forwarded-Host", `a"b`}, wire.Peer{Addr: netip.MustParseAddr("10.0.0.1")}, "h"},
		{"pipe", nil, wire.Peer{}, "h"},
	} {
		r := httptest.NewRequest("GET", "http://h/", nil)
		r.RemoteAddr = c.remote
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Set(c.header[i], c.header[i+1])
		}
		wire.FindPeers(trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if got := wire.PeerOf(r); got != c.peer || r.Host != c.host {
				t.Errorf("%s %v: %+v, host %s", c.remote, c.header, got, r.Host)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	}
}

// TestBodies: a body that stalls and one that is cut off are distinguished.
func TestBodies(t *testing.T) {
	type outcome struct {
		err     error
		stalled bool
	}
	ended := make(chan outcome, 1)
	s := httptest.NewServer(wire.LimitStalls(time.Second, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		ended <- outcome{err, wire.Stalled(r)}
	})))
	defer s.Close()
	for name, c := range map[string]struct {
		send  string
		close bool
		want  error
	}{
		"whole":   {"Content-Length: 3\r\n\r\nabc", false, nil},
		"stalled": {"Content-Length: 3\r\n\r\na", false, wire.ErrStalled},
		"cut off": {"Content-Length: 3\r\n\r\na", true, wire.ErrBroken},
		"chunks":  {"Transfer-Encoding: chunked\r\n\r\nzz\r\n", false, wire.ErrBroken},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "PUT / HTTP/1.1\r\nHost: h\r\n"+c.send); err != nil {
			t.Fatal(err)
		}
		if c.close {
			conn.Close()
		}
		got := <-ended
		conn.Close()
		if !errors.Is(got.err, c.want) || (c.want == nil) != (got.err == nil) || got.stalled != (name == "stalled") {
			t.Errorf("%s: %v, stalled %v", name, got.err, got.stalled)
		}
	}
}

// TestResponse remembers the status of an answer, however it is begun.
func TestResponse(t *testing.T) {
	for want, begin := range map[int]func(w *wire.Response){
		0:   func(*wire.Response) {},
		204: func(w *wire.Response) { w.WriteHeader(204) },
		200: func(w *wire.Response) { _, _ = io.WriteString(w, "x") },
	} {
		w := &wire.Response{ResponseWriter: httptest.NewRecorder()}
		begin(w)
		if w.Status != want {
			t.Errorf("status %d, want %d", w.Status, want)
		}
	}
	w := &wire.Response{ResponseWriter: httptest.NewRecorder()}
	if n, err := w.ReadFrom(strings.NewReader("text")); n != 4 || err != nil || w.Status != 200 {
		t.Errorf("ReadFrom: %d, %v, status %d", n, err, w.Status)
	}
}

// TestETagIsSpelled: the name of the header goes out as RFC 9110 has it, since some clients compare letters.
func TestETagIsSpelled(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"a status":  func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) },
		"a body":    func(w http.ResponseWriter) { io.WriteString(w, "x") },
		"from file": func(w http.ResponseWriter) { io.Copy(w, strings.NewReader("x")) },
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"1"`)
			answer(&wire.Response{ResponseWriter: w})
		}))
		defer s.Close()
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		text, err := io.ReadAll(conn)
		if err != nil || strings.Count(string(text), "\r\nETag: \"1\"\r\n") != 1 || strings.Contains(string(text), "Etag") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}
