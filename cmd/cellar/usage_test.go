package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
)

// command runs a command line in this process.
func command(t *testing.T, words ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), append([]string{"cellar"}, words...), &out, &err)
	return code, out.String(), err.String()
}

// eachCommand calls yield for every command that takes arguments.
func eachCommand(commands []*cli.Command, path string, yield func(path string, c *cli.Command)) {
	for _, c := range commands {
		if c.Action != nil {
			yield(path+c.Name, c)
		}
		eachCommand(c.Subcommands, path+c.Name+" ", yield)
	}
}

// TestUsageErrorsAreOneLine: what is wrong with a command line is told in one line with a
// hint, and ends with 2.
func TestUsageErrorsAreOneLine(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ words, want string }{
		{"nonsense", `no command "nonsense"; see cellar --help`},
		{"--nonsense", "there is no flag --nonsense; see cellar --help"},
		{"help nonsense", `no command "nonsense"; see cellar --help`},
		{"cell nonsense", `no command "cell nonsense"; see cellar cell --help`},
		{"account nonsense", `no command "account nonsense"; see cellar account --help`},
		{"role help nonsense", `no command "role nonsense"; see cellar role --help`},
		{"serve --nonsense", "there is no flag --nonsense; see cellar serve --help"},
		{"serve here", "cellar serve takes no arguments, only flags; see cellar serve --help"},
		{"version here", "cellar version takes no arguments, only flags; see cellar version --help"},
		{"check -x", "there is no flag -x; see cellar check --help"},
		{"check x", "cellar check takes no arguments, only flags; see cellar check --help"},
		{"sweep x", "cellar sweep takes no arguments, only flags; see cellar sweep --help"},
		{"space x", "cellar space takes no arguments, only flags; see cellar space --help"},
		{"cell list x", "cellar cell list takes no arguments, only flags; see cellar cell list --help"},
		{"token rotate x", "cellar token rotate takes no arguments, only flags; see cellar token rotate --help"},
		{"cell export c --outptu f", "there is no flag --outptu; see cellar cell export --help"},
		{"cell create c --quota", "--quota needs a value; see cellar cell create --help"},
		{"serve --job-workers many", `invalid value "many" for flag -job-workers: parse error; see cellar serve --help`},
		{"cell create a b", "cellar cell create takes one name; see cellar cell create --help"},
		{"account grant c", "cellar account grant takes a cell, a name and a role; see cellar account grant --help"},
		{"cell create Two", `"Two" cannot be a cell's name: use a-z, 0-9 and -, at most 128, beginning with a letter or digit`},
		{"cell export c --password-file f", "--password-file is for the account of --user; the unit admin's is --admin-password-file"},
		{"token --user u", "--user is an account of a cell: say which by --cell"},
		{"cell export --server nowhere c", `--server "nowhere": use http(s)://host[:port]/`},
	} {
		words := strings.Fields(c.words)
		if words[0] == "cell" && words[1] == "create" {
			words = append([]string{"cell", "create", "--data", filepath.Join(dir, "new")}, words[2:]...)
		}
		code, out, text := command(t, words...)
		if code != exitUsage || out != "" || text != "cellar: "+c.want+"\n" {
			t.Errorf("cellar %s: %d\n%s%swant %s", c.words, code, out, text, c.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
		t.Error("a wrong command line made the data folder")
	}
}

// TestHelpListsCommands: help of a group lists its commands, whichever way it is asked for.
func TestHelpListsCommands(t *testing.T) {
	for _, words := range []string{"help cell", "cell help", "cell --help", "cell -h", "cell", "h cell"} {
		code, out, text := command(t, strings.Fields(words)...)
		for _, want := range []string{"create ", "list ", "quota ", "keep-snapshots ", "delete ", "export ", "import "} {
			if !strings.Contains(out, "\n   "+want) {
				t.Errorf("cellar %s does not list %s: %d\n%s%s", words, want, code, out, text)
			}
		}
	}
	for _, words := range []string{"help cell export", "cell help export", "cell export --help", "cell export c -h"} {
		if code, out, text := command(t, strings.Fields(words)...); code != exitOK || !strings.Contains(out, "--output FILE") {
			t.Errorf("cellar %s: %d\n%s%s", words, code, out, text)
		}
	}
	if code, out, _ := command(t, "help"); code != exitOK || !strings.Contains(out, "\n   serve ") {
		t.Errorf("cellar help: %d\n%s", code, out)
	}
}

// TestFlagsMayStandBehind: flags work before and behind arguments; what follows "--" is
// none.
//
// It runs the commands in this process, beside no other test (TestDamagedDatabase).
func TestFlagsMayStandBehind(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	for _, c := range []struct {
		words string
		code  int
		says  string
	}{
		{"cell list", exitFailed, "holds no cellar data"},
		{"cell create one --quota 1GB", exitOK, "cell one made"}, // and the folder with it
		{"cell create --quota=2GB two", exitOK, "cell two made"},
		{"cell create help", exitOK, "cell help made"},
		{"cell list -l", exitOK, "quota 1.0 GB"},
		{"cell quota one --data DATA none", exitOK, "cell one: quota none"},
		{"cell create -- -x", exitUsage, `"-x" cannot be a cell's name`},
		{"cell delete two", exitUsage, "add --yes"},
		{"cell delete two --yes", exitOK, "cell two removed"},
		{"role add one -- -r", exitFailed, "a name has 1 to 128 characters"},
		{"role add one r", exitOK, "role r of cell one made"},
		{"role list one", exitOK, "r\n"},
		{"token rotate --revoke", exitOK, "new key"},
	} {
		words := strings.Fields(c.words)
		if i := slices.Index(words, "--"); i >= 0 {
			words = slices.Insert(words, i, "--data", data)
		} else if i := slices.Index(words, "DATA"); i >= 0 {
			words[i] = data
		} else {
			words = append(words, "--data", data)
		}
		if code, out, text := command(t, words...); code != c.code || !strings.Contains(out+text, c.says) {
			t.Errorf("cellar %s: %d\n%s%s", c.words, code, out, text)
		}
	}
}

// TestOneMeaningOfAFlag: a flag that several commands have is the same in all of them, and
// help names what stands for its value.
func TestOneMeaningOfAFlag(t *testing.T) {
	usages, variables := map[string]string{}, map[string]string{}
	inSome := []string{"data", "server", "cell", "keep-snapshots"} // whether it is made, and the like
	eachCommand(allCommands(nil, nil), "", func(path string, c *cli.Command) {
		for _, f := range c.Flags {
			doc := f.(cli.DocGenerationFlag)
			name := f.Names()[0]
			if usage, ok := usages[name]; ok && usage != doc.GetUsage() && !slices.Contains(inSome, name) {
				t.Errorf("--%s of %s: %s\nelsewhere: %s", name, path, doc.GetUsage(), usage)
			}
			usages[name] = doc.GetUsage()
			vars := strings.Join(doc.GetEnvVars(), " ")
			if want := "CELLAR_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")); vars != "" && vars != want || vars == "" && path == "serve" {
				t.Errorf("--%s of %s: variable %q, want %s", name, path, vars, want)
			}
			if other, ok := variables[name]; ok && other != vars && name != "cell" {
				t.Errorf("--%s of %s: variable %q, elsewhere %q", name, path, vars, other)
			}
			variables[name] = vars
			if doc.TakesValue() && !regexp.MustCompile("`[A-Z]+`").MatchString(doc.GetUsage()) {
				t.Errorf("--%s of %s: no placeholder in %q", name, path, doc.GetUsage())
			}
		}
		if makes := c.Name == "serve" || path == "cell create"; strings.Contains(usageOf(c, "data"), "made if it is missing") != makes {
			t.Errorf("--data of %s: %s", path, usageOf(c, "data"))
		}
	})
	for _, name := range []string{"user", "password-file", "admin-user", "admin-password-file"} {
		if usages[name] == "" {
			t.Errorf("no command has --%s", name)
		}
	}
}

func usageOf(c *cli.Command, flag string) string {
	for _, f := range c.Flags {
		if slices.Contains(f.Names(), flag) {
			return f.(cli.DocGenerationFlag).GetUsage()
		}
	}
	return ""
}

// TestAdminPasswordFile: of a file with a password the first line counts, an empty one in the
// data folder is made anew, and one that was given says what to do.
func TestAdminPasswordFile(t *testing.T) {
	t.Setenv(adminVariable, "")
	for _, c := range []struct{ text, want string }{
		{"correct horse battery\nsecond line\n", "correct horse battery"},
		{"windows\r\n", "windows"},
		{"no end", "no end"},
		{"", ""},
		{" \n", ""},
		{"\nsecond", ""},
		{strings.Repeat("p", maxPassword), strings.Repeat("p", maxPassword)},
		{strings.Repeat("p", maxPassword) + "x", strings.Repeat("p", maxPassword)},
	} {
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := passwordFrom(file)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: %q, %v", c.text, got, err)
		}
	}
}

// TestLogTellsUnits: a duration in the log has its unit, in both formats.
func TestLogTellsUnits(t *testing.T) {
	for format, want := range map[string]string{"text": "took=1.5s wait=0s", "json": `"took":"1.5s","wait":"0s"`} {
		var out bytes.Buffer
		log, err := newLogger(&out, format, "debug")
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("done", "took", 1500*time.Millisecond, "wait", time.Duration(0))
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s", format, out.String())
		}
	}
}
