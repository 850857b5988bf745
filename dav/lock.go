package dav

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/dav/multistatus"
	"cellar/dav/target"
)

const (
	defaultLockTime = 10 * time.Minute
	maxLockTime     = 24 * time.Hour
	// maxOwner bounds what a client may store in a lock, in bytes.
	maxOwner = 4 << 10
)

// change is what the request is about to do at p, as the locks see it.
func (q *request) change(p cellfs.Path, deep, member bool) cellfs.Change {
	return cellfs.Change{Path: p, Deep: deep, Member: member, Tokens: q.submitted().tokens, Principal: q.caller.Principal}
}

// lock answers LOCK.
func (q *request) lock() error {
	timeout := lockTimeout(q.Header.Get("Timeout"))
	l, err := readXML(q, parseLock)
	if err != nil {
		return err
	}
	if l == nil {
		return q.refreshLock(timeout)
	}
	l.Root, l.Token, l.Principal, l.Timeout = q.target.Path, newLockToken(), q.caller.Principal, timeout
	switch d := q.Header.Get("Depth"); {
	case d == "", strings.EqualFold(d, "infinity"):
		l.Infinite = true
	case d != "0":
		return errDepth(d)
	}
	created, err := q.h.fs.Lock(q.Context(), l, cellfs.TypeByName(l.Root.Name()), func(tx cellfs.Tx, at cellfs.Place) error {
		if err := q.mayChange(tx, &at, q.rules, false); err != nil {
			return err
		}
		if err := q.preconditions(&at); err != nil {
			return err
		}
		if at.Node != nil {
			return q.checkIf(tx, l.Root, at.Node)
		}
		if q.target.Slash {
			return cellfs.ErrIsCollection // by its URL, as for PUT
		}
		if err := q.checkLocks(tx, l.Root, nil, false); err != nil {
			return err
		}
		kind, status := writingFile(&at)
		return q.record(tx, cellOf(&at), kind, localURL(l.Root), strconv.Itoa(status))
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	q.w.Header().Set("Lock-Token", "<"+l.Token+">")
	return q.writeLock(*l, status)
}

// parseLock reads a lockinfo (RFC 4918, 14.11); nil if there is none.
func parseLock(info *xmltree.Element) (*cellfs.Lock, error) {
	if info == nil {
		return nil, nil
	}
	scopes := info.All(davSpace, "lockscope")
	types := info.All(davSpace, "locktype")
	if info.Name != dav("lockinfo") || len(scopes) != 1 || len(types) != 1 || len(types[0].All(davSpace, "write")) != 1 {
		return nil, errXML
	}
	l := &cellfs.Lock{Shared: len(scopes[0].All(davSpace, "shared")) == 1}
	if !l.Shared && len(scopes[0].All(davSpace, "exclusive")) != 1 {
		return nil, errXML
	}
	for _, o := range info.All(davSpace, "owner") {
		if len(o.Inner()) > maxOwner {
			return nil, errTooLarge
		}
		l.Owner = property(o).XML // with its language
	}
	return l, nil
}

func newLockToken() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// lockTimeout reads a Timeout header (RFC 4918, 10.7); every lock ends.
func lockTimeout(v string) time.Duration {
	for t := range strings.SplitSeq(v, ",") {
		t = strings.TrimSpace(t)
		if strings.EqualFold(t, "infinite") {
			return maxLockTime
		}
		if rest, ok := strings.CutPrefix(t, "Second-"); ok {
			if n, err := strconv.ParseUint(rest, 10, 64); err == nil && n > 0 {
				return time.Duration(min(n, uint64(maxLockTime/time.Second))) * time.Second
			}
		}
	}
	return defaultLockTime
}

// refreshLock answers LOCK without a body (RFC 4918, 9.10.2).
func (q *request) refreshLock(timeout time.Duration) error {
	if q.Header.Get("If") == "" {
		return answer.New(answer.HeaderMissing, "If")
	}
	l, err := q.h.fs.Refresh(q.Context(), q.target.Path, q.submitted().tokens, q.caller.Principal, timeout, func(tx cellfs.Tx, at cellfs.Place) error {
		if err := q.mayChange(tx, &at, q.rules, false); err != nil {
			return err
		}
		if err := q.preconditions(&at); err != nil {
			return err
		}
		return q.checkIf(tx, q.target.Path, at.Node)
	})
	if isNotExist(err) {
		return answer.With(answer.ETagMismatch, "Lock token does not match.").As("lock-token-matches-request-uri", "")
	}
	if err != nil {
		return err
	}
	return q.writeLock(l, http.StatusOK)
}

// unlock answers UNLOCK.
func (q *request) unlock() error {
	token := strings.Trim(strings.TrimSpace(q.Header.Get("Lock-Token")), "<>") // some Windows versions leave the brackets out
	if token == "" {
		return answer.New(answer.HeaderMissing, "Lock-Token")
	}
	if q.target.Kind == target.Box {
		n, err := q.h.fs.Node(q.Context(), q.target.Path)
		if err == nil {
			err = q.h.fs.Guarded(&n)
		}
		if err != nil {
			return err
		}
	}
	err := q.h.fs.Unlock(q.Context(), q.target.Path, token, q.caller.Principal, q.caller.MayAll())
	switch {
	case isNotExist(err):
		return answer.New(answer.LockTokenURL).As("lock-token-matches-request-uri", "")
	case errors.Is(err, cellfs.ErrLocked): // RFC 4918, 9.11
		return answer.New(answer.NotLockOwner)
	case err != nil:
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (q *request) writeLock(l cellfs.Lock, status int) error {
	b := append([]byte(answer.XMLHeader), `<D:prop xmlns:D="DAV:"><D:lockdiscovery>`...)
	b = multistatus.AppendLock(b, &l, &q.target, l.Principal == q.caller.Principal, true, q.h.fs.Now())
	b = append(b, `</D:lockdiscovery></D:prop>`...)
	return answer.Send(q.w, q.Request, status, answer.XMLType, b)
}
