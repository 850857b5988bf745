package cellfs

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"
)

// Names of the special collections of a cell (contract 4.6, 6.5).
const (
	SnapshotArea = "__snapshot"
	LogArea      = "__log"
	LogCurrent   = "current"
	LogArchives  = "archive"
	LogFile      = "default.log"
)

var specials = []string{LogArea, SnapshotArea}

func isSpecial(box string) bool { return slices.Contains(specials, box) }

// special is the node of a special collection; its times are the cell's.
func special(cell Node, name string) Node {
	return Node{
		ID: cell.ID, Cell: cell.Cell, Name: name, Kind: KindVirtual, Version: cell.Version,
		Created: cell.Created, Modified: cell.Modified,
	}
}

// lookupSpecial resolves the names below a cell of which the first is special.
func (f *FS) lookupSpecial(tx Reader, cell Node, names []string) (Node, error) {
	n := special(cell, names[0])
	for _, name := range names[1:] {
		found := false
		err := f.specialMembers(tx, n, func(m *Node) error {
			if m.Name == name {
				n, found = *m, true
				return fs.SkipAll
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.SkipAll) {
			return Node{}, err
		}
		if !found {
			return Node{}, fs.ErrNotExist
		}
	}
	return n, nil
}

func (f *FS) specialMembers(tx Reader, n Node, yield func(*Node) error) error {
	var members []Node
	sub := n
	switch n.Name {
	case SnapshotArea:
		all, err := tx.Snapshots(n.Cell)
		if err != nil {
			return err
		}
		for _, s := range all {
			members = append(members, snapshotNode(s))
		}
	case LogArea:
		for _, name := range []string{LogArchives, LogCurrent} {
			sub.Name = name
			members = append(members, sub)
		}
	case LogCurrent:
		sub.Kind, sub.Name, sub.ContentType = KindLog, LogFile, "text/csv"
		c, err := tx.CellByID(n.Cell)
		if err != nil {
			return err
		}
		first, err := tx.Events(n.Cell, c.LogFrom, 1)
		if err != nil {
			return err
		}
		if len(first) > 0 {
			sub.Created = first[0].Time
		}
		last, err := tx.LastEvent(n.Cell)
		switch {
		case err == nil:
			sub.Modified = last.Time
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		members = append(members, sub)
	case LogArchives:
		all, err := tx.LogArchives(n.Cell)
		if err != nil {
			return err
		}
		for i := range all {
			sub.Kind, sub.Name, sub.ContentType = KindLog, all[i].LogName(), "text/csv"
			sub.Created, sub.Modified, sub.MTime = all[i].Closed, all[i].Closed, time.Time{}
			members = append(members, sub)
		}
	}
	for i := range members {
		if err := yield(&members[i]); err != nil {
			return err
		}
	}
	return nil
}

// snapshotNode shows a snapshot as a node. Its content never changes, so its id
// serves as the version.
func snapshotNode(s Snapshot) Node {
	n := Node{
		ID: s.ID, Cell: s.Cell, Name: s.Name, Kind: KindSnapshot, Blob: s.Index, Size: s.Size, Version: s.ID,
		ContentType: "application/json", Created: s.Created, Modified: s.Created,
	}
	if IsZipName(s.Name) {
		n.ContentType = "application/zip"
	}
	return n
}

// IsZipName tells the name of a finished snapshot from that of a failed one.
func IsZipName(name string) bool { return len(name) > 4 && name[len(name)-4:] == ".zip" }

// PassingAge is how old a passing snapshot becomes that nobody removed, because the client
// that asked for it broke off, in a cell of which only some snapshots are kept.
const PassingAge = 24 * time.Hour

// KeepSnapshots removes the oldest finished snapshots of a cell beyond the number
// that is kept of it. The order is that in which they were taken, whatever the clock said.
// Passing ones do not count, and go only when they have reached [PassingAge].
func (f *FS) KeepSnapshots(ctx context.Context, cell int64) error {
	var c Cell
	var all []Snapshot
	err := f.meta.View(ctx, func(tx Tx) (err error) {
		if c, err = tx.CellByID(cell); err != nil || c.Keep == 0 {
			return err
		}
		all, err = tx.Snapshots(cell)
		return err
	})
	if err != nil || c.Keep == 0 {
		return err
	}
	var kept, gone []Snapshot
	for _, s := range all {
		switch {
		case !IsZipName(s.Name):
		case !s.Passing:
			kept = append(kept, s)
		case f.now().Sub(s.Created) >= PassingAge:
			gone = append(gone, s)
		}
	}
	slices.SortFunc(kept, func(a, b Snapshot) int { return cmp.Compare(a.ID, b.ID) })
	gone = append(gone, kept[:max(0, len(kept)-int(c.Keep))]...)
	for _, s := range gone {
		if err := f.DeleteSnapshot(ctx, c.Name, s.Name, nil); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// DeleteSnapshot removes a file of a cell's snapshot area. What only it held
// goes when the sweeper's grace time is over, so that a download that runs now
// can end. check, if not nil, sees the file before.
func (f *FS) DeleteSnapshot(ctx context.Context, cell, name string, check Check) error {
	now := f.now()
	var s Snapshot
	err := f.meta.View(ctx, func(tx Tx) error {
		c, err := tx.Cell(cell)
		if err != nil {
			return orMissing(err, ErrNoCell)
		}
		s, err = tx.Snapshot(c.ID, name)
		return orMissing(err, fs.ErrNotExist)
	})
	if err != nil {
		return err
	}
	held, err := f.heldBy(ctx, []Snapshot{s})
	if err != nil {
		return err
	}
	return f.Update(ctx, func(tx Tx) error {
		if again, err := tx.Snapshot(s.Cell, name); err != nil || again.ID != s.ID {
			return errors.Join(fs.ErrNotExist, err)
		}
		n := snapshotNode(s)
		root, err := tx.CellByID(s.Cell)
		if err != nil {
			return err
		}
		at := Place{Depth: 3, Name: name, Node: &n}
		if root.ACL != nil {
			at.Above = []Level{{1, root.ACL}}
		}
		if err := check.run(tx, at); err != nil {
			return err
		}
		if err := tx.AddOrphans(held, now); err != nil {
			return err
		}
		return tx.DeleteSnapshot(s.ID, now)
	})
}

// heldBy lists the contents that the given snapshots refer to. An index that
// cannot be read holds nothing that could be saved.
func (f *FS) heldBy(ctx context.Context, all []Snapshot) (ids []int64, err error) {
	for _, s := range all {
		if !IsZipName(s.Name) {
			continue
		}
		err := f.zip.Blobs(ctx, f, s, func(id int64) error {
			ids = append(ids, id)
			return nil
		})
		if err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			f.log.Error("the references of a snapshot cannot be read", "snapshot", s.Name, "err", err)
		}
	}
	return ids, nil
}
