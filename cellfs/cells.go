package cellfs

import (
	"context"
	"errors"
	"io/fs"
	"regexp"
)

// Names of cells and boxes (contract 1.7).
var (
	cellName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,127}$`)
	boxName  = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{0,127}$`)
)

// CheckCellName returns [ErrName] unless name can be a cell's.
func CheckCellName(name string) error { return checkName(cellName, name) }

// CheckBoxName returns [ErrName] unless name can be a box's. The main box's name
// is not: it cannot be made.
func CheckBoxName(name string) error { return checkName(boxName, name) }

func checkName(rule *regexp.Regexp, name string) error {
	if !rule.MatchString(name) {
		return &NameError{Name: name}
	}
	return nil
}

// CreateCell makes an empty cell with its main box and without a quota. It
// returns [ErrName] and fs.ErrExist.
func (f *FS) CreateCell(ctx context.Context, name, owner string) (Cell, error) {
	return f.CreateCellWith(ctx, Cell{Name: name, Owner: owner})
}

// CreateCellWith is [FS.CreateCell] for a cell with the name, owner, quota and
// number of kept snapshots of c.
func (f *FS) CreateCellWith(ctx context.Context, c Cell) (Cell, error) {
	if err := CheckCellName(c.Name); err != nil {
		return Cell{}, err
	}
	c.Created = f.now()
	err := f.Update(ctx, func(tx Tx) error {
		if _, err := tx.Cell(c.Name); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fs.ErrExist, err)
		}
		return tx.AddCell(&c)
	})
	return c, err
}

// RenameCell gives a cell another name, in the transaction of the caller. Its locks go,
// since their paths do. It returns [ErrNoCell], [ErrName] and fs.ErrExist.
func (f *FS) RenameCell(tx Tx, name, to string) error {
	if err := CheckCellName(to); err != nil {
		return err
	}
	c, err := tx.Cell(name)
	if err != nil {
		return orMissing(err, ErrNoCell)
	}
	gen, err := tx.Touch(c.ID, 0)
	if err != nil {
		return err
	}
	if name == to {
		return nil
	}
	if err := f.DeleteLocksOf(tx, c); err != nil {
		return err
	}
	if _, err := tx.Cell(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fs.ErrExist, err)
	}
	if err := tx.RenameCell(c.ID, to); err != nil {
		return err
	}
	root, err := tx.Node(c.Root)
	if err != nil {
		return err
	}
	changed := root
	changed.Version, changed.Modified = gen, f.now()
	if err := tx.SetNode(&root, &changed, changed.Modified); err != nil {
		return err
	}
	return tx.DatesAnew(c.Root, changed.Modified) // none that was told of the other name is of use
}

// SetBox gives a box the name and the schema of n. A new name ends its locks (RFC 4918, 7.5), and the
// dates that clients have of it prove nothing any more.
func (f *FS) SetBox(tx Tx, cell Cell, old, n *Node) error {
	if n.Name != old.Name {
		if err := f.DeleteLocksAt(tx, cell.Name, old.Name); err != nil {
			return err
		}
		n.DatesFrom = old.datesAnew(n.Modified)
		root, err := tx.Node(cell.Root)
		if err != nil {
			return err
		}
		if err := f.membersChanged(tx, &root, n.Modified); err != nil {
			return err
		}
	}
	return tx.SetNode(old, n, n.Modified)
}

// SetKeep says how many finished snapshots of a cell are kept; 0: all.
func (f *FS) SetKeep(ctx context.Context, name string, snapshots int64) error {
	return f.Update(ctx, func(tx Tx) error {
		c, err := tx.Cell(name)
		if err != nil {
			return orMissing(err, ErrNoCell)
		}
		return tx.SetKeep(c.ID, snapshots)
	})
}

// SetQuota limits the bytes that the files of a cell may take; 0 lifts the limit.
// A cell that takes more already keeps what it has and cannot grow.
func (f *FS) SetQuota(ctx context.Context, name string, bytes int64) error {
	return f.Update(ctx, func(tx Tx) error {
		c, err := tx.Cell(name)
		if err != nil {
			return orMissing(err, ErrNoCell)
		}
		return tx.SetQuota(c.ID, bytes)
	})
}

// Cells lists the cells by name.
func (f *FS) Cells(ctx context.Context) (cells []Cell, err error) {
	err = f.meta.View(ctx, func(tx Tx) error {
		cells, err = tx.Cells()
		return err
	})
	return cells, err
}

// DeleteCell removes a cell with everything in it, its snapshots and its log.
func (f *FS) DeleteCell(ctx context.Context, name string, check Check) error {
	held, err := f.heldByCell(ctx, name)
	if err != nil {
		return err
	}
	return f.Update(ctx, func(tx Tx) error {
		c, err := tx.Cell(name)
		if err != nil {
			return orMissing(err, ErrNoCell)
		}
		root, err := tx.Node(c.Root)
		if err != nil {
			return err
		}
		if err := check.run(tx, Place{Depth: 1, Name: c.Name, Node: &root}); err != nil {
			return err
		}
		if err := tx.AddOrphans(held, f.now()); err != nil {
			return err
		}
		if err := tx.DeleteLocks(Path{segs: []string{name}}); err != nil {
			return err
		}
		return tx.DeleteCell(c.ID, f.now())
	})
}

// DeleteLocksAt removes the locks of a box and of all in it, in the transaction of the
// caller.
func (f *FS) DeleteLocksAt(tx Tx, cell, box string) error {
	return tx.DeleteLocks(Path{segs: []string{cell, box}})
}

// DeleteLocksOf removes all locks of a cell, in the transaction of the caller.
func (f *FS) DeleteLocksOf(tx Tx, c Cell) error { return tx.DeleteLocks(Path{segs: []string{c.Name}}) }

func (f *FS) heldByCell(ctx context.Context, name string) ([]int64, error) {
	var all []Snapshot
	err := f.meta.View(ctx, func(tx Tx) error {
		c, err := tx.Cell(name)
		if err != nil {
			return orMissing(err, ErrNoCell)
		}
		all, err = tx.Snapshots(c.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f.heldBy(ctx, all)
}

func errExist(p Path) error { return &fs.PathError{Op: "mkcol", Path: p.String(), Err: fs.ErrExist} }
func notThere(p Path) error {
	return &fs.PathError{Op: "lookup", Path: p.String(), Err: fs.ErrNotExist}
}

// asMissing is for operations on an existing resource: without its parent it
// does not exist either.
func asMissing(err error) error {
	if errors.Is(err, ErrNoParent) {
		return fs.ErrNotExist
	}
	return err
}
