package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// adminVariable is the environment's place for the password of the unit admin.
const adminVariable = "CELLAR_ADMIN_PASSWORD"

// adminFlags say who the unit admin is; they mean the same in all commands.
func adminFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "admin-user", Value: "admin", EnvVars: env("ADMIN_USER"), Usage: "`NAME` of the unit admin"},
		&cli.StringFlag{
			Name: "admin-password-file", EnvVars: env("ADMIN_PASSWORD_FILE"),
			Usage: "`FILE` whose first line is the unit admin's password; - is the standard input (default: admin-password in the data folder). " + adminVariable + " sets the password itself",
		},
	}
}

// passwordFlag is for the password of an account; it means the same in all commands.
func passwordFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "password-file", Usage: "`FILE` whose first line is the account's password; - is the standard input. Without it a terminal is asked",
	}
}

// adminPasswordFile is where the admin's password lies, and whether a flag says so.
func adminPasswordFile(c *cli.Context) (file string, given bool) {
	if file = c.String("admin-password-file"); file != "" {
		return file, true
	}
	return filepath.Join(c.String("data"), "admin-password"), false
}

// errNoPassword: the file is there, but empty.
var errNoPassword = errors.New("holds no password in its first line")

// maxPassword bounds the first line of a file with a password, in bytes.
const maxPassword = 4096

// passwordFrom reads the first line of a file, or of the standard input, and nothing
// behind it.
func passwordFrom(file string) (string, error) {
	in := os.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	var line []byte
	for b := make([]byte, 1); len(line) < maxPassword; line = append(line, b[0]) {
		if _, err := in.Read(b); errors.Is(err, io.EOF) || err == nil && b[0] == '\n' {
			break
		} else if err != nil {
			return "", err
		}
	}
	password := strings.TrimRight(string(line), "\r")
	if strings.TrimSpace(password) == "" {
		return "", fmt.Errorf("%s %w", file, errNoPassword)
	}
	return password, nil
}

// accountPassword takes the password of an account from a file or from the terminal,
// where a new one is asked for twice.
func accountPassword(c *cli.Context, stderr io.Writer, isNew bool) (string, error) {
	if file := c.String("password-file"); file != "" {
		return passwordFrom(file)
	}
	terminal := int(os.Stdin.Fd())
	if !term.IsTerminal(terminal) {
		return "", usagef("no terminal to ask for the password: use --password-file")
	}
	ask := func(question string) (string, error) {
		fmt.Fprint(stderr, question)
		answer, err := term.ReadPassword(terminal)
		fmt.Fprintln(stderr)
		return string(answer), err
	}
	password, err := ask("password: ")
	if err != nil || !isNew {
		return password, err
	}
	again, err := ask("once more: ")
	if err == nil && again != password {
		err = errors.New("the two passwords differ")
	}
	return password, err
}

// serverPassword finds the admin's password for a server, and says where it is. In the
// data folder one is made if there is none.
func serverPassword(c *cli.Context, stdout io.Writer, log *slog.Logger) (password, where string, err error) {
	if v := os.Getenv(adminVariable); v != "" {
		return v, "the environment (" + adminVariable + ")", nil
	}
	file, given := adminPasswordFile(c)
	password, err = passwordFrom(file)
	switch {
	case err == nil:
		warnOfReaders(file, log)
		return password, file, nil
	case !given && (errors.Is(err, fs.ErrNotExist) || isBlank(file)):
		password, err = makePassword(file, stdout)
		return password, file, err
	case errors.Is(err, errNoPassword):
		err = fmt.Errorf("%w: write one there", err)
	}
	return "", "", err
}

// isBlank reports whether a file has nothing in it, as a crash or a full disk leaves it.
func isBlank(file string) bool {
	text, err := os.ReadFile(file)
	return err == nil && strings.TrimSpace(string(text)) == ""
}

func makePassword(file string, stdout io.Writer) (string, error) {
	password := rand.Text()
	if err := writeWhole(file, password+"\n"); err != nil {
		return "", err
	}
	fmt.Fprintf(stdout, "The admin's password is %s (shown this once, kept in %s)\n", password, file)
	return password, nil
}

func warnOfReaders(file string, log *slog.Logger) {
	if file == "-" {
		return
	}
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 {
		log.Warn("the admin's password can be read by others: chmod 600 it", "file", file)
	}
}
