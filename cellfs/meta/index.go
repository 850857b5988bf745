package meta

import (
	"cmp"
	"fmt"

	"cellar/cellfs"
)

const documentColumns = "n.id, n.name, n.version, n.created, n.modified, n.blob, b.hash, b.size, b.crc, b.data "

// scanDocument reads a row that has [documentColumns] from the column at on. What it returns is valid until
// the next row.
func scanDocument(d *cellfs.Document, r row, at int) {
	d.ID, d.Version, d.Created, d.Modified = r.int(at), r.int(at+2), fromMicros(r.int(at+3)), fromMicros(r.int(at+4))
	d.Name, d.Blob, d.Size, d.CRC32 = r.text(at+1), r.int(at+5), r.int(at+7), uint32(r.int(at+8))
	copy(d.Hash[:], r.raw(at+6))
	d.Data = r.raw(at + 9)
}

func (t *tx) Documents(parent int64, after string, yield func(*cellfs.Document) error) error {
	var d cellfs.Document
	return t.query("SELECT "+documentColumns+`FROM node n LEFT JOIN blob b ON b.id = n.blob
		WHERE n.parent = ? AND n.key > ? AND n.kind = ? ORDER BY n.key`, []any{parent, after, int64(cellfs.KindFile)}, func(r row) error {
		scanDocument(&d, r, 0)
		return yield(&d)
	})
}

func (t *tx) Indexes(node int64) (all []cellfs.Index, err error) {
	err = t.query("SELECT id, property, through, complete FROM docindex WHERE node = ? AND node <> 0 ORDER BY id", []any{node}, func(r row) error {
		x := cellfs.Index{Node: node}
		if err := r.scan(&x.ID, &x.Property, &x.Through, &x.Complete); err != nil {
			return err
		}
		all = append(all, x)
		return nil
	})
	return all, err
}

func (t *tx) AddIndex(x *cellfs.Index) error {
	err := t.insert(&x.ID, "INSERT INTO docindex (node, property, through, complete) VALUES (?, ?, ?, ?) RETURNING id", x.Node, x.Property, x.Through, x.Complete)
	if err != nil {
		return fmt.Errorf("add index by %q: %w", x.Property, err)
	}
	return nil
}

func (t *tx) SetIndex(x cellfs.Index) error {
	_, err := t.write("UPDATE docindex SET through = ?, complete = ? WHERE id = ?", x.Through, x.Complete, x.ID)
	return err
}

func (t *tx) DropIndex(id int64) error {
	_, err := t.write("UPDATE docindex SET node = 0 WHERE id = ?", id)
	return err
}

func (t *tx) AddIndexRows(id int64, rows ...cellfs.IndexRow) error {
	for _, r := range rows {
		if _, err := t.write("INSERT INTO docvalue (docindex, value, key) VALUES (?, ?, ?)", id, r.Value, cellfs.Key(r.Name)); err != nil {
			return fmt.Errorf("index document %q: %w", r.Name, err)
		}
	}
	return nil
}

func (t *tx) DeleteIndexRow(id int64, r cellfs.IndexRow) error {
	_, err := t.write("DELETE FROM docvalue WHERE docindex = ? AND value = ? AND key = ?", id, r.Value, cellfs.Key(r.Name))
	return err
}

// inRange is the condition of rows of an index, and its arguments.
func inRange(id int64, r cellfs.IndexRange) (where string, args []any) {
	where, args = "x.docindex = ? AND x.value >= ?", []any{id, append([]byte{}, r.From...)} // never NULL
	if r.To != nil {
		where, args = where+" AND x.value < ?", append(args, r.To)
	}
	return where, args
}

func (t *tx) CountIndexed(id int64, r cellfs.IndexRange, limit int) (n int, err error) {
	where, args := inRange(id, r)
	err = t.row("SELECT count(*) FROM (SELECT 1 FROM docvalue x WHERE "+where+" LIMIT ?)", append(args, limit), &n)
	return n, err
}

func (t *tx) IndexedDocuments(x *cellfs.Index, r cellfs.IndexRange, yield func(*cellfs.Document) error) error {
	where, args := inRange(x.ID, r)
	order := map[bool]string{true: "x.value DESC, x.key DESC"}[r.Down]
	var d cellfs.Document
	return t.query("SELECT x.value, "+documentColumns+`FROM docvalue x CROSS JOIN node n ON n.parent = ? AND n.key = x.key
		LEFT JOIN blob b ON b.id = n.blob WHERE `+where+" ORDER BY "+cmp.Or(order, "x.value, x.key"), append([]any{x.Node}, args...), func(r row) error {
		scanDocument(&d, r, 1)
		d.Value = r.raw(0)
		return yield(&d)
	})
}

func (t *tx) PurgeIndexes(limit int) (purged int64, err error) {
	for purged < int64(limit) {
		var id int64
		err := t.row("SELECT id FROM docindex WHERE NOT EXISTS (SELECT 1 FROM node WHERE node.id = docindex.node) LIMIT 1", nil, &id)
		if isNotExist(err) {
			return purged, nil
		}
		if err != nil {
			return purged, err
		}
		n, err := t.write("DELETE FROM docvalue WHERE (docindex, value, key) IN (SELECT docindex, value, key FROM docvalue WHERE docindex = ? LIMIT ?)", id, int64(limit)-purged)
		if err != nil {
			return purged, err
		}
		if purged += n; purged == int64(limit) {
			break // there may be more of it
		}
		if _, err := t.write("DELETE FROM docindex WHERE id = ?", id); err != nil {
			return purged, err
		}
	}
	return purged, nil
}
