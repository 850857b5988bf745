package dav

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPairs: what a query says is read as it was meant, or refused; nothing is dropped.
func TestPairs(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"":                                "",
		"$filter=Name eq 'a;b'":           "$filter=Name eq 'a;b'",
		"$filter=Name%20eq%20'a%3Bb'&x=1": "$filter=Name eq 'a;b'&x=1",
		"a=1;b=2":                         "a=1;b=2",
		"a+b=c+d%2B":                      "a b=c d+",
		"a=b=c":                           "a=b=c",
		"&a=1&&b&":                        "a=1&b=",
		"%24top=1":                        "$top=1",
		"a=%C3%A9":                        "a=é",
		strings.Repeat("&", maxPairs):     "refused",
		strings.Repeat("&", maxPairs-1):   "",
		"a=%":                             "refused",
		"a=%zz":                           "refused",
		"%=a":                             "refused",
		"$filter=Name eq '100%'&$top=1":   "refused",
		"a=%ff":                           "refused",
		"$filter=a&$filter=b":             "refused",
		"$filter=a&%24filter=b":           "refused",
	} {
		got := "refused"
		if values, ok := parsePairs(query); ok {
			var pairs []string
			for _, name := range slices.Sorted(maps.Keys(values)) {
				pairs = append(pairs, name+"="+strings.Join(values[name], "|"))
			}
			got = strings.Join(pairs, "&")
		}
		if got != want {
			t.Errorf("%.60q is read as %q, want %q", query, got, want)
		}
	}
}

// TestOneReaderOfQueries: package url and package http drop what they cannot read of a
// query or a form; only parsePairs reads them.
func TestOneReaderOfQueries(t *testing.T) {
	t.Parallel()
	lenient := map[string]bool{"ParseForm": true, "ParseMultipartForm": true, "FormValue": true, "PostFormValue": true}
	seen := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		seen++
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			of, _ := f.X.(*ast.Ident)
			url := f.Sel.Name == "ParseQuery" && of != nil && of.Name == "url"
			if url || lenient[f.Sel.Name] || f.Sel.Name == "Query" && len(call.Args) == 0 {
				t.Errorf("%s calls %s: use parsePairs", path, f.Sel.Name)
			}
			return true
		})
		return nil
	})
	if err != nil || seen < 100 {
		t.Errorf("%d files were looked at: %v", seen, err)
	}
}
