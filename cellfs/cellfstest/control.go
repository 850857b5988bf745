package cellfstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"time"

	"cellar/cellfs"
)

// testControlChanges: control objects change and go, and their links with them.
func testControlChanges(t metaTest) {
	ctx := context.Background()
	c := t.cell("c1")
	add := func(set, key string) cellfs.Entity {
		e := cellfs.Entity{Cell: c.ID, Set: set, Key: key, Doc: json.RawMessage(`{}`), Created: at, Updated: at}
		t.update(func(tx cellfs.Tx) error { return tx.AddEntity(&e) })
		return e
	}
	end := func(e cellfs.Entity) cellfs.End { return cellfs.End{Set: e.Set, Key: fmt.Sprint(e.ID)} }
	a, b, role := add(cellfs.SetAccount, "a"), add(cellfs.SetAccount, "b"), add(cellfs.SetRole, "r")
	fails := func(what string, want error, fn func(cellfs.Tx) error) {
		t.Helper()
		if err := t.m.Update(ctx, fn); !errors.Is(err, want) {
			t.Errorf("%s = %v, want %v", what, err, want)
		}
	}

	a.Key, a.Doc, a.Hidden, a.Updated = "c", json.RawMessage(`{"n":1}`), json.RawMessage(`{"h":2}`), at.Add(time.Hour)
	t.update(func(tx cellfs.Tx) error { return tx.SetEntity(&a) })
	t.view(func(tx cellfs.Tx) error {
		got, err := tx.Entity(c.ID, 0, cellfs.SetAccount, "c")
		if !reflect.DeepEqual(got, a) {
			t.Errorf("after the change %+v, want %+v", got, a)
		}
		return err
	})
	taken, gone := a, a
	taken.Key, gone.ID = "b", 1<<40
	fails("SetEntity with the key of another", fs.ErrExist, func(tx cellfs.Tx) error { return tx.SetEntity(&taken) })
	fails("SetEntity of nothing", fs.ErrNotExist, func(tx cellfs.Tx) error { return tx.SetEntity(&gone) })

	link := cellfs.Link{Cell: c.ID, From: end(a), To: end(role)}
	back := cellfs.Link{Cell: c.ID, From: end(role), To: end(b)}
	t.update(func(tx cellfs.Tx) error { return errors.Join(tx.AddLink(link), tx.AddLink(back)) })
	t.update(func(tx cellfs.Tx) error { // from the other end
		return tx.DeleteLink(cellfs.Link{Cell: c.ID, From: end(b), To: end(role)})
	})
	fails("DeleteLink twice", fs.ErrNotExist, func(tx cellfs.Tx) error { return tx.DeleteLink(back) })
	t.update(func(tx cellfs.Tx) error { return tx.DeleteEntity(role.ID) })
	fails("DeleteEntity twice", fs.ErrNotExist, func(tx cellfs.Tx) error { return tx.DeleteEntity(role.ID) })
	t.view(func(tx cellfs.Tx) error {
		all, err := tx.Entities(c.ID, "")
		links, lerr := tx.Links(c.ID, 0)
		if len(all) != 2 || len(links) != 0 {
			t.Errorf("left are %+v and the links %+v", all, links)
		}
		return errors.Join(err, lerr)
	})
}
