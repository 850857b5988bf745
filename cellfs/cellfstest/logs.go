package cellfstest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"time"

	"cellar/cellfs"
)

// testLogs closes and drops event logs, and purges what was in them.
func testLogs(t metaTest) {
	c, other := t.cell("c1"), t.cell("c2")
	add := func(n int) (size cellfs.LogSize) {
		t.update(func(tx cellfs.Tx) error {
			for i := range n {
				e := cellfs.Event{Cell: c.ID, Time: at, RequestKey: "k", External: i%2 == 0, Subject: cellfs.LocalUnit + "#s", Type: fmt.Sprint(i), Object: cellfs.LocalCell + `a"é`}
				size = size.Add(e.Size())
				if err := tx.AddEvents(e, cellfs.Event{Cell: other.ID, Time: at, Type: "other"}); err != nil {
					return err
				}
			}
			return nil
		})
		return size
	}
	want := func(size cellfs.LogSize) {
		t.Helper()
		look := func(tx cellfs.Tx) error {
			got, err := tx.CellByID(c.ID)
			if got.Log != size {
				t.Errorf("the log is %+v, want %+v", got.Log, size)
			}
			return err
		}
		t.view(look)
		t.update(look)
	}
	close := func(closed time.Time) {
		t.update(func(tx cellfs.Tx) error { return tx.CloseLog(c.ID, closed) })
	}
	want(cellfs.LogSize{})
	first := add(3)
	want(first)
	refused := errors.New("refused")
	err := Update(context.Background(), t.m, func(tx cellfs.Tx) error {
		return errors.Join(tx.AddEvents(cellfs.Event{Cell: c.ID, Time: at, Type: "t"}), tx.CloseLog(c.ID, at), refused)
	})
	if !errors.Is(err, refused) {
		t.Error(err)
	}
	want(first) // what was refused does not count
	close(at)
	want(cellfs.LogSize{})
	second := add(5)
	close(at.Add(time.Second))
	third := add(2)
	want(third)
	var archives []cellfs.LogArchive
	t.view(func(tx cellfs.Tx) (err error) {
		archives, err = tx.LogArchives(c.ID)
		return err
	})
	if len(archives) != 2 || archives[0].Size != first || archives[1].Size != second || !archives[0].Closed.Equal(at) ||
		archives[0].After != 0 || archives[1].After != archives[0].Last || archives[1].Cell != c.ID {
		t.Fatalf("archives %+v", archives)
	}
	t.update(func(tx cellfs.Tx) error { return tx.DropLog(c.ID, at) })
	if err := Update(context.Background(), t.m, func(tx cellfs.Tx) error { return tx.DropLog(c.ID, at) }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("DropLog twice = %v", err)
	}
	for i, purged := range []int64{2, 1, 0} { // three events of c1, in pages of two
		t.update(func(tx cellfs.Tx) error {
			n, err := tx.PurgeEvents(2)
			if n != purged {
				t.Errorf("purge %d removes %d events, want %d", i, n, purged)
			}
			return err
		})
	}
	t.view(func(tx cellfs.Tx) error {
		left, err := tx.Events(c.ID, 0, 100)
		others, oerr := tx.Events(other.ID, 0, 100)
		if len(left) != 7 || left[0].ID <= archives[0].Last || len(others) != 10 {
			t.Errorf("%d events are left, and %d of the other cell", len(left), len(others))
		}
		all, aerr := tx.LogArchives(c.ID)
		if !reflect.DeepEqual(all, archives[1:]) {
			t.Errorf("archives %+v", all)
		}
		return errors.Join(err, oerr, aerr)
	})
	close(at) // the time is free again
	t.update(func(tx cellfs.Tx) error { return tx.DeleteCell(c.ID, at) })
	t.view(func(tx cellfs.Tx) error {
		all, err := tx.LogArchives(c.ID)
		if len(all) != 0 {
			t.Errorf("a deleted cell has archives %+v", all)
		}
		return err
	})
}
