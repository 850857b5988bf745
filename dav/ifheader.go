package dav

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/dav/target"
)

const (
	// maxConditions bounds the conditions of an If header. Each is evaluated inside the
	// transaction of the change.
	maxConditions = 256
	// maxTagged bounds the resources that the header tags, the request's own besides: each
	// is looked up there.
	maxTagged = 32
)

// ifHeader is an If header as a request submits it.
type ifHeader struct {
	lists  []ifList // one of them must hold; nil: there is no header
	tokens []string // all state tokens that the lists name
	err    error    // the header is malformed, or beyond the bounds
}

// ifList is one list of an If header (RFC 4918, 10.4.2): conditions that must
// all hold for the tagged resource, or for the request's own.
type ifList struct {
	tag        string // "" for an untagged list
	conditions []condition
}

type condition struct {
	not   bool
	token string // a state token, without brackets
	etag  string // or an entity tag
}

// parseIf reads an If header. ok is false if it is malformed.
func parseIf(s string) (lists []ifList, ok bool) {
	tag, tagged := "", false
	for {
		s = strings.TrimLeft(s, " \t")
		switch {
		case s == "":
			return lists, len(lists) > 0
		case s[0] == '<':
			if len(lists) > 0 && !tagged {
				return nil, false // tagged and untagged lists do not mix
			}
			if tag, s, ok = cutCoded(s); !ok {
				return nil, false
			}
			tagged = true
			if s = strings.TrimLeft(s, " \t"); !strings.HasPrefix(s, "(") {
				return nil, false
			}
		case s[0] == '(':
			l := ifList{tag: tag}
			if l.conditions, s, ok = parseConditions(s[1:]); !ok {
				return nil, false
			}
			lists = append(lists, l)
		default:
			return nil, false
		}
	}
}

func cutCoded(s string) (inside, rest string, ok bool) {
	inside, rest, ok = strings.Cut(s[1:], ">")
	return inside, rest, ok && inside != ""
}

func parseConditions(s string) (all []condition, rest string, ok bool) {
	for {
		s = strings.TrimLeft(s, " \t")
		var c condition
		if len(s) >= 3 && strings.EqualFold(s[:3], "not") {
			c.not = true
			s = strings.TrimLeft(s[3:], " \t")
		}
		switch {
		case s == "":
			return nil, "", false
		case s[0] == ')':
			return all, s[1:], len(all) > 0 && !c.not
		case s[0] == '<':
			if c.token, s, ok = cutCoded(s); !ok {
				return nil, "", false
			}
		case s[0] == '[':
			if c.etag, s, ok = strings.Cut(s[1:], "]"); !ok || c.etag == "" {
				return nil, "", false
			}
		default:
			return nil, "", false
		}
		all = append(all, c)
	}
}

// submitted reads the If header, once for the request.
func (q *request) submitted() *ifHeader {
	if q.ifHeader == nil {
		q.ifHeader = readIf(q.Header.Get("If"))
	}
	return q.ifHeader
}

func readIf(v string) *ifHeader {
	if v == "" {
		return &ifHeader{}
	}
	lists, ok := parseIf(v)
	if !ok {
		return &ifHeader{err: answer.New(answer.HeaderValue, "If", cellfs.Printable(v))}
	}
	h := &ifHeader{lists: lists}
	tags, conditions := map[string]bool{}, 0
	for _, l := range lists {
		if l.tag != "" {
			tags[l.tag] = true
		}
		conditions += len(l.conditions)
		for _, c := range l.conditions {
			if c.token != "" {
				h.tokens = append(h.tokens, c.token)
			}
		}
	}
	if conditions > maxConditions || len(tags) > maxTagged {
		return &ifHeader{err: answer.New(answer.HeaderValue, "If",
			fmt.Sprintf("more than %d conditions or %d resources", maxConditions, maxTagged))}
	}
	return h
}

// checkIf evaluates the If header as the precondition it is: one of its lists
// must hold. Submitting a token for a lock is another matter (checkLocks). n is what is
// at p, nil if there is nothing.
func (q *request) checkIf(tx cellfs.Tx, p cellfs.Path, n *cellfs.Node) error {
	h := q.submitted()
	if h.err != nil || h.lists == nil {
		return h.err
	}
	e := ifEvaluation{q: q, tx: tx, own: subject{path: p, node: n, readable: true}, tagged: map[string]subject{}, locks: map[string]*cellfs.Lock{}}
	for _, l := range h.lists {
		if ok, err := e.holds(l); ok || err != nil {
			return err
		}
	}
	return errETag
}

// ifEvaluation evaluates a header. It looks up each resource and each token once.
type ifEvaluation struct {
	q      *request
	tx     cellfs.Tx
	own    subject
	tagged map[string]subject      // by tag
	locks  map[string]*cellfs.Lock // by token; nil for one that is not there
}

// subject is the resource that a list is about.
type subject struct {
	path     cellfs.Path
	node     *cellfs.Node // nil: nothing is there, or nothing that the caller may read
	readable bool         // the caller may read it, if it is there
}

func (e *ifEvaluation) holds(l ifList) (bool, error) {
	s := e.own
	if l.tag != "" {
		var err error
		if s, err = e.find(l.tag); err != nil {
			return false, err
		}
	}
	for _, c := range l.conditions {
		is := s.node != nil && c.etag != "" && s.node.ETag() == strings.TrimPrefix(c.etag, "W/")
		if c.token != "" {
			var err error
			if is, err = e.locked(&s, c.token); err != nil {
				return false, err
			}
		}
		if is == c.not {
			return false, nil
		}
	}
	return true, nil
}

// find looks up a tagged resource. What the caller could not GET has no tag and no lock
// for him, as if it were not there: else its tag could be guessed.
func (e *ifEvaluation) find(tag string) (subject, error) {
	if s, ok := e.tagged[tag]; ok {
		return s, nil
	}
	s := subject{}
	if t, ok := e.q.taggedTarget(tag); ok {
		s.path = t.Path
		at, err := e.q.h.fs.FindTx(e.tx, t.Path)
		if err != nil && !isNotExist(err) {
			return s, err
		}
		if s.readable = e.q.judge(&at, methods[t.Kind]["GET"].rules) == nil; s.readable {
			s.node = at.Node
		}
	}
	e.tagged[tag] = s
	return s, nil
}

// locked reports whether the token is that of a lock of the subject, which the caller
// knows of: it may read the resource, or took the lock.
func (e *ifEvaluation) locked(s *subject, token string) (bool, error) {
	l, ok := e.locks[token]
	if !ok {
		found, err := e.tx.Lock(token, e.q.h.fs.Now())
		if err != nil && !isNotExist(err) {
			return false, err
		}
		if err == nil {
			l = &found
		}
		e.locks[token] = l
	}
	if l == nil || !s.readable && l.Principal != e.q.caller.Principal {
		return false, nil
	}
	return s.path.Len() > 0 && l.Protects(s.path), nil
}

// taggedTarget is what a resource tag names: a URL of this unit, or only its path.
func (q *request) taggedTarget(tag string) (target.Target, bool) {
	u, err := url.Parse(tag)
	if err != nil || u.Host != "" && !q.h.urls.SameUnit(q.Request, u) {
		return target.Target{}, false
	}
	r := &http.Request{Host: q.Host, URL: u}
	if u.Host != "" {
		r.Host = u.Host
	}
	t, err := q.h.urls.Resolve(r, q.peer.HTTPS)
	return t, err == nil && t.Kind != target.Entity && !t.Kind.Cut()
}

// checkLocks evaluates the If header and wants a token for every lock that
// protects what changes: p, with deep all below, and the members of the
// collection above if p comes or goes (RFC 4918, 7.4).
func (q *request) checkLocks(tx cellfs.Tx, p cellfs.Path, n *cellfs.Node, deep bool) error {
	if err := q.checkIf(tx, p, n); err != nil {
		return err
	}
	return q.h.fs.CheckLocks(tx, q.change(p, deep, n == nil || deep))
}
