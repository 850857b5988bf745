package main_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rooms is the structure of the program: what each package may import of ours,
// and of others what stays in one place (docs/design.md).
var rooms = map[string][]string{
	"cmd/cellar":                   {"barfs", "barfs/install", "cellfs", "cellfs/account", "cellfs/blob", "cellfs/meta", "cellfs/snapshot", "dav", "dav/answer", "dav/auth", "dav/ops", "dav/wire"},
	"dav":                          {"barfs", "barfs/install", "barfs/xmltree", "cellfs", "cellfs/access", "cellfs/account", "cellfs/control", "cellfs/snapshot", "dav/answer", "dav/auth", "dav/multistatus", "dav/odata", "dav/ops", "dav/target", "dav/wire", "jobs"},
	"dav/answer":                   {},
	"dav/auth":                     {"cellfs", "cellfs/access", "cellfs/account", "cellfs/control", "dav/answer"},
	"dav/multistatus":              {"barfs/xmltree", "cellfs", "cellfs/access", "dav/answer", "dav/target"},
	"dav/target":                   {"cellfs", "dav/answer", "dav/odata", "dav/wire"},
	"dav/wire":                     {"dav/answer"},
	"dav/odata":                    {"barfs/edm", "barfs/install", "cellfs", "cellfs/control", "dav/answer"},
	"dav/ops":                      {"barfs", "barfs/edm", "barfs/install", "cellfs", "cellfs/access", "cellfs/account", "cellfs/control", "cellfs/restore", "cellfs/snapshot", "dav/answer", "jobs"},
	"dav/davtest":                  {"barfs", "cellfs", "cellfs/account", "cellfs/blob", "cellfs/cellfstest", "cellfs/meta", "cellfs/snapshot", "dav", "dav/ops", "dav/wire"},
	"cellfs":                       {},
	"cellfs/webdavfs":              {"cellfs"},
	"cellfs/meta":                  {"cellfs"},
	"cellfs/blob":                  {"cellfs"},
	"cellfs/snapshot":              {"barfs/xmltree", "cellfs", "cellfs/access"},
	"cellfs/access":                {"barfs/xmltree", "cellfs"},
	"cellfs/account":               {"cellfs"},
	"cellfs/control":               {"cellfs", "cellfs/access", "cellfs/account"},
	"cellfs/restore":               {"barfs", "barfs/edm", "barfs/xmltree", "barfs/zipdir", "cellfs", "cellfs/access", "cellfs/snapshot"},
	"cellfs/restore/personiumtest": {},
	"cellfs/cellfstest":            {"cellfs", "cellfs/webdavfs"},
	"barfs":                        {"barfs/edm", "barfs/xmltree", "barfs/zipdir"},
	"barfs/edm":                    {"barfs/xmltree"},
	"barfs/xmltree":                {},
	"barfs/zipdir":                 {},
	"barfs/install":                {"barfs", "barfs/edm"},
	"barfs/bartest":                {},
	"barfs/bartest/notesbar":       {"barfs/bartest"},
	"jobs":                         {},
	"docs":                         {},
}

// homes says where a package of others belongs, and why nowhere else.
var homes = map[string]struct {
	in  []string
	why string
}{
	"database/sql":                  {[]string{"cellfs/meta"}, "SQL stays behind the contract of cellfs.Meta"},
	"github.com/ncruces/go-sqlite3": {[]string{"cellfs/meta"}, "the driver is a detail of one dialect"},
	"github.com/pressly/goose/v3":   {[]string{"cellfs/meta"}, "migrations are a detail of the store"},
	"github.com/hashicorp/go-memdb": {[]string{"jobs"}, "no memdb type leaves package jobs"},
	"github.com/urfave/cli/v2":      {[]string{"cmd/cellar"}, "only the command reads flags"},
	"github.com/golang-jwt/jwt/v5":  {[]string{"dav/auth"}, "tokens are opaque to everything but the edge"},
	"net/http":                      {[]string{"dav", "dav/answer", "dav/multistatus", "dav/target", "dav/wire", "dav/davtest", "cmd/cellar", "cellfs/webdavfs"}, "HTTP ends at package dav; webdavfs needs a status for x/net/webdav's DeadPropsHolder"},
	"golang.org/x/net/webdav":       {[]string{"cellfs/webdavfs"}, "its types are implemented in one place"},
	"testing":                       {[]string{"dav/davtest", "cellfs/cellfstest", "barfs/bartest"}, "test code stays out of the program"},
}

func TestArrowsPointOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "cellar/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		room := strings.TrimPrefix(p.ImportPath, "cellar/")
		may, known := rooms[room]
		if !known {
			t.Errorf("package %s has no row in the table of rooms", room)
		}
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, "cellar/"); ok && !slices.Contains(may, ours) {
				t.Errorf("%s imports %s: it may import %v, because arrows point one way", room, ours, may)
			}
			if h, ok := homes[i]; ok && !slices.Contains(h.in, room) {
				t.Errorf("%s imports %s: %s", room, i, h.why)
			}
		}
	}
}
