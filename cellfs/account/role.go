package account

import (
	"context"
	"encoding/json"
	"io/fs"
	"slices"
	"strconv"

	"cellar/cellfs"
)

// AddRole makes a role. It returns [ErrName], [ErrNoBox] and [ErrRole].
func AddRole(ctx context.Context, f *cellfs.FS, cell string, r Role) error {
	if !IsRoleName(r.Name) {
		return ErrName
	}
	doc, err := json.Marshal(map[string]any{"Name": r.Name})
	if err != nil {
		return err
	}
	return change(ctx, f, cell, func(tx cellfs.Tx, c *cellfs.Cell) error {
		box, err := boxOf(tx, c, r)
		if err != nil {
			return err
		}
		now := f.Now()
		err = tx.AddEntity(&cellfs.Entity{Cell: c.ID, Box: box, Set: cellfs.SetRole, Key: r.Name, Doc: doc, Created: now, Updated: now})
		return instead(err, fs.ErrExist, ErrRole)
	})
}

// RemoveRole removes a role from the cell and from all who have it. Entries of ACLs
// for it stay and grant nothing. It returns [ErrNoBox] and [ErrNoRole].
func RemoveRole(ctx context.Context, f *cellfs.FS, cell string, r Role) error {
	return change(ctx, f, cell, func(tx cellfs.Tx, c *cellfs.Cell) error {
		e, err := find(tx, c, r)
		if err != nil {
			return err
		}
		return tx.DeleteEntity(e.ID)
	})
}

// Roles lists the roles of a cell.
func Roles(ctx context.Context, f *cellfs.FS, cell string) (all []Role, err error) {
	err = eachOf(ctx, f, cell, cellfs.SetRole, func(tx cellfs.Tx, e *cellfs.Entity) error {
		r, err := named(tx, e)
		all = append(all, r)
		return err
	})
	return all, err
}

// named is the name of a role that is a control object.
func named(tx cellfs.Tx, e *cellfs.Entity) (Role, error) {
	r := Role{Name: e.Key}
	if e.Box == 0 {
		return r, nil
	}
	box, err := tx.Node(e.Box)
	r.Box = box.Name
	return r, err
}

// Grant gives an account a role. It returns [ErrNone], [ErrNoBox], [ErrNoRole] and
// [ErrLinked].
func Grant(ctx context.Context, f *cellfs.FS, cell, name string, r Role) error {
	return link(ctx, f, cell, name, r, func(tx cellfs.Tx, l cellfs.Link) error {
		roles, err := tx.LinksOf(l.Cell, 0, l.From, l.To.Set) // from either side
		if err != nil {
			return err
		}
		if slices.Contains(roles, l.To) {
			return ErrLinked
		}
		return tx.AddLink(l)
	})
}

// Revoke takes a role from an account. It returns [ErrNone], [ErrNoBox], [ErrNoRole]
// and [ErrUnlinked].
func Revoke(ctx context.Context, f *cellfs.FS, cell, name string, r Role) error {
	return link(ctx, f, cell, name, r, func(tx cellfs.Tx, l cellfs.Link) error {
		return instead(tx.DeleteLink(l), fs.ErrNotExist, ErrUnlinked)
	})
}

func link(ctx context.Context, f *cellfs.FS, cell, name string, r Role, fn func(cellfs.Tx, cellfs.Link) error) error {
	return change(ctx, f, cell, func(tx cellfs.Tx, c *cellfs.Cell) error {
		account, err := tx.Entity(c.ID, 0, cellfs.SetAccount, name)
		if err != nil {
			return instead(err, fs.ErrNotExist, ErrNone)
		}
		role, err := find(tx, c, r)
		if err != nil {
			return err
		}
		end := func(e *cellfs.Entity) cellfs.End { return cellfs.End{Set: e.Set, Key: strconv.FormatInt(e.ID, 10)} }
		return fn(tx, cellfs.Link{Cell: c.ID, From: end(&account), To: end(&role)})
	})
}

func find(tx cellfs.Tx, c *cellfs.Cell, r Role) (cellfs.Entity, error) {
	box, err := boxOf(tx, c, r)
	if err != nil {
		return cellfs.Entity{}, err
	}
	e, err := tx.Entity(c.ID, box, cellfs.SetRole, r.Name)
	return e, instead(err, fs.ErrNotExist, ErrNoRole)
}

// boxOf is the id of the role's box; 0 for a role of the cell.
func boxOf(tx cellfs.Tx, c *cellfs.Cell, r Role) (int64, error) {
	if r.Box == "" {
		return 0, nil
	}
	box, err := tx.Child(c.Root, r.Box)
	if err == nil && box.Name == cellfs.MainBox {
		err = fs.ErrNotExist // its roles are those of the cell
	}
	return box.ID, instead(err, fs.ErrNotExist, ErrNoBox)
}
