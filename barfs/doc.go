// Package barfs reads a bar, the archive from which a box is installed, as a
// read-only [io/fs.FS].
//
// [Open] checks the complete index and [Archive.Verify], reading every entry
// once, its sizes and checksums. Archives
// that could mean two things (absolute names, "..", duplicates, links) are
// refused whole. Both layouts are read: version 2, with 00_meta at the root, and
// version 1, with everything below bar/ (contract 3).
//
// What is wrong with an archive is an [*Error] with the code a client gets; any
// other error comes from the reader. An Archive is safe for concurrent use.
package barfs
