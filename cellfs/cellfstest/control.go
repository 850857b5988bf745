package cellfstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
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
		if err := Update(ctx, t.m, fn); !errors.Is(err, want) {
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

// testAccess: the ACLs that decide, cells with other names, entities in other boxes.
func testAccess(t metaTest) {
	ctx := context.Background()
	c := t.cell("c1")
	acl := func(local string) *cellfs.ACL {
		return &cellfs.ACL{ACEs: []cellfs.ACE{{Privileges: []cellfs.Privilege{{Space: "DAV:", Local: local}}}}}
	}
	setACL := func(id int64, a *cellfs.ACL) {
		t.update(func(tx cellfs.Tx) error {
			n, err := tx.Node(id)
			changed := n
			changed.ACL = a
			return errors.Join(err, tx.SetNode(&n, &changed, at))
		})
	}
	ofCell := func(want *cellfs.ACL) {
		t.Helper()
		check := func(tx cellfs.Tx) error {
			byName, err := tx.Cell("c1")
			byID, ierr := tx.CellByID(c.ID)
			if !reflect.DeepEqual(byName.ACL, want) || !reflect.DeepEqual(byID.ACL, want) {
				t.Errorf("the cell has the ACL %v, by id %v, want %v", byName.ACL, byID.ACL, want)
			}
			return errors.Join(err, ierr)
		}
		t.view(check)
		t.update(check) // the writer may know it from elsewhere
	}
	ofCell(nil)
	setACL(c.Root, acl("all"))
	ofCell(acl("all"))
	refused := errors.New("refused")
	err := Update(ctx, t.m, func(tx cellfs.Tx) error {
		n, err := tx.Node(c.Root)
		changed := n
		changed.ACL = acl("read")
		return errors.Join(err, tx.SetNode(&n, &changed, at), refused)
	})
	if !errors.Is(err, refused) {
		t.Error(err)
	}
	ofCell(acl("all"))
	setACL(c.Root, nil)
	ofCell(nil)

	var box cellfs.Node
	t.update(func(tx cellfs.Tx) (err error) {
		box, err = tx.Child(c.Root, cellfs.MainBox)
		d := cellfs.Node{Cell: c.ID, Parent: box.ID, Name: "d", Kind: cellfs.KindCollection, Created: at, Modified: at, ACL: acl("read")}
		d.ACL.RequireSchemaAuthz = "public"
		err = errors.Join(err, tx.AddNode(&d))
		f := cellfs.Node{Cell: c.ID, Parent: d.ID, Name: "f", Kind: cellfs.KindFile, Created: at, Modified: at, ACL: acl("write")}
		f.ACL.RequireSchemaAuthz = "confidential"
		g := cellfs.Node{Cell: c.ID, Parent: d.ID, Name: "g", Kind: cellfs.KindFile, Created: at, Modified: at, ACL: f.ACL}
		h := cellfs.Node{Cell: c.ID, Parent: d.ID, Name: "h", Kind: cellfs.KindFile, Created: at, Modified: at, ACL: acl("read")}
		return errors.Join(err, tx.AddNode(&f), tx.AddNode(&g), tx.AddNode(&h))
	})
	setACL(box.ID, acl("bind"))
	t.view(func(tx cellfs.Tx) error {
		all, err := tx.AuthzBelow(c.ID, box.ID)
		if !slices.Equal(all, []string{"confidential", "public"}) {
			t.Errorf("what lies below the box asks of applications for %q", all)
		}
		return err
	})

	t.cell("c2")
	if err := Update(ctx, t.m, func(tx cellfs.Tx) error { return tx.RenameCell(c.ID, "c2") }); !errors.Is(err, fs.ErrExist) {
		t.Errorf("RenameCell to a name that is taken = %v", err)
	}
	if err := Update(ctx, t.m, func(tx cellfs.Tx) error { return errors.Join(tx.RenameCell(c.ID, "c3"), refused) }); !errors.Is(err, refused) {
		t.Error(err)
	}
	names := func(want string) {
		t.Helper()
		check := func(tx cellfs.Tx) error {
			for _, name := range []string{"c1", "c3"} {
				if got, err := tx.Cell(name); (err == nil) != (name == want) || err == nil && got.ID != c.ID {
					t.Errorf("cell %q: %+v, %v; want it to be %s", name, got, err, want)
				}
			}
			return nil
		}
		t.view(check)
		t.update(check)
	}
	names("c1")
	t.update(func(tx cellfs.Tx) error { return tx.RenameCell(c.ID, "c3") })
	names("c3")

	e := cellfs.Entity{Cell: c.ID, Set: cellfs.SetRole, Key: "r", Doc: json.RawMessage(`{}`), Created: at, Updated: at}
	t.update(func(tx cellfs.Tx) error { return tx.AddEntity(&e) })
	if e.Version != 1 {
		t.Errorf("a new entity has the version %d", e.Version)
	}
	e.Box = box.ID
	t.update(func(tx cellfs.Tx) error { return tx.SetEntity(&e) })
	t.view(func(tx cellfs.Tx) error {
		got, err := tx.Entity(c.ID, box.ID, cellfs.SetRole, "r")
		if got.Version != 2 || got.ID != e.ID || e.Version != 2 {
			t.Errorf("in the box is %+v, and %+v was told", got, e)
		}
		return err
	})
}
