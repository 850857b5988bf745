package webdavfs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"cellar/cellfs"

	"golang.org/x/net/webdav"
)

// FileSystem is the tree as a webdav.FileSystem. Errors that the handler looks at are bare
// *fs.PathError with a sentinel of package fs, because it asks with os.IsNotExist, which does
// not unwrap.
type FileSystem struct{ tree *cellfs.FS }

var _ webdav.FileSystem = (*FileSystem)(nil)

// New returns the tree as the handler of x/net takes it.
func New(tree *cellfs.FS) *FileSystem { return &FileSystem{tree} }

// pathError makes err what the stock handler understands.
func pathError(op, name string, err error) error {
	plain := err
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, cellfs.ErrNoParent):
		plain = fs.ErrNotExist
	case errors.Is(err, fs.ErrExist), errors.Is(err, cellfs.ErrDestinationExists):
		plain = fs.ErrExist
	case errors.Is(err, cellfs.ErrName), errors.Is(err, cellfs.ErrTooDeep), errors.Is(err, cellfs.ErrSame), errors.Is(err, cellfs.ErrOverlap):
		plain = fs.ErrInvalid
	case errors.Is(err, cellfs.ErrReadOnly), errors.Is(err, cellfs.ErrInstalling):
		plain = fs.ErrPermission
	}
	return &fs.PathError{Op: op, Path: name, Err: plain}
}

// Mkdir implements webdav.FileSystem. Directly below the unit it makes a cell,
// below a cell a box.
func (f *FileSystem) Mkdir(ctx context.Context, name string, _ os.FileMode) error {
	p, err := cellfs.ParsePath(name)
	if err != nil {
		return pathError("mkdir", name, err)
	}
	if p.Len() == 1 {
		_, err = f.tree.CreateCell(ctx, p.Cell(), "")
	} else {
		_, err = f.tree.Mkcol(ctx, p, cellfs.KindCollection, nil)
	}
	return pathError("mkdir", name, err)
}

// RemoveAll implements webdav.FileSystem. Absence is success, as in os.RemoveAll.
func (f *FileSystem) RemoveAll(ctx context.Context, name string) error {
	p, err := cellfs.ParsePath(name)
	if err != nil {
		return pathError("removeall", name, err)
	}
	if p.Len() == 1 {
		err = f.tree.DeleteCell(ctx, p.Cell(), nil)
	} else {
		err = f.tree.Delete(ctx, p, nil)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return pathError("removeall", name, err)
}

// Rename implements webdav.FileSystem. What is at newName is replaced.
func (f *FileSystem) Rename(ctx context.Context, oldName, newName string) error {
	src, err := cellfs.ParsePath(oldName)
	if err != nil {
		return pathError("rename", oldName, err)
	}
	dst, err := cellfs.ParsePath(newName)
	if err != nil {
		return pathError("rename", newName, err)
	}
	_, err = f.tree.Move(ctx, src, dst, cellfs.TransferOptions{})
	return pathError("rename", oldName, err)
}

// Stat implements webdav.FileSystem.
func (f *FileSystem) Stat(ctx context.Context, name string) (os.FileInfo, error) {
	p, err := cellfs.ParsePath(name)
	if err != nil {
		return nil, pathError("stat", name, err)
	}
	n, err := f.tree.Node(ctx, p)
	if err != nil {
		return nil, pathError("stat", name, err)
	}
	return Info{n}, nil
}

// OpenFile implements webdav.FileSystem. A file opened with O_TRUNC or O_CREATE
// is an upload: nothing changes before its Close, and a failed ReadFrom, which
// is what a request body that breaks off is, makes Close discard it.
func (f *FileSystem) OpenFile(ctx context.Context, name string, flag int, _ os.FileMode) (webdav.File, error) {
	p, err := cellfs.ParsePath(name)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	if flag&(os.O_TRUNC|os.O_APPEND) != 0 || flag&os.O_CREATE != 0 {
		return f.openUpload(ctx, p, flag)
	}
	n, err := f.tree.Node(ctx, p)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &file{fs: f.tree, ctx: ctx, path: p, node: n}, nil
}

func (f *FileSystem) openUpload(ctx context.Context, p cellfs.Path, flag int) (webdav.File, error) {
	if flag&os.O_APPEND != 0 {
		return nil, pathError("open", p.String(), fs.ErrInvalid)
	}
	var n *cellfs.Node
	err := f.tree.View(ctx, func(tx cellfs.Tx) error {
		if p.Len() < 3 {
			return fs.ErrInvalid
		}
		l, err := f.tree.Locate(tx, p)
		if err != nil {
			return err
		}
		n = l.Node
		switch {
		case n == nil && flag&os.O_CREATE == 0:
			return fs.ErrNotExist
		case n != nil && flag&os.O_EXCL != 0:
			return fs.ErrExist
		case n != nil && n.IsCollection():
			return fs.ErrInvalid
		}
		return nil
	})
	if err != nil {
		return nil, pathError("open", p.String(), err)
	}
	if n != nil && flag&os.O_TRUNC == 0 {
		return &file{fs: f.tree, ctx: ctx, path: p, node: *n}, nil
	}
	return &upload{fs: f.tree, ctx: ctx, path: p}, nil
}

// Info is a [Node] as fs.FileInfo, with the entity tag and content type that
// x/net/webdav asks for, so that a listing opens no file.
type Info struct{ node cellfs.Node }

func (i Info) Name() string       { return i.node.Name }
func (i Info) Size() int64        { return i.node.Size }
func (i Info) ModTime() time.Time { return i.node.LastModified() }
func (i Info) IsDir() bool        { return i.node.IsCollection() }
func (i Info) Sys() any           { return i.node }

// Mode implements fs.FileInfo.
func (i Info) Mode() fs.FileMode {
	if i.IsDir() {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

// ETag implements webdav.ETager.
func (i Info) ETag(context.Context) (string, error) { return i.node.ETag(), nil }

// ContentType implements webdav.ContentTyper.
func (i Info) ContentType(context.Context) (string, error) {
	return cellfs.ContentType(i.node.ContentType), nil
}
