package dav_test

// What is known to go wrong with locks, as defects_test.go.

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/dav/davtest"
)

// locker takes and gives back locks in a box with files and collections.
type locker struct {
	*davtest.Server
	t *testing.T
}

func newLocker(t *testing.T) locker {
	s := davtest.New(t)
	transferTree(s)
	return locker{s, t}
}

const exclusiveLock = `<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner>me</D:owner></D:lockinfo>`

func (l locker) ask(path, depth, timeout string) *httpexpect.Response {
	return l.Request("LOCK", path).WithHeader("Depth", depth).WithHeader("Timeout", timeout).WithText(exclusiveLock).Expect()
}

func (l locker) lock(path, depth string) (token string) {
	l.t.Helper()
	r := l.ask(path, depth, "Second-60")
	r.StatusRange(httpexpect.Status2xx)
	return strings.Trim(r.Header("Lock-Token").Raw(), "<>")
}

func (l locker) unlock(path, token string) *httpexpect.Response {
	return l.Request("UNLOCK", path).WithHeader("Lock-Token", "<"+token+">").Expect()
}

func (l locker) put(path, condition string) *httpexpect.Response {
	r := l.Request("PUT", path).WithText("new")
	if condition != "" {
		r = r.WithHeader("If", condition)
	}
	return r.Expect()
}

// refused sends requests that locks must refuse; nothing changes.
func (l locker) refused(requests map[string]func() *httpexpect.Response) {
	l.t.Helper()
	for name, send := range requests {
		unchanged(l.t, l.Server, func() {
			if r := send(); r.Raw().StatusCode != http.StatusLocked {
				l.t.Errorf("%s = %s, want 423", name, r.Raw().Status)
			}
		})
	}
}

// TestForeignTagOpensNothing (RFC 4918, 10.4): a token for one resource does
// not stand for the lock of another.
func TestForeignTagOpensNothing(t *testing.T) {
	t.Parallel()
	l := newLocker(t)
	l.lock("/cell1/box/f", "0")
	mine := l.lock("/cell1/box/d", "infinity")
	tagged := "<" + l.URL + "/cell1/box/d> (<" + mine + ">)"
	l.refused(map[string]func() *httpexpect.Response{
		"PUT": func() *httpexpect.Response { return l.put("/cell1/box/f", tagged) },
		"DELETE": func() *httpexpect.Response {
			return l.Request("DELETE", "/cell1/box/f").WithHeader("If", tagged).Expect()
		},
		"MOVE": func() *httpexpect.Response {
			return l.Request("MOVE", "/cell1/box/f").WithHeader("If", tagged).WithHeader("Destination", "/cell1/box/d/f").Expect()
		},
		"COPY onto it": func() *httpexpect.Response {
			return l.Request("COPY", "/cell1/box/g").WithHeader("If", tagged).WithHeader("Destination", "/cell1/box/f").Expect()
		},
	})
}

// TestLocksBelowACollection (RFC 4918, 9.6.1, 9.9.2): what is locked inside a
// collection does not go with it.
func TestLocksBelowACollection(t *testing.T) {
	t.Parallel()
	l := newLocker(t)
	token := l.lock("/cell1/box/d/e/y", "0")
	l.refused(map[string]func() *httpexpect.Response{
		"DELETE of the collection": func() *httpexpect.Response { return l.Request("DELETE", "/cell1/box/d").Expect() },
		"DELETE of the box":        func() *httpexpect.Response { return l.Request("DELETE", "/cell1/box").Expect() },
		"MOVE of the collection":   func() *httpexpect.Response { return l.Transfer("MOVE", "/cell1/box/d", "/cell1/box/new", "") },
		"COPY over the collection": func() *httpexpect.Response { return l.Transfer("COPY", "/cell1/box/d2", "/cell1/box/d", "") },
		"MOVE over the collection": func() *httpexpect.Response { return l.Transfer("MOVE", "/cell1/box/f", "/cell1/box/d", "") },
		"a lock of depth infinity": func() *httpexpect.Response { return l.ask("/cell1/box/d", "infinity", "Second-60") },
		"DELETE of the whole cell": func() *httpexpect.Response {
			return l.Request("DELETE", "/cell1").WithHeader("X-Personium-Recursive", "true").Expect()
		},
	})
	body := l.Request("DELETE", "/cell1/box/d").Expect().Body()
	body.Contains("<D:lock-token-submitted><D:href>/cell1/box/d/e/y</D:href>")
	l.ask("/cell1/box/d", "0", "Second-60").Status(http.StatusOK) // of depth 0 it is not in the way
	l.Transfer("COPY", "/cell1/box/d", "/cell1/box/new", "").Status(http.StatusCreated)
	l.unlock("/cell1/box/d/e/y", token).Status(http.StatusNoContent)
}

// TestLockOfMembers (RFC 4918, 7.4): a lock of depth 0 keeps the members of a
// collection together, but not their contents.
func TestLockOfMembers(t *testing.T) {
	t.Parallel()
	l := newLocker(t)
	token := l.lock("/cell1/box/d", "0")
	l.refused(map[string]func() *httpexpect.Response{
		"PUT of a new member":       func() *httpexpect.Response { return l.put("/cell1/box/d/new", "") },
		"MKCOL":                     func() *httpexpect.Response { return l.Request("MKCOL", "/cell1/box/d/new").Expect() },
		"DELETE of a member":        func() *httpexpect.Response { return l.Request("DELETE", "/cell1/box/d/x").Expect() },
		"MOVE of a member":          func() *httpexpect.Response { return l.Transfer("MOVE", "/cell1/box/d/x", "/cell1/box/new", "") },
		"MOVE into it":              func() *httpexpect.Response { return l.Transfer("MOVE", "/cell1/box/f", "/cell1/box/d/new", "") },
		"COPY into it":              func() *httpexpect.Response { return l.Transfer("COPY", "/cell1/box/f", "/cell1/box/d/new", "") },
		"LOCK of what is not there": func() *httpexpect.Response { return l.ask("/cell1/box/d/new", "0", "Second-60") },
	})
	l.put("/cell1/box/d/x", "").Status(http.StatusNoContent)
	l.put("/cell1/box/d/e/new", "").Status(http.StatusCreated)
	l.put("/cell1/box/d/new", "<"+l.URL+"/cell1/box/d> (<"+token+">)").Status(http.StatusCreated)
}

// TestParallelPutsUnderOneLock.
func TestParallelPutsUnderOneLock(t *testing.T) {
	t.Parallel()
	l := newLocker(t)
	token := l.lock("/cell1/box/d", "infinity")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			l.put(fmt.Sprintf("/cell1/box/d/n%d", i%10), "<"+l.URL+"/cell1/box/d> (<"+token+">)").StatusRange(httpexpect.Status2xx)
		})
	}
	wg.Wait()
}

// TestLocksEndWithTheResource (RFC 4918, 9.6, 7.5): a lock neither stays behind
// nor moves along.
func TestLocksEndWithTheResource(t *testing.T) {
	t.Parallel()
	l := newLocker(t)
	token := l.lock("/cell1/box/f", "0")
	l.Request("DELETE", "/cell1/box/f").WithHeader("If", "(<"+token+">)").Expect().Status(http.StatusNoContent)
	l.put("/cell1/box/f", "").Status(http.StatusCreated)
	token = l.lock("/cell1/box/d/x", "0")
	l.Request("MOVE", "/cell1/box/d").WithHeader("If", "<"+l.URL+"/cell1/box/d/x> (<"+token+">)").WithHeader("Destination", "/cell1/box/moved").
		Expect().Status(http.StatusCreated)
	l.put("/cell1/box/moved/x", "").Status(http.StatusNoContent)
	l.Mkcol("/cell1/box/d")
	l.put("/cell1/box/d/x", "").Status(http.StatusCreated)
	// The lock of what is overwritten stays: it is that of the URL.
	token = l.lock("/cell1/box/g", "0")
	l.Request("COPY", "/cell1/box/f").WithHeader("If", "</cell1/box/g> (<"+token+">)").WithHeader("Destination", "/cell1/box/g").Expect().Status(http.StatusNoContent)
	l.put("/cell1/box/g", "").Status(http.StatusLocked)
}

// TestIfHeader (RFC 4918, 10.4): AND within a list, OR between them, Not,
// entity tags, and tags that are only a path or another spelling of the host.
func TestIfHeader(t *testing.T) {
	t.Parallel()
	l := newLocker(t)
	token := l.lock("/cell1/box/f", "0")
	local := strings.Replace(l.URL, "127.0.0.1", "LOCALHOST", 1) // the unit's own host
	for condition, want := range map[string]int{
		"(<" + token + ">)":                     204,
		"(<" + token + "> [ETAG])":              204,
		"(<" + token + "> [\"1-1\"])":           412,
		"([\"1-1\"]) (<" + token + ">)":         204,
		"(<" + token + ">) (Not <DAV:no-lock>)": 204,
		"(Not <" + token + ">)":                 412,
		"(<DAV:no-lock>)":                       412,
		"(<urn:uuid:00000000-0000-4000-8000-000000000000>) (Not <DAV:no-lock>)": 423, // true, but without the token
		"(Not <DAV:no-lock>)":                                  423,
		"</cell1/box/f> (<" + token + ">)":                     204,
		"<" + local + "/cell1/box/f> (<" + token + ">)":        204,
		"<http://other.example/cell1/box/f> (<" + token + ">)": 412,
		"</cell1/box/g> (<" + token + ">)":                     412,
		"(<" + token + ">":                                     400,
		"()":                                                   400,
		"<" + token + ">":                                      400,
	} {
		now := l.Request("HEAD", "/cell1/box/f").Expect().Header("ETag").Raw()
		r := l.put("/cell1/box/f", strings.ReplaceAll(condition, "ETAG", now))
		if r.Raw().StatusCode != want {
			t.Errorf("If: %s = %s, want %d", condition, r.Raw().Status, want)
		}
	}
}

// TestTokens (RFC 4918, 6.5, 9.11): a token is unique, names one lock, and
// works on its resource only.
func TestTokens(t *testing.T) {
	t.Parallel()
	l := newLocker(t)
	form := regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for i := range 20 {
		token := l.lock(fmt.Sprintf("/cell1/box/new%d", i), "0")
		if !form.MatchString(token) || seen[token] {
			t.Errorf("token %s", token)
		}
		seen[token] = true
	}
	token := l.lock("/cell1/box/f", "0")
	l.unlock("/cell1/box/g", token).Status(http.StatusConflict).Body().Contains("lock-token-matches-request-uri")
	l.unlock("/cell1/box/f", "urn:uuid:00000000-0000-4000-8000-000000000000").Status(http.StatusConflict)
	l.Request("LOCK", "/cell1/box/g").WithHeader("If", "(<"+token+">)").Expect().Status(http.StatusPreconditionFailed)
	l.Request("UNLOCK", "/cell1/box/f").Expect().Status(http.StatusBadRequest)
	l.unlock("/cell1/box/f", token).Status(http.StatusNoContent)
	l.unlock("/cell1/box/f", token).Status(http.StatusConflict)
}

// TestTimeouts (RFC 4918, 10.7): every lock ends, and the answer tells
// when.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	l := newLocker(t)
	for asked, want := range map[string]int{
		"Second-60": 60, "Infinite": 86400, "Second-4294967296": 86400, "Second-99999999999999999999": 600, "": 600, "nonsense": 600,
		"Infinite, Second-60": 86400, "Extend, Second-60": 60, "Second-0": 600, "Second-86400": 86400, "Second-86401": 86400,
	} {
		r := l.ask("/cell1/box/f", "0", asked)
		got := regexp.MustCompile(`<D:timeout>Second-(\d+)</D:timeout>`).FindStringSubmatch(r.Status(http.StatusOK).Body().Raw())
		if got == nil || got[1] != strconv.Itoa(want) {
			t.Errorf("Timeout: %s gives %v, want %d", asked, got, want)
		}
		token := strings.Trim(r.Header("Lock-Token").Raw(), "<>")
		r = l.Request("LOCK", "/cell1/box/f").WithHeader("If", "(<"+token+">)").WithHeader("Timeout", "Second-120").Expect().Status(http.StatusOK)
		r.Body().Contains("<D:timeout>Second-120</D:timeout>")
		l.unlock("/cell1/box/f", token).Status(http.StatusNoContent)
	}
}

// TestLockAnswers (RFC 4918, 9.10, 15.8): what is locked is told,
// with its own root and an owner that stands anywhere.
func TestLockAnswers(t *testing.T) {
	t.Parallel()
	l := newLocker(t)
	l.Put("/cell1/box/50%25 é", "x")
	owner := `<D:owner><z:name xmlns:x="urn:unused">Ä &amp; B</z:name></D:owner>`
	r := l.Request("LOCK", "/cell1/box/50%25%20%C3%A9").WithHeader("Depth", "0").WithText(`<D:lockinfo xmlns:D="DAV:" xmlns:z="urn:z"><D:lockscope><D:shared/></D:lockscope>` +
		`<D:locktype><D:write/></D:locktype>` + owner + `</D:lockinfo>`).Expect().Status(http.StatusOK)
	body := r.Body().Raw()
	for _, want := range []string{"<D:lockroot><D:href>/cell1/box/50%25%20%C3%A9</D:href></D:lockroot>", "Ä &amp; B", "urn:z", "<D:shared/>", "<D:depth>0</D:depth>"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	discovered := l.Propfind("/cell1/box/50%25%20%C3%A9", "0", `<propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>`)[0].Props["{DAV:}lockdiscovery"]
	if !strings.Contains(discovered, strings.Trim(r.Header("Lock-Token").Raw(), "<>")) || !strings.Contains(discovered, "urn:z") {
		t.Errorf("lockdiscovery is %s", discovered)
	}
	l.ask("/cell1/box/none/f", "0", "").Status(http.StatusConflict)
	l.ask("/cell1/box/fresh/", "0", "").Status(http.StatusMethodNotAllowed)
	l.ask("/cell1/box/f", "1", "").Status(http.StatusBadRequest)
	l.Request("LOCK", "/cell1/box/f").WithText(strings.Replace(exclusiveLock, "me", strings.Repeat("x", 5000), 1)).Expect().Status(http.StatusRequestEntityTooLarge)
}

// TestLocksSurviveARestart.
func TestLocksSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := davtest.New(t, davtest.Config{Dir: dir})
	transferTree(s)
	token := locker{s, t}.lock("/cell1/box/f", "0")
	s.Close()
	l := locker{davtest.New(t, davtest.Config{Dir: dir}), t}
	l.put("/cell1/box/f", "").Status(http.StatusLocked)
	l.put("/cell1/box/f", "(<"+token+">)").Status(http.StatusNoContent)
	l.unlock("/cell1/box/f", token).Status(http.StatusNoContent)
}
