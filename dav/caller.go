package dav

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"strings"

	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/dav/auth"
)

// cookieName and peerParameter identify the caller of a browser. The cookie alone is not enough, so
// that no page of another site can use it (contract 5.6).
const (
	cookieName    = "p_cookie"
	peerParameter = "p_cookie_peer"
)

// identify finds out who the caller is. Bad credentials are no error yet, because some resources are
// open to all. Only an account that was deleted is refused at once.
func (q *request) identify() (err error) {
	q.caller, q.byToken, err = q.credentials()
	switch {
	case err != nil:
		return err
	case q.caller.Deleted:
		return q.unauthorized()
	case q.caller.Known() && q.forged():
		return errForged
	}
	return nil
}

// errForged: a browser sent this request for a page of another site.
var errForged = answer.New(answer.OtherSite)

// forged reports whether a page of another site can have made a browser send this request with the
// password that the browser keeps for this site. For all but simple requests a browser asks first
// (https://fetch.spec.whatwg.org/#cors-safelisted-method), and the answer does not allow passwords.
func (q *request) forged() bool {
	if q.sent != http.MethodPost || !strings.HasPrefix(strings.ToLower(q.Header.Get("Authorization")), "basic") {
		return false
	}
	kind, _, _ := strings.Cut(q.Header.Get("Content-Type"), ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data":
	default:
		return false
	}
	switch q.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "cross-site", "same-site":
		return true
	}
	origin := q.Header.Get("Origin")
	if origin == "" {
		return false // no browser, or a page of this server
	}
	u, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(u.Host, q.Host)
}

// credentials recognises the caller, and reports whether a token, or a cookie, did it.
func (q *request) credentials() (c auth.Caller, byToken bool, err error) {
	cell := q.target.Path.Cell()
	value := q.Header.Get("Authorization")
	if value == "" {
		c, err = q.byCookie(cell)
		return c, c.Known(), err
	}
	scheme, rest, _ := strings.Cut(value, " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToLower(scheme) {
	case "basic":
		c, err = q.basic(cell, rest)
		return c, false, err
	case "bearer":
		c, err = q.h.auth.Bearer(q.Context(), cell, rest)
		return c, c.Known(), err
	}
	return auth.Caller{Fault: auth.ErrScheme}, false, nil
}

func (q *request) byCookie(cell string) (auth.Caller, error) {
	if !strings.Contains(q.URL.RawQuery, peerParameter) {
		return auth.Caller{}, nil
	}
	values, err := q.query()
	if err != nil {
		return auth.Caller{}, err
	}
	peer := values.Get(peerParameter)
	if peer == "" {
		return auth.Caller{}, nil
	}
	cookie, err := q.Cookie(cookieName)
	if err != nil {
		return auth.Caller{Fault: auth.ErrCookie}, nil
	}
	return q.h.auth.Cookie(q.Context(), cell, cookie.Value, peer)
}

func (q *request) basic(cell, encoded string) (auth.Caller, error) {
	if !q.basicAllowed() {
		return auth.Caller{Fault: auth.ErrNone}, nil
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	name, password, ok := strings.Cut(string(decoded), ":")
	if err != nil || !ok {
		return auth.Caller{Fault: auth.ErrBasic}, nil
	}
	if name != q.h.cfg.AdminUser { // Personium's clients encode both parts
		name, password = unescape(name), unescape(password)
	}
	return q.h.auth.Password(q.Context(), cell, name, password, q.peer.Addr)
}

// unescape undoes the encoding of a form, if that is what it is.
func unescape(s string) string {
	if t, err := url.QueryUnescape(s); err == nil {
		return t
	}
	return s
}

// basicAllowed keeps passwords off the open network (contract 5.2).
func (q *request) basicAllowed() bool {
	if q.h.cfg.InsecureBasic || q.peer.HTTPS {
		return true
	}
	if !q.peer.Addr.IsLoopback() && len(q.h.cfg.TrustedProxies) > 0 {
		return false // the proxy is near, the client is not
	}
	local, ok := q.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.IP.IsLoopback()
}

// subject is the caller as the event log keeps it: {CellURL}#{account} with the URL of the
// account's cell, or for the unit admin {UnitURL}#{name}. Placeholders stand for these URLs, because the client chose the host of its
// request and the reader of the log may use another one. "" for an anonymous caller.
func (q *request) subject() string {
	return q.subjectIn(cellfs.LogURLs{Cell: cellfs.LocalCell, Unit: cellfs.LocalUnit})
}

func (q *request) subjectIn(urls cellfs.LogURLs) string {
	switch {
	case !q.caller.Known():
		return ""
	case q.caller.Cell == "":
		return urls.Unit + "#" + q.caller.Name
	case q.caller.Cell == q.target.Path.Cell():
		return urls.Cell + "#" + q.caller.Name
	}
	return urls.Unit + q.caller.Cell + "/#" + q.caller.Name
}

// unauthorized is the 401 for this request.
func (q *request) unauthorized() error {
	if q.caller.Fault != nil {
		return q.caller.Fault
	}
	return auth.ErrNone
}

// challenge adds to a 401 which credentials are accepted (RFC 9110, 11.6.1). A realm is the URL of
// the cell or the unit, in which nothing needs to be quoted.
func (q *request) challenge() {
	realm := q.target.CellURL
	if realm == "" {
		realm = q.target.UnitURL
	}
	h := q.w.Header()
	if q.basicAllowed() { // first: some clients look at no other (duplicity)
		h.Add("WWW-Authenticate", `Basic realm="`+realm+`", charset="UTF-8"`)
	}
	h.Add("WWW-Authenticate", `Bearer realm="`+realm+`"`)
}
