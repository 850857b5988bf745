package auth

import (
	"errors"
	"net/netip"
	"testing"
)

// TestGate: one address leaves room for others, and all together have a limit.
func TestGate(t *testing.T) {
	g := newGate(1)
	addr := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, n}) }
	for from, want := range map[byte]int{1: maxWaitingFrom, 2: maxWaitingFrom} {
		for range want {
			if !g.queue(addr(from)) {
				t.Fatalf("fewer than %d from one address", want)
			}
		}
		if g.queue(addr(from)) {
			t.Errorf("more than %d from one address", want)
		}
	}
	for i := range maxWaiting - 2*maxWaitingFrom {
		if !g.queue(addr(byte(3 + i%10))) {
			t.Fatal("fewer than the limit")
		}
	}
	if _, err := g.enter(t.Context(), addr(200)); !errors.Is(err, ErrBusy) {
		t.Errorf("beyond the limit: %v", err)
	}
	g.unqueue(addr(1))
	leave, err := g.enter(t.Context(), addr(200))
	if err != nil {
		t.Fatal(err)
	}
	leave()
	if g.waiting != maxWaiting-1 || g.from[addr(200)] != 0 {
		t.Errorf("%d wait, %d of them from the last", g.waiting, g.from[addr(200)])
	}
}

// TestSource: of IPv6, a network of 64 bits is one customer.
func TestSource(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		if got := source(netip.MustParseAddr(c.a)) == source(netip.MustParseAddr(c.b)); got != c.same {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
}
