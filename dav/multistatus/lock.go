package multistatus

import (
	"strconv"
	"strings"
	"time"

	"cellar/cellfs"
	"cellar/dav/target"
)

// AppendLock writes an activelock, whose URL has the form of t. own says that the caller took the
// lock. Only that caller sees the token, because it is the right to write. The owner is shown to
// that caller, and to callers who may write there (writes) and would have to ask the owner.
func AppendLock(b []byte, l *cellfs.Lock, t *target.Target, own, writes bool, now time.Time) []byte {
	scope, depth := "exclusive", "0"
	if l.Shared {
		scope = "shared"
	}
	if l.Infinite {
		depth = "infinity"
	}
	b = append(b, `<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope><D:`+scope+`/></D:lockscope><D:depth>`+depth+`</D:depth>`...)
	switch {
	case !own && !writes:
	case strings.HasPrefix(l.Owner, `<owner xmlns="DAV:"`):
		b = append(b, l.Owner...)
	case l.Owner != "": // what stands in the element
		b = append(b, `<D:owner>`+l.Owner+`</D:owner>`...)
	}
	left := max(0, l.Expires.Sub(now))
	b = append(b, `<D:timeout>Second-`...)
	b = strconv.AppendInt(b, int64((left+time.Second/2)/time.Second), 10)
	b = append(b, `</D:timeout>`...)
	if own {
		b = append(b, `<D:locktoken><D:href>`+l.Token+`</D:href></D:locktoken>`...)
	}
	b = append(b, `<D:lockroot><D:href>`...)
	b = t.AppendHref(b, l.Root, l.Collection)
	return append(b, `</D:href></D:lockroot></D:activelock>`...)
}
