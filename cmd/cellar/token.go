package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"cellar/dav/auth"
)

func tokenCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name: "token", Usage: "print an access token of a running server, for scripts",
		Description: "Without --user the token is the unit admin's. With --scope it is good for nothing else, the admin's neither. Use it as: curl -H \"Authorization: Bearer $(cellar token …)\"",
		Flags: append(remoteFlags(),
			&cli.StringFlag{Name: "cell", Usage: "`NAME` of the cell that is asked; the account of --user is one of its (default: the unit)"},
			&cli.StringFlag{Name: "scope", Usage: "`PRIVILEGES` of the cell that the token is good for, separated by blanks (default: all that the account has)"},
			&cli.DurationFlag{Name: "life", Value: auth.MaxAccess * time.Second, Usage: "`TIME` that the token is good, at most an hour"},
		),
		Action: onlyFlags(func(c *cli.Context) error {
			if c.String("user") != "" && c.String("cell") == "" {
				return usagef("--user is an account of a cell: say which by --cell")
			}
			r, err := openRemote(c, stderr)
			if err != nil {
				return err
			}
			token, err := r.token(c.Context, c.String("cell"), c.String("scope"), c.Duration("life"))
			if err != nil {
				return err
			}
			fmt.Fprintln(stdout, token)
			return nil
		}),
		Subcommands: []*cli.Command{{
			Name: "rotate", Usage: "sign tokens with a new key, with the server stopped",
			Description: "Tokens that are out stay good for their time. The server does this by itself every 30 days.",
			Flags:       []cli.Flag{dataFlag(), &cli.BoolFlag{Name: "revoke", Usage: "make all tokens that are out worthless"}},
			Action: onlyFlags(func(c *cli.Context) error {
				return withUnit(c, func(u *unit) error {
					if err := auth.Rotate(c.Context, u.fs, u.fs.Now(), c.Bool("revoke")); err != nil {
						return err
					}
					fmt.Fprintln(stdout, "tokens are signed with a new key")
					return nil
				})
			}),
		}},
	}
}

// token asks for an access token (contract 5.3).
func (r *remote) token(ctx context.Context, cell, scope string, life time.Duration) (string, error) {
	form := url.Values{
		"grant_type": {"password"}, "username": {r.user}, "password": {r.password},
		"expires_in": {strconv.Itoa(int(life / time.Second))},
	}
	if scope != "" {
		form.Set("scope", scope)
	}
	path := "__token"
	if cell != "" {
		path = url.PathEscape(cell) + "/__token"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := r.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct {
		Token       string `json:"access_token"`
		Description string `json:"error_description"`
		errorBody
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&answer); err != nil {
		return "", fmt.Errorf("the server says %s", res.Status)
	}
	switch {
	case res.StatusCode == http.StatusOK:
		return answer.Token, nil
	case answer.Description != "":
		return "", errors.New("the server says " + answer.Description)
	}
	return "", answer.asError(res.Status)
}
