package restore

import (
	"context"
	"time"

	"cellar/cellfs"
)

// Options qualify [Archive.Restore].
type Options struct {
	Cell cellfs.Cell // that is to show it
	Job  int64
	// BlobAt is the id of the content that begins at a place of the zip, if the
	// snapshot is one of this store: then contents are not read. nil: they are.
	BlobAt func(offset int64) (int64, error)
	// DocumentName is the name of the document with an __id. Required.
	DocumentName func(id string) string
	// Progress is called as files and documents are done. nil: not.
	Progress func(done, total int64)
}

// Restored is a snapshot whose tree stands aside.
type Restored struct {
	root    int64
	version int64
	schemas map[int64]string
}

// Show makes it the tree of the cell, in the transaction of the caller.
func (r *Restored) Show(tx cellfs.Tx, now time.Time) error {
	return tx.ShowAside(r.root, r.schemas, r.version, now)
}

// DropLeft gives up what an earlier run of the job left aside.
func DropLeft(tx cellfs.Tx, job int64) error {
	all, err := tx.Asides()
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.Job == job {
			if err := tx.DropAside(a.Root); err != nil {
				return err
			}
		}
	}
	return nil
}

// Restore builds the tree of the snapshot aside, with everything checked: every
// line, what it refers to, sizes and checksums. The cell stays as it is until
// [Restored.Show]. The caller holds the contents ([cellfs.FS.Hold]) until then. It
// returns an [*Error] for a fault of the snapshot, and [cellfs.ErrQuota].
func (a *Archive) Restore(ctx context.Context, f *cellfs.FS, o Options) (*Restored, error) {
	r := &restorer{Restored: Restored{schemas: map[int64]string{}}, src: a.source(), ctx: ctx, f: f, o: o,
		collections: map[string]*place{}, objects: map[entityKey]int64{}, boxes: map[string]*cellfs.Node{}}
	steps := []func() error{r.begin, r.control, r.links, r.nodes, r.finish}
	for _, step := range steps {
		if err := step(); err != nil {
			_ = r.landed() // nothing is made any more once the caller hears of it
			return nil, err
		}
	}
	return &r.Restored, nil
}

type restorer struct {
	Restored
	src source
	ctx context.Context
	f   *cellfs.FS
	o   Options

	boxes       map[string]*cellfs.Node // by name, the main box included
	boxSchemas  map[string]string
	objects     map[entityKey]int64 // ids of all control objects
	collections map[string]*place   // by path
	flight      chan error          // the page that is being made; nil for none

	files, bytes int64 // as the manifest counts them
	stored       int64 // bytes, with those of user data
	done, total  int64 // steps of progress
}

// place is a collection that nodes can be put into.
type place struct {
	id    int64
	kind  cellfs.Kind
	depth int
}

type entityKey struct{ set, box, key string }

// update runs fn in a transaction that is none of the cell: what it makes stands
// aside.
func (r *restorer) update(fn func(cellfs.Tx) error) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	return r.f.Update(r.ctx, fn)
}

// begin makes the root and the boxes, without what qualifies them: control objects
// refer to boxes, and ACLs to roles.
func (r *restorer) begin() error {
	var err error
	if r.total, err = r.src.total(); err != nil {
		return err
	}
	r.boxSchemas = map[string]string{cellfs.MainBox: ""}
	names := []string{cellfs.MainBox}
	schemas := map[string]bool{}
	err = r.src.boxes(func(l boxLine, where string) error {
		if err := cellfs.CheckBoxName(l.Name); err != nil {
			return damaged(where, "%v", err)
		}
		if _, ok := r.boxSchemas[l.Name]; ok {
			return damaged(where, "box %q is there twice", l.Name)
		}
		if l.Schema != "" && schemas[l.Schema] {
			return damaged(where, "box %q has the schema of another", l.Name)
		}
		schemas[l.Schema] = true
		r.boxSchemas[l.Name] = l.Schema
		names = append(names, l.Name)
		return nil
	})
	if err != nil {
		return err
	}
	now := r.f.Now()
	return r.update(func(tx cellfs.Tx) error {
		if err := DropLeft(tx, r.o.Job); err != nil {
			return err
		}
		root := cellfs.Node{Cell: r.o.Cell.ID, Kind: cellfs.KindCell, Created: now, Modified: now}
		if err := tx.AddAside(r.o.Job, &root); err != nil {
			return err
		}
		r.root = root.ID
		var boxes []*cellfs.Node
		for _, name := range names {
			n := &cellfs.Node{Cell: r.o.Cell.ID, Parent: root.ID, Name: name, Kind: cellfs.KindBox, Created: now, Modified: now}
			r.boxes[name] = n
			boxes = append(boxes, n)
		}
		if err := tx.AddAsideNodes(root.ID, boxes); err != nil {
			return err
		}
		for name, n := range r.boxes {
			if s := r.boxSchemas[name]; s != "" {
				r.schemas[n.ID] = s
			}
		}
		return nil
	})
}

// finish makes what could not be made before, and ends the checks.
func (r *restorer) finish() error {
	if err := r.src.finish(r); err != nil {
		return err
	}
	return r.landed()
}

// step tells of the progress.
func (r *restorer) step() {
	if r.done++; r.o.Progress != nil && r.done%nodePage == 0 {
		r.o.Progress(r.done, r.total)
	}
}
