package dav

import (
	"cmp"
	"net/http"

	"cellar/cellfs"
	"cellar/cellfs/control"
	"cellar/dav/answer"
	"cellar/dav/odata"
)

// owner is the owner of a cell that the request makes.
func (q *request) owner() string { return cmp.Or(q.caller.Owner, q.h.cfg.AdminUser) }

// errOtherOwner: the cell is not that of the unit user who asks.
var errOtherOwner = answer.New(answer.OtherOwner)

// ownCell refuses a unit user another one's cell.
func (q *request) ownCell(tx cellfs.Tx, key control.Values) error {
	if q.caller.Admin {
		return nil
	}
	name, _ := key["Name"].(string)
	c, err := tx.Cell(name)
	switch {
	case isNotExist(err):
		return control.ErrNone
	case err == nil && c.Owner != q.caller.Owner:
		return errOtherOwner
	}
	return err
}

// listCells lists the cells that the caller may see: of a unit user those that it owns.
func (q *request) listCells(tx cellfs.Tx) ([]control.Object, error) {
	if q.caller.Admin {
		return control.ListCells(tx, nil)
	}
	return control.ListCells(tx, func(c *cellfs.Cell) bool { return c.Owner == q.caller.Owner })
}

func (q *request) createCell() error {
	v, _, err := q.object(control.Cells)
	if err != nil {
		return err
	}
	o, err := control.CreateCell(q.Context(), q.h.fs, v, q.owner())
	if err != nil {
		return err
	}
	return q.createdObject(&o)
}

func (q *request) updateCell(r *odata.ControlRequest) error {
	change, err := q.changeOf(control.Cells)
	if err != nil {
		return err
	}
	if err := q.noJobs(r); err != nil {
		return err
	}
	o, err := control.UpdateCell(q.Context(), q.h.fs, r.Key, change)
	if err != nil {
		return err
	}
	return q.changedObject(&o)
}

func (q *request) removeCell(r *odata.ControlRequest) error {
	if err := q.noJobs(r); err != nil {
		return err
	}
	err := control.DeleteCell(q.Context(), q.h.fs, r.Key, q.mayChangeObject(gone))
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// noJobs refuses to change a cell that an export or import works on, and one of another owner.
func (q *request) noJobs(r *odata.ControlRequest) error {
	name, _ := r.Key["Name"].(string)
	var cell cellfs.Cell
	err := q.h.fs.View(q.Context(), func(tx cellfs.Tx) (err error) {
		if err := q.ownCell(tx, r.Key); err != nil {
			return err
		}
		cell, err = tx.Cell(name)
		return err
	})
	switch {
	case isNotExist(err):
		return control.ErrNone
	case err != nil:
		return err
	}
	if err := q.h.ops.CheckNoExport(cell.ID); err != nil {
		return err
	}
	if err := q.h.ops.CheckNoImport(cell.ID); err != nil {
		return err
	}
	if q.h.ops.Busy(cell.ID) {
		return errBusyCell
	}
	return nil
}

var errBusyCell = answer.New(answer.CellInUse)
