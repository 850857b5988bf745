// Package ops performs the long-running operations of a cell: installing a box
// from a bar, exporting the cell to a snapshot and importing one. It joins the tree
// (cellfs), the archive (barfs) and the job tracker (jobs), and knows nothing of
// HTTP. Refusals that a client must hear are [*answer.Error].
package ops

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"cellar/barfs"
	"cellar/barfs/install"
	"cellar/cellfs"
	"cellar/cellfs/restore"
	"cellar/jobs"
)

// Kinds of jobs.
const (
	KindInstall = "install"
	KindUpdate  = "update"
	KindExport  = "export"
	KindImport  = "import"
)

// Config is what an [Ops] is made of.
type Config struct {
	FS             *cellfs.FS
	Workers        int    // jobs of one cell that run at once
	Paused         bool   // no job runs: all wait for the next start
	UnitURL        string // for the manifest of exports; "" if not known
	Program        string // name and version, likewise
	TempDir        string // where the index of an export grows
	Limits         barfs.Limits
	SnapshotLimits SnapshotLimits
	// ImportLimit bounds the body of an import, in bytes; 0: [DefaultImportLimit].
	ImportLimit int64
	// MaxUpdate bounds the resources that the update of a box changes; 0: [DefaultMaxUpdate].
	MaxUpdate int
	// Fault, if not nil, hears of each fault of a bar, and its install goes on: for a check of bars.
	Fault func(install.Fault)
	Log   *slog.Logger
}

// SnapshotLimits bound the snapshots that are imported.
type SnapshotLimits = restore.Limits

// DefaultImportNodes is how many resources, documents and control objects an import may make.
const DefaultImportNodes = restore.MaxNodes

// Ops runs the operations. Close ends it.
type Ops struct {
	fs   *cellfs.FS
	cfg  Config
	jobs *jobs.Tracker[cellfs.Tx]
}

// New starts the workers and takes up the jobs that an earlier process left.
func New(ctx context.Context, c Config) (*Ops, error) {
	c.Limits = BarLimits(c.Limits)
	o := &Ops{fs: c.FS, cfg: c}
	o.fs.SetGuard(func(cell, box int64) error {
		if o.Installing(cell, box) {
			return cellfs.ErrInstalling
		}
		return nil
	})
	o.fs.SetFrozen(o.CheckNoImport)
	tracker, err := jobs.NewTracker(ctx, jobs.Config[cellfs.Tx]{
		Ledger:  ledger{c.FS},
		Workers: c.Workers,
		Paused:  c.Paused,
		Now:     c.FS.Now,
		Log:     c.Log,
		Work: map[string]jobs.Work[cellfs.Tx]{
			KindInstall: {Run: o.install, Fail: o.installFailed},
			KindUpdate:  {Run: o.update, Fail: o.updateFailed},
			KindExport:  {Run: o.export, Fail: o.exportFailed},
			KindImport:  {Run: o.importCell, Fail: o.importFailed},
		},
	})
	if err != nil {
		return nil, err
	}
	o.jobs = tracker
	return o, nil
}

// BarLimits are the limits of the bars that are installed: what one declares has the bounds of what PROPPATCH sets.
func BarLimits(l barfs.Limits) barfs.Limits {
	l.Props, l.PropBytes = cmp.Or(l.Props, cellfs.MaxProps), cmp.Or(l.PropBytes, cellfs.MaxPropBytes)
	return l
}

// Close stops the workers and waits for them until ctx is done. What they were
// doing goes on after the next start.
func (o *Ops) Close(ctx context.Context) error { return o.jobs.Close(ctx) }

// Busy reports whether a job works on the cell or on one of its boxes.
func (o *Ops) Busy(cell int64) bool { return o.jobs.AnyActive(cell) }

// ledger keeps jobs as rows of the store.
type ledger struct{ fs *cellfs.FS }

func (l ledger) Save(ctx context.Context, j *jobs.Job, with func(cellfs.Tx) error) error {
	before := *j
	return l.fs.Update(ctx, func(tx cellfs.Tx) error {
		*j = before
		if err := with(tx); err != nil {
			return err
		}
		row := toRow(*j)
		err := tx.PutJob(&row)
		j.ID = row.ID
		return err
	})
}

func (l ledger) Find(ctx context.Context, id int64) (j jobs.Job, found bool, err error) {
	err = l.fs.View(ctx, func(tx cellfs.Tx) error {
		row, err := tx.Job(id)
		j, found = fromRow(row), err == nil
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return j, found, err
}

func (l ledger) Load(ctx context.Context) (all []jobs.Job, err error) {
	err = l.fs.View(ctx, func(tx cellfs.Tx) error {
		rows, err := tx.Jobs()
		for _, r := range rows {
			all = append(all, fromRow(r))
		}
		return err
	})
	return all, err
}

func toRow(j jobs.Job) cellfs.Job {
	return cellfs.Job{
		ID: j.ID, Kind: j.Kind, Cell: j.Scope, Target: j.Target, State: string(j.State), Name: j.Name,
		RequestKey: j.RequestKey, Subject: j.Subject, Input: j.Input, Started: j.Started, Ended: j.Ended, Done: j.Done, Total: j.Total,
		Step: j.Step, Starts: j.Starts, Passing: j.Passing, Code: j.Code, Message: j.Message,
	}
}

func fromRow(r cellfs.Job) jobs.Job {
	return jobs.Job{
		ID: r.ID, Kind: r.Kind, Scope: r.Cell, Target: r.Target, State: jobs.State(r.State), Name: r.Name,
		RequestKey: r.RequestKey, Subject: r.Subject, Input: r.Input, Started: r.Started, Ended: r.Ended, Done: r.Done, Total: r.Total,
		Step: r.Step, Starts: r.Starts, Passing: r.Passing, Code: r.Code, Message: r.Message,
	}
}

// Caller is who asked for an operation, for the event log.
type Caller struct {
	Subject    string // "" when there is none
	RequestKey string
	// Replace judges whether a box whose install failed may go for the new one; nil: none does.
	Replace cellfs.Check
}

func event(cell int64, key string, now time.Time, kind, object, info string) cellfs.Event {
	return cellfs.Event{Cell: cell, Time: now, RequestKey: key, Type: kind, Object: object, Info: info}
}
