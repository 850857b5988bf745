package dav_test

import (
	"net/http"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/barfs/bartest"
	"cellar/dav/davtest"
)

// TestFailedInstallIsReplaced: with Overwrite: T a box whose install failed goes for the new one, and
// nothing else does (contract 2.9).
func TestFailedInstallIsReplaced(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	const schema = "https://app.example/"
	good := bartest.New(schema).File("f.txt", "text/plain", "good").Bytes()
	bad := bartest.New(schema).Entry("90_contents/undeclared/x", "x").Bytes()
	install := func(box string, bar []byte, overwrite string) *httpexpect.Response {
		r := s.Request("MKCOL", "/cell1/"+box).WithHeader("Content-Type", "application/zip").WithBytes(bar)
		if overwrite != "" {
			r = r.WithHeader("Overwrite", overwrite)
		}
		return r.Expect()
	}
	install("app", bad, "").Status(http.StatusAccepted)
	s.WaitBox("/cell1/app").Value("status").IsEqual("installation failed")
	davtest.Error(install("app", good, ""), "PR400-BI-0004")
	davtest.Error(install("app", good, "F"), "PR400-BI-0004")
	// Another box cannot have the schema, and the message says which one has.
	install("other", good, "T").Status(http.StatusBadRequest).JSON().Path("$.message.value").String().Contains("[app]")
	// Who may only install replaces nothing.
	s.Account("cell1", "me", "r")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:box-install"})
	davtest.Error(s.As("me", "MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithHeader("Overwrite", "T").WithBytes(good).Expect(), "PR403-AU-0002")
	// A bar that is refused leaves the box alone, and so does a lock.
	unchanged(t, s, func() { davtest.Error(install("app", []byte("no zip"), "T"), "PR400-BI-0007") })
	lock := s.Request("LOCK", "/cell1/app").WithText(`<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>`).
		Expect().Status(http.StatusOK).Header("Lock-Token").Raw()
	unchanged(t, s, func() { davtest.Error(install("app", good, "T"), "PR423-DV-0001") })
	s.Request("UNLOCK", "/cell1/app").WithHeader("Lock-Token", lock).Expect().Status(http.StatusNoContent)

	install("app", good, "T").Status(http.StatusAccepted)
	s.WaitBox("/cell1/app").Value("status").IsEqual("ready")
	s.WantGet("/cell1/app/f.txt", "good")
	davtest.Error(install("app", bartest.New("").Bytes(), "T"), "PR405-BI-0001")
}
