package dav

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"time"

	"cellar/jobs"
)

// preferences are the names and values of the Prefer header (RFC 7240, 2).
func (q *request) preferences() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, v := range q.Header["Prefer"] {
			for p := range strings.SplitSeq(v, ",") {
				name, value, _ := strings.Cut(p, "=")
				if !yield(strings.ToLower(strings.TrimSpace(name)), strings.Trim(strings.TrimSpace(value), `"`)) {
					return
				}
			}
		}
	}
}

// prefers reports whether the client sent that preference.
func (q *request) prefers(name, value string) bool {
	for n, v := range q.preferences() {
		if n == name && strings.EqualFold(v, value) {
			return true
		}
	}
	return false
}

// maxWait bounds what Prefer: wait may ask for (RFC 7240, 4.3).
const maxWait = 60 * time.Second

// awaited is a job after the time that the client prefers to wait for its end. there says that
// there is one; wait waits until it has ended.
func (q *request) awaited(j jobs.Job, there bool, wait func(context.Context) (jobs.Job, bool)) (jobs.Job, bool) {
	for name, value := range q.preferences() {
		n, err := strconv.Atoi(value)
		if name != "wait" || err != nil || n < 1 {
			continue
		}
		n = min(n, int(maxWait/time.Second))
		q.w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(n))
		if !there || j.State.Ended() {
			break
		}
		ctx, cancel := context.WithTimeout(q.Context(), time.Duration(n)*time.Second)
		defer cancel()
		return wait(ctx)
	}
	return j, there
}
