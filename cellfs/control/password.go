package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"cellar/cellfs"
	"cellar/cellfs/account"
)

// SetOwnPassword gives an account another password, set by its holder: secret is what
// [account.Cost.Hash] made of it. An account that had to change its password is active
// afterwards. It returns [ErrNone].
func (s *Store) SetOwnPassword(name string, secret json.RawMessage) error {
	return s.setSecret(name, func(e *cellfs.Entity) (err error) {
		e.Doc, err = activated(e.Doc)
		e.Hidden, e.Updated = secret, later(s.FS.Now(), e.Updated)
		return err
	})
}

// Rehash replaces the hash of a password by another one of the same password, and changes
// nothing else of the account. It returns [account.ErrChanged] if the account is not as id
// shows it any more, and [cellfs.ErrNoCell].
func Rehash(ctx context.Context, f *cellfs.FS, cell string, id *account.Identity, secret json.RawMessage) error {
	return f.Update(ctx, func(tx cellfs.Tx) error {
		s, err := In(f, tx, cell)
		if err != nil {
			return err
		}
		err = s.setSecret(id.Name, func(e *cellfs.Entity) error {
			if e.ID != id.ID || !bytes.Equal(e.Hidden, id.Secret) {
				return account.ErrChanged
			}
			e.Hidden = secret
			return nil
		})
		if errors.Is(err, ErrNone) {
			err = account.ErrChanged
		}
		return err
	})
}

func (s *Store) setSecret(name string, set func(*cellfs.Entity) error) error {
	e, err := s.entity(SetOf(cellfs.SetAccount), Values{"Name": name})
	if err != nil {
		return err
	}
	if err := s.touch(); err != nil {
		return err
	}
	if err := set(&e); err != nil {
		return err
	}
	return s.Tx.SetEntity(&e)
}

// activated is the document of an account whose password was changed.
func activated(doc json.RawMessage) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(doc, &fields); err != nil {
		return nil, err
	}
	if string(fields["Status"]) != `"`+string(account.MustChange)+`"` {
		return doc, nil
	}
	fields["Status"] = json.RawMessage(`"` + account.Active + `"`)
	return json.Marshal(fields)
}
