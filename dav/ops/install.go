package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"cellar/barfs"
	"cellar/barfs/install"
	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/jobs"
)

// Installing reports whether the box with that node id is being installed: all
// that changes it or looks below is refused then (contract 2.6).
func (o *Ops) Installing(cell, box int64) bool { return o.jobs.Active(KindInstall, cell, box) }

// InstallOf returns the install by which the box was made, with exact progress;
// false if it was made otherwise.
func (o *Ops) InstallOf(cell, box int64) (jobs.Job, bool) { return o.jobs.Get(KindInstall, cell, box) }

// WaitInstall is InstallOf once the install has ended or ctx is done.
func (o *Ops) WaitInstall(ctx context.Context, cell, box int64) (jobs.Job, bool) {
	return o.jobs.Wait(ctx, KindInstall, cell, box)
}

// Install accepts the bar in body for the box name of the cell: on return the
// box exists, is locked, and the install is under way. Checks are those of
// contract 2.3 from the body on; nothing is kept of a refused bar but
// the line in the event log that its caller writes.
func (o *Ops) Install(ctx context.Context, cell cellfs.Cell, name string, body io.Reader, c Caller) error {
	staged, bar, done, err := o.openBar(ctx, body)
	if err != nil {
		return err
	}
	defer done()
	err = o.fs.View(ctx, func(tx cellfs.Tx) error {
		_, err := o.taken(tx, cell.ID, name, bar.Manifest.Schema, c.Replace != nil)
		return err
	})
	if err != nil {
		return err
	}
	if err := bar.Verify(); err != nil {
		return err
	}
	if err := cellfs.CheckBoxName(name); err != nil {
		return answer.New(answer.BodyField, "Name")
	}
	return o.accept(ctx, cell, name, bar, staged, c)
}

// taken refuses a schema first and a name second, as Personium does. With replace a box of that
// name whose install failed does not count: failed reports whether there is one.
func (o *Ops) taken(tx cellfs.Tx, cell int64, name, schema string, replace bool) (failed bool, err error) {
	c, err := tx.CellByID(cell)
	if err != nil {
		return false, err
	}
	named := false
	err = cellfs.EachChild(tx, c.Root, func(n *cellfs.Node) error {
		same := cellfs.Key(n.Name) == cellfs.Key(name)
		if same && replace {
			j, ok := o.InstallOf(cell, n.ID)
			if failed = ok && j.State == jobs.Failed; failed {
				return nil
			}
		}
		if schema != "" && n.Schema == schema {
			return answer.New(answer.SchemaTaken, schema, n.Name)
		}
		named = named || same
		return nil
	})
	if err == nil && named {
		err = answer.New(answer.BoxExists, name)
	}
	return failed, err
}

func (o *Ops) accept(ctx context.Context, cell cellfs.Cell, name string, bar *barfs.Archive, body cellfs.Staged, c Caller) error {
	job := jobs.Job{Kind: KindInstall, Scope: cell.ID, Name: name, RequestKey: c.RequestKey, Subject: c.Subject, Total: bar.Installed()}
	_, err := o.jobs.Start(ctx, job, func(tx cellfs.Tx, j *jobs.Job) error {
		failed, err := o.taken(tx, cell.ID, name, bar.Manifest.Schema, c.Replace != nil)
		if err != nil {
			return err
		}
		p, err := cellfs.NewPath(cell.Name, name)
		if err == nil && failed {
			err = o.fs.DeleteTx(tx, p, c.Replace)
		}
		if err != nil {
			return err
		}
		box, err := o.fs.MkcolTx(tx, p, cellfs.Node{Kind: cellfs.KindBox, Schema: bar.Manifest.Schema}, nil)
		if err != nil {
			return err
		}
		j.Target = box.ID
		if j.Input, err = body.Add(tx); err != nil {
			return err
		}
		e := event(cell.ID, c.RequestKey, o.fs.Now(), "boxinstall", cellfs.LocalCell+name, "202")
		e.Subject = c.Subject
		return tx.AddEvents(e)
	})
	return err
}

// RefusedInstall writes the line of the log for an install that was refused
// with the given status.
func (o *Ops) RefusedInstall(ctx context.Context, cell int64, name string, c Caller, status int) error {
	return o.fs.Update(ctx, func(tx cellfs.Tx) error {
		e := event(cell, c.RequestKey, o.fs.Now(), "boxinstall", cellfs.LocalCell+name, fmt.Sprint(status))
		e.Subject = c.Subject
		return tx.AddEvents(e)
	})
}

// install is the work of an install job.
func (o *Ops) install(ctx context.Context, j jobs.Job, p *jobs.Progress) jobs.Outcome[cellfs.Tx] {
	events, err := o.runInstall(ctx, j, p)
	var failure *install.Failure
	switch {
	case err == nil:
		var record cellfs.Staged
		all, err := o.installedNow(ctx, j.Target)
		if err == nil {
			record, err = o.keepInstalled(ctx, all)
		}
		if err != nil {
			return o.installFailed(j, err)
		}
		return jobs.Outcome[cellfs.Tx]{With: func(tx cellfs.Tx, row *jobs.Job) error {
			if err := o.installEnds(j, events)(tx, row); err != nil {
				return err
			}
			row.Input, err = record.Add(tx)
			return err
		}}
	case ctx.Err() != nil:
		return o.installFailed(j, err)
	case !errors.As(err, &failure):
		o.cfg.Log.Error("an install failed", "job", j.ID, "err", err)
		return o.installFailed(j, err)
	}
	if failure.Type == install.TypeInternal {
		o.cfg.Log.Error("an install failed", "job", j.ID, "err", failure.Err)
	}
	return jobs.Outcome[cellfs.Tx]{Err: err, Code: failure.Type, Message: failure.Message, With: o.installEnds(j, events)}
}

// installFailed is the outcome of an install that failed elsewhere than in the bar.
func (o *Ops) installFailed(j jobs.Job, err error) jobs.Outcome[cellfs.Tx] {
	failure, events := install.Broken(j.Name, installCause(err), err)
	return jobs.Outcome[cellfs.Tx]{Err: failure, Code: failure.Type, Message: failure.Message, With: func(tx cellfs.Tx, row *jobs.Job) error {
		begun, err := hasSteps(tx, j.ID)
		if err != nil {
			return err
		}
		lines := events // this may run again
		if !begun {     // not even that is in the log
			lines = append([]install.Event{install.Started(j.Name)}, events...)
		}
		return o.installEnds(j, lines)(tx, row)
	}}
}

// installCause is what an error that is no fault of the bar is called.
func installCause(err error) string {
	if refusal := AnswerOf(err); refusal.Code != answer.Internal {
		return refusal.Error()
	}
	return "internal error"
}

// hasSteps reports whether a step of the job is done, by the row and not by what the
// job knew when it began.
func hasSteps(tx cellfs.Tx, job int64) (bool, error) {
	j, err := tx.Job(job)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return j.Step > 0, err
}

// installEnds records the last lines of an install together with its end.
func (o *Ops) installEnds(j jobs.Job, events []install.Event) func(cellfs.Tx, *jobs.Job) error {
	return func(tx cellfs.Tx, row *jobs.Job) error {
		now := o.fs.Now()
		for _, e := range events {
			if err := tx.AddEvents(event(j.Scope, j.RequestKey, now, e.Type, e.Object, e.Info)); err != nil {
				return err
			}
		}
		row.Input = 0 // the bar itself is not needed any more
		return tx.AddOrphans([]int64{j.Input}, now)
	}
}

func (o *Ops) runInstall(ctx context.Context, j jobs.Job, p *jobs.Progress) ([]install.Event, error) {
	t := &target{o: o, job: j, box: j.Target, nodes: map[string]cellfs.Node{}}
	var cell cellfs.Cell
	err := o.fs.View(ctx, func(tx cellfs.Tx) (err error) {
		if cell, err = tx.CellByID(j.Scope); err != nil {
			return err
		}
		return t.load(tx, cell)
	})
	if err != nil {
		return nil, err
	}
	bar, done, err := o.openInput(ctx, j)
	if err != nil {
		return nil, err
	}
	defer done()
	return install.Run(ctx, bar, t, install.Options{Cell: cell.Name, Box: j.Name, From: j.Step, Progress: p.Set, Fault: o.cfg.Fault, Cause: installCause})
}

// target writes an install into the tree; it implements [install.Target].
type target struct {
	o     *Ops
	job   jobs.Job
	cell  cellfs.Cell
	box   int64
	nodes map[string]cellfs.Node // collections of the box by path; "" is the box
}

// load finds the box and, after a restart, the collections made before.
func (t *target) load(tx cellfs.Tx, cell cellfs.Cell) error {
	t.cell = cell
	box, err := tx.Node(t.box)
	if err != nil {
		return err
	}
	t.nodes[""] = box
	return t.loadBelow(tx, box.ID, "")
}

func (t *target) loadBelow(tx cellfs.Tx, parent int64, prefix string) error {
	return cellfs.EachChild(tx, parent, func(n *cellfs.Node) error {
		if !n.IsCollection() {
			return nil
		}
		t.nodes[prefix+n.Name] = *n
		return t.loadBelow(tx, n.ID, prefix+n.Name+"/")
	})
}

func (t *target) Stage(ctx context.Context, r io.Reader) (install.Content, error) {
	return t.o.fs.Stage(ctx, r)
}

// Apply performs a batch in one transaction together with the job's row.
func (t *target) Apply(ctx context.Context, b install.Batch) error {
	var made map[string]cellfs.Node
	err := t.o.fs.Update(ctx, func(tx cellfs.Tx) error {
		made = map[string]cellfs.Node{}
		gen, err := tx.Touch(t.cell.ID, 0)
		if err != nil {
			return err
		}
		a := &applier{target: t, tx: tx, gen: gen, now: t.o.fs.Now(), made: made, roles: map[string]int64{}}
		for i := range b.Steps {
			if err := a.apply(&b.Steps[i]); err != nil {
				return &install.StepError{Index: i, Err: err}
			}
		}
		if err := tx.AddEvents(a.events...); err != nil {
			return err
		}
		j := toRow(t.job)
		j.State, j.Step, j.Done, j.Total = string(jobs.Running), b.Next, b.Done, b.Total
		j.Starts = 1 // this is the first at that step
		return tx.PutJob(&j)
	})
	if err == nil {
		for p, n := range made {
			t.nodes[p] = n
		}
	}
	return err
}

// asInvalid is the cause a client sees for errors that are the bar's fault.
func asInvalid(err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		return &barfs.Invalid{Cause: barfs.CauseExists}
	case errors.Is(err, cellfs.ErrTooDeep):
		return &barfs.Invalid{Cause: "Hierarchy of the collection is too deep."}
	case errors.Is(err, cellfs.ErrQuota):
		return &barfs.Invalid{Cause: "Quota of the cell is exceeded."}
	}
	return err
}
