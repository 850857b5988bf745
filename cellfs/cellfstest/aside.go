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

// testAside builds a tree aside, gives one up, and puts one in the place of a
// cell's tree.
func testAside(t metaTest) {
	ctx := context.Background()
	c := t.cell("c1")
	box := cellfs.Node{Cell: c.ID, Parent: c.Root, Name: "b", Kind: cellfs.KindBox, Schema: "https://a/", Created: at, Modified: at}
	t.update(func(tx cellfs.Tx) error {
		return errors.Join(tx.AddNode(&box), tx.AddEntity(&cellfs.Entity{Cell: c.ID, Set: cellfs.SetRole, Key: "old", Doc: json.RawMessage(`{}`), Created: at, Updated: at}),
			tx.PutJob(&cellfs.Job{Kind: "install", Cell: c.ID, Target: box.ID, State: "failed", Started: at}))
	})
	t.node(c, box.ID, "old", cellfs.KindFile, "old content")
	// build makes a tree with 40 files, for job, and returns its root and its box.
	build := func(job int64) (root, box cellfs.Node) {
		root = cellfs.Node{Cell: c.ID, Kind: cellfs.KindCell, Version: 7, Created: at, Modified: at}
		box = cellfs.Node{Cell: c.ID, Name: "b", Kind: cellfs.KindBox, Created: at, Modified: at}
		t.update(func(tx cellfs.Tx) error {
			if err := tx.AddAside(job, &root); err != nil {
				return err
			}
			box.Parent = root.ID
			if err := tx.AddAsideNodes(root.ID, []*cellfs.Node{&box}); err != nil {
				return err
			}
			var files []*cellfs.Node
			for i := range 40 {
				id, err := cellfs.StageBytes([]byte(fmt.Sprint("content ", job, i))).Add(tx)
				if err != nil {
					return err
				}
				files = append(files, &cellfs.Node{Cell: c.ID, Parent: box.ID, Name: fmt.Sprint("f", i), Kind: cellfs.KindFile, Blob: id, Size: 10, Created: at, Modified: at})
			}
			role := cellfs.Entity{Cell: -job, Set: cellfs.SetRole, Key: "new", Box: box.ID, Doc: json.RawMessage(`{}`), Created: at, Updated: at}
			if err := errors.Join(tx.AddAsideNodes(root.ID, files), tx.AddEntity(&role)); err != nil {
				return err
			}
			end := cellfs.End{Set: cellfs.SetRole, Key: fmt.Sprint(role.ID)}
			return tx.AddLink(cellfs.Link{Cell: -job, From: end, To: end})
		})
		return root, box
	}
	used := func(want int64) {
		t.Helper()
		look := func(tx cellfs.Tx) error {
			got, err := tx.Cell("c1")
			if got.Used != want {
				t.Errorf("%d bytes are used, want %d", got.Used, want)
			}
			return err
		}
		t.view(look)
		t.update(look)
	}
	asides := func() (all []cellfs.Aside) {
		t.view(func(tx cellfs.Tx) (err error) {
			all, err = tx.Asides()
			return err
		})
		return all
	}
	used(11)
	lost, _ := build(5)
	root, newBox := build(6)
	// What is set of a tree aside counts there.
	t.update(func(tx cellfs.Tx) error {
		old, err := tx.Node(root.ID)
		if err != nil {
			return err
		}
		n := old
		n.Props = []cellfs.Property{{Space: "u", Local: "p", XML: "<p/>"}}
		n.ACL = &cellfs.ACL{RequireSchemaAuthz: "public"}
		if err := tx.SetAsideNode(root.ID, &old, &n); err != nil {
			return err
		}
		shown, err := tx.Cell("c1")
		if shown.ACL != nil {
			t.Error("the cell has the ACL of a tree aside")
		}
		return err
	})
	used(11) // what is aside does not count
	t.view(func(tx cellfs.Tx) error {
		n, err := tx.Child(c.Root, "b")
		roles, rerr := tx.Entities(c.ID, cellfs.SetRole)
		if n.ID != box.ID || len(roles) != 1 {
			t.Errorf("the cell shows box %d and roles %+v", n.ID, roles)
		}
		return errors.Join(err, rerr)
	})
	t.update(func(tx cellfs.Tx) error { return tx.DropAside(lost.ID) })
	if err := Update(ctx, t.m, func(tx cellfs.Tx) error { return tx.ShowAside(lost.ID, nil, 0, at) }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ShowAside of what was given up = %v", err)
	}
	refused := errors.New("refused")
	show := func(tx cellfs.Tx) error {
		return tx.ShowAside(root.ID, map[int64]string{newBox.ID: "https://a/"}, 99, at)
	}
	if err := Update(ctx, t.m, func(tx cellfs.Tx) error { return errors.Join(show(tx), refused) }); !errors.Is(err, refused) {
		t.Error(err)
	}
	used(11)
	t.update(show)
	used(406)
	t.view(func(tx cellfs.Tx) error {
		cell, err := tx.Cell("c1")
		n, nerr := tx.Child(cell.Root, "b")
		roles, rerr := tx.Entities(c.ID, cellfs.SetRole)
		links, lerr := tx.Links(c.ID, 0)
		jobs, jerr := tx.Jobs()
		if cell.Root != root.ID || cell.Gen != 99 || n.ID != newBox.ID || n.Schema != "https://a/" || len(roles) != 1 || roles[0].Key != "new" || len(links) != 1 || len(jobs) != 0 {
			t.Errorf("cell %+v, box %+v, roles %+v, links %+v, jobs %+v", cell, n, roles, links, jobs)
		}
		return errors.Join(err, nerr, rerr, lerr, jerr)
	})
	if got, want := asides(), []cellfs.Aside{{Root: c.Root, Cell: c.ID, Nodes: 4, Bytes: 11}, {Root: lost.ID, Cell: c.ID, Nodes: 42, Bytes: 400}}; !reflect.DeepEqual(got, want) {
		t.Errorf("aside are %+v, want %+v", got, want)
	}
	t.prune()
	used(406)
	t.view(func(tx cellfs.Tx) error {
		nodes, err := tx.Nodes()
		reached, _, cerr := tx.Count(root.ID)
		orphans, oerr := tx.Orphans(at.Add(time.Second), 0, 100)
		if nodes != reached || len(orphans) != 41 || len(asides()) != 0 {
			t.Errorf("%d nodes, %d in the cell, %d contents are free, aside %+v", nodes, reached, len(orphans), asides())
		}
		return errors.Join(err, cerr, oerr)
	})
}

// prune removes all trees that are to be removed, in steps of 15 files.
func (t metaTest) prune() {
	t.Helper()
	var all []cellfs.Aside
	t.view(func(tx cellfs.Tx) (err error) {
		all, err = tx.Asides()
		return err
	})
	for _, a := range all {
		for i, done := 0, false; !done; i++ {
			t.update(func(tx cellfs.Tx) (err error) {
				done, err = tx.PruneAside(a.Root, 15, at)
				return err
			})
			if i > 3+int(a.Nodes) {
				t.Fatalf("tree %d has no end", a.Root)
			}
		}
	}
}

// testRemoved puts trees aside that are to be removed.
func testRemoved(t metaTest) {
	c := t.cell("c")
	box := t.node(c, c.Root, "b", cellfs.KindBox, "")
	d := t.node(c, box.ID, "d", cellfs.KindCollection, "")
	sub := t.node(c, d.ID, "sub", cellfs.KindCollection, "")
	t.node(c, d.ID, "f", cellfs.KindFile, "12345")
	t.node(c, sub.ID, "g", cellfs.KindFile, "123")
	counts := func(nodes, bytes int64) {
		t.Helper()
		t.view(func(tx cellfs.Tx) error {
			got, err := tx.CellByID(c.ID)
			if got.Nodes != nodes || got.Used != bytes {
				t.Errorf("the cell counts %d nodes of %d bytes, want %d of %d", got.Nodes, got.Used, nodes, bytes)
			}
			return err
		})
	}
	t.view(func(tx cellfs.Tx) error {
		for limit, want := range map[int]cellfs.Extent{4: {Nodes: 4, Bytes: 8, Whole: true}, 100: {Nodes: 4, Bytes: 8, Whole: true}, 3: {}, 1: {}} {
			if e, err := tx.Measure(&d, limit); err != nil || e != want {
				t.Errorf("up to %d: %+v, %v, want %+v", limit, e, err, want)
			}
		}
		return nil
	})
	counts(7, 8)
	t.update(func(tx cellfs.Tx) error { return tx.PutAside(&d, cellfs.Extent{}, at) })
	counts(7, 8)
	t.view(func(tx cellfs.Tx) error {
		if n, err := tx.Child(box.ID, "d"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is still there: %+v, %v", n, err)
		}
		if n, err := tx.Node(d.ID); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("its id is found: %+v, %v", n, err)
		}
		all, err := tx.Asides()
		if len(all) != 1 || all[0] != (cellfs.Aside{Root: d.ID, Cell: c.ID, Counts: true}) {
			t.Errorf("aside is %+v", all)
		}
		e, b, cerr := tx.Count(d.ID)
		if e != 4 || b != 8 {
			t.Errorf("it counts %d nodes of %d bytes", e, b)
		}
		return errors.Join(err, cerr)
	})
	if err := Update(t.Context(), t.m, func(tx cellfs.Tx) error { return tx.PutAside(&d, cellfs.Extent{}, at) }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("PutAside of what is aside = %v", err)
	}
	t.update(func(tx cellfs.Tx) error { return tx.CountAside(d.ID, cellfs.Extent{Nodes: 4, Bytes: 8, Whole: true}) })
	counts(3, 0)
	if err := Update(t.Context(), t.m, func(tx cellfs.Tx) error { return tx.CountAside(d.ID, cellfs.Extent{Nodes: 4, Bytes: 8}) }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("CountAside of what was counted = %v", err)
	}
	// A box takes its schema, which another may have then, its roles and its jobs with it.
	box.Schema = "https://app/"
	role := cellfs.Entity{Cell: c.ID, Box: box.ID, Set: cellfs.SetRole, Key: "r", Doc: []byte("{}"), Created: at, Updated: at}
	job := cellfs.Job{Kind: "install", Cell: c.ID, Target: box.ID, Started: at, Ended: at}
	t.update(func(tx cellfs.Tx) error {
		old := box
		old.Schema = ""
		return errors.Join(tx.SetNode(&old, &box, at), tx.AddEntity(&role), tx.PutJob(&job))
	})
	t.update(func(tx cellfs.Tx) error { return tx.PutAside(&box, cellfs.Extent{Nodes: 1, Whole: true}, at) })
	counts(2, 0)
	next := cellfs.Node{Cell: c.ID, Parent: c.Root, Name: "b", Kind: cellfs.KindBox, Schema: box.Schema, Created: at, Modified: at}
	t.update(func(tx cellfs.Tx) error { return tx.AddNode(&next) })
	t.view(func(tx cellfs.Tx) error {
		roles, err := tx.Entities(c.ID, "")
		jobs, jerr := tx.Jobs()
		if len(roles) != 0 || len(jobs) != 0 {
			t.Errorf("of the box are left %+v and %+v", roles, jobs)
		}
		return errors.Join(err, jerr)
	})
	t.prune()
	counts(3, 0)
	t.view(func(tx cellfs.Tx) error {
		n, err := tx.Nodes()
		orphans, oerr := tx.Orphans(at.Add(time.Second), 0, 10)
		if n != 3 || len(orphans) != 2 {
			t.Errorf("%d nodes are left, and %d contents are free", n, len(orphans))
		}
		return errors.Join(err, oerr)
	})
}

// testHeights raises the heights of collections.
func testHeights(t metaTest) {
	c := t.cell("c")
	box := t.node(c, c.Root, "b", cellfs.KindBox, "")
	d := t.node(c, box.ID, "d", cellfs.KindCollection, "")
	e := t.node(c, d.ID, "e", cellfs.KindCollection, "")
	heights := func(want ...int) {
		t.Helper()
		t.view(func(tx cellfs.Tx) (err error) {
			for i, id := range []int64{box.ID, d.ID, e.ID} {
				if n, err := tx.Node(id); err != nil || n.Height != want[i] {
					t.Errorf("node %d is %d high, %v, want %d", i, n.Height, err, want[i])
				}
			}
			return nil
		})
	}
	raise := func(id int64, height int) {
		t.update(func(tx cellfs.Tx) error { return tx.RaiseHeight(id, height) })
	}
	raise(e.ID, 1)
	heights(3, 2, 1)
	raise(d.ID, 1)
	heights(3, 2, 1)
	raise(d.ID, 5)
	heights(6, 5, 1)
	t.update(func(tx cellfs.Tx) error { // what was read before does not make it lower
		changed := d
		changed.ContentType = "x/y"
		return tx.SetNode(&d, &changed, at)
	})
	heights(6, 5, 1)
}
