package target_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/dav/target"
)

func resolve(t *testing.T, unit, uri string) (target.Target, error) {
	t.Helper()
	var unitURL *url.URL
	if unit != "" {
		var err error
		if unitURL, err = url.Parse(unit); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequest("GET", uri, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = r.URL.Host
	return target.NewResolver(unitURL).Resolve(r, false)
}

// TestKinds: what each form of a URL names, its path and what is behind it.
func TestKinds(t *testing.T) {
	for path, want := range map[string]struct {
		kind target.Kind
		path string
		rest string
	}{
		"":                        {target.Unit, "/", ""},
		"__token":                 {target.Token, "/", ""},
		"c":                       {target.Cell, "/c", ""},
		"c/":                      {target.Cell, "/c", ""},
		"//c//":                   {target.Cell, "/c", ""},
		"__ctl/Cell":              {target.UnitCtl, "/", "Cell"},
		"__ctl/Cell('c')":         {target.UnitCtl, "/", "Cell('c')"},
		"__ctl/__token":           {target.UnitCtl, "/", "__token"},
		"__ctl":                   {target.Unknown, "", ""},
		"__health":                {target.Unknown, "", ""},
		"c/__token":               {target.Token, "/c/__token", ""},
		"c/__token/x":             {target.Unknown, "", ""},
		"c/__export":              {target.Export, "/c/__export", ""},
		"c/__export/x":            {target.Unknown, "", ""},
		"c/__import":              {target.Import, "/c/__import", ""},
		"c/__mypassword":          {target.MyPassword, "/c/__mypassword", ""},
		"c/__event":               {target.Event, "/c/__event", ""},
		"c/__ctl":                 {target.Unknown, "", ""},
		"c/__ctl/Role":            {target.Ctl, "/c", "Role"},
		"c/__ctl/Role('r')/_Box":  {target.Ctl, "/c", "Role('r') _Box"},
		"c/__snapshot":            {target.Snapshots, "/c/__snapshot", ""},
		"c/__snapshot/s.zip":      {target.Snapshot, "/c/__snapshot/s.zip", ""},
		"c/__snapshot/s/t":        {target.Unknown, "", ""},
		"c/__log":                 {target.Logs, "/c/__log", ""},
		"c/__log/current":         {target.Logs, "/c/__log/current", ""},
		"c/__log/archive/":        {target.Logs, "/c/__log/archive", ""},
		"c/__log/other":           {target.Unknown, "", ""},
		"c/__log/current/d.log":   {target.Log, "/c/__log/current/d.log", ""},
		"c/__log/archive/d.log.1": {target.Log, "/c/__log/archive/d.log.1", ""},
		"c/__log/current/d/e":     {target.Unknown, "", ""},
		"c/__":                    {target.Box, "/c/__", ""},
		"c/b":                     {target.Box, "/c/b", ""},
		"c/__new":                 {target.Unknown, "", ""},
		"c/__/f":                  {target.Resource, "/c/__/f", ""},
		"c/b/__x/y":               {target.Resource, "/c/b/__x/y", ""},
		"c/b/o/T('a%2Fb')":        {target.Entity, "/c/b/o", "T('a/b')"},
		"c/b/o/T('a%2Fb')/_U":     {target.Entity, "/c/b/o", "T('a/b') _U"},
		"c/b/o/T('a')":            {target.Resource, "/c/b/o/T('a')", ""},
	} {
		got, err := resolve(t, "", "http://h/"+path)
		if got.Kind != want.kind || got.Path.String() != want.path && want.kind != target.Unknown || strings.Join(got.Rest, " ") != want.rest {
			t.Errorf("/%s is %s, %s, %q: %v", path, got.Kind.Name(), got.Path, got.Rest, err)
		}
		if (want.kind == target.Unknown) != errors.Is(err, answer.New(answer.NotMapped)) {
			t.Errorf("/%s: %v", path, err)
		}
	}
	var wrong *cellfs.NameError
	if _, err := resolve(t, "", "http://h/c/b/a%2Fb"); !errors.As(err, &wrong) {
		t.Errorf("a name with a slash: %v", err)
	}
}

// TestURLs: the URLs of unit and cell have the form in which the request came.
func TestURLs(t *testing.T) {
	for _, c := range []struct {
		unit, uri  string
		unitURL    string
		cellURL    string
		href       string
		prerequire string // "" for none
	}{
		{"", "http://h:1/c/b/f%20g", "http://h:1/", "http://h:1/c/", "/c/b/f%20g", "/c/b"},
		{"", "http://c.localhost:1/b", "http://localhost:1/", "http://c.localhost:1/", "/b", "/c/b"},
		{"https://u.example/", "http://h:1/c", "https://u.example/", "https://u.example/c/", "/c", "/c"},
		{"https://u.example/", "http://C.U.example/b/f", "https://U.example/", "https://C.U.example/", "/b/f", "/c/b"},
		{"", "http://h/", "http://h/", "", "/", ""},
		{"", "http://h/c/__export", "http://h/", "http://h/c/", "/c/__export", "/c"},
	} {
		got, err := resolve(t, c.unit, c.uri)
		if err != nil {
			t.Fatal(err)
		}
		p, ok := got.Prerequisite(false)
		if got.UnitURL != c.unitURL || got.CellURL != c.cellURL || string(got.AppendHref(nil, got.Path, false)) != c.href || ok != (c.prerequire != "") || ok && p.String() != c.prerequire {
			t.Errorf("%s: %+v, %s needs %s", c.uri, got, got.AppendHref(nil, got.Path, false), p)
		}
	}
	for _, host := range []string{"h h", `a"b`, "a/b", strings.Repeat("h", 260), "[::1", "a:123456"} {
		r := &http.Request{Host: host, URL: &url.URL{Path: "/"}}
		if _, err := target.NewResolver(nil).Resolve(r, false); !errors.Is(err, answer.New(answer.Authority)) {
			t.Errorf("host %q: %v", host, err)
		}
	}
}

// TestPrerequisites: what must exist before the request, also if it makes something.
func TestPrerequisites(t *testing.T) {
	for path, want := range map[string][2]string{ // without and with MKCOL
		"": {"", ""}, "c": {"/c", ""}, "c/b": {"/c/b", "/c"}, "c/b/d": {"/c/b", "/c/b"}, "c/__token": {"/c", "/c"}, "__token": {"", ""},
		"c/__ctl/Role": {"/c", "/c"}, "__ctl/Cell": {"", ""}, "c/__log/current": {"/c", "/c"},
	} {
		got, err := resolve(t, "", "http://h/"+path)
		if err != nil {
			t.Fatal(err)
		}
		for i, making := range []bool{false, true} {
			p, ok := got.Prerequisite(making)
			if ok != (want[i] != "") || ok && p.String() != want[i] {
				t.Errorf("/%s, making %v: %s, %v", path, making, p, ok)
			}
		}
	}
}

// TestSameUnit: a URL of this unit is one of its hosts, on the same port.
func TestSameUnit(t *testing.T) {
	unit, err := url.Parse("https://u.example/")
	if err != nil {
		t.Fatal(err)
	}
	v := target.NewResolver(unit)
	r := &http.Request{Host: "here.example"}
	for uri, want := range map[string]bool{
		"http://here.example/": true, "https://u.example/c": true, "https://c.u.example/": true, "https://a.c.u.example/": false,
		"http://other.example/": false, "http://here.example:81/": false, "http://here.example:443/": true, "ftp://here.example/": false,
	} {
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.SameUnit(r, u); got != want {
			t.Errorf("%s: %v", uri, got)
		}
	}
	names, ok := v.InCell(r, "c", &url.URL{Scheme: "https", Host: "c.u.example", Path: "/__role/__/r"})
	if !ok || !slices.Equal(names, []string{"__role", "__", "r"}) {
		t.Errorf("in the cell: %v, %v", names, ok)
	}
	if names, ok := v.InCell(r, "c", &url.URL{Scheme: "https", Host: "u.example", Path: "/d/__role/__/r"}); ok {
		t.Errorf("of another cell: %v", names)
	}
	// A Kelvin sign is a k in lower case, but no host is known by it.
	v = target.NewResolver(&url.URL{Scheme: "https", Host: "k.example"})
	if names, ok := v.InCell(r, "c", &url.URL{Scheme: "https", Host: "c.\u212a.example", Path: "/__role/__/r"}); ok {
		t.Errorf("of a host that is not ASCII: %v", names)
	}
}
