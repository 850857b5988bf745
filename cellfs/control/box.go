package control

import (
	"errors"
	"io/fs"

	"cellar/cellfs"
)

// Boxes are nodes of the tree, not entities.

func fromBox(n *cellfs.Node) Object {
	o := Object{Set: SetOf(SetBox), Version: n.Version, Created: n.Created, Updated: n.Modified, id: n.ID, Values: Values{"Name": n.Name, "Schema": nil}}
	if n.Schema != "" {
		o.Values["Schema"] = n.Schema
	}
	return o
}

// boxes lists the boxes; the main box is none of the control objects.
func (s *Store) boxes() (all []Object, err error) {
	err = cellfs.EachChild(s.Tx, s.Cell.Root, func(n *cellfs.Node) error {
		if n.Kind == cellfs.KindBox && n.Name != cellfs.MainBox {
			all = append(all, fromBox(n))
		}
		return nil
	})
	return all, err
}

func (s *Store) createBox(v Values) (o Object, err error) {
	p, err := cellfs.NewPath(s.Cell.Name, v.text("Name"))
	if err != nil {
		return o, err
	}
	n, err := s.FS.MkcolTx(s.Tx, p, cellfs.Node{Kind: cellfs.KindBox, Schema: v.text("Schema")}, nil)
	return fromBox(&n), boxTaken(err)
}

// boxTaken is the one error for a name and for a schema that another box has.
func boxTaken(err error) error {
	if errors.Is(err, fs.ErrExist) || errors.Is(err, cellfs.ErrSchemaTaken) {
		return ErrExists
	}
	return err
}

func (s *Store) updateBox(o *Object, v Values) (Object, error) {
	old, err := s.Tx.Node(o.id)
	if err != nil {
		return *o, err
	}
	if err := s.FS.Guarded(&old); err != nil {
		return *o, err
	}
	n := old
	n.Name, n.Schema = v.text("Name"), v.text("Schema")
	if n.Version, err = s.Tx.Touch(s.Cell.ID, 0); err != nil {
		return *o, err
	}
	n.Modified = later(s.FS.Now(), old.Modified)
	err = s.FS.SetBox(s.Tx, s.Cell, &old, &n)
	return fromBox(&n), boxTaken(err)
}

// deleteBox removes a box in which there is nothing.
func (s *Store) deleteBox(o *Object) error {
	children, _, err := s.Tx.Children(o.id, cellfs.Page{Limit: 1})
	if err != nil {
		return err
	}
	if len(children) > 0 {
		return ErrRelated
	}
	p, err := cellfs.NewPath(s.Cell.Name, o.Values.text("Name"))
	if err != nil {
		return err
	}
	return s.FS.DeleteTx(s.Tx, p, nil)
}
