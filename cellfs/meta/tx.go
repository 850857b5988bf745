package meta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"cellar/cellfs"
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
	b, err := json.Marshal(v)
	return string(b), err
}

func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// --- cells

const cellColumns = "SELECT id, name, owner, root, gen, quota, used, keep, logfrom, logbytes, logurls, created FROM cell "

func scanCell(scan func(...any) error) (c cellfs.Cell, err error) {
	var created int64
	err = scan(&c.ID, &c.Name, &c.Owner, &c.Root, &c.Gen, &c.Quota, &c.Used, &c.Keep, &c.LogFrom, &c.Log.Bytes, &c.Log.URLs, &created)
	c.Created = fromMicros(created)
	return c, err
}

func (t *tx) oneCell(query string, arg any) (cellfs.Cell, error) {
	c, err := scanCell(func(dest ...any) error { return t.row(query, []any{arg}, dest...) })
	if err != nil {
		return c, fmt.Errorf("cell %v: %w", arg, err)
	}
	return t.counted(c), nil
}

// counted is the cell with the counters that the writer has not written yet.
func (t *tx) counted(c cellfs.Cell) cellfs.Cell {
	if t.store == nil {
		return c
	}
	if k, ok := t.store.known.cells[c.ID]; ok {
		return k
	}
	t.store.known.addCell(c)
	return c
}

func (t *tx) Cell(name string) (cellfs.Cell, error) {
	if t.store != nil {
		if id, ok := t.store.known.names[name]; ok {
			return t.store.known.cells[id], nil
		}
	}
	return t.oneCell(cellColumns+"WHERE name = ?", name)
}

func (t *tx) CellByID(id int64) (cellfs.Cell, error) {
	if t.store != nil {
		if c, ok := t.store.known.cells[id]; ok {
			return c, nil
		}
	}
	return t.oneCell(cellColumns+"WHERE id = ?", id)
}

func (t *tx) Cells() (cells []cellfs.Cell, err error) {
	err = t.c.query(t.ctx, cellColumns+"ORDER BY name", nil, func(scan func(...any) error) error {
		c, err := scanCell(scan)
		cells = append(cells, t.counted(c))
		return err
	})
	return cells, err
}

func (t *tx) AddCell(c *cellfs.Cell) error {
	c.Gen, c.Used, c.LogFrom, c.Log = 1, 0, 0, cellfs.LogSize{}
	err := t.insert(&c.ID, "INSERT INTO cell (name, owner, root, gen, quota, used, keep, created) VALUES (?, ?, 0, ?, ?, 0, ?, ?) RETURNING id",
		c.Name, c.Owner, c.Gen, c.Quota, c.Keep, micros(c.Created))
	if err != nil {
		return fmt.Errorf("add cell %q: %w", c.Name, err)
	}
	t.remember(c.ID)
	root := cellfs.Node{
		Cell: c.ID, Name: fmt.Sprint(c.ID), Kind: cellfs.KindCell, Version: c.Gen,
		Created: c.Created, Modified: c.Created,
	}
	if err := t.AddNode(&root); err != nil {
		return err
	}
	c.Root = root.ID
	if _, err := t.write("UPDATE cell SET root = ? WHERE id = ?", c.Root, c.ID); err != nil {
		return err
	}
	t.store.known.addCell(*c)
	return t.AddNode(&cellfs.Node{
		Cell: c.ID, Parent: c.Root, Name: cellfs.MainBox, Kind: cellfs.KindBox, Version: c.Gen,
		Created: c.Created, Modified: c.Created,
	})
}

func (t *tx) DeleteCell(id int64, now time.Time) error {
	c, err := t.CellByID(id)
	if err != nil {
		return err
	}
	root, err := t.Node(c.Root)
	if err != nil {
		return err
	}
	snapshots, err := t.Snapshots(id)
	if err != nil {
		return err
	}
	for _, s := range snapshots {
		if err := t.DeleteSnapshot(s.ID, now); err != nil {
			return err
		}
	}
	if err := t.DeleteTree(&root, now); err != nil {
		return err
	}
	_, err = t.write(`INSERT INTO orphan (blob, since) SELECT input, ? FROM job WHERE cell = ? AND input IS NOT NULL
		ON CONFLICT (blob) DO UPDATE SET since = excluded.since`, micros(now), id)
	if err != nil {
		return err
	}
	if _, err := t.write("UPDATE aside SET job = 0 WHERE cell = ?", id); err != nil {
		return err
	}
	for _, table := range []string{"entity", "link", "event", "logarchive", "logpurge", "job"} {
		if _, err := t.write("DELETE FROM "+table+" WHERE cell = ?", id); err != nil {
			return err
		}
	}
	if _, err = t.write("DELETE FROM cell WHERE id = ?", id); err != nil {
		return err
	}
	t.remember(id)
	t.store.known.dropCell(id)
	return nil
}

// SetQuota implements [cellfs.NodeTx].
func (t *tx) SetQuota(cell, bytes int64) error {
	return t.setCell(cell, "UPDATE cell SET quota = ? WHERE id = ?", bytes, func(c *cellfs.Cell) { c.Quota = bytes })
}

// SetKeep implements [cellfs.NodeTx].
func (t *tx) SetKeep(cell, snapshots int64) error {
	return t.setCell(cell, "UPDATE cell SET keep = ? WHERE id = ?", snapshots, func(c *cellfs.Cell) { c.Keep = snapshots })
}

func (t *tx) setCell(cell int64, statement string, value int64, change func(*cellfs.Cell)) error {
	n, err := t.write(statement, value, cell)
	if err == nil && n == 0 {
		err = fmt.Errorf("cell %d: %w", cell, fs.ErrNotExist)
	}
	if err != nil {
		return err
	}
	return t.count(cell, change)
}

// Touch implements [cellfs.NodeTx].
func (t *tx) Touch(cell, atLeast int64) (gen int64, err error) {
	err = t.count(cell, func(c *cellfs.Cell) {
		c.Gen = max(c.Gen+1, atLeast)
		gen = c.Gen
	})
	return gen, err
}

// --- contents

func (t *tx) AddBlob(b *cellfs.Blob) (id int64, err error) {
	if t.store == nil {
		return 0, errReadOnly
	}
	// Not RETURNING: for that SQLite makes a table in passing.
	id = t.store.nextBlob
	added, err := t.write("INSERT INTO blob (id, hash, size, crc, data) VALUES (?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING",
		id, b.Hash[:], b.Size, int64(b.CRC32), b.Data)
	if err != nil {
		return 0, fmt.Errorf("add content %s: %w", b.Hash, err)
	}
	if added == 0 {
		err = t.row("SELECT id FROM blob WHERE hash = ?", []any{b.Hash[:]}, &id)
		return id, err
	}
	t.store.nextBlob++
	return id, nil
}

const blobColumns = "SELECT id, hash, size, crc, data FROM blob "

func scanBlob(scan func(...any) error) (b cellfs.Blob, err error) {
	var hash []byte
	var crc int64
	if err := scan(&b.ID, &hash, &b.Size, &crc, &b.Data); err != nil {
		return b, err
	}
	b.CRC32 = uint32(crc)
	copy(b.Hash[:], hash)
	return b, nil
}

// scanListed reads a row that tells only whether it holds the bytes.
func scanListed(scan func(...any) error) (b cellfs.Blob, err error) {
	var hash []byte
	var crc int64
	var inline bool
	if err := scan(&b.ID, &hash, &b.Size, &crc, &inline); err != nil {
		return b, err
	}
	if inline {
		b.Data = []byte{}
	}
	b.CRC32 = uint32(crc)
	copy(b.Hash[:], hash)
	return b, nil
}

func (t *tx) oneBlob(query string, arg any) (cellfs.Blob, error) {
	b, err := scanBlob(func(dest ...any) error { return t.row(query, []any{arg}, dest...) })
	if err != nil {
		return b, fmt.Errorf("content %v: %w", arg, err)
	}
	return b, nil
}

func (t *tx) Blob(id int64) (cellfs.Blob, error) { return t.oneBlob(blobColumns+"WHERE id = ?", id) }

func (t *tx) BlobByHash(h cellfs.Hash) (cellfs.Blob, error) {
	return t.oneBlob(blobColumns+"WHERE hash = ?", h[:])
}

// hashRows is how many contents one statement looks for.
const hashRows = 64

var selectBlobIDs = "SELECT hash, id, size FROM blob WHERE hash IN (" + strings.Repeat("?, ", hashRows-1) + "?)"

func (t *tx) BlobIDs(hashes []cellfs.Hash) (map[cellfs.Hash]cellfs.BlobID, error) {
	found := make(map[cellfs.Hash]cellfs.BlobID, len(hashes))
	for page := range slices.Chunk(hashes, hashRows) {
		args := make([]any, hashRows)
		for i := range args {
			args[i] = page[min(i, len(page)-1)][:] // the last again where there are fewer
		}
		err := t.c.query(t.ctx, selectBlobIDs, args, func(scan func(...any) error) error {
			var hash []byte
			var b cellfs.BlobID
			err := scan(&hash, &b.ID, &b.Size)
			found[cellfs.Hash(hash)] = b
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (t *tx) blobs(query string, args ...any) (all []cellfs.Blob, err error) {
	err = t.c.query(t.ctx, query, args, func(scan func(...any) error) error {
		b, err := scanListed(scan)
		all = append(all, b)
		return err
	})
	return all, err
}

func (t *tx) Blobs(after int64, limit int) ([]cellfs.Blob, error) {
	return t.blobs(`SELECT id, hash, size, crc, data IS NOT NULL
		FROM blob WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
}

// named tells that something refers to the blob %s.
const named = `(EXISTS (SELECT 1 FROM node WHERE node.blob = %[1]s AND node.blob IS NOT NULL)
	OR EXISTS (SELECT 1 FROM snapshot WHERE snapshot.blob = %[1]s)
	OR EXISTS (SELECT 1 FROM job WHERE job.input = %[1]s))`

func (t *tx) Orphans(before time.Time, after int64, limit int) ([]cellfs.Blob, error) {
	if t.store != nil && after == 0 { // once, not for every page
		if _, err := t.write("DELETE FROM orphan WHERE since < ? AND "+fmt.Sprintf(named, "orphan.blob"), micros(before)); err != nil {
			return nil, err
		}
	}
	return t.blobs(`SELECT b.id, b.hash, b.size, b.crc, b.data IS NOT NULL
		FROM orphan o JOIN blob b ON b.id = o.blob WHERE o.since < ? AND o.blob > ? AND NOT `+fmt.Sprintf(named, "o.blob")+
		" ORDER BY o.blob LIMIT ?", micros(before), after, limit)
}

func (t *tx) AddOrphans(ids []int64, now time.Time) error {
	if len(ids) == 0 { // a nil slice is null in JSON, and json_each makes a row of it
		return nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	_, err = t.write(`INSERT INTO orphan (blob, since) SELECT value, ? FROM json_each(?) WHERE true
		ON CONFLICT (blob) DO UPDATE SET since = excluded.since`, micros(now), string(list))
	return err
}

func (t *tx) DropBlobs(ids []int64, before time.Time) ([]cellfs.Blob, error) {
	var dropped []cellfs.Blob
	for _, id := range ids {
		listed, err := t.write("DELETE FROM orphan WHERE blob = ? AND since < ?", id, micros(before))
		if err != nil {
			return nil, err
		}
		if listed == 0 {
			continue
		}
		b, err := t.droppedBlob("DELETE FROM blob WHERE id = ? AND NOT "+fmt.Sprintf(named, "blob.id")+
			" RETURNING id, hash, size, crc, data IS NOT NULL", id)
		switch {
		case err == nil:
			dropped = append(dropped, b)
		case !isNotExist(err):
			return nil, err
		}
	}
	return dropped, nil
}

func (t *tx) droppedBlob(query string, id int64) (cellfs.Blob, error) {
	return scanListed(func(dest ...any) error { return t.row(query, []any{id}, dest...) })
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
