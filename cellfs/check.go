package cellfs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Report is what [FS.Check] found.
type Report struct {
	Cells, Nodes, Contents, Snapshots int
	Bytes                             int64 // of all contents
	Strays                            int   // unnamed files in the blob store: harmless, swept later
	// Problems says what is wrong, a line each; empty if the store is sound.
	Problems []string
}

// maxProblems bounds the report of a badly damaged store.
const maxProblems = 1000

// Check verifies the whole store: that the database is sound, that the rows form trees, that every content
// is there and has its size, CRC-32 and SHA-256, that snapshots and jobs refer
// to what exists, and that nothing unnamed escapes the sweeper. An error means
// that the check itself could not go on.
func (f *FS) Check(ctx context.Context) (Report, error) {
	if m, ok := f.meta.(IntegrityChecker); ok {
		faults, err := m.Integrity(ctx)
		if err != nil || len(faults) > 0 { // nothing that it says can be relied on
			return Report{Problems: databaseProblems(faults)}, err
		}
	}
	c := &checker{fs: f, ctx: ctx, uses: map[int64][]Use{}, sizes: map[int64]int64{}, named: map[int64]bool{}}
	err := f.meta.View(ctx, func(tx Tx) error {
		for _, step := range []func(Tx) error{c.contents, c.trees, c.records, c.orphans} {
			if err := step(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = c.damage()
	}
	if err == nil {
		err = c.snapshots()
	}
	if err == nil {
		err = c.strays()
	}
	return c.Report, err
}

func databaseProblems(faults []string) (all []string) {
	for _, f := range faults {
		all = append(all, ErrDatabase.Error()+": "+f)
	}
	return all
}

type checker struct {
	Report
	fs    *FS
	ctx   context.Context
	bad   []*DamagedError
	uses  map[int64][]Use // of those
	sizes map[int64]int64 // of the contents that exist
	named map[int64]bool  // contents that a node, a snapshot or a job names
	seen  int64           // nodes reached from the roots
}

func (c *checker) problem(format string, args ...any) {
	if len(c.Problems) < maxProblems {
		c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
	}
}

// contents reads every content and compares it with its row.
func (c *checker) contents(tx Tx) error {
	buf := make([]byte, verifyBuffer)
	for after := int64(0); ; {
		page, err := tx.Blobs(after, listPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, b := range page {
			if err := c.ctx.Err(); err != nil {
				return err
			}
			after = b.ID
			c.Contents++
			c.Bytes += b.Size
			c.sizes[b.ID] = b.Size
			if b.Data != nil { // the listing leaves the bytes out
				if b, err = tx.Blob(b.ID); err != nil {
					return err
				}
			}
			err := c.verify(&b, buf)
			if d := (*DamagedError)(nil); errors.As(err, &d) && len(c.bad) < maxProblems {
				c.bad = append(c.bad, d)
				if c.uses[b.ID], err = Uses(tx, b.ID); err != nil {
					c.problem("content %d: %v", b.ID, err)
				}
			} else if err != nil {
				c.problem("%v", err)
			}
		}
	}
}

func (c *checker) verify(b *Blob, buf []byte) error {
	r, err := c.fs.open(c.ctx, *b)
	if err != nil {
		return err
	}
	defer r.Close()
	return verify(b, r, buf, func(int) error { return nil })
}

// damage says where the damaged contents are.
func (c *checker) damage() error {
	ids := map[int64]bool{}
	for _, d := range c.bad {
		ids[d.ID] = true
	}
	held, err := c.fs.snapshotsOf(c.ctx, ids)
	if err != nil {
		return err
	}
	for _, d := range c.bad {
		c.problem("%s", problemOf(d, append(c.uses[d.ID], held[d.ID]...)))
	}
	return nil
}

func (c *checker) trees(tx Tx) error {
	cells, err := tx.Cells()
	if err != nil {
		return err
	}
	for _, cell := range cells {
		c.Cells++
		root, err := tx.Node(cell.Root)
		if err != nil {
			c.problem("cell %q: no root: %v", cell.Name, err)
			continue
		}
		if _, err := tx.Child(root.ID, MainBox); err != nil {
			c.problem("cell %q: no main box: %v", cell.Name, err)
		}
		if err := c.tree(tx, cell, root, 0); err != nil {
			return err
		}
		if nodes, bytes, err := c.counted(tx, cell); err != nil {
			return err
		} else if nodes != cell.Nodes || bytes != cell.Used {
			c.problem("cell %q: its %d resources have %d bytes, its row says %d and %d", cell.Name, nodes, bytes, cell.Nodes, cell.Used)
		}
		if err := c.logs(tx, cell); err != nil {
			return err
		}
	}
	asides, err := tx.Asides()
	if err != nil {
		return err
	}
	for _, a := range asides {
		n, bytes, err := tx.Count(a.Root)
		if err != nil {
			return err
		}
		if a.Job != 0 && (n != a.Nodes || bytes != a.Bytes) {
			c.problem("tree %d of an import: its %d resources have %d bytes, its row says %d and %d", a.Root, n, bytes, a.Nodes, a.Bytes)
		}
		c.seen += n
		if err := c.aside(tx, a.Root); err != nil {
			return err
		}
	}
	all, err := tx.Nodes()
	if err == nil && all != c.seen {
		c.problem("%d of %d nodes cannot be reached from a cell", all-c.seen, all)
	}
	c.Nodes = int(all)
	return err
}

// counted is what the row of a cell is to say: its tree, and what was removed of it and is not counted yet.
func (c *checker) counted(tx Tx, cell Cell) (nodes, bytes int64, err error) {
	asides, err := tx.Asides()
	if err != nil {
		return 0, 0, err
	}
	roots := []int64{cell.Root}
	for _, a := range asides {
		if a.Cell == cell.ID && a.Counts {
			roots = append(roots, a.Root)
		}
	}
	for _, root := range roots {
		n, b, err := tx.Count(root)
		if err != nil {
			return 0, 0, err
		}
		nodes, bytes = nodes+n, bytes+b
	}
	return nodes, bytes, nil
}

// aside notes what the nodes of a tree name that no cell shows.
func (c *checker) aside(tx Tx, root int64) error {
	return EachChild(tx, root, func(n *Node) error {
		if n.IsCollection() {
			return c.aside(tx, n.ID)
		}
		if c.named[n.Blob] = true; n.Blob != 0 && c.sizes[n.Blob] != n.Size {
			c.problem("node %d of an import names content %d of another size", n.ID, n.Blob)
		}
		return nil
	})
}

// logs verifies that the logs of a cell are as long as their rows say.
func (c *checker) logs(tx Tx, cell Cell) error {
	parts, err := tx.LogArchives(cell.ID)
	if err != nil {
		return err
	}
	parts = append(parts, LogArchive{After: cell.LogFrom, Last: math.MaxInt64, Size: cell.Log})
	for _, p := range parts {
		var size LogSize
		for after := p.After; ; {
			page, err := tx.Events(cell.ID, after, listPage)
			if err != nil {
				return err
			}
			for i := range page {
				if after = page[i].ID; after <= p.Last {
					size = size.Add(page[i].Size())
				}
			}
			if len(page) < listPage || after >= p.Last {
				break
			}
		}
		if size != p.Size {
			c.problem("cell %q: a log is %+v, its row says %+v", cell.Name, size, p.Size)
		}
	}
	return nil
}

func (c *checker) tree(tx Tx, cell Cell, n Node, depth int) error {
	c.seen++
	where := fmt.Sprintf("cell %q: node %d %q", cell.Name, n.ID, n.Name)
	if n.Cell != cell.ID {
		c.problem("%s belongs to cell %d", where, n.Cell)
	}
	if depth > MaxDepth+2 {
		c.problem("%s is deeper than %d", where, MaxDepth)
		return nil
	}
	if n.Version > cell.Gen {
		c.problem("%s has version %d, the cell is at %d", where, n.Version, cell.Gen)
	}
	if n.Blob != 0 {
		c.named[n.Blob] = true
		if size, ok := c.sizes[n.Blob]; !ok {
			c.problem("%s: content %d is missing", where, n.Blob)
		} else if size != n.Size {
			c.problem("%s: size %d, its content has %d", where, n.Size, size)
		}
	} else if n.Size != 0 {
		c.problem("%s: size %d without a content", where, n.Size)
	}
	if !n.IsCollection() {
		return nil
	}
	files := 0
	err := EachChild(tx, n.ID, func(m *Node) error {
		if err := CheckName(m.Name); err != nil {
			c.problem("cell %q: node %d: %v", cell.Name, m.ID, err)
		}
		if m.Kind == KindFile {
			files++
		}
		return c.tree(tx, cell, *m, depth+1)
	})
	if err == nil && files > 0 {
		err = c.indexes(tx, &n, files)
	}
	return err
}

func (c *checker) records(tx Tx) error {
	jobs, err := tx.Jobs()
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.Input != 0 {
			c.named[j.Input] = true
			if _, ok := c.sizes[j.Input]; !ok {
				c.problem("job %d: its input, content %d, is missing", j.ID, j.Input)
			}
		}
		if j.Target != 0 {
			if _, err := tx.Node(j.Target); err != nil {
				c.problem("job %d: its box: %v", j.ID, err)
			}
		}
	}
	all, err := tx.Snapshots(0)
	for _, s := range all {
		c.named[s.Index] = true
		if _, ok := c.sizes[s.Index]; !ok {
			c.problem("snapshot %q: its index, content %d, is missing", s.Name, s.Index)
		}
	}
	return err
}

// orphans finds contents that nothing names and that the sweeper does not know.
func (c *checker) orphans(tx Tx) error {
	listed := map[int64]bool{}
	for after := int64(0); ; {
		page, err := tx.Orphans(time.Unix(1<<40, 0), after, listPage)
		if err != nil {
			return err
		}
		for _, b := range page {
			listed[b.ID], after = true, b.ID
		}
		if len(page) < listPage {
			break
		}
	}
	for id := range c.sizes {
		if !c.named[id] && !listed[id] {
			c.problem("content %d: nothing names it and the sweeper does not know", id)
		}
	}
	return nil
}

// snapshots verifies what the finished ones refer to.
func (c *checker) snapshots() error {
	missing := 0
	err := c.fs.eachSnapshotBlob(c.ctx, func(_ *Snapshot, id int64) error {
		if _, ok := c.sizes[id]; !ok {
			missing++
		}
		return nil
	})
	if missing > 0 {
		c.problem("snapshots refer to %d contents that are missing", missing)
	}
	if err != nil {
		c.problem("%v", err)
	}
	return c.fs.View(c.ctx, func(tx Tx) error {
		all, err := tx.Snapshots(0)
		c.Snapshots = len(all)
		return err
	})
}

func (c *checker) strays() error {
	return c.fs.blobs.List(c.ctx, func(h Hash, _ int64, _ time.Time) error {
		return c.fs.View(c.ctx, func(tx Tx) error {
			if b, err := tx.BlobByHash(h); err != nil || b.Data != nil {
				c.Strays++
			}
			return nil
		})
	})
}
