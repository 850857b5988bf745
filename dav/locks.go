package dav

import (
	"sync"
	"time"

	"cellar/cellfs"
)

const (
	defaultLockTime = 10 * time.Minute
	maxLockTime     = 24 * time.Hour
)

// locks are the locks of a unit, in memory: a restart loses them.
type locks struct {
	now func() time.Time

	mu     sync.Mutex // held for map look-ups only
	byRoot map[string][]*lock
}

func newLocks() *locks { return &locks{now: time.Now, byRoot: map[string][]*lock{}} }

func lockKey(p cellfs.Path) string { return cellfs.Key(p.String()) }

// at returns the live locks with that root. mu is held.
func (l *locks) at(p cellfs.Path) []*lock {
	key := lockKey(p)
	all, now := l.byRoot[key], l.now()
	live := all[:0:0]
	for _, k := range all {
		if k.expires.After(now) {
			live = append(live, k)
		}
	}
	if len(live) != len(all) {
		l.put(key, live)
	}
	return live
}

func (l *locks) put(key string, all []*lock) {
	if len(all) == 0 {
		delete(l.byRoot, key)
	} else {
		l.byRoot[key] = all
	}
}

// covering calls yield for every root whose locks protect p itself. mu is held.
func (l *locks) covering(p cellfs.Path, yield func(root []*lock)) {
	if len(l.byRoot) == 0 {
		return
	}
	if all := l.at(p); len(all) > 0 {
		yield(all)
	}
	for up := p; up.Len() > 0; {
		up = up.Parent()
		var deep []*lock
		for _, k := range l.at(up) {
			if k.infinite {
				deep = append(deep, k)
			}
		}
		if len(deep) > 0 {
			yield(deep)
		}
	}
}

// below calls yield for every root that lies below p. mu is held.
func (l *locks) below(p cellfs.Path, yield func(root []*lock)) {
	for _, all := range l.byRoot {
		if root := all[0].root; root.Len() > p.Len() && p.Contains(root) {
			if live := l.at(root); len(live) > 0 {
				yield(live)
			}
		}
	}
}

// allow returns [errLocked] unless one of tokens is submitted for every locked
// resource that a change of p concerns: p itself, with deep all below, with
// member the collection above.
func (l *locks) allow(p cellfs.Path, deep, member bool, tokens []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.byRoot) == 0 {
		return nil
	}
	held := true
	need := func(root []*lock) {
		for _, k := range root {
			for _, t := range tokens {
				if t == k.token {
					return
				}
			}
		}
		held = false
	}
	l.covering(p, need)
	if deep {
		l.below(p, need)
	}
	if up := l.at(p.Parent()); member && len(up) > 0 {
		need(up)
	}
	if !held {
		return errLocked
	}
	return nil
}

// covers reports whether the token is that of a lock that protects p.
func (l *locks) covers(token string, p cellfs.Path) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.find(token, p) != nil
}

func (l *locks) find(token string, p cellfs.Path) (found *lock) {
	l.covering(p, func(root []*lock) {
		for _, k := range root {
			if k.token == token {
				found = k
			}
		}
	})
	return found
}

// create adds k, or returns an error if another lock is in the way (RFC 4918,
// 6.1).
func (l *locks) create(k *lock) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.clash(k); err != nil {
		return err
	}
	key := lockKey(k.root)
	l.byRoot[key] = append(l.byRoot[key], k)
	return nil
}

// conflict returns the error that create would.
func (l *locks) conflict(k *lock) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clash(k)
}

// clash looks for a lock that k cannot stand beside. mu is held.
func (l *locks) clash(k *lock) error {
	clash := false
	conflict := func(root []*lock) {
		for _, other := range root {
			clash = clash || !k.shared || !other.shared
		}
	}
	l.covering(k.root, conflict)
	if k.infinite {
		l.below(k.root, conflict)
	}
	if clash {
		return &coded{errLocked.code, errLocked.message, "no-conflicting-lock"}
	}
	return nil
}

// refresh prolongs the lock, or returns nil if there is none that protects p.
func (l *locks) refresh(token string, p cellfs.Path, timeout time.Duration) *lock {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.find(token, p)
	if k == nil {
		return nil
	}
	renewed := *k
	renewed.timeout, renewed.expires = timeout, l.now().Add(timeout)
	l.replace(k, &renewed)
	return &renewed
}

// replace puts renewed in the place of k; nil removes it. mu is held.
func (l *locks) replace(k, renewed *lock) {
	key := lockKey(k.root)
	var all []*lock
	for _, other := range l.byRoot[key] {
		if other != k {
			all = append(all, other)
		}
	}
	if renewed != nil {
		all = append(all, renewed)
	}
	l.put(key, all)
}

func (l *locks) remove(token string, p cellfs.Path) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.find(token, p)
	if k != nil {
		l.replace(k, nil)
	}
	return k != nil
}

// forget drops the locks of what was deleted or moved away (RFC 4918, 7.5, 9.6).
func (l *locks) forget(p cellfs.Path) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, all := range l.byRoot {
		if p.Contains(all[0].root) {
			delete(l.byRoot, key)
		}
	}
}

// active lists the locks that protect p.
func (l *locks) active(p cellfs.Path) (all []*lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.covering(p, func(root []*lock) { all = append(all, root...) })
	return all
}
