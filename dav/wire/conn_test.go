package wire

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestAnswersComeWhole: a body that is in memory comes in one piece with its header, whatever its size, and
// what follows on the connection is not held.
func TestAnswersComeWhole(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int{"/0": 0, "/1": 1, "/2000": 2000, "/3900": 3900, "/4096": 4096, "/9000": 9000, "/65536": 65536}
	srv := &http.Server{ConnContext: ConnContext, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rw := &Response{ResponseWriter: w}
		body := bytes.Repeat([]byte("x"), sizes[r.URL.Path])
		if r.URL.Path == "/file" {
			rw.Header().Set("Content-Length", "5")
			rw.WriteHeader(http.StatusOK)
			io.Copy(rw, strings.NewReader("a fil"))
			return
		}
		if err := rw.Whole(r, http.StatusOK, body); err != nil {
			t.Error(err)
		}
	})}
	go srv.Serve(Listen(l))
	defer srv.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	client := &http.Client{Transport: &http.Transport{Dial: func(string, string) (net.Conn, error) { return c, nil }}}
	for range 3 {
		for path, size := range sizes {
			for _, method := range []string{"GET", "HEAD"} {
				req, err := http.NewRequestWithContext(t.Context(), method, "http://"+l.Addr().String()+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatalf("%s %s: %v", method, path, err)
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if want := map[string]int{"GET": size}[method]; err != nil || len(body) != want || resp.ContentLength != int64(size) {
					t.Errorf("%s %s: %d bytes of %d announced, %v; want %d", method, path, len(body), resp.ContentLength, err, want)
				}
			}
		}
		resp, err := client.Get("http://" + l.Addr().String() + "/file")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(text) != "a fil" || err != nil {
			t.Errorf("after that: %q, %v", text, err)
		}
	}
}

// TestHeldPieces: what package http writes in two pieces is sent in one, and only that.
func TestHeldPieces(t *testing.T) {
	header := "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
	for _, test := range []struct {
		await  int
		pieces []string
		sent   int // after which piece all is sent
	}{
		{6, []string{header + "abc", "def"}, 2},
		{6, []string{header, "abc", "def"}, 3},
		{6, []string{header + "abcdef"}, 1},
		{0, []string{header}, 1},
		{6, []string{"no header"}, 1},
	} {
		client, server := pipe(t)
		c := &conn{TCPConn: server}
		c.await(test.await)
		for i, p := range test.pieces {
			if n, err := c.Write([]byte(p)); n != len(p) || err != nil {
				t.Errorf("%q: %d, %v", p, n, err)
			}
			if held := len(c.held) > 0; held != (i+1 < test.sent) {
				t.Errorf("%q: held %t after piece %d", test.pieces, held, i+1)
			}
		}
		server.Close()
		got, err := io.ReadAll(client)
		if want := strings.Join(test.pieces, ""); string(got) != want || err != nil {
			t.Errorf("%q was sent as %q, %v", want, got, err)
		}
	}
}

func pipe(t *testing.T) (client net.Conn, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); s.Close() })
	return client, s.(*net.TCPConn)
}
