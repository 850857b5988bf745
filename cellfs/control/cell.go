package control

import (
	"context"
	"errors"
	"io/fs"

	"cellar/cellfs"
)

// Cells are the control objects of the unit.

func fromCell(tx cellfs.Tx, c *cellfs.Cell) (Object, error) {
	root, err := tx.Node(c.Root)
	return Object{Set: Cells, Version: root.Version, Created: c.Created, Updated: root.Modified, id: c.ID, Values: Values{"Name": c.Name}}, err
}

// ListCells lists the cells of the unit by name, or those that which allows; nil allows all.
func ListCells(tx cellfs.Tx, which func(*cellfs.Cell) bool) (all []Object, err error) {
	cells, err := tx.Cells()
	if err != nil {
		return nil, err
	}
	for i := range cells {
		if which != nil && !which(&cells[i]) {
			continue
		}
		o, err := fromCell(tx, &cells[i])
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// GetCell returns a cell, or [ErrNone].
func GetCell(tx cellfs.Tx, key Values) (o Object, err error) {
	c, err := tx.Cell(key.text("Name"))
	if errors.Is(err, fs.ErrNotExist) {
		return o, ErrNone
	}
	if err != nil {
		return o, err
	}
	return fromCell(tx, &c)
}

// CreateCell makes a cell. It returns a [*PropertyError] and [ErrExists].
func CreateCell(ctx context.Context, f *cellfs.FS, given Values, owner string) (o Object, err error) {
	v, err := Cells.complete(given, nil)
	if err != nil {
		return o, err
	}
	c, err := f.CreateCell(ctx, v.text("Name"), owner)
	if err != nil {
		return o, existing(err)
	}
	err = f.View(ctx, func(tx cellfs.Tx) error {
		o, err = fromCell(tx, &c)
		return err
	})
	return o, err
}

// UpdateCell renames a cell; errors as [Store.Update]. Its locks go.
func UpdateCell(ctx context.Context, f *cellfs.FS, key Values, c Change) (o Object, err error) {
	err = f.Update(ctx, func(tx cellfs.Tx) error {
		if o, err = GetCell(tx, key); err != nil {
			return err
		}
		if err := c.Check.run(tx, &o); err != nil {
			return err
		}
		var before Values
		if c.Merge {
			before = o.Values
		}
		v, err := Cells.complete(c.Given, before)
		if err != nil {
			return err
		}
		if err := f.RenameCell(tx, key.text("Name"), v.text("Name")); err != nil {
			return existing(err)
		}
		o, err = GetCell(tx, v)
		return err
	})
	return o, err
}

// DeleteCell removes a cell in which there is nothing but an empty main box and
// snapshots. It returns [ErrNone], [ErrRelated] and the error of the check.
func DeleteCell(ctx context.Context, f *cellfs.FS, key Values, check Check) error {
	err := f.DeleteCell(ctx, key.text("Name"), func(tx cellfs.Tx, at cellfs.Place) error {
		o, err := GetCell(tx, key)
		if err == nil {
			err = check.run(tx, &o)
		}
		if err == nil {
			err = empty(tx, at.Node)
		}
		return err
	})
	if errors.Is(err, cellfs.ErrNoCell) {
		return ErrNone
	}
	return err
}

// empty returns [ErrRelated] if there is something in a cell.
func empty(tx cellfs.Tx, root *cellfs.Node) error {
	nodes, _, err := tx.Count(root.ID)
	if err != nil {
		return err
	}
	entities, err := tx.Entities(root.Cell, "")
	if err != nil {
		return err
	}
	const bare = 2 // the root and the main box
	if nodes > bare || len(entities) > 0 {
		return ErrRelated
	}
	return nil
}
