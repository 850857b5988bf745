package meta

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"cellar/cellfs"
)

// lockState spares the writer the search for locks while there are none at all,
// which is nearly always.
type lockState struct {
	none  bool // the table is empty, as committed
	known bool // none is up to date
}

// noLocks reports whether there is no lock at all, as far as the writer knows. A
// transaction that changed locks itself does not use what it knows.
func (t *tx) noLocks() (bool, error) {
	if t.store == nil || t.lockWrites {
		return false, nil
	}
	s := &t.store.locks
	if !s.known {
		var some bool
		if err := t.row("SELECT EXISTS (SELECT 1 FROM lock)", nil, &some); err != nil {
			return false, err
		}
		s.none, s.known = !some, true
	}
	return s.none, nil
}

// writeLock is write for the table of locks.
func (t *tx) writeLock(query string, args ...any) (int64, error) {
	if t.store != nil {
		t.lockWrites, t.store.locks = true, lockState{}
	}
	return t.write(query, args...)
}

const (
	lockColumns = "SELECT token, shared, infinite, root, owner, principal, timeout, expires FROM lock "
	// plainLockColumns leave out what is only needed to list locks.
	plainLockColumns = "SELECT token, shared, infinite, root, '', principal, 0, expires FROM lock INDEXED BY lock_plain "
)

func columnsOf(d cellfs.LockDetail) string {
	if d == cellfs.PlainLocks {
		return plainLockColumns
	}
	return lockColumns
}

func scanLock(r row) (l cellfs.Lock, err error) {
	var root string
	var timeout int64
	if err := r.scan(&l.Token, &l.Shared, &l.Infinite, &root, &l.Owner, &l.Principal, &timeout, &l.Expires); err != nil {
		return l, err
	}
	l.Collection = strings.HasSuffix(root, "/")
	l.Timeout = time.Duration(timeout) * time.Second
	l.Root, err = cellfs.ParsePath(root)
	return l, err
}

func (t *tx) eachLock(yield func(cellfs.Lock) error, query string, args ...any) error {
	return t.query(query, args, func(r row) error {
		l, err := scanLock(r)
		if err != nil {
			return err
		}
		return yield(l)
	})
}

func (t *tx) AddLock(l cellfs.Lock) error {
	root := l.Root.String()
	if l.Collection {
		root += "/"
	}
	_, err := t.writeLock("INSERT INTO lock (path, token, shared, infinite, root, owner, principal, timeout, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		l.Root.Key(), l.Token, l.Shared, l.Infinite, root, l.Owner, l.Principal, int64(l.Timeout/time.Second), micros(l.Expires))
	if err != nil {
		return fmt.Errorf("add lock: %w", err)
	}
	return nil
}

func (t *tx) SetLock(l cellfs.Lock) error {
	n, err := t.writeLock("UPDATE lock SET timeout = ?, expires = ? WHERE token = ?", int64(l.Timeout/time.Second), micros(l.Expires), l.Token)
	if err == nil && n == 0 {
		err = fmt.Errorf("lock %s: %w", l.Token, fs.ErrNotExist)
	}
	return err
}

func (t *tx) LocksAbove(p cellfs.Path, d cellfs.LockDetail, now time.Time) ([]cellfs.Lock, error) {
	if none, err := t.noLocks(); none || err != nil {
		return nil, err
	}
	prefixes := []string{p.Key()}
	for up := p; up.Len() > 1; {
		up = up.Parent()
		prefixes = append(prefixes, up.Key())
	}
	list, err := json.Marshal(prefixes)
	if err != nil {
		return nil, err
	}
	var all []cellfs.Lock
	err = t.eachLock(func(l cellfs.Lock) error {
		all = append(all, l)
		return nil
	}, columnsOf(d)+"WHERE path IN (SELECT value FROM json_each(?)) AND expires > ? ORDER BY path, token", string(list), micros(now))
	return all, err
}

// below is the range of paths below one: "0" comes after "/".
func below(p cellfs.Path) (from, to string) {
	if p.Len() == 0 {
		return "/", "0"
	}
	return p.Key() + "/", p.Key() + "0"
}

func (t *tx) LocksBelow(p cellfs.Path, d cellfs.LockDetail, now time.Time, yield func(cellfs.Lock) error) error {
	if none, err := t.noLocks(); none || err != nil {
		return err
	}
	from, to := below(p)
	return t.eachLock(yield, columnsOf(d)+"WHERE path >= ? AND path < ? AND expires > ? ORDER BY path, token", from, to, micros(now))
}

func (t *tx) Lock(token string, now time.Time) (l cellfs.Lock, err error) {
	if none, err := t.noLocks(); err != nil {
		return l, err
	} else if none {
		return l, fs.ErrNotExist
	}
	return one(t, scanLock, lockColumns+"WHERE token = ? AND expires > ?", token, micros(now))
}

func (t *tx) CountLocks(p cellfs.Path, principal string, now time.Time) (at, taken int, err error) {
	if none, err := t.noLocks(); none || err != nil {
		return 0, 0, err
	}
	err = t.row("SELECT (SELECT count(*) FROM lock WHERE path = ?1 AND expires > ?3), (SELECT count(*) FROM lock WHERE principal = ?2 AND expires > ?3)",
		[]any{p.Key(), principal, micros(now)}, &at, &taken)
	return at, taken, err
}

func (t *tx) DeleteLock(l cellfs.Lock) error {
	_, err := t.writeLock("DELETE FROM lock WHERE path = ? AND token = ?", l.Root.Key(), l.Token)
	return err
}

func (t *tx) DeleteLocks(p cellfs.Path) error {
	if none, err := t.noLocks(); none || err != nil {
		return err
	}
	from, to := below(p)
	_, err := t.writeLock("DELETE FROM lock WHERE path = ? OR path >= ? AND path < ?", p.Key(), from, to)
	return err
}

func (t *tx) PurgeLocks(now time.Time) error {
	_, err := t.writeLock("DELETE FROM lock WHERE expires <= ?", micros(now))
	return err
}
