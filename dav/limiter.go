package dav

import (
	"sync"
	"time"
)

// limiter lets so many of a kind through in a time, and counts what it leaves out. It is
// for lines of logs that a client can cause without having a right to.
type limiter struct {
	most int // of each kind
	per  time.Duration

	mu    sync.Mutex
	kinds map[int64]*allowance
}

type allowance struct {
	since   time.Time
	n       int
	leftOut int64 // since the last one that was let through
}

func newLimiter(most int, per time.Duration) *limiter {
	return &limiter{most: most, per: per, kinds: map[int64]*allowance{}}
}

// allow reports whether another one of the kind is let through, and how many were left out
// before it.
func (l *limiter) allow(kind int64, now time.Time) (ok bool, leftOut int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.kinds[kind]
	if a == nil {
		a = &allowance{since: now}
		l.kinds[kind] = a
	}
	if since := now.Sub(a.since); since < 0 || since >= l.per {
		a.since, a.n = now, 0
	}
	if a.n == l.most {
		a.leftOut++
		return false, 0
	}
	a.n++
	leftOut, a.leftOut = a.leftOut, 0
	return true, leftOut
}
