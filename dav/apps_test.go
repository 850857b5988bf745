package dav_test

import (
	"net/http"
	"strings"
	"testing"

	"cellar/dav/davtest"
)

// TestApps: what a browser could run is served so in boxes with a schema, on the host of the cell, and
// only where the operator allows it (docs/access.md).
func TestApps(t *testing.T) {
	t.Parallel()
	for _, apps := range []bool{false, true} {
		s := davtest.New(t, davtest.Config{Apps: apps})
		create(s, "cell1", "Box", map[string]any{"Name": "app", "Schema": "https://app.example/"})
		create(s, "cell1", "Box", map[string]any{"Name": "plain"})
		host := strings.Replace(s.URL, "http://127.0.0.1", "cell1.localhost", 1)
		for _, box := range []string{"app", "plain", "__"} {
			s.Put("/cell1/"+box+"/x.html", "<script>1</script>")
		}
		served := func(path, host string) (runs bool) {
			t.Helper()
			r := s.Request("GET", path)
			if host != "" {
				r = r.WithHost(host)
			}
			h := r.Expect().Status(http.StatusOK).Raw().Header
			policy := h.Get("Content-Security-Policy")
			runs = h.Get("Content-Disposition") == "" && !strings.Contains(policy, "sandbox")
			if h.Get("X-Content-Type-Options") != "nosniff" || policy == "" || runs && !strings.Contains(policy, "connect-src 'self' http://localhost:") {
				t.Errorf("%s at %q: %v", path, host, h)
			}
			return runs
		}
		for path, want := range map[string]bool{"/app/x.html": apps, "/plain/x.html": false, "/__/x.html": false} {
			if got := served(path, host); got != want {
				t.Errorf("with --apps %v: %s runs is %v", apps, path, got)
			}
			if served("/cell1"+path, "") {
				t.Errorf("with --apps %v: %s runs on the host of the unit", apps, path)
			}
		}
		// Who may not read it gets nothing.
		s.Anonymous().GET("/app/x.html").WithHost(host).Expect().Status(http.StatusUnauthorized)
	}
}
