package meta

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"
	"unique"

	"github.com/ncruces/go-sqlite3"

	"cellar/cellfs"
)

// conn is one database connection with its prepared statements. One goroutine
// uses it at a time.
type conn struct {
	file    string
	pragmas []string
	c       *sqlite3.Conn // nil: it was not needed yet
	stmts   map[string]*sqlite3.Stmt
}

// ready opens the connection, if that was not done before.
func (c *conn) ready() error {
	if c.c != nil {
		return nil
	}
	db, err := sqlite3.OpenFlags(uriOf(c.file), sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE|sqlite3.OPEN_URI)
	if err != nil {
		return translate(err)
	}
	for _, p := range c.pragmas {
		if err := db.Exec("PRAGMA " + p); err != nil {
			return errors.Join(translate(err), db.Close())
		}
	}
	c.c, c.stmts = db, map[string]*sqlite3.Stmt{}
	return nil
}

func (c *conn) close() (err error) {
	if c.c == nil {
		return nil
	}
	for _, st := range c.stmts {
		err = errors.Join(err, st.Close())
	}
	return errors.Join(err, c.c.Close())
}

// prepare returns the statement with its arguments bound. Before it is used again, it is to be reset.
func (c *conn) prepare(query string, args []any) (*sqlite3.Stmt, error) {
	st := c.stmts[query]
	if st == nil {
		var tail string
		var err error
		if st, tail, err = c.c.PrepareFlags(query, sqlite3.PREPARE_PERSISTENT); err != nil {
			return nil, fmt.Errorf("prepare %q: %w", query, err)
		}
		if tail != "" {
			return nil, fmt.Errorf("prepare %q: more than one statement", query)
		}
		c.stmts[query] = st
	}
	for i, a := range args {
		if err := bind(st, i+1, a); err != nil {
			return nil, err
		}
	}
	return st, nil
}

func bind(st *sqlite3.Stmt, i int, arg any) error {
	switch v := arg.(type) {
	case nil:
		return st.BindNull(i)
	case int64:
		return st.BindInt64(i, v)
	case string:
		return st.BindText(i, v)
	case []byte:
		return st.BindBlob(i, v)
	case int:
		return st.BindInt(i, v)
	case bool:
		return st.BindBool(i, v)
	default:
		return fmt.Errorf("argument %d has the type %T", i, arg)
	}
}

// exec runs a statement that returns nothing.
func (c *conn) exec(query string, args ...any) error {
	st, err := c.prepare(query, args)
	if err != nil {
		return err
	}
	return translate(st.Exec())
}

// change is exec, and returns how many rows were changed.
func (c *conn) change(query string, args ...any) (int64, error) {
	if err := c.exec(query, args...); err != nil {
		return 0, err
	}
	return c.c.Changes(), nil
}

// query calls each for every row of a query until it returns an error, which query returns.
func (c *conn) query(query string, args []any, each func(row) error) error {
	st, err := c.prepare(query, args)
	if err != nil {
		return err
	}
	for st.Step() {
		if err := each(row{st}); err != nil {
			st.Reset() // says what Step said
			return err
		}
	}
	if err := st.Err(); err != nil {
		st.Reset()
		return translate(err)
	}
	return translate(st.Reset())
}

// row is the current row of a query. Columns are counted from 0; one that is NULL reads as 0, "" or nil.
type row struct{ st *sqlite3.Stmt }

func (r row) int(i int) int64   { return r.st.ColumnInt64(i) }
func (r row) text(i int) string { return r.st.ColumnText(i) }
func (r row) null(i int) bool   { return r.st.ColumnType(i) == sqlite3.NULL }

// interned is a text that many rows have.
func (r row) interned(i int) string { return unique.Make(r.text(i)).Value() }

// raw is a column of any type that is valid until the next row.
func (r row) raw(i int) []byte {
	switch r.st.ColumnType(i) {
	case sqlite3.NULL:
		return nil
	case sqlite3.BLOB:
		if b := r.st.ColumnRawBlob(i); b != nil {
			return b
		}
		return []byte{}
	default:
		return r.st.ColumnRawText(i)
	}
}

// bytes is a copy of raw.
func (r row) bytes(i int) []byte {
	b := r.raw(i)
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

// scan reads the first columns.
func (r row) scan(dest ...any) error {
	for i, d := range dest {
		switch v := d.(type) {
		case *int64:
			*v = r.int(i)
		case *int:
			*v = int(r.int(i))
		case *string:
			*v = r.text(i)
		case *bool:
			*v = r.int(i) != 0
		case *time.Time:
			*v = fromMicros(r.int(i))
		case *[]byte:
			*v = r.bytes(i)
		default:
			return fmt.Errorf("column %d cannot be a %T", i, d)
		}
	}
	return nil
}

// translate turns what the driver says into the sentinels of the contract. It is
// the only place that knows driver codes.
func translate(err error) error {
	var e *sqlite3.Error
	var code sqlite3.ExtendedErrorCode
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		code = e.ExtendedCode()
	case errors.As(err, &code):
	default:
		return err
	}
	switch is := func(c error) bool { return errors.Is(code, c) }; {
	case is(sqlite3.CORRUPT), is(sqlite3.NOTADB):
		return fmt.Errorf("%w: %w", cellfs.ErrDatabase, err)
	case is(sqlite3.FULL), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), code == sqlite3.IOERR_SHMSIZE: // no room for the index of the log
		return fmt.Errorf("%w: %w", cellfs.ErrNoSpace, err)
	case code == sqlite3.CONSTRAINT_UNIQUE, code == sqlite3.CONSTRAINT_PRIMARYKEY:
		return fmt.Errorf("%w: %w", fs.ErrExist, err)
	}
	return err
}
