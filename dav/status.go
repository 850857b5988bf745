package dav

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"syscall"

	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/cellfs/account"
	"cellar/cellfs/control"
	"cellar/dav/answer"
	"cellar/dav/multistatus"
	"cellar/dav/ops"
	"cellar/dav/target"
	"cellar/dav/wire"
)

var (
	errMethod    = answer.New(answer.MethodNotAllowed)
	errNotMapped = answer.New(answer.NotMapped)
	errMediaType = answer.New(answer.MediaType)
	errXML       = multistatus.ErrXML
	errTooLarge  = answer.New(answer.BodyTooLarge)
	errETag      = answer.New(answer.ETagMismatch)
	// RFC 4918, 11.5 and RFC 4331, 6
	errNoSpace    = answer.New(answer.NoSpace).As("sufficient-disk-space", "")
	errQuota      = answer.New(answer.QuotaExceeded).As("quota-not-exceeded", "")
	errBroken     = wire.ErrBroken
	errLongAnswer = multistatus.ErrLong
)

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// statuses turns errors into answers; the first that matches counts.
var statuses = []struct {
	is     error
	answer func(q *request, err error) *answer.Error
}{
	{control.ErrNone, say(answer.EntityNotFound)},
	{control.ErrExists, say(answer.EntityExists)},
	{control.ErrRelated, say(answer.EntityInUse)},
	{control.ErrLinked, say(answer.LinkExists)},
	{control.ErrNoLink, say(answer.EntityNotFound)},
	{control.ErrNoAssoc, say(answer.NavigationNotFound)},
	{account.ErrNone, say(answer.EntityNotFound)},
	{cellfs.ErrNoCell, say(answer.CellNotFound)},
	{cellfs.ErrNoBox, func(q *request, _ error) *answer.Error {
		return answer.New(answer.BoxNotFound, q.target.CellURL+q.target.Path.Box())
	}},
	{cellfs.ErrNoParent, func(q *request, _ error) *answer.Error { // RFC 4918, 9.3.1, 9.7.1, 9.8.5
		return answer.New(answer.ParentMissing, q.target.URL())
	}},
	{cellfs.ErrName, func(_ *request, err error) *answer.Error {
		var e *cellfs.NameError
		errors.As(err, &e)
		return answer.New(answer.NameInvalid, cellfs.Printable(e.Name))
	}},
	{cellfs.ErrTooDeep, say(answer.TooDeep)},
	{cellfs.ErrIsCollection, sayErr(errMethod)},
	{cellfs.ErrReadOnly, sayErr(errMethod)},
	{cellfs.ErrSame, func(q *request, _ error) *answer.Error { // RFC 4918, 9.8.5
		return answer.New(answer.DestinationIsSource, q.Header.Get("Destination"))
	}},
	{cellfs.ErrOverlap, func(q *request, _ error) *answer.Error {
		return answer.New(answer.DestinationOverlaps, q.Header.Get("Destination"))
	}},
	{cellfs.ErrDestinationExists, say(answer.DestinationExists)},
	{cellfs.ErrLocked, func(q *request, err error) *answer.Error { // RFC 4918, 11.3, 16
		var e *cellfs.LockedError
		errors.As(err, &e)
		if e.Passing {
			q.w.Header().Set("Retry-After", "2")
		}
		inside := "<D:href>" + string(q.target.AppendHref(nil, e.Root, e.Collection)) + "</D:href>"
		return answer.New(answer.Locked).As("lock-token-submitted", inside)
	}},
	{cellfs.ErrLockConflict, sayErr(answer.New(answer.Locked).As("no-conflicting-lock", ""))},
	{cellfs.ErrInstalling, func(q *request, err error) *answer.Error { // contract 2.6
		var e *cellfs.InstallingError
		errors.As(err, &e)
		q.w.Header().Set("Retry-After", "1")
		return errInstalling(e)
	}},
	{cellfs.ErrQuota, sayErr(errQuota)},
	{cellfs.ErrManyNodes, say(answer.TooManyResources)},
	{cellfs.ErrProps, say(answer.PropertiesTooLarge)}, // RFC 4918, 9.2.1
	{cellfs.ErrManyLocks, say(answer.TooManyLocks)},
	{fs.ErrExist, say(answer.MkcolExists)},
	{fs.ErrNotExist, func(q *request, _ error) *answer.Error {
		return answer.New(answer.ResourceNotFound, q.target.URL())
	}},
	{cellfs.ErrShortBody, sayErr(errBroken)},
	{context.Canceled, sayErr(errBroken)}, // nobody reads the answer
	{syscall.EPIPE, sayErr(errBroken)},    // likewise
	{syscall.ECONNRESET, sayErr(errBroken)},
}

func errInstalling(e *cellfs.InstallingError) *answer.Error {
	return answer.New(answer.Installing, e.Box)
}

func say(c answer.Code) func(*request, error) *answer.Error { return sayErr(answer.New(c)) }

func sayErr(e *answer.Error) func(*request, error) *answer.Error {
	return func(*request, error) *answer.Error { return e }
}

// errorOf returns the answer to an error. ok is false for an error that only the operator may see.
func (q *request) errorOf(err error) (e *answer.Error, ok bool) {
	var large *http.MaxBytesError
	var property *control.PropertyError
	var acl *access.ACLError
	switch {
	case errors.As(err, &e):
		return e, true
	case errors.As(err, &property):
		return propertyError(property), true
	case errors.As(err, &acl):
		return answer.New(answer.ACLInvalid, acl.Cause), true
	case errors.As(err, &large):
		return errTooLarge, true
	}
	if e = ops.Refusal(err); e != nil {
		return e, true
	}
	if cellfs.IsNoSpace(err) {
		return errNoSpace, true
	}
	for _, s := range statuses {
		if errors.Is(err, s.is) {
			return s.answer(q, err), true
		}
	}
	return answer.New(answer.Internal), false
}

// fail answers with an error. If the answer has begun, it cuts the connection, so that the client does
// not take the answer for a complete one.
func (q *request) fail(err error) {
	e, known := q.errorOf(err)
	if !known {
		q.h.log.Error("request failed", "method", q.Method, "path", q.URL.Path, "key", q.key(), "err", err)
	}
	if q.w.Status != 0 {
		panic(http.ErrAbortHandler)
	}
	h := q.w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified"} {
		h.Del(name)
	}
	status := e.Code.Status()
	switch status {
	case http.StatusMethodNotAllowed:
		h.Set("Allow", q.allowNow(err))
	case http.StatusUnauthorized:
		davHeaders(h)
		q.challenge()
	}
	body, contentType := q.errorBody(e)
	_ = answer.Send(q.w, q.Request, status, contentType, body) // nobody to tell
}

// speaksJSON reports whether the clients of the target are not those of WebDAV: its errors are
// JSON, also those for which RFC 4918 has an element. An install is one of them, though
// its method is MKCOL.
func (q *request) speaksJSON() bool {
	switch {
	case q.target.Kind.JSON():
		return true
	case q.target.Kind == target.Box && q.Method == "MKCOL" && q.installs():
		return true
	}
	return q.asksFor("json")
}

func (q *request) errorBody(e *answer.Error) (body []byte, contentType string) {
	if e.Condition != "" && !q.speaksJSON() {
		return e.XML(), answer.XMLType
	}
	return e.JSON(), answer.JSONType
}

// sendJSON answers with v.
func (q *request) sendJSON(status int, v any) error {
	return answer.SendJSON(q.w, q.Request, status, v)
}
