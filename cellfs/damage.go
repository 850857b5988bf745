package cellfs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"
)

// DamagedError is a content that is not what its row says: missing, of another size, or
// with other bytes. It does not wrap [fs.ErrNotExist]: the resource is there, and a client
// that got a 404 would delete its own copy.
type DamagedError struct {
	ID      int64
	Hash    Hash
	Problem string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("content %d (%s) is damaged: %s", e.ID, e.Hash, e.Problem)
}

func damaged(b *Blob, format string, args ...any) error {
	return &DamagedError{ID: b.ID, Hash: b.Hash, Problem: fmt.Sprintf(format, args...)}
}

func wrongSize(b *Blob, size int64) error {
	return damaged(b, "it has %d bytes, its row says %d", size, b.Size)
}

// lost is the error of a content that cannot be opened.
func lost(b *Blob, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return damaged(b, "its bytes are missing")
	}
	return fmt.Errorf("content %d (%s): %w", b.ID, b.Hash, err)
}

// verifyBuffer is how much is read at a time to look at a content, in bytes.
const verifyBuffer = 256 << 10

// verify reads a content and compares it with its row. read is called for every n bytes
// that were. What is wrong with it comes as a [*DamagedError].
func verify(b *Blob, c Content, buf []byte, read func(n int) error) error {
	sum, crc, size := sha256.New(), crc32.NewIEEE(), int64(0)
	for {
		n, err := c.Read(buf)
		sum.Write(buf[:n])
		crc.Write(buf[:n])
		size += int64(n)
		if rerr := read(n); rerr != nil {
			return rerr
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return damaged(b, "it cannot be read: %v", err)
		}
	}
	switch {
	case size != b.Size:
		return wrongSize(b, size)
	case Hash(sum.Sum(nil)) != b.Hash:
		return damaged(b, "its SHA-256 differs")
	case crc.Sum32() != b.CRC32:
		return damaged(b, "the CRC-32 of its row differs")
	}
	return nil
}

// Use is something that a content is used for.
type Use struct {
	Cell string // name; "" if it is in none
	Path string // in the cell, with a slash before it; or what it is, in words
}

func (u Use) String() string { return fmt.Sprintf("cell %q: %s", u.Cell, u.Path) }

// maxUses bounds the files that are named for one content.
const maxUses = 10

// Uses reports where a content is: the files that have it, at most [maxUses], the snapshot whose
// index it is, the job that works from it. What snapshots refer to is not looked for.
func Uses(tx Tx, id int64) (uses []Use, err error) {
	nodes, err := tx.NodesOf(id, maxUses)
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		u, err := useOf(tx, &nodes[i])
		if err != nil {
			return nil, err
		}
		uses = append(uses, u)
	}
	snapshots, err := tx.Snapshots(0)
	if err != nil {
		return nil, err
	}
	for _, s := range snapshots {
		if s.Index == id {
			uses = append(uses, Use{nameOfCell(tx, s.Cell), "/" + SnapshotArea + "/" + s.Name})
		}
	}
	jobs, err := tx.Jobs()
	for _, j := range jobs {
		if j.Input == id {
			uses = append(uses, Use{nameOfCell(tx, j.Cell), fmt.Sprintf("what job %d (%s) works from", j.ID, j.Kind)})
		}
	}
	return uses, err
}

// useOf is the file that a node is.
func useOf(tx Tx, n *Node) (u Use, err error) {
	path := ""
	for at := *n; at.Parent != 0; {
		path = "/" + at.Name + path
		if at, err = tx.Node(at.Parent); err != nil {
			return u, fmt.Errorf("what lies above node %d: %w", n.ID, err)
		}
		if at.Parent == 0 {
			c, err := tx.CellByID(at.Cell)
			if err != nil || c.Root != at.ID {
				return Use{nameOfCell(tx, at.Cell), path[1:] + " in a tree that an import makes or replaced"}, nil
			}
			return Use{c.Name, path}, nil
		}
	}
	return Use{nameOfCell(tx, n.Cell), path}, nil
}

func nameOfCell(tx Tx, id int64) string {
	c, err := tx.CellByID(id)
	if err != nil {
		return ""
	}
	return c.Name
}

// reported remembers which damage was logged.
type reported struct {
	mu sync.Mutex
	at map[int64]time.Time // by content
}

const (
	// reportAgain is how long a damaged content that is asked for is logged only once.
	reportAgain = time.Hour
	// maxReported bounds the contents that are remembered for that.
	maxReported = 10_000
)

func (t *reported) isNew(id int64, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at, ok := t.at[id]; ok && now.Sub(at) < reportAgain {
		return false
	}
	if t.at == nil || len(t.at) >= maxReported {
		t.at = map[int64]time.Time{}
	}
	t.at[id] = now
	return true
}

// notice logs an error if it is a damaged content, with cell and path.
func (f *FS) notice(tx Tx, err error) {
	var d *DamagedError
	if errors.As(err, &d) && f.reported.isNew(d.ID, f.now()) {
		f.reportDamage(tx, d)
	}
}

// noticeLater is notice outside of a transaction.
func (f *FS) noticeLater(ctx context.Context, err error) {
	if err == nil {
		return
	}
	if d := (*DamagedError)(nil); !errors.As(err, &d) {
		return
	}
	verr := f.meta.View(context.WithoutCancel(ctx), func(tx Tx) error {
		f.notice(tx, err)
		return nil
	})
	if verr != nil {
		f.log.Error("a content is damaged", "problem", err)
	}
}

// reportDamage logs where a damaged content is.
func (f *FS) reportDamage(tx Tx, d *DamagedError, held ...Use) {
	uses, err := Uses(tx, d.ID)
	if err != nil {
		f.log.Error("a damaged content cannot be looked for", "content", d.Hash.String(), "err", err)
	}
	uses = append(uses, held...)
	if len(uses) == 0 {
		uses = []Use{{"", "no file that is there; perhaps in snapshots"}}
	}
	for _, u := range uses {
		f.log.Error("a content is damaged", "cell", u.Cell, "path", u.Path, "problem", d.Problem, "content", d.Hash.String())
	}
}

// snapshotsOf finds the snapshots that refer to contents, at most [maxUses] each. Snapshots that
// cannot be read are left out: they are damaged themselves.
func (f *FS) snapshotsOf(ctx context.Context, ids map[int64]bool) (map[int64][]Use, error) {
	held := map[int64][]Use{}
	if len(ids) == 0 {
		return held, nil
	}
	var all []Snapshot
	names := map[int64]string{}
	err := f.meta.View(ctx, func(tx Tx) (err error) {
		all, err = tx.Snapshots(0)
		for _, s := range all {
			names[s.Cell] = nameOfCell(tx, s.Cell)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if !IsZipName(s.Name) {
			continue
		}
		use := Use{names[s.Cell], "/" + SnapshotArea + "/" + s.Name}
		err := f.zip.Blobs(ctx, f, s, func(id int64) error {
			if n := len(held[id]); ids[id] && n < maxUses && (n == 0 || held[id][n-1] != use) {
				held[id] = append(held[id], use)
			}
			return nil
		})
		if err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return held, nil
}

// problemOf says for a report what is wrong with a content, a line for each use.
func problemOf(d *DamagedError, uses []Use) string {
	lines := make([]string, len(uses))
	for i, u := range uses {
		lines[i] = u.String()
	}
	if len(lines) == 0 {
		return d.Error()
	}
	return strings.Join(lines, ", ") + ": " + d.Error()
}
