// Package docs_test looks at what the documents, and the code, refer to.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = ".."

// texts calls yield with all that people read here: code, documents, scripts.
func texts(t *testing.T, yield func(file, text string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "bin" || d.Name() == "cellar-data"):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		switch filepath.Ext(file) {
		case ".go", ".md", ".txt", ".sql", ".sh", "":
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			yield(filepath.ToSlash(file), string(text))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func lineOf(text string, at int) int { return strings.Count(text[:at], "\n") + 1 }

var heading = regexp.MustCompile(`(?m)^#+ ([0-9]+(?:\.[0-9]+)*) `)

// TestContractResolves: each section of the contract that is cited is there.
func TestContractResolves(t *testing.T) {
	sections := map[string]bool{}
	pages, err := filepath.Glob("contract/*.md")
	if err != nil || len(pages) < 8 {
		t.Fatal(pages, err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
			if sections[m[1]] {
				t.Errorf("%s: section %s is there twice", page, m[1])
			}
			sections[m[1]] = true
		}
	}
	// Sections may follow each other, and comments go over the end of a line.
	cited := regexp.MustCompile(`[Cc]ontract[\s/]+([0-9]+(?:\.[0-9]+)*)((?:(?:,|, and| and| or| to)[\s/]+[0-9]+(?:\.[0-9]+)+)*)`)
	number := regexp.MustCompile(`[0-9]+(?:\.[0-9]+)*`)
	n := 0
	texts(t, func(file, text string) {
		if !strings.Contains(text, "ontract") { // a search is dear under the race detector
			return
		}
		for _, m := range cited.FindAllStringSubmatchIndex(text, -1) {
			for _, section := range number.FindAllString(text[m[2]:m[1]], -1) {
				if n++; !sections[section] {
					t.Errorf("%s:%d: there is no section %s of the contract", file, lineOf(text, m[0]), section)
				}
			}
		}
	})
	if n < 100 {
		t.Errorf("only %d citations were found", n)
	}
}

// TestFilesResolve: what a document links to, and what the code names below docs/, is there,
// with the heading behind a #.
func TestFilesResolve(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	named := regexp.MustCompile(`docs/[a-z0-9/-]+\.md`)
	texts(t, func(file, text string) {
		if strings.HasSuffix(file, ".md") {
			for _, m := range link.FindAllStringSubmatchIndex(text, -1) {
				to := text[m[2]:m[3]]
				if strings.Contains(to, "://") {
					continue
				}
				if problem := broken(file, to); problem != "" {
					t.Errorf("%s:%d: %s: %s", file, lineOf(text, m[0]), to, problem)
				}
			}
		}
		if !strings.Contains(text, "docs/") {
			return
		}
		for _, m := range named.FindAllStringIndex(text, -1) {
			if _, err := os.Stat(filepath.Join(root, text[m[0]:m[1]])); err != nil {
				t.Errorf("%s:%d: %v", file, lineOf(text, m[0]), err)
			}
		}
	})
}

// broken says why a link of a document leads nowhere; "" if it does not.
func broken(file, to string) string {
	path, anchor, _ := strings.Cut(to, "#")
	target := file
	if path != "" {
		target = filepath.Join(filepath.Dir(file), path)
	}
	text, err := os.ReadFile(target)
	if err != nil {
		if info, serr := os.Stat(target); serr == nil && info.IsDir() {
			return ""
		}
		return err.Error()
	}
	if anchor == "" {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") && slug(strings.TrimSpace(title)) == anchor {
			return ""
		}
	}
	return "there is no such heading"
}

// slug is the anchor that a heading gets: lower case, blanks as hyphens, without punctuation.
func slug(title string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-', r == '_', 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			b.WriteRune(r)
		}
	}
	return b.String()
}

// TestNothingOutsideIsCited: no text sends its reader to a document that is not here, or to a
// row of a list that is not.
func TestNothingOutsideIsCited(t *testing.T) {
	words := []string{"DECI" + "SIONS", "NO" + "TES.md", "DESI" + "GN.md", "STO" + "RE.md", "HO" + "USE.md", "spe" + "c/", "see" + "ds/", "fau" + "lts/", "\u00a7"}
	row := regexp.MustCompile(`^\s*//.*\((?:A|T|H|B|C|K|L)[0-9]{1,2}\b`)
	texts(t, func(file, text string) {
		for n, line := range strings.Split(text, "\n") {
			for _, w := range words {
				if strings.Contains(line, w) {
					t.Errorf("%s:%d: %s", file, n+1, line)
				}
			}
			if strings.Contains(line, "//") && strings.HasSuffix(file, ".go") && row.MatchString(line) {
				t.Errorf("%s:%d: %s", file, n+1, line)
			}
		}
	})
}
