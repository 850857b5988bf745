package restore

import "testing"

// SetMaxDocument replaces the bound of a document, in bytes, for a test.
func SetMaxDocument(t *testing.T, bytes int) {
	before := maxDocument
	maxDocument = bytes
	t.Cleanup(func() { maxDocument = before })
}
