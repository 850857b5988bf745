package meta

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"cellar/cellfs"
)

// --- control objects

const entityColumns = "SELECT id, cell, box, kind, key, doc, hidden, created, updated, version FROM entity "

func scanEntity(r row) (e cellfs.Entity, err error) {
	err = r.scan(&e.ID, &e.Cell, &e.Box, &e.Set, &e.Key, (*[]byte)(&e.Doc), (*[]byte)(&e.Hidden), &e.Created, &e.Updated, &e.Version)
	return e, err
}

func (t *tx) AddEntity(e *cellfs.Entity) error {
	e.Version = 1
	err := t.insert(&e.ID, "INSERT INTO entity (cell, box, kind, key, doc, hidden, created, updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
		e.Cell, e.Box, e.Set, e.Key, string(e.Doc), textOrNull(e.Hidden), micros(e.Created), micros(e.Updated))
	if err != nil {
		return fmt.Errorf("add %s %q: %w", e.Set, e.Key, err)
	}
	return nil
}

func (t *tx) SetEntity(e *cellfs.Entity) error {
	err := t.insert(&e.Version, "UPDATE entity SET box = ?, key = ?, doc = ?, hidden = ?, updated = ?, version = version + 1 WHERE id = ? RETURNING version",
		e.Box, e.Key, string(e.Doc), textOrNull(e.Hidden), micros(e.Updated), e.ID)
	if err != nil {
		return fmt.Errorf("set %s %q: %w", e.Set, e.Key, err)
	}
	return nil
}

func (t *tx) DeleteEntity(id int64) error {
	e, err := t.EntityByID(id)
	if err != nil {
		return err
	}
	_, err = t.write(`DELETE FROM link WHERE node = 0 AND cell = ?1 AND (from_set = ?2 AND from_key = ?3 OR to_set = ?2 AND to_key = ?3)`,
		e.Cell, e.Set, strconv.FormatInt(id, 10))
	if err == nil {
		_, err = t.write("DELETE FROM entity WHERE id = ?", id)
	}
	return err
}

func (t *tx) DeleteLink(l cellfs.Link) error {
	changed := int64(0)
	for _, ends := range [][2]cellfs.End{{l.From, l.To}, {l.To, l.From}} {
		n, err := t.write("DELETE FROM link WHERE node = ? AND cell = ? AND from_set = ? AND from_key = ? AND to_set = ? AND to_key = ?",
			l.Node, l.Cell, ends[0].Set, ends[0].Key, ends[1].Set, ends[1].Key)
		if err != nil {
			return err
		}
		changed += n
	}
	if changed == 0 {
		return fmt.Errorf("link: %w", fs.ErrNotExist)
	}
	return nil
}

func (t *tx) oneEntity(query string, args ...any) (cellfs.Entity, error) {
	e, err := one(t, scanEntity, query, args...)
	if err != nil {
		return e, fmt.Errorf("entity %v: %w", args, err)
	}
	return e, nil
}

func (t *tx) Entity(cell, box int64, set, key string) (cellfs.Entity, error) {
	return t.oneEntity(entityColumns+"WHERE cell = ? AND kind = ? AND key = ? AND box = ?", cell, set, key, box)
}

func (t *tx) EntityByID(id int64) (cellfs.Entity, error) {
	return t.oneEntity(entityColumns+"WHERE id = ?", id)
}

func (t *tx) Entities(cell int64, set string) ([]cellfs.Entity, error) {
	return all(t, scanEntity, entityColumns+"WHERE cell = ?1 AND (kind = ?2 OR ?2 = '') ORDER BY kind, key, box", cell, set)
}

func (t *tx) AddLink(l cellfs.Link) error {
	_, err := t.write("INSERT INTO link (cell, node, from_set, from_key, to_set, to_key) VALUES (?, ?, ?, ?, ?, ?)",
		l.Cell, l.Node, l.From.Set, l.From.Key, l.To.Set, l.To.Key)
	if err != nil {
		return fmt.Errorf("add link: %w", err)
	}
	return nil
}

func (t *tx) Links(cell, node int64) ([]cellfs.Link, error) {
	scan := func(r row) (cellfs.Link, error) {
		return cellfs.Link{Cell: cell, Node: node, From: cellfs.End{Set: r.text(0), Key: r.text(1)}, To: cellfs.End{Set: r.text(2), Key: r.text(3)}}, nil
	}
	return all(t, scan, `SELECT from_set, from_key, to_set, to_key FROM link WHERE node = ? AND cell = ?
		ORDER BY from_set, from_key, to_set, to_key`, node, cell)
}

func (t *tx) LinksOf(cell, node int64, e cellfs.End, set string) ([]cellfs.End, error) {
	scan := func(r row) (cellfs.End, error) { return cellfs.End{Set: set, Key: r.text(0)}, nil }
	return all(t, scan, `SELECT to_key FROM link WHERE node = ?1 AND cell = ?2 AND from_set = ?3 AND from_key = ?4 AND to_set = ?5
		UNION SELECT from_key FROM link WHERE node = ?1 AND cell = ?2 AND to_set = ?3 AND to_key = ?4 AND from_set = ?5
		ORDER BY 1`, node, cell, e.Set, e.Key, set)
}

// --- events

// eventRows is how many events one statement adds.
const eventRows = 32

var (
	insertEvents = "INSERT INTO event (cell, time, reqkey, external, schema, subject, type, object, info, absent) VALUES " +
		strings.Repeat("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?), ", eventRows-1) + "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	insertEvent = "INSERT INTO event (cell, time, reqkey, external, schema, subject, type, object, info, absent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

func (t *tx) AddEvents(events ...cellfs.Event) error {
	for rows := range slices.Chunk(events, eventRows) {
		if len(rows) == eventRows {
			if err := t.addEvents(insertEvents, rows); err != nil {
				return err
			}
			continue
		}
		for i := range rows {
			if err := t.addEvents(insertEvent, rows[i:i+1]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tx) addEvents(statement string, rows []cellfs.Event) error {
	args := make([]any, 0, 10*len(rows))
	for i := range rows {
		e := &rows[i]
		args = append(args, e.Cell, micros(e.Time), e.RequestKey, e.External, orNull(e.Schema), orNull(e.Subject), e.Type, e.Object, e.Info, int64(e.Absent))
	}
	if _, err := t.write(statement, args...); err != nil {
		return fmt.Errorf("add events: %w", err)
	}
	for i := range rows {
		e := &rows[i]
		if err := t.count(e.Cell, func(c *cellfs.Cell) { c.Log = c.Log.Add(e.Size()) }); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) CloseLog(cell int64, closed time.Time) error {
	var last int64
	if err := t.row("SELECT coalesce(max(id), 0) FROM event WHERE cell = ?", []any{cell}, &last); err != nil {
		return err
	}
	c, err := t.CellByID(cell)
	if err != nil {
		return err
	}
	_, err = t.write("INSERT INTO logarchive (cell, closed, after, last, bytes, urls, units) VALUES (?, ?, ?, ?, ?, ?, ?)",
		cell, micros(closed), c.LogFrom, last, c.Log.Bytes, c.Log.URLs, c.Log.Units)
	if err == nil {
		_, err = t.write("UPDATE cell SET logfrom = ? WHERE id = ?", last, cell)
	}
	if err != nil {
		return fmt.Errorf("close log of cell %d: %w", cell, err)
	}
	return t.count(cell, func(c *cellfs.Cell) { c.LogFrom, c.Log = last, cellfs.LogSize{} })
}

func (t *tx) LogArchives(cell int64) ([]cellfs.LogArchive, error) {
	scan := func(r row) (a cellfs.LogArchive, err error) {
		a.Cell = cell
		err = r.scan(&a.Closed, &a.After, &a.Last, &a.Size.Bytes, &a.Size.URLs, &a.Size.Units)
		return a, err
	}
	return all(t, scan, "SELECT closed, after, last, bytes, urls, units FROM logarchive WHERE cell = ? ORDER BY closed", cell)
}

func (t *tx) DropLog(cell int64, closed time.Time) error {
	_, err := t.write("INSERT INTO logpurge (cell, after, last) SELECT cell, after, last FROM logarchive WHERE cell = ? AND closed = ?", cell, micros(closed))
	if err != nil {
		return err
	}
	n, err := t.write("DELETE FROM logarchive WHERE cell = ? AND closed = ?", cell, micros(closed))
	if err == nil && n == 0 {
		err = fmt.Errorf("log of cell %d: %w", cell, fs.ErrNotExist)
	}
	return err
}

func (t *tx) PurgeEvents(limit int) (purged int64, err error) {
	for purged < int64(limit) {
		var cell, after, last int64
		err := t.row("SELECT cell, after, last FROM logpurge LIMIT 1", nil, &cell, &after, &last)
		if isNotExist(err) {
			return purged, nil
		}
		if err != nil {
			return purged, err
		}
		n, err := t.write(`DELETE FROM event WHERE id IN (SELECT id FROM event WHERE cell = ? AND id > ? AND id <= ? LIMIT ?)`,
			cell, after, last, int64(limit)-purged)
		if err != nil {
			return purged, err
		}
		if purged += n; purged == int64(limit) {
			break // there may be more of it
		}
		if _, err := t.write("DELETE FROM logpurge WHERE cell = ? AND after = ?", cell, after); err != nil {
			return purged, err
		}
	}
	return purged, nil
}

const eventColumns = "SELECT id, time, reqkey, external, coalesce(schema, ''), coalesce(subject, ''), type, object, info, absent, cell FROM event WHERE cell = ? "

func scanEvent(r row) (e cellfs.Event, err error) {
	err = r.scan(&e.ID, &e.Time, &e.RequestKey, &e.External, &e.Schema, &e.Subject, &e.Type, &e.Object, &e.Info)
	e.Absent, e.Cell = cellfs.Absent(r.int(9)), r.int(10)
	return e, err
}

func (t *tx) Events(cell, after int64, limit int) ([]cellfs.Event, error) {
	return all(t, scanEvent, eventColumns+"AND id > ? ORDER BY id LIMIT ?", cell, after, limit)
}

func (t *tx) LastEvent(cell int64) (cellfs.Event, error) {
	e, err := one(t, scanEvent, eventColumns+"ORDER BY id DESC LIMIT 1", cell)
	if err != nil {
		return e, fmt.Errorf("last event of cell %d: %w", cell, err)
	}
	return e, nil
}

// --- snapshots

const snapshotColumns = "SELECT id, cell, name, blob, size, created, passing FROM snapshot "

func scanSnapshot(r row) (s cellfs.Snapshot, err error) {
	err = r.scan(&s.ID, &s.Cell, &s.Name, &s.Index, &s.Size, &s.Created, &s.Passing)
	return s, err
}

func (t *tx) AddSnapshot(s *cellfs.Snapshot) error {
	err := t.insert(&s.ID, "INSERT INTO snapshot (cell, name, blob, size, created, passing) VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
		s.Cell, s.Name, s.Index, s.Size, micros(s.Created), s.Passing)
	if err != nil {
		return fmt.Errorf("add snapshot %q: %w", s.Name, err)
	}
	return nil
}

func (t *tx) Snapshot(cell int64, name string) (cellfs.Snapshot, error) {
	s, err := one(t, scanSnapshot, snapshotColumns+"WHERE cell = ? AND name = ?", cell, name)
	if err != nil {
		return s, fmt.Errorf("snapshot %q: %w", name, err)
	}
	return s, nil
}

func (t *tx) Snapshots(cell int64) ([]cellfs.Snapshot, error) {
	return all(t, scanSnapshot, snapshotColumns+"WHERE cell = ?1 OR ?1 = 0 ORDER BY cell, name", cell)
}

func (t *tx) DeleteSnapshot(id int64, now time.Time) error {
	var blob int64
	if err := t.begin(); err != nil {
		return err
	}
	if err := t.row("DELETE FROM snapshot WHERE id = ? RETURNING blob", []any{id}, &blob); err != nil {
		return fmt.Errorf("delete snapshot %d: %w", id, err)
	}
	return t.orphan(blob, now)
}

// --- jobs

const jobColumns = `SELECT id, kind, cell, target, state, name, reqkey, coalesce(input, 0), started, ended, done, total, step, code, message, subject, starts, passing FROM job `

func (t *tx) PutJob(j *cellfs.Job) error {
	args := []any{j.Kind, j.Cell, j.Target, j.State, j.Name, j.RequestKey, orNull(j.Input),
		micros(j.Started), micros(j.Ended), j.Done, j.Total, j.Step, j.Code, j.Message, j.Subject, j.Starts, j.Passing}
	if j.ID == 0 {
		return t.insert(&j.ID, `INSERT INTO job (kind, cell, target, state, name, reqkey, input, started, ended, done, total, step, code, message, subject, starts, passing)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`, args...)
	}
	n, err := t.write(`UPDATE job SET kind = ?, cell = ?, target = ?, state = ?, name = ?, reqkey = ?, input = ?,
		started = ?, ended = ?, done = ?, total = ?, step = ?, code = ?, message = ?, subject = ?, starts = ?, passing = ? WHERE id = ?`, append(args, j.ID)...)
	if err == nil && n == 0 {
		err = fmt.Errorf("job %d: %w", j.ID, fs.ErrNotExist)
	}
	return err
}

// orphanInputs and orphanAgain are around the condition that says which jobs go.
const (
	orphanInputs = "INSERT INTO orphan (blob, since) SELECT input, ? FROM job "
	orphanAgain  = " ON CONFLICT (blob) DO UPDATE SET since = excluded.since"
)

func (t *tx) DeleteJob(id int64, now time.Time) error {
	if _, err := t.write(orphanInputs+"WHERE id = ? AND input IS NOT NULL"+orphanAgain, micros(now), id); err != nil {
		return err
	}
	_, err := t.write("DELETE FROM job WHERE id = ?", id)
	return err
}

func scanJob(r row) (j cellfs.Job, err error) {
	err = r.scan(&j.ID, &j.Kind, &j.Cell, &j.Target, &j.State, &j.Name, &j.RequestKey, &j.Input,
		&j.Started, &j.Ended, &j.Done, &j.Total, &j.Step, &j.Code, &j.Message, &j.Subject, &j.Starts, &j.Passing)
	return j, err
}

func (t *tx) Job(id int64) (cellfs.Job, error) {
	j, err := one(t, scanJob, jobColumns+"WHERE id = ?", id)
	if err != nil {
		return j, fmt.Errorf("job %d: %w", id, err)
	}
	return j, nil
}

func (t *tx) Jobs() ([]cellfs.Job, error) { return t.jobs("ORDER BY id") }

func (t *tx) JobsOf(cell, target int64) ([]cellfs.Job, error) {
	return t.jobs("WHERE cell = ? AND target = ? ORDER BY id", cell, target)
}

func (t *tx) jobs(which string, args ...any) ([]cellfs.Job, error) {
	return all(t, scanJob, jobColumns+which, args...)
}
