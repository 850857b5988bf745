package meta

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// tx implements [cellfs.Tx] on one connection.
type tx struct {
	c     *conn
	ctx   context.Context
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
		if err := t.c.exec(t.ctx, "SAVEPOINT one", nil); err != nil {
			return err
		}
	}
	t.wrote = true
	return nil
}

// write runs a statement that changes something.
func (t *tx) write(query string, args ...any) (int64, error) {
	if err := t.begin(); err != nil {
		return 0, err
	}
	st, err := t.c.prepare(t.ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, translate(err)
	}
	return res.RowsAffected()
}

// insert is write for a statement that ends in RETURNING id.
func (t *tx) insert(id *int64, query string, args ...any) error {
	if err := t.begin(); err != nil {
		return err
	}
	return t.c.queryRow(t.ctx, query, args, id)
}

func (t *tx) row(query string, args []any, dest ...any) error {
	return t.c.queryRow(t.ctx, query, args, dest...)
}

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
