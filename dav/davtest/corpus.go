package davtest

import (
	"os"
	"path/filepath"
	"testing"
)

// Corpus is the folder of archives by others, which the project does not carry:
// CELLAR_BARS, or shared/bars beside the project. Where it is missing, the test is
// skipped.
func Corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("CELLAR_BARS")
	for up := ".."; dir == "" && len(up) < 20; up = filepath.Join(up, "..") {
		if d := filepath.Join(up, "shared", "bars"); isCorpus(d) {
			dir = d
		}
	}
	if !isCorpus(dir) {
		t.Skip("SKIPPED: no archives of others; set CELLAR_BARS to their folder")
	}
	return dir
}

func isCorpus(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "expected.json"))
	return err == nil
}
