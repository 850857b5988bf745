package cellfstest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"cellar/cellfs"
)

// testLockRows checks [cellfs.LockReader] and [cellfs.LockWriter].
func testLockRows(t metaTest) {
	lock := func(path, token string, expires time.Time) cellfs.Lock {
		l := cellfs.Lock{
			Token: token, Root: Path(t, path), Collection: strings.HasSuffix(path, "/"), Infinite: true, Shared: token == "d",
			Owner: "<x/>", Principal: "me", Timeout: time.Minute, Expires: expires,
		}
		t.update(func(tx cellfs.Tx) error { return tx.AddLock(l) })
		return l
	}
	later := at.Add(time.Hour)
	box, dir, file := lock("/c/b/", "a", later), lock("/c/b/d/", "b", later), lock("/c/b/d/e\u0301", "c", later)
	lock("/c/b/d", "e", at) // expired
	lock("/c/b/d0", "f", later)
	lock("/c/b/d!", "g", later)
	for _, c := range []struct {
		path         string
		above, below []cellfs.Lock
	}{
		{"/c/b", []cellfs.Lock{box}, nil},
		{"/c/b/d", []cellfs.Lock{box, dir}, []cellfs.Lock{file}},
		{"/c/b/d/\u00e9", []cellfs.Lock{box, dir, file}, nil},
		{"/c/b/d/x/y", []cellfs.Lock{box, dir}, nil},
		{"/c2/b", nil, nil},
	} {
		t.view(func(tx cellfs.Tx) error {
			above, err := tx.LocksAbove(Path(t, c.path), cellfs.WholeLocks, at)
			if !reflect.DeepEqual(above, c.above) {
				t.Errorf("LocksAbove %s = %+v, want %+v", c.path, above, c.above)
			}
			var below []cellfs.Lock
			berr := tx.LocksBelow(Path(t, c.path), cellfs.WholeLocks, at, func(l cellfs.Lock) error {
				below = append(below, l)
				return nil
			})
			if c.path != "/c/b" && !reflect.DeepEqual(below, c.below) {
				t.Errorf("LocksBelow %s = %+v, want %+v", c.path, below, c.below)
			}
			return errors.Join(err, berr)
		})
	}
	stop := errors.New("stop")
	t.view(func(tx cellfs.Tx) error {
		seen := 0
		err := tx.LocksBelow(Path(t, "/c/b"), cellfs.WholeLocks, at, func(cellfs.Lock) error {
			seen++
			return stop
		})
		if !errors.Is(err, stop) || seen != 1 {
			t.Errorf("LocksBelow that is stopped = %v after %d", err, seen)
		}
		plain := dir
		plain.Owner, plain.Timeout = "", 0
		if all, err := tx.LocksAbove(Path(t, "/c/b/d"), cellfs.PlainLocks, at); err != nil || len(all) != 2 || !reflect.DeepEqual(all[1], plain) {
			t.Errorf("LocksAbove, plain = %+v, %v, want %+v", all, err, plain)
		}
		if l, err := tx.Lock("b", at); err != nil || !reflect.DeepEqual(l, dir) {
			t.Errorf("Lock = %+v, %v, want %+v", l, err, dir)
		}
		for _, token := range []string{"e", "none"} {
			if _, err := tx.Lock(token, at); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Lock %s = %v", token, err)
			}
		}
		if n, taken, err := tx.CountLocks(Path(t, "/c/b/d"), "me", at); n != 1 || taken != 5 || err != nil {
			t.Errorf("CountLocks = %d, %d, %v", n, taken, err)
		}
		return nil
	})
	ctx := context.Background()
	if err := t.m.Update(ctx, cellfs.Update{Soon: true, Do: func(tx cellfs.Tx) error { return tx.AddLock(box) }}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("AddLock twice = %v", err)
	}
	file.Timeout, file.Expires = time.Hour, later.Add(time.Hour)
	t.update(func(tx cellfs.Tx) error { return tx.SetLock(file) })
	t.update(func(tx cellfs.Tx) error { return tx.DeleteLock(box) })
	t.update(func(tx cellfs.Tx) error { return tx.PurgeLocks(later) })
	t.view(func(tx cellfs.Tx) error {
		var all []cellfs.Lock
		err := tx.LocksBelow(Path(t, "/"), cellfs.WholeLocks, time.Time{}, func(l cellfs.Lock) error {
			all = append(all, l)
			return nil
		})
		if want := []cellfs.Lock{file}; !reflect.DeepEqual(all, want) {
			t.Errorf("after the purge: %+v, want %+v", all, want)
		}
		return err
	})
	t.update(func(tx cellfs.Tx) error { return tx.DeleteLocks(Path(t, "/c/b")) })
	if err := Update(ctx, t.m, func(tx cellfs.Tx) error { return tx.SetLock(file) }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("SetLock of what is gone = %v", err)
	}
}

// testLocks checks what locks protect.
func testLocks(t fsTest) {
	ctx := context.Background()
	t.mkcol("/c/b")
	t.mkcol("/c/b/d")
	t.put("/c/b/d/f", "x")
	n := 0
	take := func(path string, infinite, shared bool) (cellfs.Lock, error) {
		n++
		l := cellfs.Lock{Token: fmt.Sprintf("urn:%d", n), Root: t.path(path), Infinite: infinite, Shared: shared, Principal: "me", Timeout: time.Hour}
		_, err := t.fs.Lock(ctx, &l, "text/plain", nil)
		return l, err
	}
	must := func(path string, infinite, shared bool) cellfs.Lock {
		t.Helper()
		l, err := take(path, infinite, shared)
		if err != nil {
			t.Fatalf("lock %s: %v", path, err)
		}
		return l
	}
	allowed := func(c cellfs.Change) error {
		return t.fs.View(ctx, func(tx cellfs.Tx) error { return t.fs.CheckLocks(tx, c) })
	}
	want := func(what string, c cellfs.Change, locked bool) {
		t.Helper()
		if err := allowed(c); errors.Is(err, cellfs.ErrLocked) != locked || !locked && err != nil {
			t.Errorf("%s = %v, want locked %v", what, err, locked)
		}
	}
	f, d := t.path("/c/b/d/f"), t.path("/c/b/d")
	l := must("/c/b/d/f", false, false)
	want("change of the file", cellfs.Change{Path: f}, true)
	want("with the token", cellfs.Change{Path: f, Tokens: []string{l.Token}, Principal: "me"}, false)
	want("with somebody else's token", cellfs.Change{Path: f, Tokens: []string{l.Token}, Principal: "you"}, true)
	want("change of the collection alone", cellfs.Change{Path: d}, false)
	want("removal of the collection", cellfs.Change{Path: d, Deep: true}, true)
	_, err := take("/c/b/d", true, false)
	t.wantErr("a deep lock above", err, cellfs.ErrLockConflict)
	_, err = take("/c/b/d/f", false, true)
	t.wantErr("a shared lock beside an exclusive one", err, cellfs.ErrLockConflict)
	flat := must("/c/b/d", false, false)
	want("a new member of a locked collection", cellfs.Change{Path: d.Join("new"), Member: true}, true)
	want("with its token", cellfs.Change{Path: d.Join("new"), Member: true, Tokens: []string{flat.Token}, Principal: "me"}, false)
	want("a member that is there", cellfs.Change{Path: d.Join("g")}, false)

	t.wantErr("unlock by another", t.fs.Unlock(ctx, f, l.Token, "you", false), cellfs.ErrLocked)
	t.wantErr("unlock elsewhere", t.fs.Unlock(ctx, t.path("/c/b"), l.Token, "me", false), fs.ErrNotExist)
	t.wantErr("unlock", t.fs.Unlock(ctx, f, l.Token, "me", false), nil)
	t.wantErr("breaking a lock", t.fs.Unlock(ctx, d, flat.Token, "you", true), nil)

	a, b := must("/c/b/d", true, true), must("/c/b/d/f", false, true)
	want("below two shared locks, with one", cellfs.Change{Path: f, Tokens: []string{a.Token}, Principal: "me"}, true)
	want("with both", cellfs.Change{Path: f, Tokens: []string{a.Token, b.Token}, Principal: "me"}, false)
	renewed, err := t.fs.Refresh(ctx, f, []string{"urn:none", a.Token}, "me", 2*time.Hour, nil)
	if err != nil || renewed.Token != a.Token || renewed.Timeout != 2*time.Hour {
		t.Errorf("indirect refresh = %+v, %v", renewed, err)
	}
	_, err = t.fs.Refresh(ctx, f, []string{a.Token}, "you", time.Hour, nil)
	t.wantErr("refresh by another", err, fs.ErrNotExist)

	unmapped := must("/c/b/new", false, false)
	t.want("/c/b/new", "")
	if _, err := t.fs.Move(ctx, t.path("/c/b/new"), t.path("/c/b/moved"), cellfs.TransferOptions{}); err != nil {
		t.Fatal(err)
	}
	want("after a MOVE, the old place", cellfs.Change{Path: unmapped.Root}, false)
	want("and the new", cellfs.Change{Path: t.path("/c/b/moved")}, false)
	if err := t.fs.Delete(ctx, d, nil); err != nil {
		t.Fatal(err)
	}
	want("after a DELETE", cellfs.Change{Path: f, Member: true}, false)
	_, err = take("/c/none/x", false, false)
	t.wantErr("a lock in no box", err, cellfs.ErrNoBox)
	_, err = take("/c", true, false)
	t.wantErr("a lock of a cell", err, cellfs.ErrReadOnly)
	testManyLocks(t)
	testLockBounds(t)
}

// testLockBounds takes as many locks as one resource and one principal may have, and one
// more.
func testLockBounds(t fsTest) {
	take := func(path, principal string, i int) error {
		l := cellfs.Lock{Token: fmt.Sprintf("urn:%s:%s:%d", path, principal, i), Root: t.path(path), Shared: true, Principal: principal, Timeout: time.Hour}
		_, err := t.fs.Lock(context.Background(), &l, "text/plain", nil)
		return err
	}
	// All but the last are rows that the bound is not asked for.
	has := func(n int, path, principal string) {
		err := t.fs.Update(context.Background(), func(tx cellfs.Tx) error {
			for i := range n {
				l := cellfs.Lock{
					Token: fmt.Sprintf("urn:%s:%s:%d", path, principal, i), Root: t.path(path), Shared: true, Principal: principal,
					Timeout: time.Hour, Expires: t.fs.Now().Add(time.Hour),
				}
				if path == "" {
					l.Root = t.path(fmt.Sprintf("/c/b/l%d", i))
				}
				if principal == "" {
					l.Principal = fmt.Sprint(i)
				}
				if err := tx.AddLock(l); err != nil {
					return err
				}
			}
			return nil
		})
		t.wantErr("rows of locks", err, nil)
	}
	has(cellfs.MaxLocksOfResource-1, "/c/b", "")
	t.wantErr("the last lock of a resource", take("/c/b", "last", 0), nil)
	t.wantErr("one more", take("/c/b", "another", 0), cellfs.ErrManyLocks)
	has(cellfs.MaxLocksOfPrincipal-1, "", "one")
	t.wantErr("the last lock of a principal", take("/c/b/last", "one", 0), nil)
	t.wantErr("one more", take("/c/b/l", "one", 1), cellfs.ErrManyLocks)
	_, err := t.fs.Node(context.Background(), t.path("/c/b/l"))
	t.wantErr("what it would have locked", err, fs.ErrNotExist)
	t.wantErr("another principal", take("/c/b/l", "another", 1), nil)
}

// testManyLocks has 20 goroutines take and release locks as fast as they can.
func testManyLocks(t fsTest) {
	pairs := 100
	if os.Getenv("CELLAR_SOAK") != "" {
		pairs = 2000
	}
	var wg sync.WaitGroup
	for w := range 20 {
		wg.Go(func() {
			root := t.path(fmt.Sprintf("/c/b/w%d", w))
			for i := range pairs {
				l := cellfs.Lock{Token: fmt.Sprintf("urn:%d:%d", w, i), Root: root, Principal: "me", Timeout: time.Minute}
				if _, err := t.fs.Lock(context.Background(), &l, "text/plain", nil); err != nil {
					t.Error(err)
					return
				}
				if err := t.fs.Unlock(context.Background(), root, l.Token, "me", false); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
