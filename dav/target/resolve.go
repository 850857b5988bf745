package target

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/dav/odata"
	"cellar/dav/wire"
)

// Resolver reads URLs.
type Resolver struct {
	unitURL  *url.URL // nil: URLs follow the request
	unitHost string   // without port
}

// NewResolver returns a resolver for a unit with that public URL. Cells are also found under
// {cell}.{its host}. nil: URLs follow the request, and the host is localhost.
func NewResolver(unitURL *url.URL) *Resolver {
	r := &Resolver{unitURL: unitURL, unitHost: "localhost"}
	if unitURL != nil {
		r.unitHost = strings.ToLower(unitURL.Hostname())
	}
	return r
}

// Resolve reads the URL of a request; https says that the client speaks it. Segments are split
// before they are decoded, so that an encoded slash is part of a name and refused there. It
// returns an [*answer.Error] for a bad host, and errors of [cellfs.NewPath].
func (v *Resolver) Resolve(r *http.Request, https bool) (t Target, err error) {
	if r.Host == "" { // HTTP/1.0, which has none
		r.Host = localHost(r)
	}
	if len(r.Host) > maxHost || !wire.IsAuthority(r.Host) {
		return t, answer.New(answer.Authority, cellfs.Printable(r.Host[:min(len(r.Host), maxHost)]))
	}
	segs := make([]string, 0, 8)
	if cell := v.cellHost(r.Host); cell != "" {
		segs, t.HostForm = append(segs, cell), true
	}
	escaped := r.URL.EscapedPath()
	t.Slash = strings.HasSuffix(escaped, "/")
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
	t.Kind = kindOf(segs)
	if t.Kind == Token && len(segs) == 1 {
		segs = nil // the unit's
	}
	if n := rows[t.Kind].rest; n > 0 {
		segs, t.Rest = segs[:n-1], segs[n:]
	}
	v.baseURLs(&t, https, r.Host, segs)
	if t.Kind == Unknown {
		return t, answer.New(answer.NotMapped)
	}
	if t.Path, err = cellfs.NewPath(segs...); err != nil && t.Kind == Resource {
		err = t.entityPath(segs, err)
	}
	return t, err
}

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
func (t *Target) entityPath(segs []string, invalid error) (err error) {
	i := slices.IndexFunc(segs, odata.IsKeyed)
	if i < 3 { // cell, box, collection
		return invalid
	}
	if t.Path, err = cellfs.NewPath(segs[:i]...); err != nil {
		return invalid
	}
	t.Kind, t.Rest = Entity, segs[i:]
	return nil
}

// cellHost is the cell of a host of the form {cell}.{unit host} (contract 1.1); "" if it is not of that form.
func (v *Resolver) cellHost(authority string) string {
	name := authority
	if n, _, err := net.SplitHostPort(authority); err == nil {
		name = n
	}
	// The lower case of other letters can be ASCII: a Kelvin sign becomes a k.
	cell, ok := strings.CutSuffix(strings.ToLower(name), "."+v.unitHost)
	if !ok || strings.ContainsFunc(name, func(c rune) bool { return c >= 0x80 }) || cellfs.CheckCellName(cell) != nil {
		return ""
	}
	return cell
}

// baseURLs fills in the URLs in the form in which the request came.
func (v *Resolver) baseURLs(t *Target, https bool, host string, segs []string) {
	scheme := "http"
	if https {
		scheme = "https"
	}
	if v.unitURL != nil {
		scheme = v.unitURL.Scheme
	}
	switch {
	case t.HostForm:
		t.CellURL = scheme + "://" + host + "/"
		_, unit, _ := strings.Cut(host, ".")
		t.UnitURL = scheme + "://" + unit + "/"
		return
	case v.unitURL != nil:
		t.UnitURL = strings.TrimSuffix(v.unitURL.String(), "/") + "/"
	default:
		t.UnitURL = scheme + "://" + host + "/"
	}
	if len(segs) > 0 {
		t.CellURL = t.UnitURL + url.PathEscape(segs[0]) + "/"
	}
}

// InCell returns the names below a cell that a URL names in either of its forms, and false if
// it names another cell or another server. Ports are not compared. r is the request that has
// the URL.
func (v *Resolver) InCell(r *http.Request, cell string, u *url.URL) (names []string, ok bool) {
	if u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return nil, false
	}
	named := v.cellHost(u.Host)
	if named == "" && !v.isHost(r, u.Hostname()) {
		return nil, false
	}
	named, names = cellAndBelow(named, u.Path)
	return names, named != "" && named == cell
}

// cellAndBelow splits the path of a URL of the unit into the name of a cell, unless the host names
// that, and the names below. "" is the unit.
func cellAndBelow(ofHost, path string) (cell string, names []string) {
	for s := range strings.SplitSeq(path, "/") {
		if s != "" {
			names = append(names, s)
		}
	}
	if ofHost != "" || len(names) == 0 {
		return ofHost, names
	}
	return names[0], names[1:]
}

// Cell returns the cell that a URL of this unit (see [Resolver.SameUnit]) names, or "" for the unit
// itself, and the names below. The request says by which host the unit is called; whoever sends it
// can lie about that, so nothing that another one may do must depend on the answer.
func (v *Resolver) Cell(r *http.Request, u *url.URL) (cell string, below []string, ok bool) {
	if !v.SameUnit(r, u) {
		return "", nil, false
	}
	cell, below = cellAndBelow(v.cellHost(u.Host), u.Path)
	return cell, below, true
}

// CellURLs are the URLs by which control objects and schemas can name a cell of this unit,
// whoever asks. They end in a slash.
func (v *Resolver) CellURLs(cell string) []string {
	all := []string{cellfs.LocalUnit + cell + "/"}
	if v.unitURL == nil {
		return all
	}
	base := strings.TrimSuffix(v.unitURL.String(), "/") + "/"
	return append(all, base+cell+"/", v.unitURL.Scheme+"://"+cell+"."+v.unitURL.Host+"/")
}

// Local returns the URL of a cell of this unit, or of what is below one, with [cellfs.LocalUnit] in
// the place of the URL of the unit. Any other text comes back as it is. Without a public URL of the
// unit, only localhost and the loopback addresses are known to be this unit: the host of a request
// proves nothing.
func (v *Resolver) Local(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return text
	}
	name := strings.ToLower(u.Hostname())
	cell := v.cellHost(u.Host)
	switch {
	case v.unitURL != nil && plainPort(u.Port()) != plainPort(v.unitURL.Port()):
		return text
	case cell == "" && name != v.unitHost && (v.unitURL != nil || !isLoopback(name)):
		return text
	}
	return local(cell, u)
}

// LocalTo is [Resolver.Local] for a URL that the sender of a request writes into an object of its
// own: the host by which the request came counts as this unit.
func (v *Resolver) LocalTo(r *http.Request, text string) string {
	u, err := url.Parse(text)
	if err != nil || !v.SameUnit(r, u) {
		return text
	}
	return local(v.cellHost(u.Host), u)
}

func local(cell string, u *url.URL) string {
	path := strings.TrimPrefix(u.EscapedPath(), "/")
	if cell != "" {
		path = cell + "/" + path
	}
	return cellfs.LocalUnit + path
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// Shown returns a text that begins with [cellfs.LocalUnit] as the URL that it stands for, in the
// form in which the request came; any other text as it is.
func (t *Target) Shown(text string) string {
	rest, ok := strings.CutPrefix(text, cellfs.LocalUnit)
	if !ok {
		return text
	}
	if cell, below, ok := strings.Cut(rest, "/"); ok && t.HostForm {
		scheme, host, _ := strings.Cut(t.UnitURL, "://")
		return scheme + "://" + cell + "." + host + below
	}
	return t.UnitURL + rest
}

// isHost reports whether a name is that of this unit: the one by which the request came,
// the unit's own, or the address that took the connection.
func (v *Resolver) isHost(r *http.Request, name string) bool {
	name = strings.ToLower(name)
	here := url.URL{Host: r.Host}
	if name == strings.ToLower(here.Hostname()) || name == v.unitHost {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && name == local.IP.String()
}

// SameUnit reports whether a URL is of this unit: of the host the request came
// to, of the unit's own or a cell's, or of the address that took the connection,
// on the same port. Behind a proxy the standard ports stand for each other.
func (v *Resolver) SameUnit(r *http.Request, u *url.URL) bool {
	if u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	here := url.URL{Host: r.Host}
	n := strings.ToLower(u.Hostname())
	known := v.isHost(r, n)
	if cell, ok := strings.CutSuffix(n, "."+v.unitHost); ok && !strings.Contains(cell, ".") {
		known = true
	}
	ports := []string{plainPort(here.Port())}
	if v.unitURL != nil {
		ports = append(ports, plainPort(v.unitURL.Port()))
	}
	return known && slices.Contains(ports, plainPort(u.Port()))
}

// plainPort makes the standard ports one.
func plainPort(p string) string {
	if p == "80" || p == "443" {
		return ""
	}
	return p
}
