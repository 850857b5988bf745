package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"cellar/cellfs"
)

func spaceCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name: "space", Usage: "tell what the cells and their snapshots take, with the server stopped",
		Description: "A content is stored once, however many files have it. What only snapshots hold is freed\n" +
			"once the last of them is deleted; what several cells hold counts for each of them.",
		Flags: []cli.Flag{dataFlag()},
		Action: onlyFlags(func(c *cli.Context) error {
			return withUnit(c, func(u *unit) error {
				s, err := u.fs.Space(c.Context)
				if err != nil {
					return err
				}
				return printSpace(stdout, &s)
			})
		}),
	}
}

func printSpace(w io.Writer, s *cellfs.Space) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "CELL\tTAKEN\tQUOTA\tSNAPSHOTS\tONLY IN SNAPSHOTS")
	for _, c := range s.Cells {
		fmt.Fprintf(out, "%s\t%s\t%s\t%d\t%s\n", c.Name, bytesText(c.Taken()), showQuota(c.Quota), c.Snapshots, bytesText(c.Held.Bytes))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for _, line := range []struct {
		name string
		cellfs.Count
	}{{"stored", s.Stored}, {"only in snapshots", s.Held}, {"to be swept", s.Free}} {
		fmt.Fprintf(out, "%s\t%s\tin %d contents\n", line.name, bytesText(line.Bytes), line.Contents)
	}
	return out.Flush()
}

func bytesText(n int64) string { return humanize.Bytes(uint64(n)) }
