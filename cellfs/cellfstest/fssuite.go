package cellfstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing/iotest"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/webdavfs"
)

func testFiles(t fsTest) {
	ctx := context.Background()
	t.mkcol("/c/b")
	for name, content := range map[string]string{
		"empty": "", "small": "hello", "inline": large[:cellfs.MaxInline], "outside": large[:cellfs.MaxInline+1], "large": large,
	} {
		first := t.put("/c/b/"+name, content)
		t.want("/c/b/"+name, content)
		second := t.put("/c/b/"+name, content+"!")
		t.want("/c/b/"+name, content+"!")
		if first.ETag() == second.ETag() || first.ID != second.ID || !second.Created.Equal(first.Created) {
			t.Errorf("%s: first %+v, second %+v", name, first, second)
		}
	}
	stale := errors.New("stale")
	_, _, err := t.fs.Put(ctx, t.path("/c/b/small"), strings.NewReader("new"), cellfs.PutOptions{
		Check: func(_ cellfs.Tx, at cellfs.Place) error {
			n := at.Node
			if n == nil || n.Size != 6 {
				t.Errorf("the check sees %+v", n)
			}
			return stale
		},
	})
	t.wantErr("refused put", err, stale)
	t.want("/c/b/small", "hello!")
	for p, want := range map[string]error{
		"/c/b/none/x": cellfs.ErrNoParent, "/c/b/small/x": cellfs.ErrNoParent, "/c/none/x": cellfs.ErrNoBox, "/none/b/x": cellfs.ErrNoCell,
		"/c/b": cellfs.ErrIsCollection, "/c": cellfs.ErrIsCollection, "/": cellfs.ErrIsCollection, "/c/__snapshot/x": cellfs.ErrReadOnly,
	} {
		_, _, err := t.fs.Put(ctx, t.path(p), strings.NewReader("x"), cellfs.PutOptions{})
		t.wantErr("put "+p, err, want)
	}
}

func testBrokenUploads(t fsTest) {
	ctx := context.Background()
	t.mkcol("/c/b")
	t.put("/c/b/old", "old")
	before := Tree(t, t.fs)
	for _, n := range []int{0, 1, len(large) - 1, len(large)} {
		for _, p := range []string{"/c/b/old", "/c/b/new"} {
			broken := func() io.Reader {
				return io.MultiReader(strings.NewReader(large[:n]), iotest.ErrReader(io.ErrUnexpectedEOF))
			}
			_, _, err := t.fs.Put(ctx, t.path(p), broken(), cellfs.PutOptions{})
			t.wantErr("broken put", err, io.ErrUnexpectedEOF)

			f, err := webdavfs.New(t.fs).OpenFile(ctx, p, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(f, broken()); err == nil {
				t.Error("io.Copy of a broken body succeeds")
			}
			if _, err := f.Stat(); err == nil {
				t.Error("Stat of a broken upload succeeds")
			}
			if err := f.Close(); err == nil {
				t.Error("Close of a broken upload succeeds")
			}
		}
	}
	if after := Tree(t, t.fs); after != before {
		t.Errorf("the tree changed:\n%s\nto\n%s", before, after)
	}
}

func testCollections(t fsTest) {
	ctx := context.Background()
	t.mkcol("/c/b")
	t.mkcol("/c/b/d")
	t.put("/c/b/d/f", "x")
	_, err := t.fs.Mkcol(ctx, t.path("/c/b/d"), cellfs.KindCollection, nil)
	t.wantErr("mkcol again", err, fs.ErrExist)
	_, err = t.fs.Mkcol(ctx, t.path("/c/b/d/f"), cellfs.KindCollection, nil)
	t.wantErr("mkcol over a file", err, fs.ErrExist)
	_, err = t.fs.Mkcol(ctx, t.path("/c/b/x/y"), cellfs.KindCollection, nil)
	t.wantErr("mkcol without parent", err, cellfs.ErrNoParent)
	_, err = t.fs.Mkcol(ctx, t.path("/c/-bad"), cellfs.KindBox, nil)
	t.wantErr("mkcol of a bad box name", err, cellfs.ErrName)
	t.wantErr("delete the main box", t.fs.Delete(ctx, t.path("/c/__"), nil), cellfs.ErrReadOnly)
	t.wantErr("delete nothing", t.fs.Delete(ctx, t.path("/c/b/none"), nil), fs.ErrNotExist)
	t.wantErr("delete below nothing", t.fs.Delete(ctx, t.path("/c/b/none/x"), nil), fs.ErrNotExist)
	if _, err := t.fs.Mkcol(ctx, t.path("/c/b/od"), cellfs.KindOData, nil); err != nil {
		t.Fatal(err)
	}
	_, _, err = t.fs.Put(ctx, t.path("/c/b/od/x"), strings.NewReader("x"), cellfs.PutOptions{})
	t.wantErr("put into an OData collection", err, cellfs.ErrReadOnly)
	_, err = t.fs.Move(ctx, t.path("/c/b/d"), t.path("/c/b/od/d"), cellfs.TransferOptions{})
	t.wantErr("move into an OData collection", err, cellfs.ErrReadOnly)
	if err := t.fs.Delete(ctx, t.path("/c/b"), nil); err != nil {
		t.Fatal(err)
	}
	_, err = t.fs.Node(ctx, t.path("/c/b/d/f"))
	t.wantErr("below a deleted box", err, cellfs.ErrNoBox)
	deep := t.path("/c/__")
	for range cellfs.MaxDepth {
		deep = deep.Join("d")
		if _, err := t.fs.Mkcol(ctx, deep, cellfs.KindCollection, nil); err != nil {
			t.Fatalf("depth %d: %v", deep.Len(), err)
		}
	}
	_, err = cellfs.ParsePath(deep.String() + "/d")
	t.wantErr("a path too deep", err, cellfs.ErrTooDeep)
	t.mkcol("/c/deep")
	t.mkcol("/c/deep/e")
	_, err = t.fs.Copy(ctx, t.path("/c/__/d"), t.path("/c/deep/e/d"), cellfs.TransferOptions{})
	t.wantErr("a copy too deep", err, cellfs.ErrTooDeep)
	_, err = t.fs.Move(ctx, t.path("/c/__/d"), t.path("/c/deep/e/d"), cellfs.TransferOptions{})
	t.wantErr("a move too deep", err, cellfs.ErrTooDeep)
}

// testTransfer walks the table of pairs: every refused COPY or MOVE leaves the
// tree as it was.
func testTransfer(t fsTest) {
	ctx := context.Background()
	t.mkcol("/c/b")
	t.mkcol("/c/b/d")
	t.mkcol("/c/b/d/sub")
	t.put("/c/b/d/x", "x")
	t.put("/c/b/d/sub/y", large)
	t.put("/c/b/f", "f")
	t.put("/c/b/g", "g")
	for _, row := range []struct {
		src, dst string
		keep     bool
		want     error
	}{
		{"/c/b/none", "/c/b/f", false, fs.ErrNotExist},
		{"/c/b/none", "/c/b/d", false, fs.ErrNotExist},
		{"/c/b/f", "/c/b/f", false, cellfs.ErrSame},
		{"/c/b/d", "/c/b/d", false, cellfs.ErrSame},
		{"/c/b/d/x", "/c/b/d", false, cellfs.ErrOverlap},
		{"/c/b/d/sub/y", "/c/b/d", false, cellfs.ErrOverlap},
		{"/c/b/d", "/c/b/d/sub", false, cellfs.ErrOverlap},
		{"/c/b/d", "/c/b/d/new", false, cellfs.ErrOverlap},
		{"/c/b/f", "/c/b/g", true, cellfs.ErrDestinationExists},
		{"/c/b/d", "/c/b/f", true, cellfs.ErrDestinationExists},
		{"/c/b/f", "/c/b/none/x", false, cellfs.ErrNoParent},
		{"/c/b/d", "/c/b/f/x", false, cellfs.ErrNoParent},
		{"/c/b/f", "/c/new", false, cellfs.ErrReadOnly},
		{"/c/b/f", "/new", false, cellfs.ErrReadOnly},
		{"/c/b/f", "/c/none/x", false, cellfs.ErrNoBox},
		{"/c/b/f", "/none/b/x", false, cellfs.ErrNoCell},
		{"/c/b/f", "/c/__snapshot/x", false, cellfs.ErrReadOnly},
	} {
		for name, op := range map[string]func(context.Context, cellfs.Path, cellfs.Path, cellfs.TransferOptions) (bool, error){
			"copy": t.fs.Copy, "move": t.fs.Move,
		} {
			before := Tree(t, t.fs)
			_, err := op(ctx, t.path(row.src), t.path(row.dst), cellfs.TransferOptions{KeepExisting: row.keep})
			t.wantErr(name+" "+row.src+" "+row.dst, err, row.want)
			if after := Tree(t, t.fs); after != before {
				t.Errorf("%s %s %s changed the tree:\n%s\nto\n%s", name, row.src, row.dst, before, after)
			}
		}
	}
	_, err := t.fs.Move(ctx, t.path("/c/b"), t.path("/c/b2"), cellfs.TransferOptions{})
	t.wantErr("move of a box", err, cellfs.ErrReadOnly)

	created, err := t.fs.Copy(ctx, t.path("/c/b/d"), t.path("/c/b/copy"), cellfs.TransferOptions{})
	if err != nil || !created {
		t.Errorf("copy = %v, %v", created, err)
	}
	t.want("/c/b/copy/sub/y", large)
	created, err = t.fs.Copy(ctx, t.path("/c/b/d"), t.path("/c/b/copy"), cellfs.TransferOptions{Shallow: true})
	if err != nil || created {
		t.Errorf("shallow copy over the copy = %v, %v", created, err)
	}
	_, err = t.fs.Node(ctx, t.path("/c/b/copy/sub"))
	t.wantErr("a member after a shallow copy", err, fs.ErrNotExist)

	final := t.put("/c/b/g", "final")
	tag := final.ETag()
	if created, err = t.fs.Move(ctx, t.path("/c/b/g"), t.path("/c/b/f"), cellfs.TransferOptions{}); err != nil || created {
		t.Errorf("move over a file = %v, %v", created, err)
	}
	t.want("/c/b/f", "final")
	if n, err := t.fs.Node(ctx, t.path("/c/b/f")); err != nil || n.ETag() != tag {
		t.Errorf("the entity tag changed from %s to %s (%v)", tag, n.ETag(), err)
	}
	if _, err := t.fs.CreateCell(ctx, "c2", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := t.fs.Move(ctx, t.path("/c/b/d"), t.path("/c2/__/d"), cellfs.TransferOptions{}); err != nil {
		t.Fatal(err)
	}
	t.want("/c2/__/d/sub/y", large)
	if err := t.fs.DeleteCell(ctx, "c", nil); err != nil {
		t.Fatal(err)
	}
	t.want("/c2/__/d/sub/y", large)
}

func testNames(t fsTest) {
	ctx := context.Background()
	t.mkcol("/c/b")
	composed, decomposed := "/c/b/\u00e9", "/c/b/e\u0301"
	t.put(decomposed, "1")
	t.want(composed, "1")
	t.put(composed, "2")
	t.want(decomposed, "2")
	if n, _ := t.fs.Node(ctx, t.path(composed)); n.Name != "e\u0301" {
		t.Errorf("the name is %q, not as it was sent first", n.Name)
	}
	if _, err := t.fs.Move(ctx, t.path(decomposed), t.path(composed), cellfs.TransferOptions{}); err != nil {
		t.Errorf("rename to another form: %v", err)
	}
	if n, _ := t.fs.Node(ctx, t.path(decomposed)); n.Name != "\u00e9" {
		t.Errorf("the name is %q after the rename", n.Name)
	}
	_, err := t.fs.Copy(ctx, t.path(decomposed), t.path(composed), cellfs.TransferOptions{})
	t.wantErr("copy onto another form of itself", err, cellfs.ErrSame)
	t.put("/c/b/Case", "upper")
	t.put("/c/b/case", "lower")
	t.want("/c/b/Case", "upper")
	for _, name := range []string{"..", ".", "a\x00b", "a\nb", "\x7f", "\xff", strings.Repeat("x", 256)} {
		_, err := cellfs.NewPath("c", "b", name)
		t.wantErr(fmt.Sprintf("path with %q", name), err, cellfs.ErrName)
	}
	for _, name := range []string{"...", " ", "a:b", `a\b`, "<&>\"'", "%41", "日本", strings.Repeat("x", 255)} {
		p, err := cellfs.NewPath("c", "b", name)
		if err != nil {
			t.Errorf("path with %q: %v", name, err)
			continue
		}
		if _, _, err := t.fs.Put(ctx, p, strings.NewReader(name), cellfs.PutOptions{}); err != nil {
			t.Errorf("put %q: %v", name, err)
		}
	}
}

func testFileSystem(t fsTest) {
	ctx, files := context.Background(), webdavfs.New(t.fs)
	for _, dir := range []string{"/d", "/d/b", "/d/b/col"} {
		if err := files.Mkdir(ctx, dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Mkdir(ctx, "/d/b/none/x", 0o777); !os.IsNotExist(err) {
		t.Errorf("Mkdir without parent = %v", err)
	}
	if err := files.Mkdir(ctx, "/d/b/col", 0o777); !os.IsExist(err) {
		t.Errorf("Mkdir again = %v", err)
	}
	f, err := files.OpenFile(ctx, "/d/b/col/f.txt", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"one ", "two ", large} {
		if _, err := io.WriteString(f, part); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := files.Stat(ctx, "/d/b/col/f.txt"); !os.IsNotExist(err) {
		t.Errorf("Stat before Close = %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	t.want("/d/b/col/f.txt", "one two "+large)
	info, err := files.Stat(ctx, "/d/b/col/f.txt")
	if err != nil || info.Size() != int64(8+len(large)) || info.IsDir() {
		t.Errorf("Stat = %+v, %v", info, err)
	}
	dir, err := files.OpenFile(ctx, "/d/b/col", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	list, err := dir.Readdir(-1)
	if err != nil || len(list) != 1 || list[0].Name() != "f.txt" {
		t.Errorf("Readdir = %v, %v", list, err)
	}
	if err := files.Rename(ctx, "/d/b/col", "/d/b/moved"); err != nil {
		t.Fatal(err)
	}
	if err := files.RemoveAll(ctx, "/d/b/moved"); err != nil {
		t.Fatal(err)
	}
	if err := files.RemoveAll(ctx, "/d/b/moved"); err != nil {
		t.Errorf("RemoveAll of nothing = %v", err)
	}
	if _, err := files.Stat(ctx, "/d/b/moved/f.txt"); !os.IsNotExist(err) {
		t.Errorf("Stat = %v", err)
	}
}

// testLeft has trees stay aside, one of a job that runs and those of jobs that
// ended or are not known: only the first may stay.
func testLeft(t fsTest) {
	ctx := context.Background()
	var cell cellfs.Cell
	err := t.fs.View(ctx, func(tx cellfs.Tx) (err error) {
		cell, err = tx.Cell("c")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	input := cellfs.StageBytes([]byte("what the job works from"))
	runs := cellfs.Job{Kind: "import", Cell: cell.ID, State: "running", Started: at}
	ended := cellfs.Job{Kind: "import", Cell: cell.ID, Target: 1, State: "failed", Started: at, Ended: at}
	err = t.fs.Update(ctx, func(tx cellfs.Tx) (err error) {
		runs.ID, ended.ID = 0, 0
		if ended.Input, err = input.Add(tx); err != nil {
			return err
		}
		if err := errors.Join(tx.PutJob(&runs), tx.PutJob(&ended)); err != nil {
			return err
		}
		for _, job := range []int64{runs.ID, ended.ID, 999} {
			root := cellfs.Node{Cell: cell.ID, Kind: cellfs.KindCell, Created: at, Modified: at}
			if err := tx.AddAside(job, &root); err != nil {
				return err
			}
			box := cellfs.Node{Cell: cell.ID, Parent: root.ID, Name: "b", Kind: cellfs.KindBox, Created: at, Modified: at}
			if err := tx.AddAsideNodes(root.ID, []*cellfs.Node{&box}); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = t.fs.PruneAsides(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	var left []cellfs.Aside
	err = t.fs.Update(ctx, func(tx cellfs.Tx) (err error) {
		left, err = tx.Asides()
		return errors.Join(err, tx.DeleteJob(ended.ID, at), tx.DeleteJob(runs.ID, at))
	})
	if err != nil || len(left) != 1 || left[0].Job != runs.ID {
		t.Errorf("left aside are %+v, %v", left, err)
	}
	if s, err := t.fs.Sweep(ctx, -time.Hour); err != nil || s.Contents != 1 {
		t.Errorf("Sweep = %+v, %v, want what the ended job worked from", s, err)
	}
	if err := t.fs.PruneAsides(ctx); err != nil {
		t.Fatal(err)
	}
}

func testSweep(t fsTest) {
	ctx := context.Background()
	t.mkcol("/c/b")
	t.put("/c/b/kept", large)
	t.put("/c/b/twin", large)
	t.put("/c/b/gone", large+"gone")
	t.put("/c/b/small", "small")
	for _, p := range []string{"/c/b/twin", "/c/b/gone", "/c/b/small"} {
		if err := t.fs.Delete(ctx, t.path(p), nil); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := t.fs.Sweep(ctx, time.Hour); err != nil || s.Contents != 0 {
		t.Errorf("Sweep within the grace time = %+v, %v", s, err)
	}
	if s, err := t.fs.Sweep(ctx, -time.Hour); err != nil || s.Contents != 2 {
		t.Errorf("Sweep = %+v, %v, want 2 contents", s, err)
	}
	release := t.fs.Hold()
	if err := t.fs.Delete(ctx, t.path("/c/b/kept"), nil); err != nil {
		t.Fatal(err)
	}
	if s, err := t.fs.Sweep(ctx, -time.Hour); err != nil || s.Contents != 0 {
		t.Errorf("Sweep of what is held = %+v, %v", s, err)
	}
	release()
	if s, err := t.fs.Sweep(ctx, -time.Hour); err != nil || s.Contents != 1 || s.Bytes != int64(len(large)) {
		t.Errorf("Sweep after the release = %+v, %v", s, err)
	}
	if _, err := t.fs.Stage(ctx, bytes.NewReader([]byte(large))); err != nil { // as a crash before the publish leaves it
		t.Fatal(err)
	}
	if s, err := t.fs.SweepStrays(ctx, time.Hour); err != nil || s.Strays != 0 {
		t.Errorf("SweepStrays within the grace time = %+v, %v", s, err)
	}
	if s, err := t.fs.SweepStrays(ctx, -time.Hour); err != nil || s.Strays != 1 {
		t.Errorf("SweepStrays = %+v, %v", s, err)
	}
}
