package dav

import (
	"crypto/md5"  // OC-Checksum: clients send it, it protects against accidents only
	"crypto/sha1" // likewise
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"

	"cellar/cellfs"
	"cellar/dav/answer"
)

// errEncoding: the store keeps the bytes of a body, and not the coding that they are in.
var errEncoding = answer.New(answer.ContentEncoding)

// encoded refuses a body with a Content-Encoding, and names the coding that is accepted (RFC 9110,
// 8.4 and 15.5.16).
func (q *request) encoded() error {
	if q.ContentLength == 0 {
		return nil
	}
	for _, v := range q.Header["Content-Encoding"] {
		for coding := range strings.SplitSeq(v, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				q.w.Header()["Accept-Encoding"] = []string{"identity"}
				return errEncoding
			}
		}
	}
	return nil
}

// upload is the body of a PUT, checked against what the client says of it besides
// Content-Length: X-Expected-Entity-Length (Finder, whose bodies are chunked) and
// OC-Checksum.
func (q *request) upload() (io.Reader, error) {
	var body io.Reader = q.Body
	if v := q.Header.Get("X-Expected-Entity-Length"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return nil, answer.New(answer.HeaderValue, "X-Expected-Entity-Length", cellfs.Printable(v))
		}
		body = &exact{r: body, left: n}
	}
	kind, sum, _ := strings.Cut(q.Header.Get("Oc-Checksum"), ":")
	hashes := map[string]func() hash.Hash{"SHA1": sha1.New, "MD5": md5.New, "SHA256": sha256.New}
	newHash := hashes[strings.ToUpper(kind)]
	if newHash == nil { // none, or one that is not known here: nothing to check
		return body, nil
	}
	want, err := hex.DecodeString(strings.TrimSpace(sum))
	if err != nil {
		return nil, answer.New(answer.HeaderValue, "OC-Checksum", cellfs.Printable(q.Header.Get("Oc-Checksum")))
	}
	return &checked{r: body, sum: newHash(), want: want}, nil
}

// exact fails unless r gives exactly the announced number of bytes.
type exact struct {
	r    io.Reader
	left int64
}

func (e *exact) Read(b []byte) (int, error) {
	n, err := e.r.Read(b)
	e.left -= int64(n)
	if e.left < 0 || err == io.EOF && e.left > 0 {
		return n, cellfs.ErrShortBody
	}
	return n, err
}

// within fails once r gives more bytes than the quota leaves room for.
type within struct {
	r    io.Reader
	left int64
}

func (w *within) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	if w.left -= int64(n); w.left < 0 {
		return n, errQuota
	}
	return n, err
}

// checked fails at the end of r unless its bytes have the announced checksum.
type checked struct {
	r    io.Reader
	sum  hash.Hash
	want []byte
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.sum.Write(b[:n])
	if err == io.EOF && !slices.Equal(c.sum.Sum(nil), c.want) {
		return n, answer.New(answer.Checksum)
	}
	return n, err
}
