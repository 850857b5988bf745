package davtest

import (
	"net/http"
	"strings"

	"github.com/gavv/httpexpect/v2"
)

// AccountPassword is that of every account that [Server.Account] makes.
const AccountPassword = "correct-horse"

// Account makes an account of the cell and gives it roles of the cell, which it makes if
// need be.
func (s *Server) Account(cell, name string, roles ...string) {
	s.T.Helper()
	s.Request("POST", "/"+cell+"/__ctl/Account").WithHeader("X-Personium-Credential", AccountPassword).
		WithJSON(map[string]string{"Name": name}).Expect().Status(http.StatusCreated)
	for _, r := range roles {
		s.Role(cell, r)
		s.Request("POST", "/"+cell+"/__ctl/Account('"+name+"')/$links/_Role").
			WithJSON(map[string]string{"uri": s.URL + "/" + cell + "/__ctl/Role('" + r + "')"}).Expect().Status(http.StatusNoContent)
	}
}

// Role makes a role of the cell unless it is there.
func (s *Server) Role(cell, name string) {
	s.T.Helper()
	s.Request("POST", "/"+cell+"/__ctl/Role").WithJSON(map[string]string{"Name": name}).Expect().StatusList(http.StatusCreated, http.StatusConflict)
}

// ACE is an entry of an ACL: a role of the cell, "" for all, and privileges with the
// prefix D: or p:.
type ACE struct {
	Role       string
	Privileges string // separated by blanks
}

// SetACL gives the resource at path the ACL.
func (s *Server) SetACL(path string, aces ...ACE) {
	s.T.Helper()
	s.Request("ACL", path).WithBytes([]byte(s.ACL(path, aces...))).Expect().Status(http.StatusOK)
}

// ACL is the body of an ACL request.
func (s *Server) ACL(path string, aces ...ACE) string {
	cell, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	b := `<D:acl xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns" xml:base="` + s.URL + `/` + cell + `/__role/__/">`
	for _, e := range aces {
		principal := "<D:all/>"
		if e.Role != "" {
			principal = "<D:href>" + e.Role + "</D:href>"
		}
		b += "<D:ace><D:principal>" + principal + "</D:principal><D:grant>"
		for p := range strings.FieldsSeq(e.Privileges) {
			b += "<D:privilege><" + p + "/></D:privilege>"
		}
		b += "</D:grant></D:ace>"
	}
	return b + "</D:acl>"
}

// As begins a request by an account that [Server.Account] made.
func (s *Server) As(name, method, path string) *httpexpect.Request {
	return s.Anonymous().Request(method, "").WithURL(s.URL+path).WithBasicAuth(name, AccountPassword)
}

// Token gets a token of the account; more are further fields of the form.
func (s *Server) Token(cell, name string, more map[string]string) *httpexpect.Object {
	s.T.Helper()
	form := map[string]string{"grant_type": "password", "username": name, "password": AccountPassword}
	for k, v := range more {
		form[k] = v
	}
	return s.Anonymous().POST("/" + cell + "/__token").WithForm(form).Expect().Status(http.StatusOK).JSON().Object()
}

// With begins a request with a token.
func (s *Server) With(token, method, path string) *httpexpect.Request {
	return s.Anonymous().Request(method, "").WithURL(s.URL+path).WithHeader("Authorization", "Bearer "+token)
}
