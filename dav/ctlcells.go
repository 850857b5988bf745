package dav

import (
	"net/http"

	"cellar/cellfs"
	"cellar/cellfs/control"
	"cellar/dav/answer"
	"cellar/dav/odata"
)

func (q *request) createCell() error {
	v, _, err := q.object(control.Cells)
	if err != nil {
		return err
	}
	o, err := control.CreateCell(q.Context(), q.h.fs, v, q.caller.Name)
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

// noJobs refuses to change a cell that an export or import works on.
func (q *request) noJobs(r *odata.ControlRequest) error {
	name, _ := r.Key["Name"].(string)
	var cell cellfs.Cell
	err := q.h.fs.View(q.Context(), func(tx cellfs.Tx) (err error) {
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
