package dav

import (
	"net/netip"
	"sync"

	"cellar/dav/auth"
)

// DefaultAnswerSpace is how much disk all answers together may take that are put together
// in files before they are sent, in bytes: long listings, and bars of boxes. Those for
// one address may take half of it.
const DefaultAnswerSpace = 2 << 30

// answerSpace is the budget of such answers. It is safe for concurrent use.
type answerSpace struct {
	mu   sync.Mutex
	left int64
	each int64 // for one address
	by   map[netip.Addr]int64
}

func newAnswerSpace(bytes int64) *answerSpace {
	return &answerSpace{left: bytes, each: bytes / 2, by: map[netip.Addr]int64{}}
}

// share is what one answer takes of the budget. Its owner releases it.
type share struct {
	space *answerSpace
	addr  netip.Addr
	taken int64
}

func (q *request) answerShare() *share { return &share{space: q.h.answers, addr: q.peer.Addr} }

// take reserves so many more bytes. It returns [auth.ErrBusy] if others use them now, and
// errLongAnswer if one answer can never have them.
func (s *share) take(bytes int64) error {
	a := s.space
	if s.taken+bytes > a.each {
		return errLongAnswer
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if bytes > a.left || a.by[s.addr]+bytes > a.each {
		return auth.ErrBusy
	}
	a.left -= bytes
	a.by[s.addr] += bytes
	s.taken += bytes
	return nil
}

// release gives back what was taken.
func (s *share) release() {
	if s.taken == 0 {
		return
	}
	a := s.space
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left += s.taken
	if a.by[s.addr] -= s.taken; a.by[s.addr] == 0 {
		delete(a.by, s.addr)
	}
	s.taken = 0
}
