package dav

import (
	"net/http"
	"strings"

	"cellar/cellfs"
)

// preconditions evaluates If-Match, If-None-Match and If-Unmodified-Since for a
// method that changes n, which is nil if nothing is there (RFC 9110, 13.2.2).
// It runs inside the transaction that makes the change.
func (q *request) preconditions(n *cellfs.Node) error {
	h := q.Header
	if v := strings.Join(h["If-Match"], ","); v != "" {
		if n == nil || !anyETag(v, n.ETag(), false) {
			return errETag
		}
	} else if v := h.Get("If-Unmodified-Since"); v != "" && n != nil {
		if t, err := http.ParseTime(v); err == nil && n.LastModified().Unix() > t.Unix() {
			return codef("PR412-DV-0001", "Resource was modified.")
		}
	}
	if v := strings.Join(h["If-None-Match"], ","); v != "" && n != nil && anyETag(v, n.ETag(), true) {
		return errETag
	}
	return nil
}

// anyETag reports whether one of the listed tags is etag; "*" is any. A tag
// without quotes, as Personium's documents show it, matches too; what is no tag
// matches nothing (Joplin sends such).
func anyETag(list, etag string, weak bool) bool {
	for v := range strings.SplitSeq(list, ",") {
		v = strings.TrimSpace(v)
		if rest, ok := strings.CutPrefix(v, "W/"); ok {
			if !weak && !strings.HasPrefix(rest, `"`) {
				continue
			}
			v = rest // Personium compares W/"…" as the strong tag too
		}
		if v == "*" || v == etag || `"`+v+`"` == etag {
			return true
		}
	}
	return false
}
