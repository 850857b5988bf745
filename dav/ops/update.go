package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"cellar/barfs"
	"cellar/barfs/install"
	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/jobs"
)

// UpdateOf returns the last update of a box, with exact progress; false if there was none.
func (o *Ops) UpdateOf(cell, box int64) (jobs.Job, bool) { return o.jobs.Get(KindUpdate, cell, box) }

// WaitUpdate is UpdateOf once the update has ended or ctx is done.
func (o *Ops) WaitUpdate(ctx context.Context, cell, box int64) (jobs.Job, bool) {
	return o.jobs.Wait(ctx, KindUpdate, cell, box)
}

// Update accepts the bar in body for a box that is there (contract 2.10): on return the update is under way. Until
// it succeeds, nothing of the box changes; check judges the caller. The bar must have the schema of the box.
func (o *Ops) Update(ctx context.Context, cell cellfs.Cell, p cellfs.Path, body io.Reader, c Caller, check cellfs.Check) error {
	staged, bar, done, err := o.openBar(ctx, body)
	if err != nil {
		return err
	}
	defer done()
	if err := bar.Verify(); err != nil {
		return err
	}
	var box cellfs.Node
	find := func(tx cellfs.Tx) error {
		at, err := o.fs.FindTx(tx, p)
		if err != nil {
			return err
		}
		box = *at.Node
		switch j, ok := o.InstallOf(cell.ID, box.ID); {
		case box.Name == cellfs.MainBox:
			return answer.New(answer.MethodNotAllowed)
		case ok && j.State == jobs.Failed:
			return answer.New(answer.UpdateFailedBox, box.Name)
		case box.Schema == "" || box.Schema != bar.Manifest.Schema:
			return answer.New(answer.UpdateSchema, bar.Manifest.Schema, box.Schema)
		}
		return check(tx, at)
	}
	if err := o.fs.View(ctx, find); err != nil {
		return err
	}
	job := jobs.Job{Kind: KindUpdate, Scope: cell.ID, Target: box.ID, Name: box.Name, RequestKey: c.RequestKey, Subject: c.Subject, Total: bar.Installed()}
	last, had := o.UpdateOf(cell.ID, box.ID)
	_, err = o.jobs.Start(ctx, job, func(tx cellfs.Tx, j *jobs.Job) error {
		err := find(tx)
		if err == nil && box.ID != j.Target {
			err = cellfs.ErrNoBox
		}
		if err != nil {
			return err
		}
		if had && last.State == jobs.Failed {
			if err := tx.DeleteJob(last.ID, o.fs.Now()); err != nil {
				return err
			}
		}
		if j.Input, err = staged.Add(tx); err != nil {
			return err
		}
		e := event(cell.ID, c.RequestKey, o.fs.Now(), "boxupdate", cellfs.LocalCell+box.Name, "202")
		e.Subject = c.Subject
		return tx.AddEvents(e)
	})
	if errors.Is(err, jobs.ErrBusy) {
		err = answer.New(answer.Installing)
	}
	return err
}

// update is the work of an update job.
func (o *Ops) update(ctx context.Context, j jobs.Job, p *jobs.Progress) jobs.Outcome[cellfs.Tx] {
	var failure *install.Failure
	var err error
	if j.Step == 0 { // else the box is changed, and only the end is not recorded
		err = o.runUpdate(ctx, j, p)
	}
	switch {
	case err == nil:
		return jobs.Outcome[cellfs.Tx]{With: func(tx cellfs.Tx, row *jobs.Job) error {
			_, err := keepRecord(tx, row)
			return err
		}}
	case !errors.As(err, &failure) || ctx.Err() != nil:
		return o.updateFailed(j, err)
	}
	return o.updateFails(j, failure, failure.Type)
}

// updateFailed is the outcome of an update that failed elsewhere than in the bar.
func (o *Ops) updateFailed(j jobs.Job, err error) jobs.Outcome[cellfs.Tx] {
	refusal := AnswerOf(err)
	if refusal.Code == answer.Internal {
		o.cfg.Log.Error("an update failed", "job", j.ID, "err", err)
	}
	f, _ := install.Broken(j.Name, installCause(err), err)
	return o.updateFails(j, f, install.TypeInternal)
}

func (o *Ops) updateFails(j jobs.Job, f *install.Failure, kind string) jobs.Outcome[cellfs.Tx] {
	return jobs.Outcome[cellfs.Tx]{Err: f, Code: kind, Message: f.Message, With: func(tx cellfs.Tx, row *jobs.Job) error {
		made, err := keepRecord(tx, row)
		if err != nil {
			return err
		}
		if made { // what failed came after it
			row.State, row.Code, row.Message = jobs.Succeeded, "", ""
			return nil
		}
		row.Input = 0
		if err := tx.AddOrphans([]int64{j.Input}, o.fs.Now()); err != nil {
			return err
		}
		return tx.AddEvents(event(j.Scope, j.RequestKey, o.fs.Now(), kind, cellfs.LocalCell+j.Name, f.Message),
			event(j.Scope, j.RequestKey, o.fs.Now(), install.TypeEnded, cellfs.LocalCell+j.Name, "Bar update failed("+f.Message+")."))
	}}
}

// keepRecord keeps, in the row of an update that ends, what [updating.keep] wrote there. made reports whether it did:
// then the box is that of the new version.
func keepRecord(tx cellfs.Tx, row *jobs.Job) (made bool, err error) {
	now, err := tx.Job(row.ID)
	row.Step, row.Input = now.Step, now.Input
	return now.Step == updateMade, err
}

// keep records, in the transaction that changes the box, what the version makes of it. The two must not be apart:
// the next update takes what is not in the record of the last one for somebody's own, and leaves it.
func (u *updating) keep(tx cellfs.Tx, now time.Time) error {
	if err := tx.AddOrphans([]int64{u.job.Input}, now); err != nil {
		return err
	}
	rows, err := tx.JobsOf(u.job.Scope, u.job.Target)
	if err != nil {
		return err
	}
	for _, r := range rows { // their records do not count any more
		if r.Kind == KindUpdate && r.ID != u.job.ID {
			if err := tx.DeleteJob(r.ID, now); err != nil {
				return err
			}
		}
	}
	row := toRow(u.job)
	row.State, row.Step, row.Starts, row.Done = string(jobs.Running), updateMade, 1, row.Total
	if row.Input, err = u.record.Add(tx); err != nil {
		return err
	}
	return tx.PutJob(&row)
}

// updateMade is the step of an update that has changed the box. Its input is the record, and no longer the bar.
const updateMade = 1

// runUpdate reads the bar, and changes the box in one transaction at the end. Nothing of the box is changed
// before, so that an update that was cut off begins anew.
func (o *Ops) runUpdate(ctx context.Context, j jobs.Job, p *jobs.Progress) error {
	release := o.fs.Hold() // what is stored for the new version is named at the end
	defer release()
	u := &updating{odata: map[string]bool{}, target: &target{o: o, job: j, box: j.Target, nodes: map[string]cellfs.Node{}}}
	err := o.fs.View(ctx, func(tx cellfs.Tx) (err error) {
		u.cell, err = tx.CellByID(j.Scope)
		return err
	})
	if err != nil {
		return err
	}
	if u.before, err = o.lastInstalled(ctx, j.Scope, j.Target); err != nil {
		return err
	}
	bar, done, err := o.openInput(ctx, j)
	if err != nil {
		return err
	}
	defer done()
	if _, err := install.Run(ctx, bar, u, install.Options{Cell: u.cell.Name, Box: j.Name, Progress: p.Set, Cause: installCause}); err != nil {
		return err
	}
	for range maxUpdateTries {
		err := o.fs.View(ctx, u.plan)
		if err == nil {
			u.record, err = o.keepInstalled(ctx, u.makes)
		}
		if err == nil {
			err = o.fs.Update(ctx, u.change)
		}
		switch {
		case errors.Is(err, errChanged):
		case err != nil:
			return u.failure(err)
		default:
			return nil
		}
	}
	return answer.New(answer.TooManyRequests)
}

// failure is why the box was not changed.
func (u *updating) failure(err error) error {
	var invalid *barfs.Invalid
	var locked *cellfs.LockedError
	switch {
	case errors.As(err, &invalid):
		return &install.Failure{Type: install.TypeFailed, Message: "Update failed(" + invalid.Cause + ").", Err: err}
	case errors.As(err, &locked):
		return &install.Failure{Type: install.TypeFailed, Message: "Update failed(a resource of the box is locked).", Err: err}
	}
	if cause := asInvalid(err); errors.As(cause, &invalid) {
		return &install.Failure{Type: install.TypeFailed, Message: "Update failed(" + invalid.Cause + ").", Err: err}
	}
	return err
}

const (
	// maxUpdateTries bounds how often an update is planned anew because others changed what it is about to change.
	maxUpdateTries = 100
	// DefaultMaxUpdate bounds the resources that an update changes: they change in one transaction.
	DefaultMaxUpdate = 5_000
)

// errChanged: what an update is about to change is another by now.
var errChanged = errors.New("the box was changed meanwhile")

// wanted is a resource of the new version.
type wanted struct {
	path        string
	kind        cellfs.Kind
	contentType string
	blob        int64
	size        int64
	content     string // hash, as in [asInstalled]
	install.Attributes
}

// updating is an update on its way; it implements [install.Target].
type updating struct {
	*target
	before  installed     // what the version before made; nil if that is not known
	makes   installed     // what this one makes
	record  cellfs.Staged // of that
	wanted  []wanted
	odata   map[string]bool // paths of the OData collections
	control []controlStep
	data    []*install.DataLink

	changes []change
	locks   bool            // something in the box is locked
	kept    map[string]bool // entity sets, by path, that were there: they keep their data
}

// controlStep makes a control object or a link of two, and is logged if it did.
type controlStep struct {
	object *install.Object
	link   *install.Link
	event  *install.Event
}

// Apply implements [install.Target]: it collects the steps. Contents are stored at once, for the sweeper's grace
// time and as long as they are held.
func (u *updating) Apply(ctx context.Context, b install.Batch) error {
	blobs := make([]int64, len(b.Steps))
	err := u.o.fs.Update(ctx, func(tx cellfs.Tx) error {
		var fresh []int64
		for i := range b.Steps {
			if f := b.Steps[i].File; f != nil {
				var err error
				if blobs[i], err = f.Content.(cellfs.Staged).Add(tx); err != nil {
					return err
				}
				if blobs[i] != 0 {
					fresh = append(fresh, blobs[i])
				}
			}
		}
		return tx.AddOrphans(fresh, u.o.fs.Now())
	})
	if err != nil {
		return err
	}
	for i := range b.Steps {
		switch s := &b.Steps[i]; {
		case s.Object != nil, s.Link != nil:
			u.control = append(u.control, controlStep{object: s.Object, link: s.Link})
		case s.Event != nil && len(u.control) > 0 && u.control[len(u.control)-1].event == nil:
			u.control[len(u.control)-1].event = s.Event // what follows the step
		case s.DataLink != nil:
			u.data = append(u.data, s.DataLink)
		case s.Collection != nil:
			kind := kinds[s.Collection.Kind]
			if s.Collection.Path == "" {
				kind = cellfs.KindBox
			}
			if kind == cellfs.KindOData {
				u.odata[s.Collection.Path] = true
			}
			u.wanted = append(u.wanted, wanted{path: s.Collection.Path, kind: kind, Attributes: s.Collection.Attributes})
		case s.File != nil:
			content := s.File.Content.(cellfs.Staged)
			hash := "empty"
			if content.Size > 0 {
				hash = content.Hash.String()
			}
			u.wanted = append(u.wanted, wanted{path: s.File.Path, kind: cellfs.KindFile, contentType: s.File.ContentType, blob: blobs[i], size: content.Size, content: hash, Attributes: s.File.Attributes})
		}
	}
	return nil
}

func (u *updating) isData(w *wanted) bool {
	_, ok := u.inOData(w.path)
	return ok
}

// there finds what is at a path of the box; nil if nothing is. nodes are those that were looked for.
func (u *updating) there(tx cellfs.Tx, nodes map[string]*cellfs.Node, p string) (*cellfs.Node, error) {
	if n, ok := nodes[p]; ok {
		return n, nil
	}
	up := path.Dir(p)
	if up == "." {
		up = ""
	}
	parent, err := u.there(tx, nodes, up)
	if err != nil || parent == nil || !parent.IsCollection() {
		nodes[p] = nil
		return nil, err
	}
	n, err := tx.Child(parent.ID, path.Base(p))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		nodes[p] = nil
		return nil, nil
	case err != nil:
		return nil, err
	}
	nodes[p] = &n
	return &n, nil
}

// inOData finds the OData collection of the new version that a path lies in; "" and false if none.
func (u *updating) inOData(p string) (col string, ok bool) {
	for up := path.Dir(p); up != "."; up = path.Dir(up) {
		if u.odata[up] {
			return up, true
		}
	}
	return "", false
}

func invalidf(format string, args ...any) error {
	return &barfs.Invalid{Cause: fmt.Sprintf(format, args...)}
}
