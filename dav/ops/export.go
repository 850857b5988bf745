package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/snapshot"
	"cellar/dav/answer"
	"cellar/jobs"
)

// Names of snapshots, without extension (contract 4.2). The pattern
// is shown to clients as written.
const snapshotPattern = `^[a-zA-Z0-9-_]{1,192}$`

var snapshotName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,192}$`)

// Exporting returns the export that runs on the cell, if one does.
func (o *Ops) Exporting(cell int64) (jobs.Job, bool) {
	j, ok := o.jobs.Get(KindExport, cell, 0)
	return j, ok && !j.State.Ended()
}

// WaitExport is Exporting once the export has ended or ctx is done.
func (o *Ops) WaitExport(ctx context.Context, cell int64) (jobs.Job, bool) {
	j, ok := o.jobs.Wait(ctx, KindExport, cell, 0)
	return j, ok && !j.State.Ended()
}

func errExporting() error {
	return answer.New(answer.JobRunning, "cell export")
}

// CheckNoExport refuses while an export of the cell runs.
func (o *Ops) CheckNoExport(cell int64) error {
	if _, running := o.Exporting(cell); running {
		return errExporting()
	}
	return nil
}

// Snapshot is what an export is asked to make.
type Snapshot struct {
	Name string // without extension
	// Passing: the client takes it away and removes it; see [cellfs.Snapshot].
	Passing bool
}

// ExportOf reads the body of an export request: the name asked for, or the default
// {cell}_yyyyMMdd_HHmmss in UTC, and cellar's own "Passing".
func ExportOf(body []byte, cell string, now time.Time) (Snapshot, error) {
	s := Snapshot{Name: cell + now.UTC().Format("_20060102_150405")}
	if len(body) == 0 {
		return s, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return s, answer.New(answer.JSONSyntax, shown(body))
	}
	if raw, given := fields["Passing"]; given {
		if err := json.Unmarshal(raw, &s.Passing); err != nil {
			return s, answer.New(answer.FieldFormat, "Passing", "true or false")
		}
	}
	raw, given := fields["Name"]
	if !given || string(raw) == "null" {
		return s, nil
	}
	if err := json.Unmarshal(raw, &s.Name); err != nil || !snapshotName.MatchString(s.Name) {
		return s, answer.New(answer.FieldFormat, "Name", snapshotPattern)
	}
	return s, nil
}

// Export accepts an export of the cell. On return it is visible and durable. A stale
// .error of that name goes.
func (o *Ops) Export(ctx context.Context, cell cellfs.Cell, s Snapshot, c Caller) error {
	last, hadOne := o.jobs.Get(KindExport, cell.ID, 0)
	job := jobs.Job{Kind: KindExport, Scope: cell.ID, Name: s.Name, Passing: s.Passing, RequestKey: c.RequestKey, Subject: c.Subject}
	_, err := o.jobs.Start(ctx, job, func(tx cellfs.Tx, _ *jobs.Job) error {
		if _, err := tx.CellByID(cell.ID); err != nil {
			return cellfs.ErrNoCell // deleted meanwhile
		}
		if err := o.CheckNoImport(cell.ID); err != nil {
			return err
		}
		_, err := tx.Snapshot(cell.ID, s.Name+".zip")
		if !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(answer.New(answer.FileExists, s.Name+".zip"), err)
		}
		stale, err := tx.Snapshot(cell.ID, s.Name+".error")
		if err == nil {
			err = tx.DeleteSnapshot(stale.ID, o.fs.Now())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if hadOne {
			return tx.DeleteJob(last.ID, o.fs.Now())
		}
		return nil
	})
	if errors.Is(err, jobs.ErrBusy) {
		return errExporting()
	}
	return err
}

// export is the work of an export job.
func (o *Ops) export(ctx context.Context, j jobs.Job, p *jobs.Progress) jobs.Outcome[cellfs.Tx] {
	release := o.fs.Hold() // what the index refers to, until the snapshot is recorded
	defer releaseOnPanic(release)
	record, err := o.build(ctx, j, p)
	if err != nil {
		if ctx.Err() == nil {
			o.cfg.Log.Error("an export failed", "job", j.ID, "cell", j.Scope, "err", err)
		}
		out := o.exportFailed(j, err)
		out.Done = release
		return out
	}
	keep := func() {
		release()
		if err := o.fs.KeepSnapshots(ctx, j.Scope); err != nil && ctx.Err() == nil {
			o.cfg.Log.Error("old snapshots cannot be removed", "cell", j.Scope, "err", err) // the next export tries again
		}
	}
	return jobs.Outcome[cellfs.Tx]{Done: keep, With: func(tx cellfs.Tx, _ *jobs.Job) error { return record(tx) }}
}

// exportFailed leaves {Name}.error, the only sign of a failed export.
func (o *Ops) exportFailed(j jobs.Job, err error) jobs.Outcome[cellfs.Tx] {
	refusal := AnswerOf(err)
	if refusal.Code == answer.Internal {
		refusal = answer.New(answer.SnapshotNotWritten)
	}
	return jobs.Outcome[cellfs.Tx]{Err: err, Code: string(refusal.Code), Message: refusal.Message, With: func(tx cellfs.Tx, _ *jobs.Job) error {
		return o.recordError(tx, j, refusal)
	}}
}

// build writes the index and returns what records it.
func (o *Ops) build(ctx context.Context, j jobs.Job, p *jobs.Progress) (func(cellfs.Tx) error, error) {
	var cell cellfs.Cell
	err := o.fs.View(ctx, func(tx cellfs.Tx) (err error) {
		cell, err = tx.CellByID(j.Scope)
		return err
	})
	if err != nil {
		return nil, err
	}
	res, err := snapshot.Build(ctx, o.fs, snapshot.Options{
		Cell: cell.Name, UnitURL: o.cfg.UnitURL, Generator: o.cfg.Program, TempDir: o.cfg.TempDir, Progress: p.Set,
	})
	if err != nil {
		return nil, err
	}
	return func(tx cellfs.Tx) error {
		index, err := res.Index.Add(tx)
		if err != nil {
			return err
		}
		now := o.fs.Now()
		err = tx.AddSnapshot(&cellfs.Snapshot{Cell: cell.ID, Name: j.Name + ".zip", Index: index, Size: res.Size, Created: now, Passing: j.Passing})
		if err != nil {
			return err
		}
		e := event(cell.ID, j.RequestKey, now, "cell.export", cellfs.LocalCell+"__export", "")
		e.Subject = j.Subject
		return tx.AddEvents(e)
	}, nil
}

func (o *Ops) recordError(tx cellfs.Tx, j jobs.Job, refusal *answer.Error) error {
	s := cellfs.StageBytes(refusal.JSON())
	blob, err := s.Add(tx)
	if err != nil {
		return err
	}
	return tx.AddSnapshot(&cellfs.Snapshot{
		Cell: j.Scope, Name: fmt.Sprintf("%s.error", j.Name), Index: blob, Size: s.Size, Created: o.fs.Now(),
	})
}
