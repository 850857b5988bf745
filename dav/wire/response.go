package wire

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// Response is an answer that remembers how far it has come.
type Response struct {
	http.ResponseWriter
	Status int // 0 until the answer has begun
}

// WriteHeader implements [http.ResponseWriter].
func (w *Response) WriteHeader(status int) {
	w.begin(status)
	w.ResponseWriter.WriteHeader(status)
}

// Whole answers r with a body that is in memory, in one piece with its header where that can be.
func (w *Response) Whole(r *http.Request, status int, body []byte) error {
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	if l := linkOf(r); l != nil && l.conn != nil && r.Method != http.MethodHead {
		l.conn.await(len(body))
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(body)
	return err
}

// Write implements [http.ResponseWriter].
func (w *Response) Write(b []byte) (int, error) {
	w.begin(http.StatusOK)
	return w.ResponseWriter.Write(b)
}

// begin notes the status, and spells ETag as RFC 9110 does: package http writes Etag, and some clients look for
// the very letters.
func (w *Response) begin(status int) {
	if w.Status != 0 {
		return
	}
	h := w.Header()
	if v, ok := h["Etag"]; ok {
		delete(h, "Etag")
		h["ETag"] = v
	}
	if status >= http.StatusOK { // an interim answer begins nothing
		w.Status = status
	}
}

// copierTo is a source that writes itself faster than it can be read; cellfs.CopierTo is one.
type copierTo interface {
	CopyTo(w io.Writer, n int64) (int64, error)
}

// ReadFrom hands the source on, so that the kernel can send a file by itself, and a
// snapshot the files that it is made of.
func (w *Response) ReadFrom(src io.Reader) (int64, error) {
	w.begin(http.StatusOK)
	if part, ok := src.(*io.LimitedReader); ok {
		if s, ok := part.R.(copierTo); ok {
			n, err := s.CopyTo(w.ResponseWriter, part.N)
			part.N -= n
			return n, err
		}
	}
	return io.Copy(w.ResponseWriter, src)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *Response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// LimitWrites returns w with a limit on how long a client may take nothing of the answer, and
// what takes the limit off again. It is for answers for which contents are held: while they
// are, nothing that is deleted can be swept.
func LimitWrites(w http.ResponseWriter, stall time.Duration) (limited http.ResponseWriter, done func()) {
	s := stallWriter{w, http.NewResponseController(w), stall}
	return s, func() { _ = s.control.SetWriteDeadline(time.Time{}) } // a connection without deadlines never had one
}

type stallWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
}

// Write implements [http.ResponseWriter].
func (s stallWriter) Write(b []byte) (int, error) {
	_ = s.control.SetWriteDeadline(time.Now().Add(s.stall))
	return s.ResponseWriter.Write(b)
}
