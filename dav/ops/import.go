package ops

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"

	"cellar/barfs/install"
	"cellar/cellfs"
	"cellar/cellfs/account"
	"cellar/cellfs/restore"
	"cellar/cellfs/snapshot"
	"cellar/dav/answer"
	"cellar/jobs"
)

// ImportOf returns the last import of the cell, with exact progress; false if there
// was none.
func (o *Ops) ImportOf(cell int64) (jobs.Job, bool) { return o.jobs.Get(KindImport, cell, 0) }

// WaitImport is ImportOf once the import has ended or ctx is done.
func (o *Ops) WaitImport(ctx context.Context, cell int64) (jobs.Job, bool) {
	return o.jobs.Wait(ctx, KindImport, cell, 0)
}

// CheckNoImport refuses while the cell is being replaced (contract 4.9).
func (o *Ops) CheckNoImport(cell int64) error {
	if o.jobs.Active(KindImport, cell, 0) {
		return errImporting()
	}
	return nil
}

func errImporting() error {
	return answer.New(answer.JobRunning, "cell import")
}

// AnyImport is false if no cell is being replaced.
func (o *Ops) AnyImport() bool { return o.jobs.AnyOfKind(KindImport) }

// ImportName reads the body of an import request (contract 4.9).
func ImportName(body []byte) (string, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return "", answer.New(answer.JSONSyntax, shown(body))
	}
	raw, given := fields["Name"]
	if !given || string(raw) == "null" {
		return "", answer.New(answer.MissingKey, "Name")
	}
	var name string
	if err := json.Unmarshal(raw, &name); err != nil || !snapshotName.MatchString(name) {
		return "", answer.New(answer.FieldFormat, "Name", snapshotPattern)
	}
	return name, nil
}

// Import accepts the import of a snapshot of the cell itself.
func (o *Ops) Import(ctx context.Context, cell cellfs.Cell, name string, c Caller) error {
	content, err := o.openSnapshot(ctx, cell.ID, name)
	if errors.Is(err, fs.ErrNotExist) {
		return answer.New(answer.ResourceNotFound, name+".zip")
	}
	if err != nil {
		return err
	}
	defer content.Close()
	if _, err := o.openArchive(content); err != nil {
		return err
	}
	return o.acceptImport(ctx, jobs.Job{Kind: KindImport, Scope: cell.ID, Name: name, RequestKey: c.RequestKey, Subject: c.Subject}, nil)
}

const (
	// DefaultImportLimit bounds the body of an import, in bytes: it is kept whole, beside
	// the cell, until the import has ended.
	DefaultImportLimit = 64 << 30
	// importSlack is what a snapshot may take beyond twice the quota of the cell that it is
	// for, in bytes: names, properties and control objects count for no quota or for less.
	importSlack = 64 << 20
)

// importRoom is how long the body of an import into the cell may be, and the answer to a longer one. A
// snapshot has contents as they are, so that one far beyond the quota could not be restored.
func (o *Ops) importRoom(cell cellfs.Cell) (limit int64, over *answer.Error) {
	limit, over = cmp.Or(o.cfg.ImportLimit, DefaultImportLimit), answer.New(answer.BodyTooLarge)
	if cell.Quota > 0 && cell.Quota < (limit-importSlack)/2 {
		limit, over = 2*cell.Quota+importSlack, answer.New(answer.QuotaExceeded)
	}
	return limit, over
}

// ImportBody accepts the import of a zip that came with the request; announced is its
// length, -1 if that is not known. It is kept until the import has ended.
func (o *Ops) ImportBody(ctx context.Context, cell cellfs.Cell, body io.Reader, announced int64, c Caller) error {
	limit, over := o.importRoom(cell)
	if announced > limit {
		return over
	}
	counted := &limited{r: body, left: limit}
	staged, err := o.fs.Stage(ctx, counted)
	if counted.left < 0 {
		return over
	}
	if err != nil {
		return err
	}
	content, err := o.fs.OpenStaged(ctx, staged)
	if err != nil {
		return err
	}
	defer content.Close()
	if _, err := o.openArchive(content); err != nil {
		return err
	}
	return o.acceptImport(ctx, jobs.Job{Kind: KindImport, Scope: cell.ID, RequestKey: c.RequestKey, Subject: c.Subject}, &staged)
}

// openArchive reads a snapshot as a zip.
func (o *Ops) openArchive(c cellfs.Content) (*restore.Archive, error) {
	size, err := c.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	return restore.Open(c, size, o.cfg.SnapshotLimits)
}

func (o *Ops) openSnapshot(ctx context.Context, cell int64, name string) (cellfs.Content, error) {
	var s cellfs.Snapshot
	err := o.fs.View(ctx, func(tx cellfs.Tx) (err error) {
		s, err = tx.Snapshot(cell, name+".zip")
		return err
	})
	if err != nil {
		return nil, err
	}
	return snapshot.Reader{}.Open(ctx, o.fs, s)
}

// acceptImport starts the job. Other jobs of the cell exclude it, because they write
// to what it replaces.
func (o *Ops) acceptImport(ctx context.Context, job jobs.Job, body *cellfs.Staged) error {
	last, hadOne := o.jobs.Get(KindImport, job.Scope, 0)
	_, err := o.jobs.Start(ctx, job, func(tx cellfs.Tx, j *jobs.Job) error {
		if _, err := tx.CellByID(job.Scope); err != nil {
			return cellfs.ErrNoCell // deleted meanwhile
		}
		if err := o.CheckNoExport(job.Scope); err != nil {
			return err
		}
		if o.jobs.AnyActive(job.Scope) {
			return answer.New(answer.CellInUse)
		}
		if body != nil {
			var err error
			if j.Input, err = body.Add(tx); err != nil {
				return err
			}
		}
		if hadOne {
			return tx.DeleteJob(last.ID, o.fs.Now())
		}
		return nil
	})
	if errors.Is(err, jobs.ErrBusy) {
		return errImporting()
	}
	return err
}

// importCell is the work of an import job. The tree is built aside; the transaction
// that ends the job puts it in the place of the cell's.
func (o *Ops) importCell(ctx context.Context, j jobs.Job, p *jobs.Progress) jobs.Outcome[cellfs.Tx] {
	release := o.fs.Hold()
	defer releaseOnPanic(release)
	restored, err := o.restore(ctx, j, p)
	out := jobs.Outcome[cellfs.Tx]{With: func(tx cellfs.Tx, row *jobs.Job) error {
		return errors.Join(o.dropInput(tx, j, row), o.show(tx, j, restored))
	}}
	if err != nil {
		if AnswerOf(err).Code == answer.Internal && ctx.Err() == nil {
			o.cfg.Log.Error("an import failed", "job", j.ID, "cell", j.Scope, "err", err)
		}
		out = o.importFailed(j, err)
	}
	imported := err == nil
	out.Done = func() {
		release()
		if err := o.fs.PruneAsides(ctx); err != nil && ctx.Err() == nil {
			o.cfg.Log.Error("what an import replaced cannot be removed", "job", j.ID, "err", err) // the sweeper tries again
		}
		if imported {
			if err := o.warnOfPasswords(ctx, j.Scope); err != nil && ctx.Err() == nil {
				o.cfg.Log.Error("imported accounts cannot be read", "job", j.ID, "err", err)
			}
		}
	}
	return out
}

// maxWarnings bounds the lines of the program's log about one import.
const maxWarnings = 100

// warnOfPasswords tells the operator which accounts of a cell that was imported cannot log in
// with the passwords that they had.
func (o *Ops) warnOfPasswords(ctx context.Context, cell int64) error {
	var c cellfs.Cell
	err := o.fs.View(ctx, func(tx cellfs.Tx) (err error) {
		c, err = tx.CellByID(cell)
		return err
	})
	if err != nil {
		return err
	}
	all, err := account.List(ctx, o.fs, c.Name)
	warned := 0
	for _, a := range all {
		if a.Problem != nil && warned < maxWarnings {
			o.cfg.Log.Warn("an imported account needs a new password", "cell", c.Name, "account", a.Name, "err", a.Problem)
			warned++
		}
	}
	return err
}

// importFailed leaves the cell as it was.
func (o *Ops) importFailed(j jobs.Job, err error) jobs.Outcome[cellfs.Tx] {
	refusal := AnswerOf(err)
	return jobs.Outcome[cellfs.Tx]{Err: err, Code: string(refusal.Code), Message: refusal.Message, With: func(tx cellfs.Tx, row *jobs.Job) error {
		return errors.Join(o.dropInput(tx, j, row), restore.DropLeft(tx, j.ID))
	}}
}

// dropInput lets go of the zip that came with the request, if one did.
func (o *Ops) dropInput(tx cellfs.Tx, j jobs.Job, row *jobs.Job) error {
	if j.Input == 0 {
		return nil
	}
	row.Input = 0
	return tx.AddOrphans([]int64{j.Input}, o.fs.Now())
}

// releaseOnPanic lets go of what a job holds that ends without an outcome.
func releaseOnPanic(release func()) {
	if p := recover(); p != nil {
		release()
		panic(p)
	}
}

// show is the switch.
func (o *Ops) show(tx cellfs.Tx, j jobs.Job, restored *restore.Restored) error {
	cell, err := tx.CellByID(j.Scope)
	if err != nil {
		return err
	}
	now := o.fs.Now()
	if err := restored.Show(tx, now); err != nil {
		return err
	}
	if j.Input != 0 { // from elsewhere; a cell that goes back to what it was stays limited as it is
		if err := restored.Limit(tx, cell); err != nil {
			return err
		}
	}
	if err := o.fs.DeleteLocksOf(tx, cell); err != nil { // what they lock is gone
		return err
	}
	e := event(cell.ID, j.RequestKey, now, "cell.import", cellfs.LocalCell+"__import", "")
	e.Subject = j.Subject
	return tx.AddEvents(e)
}

func (o *Ops) restore(ctx context.Context, j jobs.Job, p *jobs.Progress) (*restore.Restored, error) {
	var cell cellfs.Cell
	err := o.fs.View(ctx, func(tx cellfs.Tx) (err error) {
		cell, err = tx.CellByID(j.Scope)
		return err
	})
	if err != nil {
		return nil, err
	}
	var content cellfs.Content
	if j.Input != 0 {
		content, err = o.fs.OpenBlob(ctx, j.Input)
	} else if content, err = o.openSnapshot(ctx, cell.ID, j.Name); errors.Is(err, fs.ErrNotExist) {
		err = answer.New(answer.ResourceNotFound, j.Name+".zip")
	}
	if err != nil {
		return nil, err
	}
	defer content.Close()
	a, err := o.openArchive(content)
	if err != nil {
		return nil, err
	}
	options := restore.Options{Cell: cell, Job: j.ID, Progress: p.Set, DocumentName: install.DocumentName}
	if own, ok := content.(cellfs.BlobIndex); ok && j.Input == 0 {
		options.BlobAt = own.BlobAt
	}
	return a.Restore(ctx, o.fs, options)
}
