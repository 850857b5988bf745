package snapshot

import (
	"context"
	"errors"
	"io/fs"

	"cellar/cellfs"
)

// ContentError says of which resource the content is lost: missing, or of another size than
// the resource has. Path is below the cell.
type ContentError struct {
	Path string
	Err  error
}

func (e *ContentError) Error() string { return "content of " + e.Path + ": " + e.Err.Error() }
func (e *ContentError) Unwrap() error { return e.Err }

// present returns a [*ContentError] unless the content of a node is there in its size. It
// reads no bytes of the content.
func present(ctx context.Context, f *cellfs.FS, tx cellfs.Tx, n *cellfs.NodeRef, path string) error {
	switch {
	case n.Blob == 0 && n.Node.Size == 0:
		return nil
	case n.Blob == 0 || n.Hash == cellfs.Hash{}:
		return &ContentError{path, errMissing}
	case n.Ref.Size != n.Node.Size:
		return &ContentError{path, errSize}
	}
	return ofContent(f.CheckStored(ctx, tx, n.Blob, n.Ref), path)
}

var (
	errMissing = errors.New("it is missing")
	errSize    = errors.New("it has another size")
)

// ofContent makes a [*ContentError] of an error that says that a content is lost. Others
// may pass.
func ofContent(err error, path string) error {
	var damaged *cellfs.DamagedError
	if errors.As(err, &damaged) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errSize) {
		return &ContentError{path, err}
	}
	return err
}
