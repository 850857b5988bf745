package main_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// notesApp is a small application as a folder: a page, its script, and a collection for its data.
var notesApp = map[string]string{
	"00_meta/00_manifest.json": `{"bar_version":"2","schema":"https://app.example/"}`,
	"00_meta/20_roles.json":    `{"Roles":[{"Name":"writer"}]}`,
	"00_meta/90_rootprops.xml": `<multistatus xmlns="DAV:" xmlns:p="urn:x-personium:xmlns">
<response><href>personium-localbox:/</href><propstat><prop><resourcetype><collection/></resourcetype></prop></propstat></response>
<response><href>personium-localbox:/index.html</href><propstat><prop><resourcetype/><getcontenttype>text/html</getcontenttype>` + readByAll + `</prop></propstat></response>
<response><href>personium-localbox:/app.js</href><propstat><prop><resourcetype/><getcontenttype>text/javascript</getcontenttype>` + readByAll + `</prop></propstat></response>
<response><href>personium-localbox:/data</href><propstat><prop><resourcetype><collection/><p:odata/></resourcetype>
<acl xml:base="https://x.example/__role/__/"><ace><principal><href>writer</href></principal><grant><privilege><read/></privilege><privilege><write/></privilege></grant></ace></acl></prop></propstat></response>
</multistatus>`,
	"90_contents/index.html": `<!doctype html><title>notes</title><p id="result">waiting</p><script src="app.js"></script>`,
	"90_contents/app.js": `
const show = text => document.getElementById("result").textContent = text;
const notes = async (method, body) => {
	const r = await fetch("data/Note" + (body ? "" : "?$orderby=text desc"), {method, body, headers: {Authorization: "Bearer " + location.hash.slice(1), "Content-Type": "application/json"}});
	if (!r.ok) throw new Error(method + " " + r.status + " " + await r.text());
	return (await r.json()).d.results;
};
(async () => {
	await notes("POST", JSON.stringify({text: "second " + location.hostname}));
	await notes("POST", JSON.stringify({text: "first " + location.hostname}));
	show("notes: " + (await notes("GET")).map(n => n.text).join(", "));
})().catch(e => show("failed: " + e.message));`,
	"90_contents/data/00_$metadata.xml": `<Schema xmlns="http://schemas.microsoft.com/ado/2006/04/edm" Namespace="UserData"><EntityType Name="Note"><Property Name="text" Type="Edm.String" Nullable="false"/></EntityType></Schema>`,
}

const readByAll = `<acl xml:base="https://x.example/__role/__/"><ace><principal><all/></principal><grant><privilege><read/></privilege></grant></ace></acl>`

// TestApplicationInABrowser packs an application, installs it, opens it in a browser, where it writes and
// reads its data with a token, updates it, and takes it as a bar to another cell.
func TestApplicationInABrowser(t *testing.T) {
	t.Parallel()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("SKIPPED: chromium is not installed")
	}
	dir := folder(t, notesApp)
	bar := filepath.Join(t.TempDir(), "notes.bar")
	if code, out := barCommand(t, t.TempDir(), "bar", "pack", "-o", bar, dir); code != 0 {
		t.Fatalf("pack: %d %s", code, out)
	}
	p := serve(t, t.TempDir(), "--cell", "cell1", "--cell", "cell2", "--apps")
	join := func(cell string) {
		t.Helper()
		p.account(cell, "me", "correct-horse")
		p.must(http.StatusNoContent, "POST", "/"+cell+"/__ctl/Account('me')/$links/_Role", strings.NewReader(`{"uri":"`+p.url+"/"+cell+`/__ctl/Role(Name='writer',_Box.Name='app')"}`))
	}
	open := func(cell string) string {
		t.Helper()
		form := url.Values{"grant_type": {"password"}, "username": {"me"}, "password": {"correct-horse"}}
		var token struct {
			Access string `json:"access_token"`
		}
		if err := json.Unmarshal(p.must(http.StatusOK, "POST", "/"+cell+"/__token", strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded"), &token); err != nil {
			t.Fatal(err)
		}
		page := strings.Replace(p.url, "127.0.0.1", cell+".localhost", 1) + "/app/index.html#" + token.Access
		out, err := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--user-data-dir="+t.TempDir(),
			"--virtual-time-budget=20000", "--dump-dom", page).Output()
		if err != nil {
			t.Fatalf("the browser: %v", err)
		}
		_, text, _ := strings.Cut(string(out), `<p id="result">`)
		text, _, _ = strings.Cut(text, "</p>")
		return text
	}
	if code, out := p.cellar("bar", "install", "cell1", "app", bar); code != 0 {
		t.Fatalf("install: %s", out)
	}
	join("cell1")
	if got := open("cell1"); got != "notes: second cell1.localhost, first cell1.localhost" {
		t.Errorf("the application shows %q", got)
	}
	// A newer version has another page and another property; the notes stay.
	second := maps.Clone(notesApp)
	second["90_contents/app.js"] = strings.Replace(notesApp["90_contents/app.js"], `"notes: "`, `"notes of version 2: "`, 1)
	second["90_contents/data/00_$metadata.xml"] = strings.Replace(notesApp["90_contents/data/00_$metadata.xml"], "</EntityType>", `<Property Name="done" Type="Edm.Boolean"/></EntityType>`, 1)
	if code, out := barCommand(t, t.TempDir(), "bar", "pack", "-o", bar+"2", folder(t, second)); code != 0 {
		t.Fatalf("pack: %d %s", code, out)
	}
	if code, out := p.cellar("bar", "install", "cell1", "app", bar+"2"); code == 0 || !strings.Contains(out, "PR400-BI-0004") {
		t.Errorf("an install over a box: %d %s", code, out)
	}
	if code, out := p.cellar("bar", "install", "--update", "cell1", "app", bar+"2"); code != 0 || !strings.Contains(out, "box app is updated") {
		t.Fatalf("update: %d %s", code, out)
	}
	if got := open("cell1"); got != "notes of version 2: second cell1.localhost, second cell1.localhost, first cell1.localhost, first cell1.localhost" {
		t.Errorf("the newer version shows %q", got)
	}
	exported := filepath.Join(t.TempDir(), "exported.bar")
	if err := os.WriteFile(exported, p.must(http.StatusOK, "GET", "/cell1/app", nil, "Accept", "application/zip+x-personium-bar"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := p.cellar("bar", "install", "cell2", "app", exported); code != 0 {
		t.Fatalf("install elsewhere: %s", out)
	}
	join("cell2")
	if got := open("cell2"); got != "notes of version 2: second cell2.localhost, second cell1.localhost, second cell1.localhost, first cell2.localhost, first cell1.localhost, first cell1.localhost" {
		t.Errorf("elsewhere the application shows %q", got)
	}
}
