package cellfstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"sync"
	"testing"
	"time"

	"cellar/cellfs"
)

// at is the time of everything the suite makes.
var at = time.Date(2026, 1, 2, 3, 4, 5, 678_000, time.UTC)

// metaTest is one store under test, with verbs that must succeed.
type metaTest struct {
	*testing.T
	m cellfs.Meta
}

func (t metaTest) update(fn func(cellfs.Tx) error) {
	t.Helper()
	if err := Update(context.Background(), t.m, fn); err != nil {
		t.Fatal(err)
	}
}

func (t metaTest) view(fn func(cellfs.Tx) error) {
	t.Helper()
	if err := t.m.View(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func (t metaTest) cell(name string) cellfs.Cell {
	t.Helper()
	c := cellfs.Cell{Name: name, Owner: "me", Created: at}
	t.update(func(tx cellfs.Tx) error { return tx.AddCell(&c) })
	return c
}

func (t metaTest) node(cell cellfs.Cell, parent int64, name string, kind cellfs.Kind, data string) cellfs.Node {
	t.Helper()
	n := cellfs.Node{Cell: cell.ID, Parent: parent, Name: name, Kind: kind, Version: 1, Created: at, Modified: at}
	t.update(func(tx cellfs.Tx) (err error) {
		if data != "" {
			s := cellfs.StageBytes([]byte(data))
			n.Size, n.ContentType = s.Size, "text/plain"
			if n.Blob, err = s.Add(tx); err != nil {
				return err
			}
		}
		return tx.AddNode(&n)
	})
	return n
}

// TestMeta checks the contract of [cellfs.Meta]. open returns an empty store,
// which it closes itself.
func TestMeta(t *testing.T, open func(t *testing.T) cellfs.Meta) {
	run := func(name string, test func(metaTest)) {
		t.Run(name, func(t *testing.T) { test(metaTest{t, open(t)}) })
	}
	run("transactions", testTransactions)
	run("one point in time", testPointInTime)
	run("pages", testPages)
	run("members changed", testMembersChanged)
	run("concurrent updates", testConcurrent)
	run("cells", testCells)
	run("counters", testCounters)
	run("nodes", testNodes)
	run("trees", testTrees)
	run("indexes", testIndexes)
	run("contents", testContents)
	run("control", testControl)
	run("control changes", testControlChanges)
	run("access", testAccess)
	run("records", testRecords)
	run("logs", testLogs)
	run("aside", testAside)
	run("removed", testRemoved)
	run("heights", testHeights)
	run("locks", testLockRows)
	run("closed", testClosed)
}

func testTransactions(t metaTest) {
	ctx := context.Background()
	refuse := errors.New("refused")
	c := t.cell("c1")
	err := Update(ctx, t.m, func(tx cellfs.Tx) error {
		if err := tx.AddNode(&cellfs.Node{Cell: c.ID, Parent: c.Root, Name: "gone", Kind: cellfs.KindBox, Created: at, Modified: at}); err != nil {
			return err
		}
		if _, err := tx.Child(c.Root, "gone"); err != nil {
			t.Errorf("an Update does not see its own write: %v", err)
		}
		return refuse
	})
	if err != refuse {
		t.Errorf("Update = %v, want fn's own error", err)
	}
	t.view(func(tx cellfs.Tx) error {
		if _, err := tx.Child(c.Root, "gone"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a refused Update left something: %v", err)
		}
		if err := tx.SetSetting("a", "b"); err == nil {
			t.Error("a View may write")
		}
		return nil
	})
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := Update(cancelled, t.m, func(cellfs.Tx) error { t.Error("ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Update after cancel = %v", err)
	}
}

func testPointInTime(t metaTest) {
	c := t.cell("c1")
	for i := range 10 {
		t.node(c, c.Root, fmt.Sprintf("b%d", i), cellfs.KindBox, "")
	}
	t.view(func(tx cellfs.Tx) error {
		before, more, err := tx.Children(c.Root, cellfs.Page{Limit: 5})
		if err != nil || !more {
			t.Errorf("a page that is not the last: more is %v", more)
			return err
		}
		done := make(chan error)
		go func() {
			done <- Update(context.Background(), t.m, func(tx cellfs.Tx) error { return tx.DeleteCell(c.ID, at) })
		}()
		if err := <-done; err != nil {
			return err
		}
		rest, more, err := tx.Children(c.Root, cellfs.Page{After: before[4].Name, Limit: 6})
		if err != nil || len(rest) != 6 || more {
			t.Errorf("the rest of the listing has %d, want 6 (%v)", len(rest), err)
		}
		return nil
	})
}

func testConcurrent(t metaTest) {
	c := t.cell("c1")
	var wg sync.WaitGroup
	var mu sync.Mutex
	refused := 0
	for i := range 40 {
		wg.Go(func() {
			err := Update(context.Background(), t.m, func(tx cellfs.Tx) error {
				if _, err := tx.Touch(c.ID, 0); err != nil {
					return err
				}
				n := cellfs.Node{Cell: c.ID, Parent: c.Root, Name: fmt.Sprintf("b%d", i/2), Kind: cellfs.KindBox, Created: at, Modified: at}
				return tx.AddNode(&n)
			})
			if errors.Is(err, fs.ErrExist) {
				mu.Lock()
				refused++
				mu.Unlock()
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if refused != 20 {
		t.Errorf("%d of 40 were refused, want 20", refused)
	}
	t.view(func(tx cellfs.Tx) error {
		got, err := tx.CellByID(c.ID)
		if err != nil || got.Gen != c.Gen+20 {
			t.Errorf("generation %d, want %d: refused Updates must not count", got.Gen, c.Gen+20)
		}
		return err
	})
}

func testCells(t metaTest) {
	b, a := t.cell("b"), t.cell("a")
	err := Update(context.Background(), t.m, func(tx cellfs.Tx) error { return tx.AddCell(&cellfs.Cell{Name: "a", Created: at}) })
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("AddCell twice = %v", err)
	}
	t.view(func(tx cellfs.Tx) error {
		all, err := tx.Cells()
		if want := []cellfs.Cell{a, b}; !reflect.DeepEqual(all, want) {
			t.Errorf("Cells = %+v, want %+v", all, want)
		}
		if _, err := tx.Cell("c"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Cell of nothing = %v", err)
		}
		main, merr := tx.Child(a.Root, cellfs.MainBox)
		if merr != nil || main.Kind != cellfs.KindBox {
			t.Errorf("main box: %+v, %v", main, merr)
		}
		return err
	})
	f := t.node(a, a.Root, "file", cellfs.KindFile, "x")
	t.update(func(tx cellfs.Tx) error {
		s := cellfs.Snapshot{Cell: a.ID, Name: "s.error", Index: f.Blob, Size: 1, Created: at}
		if err := tx.AddSnapshot(&s); err != nil {
			return err
		}
		if err := tx.AddEvents(cellfs.Event{Cell: a.ID, Time: at, Type: "t"}); err != nil {
			return err
		}
		return tx.DeleteCell(a.ID, at)
	})
	t.prune()
	t.view(func(tx cellfs.Tx) error {
		if n, _ := tx.Nodes(); n != 2 {
			t.Errorf("%d nodes are left, want the root and main box of the other cell", n)
		}
		all, err := tx.Snapshots(0)
		if len(all) != 0 {
			t.Errorf("snapshots are left: %+v", all)
		}
		if orphans, _ := tx.Orphans(at.Add(time.Second), 0, 10); len(orphans) != 1 {
			t.Errorf("orphans %+v, want the content of the file", orphans)
		}
		return err
	})
}

func testContents(t metaTest) {
	c := t.cell("c1")
	small := cellfs.StageBytes([]byte("small"))
	large := cellfs.Blob{Ref: cellfs.Ref{Hash: cellfs.Hash{9}, Size: 1 << 40, CRC32: 0xfffffffe}}
	var ids [3]int64
	t.update(func(tx cellfs.Tx) (err error) {
		for i := range 2 { // the second time it is there
			if ids[i], err = small.Add(tx); err != nil {
				return err
			}
		}
		ids[2], err = tx.AddBlob(&large)
		return err
	})
	if ids[0] != ids[1] {
		t.Errorf("one content has ids %d and %d", ids[0], ids[1])
	}
	t.view(func(tx cellfs.Tx) error {
		found, err := tx.BlobSizes([]int64{ids[0], 1 << 40, ids[2], ids[0]})
		if want := map[int64]int64{ids[0]: 5, ids[2]: 1 << 40}; !reflect.DeepEqual(found, want) || err != nil {
			t.Errorf("BlobSizes = %v, %v, want %v", found, err, want)
		}
		if found, err := tx.BlobSizes(nil); len(found) != 0 || err != nil {
			t.Errorf("BlobSizes of none = %v, %v", found, err)
		}
		b, err := tx.Blob(ids[0])
		if string(b.Data) != "small" || b.Ref != small.Ref || err != nil {
			t.Errorf("Blob = %+v, %v", b, err)
		}
		if b, err = tx.BlobByHash(large.Hash); b.Data != nil || b.Ref != large.Ref || err != nil {
			t.Errorf("BlobByHash = %+v, %v", b, err)
		}
		all, err := tx.Blobs(0, 10)
		if len(all) != 2 || all[0].Data == nil || len(all[0].Data) != 0 || all[1].Data != nil {
			t.Errorf("Blobs = %+v", all)
		}
		return err
	})
	t.update(func(tx cellfs.Tx) error { return tx.AddOrphans(nil, at) })
	t.view(func(tx cellfs.Tx) error {
		orphans, err := tx.Orphans(at.Add(time.Second), 0, 10)
		if len(orphans) != 0 {
			t.Errorf("an empty list orphaned %+v", orphans)
		}
		return err
	})
	job := cellfs.Job{Kind: "k", Cell: c.ID, State: "running", Input: ids[0], Started: at}
	t.update(func(tx cellfs.Tx) error {
		if err := tx.PutJob(&job); err != nil {
			return err
		}
		return tx.AddOrphans(ids[:], at)
	})
	drop := func(before time.Time) (n int) {
		t.update(func(tx cellfs.Tx) error {
			dropped, err := tx.DropBlobs(ids[1:], before)
			n = len(dropped)
			return err
		})
		return n
	}
	if n := drop(at); n != 0 {
		t.Errorf("%d contents were dropped before their time", n)
	}
	if n := drop(at.Add(time.Second)); n != 1 {
		t.Errorf("%d contents were dropped, want the one that is no job's input", n)
	}
	t.update(func(tx cellfs.Tx) error {
		for _, name := range []string{"b", "a", "c"} {
			if err := tx.AddNode(&cellfs.Node{Cell: c.ID, Parent: c.Root, Name: name, Kind: cellfs.KindFile, Blob: ids[0], Size: 5, Created: at, Modified: at}); err != nil {
				return err
			}
		}
		return nil
	})
	t.view(func(tx cellfs.Tx) error {
		for limit, want := range map[int]string{10: "bac", 2: "ba"} { // in the order in which they were made
			nodes, err := tx.NodesOf(ids[0], limit)
			got := ""
			for _, n := range nodes {
				got += n.Name
			}
			if got != want || err != nil {
				t.Errorf("NodesOf = %q, %v, want %q", got, err, want)
			}
		}
		nodes, err := tx.NodesOf(1<<40, 10)
		if len(nodes) != 0 {
			t.Errorf("NodesOf one that nothing names = %+v", nodes)
		}
		return err
	})
}

func testControl(t metaTest) {
	ctx := context.Background()
	c := t.cell("c1")
	box := t.node(c, c.Root, "box", cellfs.KindBox, "")
	add := func(box int64, set, key string) cellfs.Entity {
		e := cellfs.Entity{Cell: c.ID, Box: box, Set: set, Key: key, Doc: json.RawMessage(`{"Name":"` + key + `"}`), Created: at, Updated: at}
		t.update(func(tx cellfs.Tx) error { return tx.AddEntity(&e) })
		return e
	}
	r1, boxed, rel := add(0, cellfs.SetRole, "r"), add(box.ID, cellfs.SetRole, "r"), add(box.ID, cellfs.SetRelation, "rel")
	again := boxed
	if err := Update(ctx, t.m, func(tx cellfs.Tx) error { return tx.AddEntity(&again) }); !errors.Is(err, fs.ErrExist) {
		t.Errorf("AddEntity twice = %v", err)
	}
	secret := cellfs.Entity{Cell: t.cell("c2").ID, Set: cellfs.SetAccount, Key: "a", Doc: json.RawMessage(`{}`), Hidden: json.RawMessage(`{"h":1}`), Created: at, Updated: at}
	t.update(func(tx cellfs.Tx) error { return tx.AddEntity(&secret) })
	t.view(func(tx cellfs.Tx) error {
		e, err := tx.EntityByID(secret.ID)
		if err != nil || string(e.Hidden) != `{"h":1}` {
			t.Errorf("what is hidden of an account is %s, %v", e.Hidden, err)
		}
		e, err = tx.EntityByID(r1.ID)
		if err != nil || e.Hidden != nil {
			t.Errorf("of a role that hides nothing it is %s, %v", e.Hidden, err)
		}
		return nil
	})
	link := cellfs.Link{Cell: c.ID, From: cellfs.End{Set: rel.Set, Key: fmt.Sprint(rel.ID)}, To: cellfs.End{Set: r1.Set, Key: fmt.Sprint(r1.ID)}}
	t.update(func(tx cellfs.Tx) error { return tx.AddLink(link) })
	if err := Update(ctx, t.m, func(tx cellfs.Tx) error { return tx.AddLink(link) }); !errors.Is(err, fs.ErrExist) {
		t.Errorf("AddLink twice = %v", err)
	}
	t.view(func(tx cellfs.Tx) error {
		roles, err := tx.Entities(c.ID, cellfs.SetRole)
		if want := []cellfs.Entity{r1, boxed}; !reflect.DeepEqual(roles, want) {
			t.Errorf("Entities = %+v, want %+v", roles, want)
		}
		if all, _ := tx.Entities(c.ID, ""); len(all) != 3 {
			t.Errorf("%d entities in all", len(all))
		}
		if e, err := tx.EntityByID(rel.ID); err != nil || !reflect.DeepEqual(e, rel) {
			t.Errorf("EntityByID = %+v, %v", e, err)
		}
		return err
	})
	job := cellfs.Job{Kind: "install", Cell: c.ID, Target: box.ID, State: "failed", Started: at}
	t.update(func(tx cellfs.Tx) error { return tx.PutJob(&job) })
	t.update(func(tx cellfs.Tx) error { return tx.DeleteTree(&box, at) })
	t.view(func(tx cellfs.Tx) error {
		all, err := tx.Entities(c.ID, "")
		links, lerr := tx.Links(c.ID, 0)
		jobs, jerr := tx.Jobs()
		if len(all) != 1 || len(links) != 0 || len(jobs) != 0 {
			t.Errorf("after the box went: entities %+v, links %+v, jobs %+v", all, links, jobs)
		}
		return errors.Join(err, lerr, jerr)
	})
	t.update(func(tx cellfs.Tx) error { return tx.SetSetting("k", "1") })
	t.update(func(tx cellfs.Tx) error { return tx.SetSetting("k", "2") })
	t.view(func(tx cellfs.Tx) error {
		v, err := tx.Setting("k")
		if none, _ := tx.Setting("none"); v != "2" || none != "" {
			t.Errorf("settings %q, %q", v, none)
		}
		return err
	})
}

func testRecords(t metaTest) {
	ctx := context.Background()
	c := t.cell("c1")
	f := t.node(c, c.Root, "f", cellfs.KindFile, "index")
	events := []cellfs.Event{
		{Cell: c.ID, Time: at, RequestKey: "k", Type: "a", Object: `o"o`, Info: "line\nline"},
		{Cell: c.ID, Time: at, RequestKey: "k", External: true, Schema: "s", Subject: "u", Type: "b", Absent: cellfs.NoObject | cellfs.NoInfo},
	}
	t.view(func(tx cellfs.Tx) error {
		if e, err := tx.LastEvent(c.ID); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("LastEvent of none = %+v, %v", e, err)
		}
		return nil
	})
	t.update(func(tx cellfs.Tx) error { return tx.AddEvents(events...) })
	t.view(func(tx cellfs.Tx) error {
		first, err := tx.Events(c.ID, 0, 1)
		if err != nil || len(first) != 1 {
			t.Fatalf("Events = %+v, %v", first, err)
		}
		rest, err := tx.Events(c.ID, first[0].ID, 10)
		got := append(first, rest...)
		for i := range got {
			got[i].ID = 0
		}
		if !reflect.DeepEqual(got, events) {
			t.Errorf("Events = %+v, want %+v", got, events)
		}
		last, lerr := tx.LastEvent(c.ID)
		if last.ID = 0; !reflect.DeepEqual(last, events[1]) {
			t.Errorf("LastEvent = %+v, want %+v", last, events[1])
		}
		return errors.Join(err, lerr)
	})
	s := cellfs.Snapshot{Cell: c.ID, Name: "s.zip", Index: f.Blob, Size: 99, Created: at, Passing: true}
	t.update(func(tx cellfs.Tx) error { return tx.AddSnapshot(&s) })
	twin := s
	if err := Update(ctx, t.m, func(tx cellfs.Tx) error { return tx.AddSnapshot(&twin) }); !errors.Is(err, fs.ErrExist) {
		t.Errorf("AddSnapshot twice = %v", err)
	}
	j := cellfs.Job{
		Kind: "k", Cell: c.ID, Target: 5, State: "running", Name: "n", RequestKey: "r", Input: f.Blob, Started: at, Done: 1, Total: 2, Step: 3, Starts: 2, Passing: true,
		Code: "c", Message: "m",
	}
	t.update(func(tx cellfs.Tx) error { return tx.PutJob(&j) })
	j.State, j.Ended, j.Input = "failed", at.Add(time.Minute), 0
	t.update(func(tx cellfs.Tx) error { return tx.PutJob(&j) })
	t.view(func(tx cellfs.Tx) error {
		if got, err := tx.Snapshot(c.ID, "s.zip"); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("Snapshot = %+v, %v, want %+v", got, err, s)
		}
		jobs, err := tx.Jobs()
		if want := []cellfs.Job{j}; !reflect.DeepEqual(jobs, want) {
			t.Errorf("Jobs = %+v, want %+v", jobs, want)
		}
		for target, want := range map[int64]int{j.Target: 1, j.Target + 1: 0} {
			if of, jerr := tx.JobsOf(c.ID, target); jerr != nil || len(of) != want {
				t.Errorf("JobsOf %d = %+v, %v, want %d", target, of, jerr, want)
			}
		}
		if of, jerr := tx.JobsOf(c.ID+1, j.Target); jerr != nil || len(of) != 0 {
			t.Errorf("JobsOf another cell = %+v, %v", of, jerr)
		}
		if got, jerr := tx.Job(j.ID); jerr != nil || !reflect.DeepEqual(got, j) {
			t.Errorf("Job = %+v, %v, want %+v", got, jerr, j)
		}
		if _, jerr := tx.Job(999); !errors.Is(jerr, fs.ErrNotExist) {
			t.Errorf("Job that is not there = %v", jerr)
		}
		return err
	})
	missing := cellfs.Job{ID: 999}
	if err := Update(ctx, t.m, func(tx cellfs.Tx) error { return tx.PutJob(&missing) }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("PutJob of what is gone = %v", err)
	}
	t.update(func(tx cellfs.Tx) error {
		if err := tx.DeleteSnapshot(s.ID, at); err != nil {
			return err
		}
		return tx.DeleteJob(j.ID, at)
	})
	if err := Update(ctx, t.m, func(tx cellfs.Tx) error { return tx.DeleteSnapshot(s.ID, at) }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("DeleteSnapshot twice = %v", err)
	}
}

func testClosed(t metaTest) {
	if err := t.m.Close(); err != nil {
		t.Fatal(err)
	}
	fail := func(cellfs.Tx) error { t.Error("ran after Close"); return nil }
	if Update(context.Background(), t.m, fail) == nil || t.m.View(context.Background(), fail) == nil {
		t.Error("a closed store works")
	}
}
