package dav

import (
	"net/http"
	"net/url"
	"strings"

	"cellar/cellfs"
)

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

// tokens are the state tokens that the request submits.
func (q *request) tokens() []string {
	lists, _ := parseIf(q.Header.Get("If"))
	var all []string
	for _, l := range lists {
		for _, c := range l.conditions {
			if c.token != "" {
				all = append(all, c.token)
			}
		}
	}
	return all
}

// checkIf evaluates the If header as the precondition it is: one of its lists
// must hold. Submitting a token for a lock is another matter (checkLocks).
func (q *request) checkIf(tx cellfs.Tx, p cellfs.Path, n *cellfs.Node) error {
	v := q.Header.Get("If")
	if v == "" {
		return nil
	}
	lists, ok := parseIf(v)
	if !ok {
		return codef("PR400-DV-0009", "Request header %s value is invalid [%s].", "If", printable(v))
	}
	for _, l := range lists {
		if ok, err := q.holds(tx, l, p, n); ok || err != nil {
			return err
		}
	}
	return errETag
}

func (q *request) holds(tx cellfs.Tx, l ifList, p cellfs.Path, n *cellfs.Node) (bool, error) {
	if l.tag != "" {
		var ok bool
		if p, ok = q.tagged(l.tag); !ok {
			return false, nil
		}
		n = nil
		if found, err := q.h.fs.Lookup(tx, p); err == nil {
			n = &found
		} else if !isNotExist(err) {
			return false, err
		}
	}
	for _, c := range l.conditions {
		is := false
		if c.token != "" {
			var err error
			if is, err = q.h.fs.Covers(tx, c.token, p); err != nil {
				return false, err
			}
		} else {
			is = n != nil && n.ETag() == strings.TrimPrefix(c.etag, "W/")
		}
		if is == c.not {
			return false, nil
		}
	}
	return true, nil
}

// tagged is the path of a resource tag: a URL of this unit, or only its path.
func (q *request) tagged(tag string) (cellfs.Path, bool) {
	u, err := url.Parse(tag)
	if err != nil || u.Host != "" && !q.sameUnit(u) {
		return cellfs.Path{}, false
	}
	r := &http.Request{Host: q.Host, URL: u}
	if u.Host != "" {
		r.Host = u.Host
	}
	t, err := q.h.route(r, q.peer.https)
	return t.path, err == nil && t.kind != targetEntity && !t.kind.cut()
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
