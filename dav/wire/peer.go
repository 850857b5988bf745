package wire

import (
	"context"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Peer is what is known of the client: from the connection, or from a proxy that is trusted.
type Peer struct {
	Addr  netip.Addr // invalid if it is not known
	HTTPS bool       // the client speaks it
}

// peerKey is the key of the peer in the context of a request.
type peerKey struct{}

// PeerOf returns the peer of a request. If it came through [FindPeers], that may be one of which a
// proxy told.
func PeerOf(r *http.Request) Peer {
	if p, ok := r.Context().Value(peerKey{}).(Peer); ok {
		return p
	}
	return directPeer(r)
}

// directPeer is who is at the other end of the connection.
func directPeer(r *http.Request) Peer {
	if l := linkOf(r); l != nil {
		return Peer{Addr: l.addr, HTTPS: r.TLS != nil}
	}
	return Peer{Addr: addrOf(r.RemoteAddr), HTTPS: r.TLS != nil}
}

// FindPeers finds out who is at the other end. If that is a trusted proxy, it reads
// X-Forwarded-For, -Proto and -Host, and puts the host in the place of that of the request. From
// anybody else these headers are ignored, because a client can write anything into them.
func FindPeers(trusted []netip.Prefix, next http.Handler) http.Handler {
	if len(trusted) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, host := proxies(trusted).peer(r)
		r = r.WithContext(context.WithValue(r.Context(), peerKey{}, p))
		r.Host = host
		next.ServeHTTP(w, r)
	})
}

// proxies are the networks of those that are trusted.
type proxies []netip.Prefix

func (t proxies) peer(r *http.Request) (p Peer, host string) {
	if p = directPeer(r); !t.trust(p.Addr) {
		return p, r.Host
	}
	// The last address that is no proxy of ours is the client: what is before it, the
	// client itself may have written.
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr, ok := parseHop(strings.TrimSpace(hop))
		if !ok {
			break
		}
		p.Addr = addr
		if !t.trust(addr) {
			break
		}
	}
	if proto := last(r.Header["X-Forwarded-Proto"]); proto != "" {
		p.HTTPS = strings.EqualFold(proto, "https")
	}
	if host = last(r.Header["X-Forwarded-Host"]); !authority.MatchString(host) {
		host = r.Host
	}
	return p, host
}

// parseHop reads an address, with or without a port.
func parseHop(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap(), true
	}
	a, err := netip.ParseAddrPort(s)
	return a.Addr().Unmap(), err == nil
}

// last is the last value of a header that the nearest proxy wrote.
func last(values []string) string {
	if len(values) == 0 {
		return ""
	}
	v := values[len(values)-1]
	return strings.TrimSpace(v[strings.LastIndexByte(v, ',')+1:])
}

func (t proxies) trust(a netip.Addr) bool {
	return slices.ContainsFunc(t, func(p netip.Prefix) bool { return p.Contains(a) })
}

// authority is a host, with or without a port (RFC 9110, 4.2): a name that DNS could hold, or
// an address. What a request line or a Host header can hold besides, quotes for one, would
// stand in headers and URLs of answers.
var authority = regexp.MustCompile(`^([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9._~%-]+)?\])(:[0-9]{0,5})?$`)

// IsAuthority reports whether a text is a host, with or without a port.
func IsAuthority(host string) bool { return isPlain(host) || authority.MatchString(host) }

// isPlain reports whether a host is one of the most common form, letters, digits and dots, and then
// perhaps a port: there is no need for the pattern.
func isPlain(host string) bool {
	i := 0
	for i < len(host) && (host[i] == '.' || isDigit(host[i]) || 'a' <= host[i] && host[i] <= 'z') {
		i++
	}
	if i == 0 || i == len(host) {
		return i > 0
	}
	if host[i] != ':' || len(host)-i > len(":65535") {
		return false
	}
	for i++; i < len(host) && isDigit(host[i]); i++ {
	}
	return i == len(host)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
