package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"cellar/cellfs"
	"cellar/cellfs/account"
	"cellar/dav/answer"
)

func peopleFlags(more ...cli.Flag) []cli.Flag {
	flags := append([]cli.Flag{
		dataFlag(),
		&cli.StringFlag{Name: "server", EnvVars: env("SERVER"), Usage: "`URL` of a running server, which is asked as the unit admin (default: work on the data folder of a stopped one)"},
	}, adminFlags()...)
	return append(flags, more...)
}

// people are the accounts and roles of the cells of a server. They change by its control
// objects (contract 1.16), whether the server runs or its handler is called in this process,
// so that each change is in the event log.
type people struct {
	*remote
	fs *cellfs.FS // of the data folder; nil for a running server
}

// withPeople runs fn on the server that --server names, or else on the data folder.
func withPeople(c *cli.Context, fn func(people) error) error {
	if c.String("server") == "" {
		return withHandler(c, func(r *remote, u *unit) error { return fn(people{r, u.fs}) })
	}
	r, err := asAdmin(c)
	if err != nil {
		return err
	}
	return fn(people{remote: r})
}

// control sends a request about control objects and decodes the answer's results.
func (p people) control(ctx context.Context, method, cell, path string, body, results any, header ...string) error {
	var in io.Reader
	size := int64(0)
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in, size = bytes.NewReader(text), int64(len(text))
	}
	res, err := p.do(ctx, method, url.PathEscape(cell)+"/__ctl/"+path, in, size, header...)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if results == nil {
		return nil
	}
	var d struct {
		D struct{ Results json.RawMessage }
	}
	if err := json.NewDecoder(res.Body).Decode(&d); err != nil {
		return err
	}
	return json.Unmarshal(d.D.Results, results)
}

const credentialHeader = "X-Personium-Credential"

func accountKey(name string) string { return "Account('" + keyText(name) + "')" }

func roleKey(r account.Role) string {
	box := "null"
	if r.Box != "" {
		box = "'" + keyText(r.Box) + "'"
	}
	return "Role(Name='" + keyText(r.Name) + "',_Box.Name=" + box + ")"
}

func keyText(s string) string { return url.PathEscape(strings.ReplaceAll(s, "'", "''")) }

// What the codes of the server mean to the user of a command.
var (
	errAccountName   = errors.New("a name has 1 to 128 characters, the first a letter or digit")
	errAccountExists = errors.New("there is such an account already")
	errNoRole        = errors.New("there is no such role")
	errRoleExists    = errors.New("there is such a role already")
	errNoBox         = errors.New("there is no such box")
	errHasRole       = errors.New("the account has the role already")
	errHasNotRole    = errors.New("the account does not have the role")
)

// say replaces an error answer by the error that words has for its code.
func say(err error, words map[answer.Code]error) error {
	var e *answerError
	if errors.As(err, &e) && e.answer.Code == answer.CellNotFound {
		return cellfs.ErrNoCell
	}
	if errors.As(err, &e) && words[e.answer.Code] != nil {
		return words[e.answer.Code]
	}
	return err
}

func (p people) Create(ctx context.Context, cell, name, password string) error {
	if !account.IsName(name) {
		return errAccountName
	}
	err := p.control(ctx, http.MethodPost, cell, "Account", map[string]string{"Name": name}, nil, credentialHeader, password)
	return say(err, map[answer.Code]error{answer.EntityExists: errAccountExists, answer.PasswordFormat: account.ErrPassword})
}

func (p people) SetPassword(ctx context.Context, cell, name, password string) error {
	err := p.control(ctx, "MERGE", cell, accountKey(name), map[string]string{}, nil, credentialHeader, password)
	return say(err, map[answer.Code]error{answer.EntityNotFound: account.ErrNone, answer.PasswordFormat: account.ErrPassword})
}

func (p people) Remove(ctx context.Context, cell, name string) error {
	return say(p.control(ctx, http.MethodDelete, cell, accountKey(name), nil, nil), map[answer.Code]error{answer.EntityNotFound: account.ErrNone})
}

// pageSize is how many objects the server gives at once at most (contract 1.16).
const pageSize = 10_000

// everything lists all objects at path, page by page.
func everything[T any](ctx context.Context, p people, cell, path string) (list []T, err error) {
	for {
		var page []T
		if err := p.control(ctx, http.MethodGet, cell, fmt.Sprintf("%s?$top=%d&$skip=%d", path, pageSize, len(list)), nil, &page); err != nil {
			return nil, err
		}
		if list = append(list, page...); len(page) < pageSize {
			return list, nil
		}
	}
}

type namedRole struct {
	Name string
	Box  *string `json:"_Box.Name"`
}

func rolesOf(list []namedRole) (roles []account.Role) {
	for _, r := range list {
		role := account.Role{Name: r.Name}
		if r.Box != nil {
			role.Box = *r.Box
		}
		roles = append(roles, role)
	}
	slices.SortFunc(roles, func(a, b account.Role) int { return strings.Compare(a.String(), b.String()) })
	return roles
}

// List lists the accounts of a cell and their roles. Only with the data folder it is known which accounts
// need a new password.
func (p people) List(ctx context.Context, cell string) (accounts []account.Account, err error) {
	if p.fs != nil {
		return account.List(ctx, p.fs, cell)
	}
	list, err := everything[struct{ Name string }](ctx, p, cell, "Account")
	if err != nil {
		return nil, say(err, nil)
	}
	for _, a := range list {
		roles, err := everything[namedRole](ctx, p, cell, accountKey(a.Name)+"/_Role")
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, account.Account{Name: a.Name, Password: true, Roles: rolesOf(roles)})
	}
	return accounts, nil
}

func (p people) AddRole(ctx context.Context, cell string, r account.Role) error {
	if !account.IsRoleName(r.Name) {
		return errAccountName
	}
	body := map[string]any{"Name": r.Name, "_Box.Name": nil}
	if r.Box != "" {
		body["_Box.Name"] = r.Box
	}
	err := p.control(ctx, http.MethodPost, cell, "Role", body, nil)
	return say(err, map[answer.Code]error{answer.EntityExists: errRoleExists, answer.RelatedEntity: errNoBox})
}

func (p people) RemoveRole(ctx context.Context, cell string, r account.Role) error {
	return say(p.control(ctx, http.MethodDelete, cell, roleKey(r), nil, nil), map[answer.Code]error{answer.EntityNotFound: errNoRole})
}

func (p people) Roles(ctx context.Context, cell string) ([]account.Role, error) {
	list, err := everything[namedRole](ctx, p, cell, "Role")
	return rolesOf(list), say(err, nil)
}

func (p people) Grant(ctx context.Context, cell, name string, r account.Role) error {
	// The server says what its URL of the role is: it may be reached here by another one.
	var role struct {
		Metadata struct{ URI string } `json:"__metadata"`
	}
	if err := p.control(ctx, http.MethodGet, cell, roleKey(r), nil, &role); err != nil {
		return say(err, map[answer.Code]error{answer.EntityNotFound: errNoRole})
	}
	body := map[string]string{"uri": role.Metadata.URI}
	err := p.control(ctx, http.MethodPost, cell, accountKey(name)+"/$links/_Role", body, nil)
	return say(err, map[answer.Code]error{answer.EntityNotFound: account.ErrNone, answer.LinkExists: errHasRole})
}

func (p people) Revoke(ctx context.Context, cell, name string, r account.Role) error {
	err := p.control(ctx, http.MethodDelete, cell, accountKey(name)+"/$links/_"+roleKey(r), nil, nil)
	return say(err, map[answer.Code]error{answer.EntityNotFound: errHasNotRole})
}
