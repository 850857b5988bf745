// Command cellar is a WebDAV server for personal data stores.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/urfave/cli/v2"
)

// version is set by the linker; builds without it say what the module knows.
var version = ""

func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitOK      = 0
	exitFailed  = 1 // the command could not do its work
	exitUsage   = 2 // flags or arguments are wrong
	exitProblem = 3 // check found something wrong
)

// exitError carries an exit code; one without text was reported already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func allCommands(stdout, stderr io.Writer) []*cli.Command {
	return []*cli.Command{
		serveCommand(stdout, stderr), cellCommand(stdout, stderr), accountCommand(stdout, stderr), roleCommand(stdout),
		tokenCommand(stdout, stderr), barCommand(stdout, stderr), checkCommand(stdout), spaceCommand(stdout), sweepCommand(stdout), versionCommand(stdout),
	}
}

func versionCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the version",
		Action: onlyFlags(func(*cli.Context) error {
			fmt.Fprintln(stdout, "cellar", programVersion())
			return nil
		}),
	}
}

// run executes the command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := &cli.App{
		Name:           "cellar",
		Usage:          "a WebDAV server for personal data stores",
		Version:        programVersion(),
		HideVersion:    true,
		Writer:         stdout,
		ErrWriter:      stderr,
		ExitErrHandler: func(*cli.Context, error) {}, // the code is returned, not exited with
		OnUsageError:   flagError,
		Commands:       allCommands(stdout, stderr),
		Action:         noCommand,
	}
	prepare(app.Commands)
	err := app.RunContext(ctx, append(args[:1:1], arrange(app.Commands, nil, args[1:])...))
	if err == nil {
		return exitOK
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, "cellar:", text)
	}
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	return exitFailed
}
