package cellfs

import (
	"cmp"
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

// ShowAside implements [AsideTx].
func (t *tracked) ShowAside(root int64, schemas map[int64]string, atLeast int64, now time.Time) error {
	n, err := t.Node(root)
	if err != nil {
		return err
	}
	t.note(n.Cell)
	t.noteControl(n.Cell)
	t.f.gone.fromAny(now)
	if err := t.Tx.ShowAside(root, schemas, atLeast, now); err != nil {
		return err
	}
	return t.f.newDates(t, root, now)
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

// AddNode implements [NodeTx] and [ErrQuota].
func (t *tracked) AddNode(n *Node) error {
	return cmp.Or(t.Tx.AddNode(n), t.withinQuota(n.Cell, n.Size))
}

// SetNode implements [NodeTx] and [ErrQuota].
func (t *tracked) SetNode(old, n *Node, now time.Time) error {
	if old.Parent != n.Parent || Key(old.Name) != Key(n.Name) {
		t.f.gone.from(old.Cell, now)
	}
	return cmp.Or(t.Tx.SetNode(old, n, now), t.withinQuota(old.Cell, n.Size-old.Size))
}

// SetCellOf implements [NodeTx] and [ErrQuota].
func (t *tracked) SetCellOf(root, cell int64) error {
	return cmp.Or(t.Tx.SetCellOf(root, cell), t.withinQuota(cell, 1))
}

// CopyTree implements [NodeTx] and [ErrQuota].
func (t *tracked) CopyTree(src int64, dst *Node, version int64, now time.Time) error {
	return cmp.Or(t.Tx.CopyTree(src, dst, version, now), t.withinQuota(dst.Cell, 1))
}

// withinQuota refuses what made a cell grow beyond its quota.
func (t *tracked) withinQuota(cell, grown int64) error {
	if grown <= 0 {
		return nil
	}
	c, err := t.CellByID(cell)
	if err == nil && c.Quota > 0 && c.Used > c.Quota {
		err = ErrQuota
	}
	return err
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
