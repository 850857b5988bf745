package cellfs

import (
	"context"
	"time"
)

// Count is of contents, and of their bytes.
type Count struct{ Contents, Bytes int64 }

func (c *Count) add(bytes int64) {
	c.Contents++
	c.Bytes += bytes
}

// Space is what a unit stores. Each content is stored once, however many files have
// it, and counted so; [Cell.Used] counts it for every file.
type Space struct {
	Stored Count // all contents, the indexes of snapshots among them
	Held   Count // those of them that only snapshots hold
	Free   Count // those that nothing holds: a sweep removes them after its grace time
	Cells  []CellSpace
}

// CellSpace is the part of one cell.
type CellSpace struct {
	Cell
	Snapshots int
	// Held is what only snapshots hold, those of this cell among them. Contents that
	// snapshots of several cells hold count for each.
	Held Count
}

// Space adds up what the unit stores. Before, it removes what is left of removed trees, whose contents
// would count as those of files.
func (f *FS) Space(ctx context.Context) (s Space, err error) {
	if err := f.PruneAsides(ctx); err != nil {
		return s, err
	}
	if s.Cells, err = f.cellSpaces(ctx); err != nil {
		return s, err
	}
	if s.Stored, err = f.stored(ctx); err != nil {
		return s, err
	}
	cells := map[int64]*CellSpace{}
	for i := range s.Cells {
		cells[s.Cells[i].ID] = &s.Cells[i]
	}
	everything := f.now().Add(time.Minute) // also what became free just now
	err = f.eachUnnamed(ctx, f.meta.View, everything, func(all *unnamed) error {
		for i, held := range all.held {
			if held {
				s.Held.add(all.sizes[i])
			} else {
				s.Free.add(all.sizes[i])
			}
		}
		return f.shareHeld(ctx, all, cells)
	})
	return s, err
}

// shareHeld counts what is held for the cells whose snapshots hold it.
func (f *FS) shareHeld(ctx context.Context, all *unnamed, cells map[int64]*CellSpace) error {
	counted := make([]int64, len(all.ids)) // the last cell for which it was
	return f.eachSnapshotBlob(ctx, func(s *Snapshot, id int64) error {
		i, ok := all.find(id)
		if c := cells[s.Cell]; ok && c != nil && counted[i] != s.Cell {
			counted[i] = s.Cell
			c.Held.add(all.sizes[i])
		}
		return nil
	})
}

func (f *FS) cellSpaces(ctx context.Context) (all []CellSpace, err error) {
	err = f.meta.View(ctx, func(tx Tx) error {
		cells, err := tx.Cells()
		if err != nil {
			return err
		}
		for _, c := range cells {
			list, err := tx.Snapshots(c.ID)
			if err != nil {
				return err
			}
			n := 0
			for _, s := range list {
				if IsZipName(s.Name) {
					n++
				}
			}
			all = append(all, CellSpace{Cell: c, Snapshots: n})
		}
		return nil
	})
	return all, err
}

func (f *FS) stored(ctx context.Context) (n Count, err error) {
	for after := int64(0); ; {
		var page []Blob
		err := f.meta.View(ctx, func(tx Tx) (err error) {
			page, err = tx.Blobs(after, sweepPage)
			return err
		})
		if err != nil || len(page) == 0 {
			return n, err
		}
		for _, b := range page {
			n.add(b.Size)
		}
		after = page[len(page)-1].ID
	}
}
