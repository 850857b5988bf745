package dav

import (
	"cmp"
	"compress/gzip"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"

	"cellar/barfs/xmltree"
	"cellar/dav/answer"
)

const (
	davSpace       = "DAV:"
	personiumSpace = "urn:x-personium:xmlns"
)

// propRequest is what a PROPFIND asks for (RFC 4918, 9.1).
type propRequest struct {
	all       bool // allprop, or no body
	namesOnly bool // propname
	names     []xml.Name
}

func parsePropfind(root *xmltree.Element) (propRequest, error) {
	if root == nil {
		return propRequest{all: true}, nil
	}
	if root.Name != (xml.Name{Space: davSpace, Local: "propfind"}) {
		return propRequest{}, errXML
	}
	var p propRequest
	asked, bytes := 0, 0
	seen := map[xml.Name]bool{}
	for _, c := range root.Children {
		if c.Name.Space != davSpace {
			continue
		}
		switch c.Name.Local {
		case "allprop":
			p.all = true
			asked++
		case "propname":
			p.namesOnly = true
			asked++
		case "prop":
			asked++
			fallthrough
		case "include":
			for _, prop := range c.Children {
				if seen[prop.Name] {
					continue
				}
				seen[prop.Name] = true
				p.names = append(p.names, prop.Name)
				bytes += len(prop.Name.Space) + len(prop.Name.Local)
				if len(p.names) > maxNames || bytes > maxNameBytes {
					return p, errTooLarge
				}
			}
		}
	}
	if asked != 1 {
		return p, errXML
	}
	return p, nil
}

const (
	// maxNames bounds the properties that one PROPFIND can ask for, and maxNameBytes
	// their names together, in bytes: each stands in every response.
	maxNames     = 1000
	maxNameBytes = 16 << 10
	// maxListedLocks bounds the locks that a listing shows: they are read before it.
	maxListedLocks = 10_000
	// spillAbove is how much of an answer that is made from the store stays in memory, in
	// bytes.
	spillAbove = 1 << 20
	// sendAbove is how much of an answer that is made from the cache is put together
	// before it is sent, in bytes.
	sendAbove = 256 << 10
)

// depth of a PROPFIND; absent means infinity (contract 1.8).
type depth int

const infinity depth = -1

func parseDepth(v string) (depth, error) {
	switch strings.ToLower(v) {
	case "0":
		return 0, nil
	case "1", "1,noroot":
		return 1, nil
	case "", "infinity":
		return infinity, nil
	}
	return 0, errDepth(v)
}

// propfind answers PROPFIND: what is read from the store in one point in time, and before
// the first byte goes out, because a listing that breaks off must not look complete.
func (q *request) propfind() error {
	asked, err := readXML(q, parsePropfind)
	if err != nil {
		return err
	}
	d, err := parseDepth(q.Header.Get("Depth"))
	if err != nil {
		return err
	}
	l := &listing{
		q: q, asked: asked, alone: d == 0, send: multistatus{minimal: q.prefers("return", "minimal")}, left: q.h.cfg.PropfindLimit, limited: d == infinity,
		spool: spool{dir: q.h.cfg.TempDir, share: q.answerShare()},
	}
	defer l.spool.Close()
	if err := l.read(d); err != nil {
		// What is missing, or in the way, is told only to who may list.
		return cmp.Or(q.admitted(q.target.Guarded(), q.rules), err)
	}
	return l.end()
}

// gzipAbove is the size from which an answer is worth compressing, in bytes.
const gzipAbove = 2 << 10

// end sends the answer, or the end of it.
func (l *listing) end() error {
	l.buf = append(l.buf, `</D:multistatus>`...)
	if l.send.begun {
		if err := l.send.write(l.q, l.buf); err != nil {
			return err
		}
		return l.send.close()
	}
	body, size, err := l.spool.content(l.buf)
	if err != nil {
		return err
	}
	w, err := l.send.begin(l.q, size)
	if err == nil {
		_, err = io.Copy(w, body)
	}
	if err != nil {
		return err
	}
	return l.send.close()
}

// multistatus sends a 207, compressed if the client takes that. Contents of files are
// never compressed: their entity tags would have to differ.
type multistatus struct {
	minimal bool // what is missing is left out (RFC 8144, 2.1)
	begun   bool
	zip     *gzip.Writer // nil: not compressed
}

const unknownSize = -1

// begin sends the head of an answer of so many bytes.
func (m *multistatus) begin(q *request, size int64) (w io.Writer, err error) {
	m.begun = true
	h := q.w.Header()
	h["Content-Type"] = []string{answer.XMLType}
	h["Vary"] = []string{"Accept-Encoding"}
	if m.minimal {
		h.Add("Preference-Applied", "return=minimal")
	}
	w = q.w
	switch {
	case (size == unknownSize || size >= gzipAbove) && acceptsGzip(q.Header.Get("Accept-Encoding")):
		h["Content-Encoding"] = []string{"gzip"}
		m.zip, err = gzip.NewWriterLevel(q.w, gzip.BestSpeed)
		w = m.zip
	case size != unknownSize:
		h["Content-Length"] = []string{strconv.FormatInt(size, 10)}
	}
	q.w.WriteHeader(http.StatusMultiStatus)
	return w, err
}

// write sends more of an answer, beginning it if need be.
func (m *multistatus) write(q *request, b []byte) (err error) {
	var w io.Writer = q.w
	switch {
	case !m.begun:
		w, err = m.begin(q, unknownSize)
	case m.zip != nil:
		w = m.zip
	}
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

func (m *multistatus) close() error {
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
