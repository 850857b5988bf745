package dav

import (
	"net/url"
	"strings"

	"cellar/dav/target"
)

// isApp reports whether a browser may run the file that is asked for: it lies in a box with a schema,
// and the request came by the host of the cell. The host of the unit is shared by all cells.
func (q *request) isApp() (bool, error) {
	if !q.h.cfg.Apps || !q.target.HostForm || q.target.Kind != target.Resource {
		return false, nil
	}
	at, err := q.h.fs.Find(q.Context(), q.target.Path.BoxRoot())
	return err == nil && at.Schema != "", err
}

// appPolicy is the Content-Security-Policy of an application: what comes from its host, and requests
// to the unit and its cells.
func (q *request) appPolicy() string {
	unit := strings.TrimSuffix(q.target.UnitURL, "/")
	cells := unit
	if u, err := url.Parse(unit); err == nil {
		cells = u.Scheme + "://*." + u.Host
	}
	return "default-src 'self' 'unsafe-inline' data: blob:; connect-src 'self' " + unit + " " + cells +
		"; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
}
