package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// usagef is an error of flags or arguments.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// seeHelp is a usage error that names the command for help.
func seeHelp(c *cli.Context, format string, args ...any) error {
	return usagef("%s; see %s --help", fmt.Sprintf(format, args...), c.Command.HelpName)
}

// takes is the usage error for wrong arguments: what says which the command takes.
func takes(c *cli.Context, what string) error {
	return seeHelp(c, "%s takes %s", c.Command.HelpName, what)
}

// onlyFlags is an action without arguments.
func onlyFlags(do cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		if c.NArg() > 0 {
			return takes(c, "no arguments, only flags")
		}
		return do(c)
	}
}

// noCommand is for a name that is no command's, and for none.
func noCommand(c *cli.Context) error {
	if c.NArg() > 0 {
		_, group, _ := strings.Cut(c.Command.HelpName+" ", " ")
		return seeHelp(c, "no command %q", group+c.Args().First())
	}
	if len(c.Lineage()) > 2 { // the last one is none
		return cli.ShowSubcommandHelp(c)
	}
	return cli.ShowAppHelp(c)
}

// flagError says what is wrong with a flag, in one line.
func flagError(c *cli.Context, err error, _ bool) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return seeHelp(c, "there is no flag %s", dashed(name))
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return seeHelp(c, "%s needs a value", dashed(name))
	}
	return seeHelp(c, "%s", text)
}

// dashed writes the name of a flag as it is on the command line.
func dashed(name string) string {
	name = strings.TrimLeft(name, "-")
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// prepare gives commands what all have in common.
func prepare(commands []*cli.Command) {
	for _, c := range commands {
		c.OnUsageError = flagError
		if len(c.Subcommands) == 0 {
			c.HideHelpCommand = true // a cell may be called "help"
		} else if c.Action == nil {
			c.Action = noCommand
		}
		prepare(c.Subcommands)
	}
}

// arrange turns a command line into one that the library reads: "help X" becomes "X --help",
// and flags come before arguments. What follows "--" is no flag.
func arrange(commands []*cli.Command, flags []cli.Flag, words []string) []string {
	if len(commands) > 0 && len(words) > 0 && (words[0] == "help" || words[0] == "h") {
		words = append(slices.Clone(words[1:]), "--help")
	}
	var first, args []string
	for i := 0; i < len(words); i++ {
		word := words[i]
		if word == "--" {
			args = append(args, words[i+1:]...)
			break
		}
		if len(word) < 2 || word[0] != '-' {
			if sub := find(commands, word); sub != nil && len(args) == 0 {
				return append(append(first, word), arrange(sub.Subcommands, sub.Flags, words[i+1:])...)
			}
			args = append(args, word)
			continue
		}
		first = append(first, word)
		if takesValue(flags, word) {
			if i++; i == len(words) {
				return first // and the library says what is missing
			}
			first = append(first, words[i])
		}
	}
	if slices.Contains(first, "--help") || slices.Contains(first, "-h") {
		if args == nil || len(commands) == 0 {
			return []string{"--help"} // whatever else is there
		}
		first = nil // there is no such command, which is what counts
	}
	if args != nil {
		first = append(append(first, "--"), args...)
	}
	return first
}

func find(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// takesValue reports whether the next word belongs to the flag.
func takesValue(flags []cli.Flag, word string) bool {
	name := strings.TrimPrefix(word[1:], "-")
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			_, isBool := f.(*cli.BoolFlag)
			return !isBool
		}
	}
	return false
}
