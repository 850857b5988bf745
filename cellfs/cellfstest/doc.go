// Package cellfstest holds the conformance suites of the contracts of package
// cellfs, strict stores in memory that pass them too, and wrappers that fail on
// demand. A store joins with a few lines:
//
//	func TestMeta(t *testing.T) {
//		cellfstest.TestMeta(t, func(t *testing.T) cellfs.Meta { … })
//	}
package cellfstest
