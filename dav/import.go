package dav

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/dav/ops"
	"cellar/jobs"
)

// postImport answers POST __import: JSON with the name of a snapshot of the cell, or
// a snapshot as a zip (contract 4.9).
func (q *request) postImport() error {
	cell, err := q.cell()
	if err != nil {
		return err
	}
	caller := ops.Caller{Subject: q.subject(), RequestKey: q.key()}
	if q.sendsZip() {
		err = q.h.ops.ImportBody(q.Context(), cell, q.Body, q.ContentLength, caller)
	} else {
		err = q.importByName(cell, caller)
	}
	if err != nil {
		return err
	}
	q.w.Header().Set("Location", q.target.CellURL+"__import")
	q.w.WriteHeader(http.StatusAccepted)
	return nil
}

func (q *request) importByName(cell cellfs.Cell, c ops.Caller) error {
	body, err := io.ReadAll(http.MaxBytesReader(q.w, q.Body, maxJSON))
	if err != nil {
		return err
	}
	name, err := ops.ImportName(body)
	if err != nil {
		return err
	}
	return q.h.ops.Import(q.Context(), cell, name, c)
}

// getImport answers GET __import: the state of the last import. A failure stays until
// the next one (contract 4.11).
func (q *request) getImport() error {
	cell, err := q.cell()
	if err != nil {
		return err
	}
	j, ok := q.h.ops.ImportOf(cell.ID)
	j, ok = q.awaited(j, ok, func(ctx context.Context) (jobs.Job, bool) { return q.h.ops.WaitImport(ctx, cell.ID) })
	if !ok || j.State == jobs.Succeeded {
		return q.sendJSON(http.StatusOK, map[string]any{"status": "ready"})
	}
	state := map[string]any{
		"status": "importation in progress", "started_at": j.Started.UTC().Format(jsonTime),
		"progress": strconv.FormatInt(j.Percent(), 10) + "%", "importation_name": j.Name,
	}
	if j.State == jobs.Failed {
		state["status"] = "import failed"
		state["message"] = answer.With(answer.Code(j.Code), j.Message)
	}
	return q.sendJSON(http.StatusOK, state)
}
