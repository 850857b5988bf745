package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"cellar/cellfs/account"
)

func accountCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name: "account", Usage: "manage the accounts of a cell, of a running server or with it stopped",
		Subcommands: []*cli.Command{
			{
				Name: "add", Usage: "make an account", ArgsUsage: "CELL NAME", Flags: peopleFlags(passwordFlag()),
				Action: withPassword(stdout, stderr, "made", people.Create),
			},
			{
				Name: "passwd", Usage: "set the password of an account", ArgsUsage: "CELL NAME", Flags: peopleFlags(passwordFlag()),
				Action: withPassword(stdout, stderr, "has a new password", people.SetPassword),
			},
			{
				Name: "remove", Usage: "remove an account", ArgsUsage: "CELL NAME", Flags: peopleFlags(),
				Action: onCell(2, "a cell and a name", func(c *cli.Context, p people, args []string) error {
					if err := p.Remove(c.Context, args[0], args[1]); err != nil {
						return err
					}
					fmt.Fprintf(stdout, "account %s of cell %s removed\n", args[1], args[0])
					return nil
				}),
			},
			{
				Name: "list", Usage: "list the accounts of a cell and their roles, one a line", ArgsUsage: "CELL", Flags: peopleFlags(),
				Action: onCell(1, "a cell", func(c *cli.Context, p people, args []string) error { return listAccounts(c, p, stdout, args[0]) }),
			},
			roleOf(stdout, "grant", "give an account a role", "has", people.Grant),
			roleOf(stdout, "revoke", "take a role from an account", "has no longer", people.Revoke),
		},
	}
}

func roleOf(stdout io.Writer, name, usage, done string, do func(people, context.Context, string, string, account.Role) error) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: "CELL NAME ROLE", Flags: peopleFlags(),
		Description: "ROLE is the name of a role of the cell, or BOX/NAME.",
		Action: onCell(3, "a cell, a name and a role", func(c *cli.Context, p people, args []string) error {
			r := parseRole(args[2])
			if err := do(p, c.Context, args[0], args[1], r); err != nil {
				return err
			}
			fmt.Fprintf(stdout, "account %s of cell %s %s role %s\n", args[1], args[0], done, r)
			return nil
		}),
	}
}

func roleCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name: "role", Usage: "manage the roles of a cell, of a running server or with it stopped",
		Description: "ROLE is the name of a role of the cell, or BOX/NAME for one that belongs to a box.",
		Subcommands: []*cli.Command{
			oneRole(stdout, "add", "make a role", "made", people.AddRole),
			oneRole(stdout, "remove", "remove a role, also from all who have it", "removed", people.RemoveRole),
			{
				Name: "list", Usage: "list the roles of a cell, one a line", ArgsUsage: "CELL", Flags: peopleFlags(),
				Action: onCell(1, "a cell", func(c *cli.Context, p people, args []string) error {
					roles, err := p.Roles(c.Context, args[0])
					for _, r := range roles {
						fmt.Fprintln(stdout, r)
					}
					return err
				}),
			},
		},
	}
}

func oneRole(stdout io.Writer, name, usage, done string, do func(people, context.Context, string, account.Role) error) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: "CELL ROLE", Flags: peopleFlags(),
		Action: onCell(2, "a cell and a role", func(c *cli.Context, p people, args []string) error {
			r := parseRole(args[1])
			if err := do(p, c.Context, args[0], r); err != nil {
				return err
			}
			fmt.Fprintf(stdout, "role %s of cell %s %s\n", r, args[0], done)
			return nil
		}),
	}
}

// parseRole reads ROLE or BOX/ROLE.
func parseRole(s string) account.Role {
	if box, name, ok := strings.Cut(s, "/"); ok {
		return account.Role{Box: box, Name: name}
	}
	return account.Role{Name: s}
}

// onCell is an action with n arguments, the first of which is a cell.
func onCell(n int, what string, do func(c *cli.Context, p people, args []string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if c.NArg() != n {
			return takes(c, what)
		}
		return withPeople(c, func(p people) error {
			args := c.Args().Slice()
			if err := do(c, p, args); err != nil {
				return cellError(args[0], err)
			}
			return nil
		})
	}
}

func listAccounts(c *cli.Context, p people, stdout io.Writer, cell string) error {
	all, err := p.List(c.Context, cell)
	for _, a := range all {
		line := a.Name
		for _, r := range a.Roles {
			line += " " + r.String()
		}
		switch {
		case !a.Password:
			line += " (no password)"
		case a.Problem != nil:
			line += " (needs a new password: " + a.Problem.Error() + ")"
		}
		fmt.Fprintln(stdout, line)
	}
	return err
}

// withPassword is an action for an account that needs a password.
func withPassword(stdout, stderr io.Writer, done string, do func(p people, ctx context.Context, cell, name, password string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if c.NArg() != 2 {
			return takes(c, "a cell and a name")
		}
		password, err := accountPassword(c, stderr, true)
		if err != nil {
			return err
		}
		return onCell(2, "", func(c *cli.Context, p people, args []string) error {
			if err := do(p, c.Context, args[0], args[1], password); err != nil {
				return err
			}
			fmt.Fprintf(stdout, "account %s of cell %s %s\n", args[1], args[0], done)
			return nil
		})(c)
	}
}
