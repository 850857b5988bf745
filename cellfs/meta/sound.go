package meta

import (
	"context"
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
	err = s.reading(ctx, func(c *conn) error {
		return sound(c, fmt.Sprintf("integrity_check(%d)", maxFaults), func(problem string) error {
			faults = append(faults, problem)
			return nil
		})
	})
	return faults, err
}

// sound runs a check of SQLite and calls report for everything that it finds.
func sound(c *conn, check string, report func(problem string) error) error {
	return c.query("PRAGMA "+check, nil, func(r row) error {
		line := r.text(0)
		if line == "ok" {
			return nil
		}
		return report(strings.Join(strings.Fields(line), " "))
	})
}
