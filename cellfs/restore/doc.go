// Package restore reads snapshots of a cell, and builds the tree of one aside.
//
// There are two versions of the format: cellar's own, 3 (docs/snapshot-format.md),
// and Personium's, 2 (contract 4.13). Each is a source, which says what
// the snapshot holds in the terms of version 3. That is checked and made by
// the restorer, the same for both.
package restore
