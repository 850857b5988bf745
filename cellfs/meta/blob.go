package meta

import (
	"encoding/json"
	"fmt"
	"time"

	"cellar/cellfs"
)

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

func scanBlob(r row) (b cellfs.Blob, err error) {
	b = listedBlob(r)
	b.Data = r.bytes(4)
	return b, nil
}

// scanListed reads a row that tells only whether it holds the bytes.
func scanListed(r row) (b cellfs.Blob, err error) {
	b = listedBlob(r)
	if r.int(4) != 0 {
		b.Data = []byte{}
	}
	return b, nil
}

// listedBlob reads id, hash, size and CRC-32.
func listedBlob(r row) cellfs.Blob {
	b := cellfs.Blob{ID: r.int(0), Ref: cellfs.Ref{Size: r.int(2), CRC32: uint32(r.int(3))}}
	copy(b.Hash[:], r.raw(1))
	return b
}

func (t *tx) oneBlob(query string, arg any) (cellfs.Blob, error) {
	b, err := one(t, scanBlob, query, arg)
	if err != nil {
		return b, fmt.Errorf("content %v: %w", arg, err)
	}
	return b, nil
}

func (t *tx) Blob(id int64) (cellfs.Blob, error) { return t.oneBlob(blobColumns+"WHERE id = ?", id) }

func (t *tx) BlobByHash(h cellfs.Hash) (cellfs.Blob, error) {
	return t.oneBlob(blobColumns+"WHERE hash = ?", h[:])
}

func (t *tx) BlobsByID(ids []int64) (map[int64]cellfs.Blob, error) {
	list, err := json.Marshal(ids)
	if err != nil || len(ids) == 0 { // of a nil slice json_each would make a row
		return nil, err
	}
	found := make(map[int64]cellfs.Blob, len(ids))
	err = t.query(blobColumns+"WHERE id IN (SELECT value FROM json_each(?))", []any{string(list)}, func(r row) error {
		b, err := scanBlob(r)
		found[b.ID] = b
		return err
	})
	return found, err
}

func (t *tx) BlobSizes(ids []int64) (map[int64]int64, error) {
	list, err := json.Marshal(ids)
	if err != nil || len(ids) == 0 { // of a nil slice json_each would make a row
		return nil, err
	}
	found := make(map[int64]int64, len(ids))
	err = t.query("SELECT id, size FROM blob WHERE id IN (SELECT value FROM json_each(?))", []any{string(list)}, func(r row) error {
		found[r.int(0)] = r.int(1)
		return nil
	})
	return found, err
}

func (t *tx) blobs(query string, args ...any) ([]cellfs.Blob, error) {
	return all(t, scanListed, query, args...)
}

func (t *tx) Blobs(after int64, limit int) ([]cellfs.Blob, error) {
	return t.blobs(`SELECT id, hash, size, crc, data IS NOT NULL
		FROM blob WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
}

// named is the condition that something refers to the blob %s.
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
	return one(t, scanListed, query, id)
}
