package multistatus

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"

	"cellar/dav/answer"
)

const (
	// maxListedLocks bounds the locks that a listing shows: they are read before it.
	maxListedLocks = 10_000
	// spillAbove is how much of an answer that is made from the store stays in memory, in
	// bytes.
	spillAbove = 1 << 20
	// sendAbove is how much of an answer that is made from the cache is put together
	// before it is sent, in bytes.
	sendAbove = 256 << 10
)

// gzipAbove is the size from which an answer is worth compressing, in bytes.
const gzipAbove = 2 << 10

// end sends the answer, or the end of it.
func (l *listing) end() error {
	l.add(`</D:multistatus>`)
	if l.send.begun {
		if err := l.send.write(l.buf); err != nil {
			return err
		}
		return l.send.close()
	}
	body, size, err := l.spool.content(l.buf)
	if err != nil {
		return err
	}
	w, err := l.send.begin(size)
	if err == nil {
		_, err = io.Copy(w, body)
	}
	if err != nil {
		return err
	}
	return l.send.close()
}

// encoder sends a 207, compressed if the client takes that. Contents of files are
// never compressed: their entity tags would have to differ.
type encoder struct {
	o     *Options
	begun bool
	zip   *gzip.Writer // nil: not compressed
}

const unknownSize = -1

// begin sends the head of an answer of so many bytes.
func (m *encoder) begin(size int64) (w io.Writer, err error) {
	m.begun = true
	h := m.o.Writer.Header()
	h["Content-Type"] = []string{answer.XMLType}
	h["Vary"] = []string{"Accept-Encoding"}
	if m.o.Minimal {
		h.Add("Preference-Applied", "return=minimal")
	}
	w = m.o.Writer
	switch {
	case (size == unknownSize || size >= gzipAbove) && acceptsGzip(m.o.Request.Header.Get("Accept-Encoding")):
		h["Content-Encoding"] = []string{"gzip"}
		m.zip, err = gzip.NewWriterLevel(m.o.Writer, gzip.BestSpeed)
		w = m.zip
	case size != unknownSize:
		h["Content-Length"] = []string{strconv.FormatInt(size, 10)}
	}
	m.o.Writer.WriteHeader(http.StatusMultiStatus)
	return w, err
}

// write sends more of an answer, beginning it if need be.
func (m *encoder) write(b []byte) (err error) {
	var w io.Writer = m.o.Writer
	switch {
	case !m.begun:
		w, err = m.begin(unknownSize)
	case m.zip != nil:
		w = m.zip
	}
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

func (m *encoder) close() error {
	if m.zip == nil {
		return nil
	}
	return m.zip.Close()
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3).
func acceptsGzip(v string) bool {
	for e := range strings.SplitSeq(v, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(e), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(weight)), "q=")
			f, err := strconv.ParseFloat(q, 64)
			return !ok || err == nil && f > 0
		}
	}
	return false
}
