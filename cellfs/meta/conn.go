package meta

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"cellar/cellfs"
)

// conn is one database connection with its prepared statements. One goroutine
// uses it at a time.
type conn struct {
	db    *sql.DB
	c     *sql.Conn
	stmts map[string]*sql.Stmt
}

func (c *conn) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := c.stmts[query]; st != nil {
		return st, nil
	}
	if c.c == nil {
		var err error
		if c.c, err = c.db.Conn(ctx); err != nil {
			return nil, err
		}
		c.stmts = map[string]*sql.Stmt{}
	}
	st, err := c.c.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	c.stmts[query] = st
	return st, nil
}

func (c *conn) close() error {
	if c.c == nil {
		return nil
	}
	var err error
	for _, st := range c.stmts {
		err = errors.Join(err, st.Close())
	}
	return errors.Join(err, c.c.Close())
}

func (c *conn) exec(ctx context.Context, query string, args []any) error {
	st, err := c.prepare(ctx, query)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(ctx, args...)
	return translate(err)
}

func (c *conn) queryRow(ctx context.Context, query string, args []any, dest ...any) error {
	st, err := c.prepare(ctx, query)
	if err != nil {
		return err
	}
	return translate(st.QueryRowContext(ctx, args...).Scan(dest...))
}

func (c *conn) query(ctx context.Context, query string, args []any, row func(scan func(...any) error) error) error {
	st, err := c.prepare(ctx, query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return translate(rows.Err())
}

// translate turns what the driver says into the sentinels of the contract. It is
// the only place that knows driver codes.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return fs.ErrNotExist
	}
	var e *sqlite.Error
	if errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_CORRUPT || e.Code() == sqlite3.SQLITE_NOTADB) {
		return fmt.Errorf("%w: %w", cellfs.ErrDatabase, err)
	}
	// SQLITE_IOERR_SHMSIZE: there is no room for the index of the log.
	if errors.As(err, &e) && (e.Code() == sqlite3.SQLITE_FULL || e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE) {
		return fmt.Errorf("%w: %w", cellfs.ErrNoSpace, err)
	}
	if errors.As(err, &e) && (e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY) {
		return fmt.Errorf("%w: %w", fs.ErrExist, err)
	}
	return err
}
