package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"cellar/barfs"
	"cellar/barfs/install"
	"cellar/dav"
	"cellar/dav/ops"
)

func barCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name: "bar", Usage: "make, check and install the bars of boxes",
		Subcommands: []*cli.Command{barPack(stdout), barCheck(stdout), barInstall(stdout, stderr)},
	}
}

func barPack(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name: "pack", Usage: "make a bar of a folder", ArgsUsage: "DIR",
		Description: "The folder is that of a bar, with 00_meta and 90_contents, or else the contents of the box: then\n" +
			"what a bar must have besides is made, with the types of the files by their names. Litter of\n" +
			"file managers is left out. The bar is checked as \"bar check\" does, unless it goes to the\n" +
			"standard output; a file has the name of the folder with .bar if none is given.",
		Flags: []cli.Flag{
			outputFlag(),
			&cli.StringFlag{Name: "schema", Usage: "`URL` of the application, for a folder without 00_meta"},
			&cli.BoolFlag{Name: "public", Usage: "everybody may read the box, for a folder without 00_meta"},
		},
		Action: func(c *cli.Context) error {
			dir, err := oneArgument(c, "folder")
			if err != nil {
				return err
			}
			file := c.String("output")
			if file == "" {
				full, err := filepath.Abs(dir)
				if err != nil {
					return err
				}
				file = filepath.Base(full) + ".bar"
			}
			out, err := openTarget(c.Context, file, stdout)
			if err != nil {
				return err
			}
			var own []string
			if out.isFile() {
				for _, name := range []string{file, out.whole.Name()} {
					full, err := filepath.Abs(name)
					if err != nil {
						return errors.Join(err, out.abandon())
					}
					own = append(own, full)
				}
			}
			err = packBar(out, dir, c.String("schema"), c.Bool("public"), own...)
			if err == nil && out.isFile() {
				err = checkPacked(c.Context, out)
			}
			if err != nil {
				return errors.Join(err, out.abandon())
			}
			return out.finish()
		},
	}
}

func barCheck(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "install a bar into a unit that is thrown away, and tell what is wrong", ArgsUsage: "FILE",
		Description: "Everything is checked that a server checks, by the same code. Each fault is told with its entry;\n" +
			"an archive that cannot be read, or whose names are bad, with the first. The exit code is 3 for a\n" +
			"bar with a fault.",
		Action: func(c *cli.Context) error {
			file, err := oneArgument(c, "file")
			if err != nil {
				return err
			}
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			defer f.Close()
			entries, faults, err := tryBar(c.Context, f)
			if err != nil {
				return err
			}
			for _, fault := range faults {
				fmt.Fprintf(stdout, "%s: %s\n", file, fault)
			}
			if len(faults) > 0 {
				return &exitError{code: exitProblem}
			}
			fmt.Fprintf(stdout, "%s: good, %d entries\n", file, entries)
			return nil
		},
	}
}

func barInstall(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name: "install", Usage: "install a bar as a box of a cell of a running server", ArgsUsage: "CELL BOX FILE",
		Flags: append(remoteFlags(),
			&cli.BoolFlag{Name: "replace", Usage: "in the place of a box of that name whose install failed"},
			&cli.BoolFlag{Name: "update", Usage: "make the box that of a newer version: its user data stay, and what was changed in it"},
		),
		Action: func(c *cli.Context) error {
			if c.NArg() != 3 {
				return takes(c, "a cell, a box and a file")
			}
			r, err := openRemote(c, stderr)
			if err != nil {
				return err
			}
			t := &transfer{remote: r, cell: url.PathEscape(c.Args().First()) + "/", stdout: stdout, stderr: stderr}
			if c.Bool("replace") && c.Bool("update") {
				return seeHelp(c, "--replace is for a box whose install failed, --update for one that is there: give one of them")
			}
			return t.installBar(c.Context, c.Args().Get(1), c.Args().Get(2), c.Bool("replace"), c.Bool("update"))
		},
	}
}

// installBar sends a bar and follows its install.
func (t *transfer) installBar(ctx context.Context, box, file string, replace, update bool) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header := []string{"Content-Type", "application/zip"}
	if replace {
		header = append(header, "Overwrite", "T")
	}
	doing, done, ends := "installing", "installed", "ready"
	if update {
		header = append(header, "X-Personium-Update", "true")
		doing, done, ends = "updating", "updated", "updated"
	}
	path := t.cell + url.PathEscape(box)
	sent := t.bar(info.Size(), "sending", true)
	res, err := t.do(ctx, "MKCOL", path, io.TeeReader(f, sent), info.Size(), header...)
	_ = sent.Finish()
	if err != nil {
		return err
	}
	res.Body.Close()
	bar := t.bar(100, doing, false)
	state, err := t.waitBox(ctx, path, update, func(percent int) { _ = bar.Set(percent) })
	_ = bar.Finish()
	if err != nil {
		return err
	}
	if state.Status != ends {
		return fmt.Errorf("box %s: %w", box, state.Message.asError(state.Status))
	}
	fmt.Fprintf(t.stdout, "box %s is %s\n", box, done)
	return nil
}

// waitBox follows an install, or an update, until it has ended; each is called as it goes on.
func (r *remote) waitBox(ctx context.Context, path string, update bool, each func(percent int)) (jobState, error) {
	for {
		res, err := r.do(ctx, http.MethodGet, path, nil, 0, "Prefer", "wait=1")
		if err != nil {
			return jobState{}, err
		}
		var s struct {
			Box struct {
				jobState
				Update jobState
			}
		}
		err = json.NewDecoder(res.Body).Decode(&s)
		state := s.Box.jobState
		if update {
			state = s.Box.Update
		}
		if err = errors.Join(err, res.Body.Close()); err != nil {
			return state, err
		}
		if !strings.HasSuffix(state.Status, "in progress") {
			return state, nil
		}
		percent := 0
		_, _ = fmt.Sscanf(state.Progress, "%d%%", &percent)
		each(percent)
	}
}

// maxFaults bounds the faults that are told of a bar.
const maxFaults = 1000

// tryBar installs a bar into a unit of its own, which goes afterwards. faults say what is wrong with
// the bar, with the entries; a good one has none.
func tryBar(ctx context.Context, bar *os.File) (entries int64, faults []string, err error) {
	info, err := bar.Stat()
	if err != nil {
		return 0, nil, err
	}
	if archive, err := barfs.Open(bar, info.Size(), ops.BarLimits(barfs.Limits{})); err == nil {
		for _, err := range archive.Faults() {
			refusal := ops.AnswerOf(err)
			faults = append(faults, refusal.Error())
		}
		if len(faults) > 0 { // it would be refused before the install
			return 0, faults[:min(len(faults), maxFaults)], nil
		}
	}
	dir, err := os.MkdirTemp("", "cellar-bar-")
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	log, err := newLogger(io.Discard, "text", "error")
	if err != nil {
		return 0, nil, err
	}
	u, err := openUnit(ctx, dir, unitOptions{create: true, log: log})
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, u.Close()) }()
	const cell, box = "cell", "box"
	if _, err := u.fs.CreateCell(ctx, cell, ""); err != nil {
		return 0, nil, err
	}
	var told sync.Mutex
	o, err := ops.New(ctx, ops.Config{FS: u.fs, Workers: 1, TempDir: u.temp(), Log: log, Fault: func(f install.Fault) {
		told.Lock()
		defer told.Unlock()
		text := install.TypeFailed + ": " + f.Message()
		if f.Entry != "" {
			text = f.Entry + ": " + text
		}
		if len(faults) < maxFaults {
			faults = append(faults, text)
		}
	}})
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, o.Close(context.WithoutCancel(ctx))) }()
	r := &remote{url: "http://localhost/", user: "admin", password: rand.Text()}
	h, err := dav.New(ctx, dav.Config{FS: u.fs, Ops: o, AdminUser: r.user, AdminPassword: r.password, InsecureBasic: true, TempDir: u.temp(), Log: log})
	if err != nil {
		return 0, nil, err
	}
	defer h.Close()
	r.client = &http.Client{Transport: inProcess{h}}
	var refused *answerError
	res, err := r.do(ctx, "MKCOL", cell+"/"+box, io.NopCloser(bar), info.Size(), "Content-Type", "application/zip")
	if errors.As(err, &refused) {
		return 0, []string{refused.answer.Error()}, nil
	}
	if err != nil {
		return 0, nil, err
	}
	res.Body.Close()
	state, err := r.waitBox(ctx, cell+"/"+box, false, func(int) {})
	if err != nil {
		return 0, nil, err
	}
	if state.Status != "ready" {
		return 0, nil, state.Message.asError(state.Status) // no fault of the bar: those are tolerated
	}
	archive, err := barfs.Open(bar, info.Size(), barfs.Limits{})
	if err != nil {
		return 0, nil, err
	}
	return archive.Files(), faults, nil
}
