package dav_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"cellar/barfs"
	"cellar/barfs/bartest"
	"cellar/cellfs/cellfstest"
	"cellar/dav/davtest"
)

// unchanged runs f and fails the test if the tree is another afterwards.
func unchanged(t *testing.T, s *davtest.Server, f func()) {
	t.Helper()
	before := cellfstest.Tree(t, s.FS)
	f()
	if after := cellfstest.Tree(t, s.FS); after != before {
		t.Errorf("the tree changed:\n%s\nto\n%s", before, after)
	}
	s.Anonymous().GET("/__health").Expect().Status(http.StatusOK)
}

// TestRefusedBars sends what must not be installed: each gets its error, leaves
// nothing but a line in the log, and the server goes on.
func TestRefusedBars(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "cell2"}})
	install := func(path string, body []byte) {
		t.Helper()
		s.Request("MKCOL", path).WithHeader("Content-Type", "application/zip").WithBytes(body).Expect().Status(http.StatusAccepted)
		s.WaitBox(path).Value("status").IsEqual("ready")
	}
	good := bartest.New("https://app.example/").File("a.txt", "text/plain", "a").Bytes()
	install("/cell1/there", good)
	other := bartest.New("https://other.example/").Bytes()
	tooBig := strings.Repeat("x", barfs.MaxEntry+1)
	for name, c := range map[string]struct {
		path, contentType string
		body              []byte
		code              string
	}{
		"not a zip":           {"/cell1/new", "application/zip", []byte("plain text"), "PR400-BI-0007"},
		"empty":               {"/cell1/new", "application/zip", nil, "PR400-BI-0007"},
		"truncated":           {"/cell1/new", "application/zip", good[:len(good)-10], "PR400-BI-0007"},
		"cut in half":         {"/cell1/new", "application/zip", good[:len(good)/2], "PR400-BI-0007"},
		"100 MB and a byte":   {"/cell1/new", "application/zip", make([]byte, barfs.MaxArchive+1), "PR400-BI-0002"},
		"10 MB and a byte":    {"/cell1/new", "application/zip", bartest.New("").File("big.bin", "a/b", tooBig).Bytes(), "PR400-BI-0003"},
		"wrong type":          {"/cell1/new", "application/octet-stream", other, "PR400-BI-0001"},
		"a property too many": {"/cell1/new", "application/zip", bartest.New("").Box(manyProps(barfs.MaxProps + 1)).Bytes(), "PR400-BI-0009"},
		"no type":             {"/cell1/new", "", other, "PR400-BI-0001"},
		"same name":           {"/cell1/there", "application/zip", other, "PR405-BI-0001"},
		"same schema":         {"/cell1/new", "application/zip", good, "PR400-BI-0004"},
		"both":                {"/cell1/there", "application/zip", good, "PR400-BI-0004"},
		"main box":            {"/cell1/__", "application/zip", other, "PR405-MC-0001"},
		"no such cell":        {"/none/new", "application/zip", other, "PR404-DV-0003"},
		"bad box name":        {"/cell1/-new", "application/zip", other, "PR400-OD-0006"},
		"dot dot":             {"/cell1/new", "application/zip", bartest.New("").Entry("90_contents/../x", "x").Bytes(), "PR400-BI-0009"},
		"absolute":            {"/cell1/new", "application/zip", bartest.New("").Entry("/etc/passwd", "x").Bytes(), "PR400-BI-0009"},
		"no rootprops":        {"/cell1/new", "application/zip", bartest.New("").NoRootProps().Bytes(), "PR400-BI-0009"},
		"unreadable version":  {"/cell1/new", "application/zip", bartest.New("").Meta("00_manifest.json", `{"bar_version":"two"}`).Bytes(), "PR400-BI-0008"},
		"unknown key":         {"/cell1/new", "application/zip", bartest.New("").Meta("00_manifest.json", `{"bar_version":"2","more":"1"}`).Bytes(), "PR400-BI-0006"},
		"bad version":         {"/cell1/new", "application/zip", bartest.New("").Meta("00_manifest.json", `{"bar_version":"1"}`).Bytes(), "PR400-BI-0010"},
	} {
		t.Run(name, func(t *testing.T) {
			unchanged(t, s, func() {
				r := s.Request("MKCOL", c.path).WithBytes(c.body)
				if c.contentType != "" {
					r = r.WithHeader("Content-Type", c.contentType)
				}
				davtest.Error(r.Expect(), c.code)
			})
		})
	}
	log := s.Get("/cell1/__log/current/default.log")
	for _, line := range []string{`/cell1/new","400"`, `/cell1/there","405"`} {
		if !strings.Contains(log, `"boxinstall","`+s.URL+line) {
			t.Errorf("no line for the refusal %s in\n%s", line, log)
		}
	}
	// A type may have parameters.
	s.Request("MKCOL", "/cell2/typed").WithHeader("Content-Type", `Application/ZIP; charset="utf-8"`).WithBytes(other).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell2/typed").Value("status").IsEqual("ready")
	// The limits themselves are allowed.
	install("/cell2/props", bartest.New("").Box(manyProps(barfs.MaxProps)).Bytes())
	exact := bartest.New("https://exact.example/").File("big.bin", "a/b", tooBig[1:]).Bytes()
	install("/cell2/exact", exact)
	if got := s.Get("/cell2/exact/big.bin"); len(got) != barfs.MaxEntry {
		t.Errorf("the largest entry has %d bytes", len(got))
	}
}

// manyProps are so many dead properties.
func manyProps(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `<p%d xmlns="urn:x"/>`, i)
	}
	return b.String()
}

// TestLargestBar is the other side of the limit of the archive's size.
func TestLargestBar(t *testing.T) {
	t.Parallel()
	bar := bartest.New("").File("a.txt", "text/plain", "a").Bytes()
	s := davtest.New(t, davtest.Config{Limits: barfs.Limits{Archive: int64(len(bar))}})
	s.Request("MKCOL", "/cell1/fits").WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/fits").Value("status").IsEqual("ready")
	longer := append(bytes.Clone(bar), 0)
	davtest.Error(s.Request("MKCOL", "/cell1/new").WithHeader("Content-Type", "application/zip").WithBytes(longer).Expect(), "PR400-BI-0002")
}

// TestHostileXML sends XML bodies that are too large, too deep or not XML.
func TestHostileXML(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "x")
	deep := strings.Repeat("<a>", 5_000) + strings.Repeat("</a>", 5_000)
	for name, c := range map[string]struct{ body, code string }{
		"2 MiB":            {`<propfind xmlns="DAV:"><prop>` + strings.Repeat("<x/>", 1<<19) + `</prop></propfind>`, "PR413-CM-0001"},
		"5,000 deep":       {`<propfind xmlns="DAV:"><prop>` + deep + `</prop></propfind>`, "PR400-DV-0001"},
		"65 deep":          {strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65), "PR400-DV-0001"},
		"not closed":       {`<propfind xmlns="DAV:"><prop>`, "PR400-DV-0001"},
		"no XML":           {"nonsense", "PR400-DV-0001"},
		"DOCTYPE":          {`<!DOCTYPE a [<!ENTITY b "c">]><propfind xmlns="DAV:"><allprop/></propfind>`, "PR400-DV-0001"},
		"custom entity":    {`<propfind xmlns="DAV:"><prop>&b;</prop></propfind>`, "PR400-DV-0001"},
		"another document": {`<lockinfo xmlns="DAV:"/>`, "PR400-DV-0001"},
		"unbound prefix":   {`<propfind xmlns="DAV:"><prop xmlns:x=""><x:y/></prop></propfind>`, "PR400-DV-0001"},
	} {
		t.Run(name, func(t *testing.T) {
			unchanged(t, s, func() {
				for _, m := range []string{"PROPFIND", "PROPPATCH", "LOCK"} {
					if m != "PROPFIND" && name == "another document" {
						continue
					}
					davtest.Error(s.Request(m, "/cell1/box/f").WithHeader("Depth", "0").WithText(c.body).Expect(), c.code)
				}
			})
		})
	}
	s.Request("PROPFIND", "/cell1/box/f").WithHeader("Depth", "0").
		WithText(`<propfind xmlns="DAV:"><prop>` + strings.Repeat("<a>", 60) + strings.Repeat("</a>", 60) + `</prop></propfind>`).
		Expect().Status(http.StatusMultiStatus)
}

// TestHostilePaths sends names that must not be taken, as they stand on the wire.
func TestHostilePaths(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "x")
	for _, path := range []string{
		"/cell1/box/..", "/cell1/box/../box/x", "/cell1/box/./x", "/cell1/box/%2e%2e/x", "/cell1/box/%2e/x", "/cell1/box/a%2fb", "/cell1/box/a%00b",
		"/cell1/box/a%0ab", "/cell1/box/%ff", "/cell1/box/%c0%ae%c0%ae", "/cell1/box/" + strings.Repeat("x", 256), "/../cell1/box/x", "/%2e%2e/x",
	} {
		unchanged(t, s, func() {
			for _, m := range []string{"PUT", "GET", "DELETE", "MKCOL", "PROPFIND"} {
				if got := raw(t, s, m, path, ""); got != http.StatusForbidden {
					t.Errorf("%s %s = %d, want 403", m, path, got)
				}
			}
			for _, m := range []string{"COPY", "MOVE"} {
				if got := raw(t, s, m, "/cell1/box/f", "Destination: "+path+"\r\n"); got != http.StatusForbidden {
					t.Errorf("%s to %s = %d, want 403", m, path, got)
				}
			}
		})
	}
	deep := "/cell1/box" + strings.Repeat("/d", 200)
	if got := raw(t, s, "PUT", deep, ""); got != http.StatusBadRequest {
		t.Errorf("a path of 200 segments = %d, want 400", got)
	}
	for _, dst := range []string{"", "*", "x", "http://", "http://other.example/cell1/box/x", "/", "/cell1", "/cell1/__snapshot/x", "/cell1/box/x?y", "/cell1/box/x#y"} {
		unchanged(t, s, func() {
			if got := raw(t, s, "MOVE", "/cell1/box/f", "Destination: "+dst+"\r\n"); got < 400 || got >= 500 && got != http.StatusBadGateway {
				t.Errorf("MOVE to %q = %d", dst, got)
			}
		})
	}
}

// raw sends a request as it is, without a client that cleans it, and returns the
// status.
func raw(t *testing.T, s *davtest.Server, method, path, headers string) int {
	t.Helper()
	host := strings.TrimPrefix(s.URL, "http://")
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body := ""
	if method == "PUT" {
		body = "x"
	}
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic %s\r\nDepth: 0\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n%s",
		method, path, host, basic(), len(body), headers, body)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil && method != "HEAD" {
		t.Errorf("%s %s: %v", method, path, err)
	}
	return res.StatusCode
}

func basic() string {
	r, _ := http.NewRequest("GET", "/", nil)
	r.SetBasicAuth(davtest.User, davtest.Password)
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
}

// TestTwiceTheHeader: of a header that decides what happens there is only one.
func TestTwiceTheHeader(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "x")
	unchanged(t, s, func() {
		for method, headers := range map[string]string{
			"MOVE": "Destination: /cell1/box/a\r\nDestination: /cell1/box/b\r\n", "COPY": "Destination: /cell1/box/a\r\nOverwrite: F\r\nOverwrite: T\r\n",
			"PROPFIND": "Depth: 1\r\n", "UNLOCK": "Lock-Token: <a>\r\nLock-Token: <b>\r\n", "PUT": "Content-Range: bytes 0-0/1\r\nContent-Range: bytes 0-0/1\r\n",
		} {
			if got := raw(t, s, method, "/cell1/box/f", headers); got != http.StatusBadRequest { // raw sends a Depth of its own
				t.Errorf("%s with %q = %d", method, headers, got)
			}
		}
	})
}

// TestBrokenPut cuts the connection in the middle of an upload (RFC 9112, 8).
func TestBrokenPut(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/old", "old")
	full := strings.Repeat("0123456789", 20_000)
	for _, sent := range []int{0, 1, len(full) - 1} {
		for _, chunked := range []bool{false, true} {
			for _, path := range []string{"/cell1/box/old", "/cell1/box/new"} {
				unchanged(t, s, func() { breakOff(t, s, path, full, sent, chunked) })
			}
		}
	}
	s.WantGet("/cell1/box/old", "old")
	s.WantGone("/cell1/box/new")
}

// breakOff sends the first bytes of a body, closes its side of the connection,
// and waits for the server to give up.
func breakOff(t *testing.T, s *davtest.Server, path, body string, sent int, chunked bool) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	length := fmt.Sprintf("Content-Length: %d", len(body))
	if chunked {
		length = "Transfer-Encoding: chunked"
	}
	fmt.Fprintf(c, "PUT %s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\n%s\r\n\r\n", path, basic(), length)
	if chunked && sent > 0 {
		fmt.Fprintf(c, "%x\r\n%s\r\n", sent, body[:sent])
	} else {
		io.WriteString(c, body[:sent])
	}
	c.(*net.TCPConn).CloseWrite()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err == nil && res.StatusCode < 400 {
		t.Errorf("a body of %d of %d bytes = %s", sent, len(body), res.Status)
	}
}
