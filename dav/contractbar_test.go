package dav_test

import (
	"archive/zip"
	"bytes"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"cellar/dav/davtest"
)

// TestContractBar: the bar that the contract shows, with the files as they stand there, can be
// installed, and is then what the page says.
func TestContractBar(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/contract/3-bar-format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "## 3.13 ")
	text, _, _ = strings.Cut(text, "\n## ")
	var bar bytes.Buffer
	z := zip.NewWriter(&bar)
	files := regexp.MustCompile("(?s)`([0-9]{2}_[^`\n]+)`\n\n```[a-z]*\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(files) != 4 {
		t.Fatalf("%d files on the page", len(files))
	}
	for _, f := range files {
		w, err := z.Create(f[1])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f[2])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	s := davtest.New(t)
	r := s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(bar.Bytes()).Expect().Status(http.StatusAccepted)
	r.Header("Location").IsEqual(s.URL + "/cell1/app")
	box := s.Request("GET", "/cell1/app").WithHeader("Prefer", "wait=60").Expect().Status(http.StatusOK).JSON().Path("$.box").Object()
	box.Value("status").IsEqual("ready")
	box.Value("schema").IsEqual("https://notes.example/")
	s.WantGet("/cell1/app/texts/welcome.txt", "Welcome.\n")
	props := s.Request("PROPFIND", "/cell1/app").WithHeader("Depth", "infinity").Expect().Status(http.StatusMultiStatus).Body().Raw()
	for _, want := range []string{
		`xml:base="` + s.URL + `/cell1/__role/app/"`, `<D:href>reader</D:href>`, `<author xmlns="https://notes.example/ns">somebody</author>`,
		`<D:getcontenttype>text/plain</D:getcontenttype>`,
	} {
		if !strings.Contains(props, want) {
			t.Errorf("PROPFIND does not show %s:\n%s", want, props)
		}
	}
	log := s.Request("GET", "/cell1/__log/current/default.log").Expect().Status(http.StatusOK).Body().Raw()
	for _, line := range strings.Split(strings.TrimSpace(regexp.MustCompile("(?s)```csv\n(.*?)```").FindStringSubmatch(text)[1]), "\n") {
		if !strings.Contains(log, strings.ReplaceAll(line, "https://unit.example", s.URL)+"\n") {
			t.Errorf("the log does not have %s:\n%s", line, log)
		}
	}
}
