package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"sync"
	"time"
)

const (
	// verifiedLife is how long a password that was right is not checked again.
	verifiedLife = 5 * time.Minute
	// maxVerified bounds the passwords that are remembered as right.
	maxVerified = 10_000
)

// verified remembers, under a key that never leaves memory, which passwords were right.
// A key holds the account's secret: with a new password the old one is forgotten.
type verified struct {
	random []byte
	mu     *sync.RWMutex
	until  map[[sha256.Size]byte]time.Time
}

func newVerified() verified {
	return verified{random: []byte(rand.Text() + rand.Text()), mu: new(sync.RWMutex), until: map[[sha256.Size]byte]time.Time{}}
}

// key is a hash of all that must be the same again. The first part keeps it apart from
// what anybody else could compute, the lengths keep the others apart from each other.
func (v *verified) key(t attempt, secret []byte) [sha256.Size]byte {
	b := make([]byte, 0, 512)
	b = append(b, v.random...)
	from := source(t.addr).As16()
	b = append(b, from[:]...)
	b = binary.AppendUvarint(b, uint64(len(t.cell)))
	b = append(b, t.cell...)
	b = binary.AppendUvarint(b, uint64(len(t.name)))
	b = append(b, t.name...)
	b = binary.AppendUvarint(b, uint64(len(secret)))
	b = append(append(b, secret...), t.password...)
	return sha256.Sum256(b)
}

func (v *verified) has(key [sha256.Size]byte, now time.Time) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return now.Before(v.until[key])
}

func (v *verified) add(key [sha256.Size]byte, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.until) >= maxVerified {
		clear(v.until)
	}
	v.until[key] = now.Add(verifiedLife)
}

const (
	// interval is how long tries fail after a wrong password, even if they are right
	// (contract 5.8). From the third wrong one on it doubles each time.
	interval    = time.Second
	maxInterval = time.Minute
	// addressTries is how many wrong passwords an address may send at once, whatever
	// the accounts; one more is allowed each second.
	addressTries = 10
	// maxThrottled bounds what is remembered of wrong passwords.
	maxThrottled = 100_000
	// maxRefused is how many refused attempts leave a password that is known to be right usable.
	// That is for an account whose owner has a device which goes on with an old password. A
	// guesser must not be able to recognise the right one by it.
	maxRefused = 100
)

// throttle makes guessing slow: for one account from one address, and for one address.
// It does not keep out callers from other addresses, or with a password that is known to be right.
type throttle struct {
	mu        *sync.Mutex
	accounts  map[throttled]failures
	addresses map[netip.Addr]bucket
}

// throttled is an account that was tried, and the address from which. The cell of the admin is "".
type throttled struct {
	addr       netip.Addr
	cell, name string
}

// tried are those whose passwords an attempt may guess: under the admin's name it is the
// admin, whatever the cell in the URL, and an account of that name.
func (a attempt) tried() []throttled {
	all := []throttled{{source(a.addr), a.cell, a.name}}
	if a.admin && a.cell != "" {
		all = append(all, throttled{source(a.addr), "", a.name})
	}
	return all
}

type failures struct {
	n       int
	refused int // tries since the last success that were not looked at
	until   time.Time
}

// bucket counts the wrong passwords of an address; it leaks one each second.
type bucket struct {
	level float64
	at    time.Time
}

func newThrottle() throttle {
	return throttle{mu: new(sync.Mutex), accounts: map[throttled]failures{}, addresses: map[netip.Addr]bucket{}}
}

// source is what counts as one address: of IPv6 the network of 64 bits that one
// customer has.
func source(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return addr
	}
	p, err := addr.Prefix(64)
	if err != nil {
		return addr
	}
	return p.Addr()
}

func (b bucket) leak(now time.Time) bucket {
	return bucket{max(0, b.level-now.Sub(b.at).Seconds()), now}
}

func (t *throttle) allows(a attempt, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range a.tried() {
		if now.Before(t.accounts[key].until) {
			return false
		}
	}
	return t.addresses[source(a.addr)].leak(now).level < addressTries
}

// knows reports whether a password from there that is known to be right may be taken for right.
func (t *throttle) knows(a attempt) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range a.tried() {
		if t.accounts[key].refused >= maxRefused {
			return false
		}
	}
	return true
}

// refuse counts a try that was not looked at.
func (t *throttle) refuse(a attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range a.tried() {
		if f, ok := t.accounts[key]; ok {
			f.refused++
			t.accounts[key] = f
		}
	}
}

func (t *throttle) failed(a attempt, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.accounts)+len(t.addresses) >= maxThrottled {
		t.forget(now)
	}
	for _, key := range a.tried() {
		f := t.accounts[key]
		f.n++
		f.until = now.Add(min(interval<<min(max(0, f.n-2), 10), maxInterval))
		t.accounts[key] = f
	}
	from := source(a.addr)
	b := t.addresses[from].leak(now)
	b.level++
	t.addresses[from] = b
}

// succeeded forgets the wrong passwords of an account that has logged in. An account that has the admin's
// name does not clear the way to guess the admin's password.
func (t *throttle) succeeded(a attempt, isAdmin bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range a.tried() {
		if isAdmin || key.cell == a.cell {
			delete(t.accounts, key)
		}
	}
}

// forget drops entries that do not count any more, and if that is not enough all entries.
func (t *throttle) forget(now time.Time) {
	for k, f := range t.accounts {
		if now.After(f.until.Add(maxInterval)) {
			delete(t.accounts, k)
		}
	}
	for k, b := range t.addresses {
		if b.leak(now).level == 0 {
			delete(t.addresses, k)
		}
	}
	if len(t.accounts)+len(t.addresses) >= maxThrottled/2 {
		clear(t.accounts)
		clear(t.addresses)
	}
}
