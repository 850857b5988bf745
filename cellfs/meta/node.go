package meta

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"cellar/cellfs"
)

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

const nodeColumns = `SELECT id, cell, parent, name, kind, ctype, blob, size, version, created, modified, schema, props, acl, mtime, dates, changed, height FROM node `

const childContent = `SELECT n.id, n.cell, n.parent, n.name, n.kind, n.ctype, n.blob, n.size, n.version, n.created, n.modified,
	n.schema, n.props, n.acl, n.mtime, n.dates, n.changed, n.height, b.hash, b.size, b.crc, b.data
	FROM node n LEFT JOIN blob b ON b.id = n.blob WHERE n.parent = ? AND n.key = ?`

// plainColumns are nodeColumns without the properties.
var plainColumns = strings.Replace(nodeColumns, "props", "NULL", 1)

// scanNode reads a row of nodeColumns.
func scanNode(r row) (n cellfs.Node, err error) {
	n = cellfs.Node{
		ID: r.int(0), Cell: r.int(1), Parent: r.int(2), Name: r.text(3), Kind: cellfs.Kind(r.int(4)), ContentType: r.interned(5),
		Blob: r.int(6), Size: r.int(7), Version: r.int(8), Created: fromMicros(r.int(9)), Modified: fromMicros(r.int(10)),
		Changed: fromMicros(r.int(16)), Height: int(r.int(17)),
	}
	if !r.null(11) {
		n.Schema = r.text(11)
	}
	if !r.null(14) {
		n.MTime = time.UnixMicro(r.int(14)).UTC()
	}
	if !r.null(15) {
		n.DatesFrom = time.Unix(r.int(15), 0).UTC()
	}
	if text := r.raw(12); len(text) > 0 {
		if err := json.Unmarshal(text, &n.Props); err != nil {
			return n, fmt.Errorf("properties of node %d: %w", n.ID, err)
		}
	}
	if text := r.raw(13); len(text) > 0 {
		if err := json.Unmarshal(text, &n.ACL); err != nil {
			return n, fmt.Errorf("acl of node %d: %w", n.ID, err)
		}
	}
	return n, nil
}

func (t *tx) oneNode(query string, args ...any) (cellfs.Node, error) {
	return one(t, scanNode, query, args...)
}

func (t *tx) Node(id int64) (cellfs.Node, error) {
	n, err := t.oneNode(nodeColumns+"WHERE id = ?", id)
	if err == nil && n.Cell == 0 { // it was put aside
		err = fs.ErrNotExist
	}
	if err != nil {
		return n, fmt.Errorf("node %d: %w", id, err)
	}
	return n, nil
}

func (t *tx) Child(parent int64, name string) (cellfs.Node, error) {
	key := cellfs.Key(name)
	if n, ok := t.knownChild(parent, key); ok {
		return n, nil
	}
	if t.store != nil {
		// A writer mostly looks for what is not there, and asking for one column
		// costs a third of asking for all.
		var id int64
		if err := t.row("SELECT id FROM node WHERE parent = ? AND key = ?", []any{parent, key}, &id); err != nil {
			return cellfs.Node{}, fmt.Errorf("node %q: %w", name, err)
		}
	}
	n, err := t.oneNode(nodeColumns+"WHERE parent = ? AND key = ?", parent, key)
	if err != nil {
		return n, fmt.Errorf("node %q: %w", name, err)
	}
	if t.store != nil {
		t.store.known.addCollection(n)
	}
	return n, nil
}

func (t *tx) ChildContent(parent int64, name string) (n cellfs.Node, b *cellfs.Blob, err error) {
	err = fs.ErrNotExist
	qerr := t.query(childContent, []any{parent, cellfs.Key(name)}, func(r row) error {
		if n, err = scanNode(r); err == nil && !r.null(18) {
			b = &cellfs.Blob{ID: n.Blob, Ref: cellfs.Ref{Size: r.int(19), CRC32: uint32(r.int(20))}, Data: r.bytes(21)}
			copy(b.Hash[:], r.raw(18))
		}
		return err
	})
	if qerr != nil {
		err = qerr
	}
	if err != nil {
		return n, nil, fmt.Errorf("node %q: %w", name, err)
	}
	return n, b, nil
}

func (t *tx) NodesOf(blob int64, limit int) ([]cellfs.Node, error) {
	return all(t, scanNode, plainColumns+"WHERE blob = ? ORDER BY id LIMIT ?", blob, limit)
}

func (t *tx) Children(parent int64, p cellfs.Page) (nodes []cellfs.Node, more bool, err error) {
	columns := nodeColumns
	if p.Props != nil && len(p.Props) == 0 { // large properties are not read for nothing
		columns = plainColumns
	}
	nodes = make([]cellfs.Node, 0, min(p.Limit, 64))
	more, err = t.page(columns+"WHERE parent = ? AND key > ? ORDER BY key LIMIT ?", parent, p, func(r row) (*cellfs.Node, error) {
		n, err := scanNode(r)
		n.Props = p.Props.Keep(n.Props)
		nodes = append(nodes, n)
		return &nodes[len(nodes)-1], err
	})
	return nodes, more, err
}

func (t *tx) ChildRefs(parent int64, p cellfs.Page) (refs []cellfs.NodeRef, more bool, err error) {
	refs = make([]cellfs.NodeRef, 0, min(p.Limit, 64))
	more, err = t.page(`SELECT n.id, n.cell, n.parent, n.name, n.kind, n.ctype, n.blob, n.size, n.version, n.created, n.modified,
		n.schema, n.props, n.acl, n.mtime, n.dates, n.changed, n.height, b.hash, b.crc, b.size FROM node n LEFT JOIN blob b ON b.id = n.blob
		WHERE n.parent = ? AND n.key > ? ORDER BY n.key LIMIT ?`, parent, p, func(r row) (*cellfs.Node, error) {
		n, err := scanNode(r)
		n.Props = p.Props.Keep(n.Props)
		ref := cellfs.NodeRef{Node: n}
		if n.Blob != 0 {
			ref.Ref = cellfs.Ref{Size: r.int(20), CRC32: uint32(r.int(19))}
			copy(ref.Hash[:], r.raw(18))
		}
		refs = append(refs, ref)
		return &refs[len(refs)-1].Node, err
	})
	return refs, more, err
}

var errPageFull = errors.New("the page is full")

// page adds rows to a page until it is full, and reports whether there are more.
func (t *tx) page(query string, parent int64, p cellfs.Page, add func(r row) (*cellfs.Node, error)) (more bool, err error) {
	rows, extra := 0, 0
	err = t.query(query, []any{parent, p.After, p.Limit + 1}, func(r row) error {
		if rows == p.Limit || extra >= cellfs.PageBytes {
			return errPageFull
		}
		n, err := add(r)
		rows++
		extra += n.Extra()
		return err
	})
	if errors.Is(err, errPageFull) {
		return true, nil
	}
	return false, err
}

// Only collections enter the recursion; their members are found as one range
// of the clustered key each.
const subtree = `WITH RECURSIVE tree (id) AS (
	SELECT ? UNION ALL
	SELECT n.id FROM node n JOIN tree ON n.parent = tree.id WHERE n.kind <> 6) `

func (t *tx) Count(root int64) (nodes, bytes int64, err error) {
	err = t.row(strings.Replace(subtree, "?", "?1", 1)+`SELECT count(*) + 1, coalesce(sum(weight), 0) + coalesce((SELECT weight FROM node WHERE id = ?1), 0)
		FROM node WHERE parent IN (SELECT id FROM tree)`, []any{root}, &nodes, &bytes)
	return nodes, bytes, err
}

// AuthzBelow goes from the few that ask for something upwards, however many nodes lie below.
func (t *tx) AuthzBelow(cell, root int64) ([]string, error) {
	return all(t, scanText, `WITH RECURSIVE up (id, authz) AS (
			SELECT parent, authz FROM node INDEXED BY node_authz WHERE cell = ? AND authz IS NOT NULL UNION
			SELECT n.parent, up.authz FROM up JOIN node n ON n.id = up.id WHERE up.id <> ?)
		SELECT DISTINCT authz FROM up WHERE id = ? ORDER BY authz`, cell, root, root)
}

// Measure counts in steps that are small however many nodes there are.
func (t *tx) Measure(n *cellfs.Node, limit int) (e cellfs.Extent, err error) {
	e = cellfs.Extent{Nodes: 1, Bytes: n.Weight(), Whole: true}
	for below := []int64{n.ID}; len(below) > 0; {
		parent := below[len(below)-1]
		below = below[:len(below)-1]
		err := t.query("SELECT id, kind, weight FROM node WHERE parent = ? LIMIT ?", []any{parent, int64(limit) - e.Nodes + 1}, func(r row) error {
			e.Nodes, e.Bytes = e.Nodes+1, e.Bytes+r.int(2)
			if cellfs.Kind(r.int(1)) != cellfs.KindFile {
				below = append(below, r.int(0))
			}
			return nil
		})
		if err != nil || e.Nodes > int64(limit) {
			return cellfs.Extent{}, err
		}
	}
	return e, nil
}

func (t *tx) RaiseHeight(collection int64, height int) error {
	for id := collection; id != 0; height++ {
		var parent int64
		var have int
		if err := t.row("SELECT parent, height FROM node WHERE id = ?", []any{id}, &parent, &have); err != nil {
			return fmt.Errorf("node %d: %w", id, err)
		}
		if have >= height {
			return nil
		}
		if err := t.collectionChanges(); err != nil {
			return err
		}
		if _, err := t.write("UPDATE node SET height = ? WHERE id = ?", height, id); err != nil {
			return err
		}
		id = parent
	}
	return nil
}

func (t *tx) Height(root int64) (height int, err error) {
	err = t.row(`WITH RECURSIVE tree (id, depth) AS (
			SELECT ?, 0 UNION ALL
			SELECT n.id, tree.depth + 1 FROM node n JOIN tree ON n.parent = tree.id WHERE n.kind <> 6)
		SELECT coalesce(max(tree.depth + 1), 0) FROM tree JOIN node n ON n.parent = tree.id`, []any{root}, &height)
	return height, err
}

func (t *tx) Nodes() (n int64, err error) {
	err = t.row("SELECT count(*) FROM node", nil, &n)
	return n, err
}

// nodeArgs are the columns in the order (parent, key, name, kind, ctype, blob,
// size, version, created, modified, schema, props, acl, mtime, dates, changed, weight, height, authz).
func nodeArgs(n *cellfs.Node) ([]any, error) {
	props, err := jsonOrNull(n.Props, len(n.Props) == 0)
	if err != nil {
		return nil, err
	}
	acl, err := jsonOrNull(n.ACL, n.ACL == nil)
	if err != nil {
		return nil, err
	}
	var mtime, dates, authz any
	if n.ACL != nil {
		authz = orNull(n.ACL.RequireSchemaAuthz)
	}
	if !n.MTime.IsZero() {
		mtime = n.MTime.UnixMicro()
	}
	if !n.DatesFrom.IsZero() {
		dates = n.DatesFrom.Unix()
	}
	return []any{n.Parent, cellfs.Key(n.Name), n.Name, int64(n.Kind), n.ContentType, orNull(n.Blob), n.Size, n.Version,
		micros(n.Created), micros(n.Modified), orNull(n.Schema), props, acl, mtime, dates, orNull(micros(n.Changed)), n.Weight(), n.Height, authz}, nil
}

func (t *tx) AddNode(n *cellfs.Node) error {
	args, err := nodeArgs(n)
	if err != nil {
		return err
	}
	if t.store == nil {
		return errReadOnly
	}
	id := t.store.nextNode
	_, err = t.write(insertNode+nodeRow, append(args, id, n.Cell)...)
	if err != nil {
		return fmt.Errorf("add node %q: %w", n.Name, t.whichKey(err))
	}
	t.store.nextNode++
	n.ID = id
	return t.use(n.Cell, 1, n.Weight())
}

// whichKey distinguishes a taken schema from a taken name: both are unique indexes of
// the same table, and only the driver's text says which.
func (t *tx) whichKey(err error) error {
	if errors.Is(err, fs.ErrExist) && strings.Contains(err.Error(), "node.schema") {
		return cellfs.ErrSchemaTaken
	}
	return err
}

func (t *tx) orphan(blob int64, now time.Time) error {
	_, err := t.write("INSERT INTO orphan (blob, since) VALUES (?, ?) ON CONFLICT (blob) DO UPDATE SET since = excluded.since",
		blob, micros(now))
	return err
}

func (t *tx) SetNode(old, n *cellfs.Node, now time.Time) error {
	if err := t.replace(old, n); err != nil {
		return err
	}
	if n.Kind == cellfs.KindCell {
		if err := t.count(n.Cell, func(c *cellfs.Cell) { c.ACL = n.ACL }); err != nil {
			return err
		}
	}
	if err := t.use(old.Cell, 0, n.Weight()-old.Weight()); err != nil {
		return err
	}
	if old.Blob != 0 && old.Blob != n.Blob {
		return t.orphan(old.Blob, now)
	}
	return nil
}

// replace replaces the row of old by n.
func (t *tx) replace(old, n *cellfs.Node) error {
	args, err := nodeArgs(n)
	if err != nil {
		return err
	}
	if old.IsCollection() || n.IsCollection() {
		if err := t.collectionChanges(); err != nil {
			return err
		}
	}
	changed, err := t.write(`UPDATE node SET parent = ?, key = ?, name = ?, kind = ?, ctype = ?, blob = ?, size = ?, version = ?,
		created = ?, modified = ?, schema = ?, props = ?, acl = ?, mtime = ?, dates = ?, changed = ?, weight = ?, height = max(height, ?), authz = ? WHERE parent = ? AND key = ? AND id = ?`,
		append(args, old.Parent, cellfs.Key(old.Name), old.ID)...)
	if err != nil {
		return fmt.Errorf("set node %q: %w", n.Name, t.whichKey(err))
	}
	if changed != 1 {
		return fmt.Errorf("set node %d: %w", old.ID, fs.ErrNotExist)
	}
	return nil
}

func (t *tx) MembersChanged(n *cellfs.Node, now time.Time) error {
	if _, err := t.write("UPDATE node SET changed = ?, mtime = NULL WHERE id = ?", micros(now), n.ID); err != nil {
		return err
	}
	// The writer goes on knowing the collection: most changes are to the one of before.
	at := childKey{n.Parent, cellfs.Key(n.Name)}
	if k, ok := t.store.known.collections[at]; ok && k.ID == n.ID {
		k.Changed, k.MTime = now, time.Time{}
		t.store.known.collections[at] = k
	}
	return nil
}

func (t *tx) DatesAnew(parent int64, now time.Time) error {
	if err := t.collectionChanges(); err != nil {
		return err
	}
	_, err := t.write("UPDATE node SET dates = max(coalesce(dates, 0), ?) + 1 WHERE parent = ?", now.Unix(), parent)
	return err
}

func (t *tx) SetCellOf(root, cell int64) error {
	n, err := t.Node(root)
	if err != nil {
		return err
	}
	nodes, bytes, err := t.extent(&n)
	if err == nil {
		err = errors.Join(t.use(n.Cell, -nodes, -bytes), t.use(cell, nodes, bytes), t.collectionChanges())
	}
	if err != nil {
		return err
	}
	for _, q := range []string{
		"UPDATE link SET cell = ?2 WHERE node <> 0 AND node IN (SELECT id FROM tree)",
		"UPDATE node SET cell = ?2, acl = NULL, authz = NULL WHERE parent IN (SELECT id FROM tree) OR id = ?1",
	} {
		if _, err := t.write(strings.Replace(subtree, "?", "?1", 1)+q, root, cell); err != nil {
			return err
		}
	}
	return nil
}

// extent is what a subtree counts.
func (t *tx) extent(n *cellfs.Node) (nodes, bytes int64, err error) {
	if !n.IsCollection() {
		return 1, n.Weight(), nil
	}
	return t.Count(n.ID)
}

func (t *tx) CopyTree(src int64, dst *cellfs.Node, version int64, now time.Time) error {
	if t.store == nil {
		return errReadOnly
	}
	base := t.store.nextNode
	n, err := t.write(subtree+`, numbered AS MATERIALIZED (
			SELECT id, parent, ? - 1 + row_number() OVER () AS nid FROM node WHERE parent IN (SELECT id FROM tree) AND id <> ?)
		INSERT INTO node (parent, key, id, cell, name, kind, ctype, blob, size, version, created, modified, schema, props, acl, weight, height)
		SELECT coalesce(up.nid, ?), o.key, m.nid, ?, o.name, o.kind, o.ctype, o.blob, o.size, ?, ?, ?, NULL, o.props, NULL, o.weight, o.height
		FROM numbered m JOIN node o ON o.id = m.id LEFT JOIN numbered up ON up.id = m.parent`,
		src, base, dst.ID, dst.ID, dst.Cell, version, micros(now), micros(now))
	if err != nil {
		return fmt.Errorf("copy tree %d: %w", src, err)
	}
	t.store.nextNode += n
	_, bytes, err := t.Count(dst.ID)
	if err == nil {
		err = t.use(dst.Cell, n, bytes-dst.Weight())
	}
	if err != nil {
		return err
	}
	return t.copyLinks(src, dst)
}

// copyLinks gives the copies of OData collections their own links. The copy of
// a collection is the node at the same place below the copied root.
func (t *tx) copyLinks(src int64, dst *cellfs.Node) error {
	var links int64
	err := t.row(subtree+"SELECT count(*) FROM link WHERE node IN (SELECT id FROM tree)", []any{src}, &links)
	if err != nil || links == 0 {
		return err
	}
	_, err = t.write(`WITH RECURSIVE pair (a, b) AS (
			SELECT ?, ? UNION ALL
			SELECT x.id, y.id FROM pair JOIN node x ON x.parent = pair.a JOIN node y ON y.parent = pair.b AND y.key = x.key
			WHERE x.kind <> 6)
		INSERT INTO link (cell, node, from_set, from_key, to_set, to_key)
		SELECT ?, pair.b, l.from_set, l.from_key, l.to_set, l.to_key FROM pair JOIN link l ON l.node = pair.a`,
		src, dst.ID, dst.Cell)
	return err
}

func (t *tx) DeleteTree(n *cellfs.Node, now time.Time) error {
	if n.Kind == cellfs.KindFile {
		if _, err := t.write("DELETE FROM node WHERE parent = ? AND key = ?", n.Parent, cellfs.Key(n.Name)); err != nil {
			return err
		}
		if err := t.use(n.Cell, -1, -n.Weight()); err != nil {
			return err
		}
		if n.Blob != 0 {
			return t.orphan(n.Blob, now)
		}
		return nil
	}
	nodes, bytes, err := t.extent(n)
	if err == nil {
		err = errors.Join(t.use(n.Cell, -nodes, -bytes), t.collectionChanges())
	}
	if err != nil {
		return err
	}
	steps := []struct {
		query string
		args  []any
	}{
		{`INSERT INTO orphan (blob, since) SELECT DISTINCT blob, ? FROM node
			WHERE parent IN (SELECT id FROM tree) AND blob IS NOT NULL
			ON CONFLICT (blob) DO UPDATE SET since = excluded.since`, []any{n.ID, micros(now)}},
		{"DELETE FROM link WHERE node IN (SELECT id FROM tree)", []any{n.ID}},
		{"DELETE FROM node WHERE parent IN (SELECT id FROM tree) OR id = ?", []any{n.ID, n.ID}},
	}
	if n.Kind == cellfs.KindBox {
		if err := t.deleteBoxControl(n.ID, now); err != nil {
			return err
		}
	}
	for _, s := range steps {
		if _, err := t.write(subtree+s.query, s.args...); err != nil {
			return fmt.Errorf("delete tree %d: %w", n.ID, err)
		}
	}
	return nil
}

// deleteBoxControl removes the control objects and jobs of a box.
func (t *tx) deleteBoxControl(box int64, now time.Time) error {
	for _, q := range []string{
		`DELETE FROM link WHERE node = 0 AND (
			EXISTS (SELECT 1 FROM entity e WHERE e.box = ?1 AND e.cell = link.cell AND e.kind = from_set AND from_key = CAST(e.id AS TEXT))
			OR EXISTS (SELECT 1 FROM entity e WHERE e.box = ?1 AND e.cell = link.cell AND e.kind = to_set AND to_key = CAST(e.id AS TEXT)))`,
		"DELETE FROM entity WHERE box = ?1 AND box <> 0",
	} {
		if _, err := t.write(q, box); err != nil {
			return err
		}
	}
	if _, err := t.write(orphanInputs+"WHERE target = ? AND input IS NOT NULL"+orphanAgain, micros(now), box); err != nil {
		return err
	}
	_, err := t.write("DELETE FROM job WHERE target = ?", box)
	return err
}
