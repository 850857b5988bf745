package dav

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"cellar/dav/answer"
)

// errStalled: the client sent nothing for too long.
var errStalled = answer.New(answer.RequestTimeout)

// arriving is a body of which something must arrive now and then.
type arriving struct {
	io.ReadCloser
	q       *request
	control *http.ResponseController
}

// arrives puts the limit on the body of a request. It is a copy of the request that has
// it: package http looks at the body that it made to see whether one that was announced
// with "Expect" was asked for.
func (q *request) arrives() {
	if q.ContentLength != 0 {
		q.Request = q.WithContext(q.Context())
		q.Body = &arriving{q.Body, q, http.NewResponseController(q.w.ResponseWriter)}
	}
}

// Read implements [io.Reader].
func (a *arriving) Read(b []byte) (int, error) {
	_ = a.control.SetReadDeadline(time.Now().Add(a.q.h.cfg.StallTime)) // a connection without deadlines has no limit
	n, err := a.ReadCloser.Read(b)
	if err == io.EOF { // the connection is used on; after another error nothing more is to be read
		_ = a.control.SetReadDeadline(time.Time{})
	}
	switch {
	case err == nil || err == io.EOF:
	case errors.Is(err, os.ErrDeadlineExceeded):
		a.q.stalled, err = true, errStalled
	default: // cut off, or chunks that are none (RFC 9112, 7.1): the client's fault
		err = fmt.Errorf("%w: %w", errBroken, err)
	}
	return n, err
}
