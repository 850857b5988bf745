package dav_test

import (
	"net/http"
	"testing"

	"cellar/cellfs/restore/personiumtest"
	"cellar/dav/davtest"
)

// TestMessages: what an import brought of messages is listed and can be removed; nothing is sent
// (contract 1.18).
func TestMessages(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Request("GET", "/cell1/__ctl/ReceivedMessage").Expect().Status(http.StatusOK).JSON().Path("$.d.results").IsEqual([]any{})
	s.Request("POST", "/cell1/__import").WithHeader("Content-Type", "application/zip").WithBytes(personiumtest.Sample().Bytes()).Expect().Status(http.StatusAccepted)
	s.Request("GET", "/cell1/__import").WithHeader("Prefer", "wait=60").Expect().JSON().Object().Value("status").IsEqual("ready")
	for _, set := range []string{"ReceivedMessage", "SentMessage"} {
		path := "/cell1/__ctl/" + set
		all := s.Request("GET", path).WithQuery("$inlinecount", "allpages").WithQuery("$orderby", "__updated desc").Expect().Status(http.StatusOK).JSON()
		results := all.Path("$.d.results").Array()
		results.NotEmpty()
		first := results.Value(0).Object()
		id := first.Value("__id").String().NotEmpty().Raw()
		first.Value("Priority").Number().Gt(0)
		first.Value("RequestObjects").NotEqual("")
		one := path + "('" + id + "')"
		s.Request("GET", one).Expect().Status(http.StatusOK).JSON().Path("$.d.results.Title").IsEqual(first.Value("Title").Raw())
		for _, r := range []struct{ method, path string }{{"POST", path}, {"PUT", one}, {"MERGE", one}} {
			davtest.Error(s.Request(r.method, r.path).WithJSON(map[string]string{"Title": "x"}).Expect(), "PR501-MC-0001")
		}
		s.Request("DELETE", one).Expect().Status(http.StatusNoContent)
		davtest.Error(s.Request("GET", one).Expect(), "PR404-OD-0002")
	}
	s.Account("cell1", "reader", "r")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:message-read"})
	s.As("reader", "GET", "/cell1/__ctl/SentMessage").Expect().Status(http.StatusOK)
	davtest.Error(s.As("reader", "DELETE", "/cell1/__ctl/SentMessage('x')").Expect(), "PR403-AU-0002")
}
