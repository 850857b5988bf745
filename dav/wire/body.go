package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"cellar/dav/answer"
)

// Errors of a body that is read.
var (
	// ErrStalled: the client sent nothing for too long.
	ErrStalled = answer.New(answer.RequestTimeout)
	// ErrBroken: the body was cut off, or its chunks are none (RFC 9112, 7.1).
	ErrBroken = answer.New(answer.BodyIncomplete)
)

// stallKey is the key of the body in the context of a request.
type stallKey struct{}

// LimitStalls ends a request whose client sends nothing of its body for that time: reading
// the body then returns [ErrStalled]. Any other failure of the connection is [ErrBroken].
func LimitStalls(stall time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			// It is a copy of the request that has the other body: package http looks at the
			// body that it made to see whether one that was announced with "Expect" was asked for.
			b := &body{ReadCloser: r.Body, stall: stall, control: http.NewResponseController(w)}
			r = r.WithContext(context.WithValue(r.Context(), stallKey{}, b))
			r.Body = b
		}
		next.ServeHTTP(w, r)
	})
}

// Stalled reports whether the body of a request stalled. Package http then ends the context of the
// request, so that the error of the work does not say why it failed.
func Stalled(r *http.Request) bool {
	b, ok := r.Context().Value(stallKey{}).(*body)
	return ok && b.stalled
}

// body is a body of which something must arrive now and then.
type body struct {
	io.ReadCloser
	stall   time.Duration
	control *http.ResponseController
	stalled bool
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(b.stall)) // a connection without deadlines has no limit
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF { // the connection is used on; after another error nothing more is to be read
		_ = b.control.SetReadDeadline(time.Time{})
	}
	switch {
	case err == nil || err == io.EOF:
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.stalled, err = true, ErrStalled
	default:
		err = fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return n, err
}
