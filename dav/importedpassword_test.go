package dav_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/scrypt"

	"cellar/cellfs"
	"cellar/cellfs/account"
	"cellar/cellfs/restore/personiumtest"
	"cellar/dav/davtest"
)

// hashOf is a hash of another unit, whose costs are its own.
func hashOf(t testing.TB, password string, logN, r, p int) string {
	t.Helper()
	salt := []byte("salt of another unit")
	key, err := scrypt.Key([]byte(password), salt, 1<<logN, r, p, 32)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("$%x$%s$%s", logN<<16|r<<8|p, b64(salt), b64(key))
}

// secretOf is what is hidden of an account.
func secretOf(t *testing.T, s *davtest.Server, name string) (hidden string) {
	t.Helper()
	err := s.FS.View(t.Context(), func(tx cellfs.Tx) error {
		c, err := tx.Cell("cell1")
		if err != nil {
			return err
		}
		e, err := tx.Entity(c.ID, 0, cellfs.SetAccount, name)
		hidden = string(e.Hidden)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hidden
}

// TestImportedHashesAreReplaced: the first right password of an imported account puts a hash
// at this server's cost in the place of its own; a wrong one, and what costs too much, do not.
func TestImportedHashesAreReplaced(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	s := davtest.New(t, davtest.Config{PasswordCost: account.DefaultCost})
	const password = "password-of-alice"
	from := personiumtest.New("other")
	from.AddAccount("dear", hashOf(t, password, 15, 8, 1))
	from.AddAccount("cheap", hashOf(t, password, 4, 8, 1))
	from.AddAccount("ours", personiumtest.ScryptPassword)
	from.AddAccount("excessive", strings.Replace(hashOf(t, password, 4, 8, 1), "$40801$", "$140801$", 1))
	importZip(s, "cell1", from.Bytes()).Value("status").IsEqual("ready")

	login := func(name, password string) *http.Response {
		return askToken(s, "cell1", map[string]string{"grant_type": "password", "username": name, "password": password}).Raw()
	}
	for _, name := range []string{"dear", "cheap"} {
		before := secretOf(t, s, name)
		if r := login(name, "wrong-password"); r.StatusCode != http.StatusBadRequest || secretOf(t, s, name) != before {
			t.Errorf("%s, by a wrong password: %d, %s", name, r.StatusCode, secretOf(t, s, name))
		}
	}
	s.Restart() // and who guessed is forgotten
	before := secretOf(t, s, "ours")
	if r := login("ours", password); r.StatusCode != http.StatusOK || secretOf(t, s, "ours") != before {
		t.Errorf("at the same cost: %d, %s", r.StatusCode, secretOf(t, s, "ours"))
	}
	if r := login("excessive", password); r.StatusCode != http.StatusBadRequest {
		t.Errorf("a hash that costs too much: %d", r.StatusCode)
	}

	// Of many logins at once each gets a token that stays good.
	const logins = 4
	tokens := make([]string, logins)
	var wg sync.WaitGroup
	for i := range tokens {
		wg.Go(func() {
			tokens[i] = askToken(s, "cell1", map[string]string{"grant_type": "password", "username": "dear", "password": password}).
				Status(http.StatusOK).JSON().Object().Value("access_token").String().Raw()
		})
	}
	wg.Wait()
	if r := login("cheap", password); r.StatusCode != http.StatusOK {
		t.Errorf("a cheap hash: %d", r.StatusCode)
	}
	for _, name := range []string{"dear", "cheap"} {
		if secret := secretOf(t, s, name); !strings.Contains(secret, `"$e0801$`) {
			t.Errorf("%s is hashed as %s", name, secret)
		}
	}
	for _, token := range tokens {
		davtest.Error(s.With(token, "GET", "/cell1/__export").Expect(), "PR403-AU-0002") // known, and may not
	}
	s.Restart()
	if r := login("dear", password); r.StatusCode != http.StatusOK {
		t.Errorf("after a restart: %d", r.StatusCode)
	}
}
