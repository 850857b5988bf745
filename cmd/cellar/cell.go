package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"cellar/cellfs"
)

func cellCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name: "cell", Usage: "make, list, limit and remove cells while the server is stopped; export and import them while it runs",
		Subcommands: []*cli.Command{
			cellCreate(stdout), cellList(stdout), cellQuota(stdout), cellKeep(stdout), cellDelete(stdout), cellExport(stdout, stderr), cellImport(stdout, stderr),
		},
	}
}

func cellCreate(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "make a cell", ArgsUsage: "NAME", Flags: []cli.Flag{newDataFlag(), &cli.StringFlag{
			Name: "quota", Value: noQuota, Usage: "bytes that its resources may take, a `SIZE` such as 10GB, 512MiB or none",
		}, &cli.StringFlag{Name: "keep-snapshots", Value: keepAll, Usage: "snapshots that are kept, a `NUMBER` or all; older ones go when one is taken"}},
		Action: func(c *cli.Context) error {
			name, err := oneArgument(c, "name")
			if err != nil {
				return err
			}
			quota, err := parseQuota(c.String("quota"))
			if err != nil {
				return err
			}
			keep, err := parseKeep(c.String("keep-snapshots"))
			if err != nil {
				return err
			}
			if err := cellfs.CheckCellName(name); err != nil { // before a folder is made
				return cellError(name, err)
			}
			return withNewUnit(c, func(u *unit) error {
				if _, err := u.fs.CreateCellWith(c.Context, cellfs.Cell{Name: name, Quota: quota, Keep: keep}); err != nil {
					return cellError(name, err)
				}
				fmt.Fprintf(stdout, "cell %s made\n", name)
				return nil
			})
		},
	}
}

func cellList(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the cells, one a line", Flags: []cli.Flag{dataFlag(), &cli.BoolFlag{
			Name: "long", Aliases: []string{"l"}, Usage: "with the bytes in use and the quota",
		}},
		Action: onlyFlags(func(c *cli.Context) error {
			return withUnit(c, func(u *unit) error {
				cells, err := u.fs.Cells(c.Context)
				out := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
				for _, cell := range cells {
					if c.Bool("long") {
						fmt.Fprintf(out, "%s\t%s used\tquota %s\n", cell.Name, humanize.Bytes(uint64(cell.Taken())), showQuota(cell.Quota))
					} else {
						fmt.Fprintln(out, cell.Name)
					}
				}
				return errors.Join(err, out.Flush())
			})
		}),
	}
}

func cellQuota(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name: "quota", Usage: "limit what the resources of a cell may take", ArgsUsage: "NAME SIZE", Flags: []cli.Flag{dataFlag()},
		Description: "SIZE is a number of bytes such as 10GB or 512MiB, or none. Each file counts whole, also where a\n" +
			"content is stored once for several files; each resource counts its dead properties, and 512 bytes for\n" +
			"itself. Snapshots and the event log do not count.",
		Action: func(c *cli.Context) error {
			if c.NArg() != 2 {
				return takes(c, "a name and a size")
			}
			name := c.Args().First()
			bytes, err := parseQuota(c.Args().Get(1))
			if err != nil {
				return err
			}
			return withUnit(c, func(u *unit) error {
				if err := u.fs.SetQuota(c.Context, name, bytes); err != nil {
					return cellError(name, err)
				}
				fmt.Fprintf(stdout, "cell %s: quota %s\n", name, showQuota(bytes))
				return nil
			})
		},
	}
}

// keepAll is the word for keeping every snapshot.
const keepAll = "all"

func cellKeep(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name: "keep-snapshots", Usage: "say how many snapshots of a cell are kept", ArgsUsage: "NAME NUMBER", Flags: []cli.Flag{dataFlag()},
		Description: "NUMBER is one or more, or all. When a snapshot was taken, the oldest beyond that number are removed.",
		Action: func(c *cli.Context) error {
			if c.NArg() != 2 {
				return takes(c, "a name and a number")
			}
			name := c.Args().First()
			keep, err := parseKeep(c.Args().Get(1))
			if err != nil {
				return err
			}
			return withUnit(c, func(u *unit) error {
				if err := u.fs.SetKeep(c.Context, name, keep); err != nil {
					return cellError(name, err)
				}
				fmt.Fprintf(stdout, "cell %s: keeps %s snapshots\n", name, c.Args().Get(1))
				return nil
			})
		},
	}
}

func parseKeep(s string) (int64, error) {
	if s == keepAll {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 1 {
		return 0, usagef("%q snapshots: use a number from 1 or %s", s, keepAll)
	}
	return n, nil
}

func cellDelete(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name: "delete", Usage: "remove a cell with all it holds, its snapshots included", ArgsUsage: "NAME",
		Flags: []cli.Flag{dataFlag(), &cli.BoolFlag{Name: "yes", Usage: "do it: nothing brings the cell back"}},
		Action: func(c *cli.Context) error {
			name, err := oneArgument(c, "name")
			if err != nil {
				return err
			}
			if !c.Bool("yes") {
				return usagef("this removes cell %s for good: add --yes", name)
			}
			return withUnit(c, func(u *unit) error {
				err := u.fs.DeleteCell(c.Context, name, nil)
				if err == nil {
					err = u.fs.PruneAsides(c.Context)
				}
				if err != nil {
					return cellError(name, err)
				}
				fmt.Fprintf(stdout, "cell %s removed\n", name)
				return nil
			})
		},
	}
}

// noQuota is how the command line writes that there is no limit.
const noQuota = "none"

// parseQuota reads a size in bytes; 0 is none.
func parseQuota(s string) (int64, error) {
	if s == noQuota {
		return 0, nil
	}
	bytes, err := humanize.ParseBytes(s)
	if err != nil || bytes == 0 || bytes > math.MaxInt64 {
		return 0, usagef("%q is no size: use a number of bytes such as 10GB or 512MiB, or %s", s, noQuota)
	}
	return int64(bytes), nil
}

func showQuota(bytes int64) string {
	if bytes == 0 {
		return noQuota
	}
	return humanize.Bytes(uint64(bytes))
}

func cellError(name string, err error) error {
	switch {
	case errors.Is(err, cellfs.ErrName):
		return usagef("%q cannot be a cell's name: use a-z, 0-9 and -, at most 128, beginning with a letter or digit", name)
	case errors.Is(err, os.ErrExist):
		return fmt.Errorf("cell %s exists already", name)
	case errors.Is(err, cellfs.ErrNoCell):
		return fmt.Errorf("there is no cell %s", name)
	}
	return err
}
