package dav_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"cellar/dav/davtest"
)

// TestEncodedBodies: what comes with a Content-Encoding is refused, not kept as if it
// were the content (RFC 9110, 8.4).
func TestEncodedBodies(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "x")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, `<propfind xmlns="DAV:"><allprop/></propfind>`)
	z.Close()
	unchanged(t, s, func() {
		for _, c := range []struct{ method, path, coding string }{
			{"PUT", "/cell1/box/f", "gzip"},
			{"PUT", "/cell1/box/new", "identity, br"},
			{"PUT", "/cell1/box/new", "aws-chunked"},
			{"PROPFIND", "/cell1/box", "gzip"},
			{"PROPPATCH", "/cell1/box/f", "deflate"},
			{"LOCK", "/cell1/box/new", "gzip"},
			{"MKCOL", "/cell1/box/new", "gzip"},
			{"MKCOL", "/cell1/app", "gzip"},
			{"ACL", "/cell1/box", "x-gzip"},
			{"POST", "/cell1/__ctl/Role", "gzip"},
			{"POST", "/cell1/__import", "gzip"},
		} {
			r := s.Request(c.method, c.path).WithHeader("Content-Encoding", c.coding).WithHeader("Depth", "0").WithBytes(packed.Bytes()).Expect()
			davtest.Error(r, "PR415-CM-0001")
			r.Header("Accept-Encoding").IsEqual("identity")
		}
	})
	s.Request("PUT", "/cell1/box/f").WithHeader("Content-Encoding", "Identity").WithText("plain").Expect().Status(http.StatusNoContent)
	s.WantGet("/cell1/box/f", "plain")
	s.Request("DELETE", "/cell1/box/f").WithHeader("Content-Encoding", "gzip").Expect().Status(http.StatusNoContent) // of nothing
	davtest.Error(s.Anonymous().PUT("/cell1/box/f").WithHeader("Content-Encoding", "gzip").WithText("x").Expect(), "PR401-AU-0001")
}

// TestMalformedChunks: a body that is not what RFC 9112, 7.1 says is the client's fault,
// whatever reads it.
func TestMalformedChunks(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "x")
	requests := []string{
		"PUT /cell1/box/f", "PUT /cell1/box/new", "PROPFIND /cell1/box", "PROPPATCH /cell1/box/f", "LOCK /cell1/box/f", "ACL /cell1/box", "MKCOL /cell1/box/d",
		"MKCOL /cell1/app", "POST /cell1/__ctl/Role", "POST /cell1/__event", "POST /cell1/__import", "POST /cell1/__export", "POST /cell1/__token",
	}
	unchanged(t, s, func() {
		for _, request := range requests {
			contentType := map[string]string{"MKCOL /cell1/app": "application/zip", "POST /cell1/__token": "application/x-www-form-urlencoded"}[request]
			if contentType == "" {
				contentType = "application/xml"
			}
			for _, body := range []string{"zz\r\n<a/>\r\n0\r\n\r\n", "4\r\n<a/>xx0\r\n\r\n", "-1\r\n\r\n", strings.Repeat("f", 17) + "\r\n<a/>\r\n0\r\n\r\n", strings.Repeat("0", 5000) + "1\r\n"} {
				c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Type: %s\r\nDepth: 0\r\nTransfer-Encoding: chunked\r\n\r\n%s", request, basic(), contentType, body)
				res, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil || res.StatusCode != http.StatusBadRequest {
					t.Errorf("%s with %.30q: %v, %v", request, body, res, err)
				}
				c.Close()
			}
		}
	})
}

// TestXMLInUTF16: RFC 4918, 8.2.
func TestXMLInUTF16(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	wide := func(text string) []byte {
		b := []byte("\xff\xfe")
		for _, r := range text {
			b = append(b, byte(r), byte(r>>8))
		}
		return b
	}
	s.Request("PROPPATCH", "/cell1/box").WithHeader("Content-Type", "text/xml; charset=utf-16").
		WithBytes(wide(`<?xml version="1.0" encoding="utf-16"?><propertyupdate xmlns="DAV:"><set><prop><p xmlns="urn:x">日本</p></prop></set></propertyupdate>`)).
		Expect().Status(http.StatusMultiStatus)
	r := s.Request("PROPFIND", "/cell1/box").WithHeader("Depth", "0").WithBytes(wide(`<propfind xmlns="DAV:"><prop><p xmlns="urn:x"/></prop></propfind>`)).
		Expect().Status(http.StatusMultiStatus)
	if got := davtest.ParseMultistatus(t, r.Body().Raw())[0].Props["{urn:x}p"]; got != "日本" {
		t.Errorf("the property is %q", got)
	}
}
