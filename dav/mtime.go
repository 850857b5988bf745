package dav

import (
	"crypto/md5"  // OC-Checksum: clients send it, it protects against accidents only
	"crypto/sha1" // likewise
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
)

// mtime reads X-OC-Mtime: seconds since 1970, by which rclone and ownCloud's
// clients keep the time of a file. Zero for none.
func (q *request) mtime() (time.Time, error) {
	v := q.Header.Get("X-Oc-Mtime")
	if v == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
	if err != nil || math.IsNaN(seconds) || math.Abs(seconds) > 1e11 {
		return time.Time{}, codef("PR400-DV-0009", "Request header %s value is invalid [%s].", "X-OC-Mtime", printable(v))
	}
	q.w.Header()["X-OC-Mtime"] = []string{"accepted"}
	return time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC(), nil
}

const win32Space = "urn:schemas-microsoft-com:"

// splitTimes takes modification times out of the properties to set: they are the
// file's, not dead properties. Windows sets its own, which stays readable too.
func splitTimes(patches []cellfs.PropPatch) (dead []cellfs.PropPatch, mtime time.Time, err error) {
	for _, p := range patches {
		standard := p.Space == davSpace && p.Local == "getlastmodified"
		windows := p.Space == win32Space && p.Local == "Win32LastModifiedTime"
		if (standard || windows) && !p.Remove {
			root, xerr := xmltree.Parse([]byte(p.XML))
			if xerr != nil {
				return nil, mtime, errXML
			}
			text := strings.TrimSpace(root.Text())
			if mtime, err = http.ParseTime(text); err != nil {
				mtime, err = time.Parse(time.RFC3339, text)
			}
			if err != nil {
				return nil, mtime, codef("PR400-DV-0002", "XML content error.")
			}
		}
		if !standard {
			dead = append(dead, p)
		}
	}
	return dead, mtime.UTC(), nil
}

// upload is the body of a PUT, checked against what the client says of it besides
// Content-Length: X-Expected-Entity-Length (Finder, whose bodies are chunked) and
// OC-Checksum.
func (q *request) upload() (io.Reader, error) {
	var body io.Reader = q.Body
	if v := q.Header.Get("X-Expected-Entity-Length"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return nil, codef("PR400-DV-0009", "Request header %s value is invalid [%s].", "X-Expected-Entity-Length", printable(v))
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
		return nil, codef("PR400-DV-0009", "Request header %s value is invalid [%s].", "OC-Checksum", printable(q.Header.Get("Oc-Checksum")))
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
		return n, fmt.Errorf("%w: %w", cellfs.ErrShortBody, io.ErrUnexpectedEOF)
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
		return n, codef("PR400-CM-0007", "The checksum of the body differs from OC-Checksum.")
	}
	return n, err
}
