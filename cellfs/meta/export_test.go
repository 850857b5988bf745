package meta

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3/driver"
)

// HotQueries are statements and what their plan must say.
var HotQueries = map[string]string{
	nodeColumns + "WHERE id = 1":                                                                               "USING INDEX node_id",
	nodeColumns + "WHERE parent = 1 AND key = 'x'":                                                             "USING PRIMARY KEY (parent=? AND key=?)",
	nodeColumns + "WHERE parent = 1 AND key > '' ORDER BY key LIMIT 1000":                                      "USING PRIMARY KEY (parent=? AND key>?)",
	strings.Replace(subtree, "?", "1", 1) + "DELETE FROM node WHERE parent IN (SELECT id FROM tree) OR id = 1": "USING PRIMARY KEY (parent=?)",
	strings.Replace(subtree, "?", "1", 1) + "SELECT count(*) FROM node WHERE parent IN (SELECT id FROM tree)":  "USING PRIMARY KEY (parent=?)",
	plainColumns + "WHERE blob = 1 ORDER BY id LIMIT 10":                                                       "USING INDEX node_blob",
	"SELECT 1 FROM node WHERE node.blob = 1 AND node.blob IS NOT NULL":                                         "USING COVERING INDEX node_blob",
}

// SetStartCheck has databases up to that size looked through at the start, and returns what
// undoes it.
func SetStartCheck(bytes int64) (undo func()) {
	old := startCheck
	startCheck = bytes
	return func() { startCheck = old }
}

// Explain returns the plan of a statement, a line a step.
func (s *Store) Explain(t *testing.T, query string) string {
	t.Helper()
	var plan []string
	err := s.reading(t.Context(), func(c *conn) error {
		return c.query("EXPLAIN QUERY PLAN "+query, nil, func(r row) error {
			plan = append(plan, r.text(3))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "\n")
}

// WithSync has f sync the logs of stores that are opened during the test.
func WithSync(t *testing.T, f func(*os.File) error) {
	syncData = f
	t.Cleanup(func() { syncData = fdatasync })
}

// SyncLag is how long what was updated soon may stay unsynced.
const SyncLag = syncLag

// SetVersion makes the database look as if a later program had migrated it.
func SetVersion(t *testing.T, dir string, version int) {
	t.Helper()
	db, err := driver.Open(filepath.Join(dir, "cellar.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (?, 1)", version); err != nil {
		t.Fatal(err)
	}
}
