package auth

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

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

// TestAdminIsOne: who guesses the admin's password waits as long under any cell in the URL, and
// an account of that name does not clear the way.
func TestAdminIsOne(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	try := func(cell, name string) attempt {
		return attempt{cell: cell, name: name, addr: netip.MustParseAddr("192.0.2.1"), admin: name == "admin"}
	}
	th := newThrottle()
	th.failed(try("made-up-1", "admin"), now)
	for _, cell := range []string{"", "made-up-1", "made-up-2"} {
		if th.allows(try(cell, "admin"), now) {
			t.Errorf("another try at once, in %q", cell)
		}
		if !th.allows(try(cell, "other"), now) {
			t.Errorf("an account is kept out, in %q", cell)
		}
	}
	elsewhere := try("made-up-2", "admin")
	elsewhere.addr = netip.MustParseAddr("192.0.2.2")
	if !th.allows(elsewhere, now) {
		t.Error("another address is kept out")
	}
	for i := range maxRefused { // under a name each
		th.refuse(try(fmt.Sprint("made-up-", i), "admin"))
	}
	if th.knows(try("", "admin")) {
		t.Errorf("known as right after %d tries that were not looked at", maxRefused)
	}
	th.succeeded(try("made-up-2", "admin"), false) // an account
	if th.allows(try("made-up-2", "admin"), now) || th.allows(try("", "admin"), now) {
		t.Error("an account with the admin's name clears the way")
	}
	th.succeeded(try("", "admin"), true)
	if !th.allows(try("made-up-2", "admin"), now) || th.allows(try("made-up-1", "admin"), now) {
		t.Error("the admin is kept out after the right password, or an account is not")
	}
}
