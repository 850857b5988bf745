package meta

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/pressly/goose/v3"

	"cellar/cellfs"
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
	idle     chan *conn // reader connections not in use
	queue    chan *update
	closing  chan struct{} // closed by Close
	done     chan struct{} // closed when the writer goroutine has ended
	closeErr error         // of the writer's connection, once it has ended
	closed   atomic.Bool
	log      *slog.Logger

	durability Durability

	// Only the writer goroutine uses these.
	nextNode int64 // the id of the next node
	nextBlob int64 // the id of the next content: never one that was in use before
	locks    lockState
	known    known
	sync     *syncer
	alone    *time.Timer
	points   *checkpointer
	alloc    allocation
	pages    int // of the log, after the last commit
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
		alone:   time.NewTimer(time.Hour),

		durability: d,
	}
	w, err := s.start(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", file, err)
	}
	for range readers {
		s.idle <- &conn{file: file, pragmas: readerPragmas}
	}
	if s.sync, err = newSyncer(file); err != nil {
		return nil, errors.Join(err, w.close())
	}
	s.alloc.log = s.sync.log
	s.points = newCheckpointer(file, log)
	w.c.WALHook(func(_ *sqlite3.Conn, _ string, pages int) error {
		s.pages = pages
		return nil
	})
	go s.run(w)
	return s, nil
}

// private makes the database, its log and the index of that files that only their owner
// reads, also in a folder that others can enter: they hold the keys of tokens and the hashes
// of passwords.
func private(file string) error {
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Pragmas of all connections.
var pragmas = []string{
	"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)", // commits are synced by the syncer
	"journal_size_limit(33554432)", "wal_autocheckpoint(0)", "temp_store(MEMORY)", "foreign_keys(0)",
}

var (
	writerPragmas     = append(pragmas[:len(pragmas):len(pragmas)], "cache_size(-8192)")
	checkpointPragmas = append(pragmas[:len(pragmas):len(pragmas)], "cache_size(-256)")
	readerPragmas     = append(pragmas[:len(pragmas):len(pragmas)], "cache_size(-2048)", "query_only(1)")
)

// start looks whether the database is sound, migrates it and returns the writer's
// connection.
func (s *Store) start(ctx context.Context, file string) (*conn, error) {
	w := &conn{file: file, pragmas: writerPragmas}
	if err := s.prepare(ctx, w); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (s *Store) prepare(ctx context.Context, w *conn) error {
	if err := w.ready(); err != nil {
		return err
	}
	info, err := os.Stat(w.file)
	if err == nil && info.Size() > 0 && info.Size() <= startCheck {
		err = sound(w, "quick_check(1)", func(problem string) error {
			return fmt.Errorf("%w: %s", cellfs.ErrDatabase, problem)
		})
	}
	if err != nil {
		return err
	}
	if err := migrate(ctx, w.file); err != nil {
		return translate(err)
	}
	if err := private(w.file); err != nil { // of a new database the log was made again
		return err
	}
	return (&tx{c: w}).row(`SELECT 1 + max((SELECT coalesce(max(id), 0) FROM node), (SELECT coalesce(max(node), 0) FROM docindex)),
		(SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'blob')`, nil, &s.nextNode, &s.nextBlob)
}

// migrate brings the schema up to date, on a connection of its own.
func migrate(ctx context.Context, file string) (err error) {
	db, err := driver.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
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
	return errors.Join(err, s.closeErr)
}

var errClosed = errors.New("metadata store is closed")

// View implements [cellfs.Meta].
func (s *Store) View(ctx context.Context, fn func(cellfs.Tx) error) error {
	return s.reading(ctx, func(c *conn) error {
		if err := c.exec("BEGIN"); err != nil {
			return err
		}
		defer c.exec("ROLLBACK")
		return fn(&tx{c: c})
	})
}

// Peek implements [cellfs.Meta]: a statement is a transaction by itself.
func (s *Store) Peek(ctx context.Context, fn func(cellfs.Reader) error) error {
	return s.reading(ctx, func(c *conn) error { return fn(&tx{c: c}) })
}

// reading calls fn with a connection that nobody else uses meanwhile.
func (s *Store) reading(ctx context.Context, fn func(*conn) error) error {
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
	if err := c.ready(); err != nil {
		return err
	}
	return fn(c)
}
