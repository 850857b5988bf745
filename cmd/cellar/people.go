package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"cellar/cellfs"
	"cellar/cellfs/account"
)

// people are the accounts and roles of cells, of a data folder or of a running server.
type people interface {
	Create(ctx context.Context, cell, name, password string) error
	SetPassword(ctx context.Context, cell, name, password string) error
	Remove(ctx context.Context, cell, name string) error
	List(ctx context.Context, cell string) ([]account.Account, error)
	AddRole(ctx context.Context, cell string, r account.Role) error
	RemoveRole(ctx context.Context, cell string, r account.Role) error
	Roles(ctx context.Context, cell string) ([]account.Role, error)
	Grant(ctx context.Context, cell, name string, r account.Role) error
	Revoke(ctx context.Context, cell, name string, r account.Role) error
}

func peopleFlags(more ...cli.Flag) []cli.Flag {
	flags := append([]cli.Flag{
		dataFlag(),
		&cli.StringFlag{Name: "server", EnvVars: env("SERVER"), Usage: "`URL` of a running server, which is asked as the unit admin (default: work on the data folder of a stopped one)"},
	}, adminFlags()...)
	return append(flags, more...)
}

// withPeople runs fn on the data folder, or on the server if one is named.
func withPeople(c *cli.Context, fn func(people) error) error {
	if c.String("server") == "" {
		return withUnit(c, func(u *unit) error { return fn(folder{u.fs}) })
	}
	r, err := asAdmin(c)
	if err != nil {
		return err
	}
	return fn(remotePeople{r})
}

// folder works on the data folder of a stopped server.
type folder struct{ fs *cellfs.FS }

func (f folder) Create(ctx context.Context, cell, name, password string) error {
	return account.Create(ctx, f.fs, cell, name, password)
}

func (f folder) SetPassword(ctx context.Context, cell, name, password string) error {
	return account.SetPassword(ctx, f.fs, cell, name, password)
}

func (f folder) Remove(ctx context.Context, cell, name string) error {
	return account.Remove(ctx, f.fs, cell, name)
}

func (f folder) List(ctx context.Context, cell string) ([]account.Account, error) {
	return account.List(ctx, f.fs, cell)
}

func (f folder) AddRole(ctx context.Context, cell string, r account.Role) error {
	return account.AddRole(ctx, f.fs, cell, r)
}

func (f folder) RemoveRole(ctx context.Context, cell string, r account.Role) error {
	return account.RemoveRole(ctx, f.fs, cell, r)
}

func (f folder) Roles(ctx context.Context, cell string) ([]account.Role, error) {
	return account.Roles(ctx, f.fs, cell)
}

func (f folder) Grant(ctx context.Context, cell, name string, r account.Role) error {
	return account.Grant(ctx, f.fs, cell, name, r)
}

func (f folder) Revoke(ctx context.Context, cell, name string, r account.Role) error {
	return account.Revoke(ctx, f.fs, cell, name, r)
}

// remotePeople works by the control objects of a running server
// (contract 1.16).
type remotePeople struct{ *remote }

// control sends a request about control objects and decodes the answer's results.
func (s remotePeople) control(ctx context.Context, method, cell, path string, body, results any, header ...string) error {
	var in io.Reader
	size := int64(0)
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in, size = bytes.NewReader(text), int64(len(text))
	}
	res, err := s.do(ctx, method, url.PathEscape(cell)+"/__ctl/"+path, in, size, header...)
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

// say puts the words of the data folder in the place of the server's codes.
func say(err error, words map[string]error) error {
	var e *answerError
	if errors.As(err, &e) && words[e.code] != nil {
		return words[e.code]
	}
	return err
}

func (s remotePeople) Create(ctx context.Context, cell, name, password string) error {
	err := s.control(ctx, http.MethodPost, cell, "Account", map[string]string{"Name": name}, nil, credentialHeader, password)
	return say(err, map[string]error{"PR409-OD-0003": account.ErrExists, "PR400-OD-0006": account.ErrName, "PR400-AU-0001": account.ErrPassword})
}

func (s remotePeople) SetPassword(ctx context.Context, cell, name, password string) error {
	err := s.control(ctx, "MERGE", cell, accountKey(name), map[string]string{}, nil, credentialHeader, password)
	return say(err, map[string]error{"PR404-OD-0002": account.ErrNone, "PR400-AU-0001": account.ErrPassword})
}

func (s remotePeople) Remove(ctx context.Context, cell, name string) error {
	return say(s.control(ctx, http.MethodDelete, cell, accountKey(name), nil, nil), map[string]error{"PR404-OD-0002": account.ErrNone})
}

// all is how a list is asked for whole; longer ones than the server gives at once are not
// expected of accounts and roles.
const all = "?$top=10000"

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

func (s remotePeople) List(ctx context.Context, cell string) (accounts []account.Account, err error) {
	var list []struct{ Name string }
	if err := s.control(ctx, http.MethodGet, cell, "Account"+all, nil, &list); err != nil {
		return nil, err
	}
	for _, a := range list {
		var roles []namedRole
		if err := s.control(ctx, http.MethodGet, cell, accountKey(a.Name)+"/_Role"+all, nil, &roles); err != nil {
			return nil, err
		}
		accounts = append(accounts, account.Account{Name: a.Name, Password: true, Roles: rolesOf(roles)})
	}
	return accounts, nil
}

func (s remotePeople) AddRole(ctx context.Context, cell string, r account.Role) error {
	body := map[string]any{"Name": r.Name, "_Box.Name": nil}
	if r.Box != "" {
		body["_Box.Name"] = r.Box
	}
	err := s.control(ctx, http.MethodPost, cell, "Role", body, nil)
	return say(err, map[string]error{"PR409-OD-0003": account.ErrRole, "PR400-OD-0006": account.ErrName, "PR400-OD-0024": account.ErrNoBox})
}

func (s remotePeople) RemoveRole(ctx context.Context, cell string, r account.Role) error {
	return say(s.control(ctx, http.MethodDelete, cell, roleKey(r), nil, nil), map[string]error{"PR404-OD-0002": account.ErrNoRole})
}

func (s remotePeople) Roles(ctx context.Context, cell string) ([]account.Role, error) {
	var list []namedRole
	err := s.control(ctx, http.MethodGet, cell, "Role"+all, nil, &list)
	return rolesOf(list), err
}

func (s remotePeople) Grant(ctx context.Context, cell, name string, r account.Role) error {
	// The server says what its URL of the role is: it may be reached here by another one.
	var role struct {
		Metadata struct{ URI string } `json:"__metadata"`
	}
	if err := s.control(ctx, http.MethodGet, cell, roleKey(r), nil, &role); err != nil {
		return say(err, map[string]error{"PR404-OD-0002": account.ErrNoRole})
	}
	body := map[string]string{"uri": role.Metadata.URI}
	err := s.control(ctx, http.MethodPost, cell, accountKey(name)+"/$links/_Role", body, nil)
	return say(err, map[string]error{"PR404-OD-0002": account.ErrNone, "PR409-OD-0002": account.ErrLinked})
}

func (s remotePeople) Revoke(ctx context.Context, cell, name string, r account.Role) error {
	err := s.control(ctx, http.MethodDelete, cell, accountKey(name)+"/$links/_"+roleKey(r), nil, nil)
	return say(err, map[string]error{"PR404-OD-0002": account.ErrUnlinked})
}
