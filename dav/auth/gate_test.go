package auth

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func addrOf(n byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, n}) }

// wait queues a turn of an address.
func wait(t *testing.T, g *gate, from byte) *turn {
	t.Helper()
	x := &turn{from: addrOf(from), decided: make(chan bool, 1)}
	if !g.queue(x) {
		t.Fatalf("no place for address %d", from)
	}
	return x
}

// TestTurnsGoByAddress: who comes from an address at which nobody is served waits for what runs,
// and for one turn of each other address that was there before.
func TestTurnsGoByAddress(t *testing.T) {
	g := newGate(1)
	turns := map[*turn]byte{}
	come := func(from ...byte) {
		for _, a := range from {
			turns[wait(t, g, a)] = a
		}
	}
	var served []byte
	begin := func() {
		for x, a := range turns {
			select {
			case ok := <-x.decided:
				if !ok {
					t.Errorf("address %d is put out", a)
				}
				served = append(served, a)
				delete(turns, x)
			default:
			}
		}
	}
	next := func() {
		t.Helper()
		g.leave(addrOf(served[len(served)-1]))
		begin()
	}
	come(1, 1, 1, 1, 1)
	begin()
	come(2) // while 1 is served
	next()
	come(3, 2)
	next() // 1 was before 3
	next()
	next()
	come(4)
	for len(turns) > 0 {
		next()
	}
	if want := []byte{1, 2, 1, 3, 2, 1, 4, 1, 1}; !slices.Equal(served, want) {
		t.Errorf("served %d, want %d", served, want)
	}
	g.leave(addrOf(1))
	if g.free != 1 || g.waiting != 0 || len(g.lines) != 0 {
		t.Errorf("what is left: %+v", g)
	}
}

// TestPlacesAtTheGate: one address has so many places; when all are taken, who has few gets
// one of who has many.
func TestPlacesAtTheGate(t *testing.T) {
	g := newGate(1)
	if x := wait(t, g, 0); !<-x.decided {
		t.Fatal("a free gate does not open")
	}
	last := map[byte]*turn{}
	for from := range byte(maxWaiting / maxWaitingFrom) {
		for range maxWaitingFrom {
			last[from+1] = wait(t, g, from+1)
		}
		if g.queue(&turn{from: addrOf(from + 1), decided: make(chan bool, 1)}) {
			t.Errorf("more than %d wait from one address", maxWaitingFrom)
		}
	}
	if g.waiting != maxWaiting {
		t.Fatalf("%d wait", g.waiting)
	}
	wait(t, g, 200)
	if g.waiting != maxWaiting || g.find(addrOf(200)) < 0 {
		t.Errorf("%d wait, and another address has no place", g.waiting)
	}
	out := 0
	for _, x := range last {
		select {
		case ok := <-x.decided:
			if ok {
				t.Error("two at once")
			}
			out++
		default:
		}
	}
	if out != 1 {
		t.Errorf("%d were put out, want the last of one address", out)
	}

	// With one place for each there is none to give.
	g = newGate(1)
	<-wait(t, g, 0).decided
	for i := range maxWaiting {
		x := &turn{from: netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), decided: make(chan bool, 1)}
		if !g.queue(x) {
			t.Fatal("fewer than the limit")
		}
	}
	if g.queue(&turn{from: addrOf(1), decided: make(chan bool, 1)}) {
		t.Error("more than the limit")
	}
}

// TestWaitingEnds: who waits too long, or goes away, has no turn and leaves no trace.
func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		leave, err := g.enter(t.Context(), addrOf(1))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := g.enter(t.Context(), addrOf(2)); !errors.Is(err, ErrBusy) || time.Since(began) != gateWait {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := g.enter(gone, addrOf(2)); !errors.Is(err, ErrBusy) {
			t.Errorf("a client that is gone: %v", err)
		}
		leave()
		if leave, err = g.enter(t.Context(), addrOf(2)); err != nil {
			t.Fatal(err)
		}
		leave()
		if g.free != 1 || g.waiting != 0 || len(g.lines) != 0 {
			t.Errorf("what is left: %+v", g)
		}
	})
}
