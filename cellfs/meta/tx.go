package meta

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"time"
)

// tx implements [cellfs.Tx] on one connection.
type tx struct {
	c     *conn
	store *Store // nil in a View

	alone      bool  // nothing else was written in this transaction of the database
	wrote      bool  // a savepoint is open, or alone
	lockWrites bool  // locks were changed
	broken     error // the savepoint could not be closed: the whole batch is lost
	before     map[int64]before
}

var errReadOnly = errors.New("write inside View")

// begin opens the savepoint of the transaction, before its first write.
func (t *tx) begin() error {
	if t.store == nil {
		return errReadOnly
	}
	if t.wrote {
		return nil
	}
	if !t.alone {
		if err := t.c.exec("SAVEPOINT one"); err != nil {
			return err
		}
	}
	t.wrote = true
	return nil
}

// write runs a statement that changes something and returns how many rows it changed.
func (t *tx) write(query string, args ...any) (int64, error) {
	if err := t.begin(); err != nil {
		return 0, err
	}
	return t.c.change(query, args...)
}

// insert is write for a statement that ends in RETURNING id.
func (t *tx) insert(id *int64, query string, args ...any) error {
	if err := t.begin(); err != nil {
		return err
	}
	return t.row(query, args, id)
}

// row reads the only row of a query.
func (t *tx) row(query string, args []any, dest ...any) error {
	found := false
	err := t.query(query, args, func(r row) error {
		found = true
		return r.scan(dest...)
	})
	if err == nil && !found {
		err = fs.ErrNotExist
	}
	return err
}

func (t *tx) query(query string, args []any, each func(row) error) error {
	return t.c.query(query, args, each)
}

// one reads the only row of a query; fs.ErrNotExist if there is none.
func one[T any](t *tx, scan func(row) (T, error), query string, args ...any) (v T, err error) {
	found := false
	err = t.query(query, args, func(r row) (err error) {
		found = true
		v, err = scan(r)
		return err
	})
	if err == nil && !found {
		err = fs.ErrNotExist
	}
	return v, err
}

// all reads the rows of a query.
func all[T any](t *tx, scan func(row) (T, error), query string, args ...any) (rows []T, err error) {
	err = t.query(query, args, func(r row) error {
		v, err := scan(r)
		rows = append(rows, v)
		return err
	})
	return rows, err
}

func scanText(r row) (string, error) { return r.text(0), nil }

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// jsonOrNull is v as JSON text, or NULL when it is empty.
func jsonOrNull(v any, empty bool) (any, error) {
	if empty {
		return nil, nil
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // XML would take up to six times its bytes
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// textOrNull is JSON as text, or NULL for nil.
func textOrNull(text []byte) any {
	if text == nil {
		return nil
	}
	return string(text)
}

func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

func (t *tx) Setting(name string) (value string, err error) {
	err = t.row("SELECT value FROM setting WHERE name = ?", []any{name}, &value)
	if isNotExist(err) {
		return "", nil
	}
	return value, err
}

func (t *tx) SetSetting(name, value string) error {
	_, err := t.write("INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
		name, value)
	return err
}
