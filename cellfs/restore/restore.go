package restore

import (
	"context"
	"slices"
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

// Restored is a snapshot whose tree is built, but not shown in the cell yet.
type Restored struct {
	root     int64
	version  int64
	schemas  map[int64]string
	settings cellfs.Cell // quota and number of snapshots to keep, as the snapshot has them
}

// Show makes it the tree of the cell, in the transaction of the caller.
func (r *Restored) Show(tx cellfs.Tx, now time.Time) error {
	return tx.ShowAside(r.root, r.schemas, r.version, now)
}

// Limit gives the cell the quota, and the number of snapshots that are kept, of the cell that
// the snapshot was taken of, where it has none of its own: so a cell that is brought back on
// another unit is limited as it was. It is to be called after Show.
func (r *Restored) Limit(tx cellfs.Tx, cell cellfs.Cell) error {
	if cell.Quota == 0 && r.settings.Quota > 0 {
		if err := tx.SetQuota(cell.ID, r.settings.Quota); err != nil {
			return err
		}
	}
	if cell.Keep == 0 && r.settings.Keep > 0 {
		return tx.SetKeep(cell.ID, r.settings.Keep)
	}
	return nil
}

// DropLeft removes what an earlier run of the job built and never showed.
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
	settings := cellfs.Cell{Quota: a.Manifest.Quota, Keep: a.Manifest.Keep}
	r := &restorer{Restored: Restored{schemas: map[int64]string{}, settings: settings}, src: a.source(), ctx: ctx, f: f, o: o, limits: a.limits,
		objects: map[digest]int64{}}
	steps := []func() error{r.begin, r.control, r.links, r.nodes, r.finish}
	for _, step := range steps {
		if err := step(); err != nil {
			_ = r.awaitPage() // nothing is made any more once the caller hears of it
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

	limits     Limits
	boxSchemas map[string]string // by name, the main box included
	objects    map[digest]int64  // ids of all control objects
	places     *places
	making     chan error // the page that is being made; nil for none

	made, linked int64 // as the limits count them
	controlled   int64 // bytes of control objects
	files, bytes int64 // as the manifest counts them
	stored       int64 // bytes, with those of user data
	done, total  int64 // steps of progress
}

// objectKey identifies a control object.
func objectKey(set, box, key string) digest { return digestOf(set, box, key) }

// update runs fn in a transaction. What fn makes is not part of the cell yet.
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
		if len(l.Schema) > maxSchemaURL {
			return damaged(where, "box %q has a schema of more than %d bytes", l.Name, maxSchemaURL)
		}
		if l.Schema != "" && schemas[l.Schema] {
			return damaged(where, "box %q has the schema of another", l.Name)
		}
		if len(names) > r.limits.Boxes {
			return tooLarge("more than %d boxes", r.limits.Boxes)
		}
		schemas[l.Schema] = true
		r.boxSchemas[l.Name] = l.Schema
		names = append(names, l.Name)
		return r.count()
	})
	if err != nil {
		return err
	}
	now := r.f.Now()
	err = r.update(func(tx cellfs.Tx) error {
		if err := DropLeft(tx, r.o.Job); err != nil {
			return err
		}
		root := cellfs.Node{Cell: r.o.Cell.ID, Kind: cellfs.KindCell, Created: now, Modified: now}
		err := tx.AddAside(r.o.Job, &root)
		r.root = root.ID
		return err
	})
	if err != nil {
		return err
	}
	r.places = newPlaces(r.root)
	for page := range slices.Chunk(names, nodePage) {
		if err := r.makeBoxes(page, now); err != nil {
			return err
		}
	}
	return nil
}

func (r *restorer) makeBoxes(names []string, now time.Time) error {
	var boxes []*cellfs.Node
	for _, name := range names {
		boxes = append(boxes, &cellfs.Node{Cell: r.o.Cell.ID, Parent: r.root, Name: name, Kind: cellfs.KindBox, Created: now, Modified: now})
	}
	if err := r.update(func(tx cellfs.Tx) error { return tx.AddAsideNodes(r.root, boxes) }); err != nil {
		return err
	}
	for _, n := range boxes {
		if _, err := r.places.add(r.places.root(), n.Name, place{id: n.ID, kind: n.Kind}); err != nil {
			return err
		}
		if s := r.boxSchemas[n.Name]; s != "" {
			r.schemas[n.ID] = s
		}
	}
	return nil
}

// finish makes what could not be made before, and ends the checks.
func (r *restorer) finish() error {
	if err := r.src.finish(r); err != nil {
		return err
	}
	return r.awaitPage()
}

// step reports the progress.
func (r *restorer) step() {
	if r.done++; r.o.Progress != nil && r.done%nodePage == 0 {
		r.o.Progress(r.done, r.total)
	}
}
