package dav

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"cellar/cellfs"
	"cellar/dav/answer"
)

// requestKey is the form of X-Personium-RequestKey (contract 1.3.1).
var requestKey = regexp.MustCompile(`^[A-Za-z0-9_-]{0,128}$`)

const headerKey = "X-Personium-Requestkey"

// davHeader is sent on OPTIONS and on 401: Finder and Windows look there
// whether this is a WebDAV server at all. Both headers are set by assignment
// because their canonical form would be Dav.
func davHeaders(h http.Header) {
	h["DAV"] = []string{"1, 2, 3"}
	h["MS-Author-Via"] = []string{"DAV"}
}

// exposed are the headers of answers that a page of another origin may read.
const exposed = "X-Personium-Version, Location, ETag, Last-Modified, DAV, Lock-Token, X-OC-Mtime, Date, Allow, MS-Author-Via, WWW-Authenticate, " +
	"Retry-After, Preference-Applied, Accept-Ranges, Content-Range, Content-Disposition, Content-Encoding, DataServiceVersion"

// Values of headers that many answers have. They are shared: nobody changes them.
var (
	versionValue = []string{Version}
	anyValue     = []string{"*"}
	exposedValue = []string{exposed}
	bytesValue   = []string{"bytes"}
	nosniffValue = []string{"nosniff"}
	sandboxValue = []string{"sandbox; default-src 'none'"}
)

func (q *request) commonHeaders() {
	h := q.w.Header()
	h["X-Personium-Version"] = versionValue
	h["Access-Control-Allow-Origin"] = anyValue
	h["Access-Control-Expose-Headers"] = exposedValue
}

// edge is the first step of a request, in the order of contract 1.2. done reports whether it gave the
// answer.
func (q *request) edge() (done bool, err error) {
	q.sent = q.Method
	q.override()
	values, given := q.Header[headerKey]
	switch {
	case !given:
		// One is made when it is asked for.
	case len(values) != 1 || !requestKey.MatchString(values[0]):
		return false, answer.New(answer.RequestKey)
	default:
		q.givenKey = values[0]
	}
	if q.sent == http.MethodOptions && q.Header.Get("Authorization") == "" {
		q.preflight()
		return true, nil
	}
	for _, name := range onlyOnce {
		if v := q.Header[name]; len(v) > 1 {
			return false, answer.New(answer.HeaderValue, name, cellfs.Printable(strings.Join(v, ", ")))
		}
	}
	if accept := q.Header.Get("Accept"); !isASCII(accept) {
		return false, answer.New(answer.AcceptHeader, "Accept", accept)
	}
	return false, nil
}

// onlyOnce are headers that must not be there twice: a proxy might decide by the first and the server
// act by the second.
var onlyOnce = []string{"Destination", "Depth", "Overwrite", "Lock-Token", "Content-Range", "X-Oc-Mtime", "X-Expected-Entity-Length"}

// override applies X-HTTP-Method-Override and X-Override to a copy of the request, because package
// http frames the answer, and the rest of the body, by the request that it read.
func (q *request) override() {
	method, headers := "", q.Header["X-Override"]
	if q.Method == http.MethodPost {
		method = q.Header.Get("X-Http-Method-Override")
	}
	if method == "" && headers == nil {
		return
	}
	q.Request = q.WithContext(q.Context())
	switch method {
	case "":
	case http.MethodHead:
		q.Method = headByPost
	default:
		q.Method = method
	}
	if headers != nil {
		q.Header = q.Header.Clone()
		overrideHeaders(q.Header, headers)
	}
}

// headByPost is a method that no resource has. A client that sends POST expects a body, which an
// answer to HEAD does not have.
const headByPost = "HEAD by POST"

// fixed are headers that X-Override cannot change: those of the connection and of the framing, and
// those in which browsers and proxies say where a request comes from.
var fixed = []string{
	"Connection", "Content-Length", "Expect", "Forwarded", "Host", "Keep-Alive", "Origin", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Via", "X-Http-Method-Override", "X-Override",
}

func isFixed(name string) bool {
	return slices.Contains(fixed, name) || strings.HasPrefix(name, "Sec-") || strings.HasPrefix(name, "X-Forwarded-")
}

// overrideHeaders replaces headers as X-Override asks: "Name:value", the last
// one of a name wins. Malformed values, and headers that are fixed, are ignored.
func overrideHeaders(h http.Header, values []string) {
	for _, v := range values {
		name, value, ok := strings.Cut(v, ":")
		name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
		if ok && name != "" && !isFixed(name) {
			h[name] = []string{strings.TrimSpace(value)}
		}
	}
}

// key is the X-Personium-RequestKey of the request: the one it came with, or one of its own.
func (q *request) key() string {
	if q.givenKey == "" {
		q.givenKey = newRequestKey()
	}
	return q.givenKey
}

// newRequestKey is a random UUID's worth of base64url, as {4}_{18}.
func newRequestKey() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	s := base64.RawURLEncoding.EncodeToString(b[:])
	return s[:4] + "_" + s[4:]
}

// preflightMethods is the answer to OPTIONS without credentials on every path: all methods that
// some resource has. pageMethods are those that a page of another origin may send. Some of these no
// resource has, so that the page gets the 405 and not an error of its browser.
const (
	preflightMethods = "OPTIONS, GET, POST, PUT, DELETE, HEAD, MERGE, MKCOL, MOVE, COPY, LOCK, UNLOCK, PROPFIND, PROPPATCH, ACL"
	pageMethods      = preflightMethods + ", REPORT, SEARCH, PATCH"
)

// preflight answers OPTIONS without credentials, whatever the path.
func (q *request) preflight() {
	h := q.w.Header()
	davHeaders(h)
	h.Set("Allow", preflightMethods)
	h.Set("Access-Control-Allow-Methods", pageMethods)
	if asked := q.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	h.Set("Access-Control-Max-Age", "86400")
	h.Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusOK)
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
