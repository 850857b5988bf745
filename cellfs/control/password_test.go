package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"cellar/barfs/install"
	"cellar/cellfs"
	"cellar/cellfs/account"
	"cellar/cellfs/cellfstest"
	"cellar/cellfs/control"
	"cellar/cellfs/restore"
	"cellar/cellfs/restore/personiumtest"
)

// cheap is the cost of the passwords of these tests.
const cheap account.Cost = 4

func newStore(t *testing.T) *cellfs.FS {
	t.Helper()
	f := cellfs.New(cellfs.Config{Meta: cellfstest.NewMemMeta(), Blobs: cellfstest.NewMemBlobs(), Snapshots: cellfstest.NoSnapshots{}})
	if _, err := f.CreateCell(t.Context(), "c", "owner"); err != nil {
		t.Fatal(err)
	}
	return f
}

func hash(t *testing.T, password string) json.RawMessage {
	t.Helper()
	secret, err := cheap.Hash(password)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// create makes an account as a client does, setPassword changes it likewise.
func create(t *testing.T, f *cellfs.FS, name, password string) error {
	t.Helper()
	return inCell(f)(t, func(s *control.Store) error {
		_, err := s.Create(set(cellfs.SetAccount), control.Values{"Name": name}, hash(t, password))
		return err
	})
}

func setPassword(t *testing.T, f *cellfs.FS, name, password string) error {
	t.Helper()
	return inCell(f)(t, func(s *control.Store) error {
		_, err := s.Update(set(cellfs.SetAccount), control.Values{"Name": name}, control.Change{Merge: true, Hidden: hash(t, password)})
		return err
	})
}

func remove(t *testing.T, f *cellfs.FS, name string) error {
	t.Helper()
	return inCell(f)(t, func(s *control.Store) error {
		return s.Delete(set(cellfs.SetAccount), control.Values{"Name": name}, nil)
	})
}

// wantCheck fails the test unless the account logs in with the password, or does not, as wanted.
func wantCheck(t *testing.T, f *cellfs.FS, name, password string, want bool) {
	t.Helper()
	id, err := account.Find(t.Context(), f, "c", name)
	if errors.Is(err, account.ErrNone) {
		id, err = cheap.Nobody(), nil
	}
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := id.Verify(password); ok != want || err != nil {
		t.Errorf("Verify(%s, %s) = %v, %v, want %v", name, password, ok, err, want)
	}
}

// TestPasswords: the password that was set last is the right one, and no other.
func TestPasswords(t *testing.T) {
	f := newStore(t)
	if err := create(t, f, "alice", "correct-horse"); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, f, "alice", "correct-horse", true)
	for _, wrong := range []string{"", "correct-horsf", "correct-horse\x00", strings.Repeat("x", 10_000)} {
		wantCheck(t, f, "alice", wrong, false)
	}
	wantCheck(t, f, "bob", "correct-horse", false)
	if err := setPassword(t, f, "alice", "another_one!"); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, f, "alice", "correct-horse", false)
	wantCheck(t, f, "alice", "another_one!", true)
	long := strings.Repeat("correct horse battery ", 5) + "staple"
	if err := setPassword(t, f, "alice", long); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, f, "alice", long, true)
	wantCheck(t, f, "alice", long[:32], false)
	wantCheck(t, f, "alice", long+" ", false)
	wantCheck(t, f, "alice", strings.ReplaceAll(long, " ", ""), false)
	if err := remove(t, f, "alice"); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, f, "alice", "another_one!", false)
	if err := setPassword(t, f, "alice", long); !errors.Is(err, control.ErrNone) {
		t.Errorf("an account that is gone gets a password: %v", err)
	}
}

// TestOwnPassword: who had to change the password, and does, is active; other accounts keep
// their status.
func TestOwnPassword(t *testing.T) {
	f := newStore(t)
	for name, status := range map[string]account.Status{"alice": account.MustChange, "bob": account.Deactivated} {
		err := inCell(f)(t, func(s *control.Store) error {
			_, err := s.Create(set(cellfs.SetAccount), control.Values{"Name": name, "Status": string(status)}, hash(t, "correct-horse"))
			if err == nil {
				err = s.SetOwnPassword(name, hash(t, "another-one"))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		id, err := account.Find(t.Context(), f, "c", name)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]account.Status{"alice": account.Active, "bob": account.Deactivated}[name]; id.Status != want {
			t.Errorf("%s is %s, want %s", name, id.Status, want)
		}
		wantCheck(t, f, name, "another-one", true)
	}
	err := inCell(f)(t, func(s *control.Store) error { return s.SetOwnPassword("nobody", hash(t, "another-one")) })
	if !errors.Is(err, control.ErrNone) {
		t.Errorf("an account that is not there: %v", err)
	}
}

// TestImportedRoles: roles that an import brought are links as others are.
func TestImportedRoles(t *testing.T) {
	ctx := t.Context()
	f := newStore(t)
	var c cellfs.Cell
	err := f.View(ctx, func(tx cellfs.Tx) (err error) {
		c, err = tx.Cell("c")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	body := personiumtest.Sample().Bytes()
	a, err := restore.Open(bytes.NewReader(body), int64(len(body)), restore.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.Restore(ctx, f, restore.Options{Cell: c, Job: 1, DocumentName: install.DocumentName})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Update(ctx, func(tx cellfs.Tx) error { return r.Show(tx, f.Now()) }); err != nil {
		t.Fatal(err)
	}
	err = inCell(f)(t, func(s *control.Store) error {
		return s.Link(set(cellfs.SetAccount), control.Values{"Name": "alice"}, set(cellfs.SetRole), control.Values{"Name": "admin"})
	})
	if !errors.Is(err, control.ErrLinked) {
		t.Errorf("a role that the account has = %v", err)
	}
	err = inCell(f)(t, func(s *control.Store) error {
		return s.Unlink(set(cellfs.SetAccount), control.Values{"Name": "bob"}, set(cellfs.SetRole), control.Values{"Name": "reader", "_Box.Name": "app"})
	})
	if err != nil {
		t.Errorf("revoke: %v", err)
	}
}

// TestRenew: another hash of the password takes the place of the one that was looked at, and of
// no other.
func TestRenew(t *testing.T) {
	ctx := t.Context()
	f := newStore(t)
	if err := create(t, f, "alice", "correct-horse"); err != nil {
		t.Fatal(err)
	}
	find := func() *account.Identity {
		t.Helper()
		id, err := account.Find(ctx, f, "c", "alice")
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	old, secret := find(), hash(t, "correct-horse")
	if err := control.Rehash(ctx, f, "c", old, secret); err != nil {
		t.Fatal(err)
	}
	if got := find().Secret; !bytes.Equal(got, secret) {
		t.Errorf("the secret is %s", got)
	}
	wantCheck(t, f, "alice", "correct-horse", true)
	if err := control.Rehash(ctx, f, "c", old, hash(t, "correct-horse")); !errors.Is(err, account.ErrChanged) {
		t.Errorf("a second time: %v", err)
	}
	if err := setPassword(t, f, "alice", "another-one"); err != nil {
		t.Fatal(err)
	}
	old = find()
	if err := remove(t, f, "alice"); err != nil {
		t.Fatal(err)
	}
	if err := control.Rehash(ctx, f, "c", old, secret); !errors.Is(err, account.ErrChanged) {
		t.Errorf("of an account that is gone: %v", err)
	}
	if err := control.Rehash(ctx, f, "none", old, secret); !errors.Is(err, cellfs.ErrNoCell) {
		t.Errorf("in a cell that is not there: %v", err)
	}
}

// TestFrozen: while the cell is being replaced nothing of its accounts changes.
func TestFrozen(t *testing.T) {
	stop := errors.New("the cell is being replaced")
	f := newStore(t)
	if err := create(t, f, "alice", "password"); err != nil {
		t.Fatal(err)
	}
	id, err := account.Find(t.Context(), f, "c", "alice")
	if err != nil {
		t.Fatal(err)
	}
	f.SetFrozen(func(int64) error { return stop })
	for name, change := range map[string]func(context.Context) error{
		"create":   func(context.Context) error { return create(t, f, "bob", "password") },
		"password": func(context.Context) error { return setPassword(t, f, "alice", "password2") },
		"remove":   func(context.Context) error { return remove(t, f, "alice") },
		"own": func(context.Context) error {
			return inCell(f)(t, func(s *control.Store) error { return s.SetOwnPassword("alice", hash(t, "password2")) })
		},
		"rehash": func(ctx context.Context) error { return control.Rehash(ctx, f, "c", id, hash(t, "password")) },
		"role": func(context.Context) error {
			return inCell(f)(t, func(s *control.Store) error {
				_, err := s.Create(set(cellfs.SetRole), control.Values{"Name": "r"}, nil)
				return err
			})
		},
	} {
		if err := change(t.Context()); !errors.Is(err, stop) {
			t.Errorf("%s = %v", name, err)
		}
	}
	wantCheck(t, f, "alice", "password", true)
}
