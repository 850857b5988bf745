package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"cellar/cellfs/snapshot"
)

func cellExport(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name: "export", Usage: "take a snapshot of a cell of a running server and download it", ArgsUsage: "CELL",
		Description: "Every file in the snapshot is checked on its way; what is damaged is told by its path, and the\n" +
			"command fails. A file appears under its name only when it is complete and good; what was there\n" +
			"before stays until then. The snapshot is removed from the server afterwards, unless --keep is\n" +
			"given or it went to the standard output, a pipe or a device, of which nobody knows whether it\n" +
			"was kept. It holds all of the cell: keep it as safe as the cell.",
		Flags: append(remoteFlags(),
			outputFlag(),
			&cli.StringFlag{Name: "name", Usage: "`NAME` of the snapshot on the server (default: the cell's with the time)"},
			&cli.BoolFlag{Name: "keep", Usage: "leave the snapshot on the server, too"},
		),
		Action: func(c *cli.Context) error {
			cell, err := oneArgument(c, "cell")
			if err != nil {
				return err
			}
			r, err := openRemote(c, stderr)
			if err != nil {
				return err
			}
			t := &transfer{remote: r, cell: url.PathEscape(cell) + "/", stdout: stdout, stderr: stderr}
			return t.export(c, cell)
		},
	}
}

func cellImport(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "replace a cell of a running server by a snapshot", ArgsUsage: "CELL FILE",
		Description: "All that is in the cell is replaced, or, if anything is wrong with the file, nothing.\n" +
			"The cell keeps its name, its event log and its snapshots. - reads the standard input.",
		Flags: remoteFlags(),
		Action: func(c *cli.Context) error {
			if c.NArg() != 2 {
				return takes(c, "a cell and a file")
			}
			r, err := openRemote(c, stderr)
			if err != nil {
				return err
			}
			t := &transfer{remote: r, cell: url.PathEscape(c.Args().First()) + "/", stdout: stdout, stderr: stderr}
			return t.importFile(c.Context, c.Args().First(), c.Args().Get(1))
		},
	}
}

func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FILE` to write (default: named after what is in it); - writes to the standard output"}
}

// transfer exports a cell from a server or imports it there.
type transfer struct {
	*remote
	cell           string // of the URL, ends in a slash
	stdout, stderr io.Writer
}

// bar shows progress where there is a terminal.
func (t *transfer) bar(total int64, what string, bytes bool) *progressbar.ProgressBar {
	f, ok := t.stderr.(*os.File)
	options := []progressbar.Option{
		progressbar.OptionSetWriter(t.stderr), progressbar.OptionSetDescription(what), progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100 * time.Millisecond), progressbar.OptionSetVisibility(ok && term.IsTerminal(int(f.Fd()))),
	}
	if bytes {
		options = append(options, progressbar.OptionShowBytes(true))
	}
	return progressbar.NewOptions64(total, options...)
}

func (t *transfer) export(c *cli.Context, cell string) (err error) {
	ctx, name := c.Context, c.String("name")
	if name == "" {
		name = cell + time.Now().UTC().Format("_20060102_150405")
	}
	to := c.String("output")
	if to == "" {
		to = name + ".zip"
	}
	out, err := openTarget(ctx, to, t.stdout) // a snapshot that cannot be kept is not taken
	if err != nil {
		return err
	}
	isFile := out.isFile()
	defer func() {
		if out != nil {
			err = errors.Join(err, out.abandon())
		}
	}()
	passing := isFile && !c.Bool("keep")
	request, err := json.Marshal(map[string]any{"Name": name, "Passing": passing})
	if err != nil {
		return err
	}
	res, err := t.do(ctx, http.MethodPost, t.cell+"__export", strings.NewReader(string(request)), int64(len(request)))
	if err != nil {
		return err
	}
	res.Body.Close()
	bar := t.bar(100, "taking the snapshot", false)
	_, err = t.wait(ctx, t.cell+"__export", func(percent int) { _ = bar.Set(percent) })
	_ = bar.Finish()
	if err != nil {
		return err
	}
	size, err := t.download(ctx, t.cell+"__snapshot/"+name, out)
	if damaged := (*snapshot.DamagedError)(nil); errors.As(err, &damaged) {
		kept := to + " is not written"
		if !isFile {
			kept = "what went to " + to + " is not good"
		}
		return fmt.Errorf("%w: %s, the snapshot %s.zip of cell %s stays on the server", err, kept, name, cell)
	}
	if err != nil {
		return err
	}
	err, out = out.finish(), nil
	if err != nil {
		return err
	}
	if passing {
		res, err := t.do(ctx, http.MethodDelete, t.cell+"__snapshot/"+name+".zip", nil, 0)
		if err != nil {
			return fmt.Errorf("%s is complete, but its snapshot stays on the server: %w", to, err)
		}
		res.Body.Close()
	}
	if isFile {
		fmt.Fprintf(t.stdout, "cell %s: %d bytes in %s\n", cell, size, to)
	}
	return nil
}

// download fetches a snapshot and checks it as it arrives. What went wrong on the server is
// in the .error file of the same name.
func (t *transfer) download(ctx context.Context, path string, to io.Writer) (int64, error) {
	res, err := t.do(ctx, http.MethodGet, path+".zip", nil, 0)
	if err != nil {
		return 0, cmp.Or(t.cause(ctx, path), err)
	}
	defer res.Body.Close()
	bar := t.bar(res.ContentLength, "downloading", true)
	defer bar.Finish()
	return snapshot.CopyChecked(to, io.TeeReader(res.Body, bar))
}

// cause is why an export failed, if the server tells.
func (t *transfer) cause(ctx context.Context, path string) error {
	res, err := t.do(ctx, http.MethodGet, path+".error", nil, 0)
	if err != nil {
		return nil // there is none
	}
	defer res.Body.Close()
	var e errorBody
	if err := json.NewDecoder(res.Body).Decode(&e); err != nil {
		return err
	}
	return e.asError("export failed")
}

func (t *transfer) importFile(ctx context.Context, cell, name string) error {
	in, size := io.ReadCloser(os.Stdin), int64(-1)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err != nil {
			return errors.Join(err, f.Close())
		}
		in, size = f, info.Size()
	}
	defer in.Close()
	bar := t.bar(size, "sending", true)
	res, err := t.do(ctx, http.MethodPost, t.cell+"__import", io.TeeReader(in, bar), size, "Content-Type", "application/zip")
	_ = bar.Finish()
	if err != nil {
		return err
	}
	res.Body.Close()
	bar = t.bar(100, "importing", false)
	state, err := t.wait(ctx, t.cell+"__import", func(percent int) { _ = bar.Set(percent) })
	_ = bar.Finish()
	if err != nil {
		return err
	}
	if state.Status != "ready" {
		return fmt.Errorf("cell %s is as it was: %w", cell, state.Message.asError(state.Status))
	}
	fmt.Fprintf(t.stdout, "cell %s is that of %s\n", cell, name)
	return nil
}
