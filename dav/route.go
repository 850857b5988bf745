package dav

import (
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/dav/odata"
)

// kind of a target decides which methods it has.
type kind int

const (
	targetUnit  kind = iota
	targetToken      // of a cell or of the unit
	targetCell
	targetExport
	targetImport
	targetMyPassword
	targetEvent
	targetCtl       // control objects of a cell; entity is what follows __ctl
	targetUnitCtl   // those of the unit
	targetSnapshots // __snapshot
	targetSnapshot  // a file in it
	targetLogs      // __log and its collections
	targetLog       // a file in them
	targetBox
	targetResource // anything below a box
	targetEntity   // an entity of an OData collection whose key no path can hold
	targetUnknown  // a reserved name that means nothing
)

// target is what a URL names.
type target struct {
	kind     kind
	path     cellfs.Path
	slash    bool   // the URL ends in one
	hostForm bool   // the cell came from the host name
	unitURL  string // ends in a slash
	cellURL  string // likewise; "" above cells
	// entity are the segments from an entity on, of which path is what is above; of control
	// objects those below __ctl.
	entity []string
}

// route reads the URL. Segments are split before they are decoded, so that an
// encoded slash is part of a name and refused there.
func (h *Handler) route(r *http.Request, https bool) (t target, err error) {
	if r.Host == "" { // HTTP/1.0, which has none
		r.Host = localHost(r)
	}
	if len(r.Host) > maxHost || !authority.MatchString(r.Host) {
		return t, answer.New(answer.Authority, printable(r.Host[:min(len(r.Host), maxHost)]))
	}
	var segs []string
	host, cell := h.cellHost(r)
	if cell != "" {
		segs, t.hostForm = append(segs, cell), true
	}
	escaped := r.URL.EscapedPath()
	t.slash = strings.HasSuffix(escaped, "/")
	for seg := range strings.SplitSeq(escaped, "/") {
		if seg == "" {
			continue
		}
		name, err := url.PathUnescape(seg)
		if err != nil {
			return t, &cellfs.NameError{Name: seg}
		}
		segs = append(segs, name)
	}
	t.kind = kindOf(segs)
	if t.kind == targetToken && len(segs) == 1 {
		segs = nil // the unit's
	}
	switch t.kind {
	case targetUnitCtl:
		t.entity, segs = segs[1:], nil
	case targetCtl:
		t.entity, segs = segs[2:], segs[:1]
	}
	h.baseURLs(&t, https, host, segs)
	if t.kind == targetUnknown {
		return t, errNotMapped
	}
	if t.path, err = cellfs.NewPath(segs...); err != nil && t.kind == targetResource {
		err = t.entityPath(segs, err)
	}
	return t, err
}

// authority is a host, with or without a port (RFC 9110, 4.2): a name that DNS could hold, or
// an address. What a request line or a Host header can hold besides, quotes for one, would
// stand in headers and URLs of answers.
var authority = regexp.MustCompile(`^([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9._~%-]+)?\])(:[0-9]{0,5})?$`)

// maxHost bounds the host of a request with its port, in bytes: a name of RFC 1035 and
// five digits. It stands in answers, and in the log that is read for each URL of the cell.
const maxHost = 253 + len(":65535")

// localHost is the address at which a request came in.
func localHost(r *http.Request) string {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a.String()
	}
	return "localhost"
}

// entityPath reads a path of which NewPath said invalid: keys of entities can be
// longer than names, and hold what they cannot.
func (t *target) entityPath(segs []string, invalid error) (err error) {
	i := slices.IndexFunc(segs, odata.IsKeyed)
	if i < 3 { // cell, box, collection
		return invalid
	}
	if t.path, err = cellfs.NewPath(segs[:i]...); err != nil {
		return invalid
	}
	t.kind, t.entity = targetEntity, segs[i:]
	return nil
}

// cellHost splits {cell}.{unit host} (contract 1.1). host is the whole authority.
func (h *Handler) cellHost(r *http.Request) (host, cell string) {
	host = r.Host
	name := host
	if n, _, err := net.SplitHostPort(host); err == nil {
		name = n
	}
	// Lower case can be longer than what it is of; of ASCII it is not.
	cell, ok := strings.CutSuffix(strings.ToLower(name), "."+h.unitHost)
	if !ok || !isASCII(name) || cellfs.CheckCellName(cell) != nil {
		return host, ""
	}
	return host, cell
}

// baseURLs fills in the URLs in the form in which the request came.
func (h *Handler) baseURLs(t *target, https bool, host string, segs []string) {
	scheme := "http"
	if https {
		scheme = "https"
	}
	if h.cfg.UnitURL != nil {
		scheme = h.cfg.UnitURL.Scheme
	}
	switch {
	case t.hostForm:
		t.cellURL = scheme + "://" + host + "/"
		_, unit, _ := strings.Cut(host, ".")
		t.unitURL = scheme + "://" + unit + "/"
		return
	case h.cfg.UnitURL != nil:
		t.unitURL = strings.TrimSuffix(h.cfg.UnitURL.String(), "/") + "/"
	default:
		t.unitURL = scheme + "://" + host + "/"
	}
	if len(segs) > 0 {
		t.cellURL = t.unitURL + url.PathEscape(segs[0]) + "/"
	}
}

func kindOf(segs []string) kind {
	switch len(segs) {
	case 0:
		return targetUnit
	case 1:
		switch {
		case segs[0] == "__token":
			return targetToken
		case strings.HasPrefix(segs[0], "__"):
			return targetUnknown
		}
		return targetCell
	}
	if segs[0] == "__ctl" {
		return targetUnitCtl
	}
	switch second := segs[1]; {
	case second == cellfs.SnapshotArea && len(segs) == 2:
		return targetSnapshots
	case second == cellfs.SnapshotArea && len(segs) == 3:
		return targetSnapshot
	case second == cellfs.LogArea && len(segs) == 2:
		return targetLogs
	case second == cellfs.LogArea && segs[2] != cellfs.LogCurrent && segs[2] != cellfs.LogArchives:
		return targetUnknown
	case second == cellfs.LogArea && len(segs) == 3:
		return targetLogs
	case second == cellfs.LogArea && len(segs) == 4:
		return targetLog
	case second == "__export" && len(segs) == 2:
		return targetExport
	case second == "__import" && len(segs) == 2:
		return targetImport
	case second == "__ctl" && len(segs) > 2:
		return targetCtl
	case second == "__token" && len(segs) == 2:
		return targetToken
	case second == "__event" && len(segs) == 2:
		return targetEvent
	case second == "__mypassword" && len(segs) == 2:
		return targetMyPassword
	case strings.HasPrefix(second, "__") && second != cellfs.MainBox:
		return targetUnknown
	case len(segs) == 2:
		return targetBox
	}
	return targetResource
}

// href is the path of a resource in a 207 body: absolute, percent-encoded,
// collections ending in a slash (contract 1.1).
func (t *target) href(buf []byte, p cellfs.Path, collection bool) []byte {
	if !t.hostForm && p.Len() > 0 {
		buf = appendEscaped(append(buf, '/'), p.Cell())
	}
	for _, s := range p.Segments() {
		buf = appendEscaped(append(buf, '/'), s)
	}
	if collection || len(buf) == 0 {
		buf = append(buf, '/')
	}
	return buf
}

const upperHex = "0123456789ABCDEF"

// appendEscaped percent-encodes a path segment. What stays is safe in a path and
// in XML; parentheses stay because gvfs looks for them as they are.
func appendEscaped(buf []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$()*,=:@", c) >= 0 {
			buf = append(buf, c)
		} else {
			buf = append(buf, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return buf
}

// logURLs are those that stand in event logs.
func (t *target) logURLs() cellfs.LogURLs { return cellfs.LogURLs{Cell: t.cellURL, Unit: t.unitURL} }

// url is the absolute URL of the resource, as error messages show it.
func (t *target) url() string {
	if t.cellURL == "" {
		return t.unitURL
	}
	return t.urlOf(t.path)
}

// urlOf is the absolute URL of a path of the cell.
func (t *target) urlOf(p cellfs.Path) string {
	u := []byte(t.cellURL)
	for i, s := range p.Segments() {
		if i > 0 {
			u = append(u, '/')
		}
		u = appendEscaped(u, s)
	}
	return string(u)
}
