package auth

import (
	"context"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	// gateWait is how long a request waits for its turn.
	gateWait = 10 * time.Second
	// maxWaiting bounds the requests that wait, and maxWaitingFrom those of one address. When all
	// places are taken, a request of an address with fewer places takes one from the address
	// with most.
	maxWaiting     = 256
	maxWaitingFrom = 64
)

// gate bounds the passwords that are hashed at the same time, so that processors are left for other
// work. Addresses take turns: however much one of them sends, another waits only for the hashes that
// are being made, and not for all that wait.
type gate struct {
	mu      sync.Mutex
	free    int // hashes that could begin
	waiting int
	// lines are the requests that wait, by address. The address that had its turn last is the
	// last one. Within a line the order is that in which they came.
	lines []*line
}

// line is the requests that wait from one address; it is never empty.
type line struct {
	from netip.Addr
	all  []*turn
}

// turn is a place in a line. decided gets one value: whether the turn has come, or the request was put
// out.
type turn struct {
	from    netip.Addr
	decided chan bool
}

func newGate(n int) *gate {
	if n == 0 {
		n = max(1, runtime.NumCPU()/2)
	}
	return &gate{free: n}
}

// enter waits for a turn. It returns [ErrBusy] if there are too many, or it takes too
// long.
func (g *gate) enter(ctx context.Context, from netip.Addr) (leave func(), err error) {
	t := &turn{from: from, decided: make(chan bool, 1)}
	if !g.queue(t) {
		return nil, ErrBusy
	}
	ctx, cancel := context.WithTimeout(ctx, gateWait)
	defer cancel()
	select {
	case ok := <-t.decided:
		if !ok {
			return nil, ErrBusy
		}
		return func() { g.leave(from) }, nil
	case <-ctx.Done():
		if !g.withdraw(t) && <-t.decided { // at this moment
			g.leave(from)
		}
		return nil, ErrBusy
	}
}

// queue puts a turn at the end of the line of its address, or says that there is no place.
func (g *gate) queue(t *turn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := g.find(t.from)
	mine := 0
	if i >= 0 {
		mine = len(g.lines[i].all)
	}
	if mine >= maxWaitingFrom || g.waiting >= maxWaiting && !g.makeRoom(mine) {
		return false
	}
	if i = g.find(t.from); i < 0 {
		i = len(g.lines)
		g.lines = append(g.lines, &line{from: t.from})
	}
	g.lines[i].all = append(g.lines[i].all, t)
	g.waiting++
	g.next()
	return true
}

// makeRoom puts the last one of the longest line out, if that is longer than one of mine with
// one more would be.
func (g *gate) makeRoom(mine int) bool {
	longest := slices.MaxFunc(g.lines, func(a, b *line) int { return len(a.all) - len(b.all) })
	if len(longest.all) <= mine+1 {
		return false
	}
	last := longest.all[len(longest.all)-1]
	g.remove(last)
	last.decided <- false
	return true
}

// leave ends a turn of that address, which then is the last one.
func (g *gate) leave(from netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free++
	g.last(g.find(from))
	g.next()
}

// withdraw takes a turn out of its line, unless it was decided.
func (g *gate) withdraw(t *turn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.remove(t)
}

// next gives turns to the first lines while hashes are free.
func (g *gate) next() {
	for g.free > 0 && len(g.lines) > 0 {
		t := g.lines[0].all[0]
		g.last(0)
		g.remove(t)
		g.free--
		t.decided <- true
	}
}

func (g *gate) find(from netip.Addr) int {
	return slices.IndexFunc(g.lines, func(l *line) bool { return l.from == from })
}

// last makes a line the last one; i may be -1.
func (g *gate) last(i int) {
	if i >= 0 {
		l := g.lines[i]
		g.lines = append(slices.Delete(g.lines, i, i+1), l)
	}
}

// remove takes a turn out, and its line if that is empty then.
func (g *gate) remove(t *turn) bool {
	i := g.find(t.from)
	if i < 0 {
		return false
	}
	l := g.lines[i]
	k := slices.Index(l.all, t)
	if k < 0 {
		return false
	}
	l.all = slices.Delete(l.all, k, k+1)
	if len(l.all) == 0 {
		g.lines = slices.Delete(g.lines, i, i+1)
	}
	g.waiting--
	return true
}
