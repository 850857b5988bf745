package cellfs

import (
	"context"
	"io"
)

// What a store, or a content, can do besides its contract. Callers work without it where it is
// missing.

// ColdOpener is a store of [Blobs] that reads a content from the disk and not from the memory of the
// system, as a scrub wants it.
type ColdOpener interface {
	OpenCold(ctx context.Context, h Hash) (Content, error)
}

// Statter is a store of [Blobs] that knows the size of a content without opening it.
type Statter interface {
	// Stat returns the bytes of the content; an error that is [fs.ErrNotExist] if it is missing.
	Stat(ctx context.Context, h Hash) (int64, error)
}

// IntegrityChecker is a [Meta] that can check its own database.
type IntegrityChecker interface {
	// Integrity returns what is wrong with the database, a line each.
	Integrity(ctx context.Context) ([]string, error)
}

// BlobIndex is a [Content] that is put together of contents that the store has, as a snapshot is.
type BlobIndex interface {
	// BlobAt returns the id of the content that begins at that offset.
	BlobAt(offset int64) (int64, error)
}

// CopierTo is a [Content] that writes itself faster than it can be read.
type CopierTo interface {
	// CopyTo writes the next n bytes to w and returns how many it wrote.
	CopyTo(w io.Writer, n int64) (int64, error)
}
