package meta

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"github.com/pressly/goose/v3"

	"cellar/cellfs"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

//go:embed sqlite/*.sql
var migrations embed.FS

// Durability says what an acknowledged Update survives.
type Durability int

const (
	// Full: an Update that returned survives a power loss.
	Full Durability = iota
	// Relaxed: a power loss may take the last second of Updates, never part of one.
	Relaxed
)

// readers is how many transactions may read at once. More than the processors
// can run only adds memory, but a long export must not lock others out.
var readers = max(4, 2*runtime.GOMAXPROCS(0))

// Store implements [cellfs.Meta] on SQLite.
type Store struct {
	write   *sql.DB
	read    *sql.DB
	idle    chan *conn // reader connections not in use
	queue   chan *update
	closing chan struct{} // closed by Close
	done    chan struct{} // closed when the writer goroutine has ended
	closed  atomic.Bool
	log     *slog.Logger

	durability Durability

	// Only the writer goroutine uses these.
	nextNode int64 // the id of the next node
	nextBlob int64 // the id of the next content: never one that was in use before
	locks    lockState
	known    known
	sync     *syncer
}

// OpenSQLite opens or creates the database file dir/cellar.db and brings its
// schema up to date. It refuses a database that is newer than the program.
func OpenSQLite(ctx context.Context, dir string, d Durability, log *slog.Logger) (*Store, error) {
	file, err := filepath.Abs(filepath.Join(dir, "cellar.db"))
	if err != nil {
		return nil, err
	}
	if err := private(file); err != nil {
		return nil, err
	}
	s := &Store{
		idle:    make(chan *conn, readers),
		queue:   make(chan *update, 1024),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		log:     log,
		known:   newKnown(),

		durability: d,
	}
	if s.write, err = sql.Open("sqlite", dsn(file)); err != nil {
		return nil, err
	}
	s.write.SetMaxOpenConns(1)
	w, err := s.start(ctx, file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", file, translate(err)), s.write.Close())
	}
	if s.read, err = sql.Open("sqlite", dsn(file)+"&_pragma=cache_size(-4096)&_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	for range readers {
		s.idle <- &conn{db: s.read}
	}
	if s.sync, err = newSyncer(file); err != nil {
		return nil, errors.Join(err, w.close(), s.read.Close(), s.write.Close())
	}
	go s.run(w)
	return s, nil
}

// private makes the database one that only its owner reads, also in a folder that others
// can enter: it holds the keys of tokens and the hashes of passwords. The files that
// SQLite puts beside it get its mode.
func private(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

// dsn carries the pragmas: given once by Exec, they would reach one connection of the
// pool only. NORMAL syncs at checkpoints; commits are synced by the syncer.
func dsn(file string) string {
	return (&url.URL{Scheme: "file", Path: file}).String() + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)" +
		// The log is reused from its start, never shrunk: overwriting allocated
		// pages costs a sync about half the time of growing the file.
		"&_pragma=journal_size_limit(-1)&_pragma=wal_autocheckpoint(4000)" +
		"&_pragma=cache_size(-16384)&_pragma=temp_store(MEMORY)&_pragma=foreign_keys(0)"
}

// start looks whether the database is sound, migrates it and returns the writer's
// connection.
func (s *Store) start(ctx context.Context, file string) (*conn, error) {
	info, err := os.Stat(file)
	if err == nil && info.Size() > 0 && info.Size() <= startCheck {
		err = sound(ctx, s.write, "quick_check(1)", func(problem string) error {
			return fmt.Errorf("%w: %s", cellfs.ErrDatabase, problem)
		})
	}
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, s.write); err != nil {
		return nil, err
	}
	w := &conn{db: s.write}
	err = w.queryRow(ctx, "SELECT 1 + max((SELECT coalesce(max(id), 0) FROM node), (SELECT coalesce(max(node), 0) FROM docindex)), (SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'blob')",
		nil, &s.nextNode, &s.nextBlob)
	return w, err
}

func migrate(ctx context.Context, db *sql.DB) error {
	sub, err := fs.Sub(migrations, "sqlite")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, sub)
	if err != nil {
		return err
	}
	known := p.ListSources()[len(p.ListSources())-1].Version
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	if have > known {
		return fmt.Errorf("it has schema version %d, but this program knows versions up to %d: use a newer cellar", have, known)
	}
	_, err = p.Up(ctx)
	return err
}

// Close implements [cellfs.Meta]: it waits for running transactions, writes the
// log back into the database and closes it.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	close(s.closing)
	<-s.done
	var err error
	for range readers {
		c := <-s.idle
		err = errors.Join(err, c.close())
	}
	_, cerr := s.write.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	return errors.Join(err, s.read.Close(), cerr, s.write.Close())
}

var errClosed = errors.New("metadata store is closed")

// View implements [cellfs.Meta].
func (s *Store) View(ctx context.Context, fn func(cellfs.Tx) error) error {
	if s.closed.Load() {
		return errClosed
	}
	var c *conn
	select {
	case c = <-s.idle:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return errClosed
	}
	defer func() { s.idle <- c }()
	// The transaction is not tied to ctx: a driver that interrupts a statement
	// may drop the connection with it. fn sees ctx at its own pace.
	ctx = context.WithoutCancel(ctx)
	if err := c.exec(ctx, "BEGIN", nil); err != nil {
		return err
	}
	defer c.exec(ctx, "ROLLBACK", nil)
	return fn(&tx{c: c, ctx: ctx})
}
