package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"cellar/barfs"
	"cellar/cellfs"
	"cellar/cellfs/account"
	"cellar/cellfs/meta"
	"cellar/dav"
	"cellar/dav/ops"
	"cellar/dav/wire"
)

const (
	// drainTime is how long a shutdown waits for requests and jobs.
	drainTime = 20 * time.Second
	// headerTime is how long a client may take to send its headers.
	headerTime = 15 * time.Second
	// idleTime is how long a connection is kept open between requests.
	idleTime = 2 * time.Minute
	// maxHeader bounds the headers of a request, in bytes.
	maxHeader = 64 << 10
)

func serveFlags() []cli.Flag {
	flags := []cli.Flag{
		newDataFlag(),
		&cli.StringFlag{Name: "listen", Value: "127.0.0.1:8080", EnvVars: env("LISTEN"), Usage: "`ADDRESS` to listen on"},
		&cli.StringFlag{Name: "unit-url", EnvVars: env("UNIT_URL"), Usage: "public `URL` of the unit, if it is not the address listened on"},
		&cli.StringSliceFlag{Name: "cell", EnvVars: env("CELL"), Usage: "make sure that the cell `NAME` exists; may be repeated"},
		&cli.StringFlag{Name: "tls-cert", EnvVars: env("TLS_CERT"), Usage: "`FILE` with the certificate; needs --tls-key"},
		&cli.StringFlag{Name: "tls-key", EnvVars: env("TLS_KEY"), Usage: "`FILE` with the key of the certificate"},
		&cli.StringSliceFlag{
			Name: "trusted-proxy", EnvVars: env("TRUSTED_PROXY"),
			Usage: "`NETWORK` or address of a proxy whose X-Forwarded-For, -Proto and -Host are believed; may be repeated",
		},
		&cli.DurationFlag{Name: "stall-time", Value: dav.DefaultStallTime, EnvVars: env("STALL_TIME"), Usage: "`TIME` for which a client may send nothing of a body, or take nothing of an answer"},
		&cli.StringSliceFlag{Name: "admin-cell", EnvVars: env("ADMIN_CELL"), Usage: "`CELL` whose accounts are unit users, who make cells of their own; its role unitadmin makes one a unit admin; can be given several times"},
		&cli.BoolFlag{Name: "insecure-basic", EnvVars: env("INSECURE_BASIC"), Usage: "accept passwords over plain HTTP from other machines"},
		&cli.StringFlag{
			Name: "durability", Value: "full", EnvVars: env("DURABILITY"),
			Usage: "`MODE`: full keeps all that was acknowledged over a power loss, relaxed all but the last second",
		},
		&cli.IntFlag{Name: "propfind-limit", Value: dav.DefaultPropfindLimit, EnvVars: env("PROPFIND_LIMIT"), Usage: "`NUMBER` of resources that a PROPFIND of infinite depth may list"},
		&cli.IntFlag{Name: "job-workers", Value: runtime.NumCPU(), EnvVars: env("JOB_WORKERS"), Usage: "`NUMBER` of installs, exports and imports of one cell that run at once; one more is there for a cell that has none"},
		&cli.BoolFlag{Name: "apps", EnvVars: env("APPS"), Usage: "let browsers run the pages of boxes that have a schema, on the host of their cell"},
		&cli.BoolFlag{Name: "log-reads", EnvVars: env("LOG_READS"), Usage: "write reads into the event logs of cells too, not only changes"},
		&cli.StringFlag{Name: "log-format", Value: "text", EnvVars: env("LOG_FORMAT"), Usage: "`FORMAT`: text or json"},
		&cli.StringFlag{Name: "log-level", Value: "info", EnvVars: env("LOG_LEVEL"), Usage: "`LEVEL`: debug (a line for every request), info, warn or error"},
	}
	flags = append(flags, adminFlags()...)
	return append(flags, limitFlags()...)
}

func serveCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name: "serve", Usage: "serve a unit", Flags: serveFlags(),
		Action: onlyFlags(func(c *cli.Context) error {
			log, err := newLogger(stderr, c.String("log-format"), c.String("log-level"))
			if err != nil {
				return err
			}
			s := &server{c: c, log: log, stdout: stdout}
			return s.run(c.Context)
		}),
	}
}

// server is one run of "cellar serve".
type server struct {
	c      *cli.Context
	log    *slog.Logger
	stdout io.Writer
	limits limits

	proxies  []netip.Prefix
	cert     *certificate // nil: plain HTTP
	password string       // of the admin

	unit *unit
	ops  *ops.Ops
	dav  *dav.Handler
	http *http.Server
}

// spareProcs are threads that may run Go code beyond the processors there are. A
// write waits for a sync of the disk; without them, its goroutine then waits
// again, for one of the others to pause.
const spareProcs = 2

func (s *server) run(ctx context.Context) (err error) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + spareProcs)
	}
	hangups, ignore := hangups()
	defer ignore()
	unitURL, durability, err := s.checkFlags()
	if err != nil {
		return err
	}
	if s.limits, err = readLimits(s.c); err != nil {
		return err
	}
	// The socket first: whoever starts a second server learns of the address.
	listener, err := listen(ctx, s.c.String("listen"), s.c.Duration("stall-time"))
	if err != nil {
		return err
	}
	defer listener.Close() // again after Shutdown: harmless
	if s.unit, err = openUnit(ctx, s.c.String("data"), unitOptions{durability: durability, create: true, log: s.log, logLimit: s.limits.eventLog, cacheSize: s.limits.cache}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.unit.Close()) }()
	if err := s.makeCells(ctx); err != nil {
		return err
	}
	var where string
	if s.password, where, err = serverPassword(s.c, s.stdout, s.log); err != nil {
		return err
	}
	if err := s.start(ctx, unitURL); err != nil {
		return err
	}
	s.announce(listener.Addr(), unitURL, where)
	return s.serve(ctx, listener, hangups)
}

func (s *server) checkFlags() (*url.URL, meta.Durability, error) {
	durability := meta.Full
	switch v := s.c.String("durability"); v {
	case "full":
	case "relaxed":
		durability = meta.Relaxed
	default:
		return nil, durability, usagef("--durability %q: use full or relaxed", v)
	}
	if (s.c.String("tls-cert") == "") != (s.c.String("tls-key") == "") {
		return nil, durability, usagef("--tls-cert and --tls-key go together")
	}
	if s.c.Int("propfind-limit") < 1 || s.c.Int("job-workers") < 1 {
		return nil, durability, usagef("--propfind-limit and --job-workers must be at least 1")
	}
	if s.c.Duration("stall-time") < time.Second {
		return nil, durability, usagef("--stall-time must be at least 1s")
	}
	var err error
	for _, v := range s.c.StringSlice("trusted-proxy") {
		more, err := account.ParseNetworks(v)
		if err != nil {
			return nil, durability, usagef("--trusted-proxy %q: use an IP address or a network such as 10.0.0.0/8", v)
		}
		s.proxies = append(s.proxies, more...)
	}
	if cert := s.c.String("tls-cert"); cert != "" {
		if s.cert, err = loadCertificate(cert, s.c.String("tls-key"), s.log); err != nil {
			return nil, durability, err
		}
	}
	for _, name := range s.c.StringSlice("cell") {
		if err := cellfs.CheckCellName(name); err != nil {
			return nil, durability, cellError(name, err)
		}
	}
	v := s.c.String("unit-url")
	if v == "" {
		return nil, durability, nil
	}
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, durability, usagef("--unit-url %q: use http(s)://host[:port]/", v)
	}
	return u, durability, nil
}

func (s *server) makeCells(ctx context.Context) error {
	for _, name := range s.c.StringSlice("cell") {
		_, err := s.unit.fs.CreateCell(ctx, name, s.c.String("admin-user"))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return cellError(name, err)
		}
	}
	return nil
}

func (s *server) start(ctx context.Context, unitURL *url.URL) error {
	public := ""
	if unitURL != nil {
		public = unitURL.String()
	}
	var err error
	if err := s.unit.fs.Resume(ctx); err != nil {
		return err
	}
	s.ops, err = ops.New(ctx, ops.Config{
		FS: s.unit.fs, Workers: s.c.Int("job-workers"), UnitURL: public, Program: "cellar " + programVersion(),
		Limits: barfs.Limits{Archive: s.limits.bar, Entry: s.limits.entry}, ImportLimit: s.limits.importBody, SnapshotLimits: ops.SnapshotLimits{Nodes: s.limits.importNodes}, TempDir: s.unit.temp(), Log: s.log,
	})
	if err != nil {
		return err
	}
	s.dav, err = dav.New(ctx, dav.Config{
		FS: s.unit.fs, Ops: s.ops, UnitURL: unitURL, AdminUser: s.c.String("admin-user"), AdminPassword: s.password,
		AdminCells: s.c.StringSlice("admin-cell"), Apps: s.c.Bool("apps"), InsecureBasic: s.c.Bool("insecure-basic"), PropfindLimit: s.c.Int("propfind-limit"), TempDir: s.unit.temp(),
		Log: s.log, TrustedProxies: s.proxies, LogReads: s.c.Bool("log-reads"), StallTime: s.c.Duration("stall-time"),
	})
	if err != nil {
		return err
	}
	s.http = &http.Server{
		Handler: s.dav, ConnContext: wire.ConnContext, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		HTTP2:    &http.HTTP2Config{SendPingTimeout: s.c.Duration("stall-time"), WriteByteTimeout: s.c.Duration("stall-time")},
	}
	if s.cert != nil {
		s.http.TLSConfig = s.cert.config()
	}
	return nil
}

func (s *server) announce(addr net.Addr, unitURL *url.URL, where string) {
	u := "http://" + addr.String() + "/"
	if s.c.String("tls-cert") != "" {
		u = "https://" + addr.String() + "/"
	}
	fmt.Fprintf(s.stdout, "cellar serves %s\n", u)
	for _, name := range s.c.StringSlice("cell") {
		fmt.Fprintf(s.stdout, "  cell %s: %s%s/\n", name, u, name)
	}
	fmt.Fprintf(s.stdout, "  admin: %s, password in %s\n", s.c.String("admin-user"), where)
	s.log.Info("listening", "address", addr.String(), "data", s.unit.dir, "version", programVersion())
}

// serve answers requests until ctx is done, and then drains: requests first,
// jobs next.
func (s *server) serve(ctx context.Context, l net.Listener, hangups <-chan os.Signal) error {
	ended := make(chan error, 1)
	go func() {
		if s.cert != nil {
			ended <- s.http.ServeTLS(l, "", "") // from its TLSConfig
		} else {
			ended <- s.http.Serve(wire.Listen(l))
		}
	}()
	beside, stopBeside := context.WithCancel(ctx)
	defer stopBeside()
	var besides sync.WaitGroup
	besides.Go(func() { s.sweep(beside) })
	besides.Go(func() { s.scrub(beside) })
	besides.Go(func() { s.reloadAt(beside, hangups) })
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		s.log.Info("shutting down")
	}
	stopBeside()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if serr := s.http.Shutdown(drain); serr != nil {
		s.log.Warn("requests were cut off", "err", serr)
		s.http.Close()
	}
	s.dav.Close()
	err = errors.Join(err, s.ops.Close(drain))
	besides.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	s.log.Info("stopped")
	return err
}
