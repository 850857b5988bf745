package dav

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"syscall"

	"cellar/barfs"
	"cellar/cellfs"
	"cellar/cellfs/account"
	"cellar/cellfs/control"
	"cellar/dav/auth"
	"cellar/dav/odata"
	"cellar/dav/ops"
)

// coded is an answer of spec/errors.md. The three digits of its code are the
// HTTP status.
type coded struct {
	code, message string
	// element is the precondition element of RFC 4918, 16, without "D:"; "" for none.
	element string
	inside  string // XML in that element
}

func (e *coded) Error() string { return e.code + ": " + e.message }

func codef(code, format string, args ...any) *coded {
	return &coded{code: code, message: fmt.Sprintf(format, args...)}
}

var (
	errMethod    = codef("PR405-MC-0001", "Method not allowed.")
	errNotMapped = codef("PR404-MC-0001", "URI is not recognized.")
	errMediaType = codef("PR415-MC-0001", "Unsupported media type.")
	errXML       = codef("PR400-DV-0001", "XML parse error.")
	errTooLarge  = codef(ops.TooLarge.Code, "%s", ops.TooLarge.Message)
	errETag      = codef("PR412-DV-0001", "ETag does not match.")
	errInfinite  = &coded{code: "PR403-DV-0001", message: "Infinite depth is not supported.", element: "propfind-finite-depth"}
	// RFC 4918, 11.5 and RFC 4331, 6
	errNoSpace    = &coded{code: ops.NoSpace.Code, message: ops.NoSpace.Message, element: "sufficient-disk-space"}
	errQuota      = &coded{code: ops.NoQuota.Code, message: ops.NoQuota.Message, element: "quota-not-exceeded"}
	errBroken     = codef("PR400-CM-0006", "Request body broke off.")
	errLongAnswer = codef("PR507-DV-0001", "The answer is too large.")
)

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// statuses turns errors into answers; the first that matches counts.
var statuses = []struct {
	is     error
	answer func(q *request, err error) *coded
}{
	{control.ErrNone, say("PR404-OD-0002", "No such entity.")},
	{control.ErrExists, say("PR409-OD-0003", "The entity already exists.")},
	{control.ErrRelated, say("PR409-OD-0001", "This entity has related data.")},
	{control.ErrLinked, say("PR409-OD-0002", "Links exists already.")},
	{control.ErrNoLink, say("PR404-OD-0002", "No such entity.")},
	{control.ErrNoAssoc, say("PR404-OD-0003", "No such Navigation Property.")},
	{account.ErrNone, say("PR404-OD-0002", "No such entity.")},
	{cellfs.ErrNoCell, say("PR404-DV-0003", "Cell not found.")},
	{cellfs.ErrNoBox, func(q *request, _ error) *coded {
		return codef("PR404-DV-0002", "Box not found at [%s].", q.target.cellURL+q.target.path.Box())
	}},
	{cellfs.ErrNoParent, func(q *request, _ error) *coded { // RFC 4918, 9.3.1, 9.7.1, 9.8.5
		return codef("PR409-DV-0001", "intermediate collection [%s] should be created first.", q.target.url())
	}},
	{cellfs.ErrName, func(_ *request, err error) *coded {
		var e *cellfs.NameError
		errors.As(err, &e)
		return codef("PR403-DV-0004", "Resource name is invalid [%s].", printable(e.Name))
	}},
	{cellfs.ErrTooDeep, say("PR400-DV-0008", "Hierarchy of the collection is too deep.")},
	{cellfs.ErrIsCollection, sayErr(errMethod)},
	{cellfs.ErrReadOnly, sayErr(errMethod)},
	{cellfs.ErrSame, func(q *request, _ error) *coded { // RFC 4918, 9.8.5
		return codef("PR403-DV-0005", "Destination header value [%s] equals request URL.", q.Header.Get("Destination"))
	}},
	{cellfs.ErrOverlap, func(q *request, _ error) *coded {
		return codef("PR403-DV-0006", "Destination header value [%s] contains the request URL or lies within it.", q.Header.Get("Destination"))
	}},
	{cellfs.ErrDestinationExists, say("PR412-DV-0002", `Overwrite header is "F" and the destination URL is already mapped to a resource.`)},
	{cellfs.ErrPrecondition, sayErr(errETag)},
	{cellfs.ErrLocked, func(q *request, err error) *coded { // RFC 4918, 11.3, 16
		var e *cellfs.LockedError
		errors.As(err, &e)
		inside := "<D:href>" + string(q.target.href(nil, e.Root, e.Collection)) + "</D:href>"
		return &coded{code: "PR423-DV-0001", message: "Resource is locked.", element: "lock-token-submitted", inside: inside}
	}},
	{cellfs.ErrLockConflict, sayErr(&coded{code: "PR423-DV-0001", message: "Resource is locked.", element: "no-conflicting-lock"})},
	{cellfs.ErrInstalling, func(q *request, err error) *coded { // DECISIONS 15
		var e *cellfs.InstallingError
		errors.As(err, &e)
		q.w.Header().Set("Retry-After", "1")
		return errInstalling(e)
	}},
	{cellfs.ErrQuota, sayErr(errQuota)},
	{cellfs.ErrManyNodes, sayErr(codef(ops.Full.Code, "%s", ops.Full.Message))},
	{cellfs.ErrProps, say("PR507-DV-0002", "The properties of the resource take too much.")}, // RFC 4918, 9.2.1
	{cellfs.ErrManyLocks, say("PR507-DV-0003", "There are too many locks.")},
	{fs.ErrExist, say("PR405-DV-0001", "Method not allowed. MKCOL can only be executed on a deleted/non-existent resource.")},
	{fs.ErrNotExist, func(q *request, _ error) *coded {
		return codef("PR404-DV-0001", "Resource not found. [%s].", q.target.url())
	}},
	{cellfs.ErrShortBody, sayErr(errBroken)},
	{context.Canceled, sayErr(errBroken)}, // nobody reads the answer
	{syscall.EPIPE, sayErr(errBroken)},    // likewise
	{syscall.ECONNRESET, sayErr(errBroken)},
}

func errInstalling(e *cellfs.InstallingError) *coded {
	return codef("PR423-BI-0001", "Box [%s] is being installed.", e.Box)
}

func say(code, message string) func(*request, error) *coded {
	return sayErr(codef(code, "%s", message))
}

func sayErr(e *coded) func(*request, error) *coded {
	return func(*request, error) *coded { return e }
}

// answer finds what an error means to the client. ok is false for what is
// nobody's business but the operator's.
func (q *request) answer(err error) (e *coded, ok bool) {
	var refused *ops.Refused
	var bar *barfs.Error
	var large *http.MaxBytesError
	var data *odata.Error
	var fault *auth.Fault
	var property *control.PropertyError
	switch {
	case errors.As(err, &fault):
		return codef(fault.Code, "%s", fault.Message), true
	case errors.As(err, &property):
		return propertyError(property), true
	case errors.As(err, &data):
		return codef(data.Code, "%s", data.Message), true
	case errors.As(err, &e):
		return e, true
	case errors.As(err, &refused):
		return codef(refused.Code, "%s", refused.Message), true
	case errors.As(err, &bar):
		return codef(bar.Code, "%s", bar.Message), true
	case errors.As(err, &large):
		return errTooLarge, true
	}
	if cellfs.IsNoSpace(err) {
		return errNoSpace, true
	}
	for _, s := range statuses {
		if errors.Is(err, s.is) {
			return s.answer(q, err), true
		}
	}
	return codef(ops.Unknown.Code, "%s", ops.Unknown.Message), false
}

// statusOf reads the HTTP status from a code, PR404-….
func statusOf(code string) int {
	if len(code) > 5 {
		if n, err := strconv.Atoi(code[2:5]); err == nil {
			return n
		}
	}
	return http.StatusInternalServerError
}

// fail answers with an error. If the answer has begun, all that can be said is
// that it is not complete: the connection is cut.
func (q *request) fail(err error) {
	e, known := q.answer(err)
	if !known {
		q.h.log.Error("request failed", "method", q.Method, "path", q.URL.Path, "key", q.key, "err", err)
	}
	if q.w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	h := q.w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified"} {
		h.Del(name)
	}
	status := statusOf(e.code)
	switch status {
	case http.StatusMethodNotAllowed:
		h.Set("Allow", q.allowNow(err))
	case http.StatusUnauthorized:
		davHeaders(h)
		q.challenge()
	}
	body, contentType := q.errorBody(e)
	_ = q.sendBody(status, contentType, body) // nobody to tell
}

// sendBody answers with that; with its head alone to HEAD.
func (q *request) sendBody(status int, contentType string, body []byte) error {
	h := q.w.Header()
	h["Content-Type"] = []string{contentType}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	q.w.WriteHeader(status)
	if q.Method == http.MethodHead {
		return nil
	}
	_, err := q.w.Write(body)
	return err
}

// speaksJSON says that the clients of the target are not those of WebDAV: its errors are
// JSON, also those for which RFC 4918 has an element. An install is one of them, though
// its method is MKCOL.
func (q *request) speaksJSON() bool {
	switch q.target.kind {
	case targetToken, targetExport, targetImport, targetMyPassword, targetEvent, targetCtl, targetUnitCtl, targetEntity:
		return true
	case targetBox:
		return q.Method == "MKCOL" && q.installs()
	}
	return q.asksFor("json")
}

func (q *request) errorBody(e *coded) (body []byte, contentType string) {
	if e.element != "" && !q.speaksJSON() {
		element := "<D:" + e.element + "/>"
		if e.inside != "" {
			element = "<D:" + e.element + ">" + e.inside + "</D:" + e.element + ">"
		}
		return []byte(xmlHeader + `<D:error xmlns:D="DAV:">` + element + `</D:error>`), xmlType
	}
	return errorJSON(e.code, e.message), "application/json"
}

// errorJSON is the body of spec/http-conventions.md §6.
func errorJSON(code, message string) []byte {
	type text struct {
		Lang  string `json:"lang"`
		Value string `json:"value"`
	}
	body, _ := json.Marshal(struct { // strings cannot fail
		Code    string `json:"code"`
		Message text   `json:"message"`
	}{code, text{"en", message}})
	return body
}

// printable is a client's text as an answer shows it.
func printable(s string) string { return cellfs.Printable(s) }

// writeJSON answers with v.
func (q *request) writeJSON(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	q.w.Header().Set("Cache-Control", "no-store")
	return q.sendBody(status, "application/json", body)
}
