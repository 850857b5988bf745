package cellfs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
)

// shownDate is a date that a client got for a URL.
type shownDate struct {
	path string
	date int64
}

// TestDatesNeverLie changes a tree at random, with steps of the clock that often stay
// within a second, and remembers what could be told of each name by a modification time, or
// by the time alone. A date that counts as a proof was never told of another content.
func TestDatesNeverLie(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { datesNeverLie(t, seed) })
	}
}

func datesNeverLie(t *testing.T, seed uint64) {
	ctx := context.Background()
	rnd := rand.New(rand.NewPCG(seed, 1))
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	now := start
	m, b := openMemory(t)
	f := cellfs.New(cellfs.Config{Meta: m, Blobs: b, Snapshots: cellfstest.NoSnapshots{}, Now: func() time.Time { return now }})
	cells := []string{"c1", "c2"}
	for _, c := range cells {
		if _, err := f.CreateCell(ctx, c, ""); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"/b/x", "/b/d/x", "/b/d/e/x", "/b/f/x"}
	dirs := []string{"/b", "/b/d", "/b/d/e", "/b/f", "/b/f/e"}
	all := append(names[:len(names):len(names)], dirs[1:]...)
	pick := func(from ...string) cellfs.Path {
		return cellfstest.Path(t, "/"+cells[rnd.IntN(2)*rnd.IntN(2)]+from[rnd.IntN(len(from))])
	}
	mtime := func() time.Time {
		switch rnd.IntN(4) {
		case 0:
			return now.Add(time.Duration(rnd.IntN(7)-3) * time.Second).Truncate(time.Second)
		case 1:
			return start.Add(time.Second)
		}
		return time.Time{}
	}
	change := func() error {
		switch rnd.IntN(10) {
		case 0, 1, 2:
			_, _, err := f.Put(ctx, pick(names...), strings.NewReader("x"), cellfs.PutOptions{MTime: mtime()})
			return err
		case 3:
			return f.Delete(ctx, pick(all...), nil)
		case 4, 5:
			_, err := f.Mkcol(ctx, pick(dirs...), cellfs.KindCollection, nil)
			return err
		case 6:
			_, err := f.Move(ctx, pick(all...), pick(all...), cellfs.TransferOptions{MTime: mtime()})
			return err
		case 7, 9:
			_, err := f.Copy(ctx, pick(all...), pick(all...), cellfs.TransferOptions{Shallow: rnd.IntN(3) == 0})
			return err
		}
		if rnd.IntN(4) > 0 {
			_, err := f.PatchTime(ctx, pick(all...), nil, mtime(), nil)
			return err
		}
		return f.Update(ctx, func(tx cellfs.Tx) error { // the cells change places
			return errors.Join(f.RenameCell(tx, cells[0], "c3"), f.RenameCell(tx, cells[1], cells[0]), f.RenameCell(tx, "c3", cells[1]))
		})
	}

	byTime, byDate := map[shownDate]map[string]bool{}, map[shownDate]map[string]bool{}
	note := func(in map[shownDate]map[string]bool, k shownDate, tag string) {
		if in[k] == nil {
			in[k] = map[string]bool{}
		}
		in[k][tag] = true
	}
	proofs, echoes := 0, 0
	for range 4000 {
		now = now.Add([]time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, 300 * time.Millisecond, 20 * time.Second}[rnd.IntN(5)])
		if err := change(); err != nil && !expected(err) {
			t.Fatal(err)
		}
		for _, name := range names {
			path := "/" + cells[0] + name
			at, err := f.Find(ctx, cellfstest.Path(t, path))
			if err != nil {
				continue
			}
			n, tag := at.Node, at.Node.ETag()
			shown := n.LastModified()
			if shown.After(now) {
				shown = now
			}
			note(byTime, shownDate{path, shown.Unix()}, tag)
			note(byDate, shownDate{path, now.Unix()}, tag)
			for _, date := range []time.Time{shown, now, now.Add(-time.Minute), now.Add(-90 * time.Second), start.Add(time.Second)} {
				date = date.Truncate(time.Second)
				if !n.UnchangedSince(date, at.DatesFrom, now) {
					continue
				}
				proofs++
				seen := byTime[shownDate{path, date.Unix()}]
				if n.MTime.IsZero() && date.Equal(n.Modified.Truncate(time.Second)) {
					echoes++
				} else {
					seen = both(seen, byDate[shownDate{path, date.Unix()}])
				}
				for other := range seen {
					if other != tag {
						t.Fatalf("%s: %v was told of %s too, and counts as proof of %s (dates from %v, modified %v, set %v, now %v)",
							path, date, other, tag, at.DatesFrom, n.Modified, n.MTime, now)
					}
				}
			}
		}
	}
	if proofs < 500 || echoes < 300 {
		t.Errorf("only %d dates were proofs, %d of them the time of the content", proofs, echoes)
	}
}

func both(a, b map[string]bool) map[string]bool {
	all := maps.Clone(a)
	if all == nil {
		return b
	}
	maps.Copy(all, b)
	return all
}

// expected are refusals of what makes no sense for the tree as it is.
func expected(err error) bool {
	for _, e := range []error{
		fs.ErrNotExist, fs.ErrExist, cellfs.ErrNoCell, cellfs.ErrNoBox, cellfs.ErrNoParent, cellfs.ErrIsCollection, cellfs.ErrSame,
		cellfs.ErrOverlap, cellfs.ErrReadOnly,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
