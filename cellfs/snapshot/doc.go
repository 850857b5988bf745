// Package snapshot builds the snapshots of a cell and serves them.
//
// A snapshot is a zip that exists only as an index: the literal bytes of the
// zip (headers, generated JSON, central directory) and references to contents
// that the store keeps anyway. Building one costs by the number of entries, not
// by their bytes; reading one puts literals and contents together. The layout
// of the zip is export_version 3 (docs/snapshot-format.md).
//
// The index is itself a content of the store:
//
//	literal bytes, in the order of the zip
//	one record of 32 bytes per reference, in the order of the zip:
//	    offset in the zip, size, literal bytes before it, blob id
//	footer of 32 bytes: magic, number of records, literal bytes, size of the zip
//
// All numbers are little-endian, 64 bits.
package snapshot
