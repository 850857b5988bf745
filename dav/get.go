package dav

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"cellar/cellfs"
)

// get answers GET and HEAD: the content of a file, a line of text for a
// collection.
func (q *request) get() error {
	n, content, err := q.h.fs.OpenAt(q.Context(), q.target.path)
	if isNotExist(err) && q.target.path.Len() > 3 || err == nil && n.IsCollection() && n.Kind != cellfs.KindBox {
		if col, ok, oerr := q.insideOData(); ok || oerr != nil {
			if oerr != nil {
				return oerr
			}
			return q.getOData(col)
		}
	}
	if err != nil {
		return err
	}
	q.saw(&n)
	if n.IsCollection() {
		return q.getCollection()
	}
	defer content.Close()
	h := q.w.Header()
	h["Content-Type"] = []string{n.ContentType}
	h["Etag"] = []string{n.ETag()}
	// What a user uploaded must not act with the server's authority in a browser.
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Content-Security-Policy"] = []string{"sandbox; default-src 'none'"}
	if isActive(n.ContentType) {
		h["Content-Disposition"] = []string{"attachment; filename*=UTF-8''" + url.PathEscape(n.Name)}
	}
	if b, ok := content.(interface{ Bytes() []byte }); ok && !asksForPart(q.Header) {
		return q.sendBytes(&n, b.Bytes())
	}
	relaxETags(q.Header)
	if v := q.Header.Get("Range"); v != "" && !byteRanges.MatchString(v) {
		q.Header.Del("Range") // RFC 9110, 14.2: another unit, or none, is ignored
	}
	http.ServeContent(q.w, q.Request, "", n.LastModified(), content)
	return nil
}

// asksForPart reports whether a GET may be answered with something else than the
// whole content (RFC 9110, 13.1, 14.2).
func asksForPart(h http.Header) bool {
	for _, name := range []string{"Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		if h[name] != nil {
			return true
		}
	}
	return false
}

// sendBytes sends what is in memory anyway, without the reader and the buffer that
// package http would put before it.
func (q *request) sendBytes(n *cellfs.Node, b []byte) error {
	h := q.w.Header()
	h["Accept-Ranges"] = []string{"bytes"}
	h["Last-Modified"] = []string{n.LastModified().Format(http.TimeFormat)}
	h["Content-Length"] = []string{strconv.Itoa(len(b))}
	q.w.WriteHeader(http.StatusOK)
	if q.Method == http.MethodHead {
		return nil
	}
	_, err := q.w.Write(b)
	return err
}

// isActive tells types that a browser would run or render with scripts.
func isActive(contentType string) bool {
	t, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch strings.TrimSpace(t) {
	case "text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml", "application/xslt+xml":
		return true
	}
	return false
}

// byteRanges is a Range header that package http understands.
var byteRanges = regexp.MustCompile(`^bytes=[0-9, -]*$`)

// relaxETags quotes a bare entity tag: Personium's documents show it without
// quotes (spec/cell-snapshot.md §5).
func relaxETags(h http.Header) {
	for _, name := range []string{"If-Match", "If-None-Match", "If-Range"} {
		v := h.Get(name)
		if v != "" && v != "*" && !strings.ContainsAny(v, `", `) {
			h.Set(name, `"`+v+`"`)
		}
	}
}

func (q *request) getCollection() error {
	h := q.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	_, err := q.w.Write([]byte("URL : " + q.target.url() + "\n"))
	return err
}

// getUnit answers GET on the unit root.
func (q *request) getUnit() error {
	return q.writeJSON(http.StatusOK, map[string]any{"unit": q.unitJSON()})
}

func (q *request) unitJSON() map[string]any {
	return map[string]any{"url": q.target.unitURL, "path_based_cellurl_enabled": !q.target.hostForm}
}

// getCell answers GET on a cell (spec/cell-and-box-management.md §4).
func (q *request) getCell() error {
	n, err := q.h.fs.Node(q.Context(), q.target.path)
	if err != nil {
		return err
	}
	return q.writeJSON(http.StatusOK, map[string]any{"cell": q.cellJSON(n.Name), "unit": q.unitJSON()})
}

func (q *request) cellJSON(name string) map[string]any {
	return map[string]any{"name": name, "url": q.target.cellURL}
}

// getLog answers GET on a file of the event log (spec/event-log.md §4). It is read
// page by page as it is sent.
func (q *request) getLog() error {
	n, err := q.h.fs.Node(q.Context(), q.target.path)
	if err != nil {
		return err
	}
	if n.Kind != cellfs.KindLog {
		return errMethod
	}
	log, size, err := q.h.fs.ReadLog(q.Context(), n, q.target.logURLs())
	if err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("Content-Type", "text/csv")
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	q.w.WriteHeader(http.StatusOK)
	if q.Method == http.MethodHead {
		return nil
	}
	_, err = io.Copy(q.w, log)
	return err
}

// deleteLog answers DELETE on a file of the event log: only closed logs go.
func (q *request) deleteLog() error {
	n, err := q.h.fs.Node(q.Context(), q.target.path)
	if err == nil {
		err = q.h.fs.DropLog(q.Context(), n)
	}
	if errors.Is(err, cellfs.ErrReadOnly) {
		return codef("PR400-EV-0005", "Cannot delete current eventLog file.")
	}
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteSnapshot answers DELETE on a file of the snapshot area.
func (q *request) deleteSnapshot() error {
	p := q.target.path
	err := q.h.fs.DeleteSnapshot(q.Context(), p.Cell(), p.Name(), func(_ cellfs.Tx, at cellfs.Place) error {
		if err := q.judge(&at, q.rules); err != nil {
			return err
		}
		return q.preconditions(at.Node)
	})
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}
