package account

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"cellar/cellfs"
)

// RolesOf returns the roles that an account has now, by name, from memory if nothing about the
// cell's accounts and roles has changed since. It returns [ErrNone] and [cellfs.ErrNoCell].
func RolesOf(ctx context.Context, f *cellfs.FS, cell, name string) ([]Role, error) {
	return cellfs.Remember(ctx, f, cell, "roles "+name, func(tx cellfs.Tx, c cellfs.Cell) ([]Role, error) {
		return rolesIn(tx, c.ID, name)
	})
}

// RolesIn is [RolesOf] in a transaction, and not from memory.
func RolesIn(tx cellfs.Tx, cell, name string) ([]Role, error) {
	c, err := tx.Cell(cell)
	if err != nil {
		return nil, instead(err, fs.ErrNotExist, cellfs.ErrNoCell)
	}
	return rolesIn(tx, c.ID, name)
}

func rolesIn(tx cellfs.Tx, cell int64, name string) ([]Role, error) {
	e, err := tx.Entity(cell, 0, cellfs.SetAccount, name)
	if err != nil {
		return nil, instead(err, fs.ErrNotExist, ErrNone)
	}
	return rolesOf(tx, &e)
}

// Visitor is an account of another cell of the unit.
type Visitor struct {
	// Home are the URLs by which ext cells and ext roles can name the visitor's cell. They end
	// in a slash.
	Home  []string
	Roles []Role // that the account has in its own cell
}

// RolesOfVisitor returns the roles that a visitor has in a cell now (contract 5.9): those of the
// ext cells that stand for the visitor's cell, those of the relations of these, and those of the
// ext roles of these relations that the visitor has at home. It answers from memory if no
// control object of the cell has changed since. It returns [cellfs.ErrNoCell].
func RolesOfVisitor(ctx context.Context, f *cellfs.FS, cell string, v Visitor) ([]int64, error) {
	key := "visitor " + strings.Join(v.Home, " ")
	for _, r := range v.Roles {
		key += " " + r.String()
	}
	return cellfs.Remember(ctx, f, cell, key, func(tx cellfs.Tx, c cellfs.Cell) ([]int64, error) {
		return rolesOfVisitor(tx, c.ID, v)
	})
}

// RolesOfVisitorIn is [RolesOfVisitor] in a transaction, and not from memory.
func RolesOfVisitorIn(tx cellfs.Tx, cell string, v Visitor) ([]int64, error) {
	c, err := tx.Cell(cell)
	if err != nil {
		return nil, instead(err, fs.ErrNotExist, cellfs.ErrNoCell)
	}
	return rolesOfVisitor(tx, c.ID, v)
}

func rolesOfVisitor(tx cellfs.Tx, cell int64, v Visitor) (all []int64, err error) {
	add := func(e *cellfs.Entity) error {
		roles, err := linked(tx, e, cellfs.SetRole)
		all = append(all, roles...)
		return err
	}
	for _, home := range v.Home {
		extCell, err := tx.Entity(cell, 0, cellfs.SetExtCell, home)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = add(&extCell)
		}
		if err != nil {
			return nil, err
		}
		relations, err := linked(tx, &extCell, cellfs.SetRelation)
		if err != nil {
			return nil, err
		}
		for _, id := range relations {
			relation, err := tx.EntityByID(id)
			if err == nil {
				err = add(&relation)
			}
			if err == nil {
				err = eachExtRole(tx, &relation, v, add)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// eachExtRole calls yield for the ext roles of a relation that the visitor has.
func eachExtRole(tx cellfs.Tx, relation *cellfs.Entity, v Visitor, yield func(*cellfs.Entity) error) error {
	for _, home := range v.Home {
		for _, r := range v.Roles {
			box := r.Box
			if box == "" {
				box = cellfs.MainBox
			}
			e, err := tx.Entity(relation.Cell, relation.Box, cellfs.SetExtRole, home+"__role/"+box+"/"+r.Name+" "+relation.Key)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				err = yield(&e)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// linked lists the ids of the objects of a set that e is linked with.
func linked(tx cellfs.Tx, e *cellfs.Entity, set string) (ids []int64, err error) {
	ends, err := tx.LinksOf(e.Cell, 0, cellfs.End{Set: e.Set, Key: strconv.FormatInt(e.ID, 10)}, set)
	for _, end := range ends {
		id, perr := strconv.ParseInt(end.Key, 10, 64)
		ids, err = append(ids, id), errors.Join(err, perr)
	}
	return ids, err
}
