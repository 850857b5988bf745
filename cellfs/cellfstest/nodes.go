package cellfstest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"time"

	"cellar/cellfs"
)

func testNodes(t metaTest) {
	ctx := context.Background()
	c := t.cell("c1")
	full := cellfs.Node{
		Cell: c.ID, Parent: c.Root, Name: "box", Kind: cellfs.KindBox, Version: 7, Created: at, Modified: at.Add(time.Hour), MTime: time.Unix(0, 0).UTC(), DatesFrom: time.Unix(1e9, 0).UTC(), Schema: "https://a.example/",
		Props: []cellfs.Property{{Space: "urn:x", Local: "p", Lang: "de", XML: `<p xmlns="urn:x">a &amp; b</p>`}},
		ACL:   &cellfs.ACL{RequireSchemaAuthz: "public", ACEs: []cellfs.ACE{{Role: 3, Privileges: []cellfs.Privilege{{Space: "DAV:", Local: "read"}}}}},
	}
	t.update(func(tx cellfs.Tx) error { return tx.AddNode(&full) })
	t.view(func(tx cellfs.Tx) error {
		got, err := tx.Node(full.ID)
		if !reflect.DeepEqual(got, full) {
			t.Errorf("Node = %+v, want %+v", got, full)
		}
		return err
	})
	for name, n := range map[string]cellfs.Node{
		"same name":   {Name: "box"},
		"same in NFC": {Name: "e\u0301"},
	} {
		n.Cell, n.Parent, n.Kind, n.Created, n.Modified = c.ID, c.Root, cellfs.KindCollection, at, at
		if name == "same in NFC" {
			t.node(c, c.Root, "\u00e9", cellfs.KindCollection, "")
		}
		if err := Update(ctx, t.m, func(tx cellfs.Tx) error { return tx.AddNode(&n) }); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: AddNode = %v, want fs.ErrExist", name, err)
		}
	}
	twin := cellfs.Node{Cell: c.ID, Parent: c.Root, Name: "twin", Kind: cellfs.KindBox, Schema: full.Schema, Created: at, Modified: at}
	if err := Update(ctx, t.m, func(tx cellfs.Tx) error { return tx.AddNode(&twin) }); !errors.Is(err, cellfs.ErrSchemaTaken) {
		t.Errorf("same schema: %v", err)
	}
	a, b := t.node(c, full.ID, "a", cellfs.KindFile, "one"), t.node(c, full.ID, "b", cellfs.KindFile, "two")
	moved := a
	moved.Name = "b"
	if err := Update(ctx, t.m, func(tx cellfs.Tx) error { return tx.SetNode(&a, &moved, at) }); !errors.Is(err, fs.ErrExist) {
		t.Errorf("SetNode onto another = %v", err)
	}
	moved.Parent, moved.Name = c.Root, "moved"
	t.update(func(tx cellfs.Tx) error { return tx.SetNode(&a, &moved, at) })
	if err := Update(ctx, t.m, func(tx cellfs.Tx) error { return tx.SetNode(&a, &moved, at) }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("SetNode of what is gone = %v", err)
	}
	t.view(func(tx cellfs.Tx) error {
		got, err := tx.Child(c.Root, "moved")
		if !reflect.DeepEqual(got, moved) {
			t.Errorf("moved node = %+v, want %+v", got, moved)
		}
		refs, more, rerr := tx.ChildRefs(full.ID, cellfs.Page{Limit: 10})
		if rerr != nil || more || len(refs) != 1 || !reflect.DeepEqual(refs[0].Node, b) || refs[0].Ref != cellfs.StageBytes([]byte("two")).Ref {
			t.Errorf("ChildRefs = %+v, %v", refs, rerr)
		}
		documents := 0
		rerr = tx.Documents(full.ID, "", func(d *cellfs.Document) error {
			documents++
			if d.ID != b.ID || d.Name != b.Name || d.Version != b.Version || !d.Created.Equal(b.Created) || !d.Modified.Equal(b.Modified) || d.Blob != b.Blob || string(d.Data) != "two" || d.Size != 3 {
				t.Errorf("document %+v of %+v", d, b)
			}
			return nil
		})
		if rerr != nil || documents != 1 {
			t.Errorf("%d documents, %v", documents, rerr)
		}
		stop := errors.New("stop")
		if err := tx.Documents(full.ID, "", func(*cellfs.Document) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("Documents goes on after an error: %v", err)
		}
		return err
	})
}

func testTrees(t metaTest) {
	c, other := t.cell("c1"), t.cell("c2")
	box := t.node(c, c.Root, "box", cellfs.KindBox, "")
	dir := t.node(c, box.ID, "dir", cellfs.KindCollection, "")
	odata := t.node(c, dir.ID, "data", cellfs.KindOData, "")
	t.node(c, dir.ID, "f1", cellfs.KindFile, "shared")
	dated := t.node(c, odata.ID, "f2", cellfs.KindFile, "shared")
	t.update(func(tx cellfs.Tx) error {
		n := dated
		n.DatesFrom = at
		return tx.SetNode(&dated, &n, at)
	})
	t.node(c, dir.ID, "f3", cellfs.KindFile, "alone")
	link := cellfs.Link{Cell: c.ID, Node: odata.ID, From: cellfs.End{Set: "A", Key: "1"}, To: cellfs.End{Set: "B", Key: "2"}}
	t.update(func(tx cellfs.Tx) error { return tx.AddLink(link) })

	nodes, bytes := int64(0), int64(0)
	t.view(func(tx cellfs.Tx) (err error) {
		nodes, bytes, err = tx.Count(dir.ID)
		return err
	})
	if nodes != 5 || bytes != 17 {
		t.Errorf("Count = %d nodes, %d bytes, want 5, 17", nodes, bytes)
	}
	// A copy into itself is of what was there before.
	inside := cellfs.Node{Cell: c.ID, Parent: dir.ID, Name: "copy", Kind: cellfs.KindCollection, Version: 9, Created: at, Modified: at}
	abroad := cellfs.Node{Cell: other.ID, Parent: other.Root, Name: "copy", Kind: cellfs.KindCollection, Version: 9, Created: at, Modified: at}
	t.update(func(tx cellfs.Tx) error {
		if err := tx.AddNode(&abroad); err != nil {
			return err
		}
		return tx.CopyTree(dir.ID, &abroad, 9, at)
	})
	t.view(func(tx cellfs.Tx) error {
		n, b, err := tx.Count(abroad.ID)
		if n != 5 || b != 17 || err != nil {
			t.Errorf("the copy has %d nodes, %d bytes", n, b)
		}
		d, err := tx.Child(abroad.ID, "data")
		if err != nil {
			return err
		}
		f, err := tx.Child(d.ID, "f2")
		if f.Cell != other.ID || f.Version != 9 || !f.DatesFrom.IsZero() {
			t.Errorf("copied file %+v", f)
		}
		links, lerr := tx.Links(other.ID, d.ID)
		if len(links) != 1 || links[0].From != link.From {
			t.Errorf("copied links %+v, %v", links, lerr)
		}
		return err
	})
	t.update(func(tx cellfs.Tx) error {
		if err := tx.AddNode(&inside); err != nil {
			return err
		}
		return tx.SetCellOf(abroad.ID, c.ID)
	})
	t.view(func(tx cellfs.Tx) error { // the links went to the other cell too
		d, err := tx.Child(abroad.ID, "data")
		if err != nil {
			return err
		}
		links, err := tx.Links(c.ID, d.ID)
		if len(links) != 1 || d.Cell != c.ID {
			t.Errorf("after SetCellOf: node %+v, links %+v", d, links)
		}
		for _, e := range [][2]cellfs.End{{link.From, link.To}, {link.To, link.From}} {
			ends, err := tx.LinksOf(c.ID, d.ID, e[0], e[1].Set)
			other, oerr := tx.LinksOf(c.ID, d.ID, e[0], "other")
			if err != nil || oerr != nil || len(ends) != 1 || ends[0] != e[1] || len(other) != 0 {
				t.Errorf("links of %v: %v, %v, others %v, %v", e[0], ends, err, other, oerr)
			}
		}
		return err
	})
	t.update(func(tx cellfs.Tx) error { return tx.DeleteTree(&dir, at) })
	t.view(func(tx cellfs.Tx) error {
		orphans, err := tx.Orphans(at.Add(time.Second), 0, 10)
		if len(orphans) != 0 {
			t.Errorf("the copy still names the contents, but orphans are %+v", orphans)
		}
		if links, _ := tx.Links(c.ID, odata.ID); len(links) != 0 {
			t.Errorf("links are left: %+v", links)
		}
		return err
	})
	t.update(func(tx cellfs.Tx) error { return tx.DeleteTree(&abroad, at) })
	t.view(func(tx cellfs.Tx) error {
		orphans, err := tx.Orphans(at.Add(time.Second), 0, 10)
		if len(orphans) != 2 {
			t.Errorf("orphans %+v, want both contents", orphans)
		}
		if n, _ := tx.Nodes(); n != 5 { // two cells with main boxes, and the box
			t.Errorf("%d nodes are left, want 5", n)
		}
		return err
	})
}

// testPages checks what pages of children bring along, and when they end.
func testPages(t metaTest) {
	c := t.cell("c1")
	box := t.node(c, c.Root, "box", cellfs.KindBox, "")
	large := strings.Repeat("x", cellfs.PageBytes/2)
	for i := range 4 {
		n := cellfs.Node{Cell: c.ID, Parent: box.ID, Name: fmt.Sprintf("n%d", i), Kind: cellfs.KindFile, Version: 1, Created: at, Modified: at,
			Props: []cellfs.Property{{Space: "u", Local: "large", XML: large}, {Space: "u", Local: "small", XML: "s"}}}
		t.update(func(tx cellfs.Tx) error { return tx.AddNode(&n) })
	}
	for _, want := range []struct {
		props       cellfs.PropNames
		nodes, each int
		more        bool
	}{
		{nil, 2, 2, true},
		{cellfs.PropNames{{Space: "u", Local: "large"}: true}, 2, 1, true},
		{cellfs.PropNames{{Space: "u", Local: "small"}: true, {Space: "u", Local: "none"}: true}, 4, 1, false},
		{cellfs.PropNames{}, 4, 0, false},
	} {
		t.view(func(tx cellfs.Tx) error {
			nodes, more, err := tx.Children(box.ID, cellfs.Page{Limit: 10, Props: want.props})
			if len(nodes) != want.nodes || more != want.more || len(nodes) > 0 && len(nodes[0].Props) != want.each {
				t.Errorf("Children with %v: %d nodes, more is %v", want.props, len(nodes), more)
			}
			refs, rmore, rerr := tx.ChildRefs(box.ID, cellfs.Page{Limit: 10, Props: want.props})
			if len(refs) != want.nodes || rmore != want.more {
				t.Errorf("ChildRefs with %v: %d nodes, more is %v", want.props, len(refs), rmore)
			}
			seen := 0
			eerr := cellfs.EachChild(tx, box.ID, func(*cellfs.Node) error {
				seen++
				return nil
			})
			if seen != 4 {
				t.Errorf("EachChild calls for %d nodes", seen)
			}
			return errors.Join(err, rerr, eerr)
		})
	}
}

// testMembersChanged checks that the date of a collection can be set, and is found by a
// writer that knows the collection and by a reader.
func testMembersChanged(t metaTest) {
	c := t.cell("c1")
	box := t.node(c, c.Root, "box", cellfs.KindBox, "")
	dir := cellfs.Node{Cell: c.ID, Parent: box.ID, Name: "d", Kind: cellfs.KindCollection, Version: 1, Created: at, Modified: at, MTime: at.Add(-time.Hour)}
	t.update(func(tx cellfs.Tx) error { return tx.AddNode(&dir) })
	want := dir
	want.Changed, want.MTime = at.Add(time.Minute), time.Time{}
	look := func(tx cellfs.Tx) error {
		got, err := tx.Child(box.ID, "d")
		if !reflect.DeepEqual(got, want) || !got.LastModified().Equal(want.Changed) {
			t.Errorf("the collection is %+v, want %+v", got, want)
		}
		return err
	}
	t.update(func(tx cellfs.Tx) error {
		n, err := tx.Child(box.ID, "d")
		if err != nil {
			return err
		}
		return errors.Join(tx.MembersChanged(&n, want.Changed), look(tx))
	})
	t.update(look)
	t.view(look)
	t.update(func(tx cellfs.Tx) error {
		return errors.Join(tx.DatesAnew(box.ID, at), tx.DatesAnew(box.ID, at.Add(-time.Hour)))
	})
	want.DatesFrom = at.Truncate(time.Second).Add(2 * time.Second)
	t.update(look)
	t.view(look)
	// A change that is refused leaves it as it was.
	refused := errors.New("refused")
	err := Update(context.Background(), t.m, func(tx cellfs.Tx) error {
		return errors.Join(tx.MembersChanged(&want, at.Add(time.Hour)), refused)
	})
	if !errors.Is(err, refused) {
		t.Error(err)
	}
	t.update(look)
	t.view(look)
}
