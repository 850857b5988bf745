package dav

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/account"
	"cellar/dav/answer"
	"cellar/dav/auth"
	"cellar/dav/odata"
	"cellar/dav/ops"
	"cellar/dav/target"
	"cellar/dav/wire"
)

// Version is the X-Personium-Version of every response (contract 1.4).
const Version = "1.8.3"

// DefaultPropfindLimit is how many resources a PROPFIND of infinite depth may
// list (contract 1.8).
const DefaultPropfindLimit = 10_000

// Config is what a [Handler] is made of. FS, Ops, AdminUser and AdminPassword
// are required.
type Config struct {
	FS  *cellfs.FS
	Ops *ops.Ops
	// UnitURL is the public URL of the unit. Cells are also served under
	// {cell}.{its host}. nil: URLs follow the request, and the host is localhost.
	UnitURL       *url.URL
	AdminUser     string
	AdminPassword string
	// AdminCells are the cells whose accounts are unit users (contract 5.16).
	AdminCells []string
	// InsecureBasic accepts passwords also over plain HTTP from other machines.
	InsecureBasic bool
	// TrustedProxies are the networks of proxies that say who the client is.
	TrustedProxies []netip.Prefix
	PasswordCost   account.Cost // of hashes that are made; 0: [account.DefaultCost]
	HashAtOnce     int          // passwords that are checked at the same time; 0: half the processors
	PropfindLimit  int          // 0: [DefaultPropfindLimit]
	Apps           bool         // boxes with a schema are served as applications; see isApp
	LogReads       bool         // also reads are events, not only changes
	TempDir        string       // for long answers; "": that of the system
	AnswerSpace    int64        // bytes that they may take there; 0: [DefaultAnswerSpace]
	// StallTime is how long a client may send nothing of a body, or take nothing of a
	// bar or of a list of entities; 0: [DefaultStallTime].
	StallTime time.Duration
	Log       *slog.Logger
	Now       func() time.Time // nil: time.Now
}

// Handler serves one unit. It is safe for concurrent use.
type Handler struct {
	cfg     Config
	fs      *cellfs.FS
	ops     *ops.Ops
	urls    *target.Resolver
	chain   http.Handler // the middleware, and serve behind it
	auth    *auth.Auth
	log     *slog.Logger
	reads   *reads        // nil: reads are in no log
	parsing chan struct{} // holds one for each XML body that is parsed now
	answers *answerSpace
	indexer *odata.Indexer
	debugs  bool // the log wants a line for each request

	refusedNobody, refusedOfCell *limiter // lines about refused installs
}

// DefaultStallTime is how long a client may send nothing of a body, or take nothing of a bar.
const DefaultStallTime = 2 * time.Minute

// New returns a handler, or an error if the configuration lacks something.
func New(ctx context.Context, c Config) (*Handler, error) {
	if c.FS == nil || c.Ops == nil || c.AdminUser == "" || c.AdminPassword == "" {
		return nil, errors.New("dav: FS, Ops, AdminUser and AdminPassword are required")
	}
	if c.PropfindLimit == 0 {
		c.PropfindLimit = DefaultPropfindLimit
	}
	if c.PasswordCost == 0 {
		c.PasswordCost = account.DefaultCost
	}
	if c.StallTime == 0 {
		c.StallTime = DefaultStallTime
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	h := &Handler{cfg: c, fs: c.FS, ops: c.Ops, log: c.Log, urls: target.NewResolver(c.UnitURL), parsing: newParsing(), answers: newAnswerSpace(cmp.Or(c.AnswerSpace, DefaultAnswerSpace))}
	h.debugs = c.Log.Enabled(ctx, slog.LevelDebug)
	var err error
	h.auth, err = auth.New(ctx, auth.Config{
		FS: c.FS, User: c.AdminUser, Password: c.AdminPassword, Now: c.Now, Log: c.Log, Cost: c.PasswordCost, HashAtOnce: c.HashAtOnce,
		AdminCells: c.AdminCells, CellURLs: h.urls.CellURLs,
	})
	if err != nil {
		return nil, err
	}
	h.refusedNobody, h.refusedOfCell = newLimiter(refusalsOfNobody, time.Minute), newLimiter(refusalsOfCell, time.Minute)
	h.indexer = odata.NewIndexer(c.FS, c.Log)
	if c.LogReads {
		h.reads = newReads(c.FS, c.Log)
	}
	h.chain = wire.FindPeers(c.TrustedProxies, wire.LimitStalls(c.StallTime, http.HandlerFunc(h.serve)))
	return h, nil
}

// Close ends the making of indexes and writes what is left of the event logs. It is called after the last request.
func (h *Handler) Close() {
	h.indexer.Close()
	if h.reads != nil {
		h.reads.close()
	}
}

// RotateKeys signs tokens with a new key once the present one is old. It is to be called
// now and then.
func (h *Handler) RotateKeys(ctx context.Context) error { return h.auth.RotateIfOld(ctx) }

// SetAdminPassword gives the unit admin another password: with the old one, nothing that
// came of it is good any more.
func (h *Handler) SetAdminPassword(password string) { h.auth.SetAdminPassword(password) }

// WaitIndexes returns once no index of user data is being made.
func (h *Handler) WaitIndexes() { h.indexer.Wait() }

// request is one request on its way.
type request struct {
	*http.Request
	h        *Handler
	w        *wire.Response
	givenKey string // X-Personium-RequestKey; see key
	target   target.Target
	peer     wire.Peer
	began    time.Time
	sent     string // the method as it was sent
	caller   auth.Caller
	byToken  bool        // the caller came with a token or a cookie, as Personium's clients do
	rules    []rule      // of the method
	control  *controlURL // once it was parsed; see parseControl
	// ifHeader is the If header once it was read; see submitted.
	ifHeader *ifHeader
	// What was read, if something was.
	readCell int64
	readKind cellfs.Kind
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.chain.ServeHTTP(w, r) }

// serve answers one request.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	req := &request{Request: r, h: h, w: &wire.Response{ResponseWriter: w}, peer: wire.PeerOf(r), began: time.Now()}
	defer func() {
		if !h.debugs {
			return
		}
		h.log.Debug("request", "method", r.Method, "path", r.URL.Path, "status", req.w.Status, "key", req.key(),
			"remote", req.peer.Addr, "took", time.Since(req.began))
	}()
	if err := req.serve(); err != nil {
		if wire.Stalled(r) {
			err = wire.ErrStalled
		}
		req.fail(err)
	} else if h.reads != nil {
		req.recordRead()
	}
}

func (q *request) serve() error {
	q.commonHeaders()
	if q.URL.Path == "/__health" {
		return q.health()
	}
	if done, err := q.edge(); done || err != nil {
		return err
	}
	var err error
	if q.target, err = q.h.urls.Resolve(q.Request, q.peer.HTTPS); err != nil {
		return err
	}
	if err := q.findOData(); err != nil {
		return err
	}
	route := methods[q.target.Kind][q.Method]
	q.rules = route.rules
	if q.target.Kind != target.Token { // which looks at no credentials but its own
		if err := q.identify(); err != nil {
			return err
		}
	}
	direct := q.skipsAdmission(route)
	if !direct {
		err = q.admit(route)
	}
	if err == nil {
		err = q.work(route)
	}
	if err != nil && direct {
		err = q.first(err)
	}
	if err != nil {
		return q.logRefusal(err)
	}
	return nil
}

// work does what the method does, unless the body is in a form that it cannot be read in.
func (q *request) work(route route) error {
	if err := q.encoded(); err != nil {
		return err
	}
	return route.serve(q)
}

// skipsAdmission reports whether the work needs no admission: the caller has all privileges, no job can
// stand in the way, and the work looks for box and cell itself. It saves a look at the store.
func (q *request) skipsAdmission(route route) bool {
	if !q.mayAll() || route.serve == nil {
		return false
	}
	switch q.Method {
	case "GET", "HEAD", "PROPFIND":
		return true
	}
	return q.target.Kind == target.Resource && !q.h.ops.AnyImport()
}

// first is the error of work that was not admitted, in the order of admit: a box or cell that
// is missing comes before all else that is wrong.
func (q *request) first(err error) error {
	if q.w.Status != 0 || isNotExist(err) {
		return err
	}
	return cmp.Or(q.exists(), err)
}

// admit refuses in the order of contract 1.2: what does not exist, what the method cannot do,
// what a job forbids, and only then who may not.
func (q *request) admit(route route) error {
	mainBox := q.Method == "MKCOL" && q.target.Kind == target.Box && q.target.Path.Box() == cellfs.MainBox
	if err := q.exists(); err != nil {
		return err
	}
	if route.serve == nil || mainBox { // before the privilege (contract 1.10)
		return errMethod
	}
	if err := q.noOther(route); err != nil {
		return err
	}
	if q.Method == "PROPFIND" && (q.target.Kind == target.Box || q.target.Kind == target.Resource) {
		// The listing judges what it lists, but nobody's body is parsed before.
		if body, err := q.hasBody(); err != nil || !body {
			return err
		}
	}
	return q.admitted(q.target.Guarded(), route.rules)
}

// exists looks for the cell or box that must exist whoever asks.
func (q *request) exists() error {
	p, ok := q.target.Prerequisite(q.Method == "MKCOL")
	if !ok {
		return nil
	}
	_, err := q.h.fs.Find(q.Context(), p)
	return err
}

// noOther refuses what a running export or import of the cell forbids: a second one,
// and while it is imported, all that changes it (contract 4.3, 4.9).
func (q *request) noOther(r route) error {
	switch q.Method {
	case "GET", "HEAD", "OPTIONS", "PROPFIND":
		return nil
	}
	if !r.exclusive && !q.h.ops.AnyImport() || q.target.Path.Len() == 0 || q.target.Kind == target.Token { // a login changes nothing
		return nil
	}
	cell, err := q.cell()
	if errors.Is(err, cellfs.ErrNoCell) {
		return nil
	}
	if err == nil && r.exclusive {
		err = q.h.ops.CheckNoExport(cell.ID)
	}
	if err == nil {
		err = q.h.ops.CheckNoImport(cell.ID)
	}
	return err
}

// cell is the cell that the URL names.
func (q *request) cell() (c cellfs.Cell, err error) {
	err = q.h.fs.View(q.Context(), func(tx cellfs.Tx) error {
		c, err = tx.Cell(q.target.Path.Cell())
		return err
	})
	if isNotExist(err) {
		err = cellfs.ErrNoCell
	}
	return c, err
}

func (q *request) health() error {
	q.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		q.w.Header().Set("Allow", "GET, HEAD")
		return answer.Send(q.w, q.Request, http.StatusMethodNotAllowed, answer.JSONType, errMethod.JSON())
	}
	_, err := q.w.Write([]byte("ok\n"))
	return err
}
