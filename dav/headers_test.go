package dav_test

import (
	"net/http"
	"strings"
	"testing"

	"cellar/cellfs"
	"cellar/dav/davtest"
)

// TestClientTextInHeaders: what a client chose stands in the headers of answers only in the
// form that they have, and in bounds.
func TestClientTextInHeaders(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	longest := "text/x; a=" + strings.Repeat("b", cellfs.MaxContentType-len("text/x; a="))
	for _, c := range []struct{ sent, name, kept string }{
		{longest, "f", longest},
		{longest + "b", "f", "application/octet-stream"},
		{longest + "b", "f.txt", "text/plain; charset=utf-8"},
		{"text/plain; charset=\"a\tb\"", "f", "application/octet-stream"},
		{"text/é", "f", "application/octet-stream"},
		{"a/b/c", "f", "application/octet-stream"},
	} {
		s.Request("PUT", "/cell1/__/"+c.name).WithHeader("Content-Type", c.sent).WithBytes([]byte("x")).Expect().Status(http.StatusCreated)
		if got := s.Request("GET", "/cell1/__/"+c.name).Expect().Header("Content-Type").Raw(); got != c.kept {
			t.Errorf("%.60q is kept as %.60q, want %.60q", c.sent, got, c.kept)
		}
		s.Request("DELETE", "/cell1/__/"+c.name).Expect().Status(http.StatusNoContent)
	}
	for _, c := range []struct{ set, body, escaped string }{
		{"ExtCell", `{"Url":"https://a.example/x/"}`, "ExtCell('https:%2F%2Fa.example%2Fx%2F')"},
		{"Account", "{\"Name\":\"a!$*=^`{|}~\"}", "Account('a!$*=%5E%60%7B%7C%7D~')"},
	} {
		r := s.Request("POST", "/cell1/__ctl/"+c.set).WithHeader("X-Personium-Credential", davtest.AccountPassword).WithText(c.body).Expect()
		r.Status(http.StatusCreated).Header("Location").IsEqual(s.URL + "/cell1/__ctl/" + c.escaped)
		s.Request("GET", "/cell1/__ctl/"+c.escaped).Expect().Status(http.StatusOK)
	}
}
