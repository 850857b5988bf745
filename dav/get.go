package dav

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
	"cellar/dav/answer"
)

// get answers GET and HEAD: the content of a file, or a page about a collection.
func (q *request) get() error {
	n, content, err := q.h.fs.OpenAt(q.Context(), q.target.Path)
	if isNotExist(err) && q.target.Path.Len() > 3 || err == nil && n.IsCollection() && n.Kind != cellfs.KindBox {
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
	q.noteRead(&n)
	if n.IsCollection() {
		return q.getCollection()
	}
	defer content.Close()
	return q.sendFile(&n, content)
}

// sendFile answers with a content, or as much of it as the client asks for.
func (q *request) sendFile(n *cellfs.Node, content cellfs.Content) error {
	h := q.w.Header()
	if err := q.evaluate(n, n.DatesFrom); errors.Is(err, errNotModified) {
		h["Etag"] = []string{n.ETag()}
		q.w.WriteHeader(http.StatusNotModified)
		return nil
	} else if err != nil {
		return err
	}
	h["Accept-Ranges"] = bytesValue
	part, err := q.part(n, content)
	if err != nil {
		return err
	}
	values := []string{n.ContentType, n.ETag(), q.shownModified(n)}
	h["Content-Type"], h["ETag"], h["Last-Modified"] = values[:1:1], values[1:2:2], values[2:3:3]
	h["X-Content-Type-Options"] = nosniffValue
	app, err := q.isApp()
	switch {
	case err != nil:
		return err
	case app:
		h["Content-Security-Policy"] = []string{q.appPolicy()}
	default:
		// What a user uploaded must not act with the server's authority in a browser.
		h["Content-Security-Policy"] = sandboxValue
		if !isInert(n.ContentType) {
			h["Content-Disposition"] = []string{"attachment; filename*=UTF-8''" + extValue(n.Name)}
		}
	}
	if b, ok := content.(interface{ Bytes() []byte }); ok && part == "" {
		return q.w.Whole(q.Request, http.StatusOK, b.Bytes())
	}
	// Package http must not see the conditional headers: it would judge them by rules of its own.
	plain := http.Request{Method: q.Method, Header: http.Header{}}
	if part != "" {
		plain.Header.Set("Range", part)
	}
	http.ServeContent(q.w, &plain, "", time.Time{}, content)
	return nil
}

// part is what of the content is to be sent, as a Range header that can be satisfied; ""
// for the whole. HEAD is always about the whole (RFC 9110, 14.2).
func (q *request) part(n *cellfs.Node, content cellfs.Content) (string, error) {
	ranges := q.Header["Range"]
	if len(ranges) != 1 || q.Method == http.MethodHead || !q.ifRange(n, n.DatesFrom) {
		return "", nil
	}
	size, err := content.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	part, err := satisfiable(ranges[0], size)
	if errors.Is(err, errRange) {
		q.w.Header()["Content-Range"] = []string{"bytes */" + strconv.FormatInt(size, 10)}
	}
	return part, err
}

// inertTypes are types that browsers show without running scripts, or not at all.
var inertTypes = []string{
	"text/plain", "text/csv", "text/tab-separated-values", "text/markdown", "text/css", "text/javascript", "text/calendar", "text/vcard", "text/vtt",
	"application/json", "application/pdf", "application/octet-stream", "application/zip", "application/gzip", "application/javascript",
}

// isInert reports whether a browser can show content of a type without running scripts. Everything else
// (HTML, any XML, unknown types) is sent as an attachment.
func isInert(contentType string) bool {
	t, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	t = strings.TrimSpace(t)
	kind, sub, _ := strings.Cut(t, "/")
	switch kind {
	case "image", "audio", "video", "font":
		return sub != "" && !strings.HasSuffix(sub, "xml")
	}
	return slices.Contains(inertTypes, t)
}

// extValue percent-encodes a parameter (RFC 8187, 3.2.1).
func extValue(s string) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			b = append(b, c)
		} else {
			b = fmt.Appendf(b, "%%%02X", c)
		}
	}
	return string(b)
}

// getUnit answers GET on the unit root.
func (q *request) getUnit() error {
	return q.sendJSON(http.StatusOK, map[string]any{"unit": q.unitJSON()})
}

func (q *request) unitJSON() map[string]any {
	return map[string]any{"url": q.target.UnitURL, "path_based_cellurl_enabled": !q.target.HostForm}
}

// getCell answers GET on a cell (contract 1.9).
func (q *request) getCell() error {
	n, err := q.h.fs.Node(q.Context(), q.target.Path)
	if err != nil {
		return err
	}
	q.w.Header()["Vary"] = []string{"Accept"}
	if q.asksFor("xml") && !q.asksFor("json") && !q.asksFor("html") {
		text := xmltree.AppendText(nil, q.target.CellURL)
		body := answer.XMLHeader + `<cell xmlns="` + personiumSpace + `"><uuid>` + fmt.Sprintf("%032x", n.Cell) + `</uuid><ctl>` + string(text) + `__ctl/</ctl></cell>`
		return answer.Send(q.w, q.Request, http.StatusOK, answer.XMLType, []byte(body))
	}
	return q.sendJSON(http.StatusOK, map[string]any{"cell": q.cellJSON(n.Name), "unit": q.unitJSON()})
}

func (q *request) cellJSON(name string) map[string]any {
	return map[string]any{"name": name, "url": q.target.CellURL}
}

// getLog answers GET on a file of the event log (contract 6.5). It is read
// page by page as it is sent.
func (q *request) getLog() error {
	n, err := q.h.fs.Node(q.Context(), q.target.Path)
	if err != nil {
		return err
	}
	if n.Kind != cellfs.KindLog {
		return errMethod
	}
	log, size, err := q.h.fs.ReadLog(q.Context(), n, q.target.LogURLs())
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
	n, err := q.h.fs.Node(q.Context(), q.target.Path)
	if err == nil {
		err = q.h.fs.DropLog(q.Context(), n)
	}
	if errors.Is(err, cellfs.ErrReadOnly) {
		return answer.New(answer.DeleteCurrentLog)
	}
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteSnapshot answers DELETE on a file of the snapshot area.
func (q *request) deleteSnapshot() error {
	p := q.target.Path
	err := q.h.fs.DeleteSnapshot(q.Context(), p.Cell(), p.Name(), func(_ cellfs.Tx, at cellfs.Place) error {
		if err := q.judge(&at, q.rules); err != nil {
			return err
		}
		return q.preconditions(&at)
	})
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}
