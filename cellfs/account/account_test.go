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

// TestForms: names and passwords on both sides of their limits.
func TestForms(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "A1-_!$*=^`{|}~.@": true, strings.Repeat("n", 128): true, strings.Repeat("n", 129): false,
		"": false, "-a": false, "a b": false, "é": false, "a/b": false,
	} {
		if got := account.IsName(name); got != want {
			t.Errorf("IsName(%q) = %v", name, got)
		}
	}
	for password, want := range map[string]error{
		"12345": account.ErrPassword, "123456": nil, strings.Repeat("p", 128): nil, strings.Repeat("p", 129): account.ErrPassword,
		"pass word": nil, "correct horse  battery staple": nil, " password": account.ErrPassword, "password ": account.ErrPassword, "      ": account.ErrPassword,
		"pässword": account.ErrPassword, "pass\nword": account.ErrPassword, "pass\tword": account.ErrPassword, "pass+word": account.ErrPassword, "pass%20word": account.ErrPassword,
		"correct horse battery staple, no: a longer one.": account.ErrPassword, // with signs that are not taken
	} {
		if _, err := account.Cost(4).Hash(password); !errors.Is(err, want) {
			t.Errorf("Hash(%q) = %v, want %v", password, err, want)
		}
		if account.IsPassword(password) != (want == nil) {
			t.Errorf("IsPassword(%q) = %v", password, want != nil)
		}
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
}

// check reports whether the account logs in.
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
