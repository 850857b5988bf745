package dav

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/dav/target"
)

// check is the precondition of a change at p: the conditional headers, the If
// header and the locks. deep: what lies below changes too.
func (q *request) check(p cellfs.Path, deep bool) cellfs.Check { return q.checkWith(p, q.rules, deep) }

// checkWith is check with other rules than those of the method.
func (q *request) checkWith(p cellfs.Path, rules []rule, deep bool) cellfs.Check {
	return func(tx cellfs.Tx, at cellfs.Place) error {
		if err := q.mayChange(tx, &at, rules, deep); err != nil {
			return err
		}
		if err := q.preconditions(&at); err != nil {
			return err
		}
		return q.checkLocks(tx, p, at.Node, deep)
	}
}

// longRequest is the time after which a request looks for its caller once more before it changes
// something: the account may have lost a role or its password. Changes of ACLs and control objects
// always look.
var longRequest = time.Second

// mayChange asks once more, inside the transaction, whether the caller may: ACLs and the
// tree may have changed since the request came in.
func (q *request) mayChange(tx cellfs.Tx, at *cellfs.Place, rules []rule, deep bool) error {
	if time.Since(q.began) > longRequest || q.target.Kind == target.Ctl || q.Method == "ACL" {
		if err := q.h.auth.Again(tx, &q.caller); err != nil {
			return err
		}
	}
	if err := q.judge(at, rules); err != nil || !deep || ofCell(rules) {
		return err
	}
	return q.schemaAllowsBelow(tx, at)
}

// put answers PUT.
func (q *request) put() error {
	if q.target.Slash {
		return cellfs.ErrIsCollection // RFC 4918, 9.7.2
	}
	if q.Header.Get("Content-Range") != "" { // RFC 9110, 14.5
		return answer.New(answer.HeaderValue, "Content-Range", q.Header.Get("Content-Range"))
	}
	check := q.check(q.target.Path, false)
	mtime, err := q.mtime()
	if err != nil {
		return err
	}
	body, err := q.upload()
	if err != nil {
		return err
	}
	if q.ContentLength > cellfs.MaxInline || q.ContentLength < 0 || q.Header.Get("Expect") != "" {
		// Refuse before the body comes, and before a client that waits for "100
		// Continue" sends it. Judged again when the body is complete.
		room, err := q.h.fs.PutAllowed(q.Context(), q.target.Path, check)
		if err != nil {
			return err
		}
		if q.ContentLength > room {
			return errQuota
		}
		body = &within{r: body, left: room}
	}
	n, created, err := q.h.fs.Put(q.Context(), q.target.Path, body, cellfs.PutOptions{
		ContentType: q.contentType(), MTime: mtime, Check: q.recorded(check, writingFile),
	})
	if err != nil {
		return err
	}
	h := q.w.Header()
	h["Etag"] = []string{n.ETag()}
	h["Last-Modified"] = []string{q.shownModified(&n)}
	h["Content-Length"] = []string{"0"}
	return q.created(created)
}

// contentType is that of the request, or what the name suggests where the client
// says nothing of use.
func (q *request) contentType() string {
	t := q.Header.Get("Content-Type")
	base, _, _ := mime.ParseMediaType(t)
	valid := cellfs.IsContentType(t)
	if !valid || base == "application/octet-stream" || base == "application/x-www-form-urlencoded" {
		if guess := cellfs.TypeByName(q.target.Path.Name()); guess != "" {
			return guess
		}
	}
	if !valid { // what is stored here stands in listings and headers
		return ""
	}
	return t
}

func (q *request) created(created bool) error {
	if created {
		q.w.WriteHeader(http.StatusCreated)
	} else {
		q.w.Header().Del("Content-Length")
		q.w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

// delete answers DELETE on a box and on what is below (contract 1.10, 1.12).
func (q *request) delete() error {
	check := q.check(q.target.Path, true)
	err := q.h.fs.Delete(q.Context(), q.target.Path, q.recorded(func(tx cellfs.Tx, at cellfs.Place) error {
		if d := q.Header.Get("Depth"); d != "" && !strings.EqualFold(d, "infinity") && at.Node.IsCollection() {
			return errDepth(d) // RFC 4918, 9.6.1
		}
		return check(tx, at)
	}, action("delete", http.StatusNoContent)))
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func errDepth(v string) error {
	return answer.New(answer.DepthValue, v)
}

// deleteCell answers DELETE on a cell.
func (q *request) deleteCell() error {
	if q.Header.Get("X-Personium-Recursive") != "true" {
		return answer.New(answer.PreconditionFailed, "X-Personium-Recursive")
	}
	cell, err := q.cell()
	if err != nil {
		return err
	}
	check := q.check(q.target.Path, true)
	err = q.h.fs.DeleteCell(q.Context(), cell.Name, func(tx cellfs.Tx, at cellfs.Place) error {
		if q.h.ops.Busy(at.Node.Cell) {
			return errBusyCell
		}
		return check(tx, at)
	})
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// hasBody reports whether the request brings a body. One of unknown length is
// looked into.
func (q *request) hasBody() (bool, error) {
	if q.ContentLength >= 0 {
		return q.ContentLength > 0, nil
	}
	var b [1]byte
	n, err := io.ReadFull(q.Body, b[:])
	if n == 0 {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return false, err
	}
	q.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(strings.NewReader(string(b[:])), q.Body), q.Body}
	return true, nil
}

// copyMove answers COPY and MOVE.
func (q *request) copyMove() error {
	dst, err := q.destination()
	if err != nil {
		return err
	}
	move := q.Method == "MOVE"
	o := cellfs.TransferOptions{}
	if o.KeepExisting, err = q.keepExisting(); err != nil {
		return err
	}
	switch v := q.Header.Get("Depth"); {
	case v == "", strings.EqualFold(v, "infinity"):
	case v == "0" && !move:
		o.Shallow = true
	default:
		return errDepth(v)
	}
	if o.MTime, err = q.mtime(); err != nil {
		return err
	}
	if err := q.admitted(dst, destination); err != nil {
		return err
	}
	src := q.target.Path
	var from cellfs.Node
	o.Source = func(tx cellfs.Tx, at cellfs.Place) error {
		from = *at.Node
		if err := q.mayChange(tx, &at, q.rules, !o.Shallow); err != nil {
			return err
		}
		if err := q.preconditions(&at); err != nil {
			return err
		}
		if err := q.checkIf(tx, src, at.Node); err != nil || !move {
			return err
		}
		return q.h.fs.CheckLocks(tx, q.change(src, true, true))
	}
	o.Destination = func(tx cellfs.Tx, at cellfs.Place) error {
		if err := q.mayChange(tx, &at, destination, true); err != nil {
			return err
		}
		return q.h.fs.CheckLocks(tx, q.change(dst, true, at.Node == nil))
	}
	o.Record = func(tx cellfs.Tx, at cellfs.Place) error { return q.recordTransfer(tx, from.Kind, from.Cell, dst, &at) }
	var created bool
	if move {
		created, err = q.h.fs.Move(q.Context(), src, dst, o)
	} else {
		created, err = q.h.fs.Copy(q.Context(), src, dst, o)
	}
	if err != nil {
		return q.transferError(err, src, dst)
	}
	q.w.Header()["Content-Length"] = []string{"0"}
	return q.created(created)
}

// keepExisting reads the Overwrite header (RFC 4918, 10.6: absent means T).
func (q *request) keepExisting() (bool, error) {
	v := q.Header.Get("Overwrite")
	switch strings.ToUpper(v) {
	case "", "T":
		return false, nil
	case "F":
		return true, nil
	}
	return false, answer.New(answer.HeaderValue, "Overwrite", v)
}

// transferError is the answer to a COPY or MOVE that cannot be made. Where the resource stands in the way,
// and not the method, it is 403 or 400, with the codes that Personium's clients know.
func (q *request) transferError(err error, src, dst cellfs.Path) error {
	var of *cellfs.DestinationError
	atDestination := errors.As(err, &of)
	switch {
	case errors.Is(err, cellfs.ErrReadOnly) && src.Len() == 2 && q.Method == "MOVE":
		return answer.New(answer.MoveBox)
	case errors.Is(err, cellfs.ErrInService):
		return answer.New(answer.MoveIntoService)
	case errors.Is(err, cellfs.ErrInSource):
		return answer.New(answer.CollectionInServiceSource)
	case errors.Is(err, cellfs.ErrSource) && atDestination:
		return answer.New(answer.OverwriteServiceSource)
	case errors.Is(err, cellfs.ErrSource):
		return answer.New(answer.MoveServiceSource)
	case errors.Is(err, cellfs.ErrInOData) && atDestination:
		return answer.New(answer.MoveIntoOData)
	case errors.Is(err, cellfs.ErrBelowFile) && q.Method == "MOVE": // COPY is not Personium's: RFC 4918, 9.8.5
		return answer.New(answer.MoveIntoFile)
	case errors.Is(err, cellfs.ErrReadOnly) && atDestination:
		return answer.New(answer.DestinationReadOnly, dst)
	case errors.Is(err, cellfs.ErrNoParent), errors.Is(err, cellfs.ErrNoBox), errors.Is(err, cellfs.ErrNoCell):
		// The source's box was there when the request came in (admit).
		return answer.New(answer.ParentMissing, dst.Parent())
	}
	return err
}

// copySpecial answers COPY of a file of __snapshot or __log into a box. The
// bytes are copied (contract 4.7, 6.5).
func (q *request) copySpecial() error {
	dst, err := q.destination()
	if err != nil {
		return err
	}
	keep, err := q.keepExisting()
	if err != nil {
		return err
	}
	n, from, err := q.openSpecial()
	if err != nil {
		return err
	}
	defer from.Close()
	if err := q.admitted(dst, destination); err != nil {
		return err
	}
	check := func(tx cellfs.Tx, at cellfs.Place) error {
		if err := q.judge(&at, destination); err != nil {
			return err
		}
		there := at.Node
		if there != nil && keep {
			return cellfs.ErrDestinationExists
		}
		if err := q.evaluate(&n, time.Time{}); err != nil {
			return err
		}
		if err := q.checkIf(tx, q.target.Path, &n); err != nil {
			return err
		}
		return q.h.fs.CheckLocks(tx, q.change(dst, false, there == nil))
	}
	room, err := q.h.fs.PutAllowed(q.Context(), dst, check)
	if err != nil {
		return q.transferError(&cellfs.DestinationError{Err: err}, q.target.Path, dst)
	}
	_, created, err := q.h.fs.Put(q.Context(), dst, &within{r: from, left: room}, cellfs.PutOptions{
		ContentType: n.ContentType, Check: func(tx cellfs.Tx, at cellfs.Place) error {
			if err := check(tx, at); err != nil {
				return err
			}
			return q.recordTransfer(tx, cellfs.KindFile, n.Cell, dst, &at)
		},
	})
	if err != nil {
		return q.transferError(&cellfs.DestinationError{Err: err}, q.target.Path, dst)
	}
	q.w.Header()["Content-Length"] = []string{"0"}
	return q.created(created)
}

// openSpecial opens what the target is of __snapshot or __log. A log is read piece
// by piece.
func (q *request) openSpecial() (n cellfs.Node, r io.ReadCloser, err error) {
	err = q.h.fs.View(q.Context(), func(tx cellfs.Tx) (err error) {
		n, err = q.h.fs.Lookup(tx, q.target.Path)
		return err
	})
	if err != nil {
		return n, nil, err
	}
	if n.Kind == cellfs.KindLog {
		text, _, err := q.h.fs.ReadLog(q.Context(), n, q.target.LogURLs())
		return n, io.NopCloser(text), err
	}
	n, content, err := q.h.fs.OpenAt(q.Context(), q.target.Path)
	if err == nil && content == nil {
		err = errMethod
	}
	return n, content, err
}

// destination reads the Destination header (RFC 4918, 10.3): an absolute URL of
// this unit or an absolute path.
func (q *request) destination() (cellfs.Path, error) {
	v := q.Header.Get("Destination")
	if v == "" {
		return cellfs.Path{}, answer.New(answer.HeaderMissing, "Destination")
	}
	invalid := answer.New(answer.HeaderValue, "Destination", cellfs.Printable(v))
	u, err := url.Parse(v)
	if err != nil { // RFC 3986 forbids it, but clients send bare percent signs
		u, err = url.Parse(strings.ReplaceAll(v, "%", "%25"))
	}
	if err != nil || u.Fragment != "" || u.RawQuery != "" || !strings.HasPrefix(u.Path, "/") {
		return cellfs.Path{}, invalid
	}
	host := q.Host
	if u.Host != "" {
		if !q.h.urls.SameUnit(q.Request, u) {
			return cellfs.Path{}, answer.New(answer.OtherServer, cellfs.Printable(v))
		}
		host = u.Host
	}
	t, err := q.h.urls.Resolve(&http.Request{Host: host, URL: u}, q.peer.HTTPS)
	switch {
	case errors.Is(err, errNotMapped), err == nil && t.Kind.Cut():
		return cellfs.Path{}, invalid
	case err == nil && t.Kind == target.Entity: // its path is what is above
		return cellfs.Path{}, &cellfs.NameError{Name: t.Rest[0]}
	}
	return t.Path, err
}
