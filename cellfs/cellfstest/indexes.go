package cellfstest

import (
	"errors"
	"fmt"
	"io/fs"

	"cellar/cellfs"
)

// testIndexes checks [cellfs.IndexReader] and [cellfs.IndexWriter].
func testIndexes(t metaTest) {
	c := t.cell("c")
	set := t.node(c, c.Root, "set", cellfs.KindCollection, "")
	for _, name := range []string{"a", "b", "c", "d"} {
		t.node(c, set.ID, name, cellfs.KindFile, name)
	}
	x, other := cellfs.Index{Node: set.ID, Property: "p"}, cellfs.Index{Node: set.ID, Property: "q"}
	t.update(func(tx cellfs.Tx) error {
		err := errors.Join(tx.AddIndex(&x), tx.AddIndex(&other),
			tx.AddIndexRows(x.ID, cellfs.IndexRow{Value: []byte("2"), Name: "a"}, cellfs.IndexRow{Value: []byte("1"), Name: "b"}, cellfs.IndexRow{Value: []byte("2"), Name: "c"}, cellfs.IndexRow{Value: []byte("3\xff"), Name: "d"}),
			tx.AddIndexRows(other.ID, cellfs.IndexRow{Value: []byte{}, Name: "a"}))
		x.Through, x.Complete = "d", true
		return errors.Join(err, tx.SetIndex(x))
	})
	if err := Update(t.Context(), t.m, func(tx cellfs.Tx) error {
		again := cellfs.Index{Node: set.ID, Property: "p"}
		return tx.AddIndex(&again)
	}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second index by the same property: %v", err)
	}
	t.view(func(tx cellfs.Tx) error {
		all, err := tx.Indexes(set.ID)
		if fmt.Sprint(all) != fmt.Sprint([]cellfs.Index{x, other}) {
			t.Errorf("indexes %+v", all)
		}
		if !all[0].Has("z") || all[1].Has("a") {
			t.Errorf("%+v: what they have", all)
		}
		for _, q := range []struct {
			r    cellfs.IndexRange
			want string
		}{
			{cellfs.IndexRange{}, "1b 2a 2c 3\xffd"}, {cellfs.IndexRange{Down: true}, "3\xffd 2c 2a 1b"},
			{cellfs.IndexRange{From: []byte("2"), To: []byte("2\x00")}, "2a 2c"}, {cellfs.IndexRange{From: []byte("2")}, "2a 2c 3\xffd"},
			{cellfs.IndexRange{To: []byte("2")}, "1b"}, {cellfs.IndexRange{From: []byte("4")}, ""},
		} {
			got, n := "", 0
			rerr := tx.IndexedDocuments(&x, q.r, func(d *cellfs.Document) error {
				if string(d.Data) != d.Name {
					t.Errorf("document %q has %q", d.Name, d.Data)
				}
				if n++; n > 1 {
					got += " "
				}
				got += string(d.Value) + d.Name
				return nil
			})
			if got != q.want || rerr != nil {
				t.Errorf("%+v: %q, %v, want %q", q.r, got, rerr, q.want)
			}
			for _, limit := range []int{2, 10} {
				if count, err := tx.CountIndexed(x.ID, q.r, limit); count != min(n, limit) || err != nil {
					t.Errorf("%+v: counts %d of %d, %v", q.r, count, n, err)
				}
			}
		}
		return err
	})
	t.update(func(tx cellfs.Tx) error {
		return errors.Join(tx.DeleteIndexRow(x.ID, cellfs.IndexRow{Value: []byte("2"), Name: "a"}), tx.DeleteIndexRow(x.ID, cellfs.IndexRow{Value: []byte("9"), Name: "a"}))
	})
	counts := func(want int) {
		t.Helper()
		t.view(func(tx cellfs.Tx) error {
			n, err := tx.CountIndexed(x.ID, cellfs.IndexRange{}, 10)
			if n != want {
				t.Errorf("%d rows, want %d", n, want)
			}
			return err
		})
	}
	counts(3)
	t.testPurge(set, other, counts)
}

// testPurge checks that indexes that are given up go piece by piece, and those of collections that are gone.
func (t metaTest) testPurge(set cellfs.Node, other cellfs.Index, counts func(int)) {
	purge := func(limit int, want int64) {
		t.Helper()
		t.update(func(tx cellfs.Tx) error {
			n, err := tx.PurgeIndexes(limit)
			if n != want {
				t.Errorf("purged %d, want %d", n, want)
			}
			return err
		})
	}
	purge(10, 0)
	t.update(func(tx cellfs.Tx) error { return tx.DropIndex(other.ID) })
	t.view(func(tx cellfs.Tx) error {
		all, err := tx.Indexes(set.ID)
		if len(all) != 1 {
			t.Errorf("indexes %+v", all)
		}
		return err
	})
	t.update(func(tx cellfs.Tx) error { return tx.AddIndex(&cellfs.Index{Node: set.ID, Property: other.Property}) }) // anew
	purge(10, 1)
	t.update(func(tx cellfs.Tx) error { return tx.DeleteTree(&set, at) })
	purge(2, 2)
	counts(1)
	purge(2, 1)
	counts(0)
	purge(2, 0)
}
