package cellfstest

import (
	"cmp"
	"maps"
	"time"

	"cellar/cellfs"
)

func (t *memTx) AddLock(l cellfs.Lock) error {
	if _, ok := t.locks[l.Token]; ok {
		return taken("lock %s", l.Token)
	}
	t.locks[l.Token] = l
	return t.mayWrite()
}

func (t *memTx) SetLock(l cellfs.Lock) error {
	old, ok := t.locks[l.Token]
	if !ok {
		return absent("lock %s", l.Token)
	}
	old.Timeout, old.Expires = l.Timeout, l.Expires
	t.locks[l.Token] = old
	return t.mayWrite()
}

func (t *memTx) findLocks(keep func(cellfs.Lock) bool, now time.Time) []cellfs.Lock {
	return sorted(t.locks, func(l cellfs.Lock) bool { return l.Expires.After(now) && keep(l) }, func(a, b cellfs.Lock) int {
		return cmp.Or(cmp.Compare(a.Root.Key(), b.Root.Key()), cmp.Compare(a.Token, b.Token))
	})
}

func (t *memTx) detailed(d cellfs.LockDetail, keep func(cellfs.Lock) bool, now time.Time) []cellfs.Lock {
	all := t.findLocks(keep, now)
	for i := range all {
		if d == cellfs.PlainLocks {
			all[i].Owner, all[i].Timeout = "", 0
		}
	}
	return all
}

func (t *memTx) LocksAbove(p cellfs.Path, d cellfs.LockDetail, now time.Time) ([]cellfs.Lock, error) {
	return t.detailed(d, func(l cellfs.Lock) bool { return l.Root.Contains(p) }, now), nil
}

func (t *memTx) LocksBelow(p cellfs.Path, d cellfs.LockDetail, now time.Time, yield func(cellfs.Lock) error) error {
	for _, l := range t.detailed(d, func(l cellfs.Lock) bool { return l.Root.Len() > p.Len() && p.Contains(l.Root) }, now) {
		if err := yield(l); err != nil {
			return err
		}
	}
	return nil
}

func (t *memTx) Lock(token string, now time.Time) (cellfs.Lock, error) {
	l, ok := t.locks[token]
	if !ok || !l.Expires.After(now) {
		return cellfs.Lock{}, absent("lock %s", token)
	}
	return l, nil
}

func (t *memTx) CountLocks(p cellfs.Path, principal string, now time.Time) (at, taken int, err error) {
	at = len(t.findLocks(func(l cellfs.Lock) bool { return l.Root.Key() == p.Key() }, now))
	taken = len(t.findLocks(func(l cellfs.Lock) bool { return l.Principal == principal }, now))
	return at, taken, nil
}

func (t *memTx) DeleteLock(l cellfs.Lock) error {
	delete(t.locks, l.Token)
	return t.mayWrite()
}

func (t *memTx) DeleteLocks(p cellfs.Path) error {
	maps.DeleteFunc(t.locks, func(_ string, l cellfs.Lock) bool { return p.Contains(l.Root) })
	return t.mayWrite()
}

func (t *memTx) PurgeLocks(now time.Time) error {
	maps.DeleteFunc(t.locks, func(_ string, l cellfs.Lock) bool { return !l.Expires.After(now) })
	return t.mayWrite()
}
