package meta

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// startCheck is how large a database may be, in bytes, to be looked through at every start:
// this takes less than a second. A larger one is by [Store.Integrity] only. A variable for
// the tests.
var startCheck int64 = 64 << 20

// maxFaults bounds what [Store.Integrity] tells of a badly damaged database.
const maxFaults = 100

// Integrity looks through the whole database file and says what is damaged in it, a line each.
func (s *Store) Integrity(ctx context.Context) (faults []string, err error) {
	err = sound(ctx, s.read, fmt.Sprintf("integrity_check(%d)", maxFaults), func(problem string) error {
		faults = append(faults, problem)
		return nil
	})
	return faults, err
}

// sound runs a check of SQLite and calls report for everything that it finds.
func sound(ctx context.Context, db *sql.DB, check string, report func(problem string) error) error {
	rows, err := db.QueryContext(ctx, "PRAGMA "+check)
	if err != nil {
		return translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		if line == "ok" {
			continue
		}
		if err := report(strings.Join(strings.Fields(line), " ")); err != nil {
			return err
		}
	}
	return translate(rows.Err())
}
