package dav

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
)

// lock is an active lock (RFC 4918, 6).
type lock struct {
	token    string // urn:uuid:…
	root     cellfs.Path
	shared   bool
	infinite bool // depth

	collection bool   // the root is one
	owner      string // XML inside D:owner
	timeout    time.Duration
	expires    time.Time
}

// lock answers LOCK and UNLOCK.
func (q *request) lock() error {
	if q.Method == "UNLOCK" {
		return q.unlock()
	}
	timeout := lockTimeout(q.Header.Get("Timeout"))
	info, err := q.readXML()
	if err != nil {
		return err
	}
	if info == nil {
		return q.refreshLock(timeout)
	}
	k, err := newLock(info, q.target.path, timeout, q.h.locks.now())
	if err != nil {
		return err
	}
	switch d := q.Header.Get("Depth"); {
	case d == "", strings.EqualFold(d, "infinity"):
		k.infinite = true
	case d != "0":
		return errDepth(d)
	}
	created, err := q.ensureMapped(k)
	if err != nil {
		return err
	}
	if err := q.h.locks.create(k); err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	q.w.Header().Set("Lock-Token", "<"+k.token+">")
	return q.writeLock(k, status)
}

// ensureMapped checks what k is to lock, and makes an empty file where there is
// nothing (RFC 4918, 9.10.4).
func (q *request) ensureMapped(k *lock) (created bool, err error) {
	p := q.target.path
	err = q.h.fs.View(q.Context(), func(tx cellfs.Tx) error {
		n, err := q.h.fs.Lookup(tx, p)
		if err != nil {
			return err
		}
		if n.Kind == cellfs.KindBox {
			if err := q.h.fs.Guarded(&n); err != nil {
				return err
			}
		}
		k.collection = n.IsCollection()
		return q.checkIf(tx, p, &n)
	})
	if p.Len() < 3 || err == nil || !isNotExist(err) {
		return false, err
	}
	if q.target.slash {
		return false, errMethod // a collection's URL, as for PUT
	}
	if err := q.h.locks.conflict(k); err != nil {
		return false, err // before anything is made
	}
	_, created, err = q.h.fs.Publish(q.Context(), p, cellfs.StageBytes(nil), cellfs.PutOptions{
		ContentType: cellfs.TypeByName(p.Name()),
		Check: func(tx cellfs.Tx, n *cellfs.Node) error {
			if n != nil {
				return errRaced
			}
			return q.checkLocks(tx, p, nil, false)
		},
	})
	if err == errRaced {
		return false, nil
	}
	return created, err
}

// errRaced: somebody else mapped the URL meanwhile.
var errRaced = codef("PR409-DV-0003", "Resource was created meanwhile.")

func newLock(info *xmltree.Element, p cellfs.Path, timeout time.Duration, now time.Time) (*lock, error) {
	k := &lock{token: newLockToken(), root: p, timeout: timeout, expires: now.Add(timeout)}
	scopes := info.All(davSpace, "lockscope")
	types := info.All(davSpace, "locktype")
	if info.Name.Space != davSpace || info.Name.Local != "lockinfo" || len(scopes) != 1 || len(types) != 1 ||
		len(types[0].All(davSpace, "write")) != 1 {
		return nil, errXML
	}
	k.shared = len(scopes[0].All(davSpace, "shared")) == 1
	if !k.shared && len(scopes[0].All(davSpace, "exclusive")) != 1 {
		return nil, errXML
	}
	for _, o := range info.All(davSpace, "owner") {
		if k.owner = o.Inner(); len(k.owner) > maxOwner {
			return nil, errTooLarge
		}
	}
	return k, nil
}

// maxOwner bounds what a client may store in a lock, in bytes.
const maxOwner = 4 << 10

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

func (q *request) refreshLock(timeout time.Duration) error {
	for _, t := range q.tokens() {
		if k := q.h.locks.refresh(t, q.target.path, timeout); k != nil {
			return q.writeLock(k, http.StatusOK)
		}
	}
	if q.Header.Get("If") == "" {
		return codef("PR400-DV-0010", "Header %s is required.", "If")
	}
	return &coded{errETag.code, "Lock token does not match.", "lock-token-matches-request-uri"}
}

func (q *request) unlock() error {
	token := strings.Trim(strings.TrimSpace(q.Header.Get("Lock-Token")), "<>") // some Windows versions leave the brackets out
	if token == "" {
		return codef("PR400-DV-0010", "Header %s is required.", "Lock-Token")
	}
	if q.target.kind == targetBox {
		n, err := q.h.fs.Node(q.Context(), q.target.path)
		if err == nil {
			err = q.h.fs.Guarded(&n)
		}
		if err != nil {
			return err
		}
	}
	if !q.h.locks.remove(token, q.target.path) {
		return &coded{"PR409-DV-0004", "Lock token does not match the request URL.", "lock-token-matches-request-uri"}
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (q *request) writeLock(k *lock, status int) error {
	b := append([]byte(xmlHeader), `<D:prop xmlns:D="DAV:"><D:lockdiscovery>`...)
	b = q.appendLock(b, k)
	b = append(b, `</D:lockdiscovery></D:prop>`...)
	h := q.w.Header()
	h.Set("Content-Type", xmlType)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	q.w.WriteHeader(status)
	_, err := q.w.Write(b)
	return err
}

func (q *request) appendLock(b []byte, k *lock) []byte {
	scope, depth := "exclusive", "0"
	if k.shared {
		scope = "shared"
	}
	if k.infinite {
		depth = "infinity"
	}
	b = append(b, `<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope><D:`+scope+`/></D:lockscope><D:depth>`+depth+`</D:depth>`...)
	if k.owner != "" {
		b = append(b, `<D:owner>`+k.owner+`</D:owner>`...)
	}
	b = append(b, `<D:timeout>Second-`...)
	b = strconv.AppendInt(b, int64(k.timeout/time.Second), 10)
	b = append(b, `</D:timeout><D:locktoken><D:href>`+k.token+`</D:href></D:locktoken><D:lockroot><D:href>`...)
	b = q.target.href(b, k.root, k.collection)
	return append(b, `</D:href></D:lockroot></D:activelock>`...)
}
