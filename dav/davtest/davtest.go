// Package davtest drives a whole cellar over HTTP: real stores in a temporary
// folder, a real listener, and httpexpect in front of it. After the test the
// store is checked as a whole.
package davtest

import (
	"cmp"
	"context"
	"encoding/xml"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/gavv/httpexpect/v2"

	"cellar/barfs"
	"cellar/cellfs"
	"cellar/cellfs/account"
	"cellar/cellfs/blob"
	"cellar/cellfs/cellfstest"
	"cellar/cellfs/meta"
	"cellar/cellfs/snapshot"
	"cellar/dav"
	"cellar/dav/ops"
	"cellar/dav/wire"
)

// Credentials of the unit admin of every test server.
const (
	User     = "admin"
	Password = "correct horse"
)

// cheap is the cost of passwords unless a test asks for another.
const cheap account.Cost = 4

// Config qualifies [New]. The zero value is a full server with the cell "cell1".
type Config struct {
	Dir           string // of the stores; "" for a temporary one
	Cells         []string
	UnitURL       string
	AdminCells    []string
	Apps          bool
	PropfindLimit int
	Workers       int // default 2
	Limits        barfs.Limits
	MaxUpdate     int
	ImportLimit   int64 // bytes; default: that of ops
	MaxNodes      int64 // resources of a cell; default: that of cellfs
	AnswerSpace   int64 // of answers on disk, in bytes; default: dav's
	LogLimit      int64 // of event logs, in bytes; default: cellfs's
	StallTime     time.Duration
	// Wrap replaces the stores by ones that misbehave.
	Wrap func(cellfs.Meta, cellfs.Blobs) (cellfs.Meta, cellfs.Blobs)
	// NoCheck leaves out the check of the whole store at the end.
	NoCheck  bool
	LogReads bool
	Log      io.Writer // of the program; default: that of the test
	// TrustedProxies are networks.
	TrustedProxies []string
	// Now is the clock of tokens and logins, StoreNow that of the tree; nil: that of the system.
	Now, StoreNow func() time.Time
	// PasswordCost is that of hashes; default: a cheap one, since most tests have none that
	// depend on it.
	PasswordCost account.Cost
}

// Server is a running cellar.
type Server struct {
	T    testing.TB
	URL  string // without final slash
	Dir  string
	FS   *cellfs.FS
	Ops  *ops.Ops
	Meta cellfs.Meta

	http   *httptest.Server
	dav    *dav.Handler
	cfg    Config
	stores []func() error
	closed bool
}

// Long skips a test that takes seconds when only the short ones are to run.
func Long(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: -short: it takes seconds")
	}
}

// New starts a server that is stopped when the test ends.
func New(t testing.TB, c ...Config) *Server {
	t.Helper()
	cfg := Config{}
	if len(c) > 0 {
		cfg = c[0]
	}
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Cells == nil {
		cfg.Cells = []string{"cell1"}
	}
	if cfg.Workers == 0 {
		cfg.Workers = 2
	}
	s := &Server{T: t, Dir: cfg.Dir, cfg: cfg}
	s.open(cfg)
	t.Cleanup(func() {
		if !cfg.NoCheck && !s.closed {
			s.Check()
		}
		s.Close()
	})
	return s
}

func (s *Server) open(cfg Config) {
	t := s.T
	t.Helper()
	ctx := context.Background()
	var out io.Writer = t.Output()
	if cfg.Log != nil {
		out = cfg.Log
	}
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	blobs, err := blob.Open(filepath.Join(cfg.Dir, "blobs"))
	must(t, err)
	rows, err := meta.OpenSQLite(ctx, cfg.Dir, meta.Full, log)
	must(t, err)
	s.stores = []func() error{blobs.Close, rows.Close}
	var m cellfs.Meta = cellfstest.Rerun{Meta: rows}
	var b cellfs.Blobs = blobs
	if cfg.Wrap != nil {
		m, b = cfg.Wrap(m, b)
	}
	tmp := filepath.Join(cfg.Dir, "tmp")
	must(t, os.MkdirAll(tmp, 0o700))
	s.Meta = m
	s.FS = cellfs.New(cellfs.Config{MaxNodes: cfg.MaxNodes, Meta: m, Blobs: b, Snapshots: snapshot.Reader{}, Now: cfg.StoreNow, Log: log, LogLimit: cfg.LogLimit})
	s.stores = append(s.stores, func() error {
		s.FS.Close()
		return nil
	})
	must(t, s.FS.Resume(ctx))
	for _, name := range cfg.Cells {
		if _, err := s.FS.CreateCell(ctx, name, User); err != nil && !os.IsExist(err) && !strings.Contains(err.Error(), "exist") {
			t.Fatal(err)
		}
	}
	s.Ops, err = ops.New(ctx, ops.Config{
		FS: s.FS, Workers: cfg.Workers, Program: "cellar test", TempDir: tmp, Limits: cfg.Limits, MaxUpdate: cfg.MaxUpdate, ImportLimit: cfg.ImportLimit, Log: log,
	})
	must(t, err)
	var unit *url.URL
	if cfg.UnitURL != "" {
		unit, err = url.Parse(cfg.UnitURL)
		must(t, err)
	}
	var proxies []netip.Prefix
	for _, p := range cfg.TrustedProxies {
		proxies = append(proxies, netip.MustParsePrefix(p))
	}
	h, err := dav.New(ctx, dav.Config{
		FS: s.FS, Ops: s.Ops, UnitURL: unit, AdminUser: User, AdminPassword: Password, PropfindLimit: cfg.PropfindLimit, StallTime: cfg.StallTime, TempDir: tmp, AnswerSpace: cfg.AnswerSpace, Log: log, Now: cfg.Now, TrustedProxies: proxies, PasswordCost: cmp.Or(cfg.PasswordCost, cheap), LogReads: cfg.LogReads, AdminCells: cfg.AdminCells, Apps: cfg.Apps,
	})
	must(t, err)
	s.dav = h
	s.http = httptest.NewUnstartedServer(h)
	s.http.Listener, s.http.Config.ConnContext = wire.Listen(s.http.Listener), wire.ConnContext
	s.http.Start()
	s.URL = s.http.URL
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Close stops the server and closes its stores; a second Close does nothing.
func (s *Server) Close() {
	if s.closed {
		return
	}
	s.closed = true
	s.http.CloseClientConnections()
	s.http.Close()
	s.dav.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Ops.Close(ctx); err != nil {
		s.T.Error(err)
	}
	for i := len(s.stores) - 1; i >= 0; i-- {
		if err := s.stores[i](); err != nil {
			s.T.Error(err)
		}
	}
}

// SetAdminPassword gives the admin another password; requests of this package go on with
// [Password].
func (s *Server) SetAdminPassword(password string) { s.dav.SetAdminPassword(password) }

// WaitIndexes waits until no index of user data is being made.
func (s *Server) WaitIndexes() { s.dav.WaitIndexes() }

// Restart ends the server and starts it again on the same stores, at another address.
func (s *Server) Restart() {
	s.T.Helper()
	s.Close()
	s.closed = false
	s.open(s.cfg)
}

// Check fails the test unless the whole store is sound.
func (s *Server) Check() {
	s.T.Helper()
	r, err := s.FS.Check(context.Background())
	if err != nil {
		s.T.Errorf("check: %v", err)
	}
	for _, p := range r.Problems {
		s.T.Errorf("store: %s", p)
	}
}

// Anonymous returns an expectation without credentials.
func (s *Server) Anonymous() *httpexpect.Expect {
	return httpexpect.WithConfig(httpexpect.Config{
		BaseURL: s.URL, Reporter: httpexpect.NewAssertReporter(s.T), Client: &http.Client{
			Transport: s.http.Client().Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	})
}

// Request begins a request by the admin.
func (s *Server) Request(method, path string) *httpexpect.Request {
	return s.Anonymous().Request(method, "").WithURL(s.URL+path).WithBasicAuth(User, Password)
}

// Put stores a file, which must succeed.
func (s *Server) Put(path, content string) *httpexpect.Response {
	s.T.Helper()
	r := s.Request("PUT", path).WithText(content).WithHeader("Content-Type", "text/plain").Expect()
	r.StatusRange(httpexpect.Status2xx)
	return r
}

// Mkcol makes a collection or a box, which must succeed.
func (s *Server) Mkcol(path string) {
	s.T.Helper()
	s.Request("MKCOL", path).Expect().Status(http.StatusCreated)
}

// MkOData makes an OData collection.
func (s *Server) MkOData(path string) {
	s.T.Helper()
	s.Request("MKCOL", path).WithHeader("Content-Type", "application/xml").
		WithText(`<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype><D:collection/><p:odata/></D:resourcetype></D:prop></D:set></D:mkcol>`).
		Expect().Status(http.StatusCreated)
}

// Get returns the content of a file that must be there.
func (s *Server) Get(path string) string {
	s.T.Helper()
	return s.Request("GET", path).Expect().Status(http.StatusOK).Body().Raw()
}

// WantGet fails the test unless the file has that content.
func (s *Server) WantGet(path, want string) {
	s.T.Helper()
	if got := s.Get(path); got != want {
		s.T.Errorf("GET %s = %q, want %q", path, got, want)
	}
}

// WantGone fails the test unless there is nothing at path.
func (s *Server) WantGone(path string) {
	s.T.Helper()
	s.Request("GET", path).Expect().Status(http.StatusNotFound)
}

// Transfer sends COPY or MOVE; overwrite is "T", "F" or "" for no header.
func (s *Server) Transfer(method, src, dst, overwrite string) *httpexpect.Response {
	r := s.Request(method, src).WithHeader("Destination", s.URL+dst)
	if overwrite != "" {
		r = r.WithHeader("Overwrite", overwrite)
	}
	return r.Expect()
}

// Error fails the test unless the answer is the error with that code.
func Error(r *httpexpect.Response, code string) {
	status := int(code[2]-'0')*100 + int(code[3]-'0')*10 + int(code[4]-'0')
	r.Status(status)
	r.JSON().Object().Value("code").IsEqual(code)
}

// Resource is one response of a 207, properties by "{namespace}name".
type Resource struct {
	Href    string
	Props   map[string]string // those with status 200: inner XML
	Missing []string          // those with another status
}

// Propfind sends a PROPFIND that must succeed and returns its responses.
func (s *Server) Propfind(path, depth, body string) []Resource {
	s.T.Helper()
	r := s.Request("PROPFIND", path).WithHeader("Depth", depth)
	if body != "" {
		r = r.WithBytes([]byte(body)).WithHeader("Content-Type", "application/xml")
	}
	return ParseMultistatus(s.T, r.Expect().Status(http.StatusMultiStatus).Body().Raw())
}

// Hrefs lists what a PROPFIND shows, sorted.
func (s *Server) Hrefs(path, depth string) []string {
	s.T.Helper()
	var all []string
	for _, r := range s.Propfind(path, depth, "") {
		all = append(all, r.Href)
	}
	sort.Strings(all)
	return all
}

// ParseMultistatus reads a 207 body, which must be well-formed.
func ParseMultistatus(t testing.TB, body string) (all []Resource) {
	t.Helper()
	var ms struct {
		XMLName   xml.Name `xml:"DAV: multistatus"`
		Responses []struct {
			Href  string `xml:"DAV: href"`
			Stats []struct {
				Status string `xml:"DAV: status"`
				Prop   struct {
					All []struct {
						XMLName xml.Name
						Inner   string `xml:",innerxml"`
					} `xml:",any"`
				} `xml:"DAV: prop"`
			} `xml:"DAV: propstat"`
		} `xml:"DAV: response"`
	}
	if err := xml.Unmarshal([]byte(body), &ms); err != nil {
		t.Fatalf("multistatus: %v in %s", err, body)
	}
	for _, r := range ms.Responses {
		out := Resource{Href: r.Href, Props: map[string]string{}}
		for _, st := range r.Stats {
			for _, p := range st.Prop.All {
				name := "{" + p.XMLName.Space + "}" + p.XMLName.Local
				if strings.Contains(st.Status, " 200 ") {
					if _, twice := out.Props[name]; twice {
						t.Errorf("%s: property %s appears twice", r.Href, name)
					}
					out.Props[name] = p.Inner
				} else {
					out.Missing = append(out.Missing, name)
				}
			}
		}
		all = append(all, out)
	}
	return all
}

// WaitBox waits until the install of a box has ended and returns its metadata.
func (s *Server) WaitBox(path string) *httpexpect.Object {
	s.T.Helper()
	return s.Request("GET", path).WithHeader("Prefer", "wait=60").Expect().Status(http.StatusOK).JSON().Object().Value("box").Object()
}

// Export takes a snapshot under the given name and waits for it.
func (s *Server) Export(cell, name string) {
	s.T.Helper()
	s.Request("POST", "/"+cell+"/__export").WithJSON(map[string]string{"Name": name}).Expect().Status(http.StatusAccepted)
	s.Request("GET", "/"+cell+"/__export").WithHeader("Prefer", "wait=60").Expect().Status(http.StatusOK).
		JSON().Object().Value("status").IsEqual("ready")
}
