package barfs

import (
	"cmp"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// tree derives the directories, named or implied, for the [fs.FS].
func (a *Archive) tree() {
	a.dirs = map[string][]fs.DirEntry{".": nil}
	for _, e := range a.entries {
		name := strings.TrimSuffix(e.Name, "/")
		if e.IsDir() {
			a.addDir(name)
		} else {
			a.addDir(path.Dir(name))
			a.dirs[path.Dir(name)] = append(a.dirs[path.Dir(name)], fs.FileInfoToDirEntry(info{name: path.Base(name), e: e}))
		}
	}
	for _, list := range a.dirs {
		slices.SortFunc(list, func(x, y fs.DirEntry) int { return cmp.Compare(x.Name(), y.Name()) })
	}
}

func (a *Archive) addDir(name string) {
	if _, ok := a.dirs[name]; ok {
		return
	}
	a.dirs[name] = nil
	up := path.Dir(name)
	a.addDir(up)
	a.dirs[up] = append(a.dirs[up], fs.FileInfoToDirEntry(info{name: path.Base(name), e: a.byName[name]}))
}

// info describes a file, or a directory; e is nil for one that is only implied.
type info struct {
	name string
	e    *Entry
}

func (i info) Name() string { return i.name }
func (i info) IsDir() bool  { return i.e == nil || i.e.IsDir() }
func (i info) Sys() any     { return nil }

func (i info) Size() int64 {
	if i.IsDir() {
		return 0
	}
	return i.e.Size
}

func (i info) Mode() fs.FileMode {
	if i.IsDir() {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

func (i info) ModTime() time.Time {
	if i.e == nil {
		return time.Time{}
	}
	return i.e.f.Modified
}

// Open implements [fs.FS]. Names are those of the archive, Prefix included.
func (a *Archive) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if list, ok := a.dirs[name]; ok {
		return &dir{info{path.Base(name), a.byName[name]}, list}, nil
	}
	e, ok := a.byName[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	r, err := e.f.Open()
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &file{r, info{path.Base(name), e}}, nil
}

type file struct {
	io.ReadCloser
	info info
}

func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }

type dir struct {
	info info
	rest []fs.DirEntry
}

func (d *dir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *dir) Close() error               { return nil }

func (d *dir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: fs.ErrInvalid}
}

// ReadDir implements [fs.ReadDirFile].
func (d *dir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(d.rest)
	} else if len(d.rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.rest))
	page := slices.Clone(d.rest[:n])
	d.rest = d.rest[n:]
	return page, nil
}
