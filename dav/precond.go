package dav

import (
	"net/http"
	"strings"
	"time"

	"cellar/cellfs"
	"cellar/dav/answer"
)

// errNotModified: the copy of the client is current. It is an answer, not a failure.
var errNotModified = answer.New(answer.NotModified)

// preconditions evaluates the conditional headers for a method that changes what is at a
// place (RFC 9110, 13.2.2). It runs inside the transaction that makes the change.
func (q *request) preconditions(at *cellfs.Place) error {
	if at.Node == nil {
		return q.evaluate(nil, time.Time{})
	}
	return q.evaluate(at.Node, at.DatesFrom)
}

// evaluate applies If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since, in
// this order, to the resource n, nil for none. from is its [cellfs.Place.DatesFrom].
func (q *request) evaluate(n *cellfs.Node, from time.Time) error {
	h := q.Header
	reads := q.Method == http.MethodGet || q.Method == http.MethodHead
	if list := h["If-Match"]; isGiven(list) {
		if !q.matches(list, n, false) && !q.makesAny(list, n) {
			return errETag
		}
	} else if date, ok := dateOf(h, "If-Unmodified-Since"); ok && n != nil && !q.unchangedSince(date, n, from) {
		return answer.With(answer.ETagMismatch, "Resource was modified.")
	}
	if list := h["If-None-Match"]; isGiven(list) {
		switch {
		case !q.matches(list, n, true):
		case !reads:
			return errETag
		case !(q.byToken && anyTag(list)): // Personium's clients send "*" with every GET, and want the content
			return errNotModified
		}
	} else if date, ok := dateOf(h, "If-Modified-Since"); ok && reads && n != nil && q.unchangedSince(date, n, from) {
		return errNotModified
	}
	return nil
}

// makesAny reports whether "If-Match: *" may make a file. Personium's clients send it with every
// upload, also of new files. Other clients get what RFC 9110, 13.1.1 says.
func (q *request) makesAny(list []string, n *cellfs.Node) bool {
	return n == nil && q.byToken && q.Method == http.MethodPut && anyTag(list)
}

// isGiven reports whether a header is there and not empty.
func isGiven(values []string) bool { return strings.Join(values, "") != "" }

func dateOf(h http.Header, name string) (time.Time, bool) {
	v := h.Get(name)
	if v == "" { // nearly always: parsing nothing costs
		return time.Time{}, false
	}
	t, err := http.ParseTime(v)
	return t, err == nil
}

// unchangedSince is the only place where a date decides something.
func (q *request) unchangedSince(date time.Time, n *cellfs.Node, from time.Time) bool {
	return n.UnchangedSince(date, from, q.h.fs.Now())
}

// shownModified is the Last-Modified of an answer, which is never later than its Date
// (RFC 9110, 8.8.2.1).
func (q *request) shownModified(n *cellfs.Node) string {
	t := n.LastModified()
	if now := q.h.fs.Now(); t.After(now) {
		t = now
	}
	return t.UTC().Format(http.TimeFormat)
}

// ifRange reports whether a part may be sent: without If-Range, or if what it names is what
// is there (RFC 9110, 13.1.5).
func (q *request) ifRange(n *cellfs.Node, from time.Time) bool {
	v := strings.TrimSpace(q.Header.Get("If-Range"))
	if v == "" {
		return true
	}
	if date, err := http.ParseTime(v); err == nil {
		return date.Format(http.TimeFormat) == q.shownModified(n) && q.unchangedSince(date, n, from)
	}
	return !strings.HasPrefix(v, "W/") && matchTags([]string{v}, n.ETag(), false)
}

// matches reports whether one of the listed tags, or "*", is that of what is there.
func (q *request) matches(list []string, n *cellfs.Node, weak bool) bool {
	return n != nil && (anyTag(list) || matchTags(list, n.ETag(), weak))
}

// anyTag reports whether the values of a header are "*", which stands alone.
func anyTag(values []string) bool {
	for _, v := range values {
		if strings.TrimSpace(v) == "*" {
			return true
		}
	}
	return false
}

// matchTags reports whether one of the listed entity tags is etag, which can be weak itself.
// Like in Personium, a tag without quotes matches too, and so does W/"…" in a strong comparison. A value
// that is no tag matches nothing (Joplin sends such).
func matchTags(values []string, etag string, weak bool) bool {
	etag = strings.TrimPrefix(etag, "W/")
	for _, v := range values {
		for v != "" {
			var tag string
			if tag, v = cutTag(v); tag == "" {
				continue
			}
			if rest, ok := strings.CutPrefix(tag, "W/"); ok {
				if !weak && !strings.HasPrefix(rest, `"`) {
					continue
				}
				tag = rest
			}
			if tag == etag || `"`+tag+`"` == etag {
				return true
			}
		}
	}
	return false
}

// cutTag takes the first element of a list of entity tags. Between quotes a comma is part of
// the tag.
func cutTag(v string) (tag, rest string) {
	v = strings.TrimLeft(v, " \t,")
	begin := len(v) - len(strings.TrimPrefix(v, "W/"))
	end := begin
	if strings.HasPrefix(v[begin:], `"`) {
		if i := strings.IndexByte(v[begin+1:], '"'); i >= 0 {
			end = begin + i + 2
		}
	}
	if i := strings.IndexByte(v[end:], ','); i >= 0 {
		return strings.TrimSpace(v[:end+i]), v[end+i:]
	}
	return strings.TrimSpace(v), ""
}
