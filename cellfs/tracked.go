package cellfs

import (
	"errors"
	"time"
)

// tracked is a transaction that tells the cache which cells it changes. That is
// where [NodeTx.Touch] was called, as everything does that changes a tree. It
// also keeps cells within their quota.
type tracked struct {
	Tx
	f       *FS
	cells   map[int64]bool
	control map[int64]bool // cells whose control objects it changes
}

func (t *tracked) note(cell int64) {
	if t.cells[cell] {
		return
	}
	if t.cells == nil {
		t.cells = map[int64]bool{}
	}
	t.cells[cell] = true
	t.f.cache.begins(cell)
}

// Touch implements [NodeTx].
func (t *tracked) Touch(cell, atLeast int64) (int64, error) {
	if err := t.f.frozen(cell); err != nil {
		return 0, err
	}
	t.note(cell)
	return t.Tx.Touch(cell, atLeast)
}

// ShowAside implements [AsideTx], [ErrQuota] and [ErrManyNodes]. What is no larger than what
// was there may be shown.
func (t *tracked) ShowAside(root int64, schemas map[int64]string, atLeast int64, now time.Time) error {
	n, err := t.Node(root)
	if err != nil {
		return err
	}
	t.note(n.Cell)
	t.noteControl(n.Cell)
	t.f.gone.fromAny(now)
	before, err := t.CellByID(n.Cell)
	if err != nil {
		return err
	}
	if err := t.Tx.ShowAside(root, schemas, atLeast, now); err != nil {
		return err
	}
	c, err := t.CellByID(n.Cell)
	if err == nil && (c.Taken() > before.Taken() || c.Nodes > before.Nodes) {
		err = t.mayGrow(n.Cell)
	}
	// Earlier dates prove nothing any more.
	return after(err, func() error { return t.DatesAnew(root, now) })
}

// AddLock implements [LockTx].
func (t *tracked) AddLock(l Lock) error { return errors.Join(t.notePath(l.Root), t.Tx.AddLock(l)) }

// SetLock implements [LockTx].
func (t *tracked) SetLock(l Lock) error { return errors.Join(t.notePath(l.Root), t.Tx.SetLock(l)) }

// DeleteLock implements [LockTx].
func (t *tracked) DeleteLock(l Lock) error {
	return errors.Join(t.notePath(l.Root), t.Tx.DeleteLock(l))
}

func (t *tracked) notePath(p Path) error {
	c, err := t.Cell(p.Cell())
	if err == nil {
		t.note(c.ID)
		err = t.f.frozen(c.ID)
	}
	return err
}

// AddNode implements [NodeTx], [ErrQuota] and [ErrManyNodes].
func (t *tracked) AddNode(n *Node) error {
	return after(t.Tx.AddNode(n), func() error { return t.mayGrow(n.Cell) })
}

// SetNode implements [NodeTx] and [ErrQuota].
func (t *tracked) SetNode(old, n *Node, now time.Time) error {
	if old.Parent != n.Parent || Key(old.Name) != Key(n.Name) {
		t.f.gone.from(old.Cell, now)
	}
	err := t.Tx.SetNode(old, n, now)
	if err == nil && n.Weight() > old.Weight() {
		err = t.mayGrow(old.Cell)
	}
	return err
}

// SetCellOf implements [NodeTx], [ErrQuota] and [ErrManyNodes].
func (t *tracked) SetCellOf(root, cell int64) error {
	return after(t.Tx.SetCellOf(root, cell), func() error { return t.mayGrow(cell) })
}

// CopyTree implements [NodeTx], [ErrQuota] and [ErrManyNodes].
func (t *tracked) CopyTree(src int64, dst *Node, version int64, now time.Time) error {
	return after(t.Tx.CopyTree(src, dst, version, now), func() error { return t.mayGrow(dst.Cell) })
}

// mayGrow refuses what made a cell grow beyond its quota, or beyond the resources that a
// cell may have.
func (t *tracked) mayGrow(cell int64) error {
	c, err := t.CellByID(cell)
	switch {
	case err != nil:
		return err
	case c.Quota > 0 && c.Taken() > c.Quota:
		return ErrQuota
	case c.Nodes > t.f.maxNodes:
		return ErrManyNodes
	}
	return nil
}

// RenameCell implements [NodeTx]. What is known by the old name is known no more.
func (t *tracked) RenameCell(id int64, name string) error {
	t.note(id)
	t.noteControl(id)
	t.f.gone.fromAny(t.f.now())
	return t.Tx.RenameCell(id, name)
}

// DeleteCell implements [NodeTx].
func (t *tracked) DeleteCell(id int64, now time.Time) error {
	t.note(id)
	t.noteControl(id)
	t.f.gone.fromAny(now)
	return t.Tx.DeleteCell(id, now)
}

func (t *tracked) noteControl(cell int64) {
	if t.control[cell] {
		return
	}
	if t.control == nil {
		t.control = map[int64]bool{}
	}
	t.control[cell] = true
	t.f.known.begins(cell)
}

// noteEntity is noteControl for the cell of an entity.
func (t *tracked) noteEntity(id int64) error {
	e, err := t.EntityByID(id)
	if err == nil {
		t.noteControl(e.Cell)
	}
	return err
}

// AddEntity implements [ControlTx].
func (t *tracked) AddEntity(e *Entity) error {
	t.noteControl(e.Cell)
	return t.Tx.AddEntity(e)
}

// SetEntity implements [ControlTx].
func (t *tracked) SetEntity(e *Entity) error {
	return after(t.noteEntity(e.ID), func() error { return t.Tx.SetEntity(e) })
}

// DeleteEntity implements [ControlTx].
func (t *tracked) DeleteEntity(id int64) error {
	return after(t.noteEntity(id), func() error { return t.Tx.DeleteEntity(id) })
}

// AddLink implements [ControlTx].
func (t *tracked) AddLink(l Link) error {
	if l.Node == 0 {
		t.noteControl(l.Cell)
	}
	return t.Tx.AddLink(l)
}

// DeleteLink implements [ControlTx].
func (t *tracked) DeleteLink(l Link) error {
	if l.Node == 0 {
		t.noteControl(l.Cell)
	}
	return t.Tx.DeleteLink(l)
}

// DeleteTree implements [NodeTx]. With a box go its roles.
func (t *tracked) DeleteTree(n *Node, now time.Time) error {
	if n.Kind == KindBox {
		t.noteControl(n.Cell)
	}
	t.f.gone.from(n.Cell, now)
	return t.Tx.DeleteTree(n, now)
}

// after runs do unless there was an error before.
func after(err error, do func() error) error {
	if err != nil {
		return err
	}
	return do()
}
