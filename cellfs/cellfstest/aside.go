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
	for _, a := range asides() {
		for i := 0; ; i++ {
			done := false
			t.update(func(tx cellfs.Tx) (err error) {
				done, err = tx.PruneAside(a.Root, 15, at)
				return err
			})
			if done {
				break
			}
			if i > 3 {
				t.Fatalf("tree %d has no end", a.Root)
			}
		}
	}
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
