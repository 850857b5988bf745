package dav

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"cellar/dav/target"
)

// peer is what is known of who is at the other end: by the connection, or by what a proxy
// says that is trusted.
type peer struct {
	addr  netip.Addr
	https bool
}

// findPeer reads X-Forwarded-For, -Proto and -Host if the request comes from a trusted
// proxy, and puts the host in the place of that of the request. From anybody else these
// headers say nothing: who believed them could be told any address.
func (h *Handler) findPeer(r *http.Request) peer {
	a, _ := netip.ParseAddrPort(r.RemoteAddr) // zero for what is no address
	p := peer{addr: a.Addr().Unmap(), https: r.TLS != nil}
	if len(h.cfg.TrustedProxies) == 0 || !h.trusts(p.addr) {
		return p
	}
	// The last address that is no proxy of ours is the client: what is before it, the
	// client itself may have written.
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr, ok := parseHop(strings.TrimSpace(hop))
		if !ok {
			break
		}
		p.addr = addr
		if !h.trusts(addr) {
			break
		}
	}
	if proto := last(r.Header["X-Forwarded-Proto"]); proto != "" {
		p.https = strings.EqualFold(proto, "https")
	}
	if host := last(r.Header["X-Forwarded-Host"]); target.IsAuthority(host) {
		r.Host = host
	}
	return p
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

func (h *Handler) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(h.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}
