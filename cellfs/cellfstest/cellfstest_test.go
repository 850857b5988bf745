package cellfstest_test

import (
	"testing"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
)

func TestMemMeta(t *testing.T) {
	cellfstest.TestMeta(t, func(*testing.T) cellfs.Meta { return cellfstest.NewMemMeta() })
}

func TestMemBlobs(t *testing.T) {
	cellfstest.TestBlobs(t, func(*testing.T) cellfs.Blobs { return cellfstest.NewMemBlobs() })
}
