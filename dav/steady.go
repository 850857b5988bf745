package dav

import (
	"net/http"
	"time"
)

// DefaultStallTime is how long a client may take nothing of an answer for which contents
// are held: while they are, nothing that is deleted can be swept.
const DefaultStallTime = 2 * time.Minute

// steady ends the answer of a client that takes nothing for a while.
type steady struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
}

// steadily returns w with a limit on stalls, and what takes the limit off again.
func (q *request) steadily() (w http.ResponseWriter, done func()) {
	s := steady{q.w, http.NewResponseController(q.w), q.h.cfg.StallTime}
	return s, func() { _ = s.control.SetWriteDeadline(time.Time{}) } // a connection without deadlines never had one
}

// Write implements [http.ResponseWriter].
func (s steady) Write(b []byte) (int, error) {
	_ = s.control.SetWriteDeadline(time.Now().Add(s.stall))
	return s.ResponseWriter.Write(b)
}
