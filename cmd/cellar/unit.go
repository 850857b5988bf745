package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/urfave/cli/v2"

	"cellar/cellfs"
	"cellar/cellfs/blob"
	"cellar/cellfs/meta"
	"cellar/cellfs/snapshot"
)

// dataFlag is for commands that need a data folder, newDataFlag for those that make one.
func dataFlag() cli.Flag { return dataFlagWith("`DIR` of the unit's data") }

func newDataFlag() cli.Flag { return dataFlagWith("`DIR` of the unit's data, made if it is missing") }

func dataFlagWith(usage string) cli.Flag {
	return &cli.StringFlag{Name: "data", Value: "./cellar-data", EnvVars: env("DATA"), Usage: usage}
}

func env(name string) []string { return []string{"CELLAR_" + name} }

// unit is an opened data folder.
type unit struct {
	dir   string
	fs    *cellfs.FS
	log   *slog.Logger
	close []func() error // in reverse
}

// unitOptions qualify openUnit.
type unitOptions struct {
	durability meta.Durability
	create     bool // a folder that is missing
	logLimit   int64
	cacheSize  int64
	log        *slog.Logger
}

// openUnit locks and opens the folder.
func openUnit(ctx context.Context, dir string, o unitOptions) (u *unit, err error) {
	u = &unit{dir: dir, log: o.log}
	defer func() {
		if err != nil {
			err = errors.Join(err, u.Close())
			u = nil
		}
	}()
	if _, serr := os.Stat(filepath.Join(dir, "cellar.db")); serr != nil && !o.create {
		return u, fmt.Errorf("%s holds no cellar data (no cellar.db): say where it is by --data", dir)
	}
	if err := makeDir(dir); err != nil {
		return u, err
	}
	if err := u.lock(); err != nil {
		return u, err
	}
	if err := u.notLost(); err != nil {
		return u, err
	}
	blobs, err := blob.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		return u, err
	}
	u.close = append(u.close, blobs.Close)
	rows, err := meta.OpenSQLite(ctx, dir, o.durability, o.log)
	if errors.Is(err, cellfs.ErrDatabase) {
		err = fmt.Errorf("%w. Keep a copy of %s as it is, and put back a backup: docs/operations.md, \"A damaged database\"", err, dir)
	}
	if err != nil {
		return u, err
	}
	u.close = append(u.close, rows.Close)
	if err := os.RemoveAll(u.temp()); err != nil {
		return u, err
	}
	if err := os.Mkdir(u.temp(), 0o700); err != nil {
		return u, err
	}
	u.fs = cellfs.New(cellfs.Config{Meta: rows, Blobs: blobs, Snapshots: snapshot.Reader{}, Log: o.log, LogLimit: o.logLimit, CacheSize: o.cacheSize})
	u.close = append(u.close, func() error {
		u.fs.Close()
		return nil
	})
	return u, nil
}

// makeDir makes the data folder durable: its name too must survive a power loss.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(filepath.Clean(dir)))
}

// temp is where exports grow; what is in it may be lost.
func (u *unit) temp() string { return filepath.Join(u.dir, "tmp") }

// lock keeps a second process out of the folder (docs/operations.md). The kernel gives
// the lock back when the process ends, however it ends.
func (u *unit) lock() error {
	f, err := os.OpenFile(filepath.Join(u.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return fmt.Errorf("%s is in use by another cellar process: stop it first", u.dir)
	}
	u.close = append(u.close, f.Close)
	return nil
}

// notLost refuses a folder whose database is gone: with a new one, nothing would refer to its
// contents, and they would be swept.
func (u *unit) notLost() error {
	info, err := os.Stat(filepath.Join(u.dir, "cellar.db"))
	if err == nil && info.Size() > 0 {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	found, err := filepath.Glob(filepath.Join(u.dir, "blobs", "[0-9a-f][0-9a-f]", "*"))
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("%s has contents but no database (cellar.db): put back a backup, or move %s away to begin anew", u.dir, filepath.Join(u.dir, "blobs"))
	}
	return err
}

// Close closes what was opened, the lock last.
func (u *unit) Close() (err error) {
	for i := len(u.close) - 1; i >= 0; i-- {
		err = errors.Join(err, u.close[i]())
	}
	u.close = nil
	return err
}

// withUnit runs fn on the data folder of a command that works offline.
func withUnit(c *cli.Context, fn func(*unit) error) error { return withUnitOf(c, unitOptions{}, fn) }

// withNewUnit is withUnit, and makes the folder if it is missing.
func withNewUnit(c *cli.Context, fn func(*unit) error) error {
	return withUnitOf(c, unitOptions{create: true}, fn)
}

func withUnitOf(c *cli.Context, o unitOptions, fn func(*unit) error) error {
	o.log = slog.New(slog.DiscardHandler)
	u, err := openUnit(c.Context, c.String("data"), o)
	if err != nil {
		return err
	}
	err = fn(u)
	return errors.Join(err, u.Close())
}

func oneArgument(c *cli.Context, what string) (string, error) {
	if c.NArg() != 1 {
		return "", takes(c, "one "+what)
	}
	return c.Args().First(), nil
}

func checkCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "verify all data of a stopped server: rows, references, checksums",
		Description: "Reads every content. Ends with 0 if all is sound and 3 if something is wrong.",
		Flags:       []cli.Flag{dataFlag()},
		Action: onlyFlags(func(c *cli.Context) error {
			err := withUnit(c, func(u *unit) error {
				r, err := u.fs.Check(c.Context)
				if err != nil {
					return err
				}
				for _, p := range r.Problems {
					fmt.Fprintln(stdout, "problem:", p)
				}
				fmt.Fprintf(stdout, "%d cells, %d nodes, %d contents (%d bytes), %d snapshots, %d stray files: %d problems\n",
					r.Cells, r.Nodes, r.Contents, r.Bytes, r.Snapshots, r.Strays, len(r.Problems))
				if len(r.Problems) > 0 {
					return &exitError{code: exitProblem}
				}
				return nil
			})
			if errors.Is(err, cellfs.ErrDatabase) {
				err = &exitError{exitProblem, err}
			}
			return err
		}),
	}
}

func sweepCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name: "sweep", Usage: "free the space of contents that nothing names any more",
		Description: "The server does this by itself; here it can be done at once, with the server stopped.",
		Flags: []cli.Flag{dataFlag(), &cli.DurationFlag{
			Name: "grace", Value: cellfs.SweepGrace, Usage: "spare what became free within this `TIME`; 0s spares nothing",
		}, &cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "only tell what would go"}},
		Action: onlyFlags(func(c *cli.Context) error {
			return withUnit(c, func(u *unit) error {
				if c.Bool("dry-run") {
					s, err := u.fs.SweepPlan(c.Context, c.Duration("grace"))
					fmt.Fprintf(stdout, "would remove %d contents, %d bytes\n", s.Contents, s.Bytes)
					return err
				}
				s, err := u.fs.Sweep(c.Context, c.Duration("grace"))
				if err != nil {
					return err
				}
				strays, err := u.fs.SweepStrays(c.Context, c.Duration("grace"))
				fmt.Fprintf(stdout, "removed %d contents and %d stray files, %d bytes\n",
					s.Contents, strays.Strays, s.Bytes+strays.Bytes)
				return err
			})
		}),
	}
}
