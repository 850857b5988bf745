package main_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cellar/dav/davtest"
)

// realBar is one archive and what installing it must give.
type realBar struct {
	File         string
	AcceptStatus int    `json:"accept_status"`
	AcceptCode   string `json:"accept_code"`
	FinalStatus  string `json:"final_status"`
	FinalCode    string `json:"final_code"`
	Schema       string
	Cellar       json.RawMessage // overrides the fields it names
}

func realBars(t *testing.T) (dir string, all []realBar) {
	t.Helper()
	dir = davtest.Corpus(t)
	text, err := os.ReadFile(filepath.Join(dir, "realworld.json"))
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if all[i].Cellar != nil {
			// A null in an override empties the field, which Unmarshal alone would not.
			var override map[string]any
			if err := json.Unmarshal(all[i].Cellar, &override); err != nil {
				t.Fatal(err)
			}
			if _, ok := override["final_code"]; ok {
				all[i].FinalCode = ""
			}
			if _, ok := override["accept_code"]; ok {
				all[i].AcceptCode = ""
			}
			if err := json.Unmarshal(all[i].Cellar, &all[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir, all
}

// contents are the files that a bar brings, by their path in the box.
func contents(t *testing.T, file string) map[string][]byte {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all := map[string][]byte{}
	for _, f := range z.File {
		name, ok := strings.CutPrefix(strings.TrimPrefix(f.Name, "bar/"), "90_contents/")
		if !ok || name == "" || strings.HasSuffix(name, "/") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if all[name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestRealBars installs every archive of real applications, each in a cell of
// its own, and reads all files back: by GET,
// through cadaver, through rclone, and out of an exported snapshot.
func TestRealBars(t *testing.T) {
	t.Parallel()
	dir, all := realBars(t)
	data := t.TempDir()
	p := serve(t, data)
	boxes := map[string]map[string][]byte{} // /cell/box: files
	for i, b := range all {
		t.Run(filepath.Base(b.File), func(t *testing.T) {
			cell := fmt.Sprintf("/cell%d", i)
			p.must(http.StatusCreated, "MKCOL", cell, nil)
			file := filepath.Join(dir, b.File)
			if installReal(t, p, cell+"/box", file, b) {
				boxes[cell+"/box"] = storedFiles(contents(t, file), propfindAll(t, p, cell+"/box"))
			}
		})
	}
	t.Run("GET", func(t *testing.T) {
		for box, files := range boxes {
			for name, want := range files {
				if got := p.must(http.StatusOK, "GET", box+"/"+escapePath(name), nil); !bytes.Equal(got, want) {
					t.Errorf("%s/%s differs", box, name)
				}
			}
		}
	})
	t.Run("cadaver", func(t *testing.T) { readByCadaver(t, p, boxes) })
	t.Run("rclone", func(t *testing.T) { readByRclone(t, p, boxes) })
	t.Run("export", func(t *testing.T) { readByExport(t, p, boxes) })
	p.stop()
	check(t, data)
}

func escapePath(p string) string {
	segs := strings.Split(p, "/")
	for i, s := range segs {
		segs[i] = url.PathEscape(s)
	}
	return strings.Join(segs, "/")
}

// storedFiles maps the entries of a bar to where they lie in the box: OData
// schemas under their WebDAV name, and nothing that the listing does not have.
func storedFiles(files map[string][]byte, seen map[string]map[string]string) map[string][]byte {
	out := map[string][]byte{}
	for name, data := range files {
		out[storedName(name, seen)] = data
	}
	delete(out, "") // documents of entities: compared by TestCorpus of package dav
	return out
}

func storedName(name string, seen map[string]map[string]string) string {
	for path, props := range seen {
		rest, below := strings.CutPrefix(name, path+"/")
		switch {
		case !below || path == "":
		case strings.Contains(props["resourcetype"], "odata") && rest == "00_$metadata.xml":
			return path + "/$metadata"
		case strings.Contains(props["resourcetype"], "odata"):
			return ""
		case strings.Contains(props["resourcetype"], "service") && !strings.HasPrefix(rest, "__src/"):
			return path + "/__src/" + rest
		}
	}
	return name
}

func installReal(t *testing.T, p *program, box, file string, b realBar) bool {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := p.must(b.AcceptStatus, "MKCOL", box, bytes.NewReader(body), "Content-Type", "application/zip")
	if b.AcceptStatus != http.StatusAccepted {
		if !strings.Contains(string(text), `"`+b.AcceptCode+`"`) {
			t.Errorf("refused with %s, want %s", text, b.AcceptCode)
		}
		return false
	}
	var meta struct {
		Box struct {
			Status, Schema string
			Message        struct{ Code string }
		}
	}
	text = p.must(http.StatusOK, "GET", box, nil, "Prefer", "wait=60")
	if err := json.Unmarshal(text, &meta); err != nil {
		t.Fatal(err)
	}
	if meta.Box.Status != b.FinalStatus || meta.Box.Schema != b.Schema || meta.Box.Message.Code != b.FinalCode {
		t.Errorf("the install ended with %s, want %q %q", text, b.FinalStatus, b.FinalCode)
	}
	if b.FinalStatus != "ready" {
		return false
	}
	return true
}

func readByCadaver(t *testing.T, p *program, boxes map[string]map[string][]byte) {
	cadaver := tool(t, "cadaver")
	home := t.TempDir()
	u, _ := url.Parse(p.url)
	netrc := fmt.Sprintf("machine %s login %s password \"%s\"\n", u.Hostname(), adminUser, adminPassword)
	if err := os.WriteFile(filepath.Join(home, ".netrc"), []byte(netrc), 0o600); err != nil {
		t.Fatal(err)
	}
	for box, files := range boxes {
		dir := t.TempDir()
		var script strings.Builder
		names := map[string][]byte{}
		n := 0
		for name, data := range files {
			local := filepath.Join(dir, fmt.Sprint(n))
			fmt.Fprintf(&script, "get \"%s\" %s\n", name, local)
			names[local] = data
			n++
		}
		script.WriteString("ls\nquit\n")
		cmd := exec.Command(cadaver, p.url+box+"/")
		cmd.Env = append(os.Environ(), "HOME="+home)
		cmd.Stdin = strings.NewReader(script.String())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("cadaver: %v\n%s", err, out)
		}
		for local, want := range names {
			if got, err := os.ReadFile(local); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s through cadaver: %v, %d bytes, want %d\n%s", box, err, len(got), len(want), out)
			}
		}
	}
}

// rclone runs the client with a remote "dav:" for the given folder of the server.
func rclone(t *testing.T, p *program, root string, args ...string) {
	t.Helper()
	program := tool(t, "rclone")
	obscured, err := exec.Command(program, "obscure", adminPassword).Output()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append(args, "--config", "/dev/null")...)
	cmd.Env = append(os.Environ(), "RCLONE_CONFIG_DAV_TYPE=webdav", "RCLONE_CONFIG_DAV_VENDOR=other", "RCLONE_CONFIG_DAV_URL="+p.url+root,
		"RCLONE_CONFIG_DAV_USER="+adminUser, "RCLONE_CONFIG_DAV_PASS="+strings.TrimSpace(string(obscured)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("rclone %v: %v\n%s", args, err, out)
	}
}

func readByRclone(t *testing.T, p *program, boxes map[string]map[string][]byte) {
	tool(t, "rclone")
	for box, files := range boxes {
		dir := t.TempDir()
		rclone(t, p, box, "copy", "dav:", dir)
		for name, want := range files {
			if got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name))); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s/%s through rclone: %v, %d bytes, want %d", box, name, err, len(got), len(want))
			}
		}
	}
}

func readByExport(t *testing.T, p *program, boxes map[string]map[string][]byte) {
	unzip := tool(t, "unzip")
	for box, files := range boxes {
		cell, _, _ := strings.Cut(box[1:], "/")
		p.must(http.StatusAccepted, "POST", "/"+cell+"/__export", strings.NewReader(`{"Name":"all"}`))
		p.must(http.StatusOK, "GET", "/"+cell+"/__export", nil, "Prefer", "wait=60")
		file := filepath.Join(t.TempDir(), "all.zip")
		if err := os.WriteFile(file, p.must(http.StatusOK, "GET", "/"+cell+"/__snapshot/all.zip", nil), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(unzip, "-tq", file).CombinedOutput(); err != nil {
			t.Errorf("unzip -t: %v\n%s", err, out)
		}
		z, err := zip.OpenReader(file)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		inside := map[string]*zip.File{}
		for _, f := range z.File {
			inside[f.Name] = f
		}
		for name, want := range files {
			entry := "30_contents/box/" + name
			if rest, ok := strings.CutSuffix(name, "/$metadata"); ok {
				entry = "40_odata/box/" + rest + "/$metadata.xml"
			}
			f := inside[entry]
			if f == nil {
				t.Errorf("%s is not in the snapshot", entry)
				continue
			}
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s in the snapshot differs (%v)", entry, err)
			}
		}
	}
}
