package main_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cellar/barfs"
	"cellar/barfs/bartest"
)

// command runs the program and returns its exit code and what it says.
func barCommand(t *testing.T, dir string, words ...string) (int, string) {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(file, words...)
	c.Dir = dir
	out, _ := c.CombinedOutput()
	return c.ProcessState.ExitCode(), string(out)
}

// folder makes files below a temporary folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := writeFile(name, text); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestBarCommands: a folder becomes a bar, which is checked, installed, and holds what was in the folder.
func TestBarCommands(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"index.html": "<h1>hi</h1>", "js/app.js": "1", "data/ünï code.txt": "text", ".DS_Store": "litter", "empty/.keep": "",
	})
	for range 2 { // the second time the bar is in the folder, and is not part of itself
		if code, out := barCommand(t, dir, "bar", "pack", "--schema", "https://app.example/", "--public", "-o", "app.bar", "."); code != 0 {
			t.Fatalf("pack: %d %s", code, out)
		}
	}
	code, out := barCommand(t, dir, "bar", "check", "app.bar")
	if code != 0 || !strings.Contains(out, "good, 6 entries") {
		t.Fatalf("check: %d %s", code, out)
	}
	p := serve(t, t.TempDir(), "--cell", "cell1")
	if code, out := p.cellar("bar", "install", "cell1", "app", filepath.Join(dir, "app.bar")); code != 0 || !strings.Contains(out, "box app is installed") {
		t.Fatalf("install: %d %s", code, out)
	}
	for path, want := range map[string]string{"index.html": "<h1>hi</h1>", "js/app.js": "1", "data/%C3%BCn%C3%AF%20code.txt": "text"} {
		if got := string(p.must(http.StatusOK, "GET", "/cell1/app/"+path, nil)); got != want {
			t.Errorf("%s is %q", path, got)
		}
	}
	res, err := http.Get(p.url + "/cell1/app/index.html") // --public
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("for all: %s, %s", res.Status, res.Header.Get("Content-Type"))
	}
	if code, out := p.cellar("bar", "install", "cell1", "other", filepath.Join(dir, "app.bar")); code != 1 || !strings.Contains(out, "PR400-BI-0004") || !strings.Contains(out, "[app]") {
		t.Errorf("the schema twice: %d %s", code, out)
	}
}

// TestBarFaults: what would not install is told with its entry, and nothing is left of a bar that was
// not made.
func TestBarFaults(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad.bar")
	if err := os.WriteFile(bad, bartest.New("").File("good.txt", "text/plain", "x").Entry("90_contents/undeclared.txt", "x").Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := barCommand(t, t.TempDir(), "bar", "check", bad); code != 3 || !strings.Contains(out, "90_contents/undeclared.txt") || !strings.Contains(out, "PL-BI-1004") {
		t.Errorf("an undeclared file: %d %s", code, out)
	}
	checksAllFaults(t)
	noZip := filepath.Join(folder(t, map[string]string{"x.bar": "no zip"}), "x.bar")
	if code, out := barCommand(t, t.TempDir(), "bar", "check", noZip); code != 3 || !strings.Contains(out, "PR400-BI-0007") {
		t.Errorf("no zip: %d %s", code, out)
	}
	whole := folder(t, map[string]string{"00_meta/00_manifest.json": `{"bar_version":"2"}`, "90_contents/x": "x"})
	for name, words := range map[string][]string{
		"no rootprops": {"bar", "pack", whole}, "not for a whole one": {"bar", "pack", "--public", whole}, "no folder": {"bar", "pack", "none"},
		"a bad schema": {"bar", "pack", "--schema", "nonsense", folder(t, map[string]string{"x": "x"})},
	} {
		dir := t.TempDir()
		if code, out := barCommand(t, dir, words...); code == 0 {
			t.Errorf("%s: %s", name, out)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s leaves %v, %v", name, left, err)
		}
	}
	link := folder(t, map[string]string{"x": "x"})
	if err := os.Symlink("/etc/passwd", filepath.Join(link, "link")); err != nil {
		t.Fatal(err)
	}
	if code, out := barCommand(t, t.TempDir(), "bar", "pack", link); code == 0 || !strings.Contains(out, "link") {
		t.Errorf("a symbolic link: %d %s", code, out)
	}
}

// TestBarInstallReplaces: the command follows a failed install to its cause, and --replace installs over it.
func TestBarInstallReplaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bad, good := filepath.Join(dir, "bad.bar"), filepath.Join(dir, "good.bar")
	for name, bar := range map[string]*bartest.Bar{bad: bartest.New("").Entry("90_contents/undeclared.txt", "x"), good: bartest.New("").File("f", "text/plain", "x")} {
		if err := os.WriteFile(name, bar.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := serve(t, t.TempDir(), "--cell", "cell1")
	if code, out := p.cellar("bar", "install", "cell1", "app", bad); code != 1 || !strings.Contains(out, "PL-BI-1004") {
		t.Errorf("a bad bar: %d %s", code, out)
	}
	if code, out := p.cellar("bar", "install", "cell1", "app", good); code != 1 || !strings.Contains(out, "PR405-BI-0001") {
		t.Errorf("over a box that failed: %d %s", code, out)
	}
	if code, out := p.cellar("bar", "install", "--replace", "cell1", "app", good); code != 0 {
		t.Errorf("--replace: %d %s", code, out)
	}
	p.must(http.StatusOK, "GET", "/cell1/app/f", nil)
}

// checksAllFaults checks a bar with one fault of each kind: each is told once, with its entry, and nothing that
// follows from one.
func checksAllFaults(t *testing.T) {
	t.Helper()
	acl := func(role string) string {
		return `<acl xml:base="https://a.example/__role/b/" xmlns="DAV:"><ace><principal><href>` + role + `</href></principal><grant><privilege><read/></privilege></grant></ace></acl>`
	}
	b := bartest.New("https://app.example/").Meta("10_relations.json", `{"Relations":[{"Name":"-bad name-"},{"Name":"friend"}]}`).
		Meta("20_roles.json", `{"Roles":[{"Name":"reader"},{"Name":"reader"}]}`).
		Meta("30_extroles.json", `{"ExtRoles":[{"ExtRole":"https://x.example/c/__role/__/r","_Relation.Name":"friend"},{"ExtRole":"https://x.example/c/__role/__/r","_Relation.Name":"nobody"}]}`).
		Meta("70_$links.json", `{"Links":[{"FromType":"Relation","FromName":{"Name":"friend"},"ToType":"Role","ToName":{"Name":"none"}},{"FromType":"Relation","FromName":{"Name":"friend"},"ToType":"Role","ToName":{"Name":"reader"}}]}`).
		Collection("c", acl("nobody")).File("c/good.txt", "text/plain", "x").FileWith("c/acl.txt", "text/plain", "x", acl("nobody")).
		File("type.txt", "nonsense", "x").Entry("90_contents/undeclared", "x").Entry("90_contents/c/also", "x").
		OData("db").Entry("90_contents/db/00_$metadata.xml", `<Schema Namespace="UserData"><EntityType Name="N"><Property Name="n" Type="Edm.Int32"/></EntityType></Schema>`).
		Entry("90_contents/db/10_odatarelations.json", `{"Links":[{"FromType":"N","FromId":{"__id":"1"},"ToType":"N","ToId":{"__id":"9"}}]}`).
		Entry("90_contents/db/90_data/N/1.json", `{"__id":"1"}`).Entry("90_contents/db/90_data/N/2.json", `{"n":"text"}`).Entry("90_contents/db/90_data/N/3.json", `{"__id":"1"}`).
		OData("broken").Entry("90_contents/broken/00_$metadata.xml", `<Schema`).Entry("90_contents/broken/90_data/X/1.json", `{}`).
		OData("missing")
	file := filepath.Join(t.TempDir(), "all.bar")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out := barCommand(t, t.TempDir(), "bar", "check", file)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	want := []string{
		"10_relations.json: PL-BI-1004: Installation failed(request body format error. field [Name])", "20_roles.json: PL-BI-1004: Installation failed(The entity already exists.)",
		"30_extroles.json: PL-BI-1004: Installation failed(The related entity [Relation] does not exist.)", "70_$links.json: PL-BI-1004: Installation failed(No such entity.)",
		"90_rootprops.xml: PL-BI-1004: Installation failed(Role not found.)", "90_contents/c/acl.txt: PL-BI-1004: Installation failed(Role not found.)",
		"90_contents/type.txt: PL-BI-1004: Installation failed(WebDAV file registration error. Invalid Content-Type.)",
		"90_contents/undeclared: PL-BI-1004: Installation failed(Entry is not contained in 90_rootprops.xml.)", "90_contents/c/also: PL-BI-1004: Installation failed(Entry is not contained in 90_rootprops.xml.)",
		"Target Link to N('9')", "90_contents/db/90_data/N/2.json: PL-BI-1004: Installation failed(request body format error. field [n])", "90_contents/db/90_data/N/3.json: PL-BI-1004: Installation failed(The entity already exists.)",
		"90_contents/broken/00_$metadata.xml: PL-BI-1004: Installation failed(JSON/XML parse error.)", "90_contents/missing/00_$metadata.xml: PL-BI-1004: Installation failed(Invalid structure of bar file or empty.)",
	}
	for _, w := range want {
		if strings.Count(out, w) != 1 {
			t.Errorf("%q is told %d times", w, strings.Count(out, w))
		}
	}
	if code != 3 || len(lines) != len(want) {
		t.Errorf("exit code %d, %d faults, want %d:\n%s", code, len(lines), len(want), out)
	}

	// What a server refuses before the install: each entry.
	tooLarge := strings.Repeat("x", barfs.MaxEntry+1)
	if err := os.WriteFile(file, bartest.New("").File("a.bin", "text/plain", tooLarge).File("b.bin", "text/plain", tooLarge).Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out = barCommand(t, t.TempDir(), "bar", "check", file)
	if code != 3 || strings.Count(out, "PR400-BI-0003") != 2 || !strings.Contains(out, "a.bin") || !strings.Contains(out, "b.bin") {
		t.Errorf("two entries that are too large: %d %s", code, out)
	}
}
