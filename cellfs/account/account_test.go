package account_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"cellar/barfs/install"
	"cellar/cellfs"
	"cellar/cellfs/account"
	"cellar/cellfs/cellfstest"
	"cellar/cellfs/restore"
	"cellar/cellfs/restore/personiumtest"
)

func newStore(t *testing.T) (*cellfs.FS, cellfs.Cell) {
	t.Helper()
	f := cellfs.New(cellfs.Config{Meta: cellfstest.NewMemMeta(), Blobs: cellfstest.NewMemBlobs(), Snapshots: cellfstest.NoSnapshots{}, Log: slog.New(slog.DiscardHandler)})
	c, err := f.CreateCell(t.Context(), "c", "owner")
	if err != nil {
		t.Fatal(err)
	}
	return f, c
}

func wantCheck(t *testing.T, f *cellfs.FS, name, password string, want bool) {
	t.Helper()
	if ok, err := check(t.Context(), f, name, password); ok != want || err != nil {
		t.Errorf("Check(%s, %s) = %v, %v, want %v", name, password, ok, err, want)
	}
}

// TestPasswords: the password that was set last is the right one, and no other.
func TestPasswords(t *testing.T) {
	ctx := t.Context()
	f, _ := newStore(t)
	if err := account.Create(ctx, f, "c", "alice", "correct-horse"); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, f, "alice", "correct-horse", true)
	for _, wrong := range []string{"", "correct-horsf", "correct-horse\x00", strings.Repeat("x", 10_000)} {
		wantCheck(t, f, "alice", wrong, false)
	}
	wantCheck(t, f, "bob", "correct-horse", false)
	if err := account.SetPassword(ctx, f, "c", "alice", "another_one!"); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, f, "alice", "correct-horse", false)
	wantCheck(t, f, "alice", "another_one!", true)
	const phrase = "correct horse battery staple, no: a longer one." // with signs that are not taken
	if err := account.SetPassword(ctx, f, "c", "alice", phrase); !errors.Is(err, account.ErrPassword) {
		t.Errorf("%q: %v", phrase, err)
	}
	long := strings.Repeat("correct horse battery ", 5) + "staple"
	if err := account.SetPassword(ctx, f, "c", "alice", long); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, f, "alice", long, true)
	wantCheck(t, f, "alice", long[:32], false)
	wantCheck(t, f, "alice", long+" ", false)
	wantCheck(t, f, "alice", strings.ReplaceAll(long, " ", ""), false)
	if err := account.Remove(ctx, f, "c", "alice"); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, f, "alice", "another_one!", false)
}

// TestForms: names and passwords on both sides of their limits.
func TestForms(t *testing.T) {
	ctx := t.Context()
	f, _ := newStore(t)
	for name, want := range map[string]error{
		"a": nil, "A1-_!$*=^`{|}~.@": nil, strings.Repeat("n", 128): nil, strings.Repeat("n", 129): account.ErrName,
		"": account.ErrName, "-a": account.ErrName, "a b": account.ErrName, "é": account.ErrName, "a/b": account.ErrName,
	} {
		if err := account.Create(ctx, f, "c", name, "password"); !errors.Is(err, want) {
			t.Errorf("Create(%q) = %v, want %v", name, err, want)
		}
	}
	for password, want := range map[string]error{
		"12345": account.ErrPassword, "123456": nil, strings.Repeat("p", 128): nil, strings.Repeat("p", 129): account.ErrPassword,
		"pass word": nil, "correct horse  battery staple": nil, " password": account.ErrPassword, "password ": account.ErrPassword, "      ": account.ErrPassword,
		"pässword": account.ErrPassword, "pass\nword": account.ErrPassword, "pass\tword": account.ErrPassword, "pass+word": account.ErrPassword, "pass%20word": account.ErrPassword,
	} {
		if err := account.SetPassword(ctx, f, "c", "a", password); !errors.Is(err, want) {
			t.Errorf("SetPassword(%q) = %v, want %v", password, err, want)
		}
	}
	if err := account.Create(ctx, f, "none", "a", "password"); !errors.Is(err, cellfs.ErrNoCell) {
		t.Errorf("Create in a cell that is not there = %v", err)
	}
}

// TestImported: accounts of Personium log in with the passwords they had, where their
// hashes can be checked.
func TestImported(t *testing.T) {
	ctx := t.Context()
	f, c := newStore(t)
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
	wantCheck(t, f, "alice", personiumtest.Password, true)
	wantCheck(t, f, "alice", personiumtest.Password+"x", false)
	wantCheck(t, f, "carol", "", false) // has none
	if ok, err := check(ctx, f, "bob", "password-of-bob"); ok || err == nil {
		t.Errorf("a hash with a salt that is elsewhere: %v, %v", ok, err)
	}
	all, err := account.List(ctx, f, "c")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, a := range all {
		line := a.Name
		for _, r := range a.Roles {
			line += " " + r.String()
		}
		lines = append(lines, line)
	}
	if want := []string{"alice admin", "bob app/reader", "carol"}; !slices.Equal(lines, want) {
		t.Errorf("accounts %q, want %q", lines, want)
	}
	if err := account.Grant(ctx, f, "c", "alice", account.Role{Name: "admin"}); !errors.Is(err, account.ErrLinked) {
		t.Errorf("a role that the account has = %v", err)
	}
	if err := account.Revoke(ctx, f, "c", "bob", account.Role{Box: "app", Name: "reader"}); err != nil {
		t.Errorf("revoke: %v", err)
	}
}

// TestRenew: another hash of the password takes the place of the one that was looked at, and of
// no other.
func TestRenew(t *testing.T) {
	ctx := t.Context()
	f, _ := newStore(t)
	if err := account.Create(ctx, f, "c", "alice", "correct-horse"); err != nil {
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
	hash := func() []byte {
		t.Helper()
		secret, err := account.DefaultCost.Hash("correct-horse")
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	old, secret := find(), hash()
	if err := account.Renew(ctx, f, "c", old, secret); err != nil {
		t.Fatal(err)
	}
	if got := find().Secret; !bytes.Equal(got, secret) {
		t.Errorf("the secret is %s", got)
	}
	wantCheck(t, f, "alice", "correct-horse", true)
	if err := account.Renew(ctx, f, "c", old, hash()); !errors.Is(err, account.ErrChanged) {
		t.Errorf("a second time: %v", err)
	}
	if err := account.SetPassword(ctx, f, "c", "alice", "another-one"); err != nil {
		t.Fatal(err)
	}
	old = find()
	if err := account.Remove(ctx, f, "c", "alice"); err != nil {
		t.Fatal(err)
	}
	if err := account.Renew(ctx, f, "c", old, secret); !errors.Is(err, account.ErrChanged) {
		t.Errorf("of an account that is gone: %v", err)
	}
}

// TestFrozen: while the cell is being replaced nothing of its accounts changes.
func TestFrozen(t *testing.T) {
	stop := errors.New("the cell is being replaced")
	f := cellfs.New(cellfs.Config{Meta: cellfstest.NewMemMeta(), Blobs: cellfstest.NewMemBlobs(), Snapshots: cellfstest.NoSnapshots{}, Log: slog.New(slog.DiscardHandler)})
	if _, err := f.CreateCell(t.Context(), "c", "owner"); err != nil {
		t.Fatal(err)
	}
	if err := account.Create(t.Context(), f, "c", "alice", "password"); err != nil {
		t.Fatal(err)
	}
	f.SetFrozen(func(int64) error { return stop })
	for name, change := range map[string]func(context.Context) error{
		"create":   func(ctx context.Context) error { return account.Create(ctx, f, "c", "bob", "password") },
		"password": func(ctx context.Context) error { return account.SetPassword(ctx, f, "c", "alice", "password2") },
		"remove":   func(ctx context.Context) error { return account.Remove(ctx, f, "c", "alice") },
		"role":     func(ctx context.Context) error { return account.AddRole(ctx, f, "c", account.Role{Name: "r"}) },
	} {
		if err := change(t.Context()); !errors.Is(err, stop) {
			t.Errorf("%s = %v", name, err)
		}
	}
	wantCheck(t, f, "alice", "password", true)
}

// check says whether the account logs in.
func check(ctx context.Context, f *cellfs.FS, name, password string) (bool, error) {
	id, err := account.Find(ctx, f, "c", name)
	if errors.Is(err, account.ErrNone) {
		id, err = account.DefaultCost.Nobody(), nil
	}
	if err != nil {
		return false, err
	}
	return id.Verify(password)
}
