package auth

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"cellar/cellfs"
)

const (
	// KeyLife is how long tokens are signed with one key.
	KeyLife = 30 * 24 * time.Hour
	// keyGrace is how long a key that signs no more is kept: until no token that it
	// signed is alive.
	keyGrace = MaxRefresh*time.Second + time.Hour

	settingKeys = "token-keys"
)

// signingKey signs tokens. Its time is that from which it was used.
type signingKey struct {
	ID     string    `json:"id"`
	Secret string    `json:"secret"`
	Since  time.Time `json:"since"`
}

// keys are those of the unit, the newest last.
type keys struct {
	mu  sync.RWMutex
	all []signingKey
}

func (k *keys) load(ctx context.Context, f *cellfs.FS, now time.Time) error {
	var all []signingKey
	err := f.Update(ctx, func(tx cellfs.Tx) (err error) {
		if all, err = readKeys(tx); err != nil || len(all) > 0 {
			return err
		}
		all = []signingKey{newKey(now)}
		return writeKeys(tx, all)
	})
	if err != nil {
		return fmt.Errorf("token keys: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = all
	return nil
}

func newKey(now time.Time) signingKey {
	return signingKey{ID: rand.Text()[:8], Secret: rand.Text() + rand.Text(), Since: now.UTC().Truncate(time.Second)}
}

func readKeys(tx cellfs.Tx) (all []signingKey, err error) {
	text, err := tx.Setting(settingKeys)
	if err != nil || text == "" {
		return nil, err
	}
	return all, json.Unmarshal([]byte(text), &all)
}

func writeKeys(tx cellfs.Tx, all []signingKey) error {
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return tx.SetSetting(settingKeys, string(text))
}

// newest is the key that signs.
func (k *keys) newest() signingKey {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.all[len(k.all)-1]
}

// byID returns the key with that id.
func (k *keys) byID(id string) (signingKey, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, s := range k.all {
		if s.ID == id {
			return s, true
		}
	}
	return signingKey{}, false
}

// Rotate makes tokens be signed with a new key from now on. Tokens that are out stay
// good, unless revoke says that none of them shall be. A server reads the keys at its
// start.
func Rotate(ctx context.Context, f *cellfs.FS, now time.Time, revoke bool) error {
	return f.Update(ctx, func(tx cellfs.Tx) error {
		all, err := readKeys(tx)
		if err != nil {
			return err
		}
		if revoke {
			all = nil
		}
		all = append(all, newKey(now))
		// A key is of use as long as tokens live that were signed before its successor came.
		for len(all) > 1 && now.Sub(all[1].Since) > keyGrace {
			all = all[1:]
		}
		return writeKeys(tx, all)
	})
}

// RotateIfOld is [Rotate] once the key is [KeyLife] old. It is to be called now and then.
func (a *Auth) RotateIfOld(ctx context.Context) error {
	now := a.now()
	if now.Sub(a.keys.newest().Since) < KeyLife {
		return nil
	}
	if err := Rotate(ctx, a.fs, now, false); err != nil {
		return err
	}
	a.log.Info("tokens are signed with a new key")
	a.parsed.forget()
	return a.keys.load(ctx, a.fs, now)
}
