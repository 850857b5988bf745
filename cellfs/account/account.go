package account

import (
	"context"
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"cellar/cellfs"
)

// Errors of a look at an account. A cell that is not there is [cellfs.ErrNoCell].
var (
	ErrNone    = errors.New("there is no such account")
	ErrChanged = errors.New("the account has another password by now")
)

var (
	accountName = regexp.MustCompile("^[a-zA-Z0-9][a-zA-Z0-9-_!$*=^`{|}~.@]{0,127}$")
	roleName    = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9-_]{0,127}$`)
)

// IsName reports whether an account can have that name.
func IsName(name string) bool { return accountName.MatchString(name) }

// IsRoleName reports whether a role can have that name.
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

// List lists the accounts of a cell by name.
func List(ctx context.Context, f *cellfs.FS, cell string) (all []Account, err error) {
	err = f.View(ctx, func(tx cellfs.Tx) error {
		c, err := tx.Cell(cell)
		if err != nil {
			return instead(err, fs.ErrNotExist, cellfs.ErrNoCell)
		}
		list, err := tx.Entities(c.ID, cellfs.SetAccount)
		if err != nil {
			return err
		}
		for i := range list {
			a, err := described(tx, &list[i])
			if err != nil {
				return err
			}
			all = append(all, a)
		}
		return nil
	})
	return all, err
}

// described is an account as a list shows it.
func described(tx cellfs.Tx, e *cellfs.Entity) (a Account, err error) {
	a = Account{Name: e.Key, Password: true}
	switch _, err := parseSecret(e.Hidden); {
	case errors.Is(err, errNoPassword):
		a.Password = false
	case err != nil:
		a.Problem = err
	}
	a.Roles, err = rolesOf(tx, e)
	return a, err
}

// instead is the error that says more than a sentinel of the store.
func instead(err, sentinel, better error) error {
	if errors.Is(err, sentinel) {
		return better
	}
	return err
}

func rolesOf(tx cellfs.Tx, e *cellfs.Entity) (all []Role, err error) {
	ids, err := linked(tx, e, cellfs.SetRole)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
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

// named is the name of a role that is a control object.
func named(tx cellfs.Tx, e *cellfs.Entity) (Role, error) {
	r := Role{Name: e.Key}
	if e.Box == 0 {
		return r, nil
	}
	box, err := tx.Node(e.Box)
	r.Box = box.Name
	return r, err
}
