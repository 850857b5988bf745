package dav

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"cellar/cellfs"
	"cellar/dav/ops"
	"cellar/jobs"
)

func isName(err error) bool { return errors.Is(err, cellfs.ErrName) }

// maxJSON bounds a JSON body, in bytes.
const maxJSON = 64 << 10

// postExport answers POST __export (contract 4.2).
func (q *request) postExport() error {
	cell, err := q.cell()
	if err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(q.w, q.Body, maxJSON))
	if err != nil {
		return err
	}
	snapshot, err := ops.ExportOf(body, cell.Name, q.h.fs.Now())
	if err != nil {
		return err
	}
	if err := q.h.ops.Export(q.Context(), cell, snapshot, ops.Caller{Subject: q.subject(), RequestKey: q.key()}); err != nil {
		return err
	}
	q.w.Header().Set("Location", q.target.CellURL+"__export")
	q.w.WriteHeader(http.StatusAccepted)
	return nil
}

// getExport answers GET __export: the state, which is "ready" again after a good
// export as after a bad one.
func (q *request) getExport() error {
	cell, err := q.cell()
	if err != nil {
		return err
	}
	j, running := q.h.ops.Exporting(cell.ID)
	j, running = q.awaited(j, running, func(ctx context.Context) (jobs.Job, bool) { return q.h.ops.WaitExport(ctx, cell.ID) })
	if !running {
		return q.sendJSON(http.StatusOK, map[string]any{"status": "ready"})
	}
	return q.sendJSON(http.StatusOK, map[string]any{
		"status": "exportation in progress", "started_at": j.Started.UTC().Format(jsonTime),
		"progress": strconv.FormatInt(j.Percent(), 10) + "%", "exportation_name": j.Name,
	})
}
