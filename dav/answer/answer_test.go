package answer_test

import (
	"encoding/json"
	"encoding/xml"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cellar/dav/answer"
)

var code = regexp.MustCompile(`^"PR[0-9]{3}-[A-Z]{2}-[0-9]{4}"$`)

// codesIn lists the codes that a file names as literals.
func codesIn(t *testing.T, file string) (all []string) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && code.MatchString(l.Value) {
			all = append(all, strings.Trim(l.Value, `"`))
		}
		return true
	})
	return all
}

// TestCodesAreNamedOnce: each code is one constant, with a text and a status that HTTP has, and
// no other package writes a code.
func TestCodesAreNamedOnce(t *testing.T) {
	all := codesIn(t, "codes.go")
	if len(all) < 100 {
		t.Fatalf("only %d codes", len(all))
	}
	slices.Sort(all)
	for i, c := range all {
		if i > 0 && c == all[i-1] {
			t.Errorf("%s is there twice", c)
		}
		e := answer.New(answer.Code(c))
		if e.Message == "" {
			t.Errorf("%s has no text", c)
		}
		if http.StatusText(e.Code.Status()) == "" {
			t.Errorf("%s has the status %d", c, e.Code.Status())
		}
	}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || strings.Contains(filepath.ToSlash(file), "dav/answer/") {
			return err
		}
		for _, c := range codesIn(t, file) {
			t.Errorf("%s writes the code %s", file, c)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCodesAreInTheContract: the page of codes has each code, and no other ones.
func TestCodesAreInTheContract(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "contract", "7-errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, c := range regexp.MustCompile("PR[0-9]{3}-[A-Z]{2}-[0-9]{4}").FindAllString(string(page), -1) {
		documented[c] = true
	}
	for _, c := range codesIn(t, "codes.go") {
		if !documented[c] && c != string(answer.NotModified) { // which has no body
			t.Errorf("%s is not on the page", c)
		}
		delete(documented, c)
	}
	for c := range documented {
		t.Errorf("%s is on the page and not in the code", c)
	}
}

// TestForms: an error as JSON and as XML.
func TestForms(t *testing.T) {
	e := answer.New(answer.NameInvalid, `a "b"`).As("lock-token-submitted", "<D:href>/a</D:href>")
	var body struct {
		Code    string
		Message struct{ Lang, Value string }
	}
	if err := json.Unmarshal(e.JSON(), &body); err != nil {
		t.Fatal(err)
	}
	if body.Code != "PR403-DV-0004" || body.Message.Lang != "en" || body.Message.Value != `Resource name is invalid [a "b"].` {
		t.Errorf("%s", e.JSON())
	}
	var tree struct {
		XMLName   xml.Name `xml:"DAV: error"`
		Condition struct {
			Href string `xml:"DAV: href"`
		} `xml:"DAV: lock-token-submitted"`
	}
	if err := xml.Unmarshal(e.XML(), &tree); err != nil || tree.Condition.Href != "/a" {
		t.Errorf("%s: %v", e.XML(), err)
	}
	for _, method := range []string{"GET", "HEAD"} {
		w := httptest.NewRecorder()
		if err := answer.SendJSON(w, httptest.NewRequest(method, "/", nil), e.Code.Status(), e); err != nil {
			t.Fatal(err)
		}
		if got := w.Body.Len(); w.Code != 403 || (got == 0) != (method == "HEAD") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, %d bytes, %v", method, w.Code, got, w.Header())
		}
	}
}
