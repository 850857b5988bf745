package account

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cellar/cellfs"
)

// Errors of names. All functions return [cellfs.ErrNoCell] for a cell that is not
// there, and what refuses a change while the cell is being replaced.
var (
	ErrName     = errors.New("a name has 1 to 128 characters, the first a letter or digit")
	ErrNone     = errors.New("there is no such account")
	ErrExists   = errors.New("there is such an account already")
	ErrNoRole   = errors.New("there is no such role")
	ErrRole     = errors.New("there is such a role already")
	ErrNoBox    = errors.New("there is no such box")
	ErrLinked   = errors.New("the account has the role already")
	ErrUnlinked = errors.New("the account does not have the role")
	ErrChanged  = errors.New("the account has another password by now")
)

var (
	accountName = regexp.MustCompile("^[a-zA-Z0-9][a-zA-Z0-9-_!$*=^`{|}~.@]{0,127}$")
	roleName    = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9-_]{0,127}$`)
)

// IsName says whether an account can have that name.
func IsName(name string) bool { return accountName.MatchString(name) }

// IsRoleName says whether a role can have that name.
func IsRoleName(name string) bool { return roleName.MatchString(name) }

// Role names a role of a cell.
type Role struct {
	Box  string // "" for one of the cell
	Name string
}

func (r Role) String() string {
	if r.Box == "" {
		return r.Name
	}
	return r.Box + "/" + r.Name
}

// Account is one of a cell.
type Account struct {
	Name     string
	Password bool  // it has one
	Problem  error // why its password cannot be checked, and a new one is needed; nil if it can
	Roles    []Role
}

// Create makes an account that is active. It returns [ErrName], [ErrPassword] and
// [ErrExists].
func Create(ctx context.Context, f *cellfs.FS, cell, name, password string) error {
	if !accountName.MatchString(name) {
		return ErrName
	}
	secret, err := DefaultCost.Hash(password)
	if err != nil {
		return err
	}
	doc, err := json.Marshal(map[string]any{"Name": name, "Type": "basic", "Status": "active", "Cell": nil, "IPAddressRange": nil})
	if err != nil {
		return err
	}
	return change(ctx, f, cell, func(tx cellfs.Tx, c *cellfs.Cell) error {
		now := f.Now()
		err := tx.AddEntity(&cellfs.Entity{Cell: c.ID, Set: cellfs.SetAccount, Key: name, Doc: doc, Hidden: secret, Created: now, Updated: now})
		return instead(err, fs.ErrExist, ErrExists)
	})
}

// SetPassword gives an account another password. It returns [ErrNone] and
// [ErrPassword].
func SetPassword(ctx context.Context, f *cellfs.FS, cell, name, password string) error {
	secret, err := DefaultCost.Hash(password)
	if err != nil {
		return err
	}
	return change(ctx, f, cell, func(tx cellfs.Tx, c *cellfs.Cell) error {
		return setSecret(tx, c, name, func(e *cellfs.Entity) error {
			e.Hidden, e.Updated = secret, f.Now()
			return nil
		})
	})
}

// SetOwn gives an account another password, which [Hash] made the secret of, by who has
// it: if the password had to be changed, that is done. What the transaction must look at
// or record besides, check does; its error ends the change. It returns [ErrNone].
func SetOwn(ctx context.Context, f *cellfs.FS, cell, name string, secret json.RawMessage, check func(cellfs.Tx, *cellfs.Cell) error) error {
	return change(ctx, f, cell, func(tx cellfs.Tx, c *cellfs.Cell) error {
		if err := check(tx, c); err != nil {
			return err
		}
		return setSecret(tx, c, name, func(e *cellfs.Entity) (err error) {
			e.Doc, err = activated(e.Doc)
			e.Hidden, e.Updated = secret, f.Now()
			return err
		})
	})
}

// Renew puts another hash of the password that the account has in the place of the one that
// id had: nothing else of the account changes. It returns [ErrChanged] if that is not the
// account's any more.
func Renew(ctx context.Context, f *cellfs.FS, cell string, id *Identity, secret json.RawMessage) error {
	err := change(ctx, f, cell, func(tx cellfs.Tx, c *cellfs.Cell) error {
		return setSecret(tx, c, id.Name, func(e *cellfs.Entity) error {
			if e.ID != id.ID || !bytes.Equal(e.Hidden, id.Secret) {
				return ErrChanged
			}
			e.Hidden = secret
			return nil
		})
	})
	return instead(err, ErrNone, ErrChanged)
}

func setSecret(tx cellfs.Tx, c *cellfs.Cell, name string, set func(*cellfs.Entity) error) error {
	e, err := tx.Entity(c.ID, 0, cellfs.SetAccount, name)
	if err != nil {
		return instead(err, fs.ErrNotExist, ErrNone)
	}
	if err := set(&e); err != nil {
		return err
	}
	return tx.SetEntity(&e)
}

// activated is the document of an account that had to change its password, and has.
func activated(doc json.RawMessage) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(doc, &fields); err != nil {
		return nil, err
	}
	if string(fields["Status"]) != `"`+string(MustChange)+`"` {
		return doc, nil
	}
	fields["Status"] = json.RawMessage(`"` + Active + `"`)
	return json.Marshal(fields)
}

// Remove removes an account. It returns [ErrNone].
func Remove(ctx context.Context, f *cellfs.FS, cell, name string) error {
	return change(ctx, f, cell, func(tx cellfs.Tx, c *cellfs.Cell) error {
		e, err := tx.Entity(c.ID, 0, cellfs.SetAccount, name)
		if err != nil {
			return instead(err, fs.ErrNotExist, ErrNone)
		}
		return tx.DeleteEntity(e.ID)
	})
}

// List lists the accounts of a cell by name.
func List(ctx context.Context, f *cellfs.FS, cell string) (all []Account, err error) {
	err = eachOf(ctx, f, cell, cellfs.SetAccount, func(tx cellfs.Tx, e *cellfs.Entity) (err error) {
		a := Account{Name: e.Key, Password: true}
		switch _, err := parseSecret(e.Hidden); {
		case errors.Is(err, errNoPassword):
			a.Password = false
		case err != nil:
			a.Problem = err
		}
		if a.Roles, err = rolesOf(tx, e); err != nil {
			return err
		}
		all = append(all, a)
		return nil
	})
	return all, err
}

// change runs fn in a transaction that changes the cell.
func change(ctx context.Context, f *cellfs.FS, cell string, fn func(cellfs.Tx, *cellfs.Cell) error) error {
	return f.Update(ctx, func(tx cellfs.Tx) error {
		c, err := tx.Cell(cell)
		if err != nil {
			return instead(err, fs.ErrNotExist, cellfs.ErrNoCell)
		}
		// An import that runs would undo it.
		if _, err := tx.Touch(c.ID, 0); err != nil {
			return err
		}
		return fn(tx, &c)
	})
}

// eachOf calls yield for the control objects of one set, in the order of their keys.
func eachOf(ctx context.Context, f *cellfs.FS, cell, set string, yield func(cellfs.Tx, *cellfs.Entity) error) error {
	return f.View(ctx, func(tx cellfs.Tx) error {
		c, err := tx.Cell(cell)
		if err != nil {
			return instead(err, fs.ErrNotExist, cellfs.ErrNoCell)
		}
		list, err := tx.Entities(c.ID, set)
		if err != nil {
			return err
		}
		for i := range list {
			if err := yield(tx, &list[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// instead is the error that says more than a sentinel of the store.
func instead(err, sentinel, better error) error {
	if errors.Is(err, sentinel) {
		return better
	}
	return err
}

func rolesOf(tx cellfs.Tx, e *cellfs.Entity) (all []Role, err error) {
	ends, err := tx.LinksOf(e.Cell, 0, cellfs.End{Set: e.Set, Key: strconv.FormatInt(e.ID, 10)}, cellfs.SetRole)
	if err != nil {
		return nil, err
	}
	for _, end := range ends {
		id, err := strconv.ParseInt(end.Key, 10, 64)
		if err != nil {
			return nil, err
		}
		role, err := tx.EntityByID(id)
		if err != nil {
			return nil, err
		}
		r, err := named(tx, &role)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Role) int { return strings.Compare(a.String(), b.String()) })
	return all, nil
}
