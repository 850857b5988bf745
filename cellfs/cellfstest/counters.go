package cellfstest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"

	"cellar/cellfs"
)

var errRefused = errors.New("refused")

// testCounters lets several writers change trees at random, some of it refused
// at the end, and compares within each Update what a writer sees with what the
// tree says.
func testCounters(t metaTest) {
	a, b := t.cell("a"), t.cell("b")
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			r := &randomWrites{t: t, rand: rand.New(rand.NewPCG(1, uint64(w))), cells: []cellfs.Cell{a, b}, name: fmt.Sprint("w", w)}
			for range 20 {
				r.update()
			}
		})
	}
	wg.Wait()
	seen := map[string]cellfs.Cell{}
	t.update(func(tx cellfs.Tx) error {
		all, err := tx.Cells()
		for _, c := range all {
			seen[c.Name] = c
		}
		return err
	})
	t.view(func(tx cellfs.Tx) error {
		for name, c := range seen {
			if got, err := tx.Cell(name); err != nil || got != c {
				t.Errorf("a View sees %+v (%v), an Update %+v", got, err, c)
			}
			wantUsed(t, tx, c)
		}
		return nil
	})
}

func wantUsed(t metaTest, tx cellfs.Tx, c cellfs.Cell) {
	if nodes, bytes, err := tx.Count(c.Root); err != nil || nodes != c.Nodes || bytes != c.Used {
		t.Errorf("cell %s: %d nodes use %d bytes, of its tree %d have %d (%v)", c.Name, c.Nodes, c.Used, nodes, bytes, err)
	}
}

type randomWrites struct {
	t     metaTest
	rand  *rand.Rand
	cells []cellfs.Cell
	name  string
	n     int
}

// update makes a few changes in one Update, and sometimes refuses them all.
func (r *randomWrites) update() {
	refuse := r.rand.IntN(3) == 0
	err := Update(context.Background(), r.t.m, func(tx cellfs.Tx) error {
		for range 1 + r.rand.IntN(4) {
			if err := r.change(tx); err != nil {
				return err
			}
		}
		for _, c := range r.cells {
			now, err := tx.CellByID(c.ID)
			if err != nil {
				return err
			}
			wantUsed(r.t, tx, now)
		}
		if refuse {
			return errRefused
		}
		return nil
	})
	if refuse != errors.Is(err, errRefused) || !refuse && err != nil {
		r.t.Errorf("Update = %v, refused: %v", err, refuse)
	}
}

func (r *randomWrites) change(tx cellfs.Tx) error {
	cell := r.cells[r.rand.IntN(2)]
	if _, err := tx.Touch(cell.ID, int64(r.rand.IntN(500))); err != nil {
		return err
	}
	r.n++
	dir := cellfs.Node{Cell: cell.ID, Parent: cell.Root, Name: fmt.Sprint(r.name, "d", r.n), Kind: cellfs.KindCollection, Created: at, Modified: at}
	if r.rand.IntN(2) == 0 {
		dir.Props = []cellfs.Property{{Space: "u", Local: "p", Lang: "de", XML: strings.Repeat("x", 1+r.rand.IntN(50))}}
	}
	if err := tx.AddNode(&dir); err != nil {
		return err
	}
	file := dir
	file.Parent, file.Name, file.Kind, file.Size = dir.ID, "f", cellfs.KindFile, int64(r.rand.IntN(100))
	if err := tx.AddNode(&file); err != nil {
		return err
	}
	found, err := tx.Child(cell.Root, dir.Name)
	if err != nil || !reflect.DeepEqual(found, dir) {
		return fmt.Errorf("child %+v, want %+v: %w", found, dir, err)
	}
	switch r.rand.IntN(6) {
	case 0:
		bigger := file
		bigger.Size += 5
		bigger.Props = []cellfs.Property{{Space: "u", Local: "p", XML: "<p/>"}}
		return tx.SetNode(&file, &bigger, at)
	case 1:
		return tx.DeleteTree(&file, at)
	case 2:
		return r.deleteDir(tx, dir)
	case 3:
		other := r.cells[r.rand.IntN(2)]
		moved := dir
		moved.Cell, moved.Parent, moved.Name = other.ID, other.Root, dir.Name+"m"
		if err := tx.SetNode(&dir, &moved, at); err != nil || other.ID == cell.ID {
			return err
		}
		return tx.SetCellOf(dir.ID, other.ID)
	case 4:
		other := r.cells[r.rand.IntN(2)]
		twin := dir
		twin.Cell, twin.Parent, twin.Name = other.ID, other.Root, dir.Name+"c"
		if err := tx.AddNode(&twin); err != nil {
			return err
		}
		return tx.CopyTree(dir.ID, &twin, 1, at)
	default:
		return r.passingCell(tx)
	}
}

// deleteDir removes a collection, which then is not found any more.
func (r *randomWrites) deleteDir(tx cellfs.Tx, dir cellfs.Node) error {
	if err := tx.DeleteTree(&dir, at); err != nil {
		return err
	}
	if n, err := tx.Child(dir.Parent, dir.Name); err == nil {
		return fmt.Errorf("%+v is found after its removal", n)
	}
	return nil
}

// passingCell makes a cell and, half the time, removes it.
func (r *randomWrites) passingCell(tx cellfs.Tx) error {
	c := cellfs.Cell{Name: fmt.Sprint(r.name, "c", r.n), Quota: 7, Created: at}
	if err := tx.AddCell(&c); err != nil {
		return err
	}
	if err := errors.Join(tx.SetKeep(c.ID, 3), tx.SetQuota(c.ID, 9)); err != nil {
		return err
	}
	if got, err := tx.Cell(c.Name); err != nil || got.Quota != 9 {
		return fmt.Errorf("quota of %+v (%w)", got, err)
	}
	if r.rand.IntN(2) == 0 {
		return nil
	}
	if err := tx.DeleteCell(c.ID, at); err != nil {
		return err
	}
	if got, err := tx.Cell(c.Name); err == nil {
		return fmt.Errorf("%+v is found after its removal", got)
	}
	return nil
}
