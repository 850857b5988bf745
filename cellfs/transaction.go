package cellfs

import "time"

// transaction is what an Update of an [FS] gets: it raises the marks of what changes, so that the
// cache stays exact, and keeps cells within their bounds. What changes anything that the cache keeps
// is forwarded by hand: a method that is forgotten here does not compile.
type transaction struct {
	Reader
	BlobWriter
	RecordWriter
	IndexWriter
	node    NodeWriter
	control ControlWriter
	lock    LockWriter
	aside   AsideWriter

	f       *FS
	raised  []mark
	puts    bool  // trees aside, to be removed
	refused int64 // the cell that would have grown too much; 0 for none
}

// transaction wraps tx.
func (f *FS) transaction(tx Tx) *transaction {
	return &transaction{Reader: tx, BlobWriter: tx, RecordWriter: tx, IndexWriter: tx, node: tx, control: tx, lock: tx, aside: tx, f: f}
}

func (t *transaction) raise(all ...mark) { t.raised = append(t.raised, all...) }

// raiseMember raises what shows the row of a node.
func (t *transaction) raiseMember(n *Node) {
	if n.Kind == KindCell {
		t.raise(structureOf(n.Cell), listOf(n.ID))
		return
	}
	t.raise(memberOf(n.Parent, Key(n.Name)), listOf(n.Parent))
	if n.IsCollection() {
		t.raise(listOf(n.ID))
	}
}

// raiseCell raises all that belongs to a cell.
func (t *transaction) raiseCell(cell int64) {
	t.raise(structureOf(cell), treeLocksOf(cell), controlOf(cell))
}

// publish makes the cache forget what the transaction has changed, from before others can see it.
func (t *transaction) publish() (done func()) {
	t.f.cache.begin(t.raised)
	return func() { t.f.cache.end(t.raised) }
}

// --- the tree

// Touch implements [NodeWriter].
func (t *transaction) Touch(cell, atLeast int64) (int64, error) {
	if err := t.f.frozen(cell); err != nil {
		return 0, err
	}
	return t.node.Touch(cell, atLeast)
}

// AddNode implements [NodeWriter], [ErrQuota] and [ErrManyNodes].
func (t *transaction) AddNode(n *Node) error {
	if err := t.node.AddNode(n); err != nil {
		return err
	}
	t.raiseMember(n)
	return t.mayGrow(n.Cell)
}

// SetNode implements [NodeWriter] and [ErrQuota].
func (t *transaction) SetNode(old, n *Node, now time.Time) error {
	moves := old.Parent != n.Parent || Key(old.Name) != Key(n.Name)
	if moves {
		t.f.gone.from(old.Cell, now)
	}
	if err := t.node.SetNode(old, n, now); err != nil {
		return err
	}
	t.raiseMember(old)
	t.raiseMember(n)
	inherited := old.ACL != n.ACL || old.Kind != n.Kind || old.Schema != n.Schema || !old.DatesFrom.Equal(n.DatesFrom) || old.Cell != n.Cell
	if (old.IsCollection() || n.IsCollection()) && (moves || inherited) {
		t.raise(structureOf(old.Cell), structureOf(n.Cell))
	}
	if n.Weight() > old.Weight() {
		return t.mayGrow(old.Cell)
	}
	return nil
}

// MembersChanged implements [NodeWriter].
func (t *transaction) MembersChanged(collection *Node, now time.Time) error {
	t.raiseMember(collection)
	return t.node.MembersChanged(collection, now)
}

// DatesAnew implements [NodeWriter].
func (t *transaction) DatesAnew(parent int64, now time.Time) error {
	n, err := t.Node(parent)
	if err != nil {
		return err
	}
	t.raise(structureOf(n.Cell))
	return t.node.DatesAnew(parent, now)
}

// SetCellOf implements [NodeWriter], [ErrQuota] and [ErrManyNodes].
func (t *transaction) SetCellOf(root, cell int64) error {
	n, err := t.Node(root)
	if err == nil {
		t.raise(structureOf(n.Cell), structureOf(cell))
		err = t.node.SetCellOf(root, cell)
	}
	return after(err, func() error { return t.mayGrow(cell) })
}

// CopyTree implements [NodeWriter], [ErrQuota] and [ErrManyNodes].
func (t *transaction) CopyTree(src int64, dst *Node, version int64, now time.Time) error {
	t.raiseMember(dst)
	return after(t.node.CopyTree(src, dst, version, now), func() error { return t.mayGrow(dst.Cell) })
}

// DeleteTree implements [NodeWriter].
func (t *transaction) DeleteTree(n *Node, now time.Time) error {
	t.goes(n, now)
	return t.node.DeleteTree(n, now)
}

// goes raises what shows a tree that is removed. With a box go its roles.
func (t *transaction) goes(n *Node, now time.Time) {
	t.raiseMember(n)
	if n.IsCollection() {
		t.raise(structureOf(n.Cell))
	}
	if n.Kind == KindBox {
		t.raise(controlOf(n.Cell))
	}
	t.f.gone.from(n.Cell, now)
}

// mayGrow refuses what made a cell grow beyond its quota, or beyond the resources that a
// cell may have.
func (t *transaction) mayGrow(cell int64) error {
	c, err := t.CellByID(cell)
	switch {
	case err != nil:
		return err
	case c.Quota > 0 && c.Taken() > c.Quota:
		t.refused = cell
		return ErrQuota
	case c.Nodes > t.f.maxNodes:
		t.refused = cell
		return ErrManyNodes
	}
	return nil
}

// RaiseHeight implements [NodeWriter].
func (t *transaction) RaiseHeight(collection int64, height int) error {
	return t.node.RaiseHeight(collection, height)
}

// --- cells

// AddCell implements [NodeWriter].
func (t *transaction) AddCell(c *Cell) error {
	err := t.node.AddCell(c)
	t.raiseCell(c.ID)
	return err
}

// RenameCell implements [NodeWriter]. What is known by the old name is known no more.
func (t *transaction) RenameCell(id int64, name string) error {
	t.raiseCell(id)
	t.f.gone.fromAny(t.f.now())
	return t.node.RenameCell(id, name)
}

// DeleteCell implements [NodeWriter].
func (t *transaction) DeleteCell(id int64, now time.Time) error {
	t.raiseCell(id)
	t.f.gone.fromAny(now)
	t.puts = true
	return t.node.DeleteCell(id, now)
}

// SetQuota implements [NodeWriter].
func (t *transaction) SetQuota(cell, bytes int64) error { return t.node.SetQuota(cell, bytes) }

// SetKeep implements [NodeWriter].
func (t *transaction) SetKeep(cell, snapshots int64) error { return t.node.SetKeep(cell, snapshots) }

// --- trees that no cell shows

// AddAside implements [AsideWriter].
func (t *transaction) AddAside(job int64, root *Node) error { return t.aside.AddAside(job, root) }

// AddAsideNodes implements [AsideWriter].
func (t *transaction) AddAsideNodes(root int64, nodes []*Node) error {
	return t.aside.AddAsideNodes(root, nodes)
}

// SetAsideNode implements [AsideWriter].
func (t *transaction) SetAsideNode(root int64, old, n *Node) error {
	return t.aside.SetAsideNode(root, old, n)
}

// ShowAside implements [AsideWriter], [ErrQuota] and [ErrManyNodes]. What is no larger than what
// was there may be shown.
func (t *transaction) ShowAside(root int64, schemas map[int64]string, atLeast int64, now time.Time) error {
	n, err := t.Node(root)
	if err != nil {
		return err
	}
	t.raiseCell(n.Cell)
	t.f.gone.fromAny(now)
	before, err := t.CellByID(n.Cell)
	if err != nil {
		return err
	}
	if err := t.aside.ShowAside(root, schemas, atLeast, now); err != nil {
		return err
	}
	c, err := t.CellByID(n.Cell)
	if err == nil && (c.Taken() > before.Taken() || c.Nodes > before.Nodes) {
		err = t.mayGrow(n.Cell)
	}
	// Earlier dates prove nothing any more.
	return after(err, func() error { return t.DatesAnew(root, now) })
}

// PlaceAside implements [AsideWriter], [ErrQuota] and [ErrManyNodes].
func (t *transaction) PlaceAside(n *Node, now time.Time) error {
	if err := t.aside.PlaceAside(n, now); err != nil {
		return err
	}
	t.raiseMember(n)
	return t.mayGrow(n.Cell)
}

// PutAside implements [AsideWriter].
func (t *transaction) PutAside(n *Node, e Extent, now time.Time) error {
	t.goes(n, now)
	t.puts = true
	return t.aside.PutAside(n, e, now)
}

// CountAside implements [AsideWriter].
func (t *transaction) CountAside(root int64, e Extent) error { return t.aside.CountAside(root, e) }

// DropAside implements [AsideWriter].
func (t *transaction) DropAside(root int64) error { return t.aside.DropAside(root) }

// PruneAside implements [AsideWriter].
func (t *transaction) PruneAside(root int64, limit int, now time.Time) (done bool, err error) {
	return t.aside.PruneAside(root, limit, now)
}

// --- locks

// AddLock implements [LockWriter].
func (t *transaction) AddLock(l Lock) error {
	return after(t.raiseLock(&l), func() error { return t.lock.AddLock(l) })
}

// SetLock implements [LockWriter].
func (t *transaction) SetLock(l Lock) error {
	return after(t.raiseLock(&l), func() error { return t.lock.SetLock(l) })
}

// DeleteLock implements [LockWriter].
func (t *transaction) DeleteLock(l Lock) error {
	return after(t.raiseLock(&l), func() error { return t.lock.DeleteLock(l) })
}

// DeleteLocks implements [LockWriter]. What lies below p is going, so that only listings of p and of the
// collection above can show locks that go.
func (t *transaction) DeleteLocks(p Path) error {
	t.raise(locksOf(p.Key()), locksOf(p.Parent().Key()))
	return t.lock.DeleteLocks(p)
}

// PurgeLocks implements [LockWriter]. Nobody shows locks that have expired.
func (t *transaction) PurgeLocks(now time.Time) error { return t.lock.PurgeLocks(now) }

func (t *transaction) raiseLock(l *Lock) error {
	c, err := t.Cell(l.Root.Cell())
	if err != nil {
		return err
	}
	t.raise(locksOf(l.Root.Key()), locksOf(l.Root.Parent().Key()))
	if l.Collection {
		t.raise(treeLocksOf(c.ID))
	}
	return t.f.frozen(c.ID)
}

// --- control objects

// AddEntity implements [ControlWriter].
func (t *transaction) AddEntity(e *Entity) error {
	t.raise(controlOf(e.Cell))
	return t.control.AddEntity(e)
}

// SetEntity implements [ControlWriter].
func (t *transaction) SetEntity(e *Entity) error {
	return after(t.raiseEntity(e.ID), func() error { return t.control.SetEntity(e) })
}

// DeleteEntity implements [ControlWriter].
func (t *transaction) DeleteEntity(id int64) error {
	return after(t.raiseEntity(id), func() error { return t.control.DeleteEntity(id) })
}

func (t *transaction) raiseEntity(id int64) error {
	e, err := t.EntityByID(id)
	if err == nil {
		t.raise(controlOf(e.Cell))
	}
	return err
}

// AddLink implements [ControlWriter].
func (t *transaction) AddLink(l Link) error {
	t.raiseLink(&l)
	return t.control.AddLink(l)
}

// DeleteLink implements [ControlWriter].
func (t *transaction) DeleteLink(l Link) error {
	t.raiseLink(&l)
	return t.control.DeleteLink(l)
}

func (t *transaction) raiseLink(l *Link) {
	if l.Node == 0 {
		t.raise(controlOf(l.Cell))
	}
}

// SetSetting implements [ControlWriter].
func (t *transaction) SetSetting(name, value string) error { return t.control.SetSetting(name, value) }

// after runs do unless there was an error before.
func after(err error, do func() error) error {
	if err != nil {
		return err
	}
	return do()
}
