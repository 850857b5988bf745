package main_test

import (
	"net/http"
	"testing"

	"cellar/dav/davtest"
)

// propfindAll lists everything below a box, as [davtest.Listing] does.
func propfindAll(t *testing.T, p *program, box string) map[string]map[string]string {
	t.Helper()
	return davtest.Listing(t, p.must(http.StatusMultiStatus, "PROPFIND", box, nil, "Depth", "infinity"), box)
}
