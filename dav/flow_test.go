package dav_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gavv/httpexpect/v2"
	"go.uber.org/goleak"

	"cellar/dav"
	"cellar/dav/davtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// TestEveryAnswer looks at what every response carries (contract 1.4).
func TestEveryAnswer(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	anyone := s.Anonymous()
	for name, r := range map[string]*httpexpect.Response{
		"health":            anyone.GET("/__health").Expect().Status(http.StatusOK),
		"good":              s.Request("GET", "/cell1/box").Expect().Status(http.StatusOK),
		"created":           s.Request("PUT", "/cell1/box/f").WithText("x").Expect().Status(http.StatusCreated),
		"listing":           s.Request("PROPFIND", "/cell1/").WithHeader("Depth", "1").Expect().Status(http.StatusMultiStatus),
		"missing":           s.Request("GET", "/cell1/box/none").Expect().Status(http.StatusNotFound),
		"no such cell":      s.Request("GET", "/none/").Expect().Status(http.StatusNotFound),
		"unauthorized":      anyone.GET("/cell1/box").Expect().Status(http.StatusUnauthorized),
		"method":            s.Request("POST", "/cell1/box/f").Expect().Status(http.StatusMethodNotAllowed),
		"preflight":         anyone.OPTIONS("/no/such/path").WithHeader("Access-Control-Request-Headers", "depth").Expect().Status(http.StatusOK),
		"unknown name":      s.Request("GET", "/cell1/__nonsense").Expect().Status(http.StatusNotFound),
		"unknown at unit":   s.Request("GET", "/__nonsense").Expect().Status(http.StatusNotFound),
		"bad request key":   s.Request("GET", "/cell1/").WithHeader("X-Personium-RequestKey", "a.b").Expect().Status(http.StatusBadRequest),
		"long request key":  s.Request("GET", "/cell1/").WithHeader("X-Personium-RequestKey", strings.Repeat("a", 129)).Expect().Status(http.StatusBadRequest),
		"right request key": s.Request("GET", "/cell1/").WithHeader("X-Personium-RequestKey", strings.Repeat("a", 128)).Expect().Status(http.StatusOK),
	} {
		if got := r.Header("X-Personium-Version").Raw(); got != dav.Version {
			t.Errorf("%s: X-Personium-Version %q", name, got)
		}
		if got := r.Header("Access-Control-Allow-Origin").Raw(); got != "*" {
			t.Errorf("%s: Access-Control-Allow-Origin %q", name, got)
		}
		if r.Raw().StatusCode >= 400 {
			o := r.JSON().Object()
			o.Keys().ContainsOnly("code", "message")
			o.Value("message").Object().Value("lang").IsEqual("en")
		}
	}
	anyone.OPTIONS("/x").WithHeader("Access-Control-Request-Headers", "depth").Expect().Header("Access-Control-Allow-Headers").IsEqual("depth")
	o := s.Request("OPTIONS", "/cell1/box/f").Expect().Status(http.StatusOK)
	o.Header("DAV").IsEqual("1, 2, 3")
	o.Header("Allow").Contains("PROPPATCH")
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/f", "x")
	r := s.Request("POST", "/cell1/box").WithHeader("X-HTTP-Method-Override", "PROPFIND").WithHeader("X-Override", "Depth:0").WithHeader("Depth", "1").
		Expect().Status(http.StatusMultiStatus)
	if n := len(davtest.ParseMultistatus(t, r.Body().Raw())); n != 1 {
		t.Errorf("%d responses, want 1: X-Override beats the header", n)
	}
	s.Request("GET", "/cell1/box/f").WithHeader("X-HTTP-Method-Override", "DELETE").Expect().Status(http.StatusOK)
	davtest.Error(s.Request("PUT", "/cell1/none").WithHeader("X-HTTP-Method-Override", "MKCOL").Expect(), "PR404-DV-0002")
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	bearer := func(token string) *httpexpect.Request {
		return s.Anonymous().GET("/cell1/box").WithHeader("Authorization", token)
	}
	none := s.Anonymous().GET("/cell1/box").Expect()
	davtest.Error(none, "PR401-AU-0001")
	if got := none.Raw().Header["Www-Authenticate"]; len(got) != 2 || got[1] != `Bearer realm="`+s.URL+`/cell1/"` || !strings.HasPrefix(got[0], "Basic realm=") {
		t.Errorf("WWW-Authenticate %q", got)
	}
	none.Header("DAV").IsEqual("1, 2, 3")
	davtest.Error(s.Anonymous().GET("/cell1/box").WithBasicAuth(davtest.User, "wrong").Expect(), "PR401-AU-0011")
	davtest.Error(s.Anonymous().GET("/cell1/box").WithBasicAuth("other", davtest.Password).Expect(), "PR401-AU-0011")
	davtest.Error(bearer("Basic !").Expect(), "PR401-AU-0004")
	davtest.Error(bearer("Digest x").Expect(), "PR401-AU-0003")
	davtest.Error(bearer("Bearer xxxx").Expect(), "PR401-AU-0006")

	grant := func(form map[string]string) *httpexpect.Response {
		return s.Anonymous().POST("/__token").WithForm(form).Expect()
	}
	o := grant(map[string]string{"grant_type": "password", "username": davtest.User, "password": davtest.Password}).Status(http.StatusOK).JSON().Object()
	access, refresh := o.Value("access_token").String().Raw(), o.Value("refresh_token").String().Raw()
	if !strings.HasPrefix(access, "AA~") || !strings.HasPrefix(refresh, "RA~") {
		t.Errorf("tokens %q, %q", access, refresh)
	}
	bearer("Bearer " + access).Expect().Status(http.StatusOK)
	davtest.Error(bearer("Bearer "+refresh).Expect(), "PR401-AU-0007")
	davtest.Error(bearer("Bearer "+access[:len(access)-3]+"abc").Expect(), "PR401-AU-0006")
	o = grant(map[string]string{"grant_type": "refresh_token", "refresh_token": refresh}).Status(http.StatusOK).JSON().Object()
	bearer("Bearer " + o.Value("access_token").String().Raw()).Expect().Status(http.StatusOK)
	for want, form := range map[string]map[string]string{
		"unsupported_grant_type": {"grant_type": "x"},
		"invalid_request":        {"grant_type": "password", "username": "a"},
		"invalid_grant":          {"grant_type": "password", "username": "a", "password": "b"},
	} {
		grant(form).Status(http.StatusBadRequest).JSON().Object().Value("error").IsEqual(want)
	}
	// What does not exist is said before who may not (contract 1.2).
	davtest.Error(s.Anonymous().GET("/none/box").Expect(), "PR404-DV-0003")
	davtest.Error(s.Anonymous().GET("/cell1/none").Expect(), "PR404-DV-0002")
	davtest.Error(s.Anonymous().POST("/cell1/box").Expect(), "PR405-MC-0001")
	davtest.Error(s.Anonymous().GET("/cell1/box/none").Expect(), "PR401-AU-0001")
	davtest.Error(s.Anonymous().GET("/cell1/__snapshot/none.zip").Expect(), "PR401-AU-0001")
	davtest.Error(s.Anonymous().Request("MKCOL", "/cell1/__").Expect(), "PR405-MC-0001")
}

func TestTokensSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := davtest.New(t, davtest.Config{Dir: dir})
	o := s.Anonymous().POST("/__token").WithForm(map[string]string{"grant_type": "password", "username": davtest.User, "password": davtest.Password}).
		Expect().Status(http.StatusOK).JSON().Object()
	token := o.Value("access_token").String().Raw()
	s.Close()
	s = davtest.New(t, davtest.Config{Dir: dir})
	s.Anonymous().GET("/cell1/").WithHeader("Authorization", "Bearer "+token).Expect().Status(http.StatusOK)
}

// TestHostForm reaches the same cell as {cell}.{unit host} (contract 1.1).
func TestHostForm(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	host := "cell1.localhost" + port
	at := func(method, path string) *httpexpect.Request { return s.Request(method, path).WithHost(host) }
	at("MKCOL", "/box").Expect().Status(http.StatusCreated)
	at("PUT", "/box/f").WithText("x").Expect().Status(http.StatusCreated)
	s.WantGet("/cell1/box/f", "x")
	r := at("PROPFIND", "/box").WithHeader("Depth", "1").Expect().Status(http.StatusMultiStatus)
	if got := davtest.ParseMultistatus(t, r.Body().Raw()); got[0].Href != "/box/" || got[1].Href != "/box/f" {
		t.Errorf("hrefs %q, %q", got[0].Href, got[1].Href)
	}
	at("GET", "/box").Expect().Status(http.StatusOK).JSON().Object().Value("box").Object().Value("url").IsEqual("http://" + host + "/box/")
	at("POST", "/__export").WithText("").Expect().Status(http.StatusAccepted).Header("Location").IsEqual("http://" + host + "/__export")
	at("MOVE", "/box/f").WithHeader("Destination", "http://"+host+"/box/g").Expect().Status(http.StatusCreated)
	at("MOVE", "/box/g").WithHeader("Destination", s.URL+"/cell1/box/h").Expect().Status(http.StatusCreated)
	at("MOVE", "/box/h").WithHeader("Destination", "/box/i").Expect().Status(http.StatusCreated)
	s.WantGet("/cell1/box/i", "x")
	davtest.Error(s.Request("GET", "/").WithHost("none.localhost"+port).Expect(), "PR404-DV-0003")
	s.Request("GET", "/cell1/__export").WithHeader("Prefer", "wait=60").Expect().Status(http.StatusOK)
}

func TestCellsAndBoxes(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{}})
	s.Mkcol("/cell1/")
	davtest.Error(s.Request("MKCOL", "/cell1").Expect(), "PR405-DV-0001")
	for _, name := range []string{"Cell1", "-a", strings.Repeat("a", 129), "a_b"} {
		davtest.Error(s.Request("MKCOL", "/"+name).Expect(), "PR400-OD-0006")
	}
	s.Mkcol("/" + strings.Repeat("a", 128))
	s.Mkcol("/cell1/box")
	davtest.Error(s.Request("MKCOL", "/cell1/box").Expect(), "PR405-DV-0001")
	davtest.Error(s.Request("MKCOL", "/cell1/a%20b").Expect(), "PR400-OD-0006")
	s.Request("MKCOL", "/cell1/new").WithHeader("Content-Type", "application/xml").
		WithText(`<mkcol xmlns="DAV:"><set><prop/></set></mkcol>`).Expect().Status(http.StatusUnsupportedMediaType)

	want := []string{"/cell1/", "/cell1/__/", "/cell1/__log/", "/cell1/__snapshot/", "/cell1/box/"}
	if got := s.Hrefs("/cell1", "1"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the cell lists %v, want %v", got, want)
	}
	if got := s.Hrefs("/", "1"); len(got) != 3 || got[0] != "/" {
		t.Errorf("the unit lists %v", got)
	}
	for _, p := range []string{"/cell1/__export", "/cell1/__log/current", "/cell1/__log/archive", "/cell1/__log/current/default.log"} {
		s.Propfind(p, "0", "")
	}
	s.Request("GET", "/cell1/__log/current/default.log").Expect().Status(http.StatusOK).HasContentType("text/csv")
	s.Request("GET", "/cell1").Expect().Status(http.StatusOK).JSON().Object().Value("cell").Object().Value("name").IsEqual("cell1")
	main := s.Request("GET", "/cell1/__").Expect().Status(http.StatusOK).JSON().Object().Value("box").Object()
	main.Value("name").IsEqual("__")
	main.Value("schema").IsEqual(s.URL + "/cell1/")
	davtest.Error(s.Request("DELETE", "/cell1/__").Expect(), "PR405-MC-0001")
	s.Put("/cell1/box/f", "x")
	s.Transfer("MOVE", "/cell1/box", "/cell1/box2", "").Status(http.StatusForbidden)
	s.Request("DELETE", "/cell1/box").Expect().Status(http.StatusNoContent)
	davtest.Error(s.Request("GET", "/cell1/box").Expect(), "PR404-DV-0002")
	davtest.Error(s.Request("DELETE", "/cell1").Expect(), "PR412-MC-0001")
	davtest.Error(s.Request("DELETE", "/cell1").WithHeader("X-Personium-Recursive", "True").Expect(), "PR412-MC-0001")
	s.Request("DELETE", "/cell1").WithHeader("X-Personium-Recursive", "true").Expect().Status(http.StatusNoContent)
	davtest.Error(s.Request("PROPFIND", "/cell1").Expect(), "PR404-DV-0003")
}

// TestLostUpdate lets fifty writers use If-Match: each version has one winner.
func TestLostUpdate(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	tag := s.Put("/cell1/box/f", "0").Header("ETag").Raw()
	s.Request("PUT", "/cell1/box/f").WithHeader("If-Match", `"1-1"`).WithText("x").Expect().Status(http.StatusPreconditionFailed)
	s.Request("PUT", "/cell1/box/f").WithHeader("If-None-Match", "*").WithText("x").Expect().Status(http.StatusPreconditionFailed)
	s.Request("PUT", "/cell1/box/g").WithHeader("If-Match", "*").WithText("x").Expect().Status(http.StatusPreconditionFailed)
	s.Request("DELETE", "/cell1/box/f").WithHeader("If-Match", `"1-1"`).Expect().Status(http.StatusPreconditionFailed)
	s.Request("PUT", "/cell1/box/f").WithHeader("If-None-Match", "JoplinIgnore-1").WithText("0").Expect().Status(http.StatusNoContent)
	tag = s.Request("HEAD", "/cell1/box/f").Expect().Header("ETag").NotEqual(tag).Raw()
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			r := s.Request("PUT", "/cell1/box/f").WithHeader("If-Match", tag).WithText(fmt.Sprint(i)).Expect()
			if r.Raw().StatusCode == http.StatusNoContent {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d writers won, want 1", won.Load())
	}
}

func TestMoveMissingSourceKeepsDestination(t *testing.T) { // RFC 4918, 9.9.3
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Put("/cell1/box/b", "keep")
	davtest.Error(s.Transfer("MOVE", "/cell1/box/none", "/cell1/box/b", "T"), "PR404-DV-0001")
	s.WantGet("/cell1/box/b", "keep")
}

func TestStatusesOfMethods(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Mkcol("/cell1/box/d")
	s.Put("/cell1/box/f", "x").Status(http.StatusCreated)
	s.Put("/cell1/box/f", "y").Status(http.StatusNoContent)
	davtest.Error(s.Request("PUT", "/cell1/box/d").WithText("x").Expect(), "PR405-MC-0001")
	davtest.Error(s.Request("PUT", "/cell1/box/new/").WithText("x").Expect(), "PR405-MC-0001")
	davtest.Error(s.Request("PUT", "/cell1/box/none/x").WithText("x").Expect(), "PR409-DV-0001")
	davtest.Error(s.Request("PUT", "/cell1/box/f").WithHeader("Content-Range", "bytes 0-0/2").WithText("x").Expect(), "PR400-DV-0009")
	davtest.Error(s.Request("MKCOL", "/cell1/box/d").Expect(), "PR405-DV-0001")
	davtest.Error(s.Request("MKCOL", "/cell1/box/none/x").Expect(), "PR409-DV-0001")
	s.Request("MKCOL", "/cell1/box/new").WithText("x").Expect().Status(http.StatusUnsupportedMediaType)
	s.Request("MKCOL", "/cell1/box/new").WithChunked(strings.NewReader("x")).Expect().Status(http.StatusUnsupportedMediaType)
	s.Request("HEAD", "/cell1/box/d").Expect().Status(http.StatusOK)
	s.Request("GET", "/cell1/box/d/").WithHeader("Accept", "application/json").Expect().Status(http.StatusOK).Body().IsEqual("URL : " + s.URL + "/cell1/box/d\n")
	s.Transfer("COPY", "/cell1/box/f", "/cell1/box/g", "").Status(http.StatusCreated)
	s.Transfer("COPY", "/cell1/box/f", "/cell1/box/g", "").Status(http.StatusNoContent)
	davtest.Error(s.Transfer("COPY", "/cell1/box/f", "/cell1/box/g", "F"), "PR412-DV-0002")
	davtest.Error(s.Transfer("MOVE", "/cell1/box/f", "/cell1/box/f", ""), "PR403-DV-0005")
	davtest.Error(s.Transfer("MOVE", "/cell1/box/f", "/cell1/box/none/f", ""), "PR409-DV-0001")
	davtest.Error(s.Request("MOVE", "/cell1/box/f").Expect(), "PR400-DV-0010")
	s.Request("DELETE", "/cell1/box/d/").Expect().Status(http.StatusNoContent)
	davtest.Error(s.Request("DELETE", "/cell1/box/d").Expect(), "PR404-DV-0001")
}

// TestActiveTypes: what a browser would run is only downloaded.
func TestActiveTypes(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	types := map[string]bool{}
	for _, active := range []string{
		"text/html; charset=utf-8", "TEXT/HTML", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml", "application/atom+xml", "application/rss+xml",
		"application/rdf+xml", "application/mathml+xml", "application/vnd.any+xml", "text/xsl", "text/x-unknown", "multipart/x-mixed-replace", "application/x-shockwave-flash",
		"application/json+xml", "image/any+xml", "video/xml", "message/rfc822", "application/wasm",
	} {
		types[active] = true
	}
	for _, inert := range []string{"text/plain", "text/plain; charset=utf-8", "image/png", "IMAGE/JPEG", "video/mp4", "audio/ogg", "font/woff2", "application/pdf", "application/json", "text/csv"} {
		types[inert] = false
	}
	const path = "/cell1/box/a%22b@%20%3A=%27%C3%A4"
	for contentType, active := range types {
		s.Request("PUT", path).WithHeader("Content-Type", contentType).WithBytes([]byte("x")).Expect()
		r := s.Request("GET", path).Expect().Status(http.StatusOK)
		r.Header("Content-Type").IsEqual(contentType)
		r.Header("X-Content-Type-Options").IsEqual("nosniff")
		r.Header("Content-Security-Policy").Contains("sandbox")
		want := ""
		if active {
			want = "attachment; filename*=UTF-8''a%22b%40%20%3A%3D%27%C3%A4" // RFC 8187, 3.2.1
		}
		r.Header("Content-Disposition").IsEqual(want)
	}
}

func TestLocks(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	s.Mkcol("/cell1/box/d")
	s.Put("/cell1/box/f", "x")
	const exclusive = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype><owner>me</owner></lockinfo>`
	lock := func(path, depth string) string {
		t.Helper()
		r := s.Request("LOCK", path).WithHeader("Depth", depth).WithHeader("Timeout", "Second-60").WithText(exclusive).Expect()
		r.StatusRange(httpexpect.Status2xx)
		return strings.Trim(r.Header("Lock-Token").Raw(), "<>")
	}
	unlock := func(path, token string) {
		t.Helper()
		s.Request("UNLOCK", path).WithHeader("Lock-Token", "<"+token+">").Expect().Status(http.StatusNoContent)
	}
	token := lock("/cell1/box/f", "0")
	s.Request("PUT", "/cell1/box/f").WithText("y").Expect().Status(http.StatusLocked)
	s.Request("DELETE", "/cell1/box").Expect().Status(http.StatusLocked) // a lock inside a collection
	s.Transfer("MOVE", "/cell1/box/f", "/cell1/box/g", "").Status(http.StatusLocked)
	s.Request("PUT", "/cell1/box/f").WithHeader("If", "(<"+token+">)").WithText("y").Expect().Status(http.StatusNoContent)
	// A lock of one's own elsewhere opens nothing here.
	mine := lock("/cell1/box/d", "infinity")
	s.Request("PUT", "/cell1/box/f").WithHeader("If", "<"+s.URL+"/cell1/box/d> (<"+mine+">)").WithText("y").Expect().Status(http.StatusLocked)
	// The save of Office: a locked temporary file moves onto an unlocked one.
	tmp := lock("/cell1/box/tmp", "0")
	s.Request("PUT", "/cell1/box/tmp").WithHeader("If", "(<"+tmp+">)").WithText("new").Expect().Status(http.StatusNoContent)
	unlock("/cell1/box/f", token)
	s.Request("MOVE", "/cell1/box/tmp").WithHeader("If", "(<"+tmp+">)").WithHeader("Destination", s.URL+"/cell1/box/f").WithHeader("Overwrite", "T").
		Expect().Status(http.StatusNoContent)
	s.WantGet("/cell1/box/f", "new")
	s.Put("/cell1/box/tmp", "again").Status(http.StatusCreated) // the lock went with the MOVE
	unlock("/cell1/box/d", mine)
	s.Request("UNLOCK", "/cell1/box/d").WithHeader("Lock-Token", "<"+mine+">").Expect().Status(http.StatusConflict)
}
