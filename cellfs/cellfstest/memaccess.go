package cellfstest

import (
	"cmp"
	"slices"
)

func (t *memTx) RenameCell(id int64, name string) error {
	c, err := t.CellByID(id)
	if err = cmp.Or(err, t.mayWrite()); err != nil {
		return err
	}
	if other, err := t.Cell(name); err == nil && other.ID != id {
		return taken("cell %q", name)
	}
	c.Name = name
	t.cells[id] = c
	return nil
}

func (t *memTx) AuthzBelow(_, root int64) (all []string, err error) {
	for _, id := range t.tree(root)[1:] {
		if a := t.nodes[id].ACL; a != nil && a.RequireSchemaAuthz != "" {
			all = append(all, a.RequireSchemaAuthz)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
