package install

import (
	"bytes"
	"io/fs"
	"path"
	"strings"

	"cellar/barfs"
)

// item is a file or directory below 90_contents.
type item struct {
	name string // in the archive
	path string // in the box; "" for 90_contents itself
	dir  bool
}

// items lists the contents: in version 1 as they lie in the archive, in version
// 2 sorted, directories before what is in them.
func (r *run) items() ([]item, error) {
	root := r.a.Prefix + barfs.ContentsDir
	var all []item
	if r.a.Version == 1 {
		for _, e := range r.a.Entries() {
			name := strings.TrimSuffix(e.Name, "/")
			if name == root || strings.HasPrefix(name, root+"/") {
				all = append(all, item{e.Name, strings.TrimPrefix(strings.TrimPrefix(name, root), "/"), e.IsDir()})
			}
		}
		return all, nil
	}
	if !r.a.Has(barfs.ContentsDir) {
		return nil, nil
	}
	err := fs.WalkDir(r.a, root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		x := item{name, strings.TrimPrefix(strings.TrimPrefix(name, root), "/"), d.IsDir()}
		if d.IsDir() {
			x.name += "/"
		}
		all = append(all, x)
		return nil
	})
	return all, err
}

func (r *run) contents() error {
	all, err := r.items()
	if err != nil {
		return err
	}
	for _, x := range all {
		if r.beyond(x.name) {
			return r.outOfOrder()
		}
		if err := r.tolerate(r.item(x)); err != nil {
			return err
		}
	}
	if r.wrong != nil {
		return r.outOfOrder()
	}
	if err := r.tolerate(r.leaveOData()); err != nil {
		return err
	}
	for _, d := range r.declared {
		if d.Kind == barfs.OData && len(all) > 0 && !r.metadata[d.Path] {
			r.entry = r.logPath(path.Join(barfs.ContentsDir, d.Path, barfs.MetadataFile))
			if err := r.tolerate(&barfs.Invalid{Cause: barfs.CauseStructure}); err != nil {
				return err
			}
		}
	}
	return nil
}

// item installs one entry of the contents.
func (r *run) item(x item) error {
	x.path = r.declaredPath(x.path)
	if col, rest, ok := r.insideOData(x.path); ok {
		return r.odataItem(x, col, rest)
	}
	if err := r.begin(x.name); err != nil {
		return err
	}
	if err := r.leaveOData(); err != nil {
		return err
	}
	r.entry = x.name
	work, end := r.file, r.endFile
	if x.dir {
		work, end = r.directory, r.end
	}
	if err := work(x); err != nil {
		return err
	}
	return end(x.name)
}

// declaredPath is the path under which 90_rootprops.xml declares what has that path in the
// archive: names are the same in any Unicode form, and one that a zip cannot hold is
// percent-encoded. Of what is not declared it is the declared path of what holds it, and
// the rest as it is.
func (r *run) declaredPath(p string) string {
	if r.resources[p] != nil {
		return p
	}
	if d := r.byKey[barfs.Key(p)]; d != nil {
		return d.Path
	}
	if decoded, err := barfs.DecodePath(p); err == nil && decoded != p {
		if d := r.byKey[barfs.Key(decoded)]; d != nil {
			return d.Path
		}
	}
	up := parentOf(p)
	if up == "" {
		return p
	}
	return r.declaredPath(up) + "/" + path.Base(p)
}

// directory only checks: the collections were made from 90_rootprops.xml.
func (r *run) directory(x item) error {
	if d := r.resources[x.path]; d == nil || d.Kind == barfs.File {
		return &barfs.Invalid{Cause: barfs.CauseUndeclared}
	}
	return nil
}

func (r *run) file(x item) error {
	at := x.path
	parent := r.resources[parentOf(at)]
	service := parent != nil && parent.Kind == barfs.Service
	if service { // the short form: sources lie in __src
		at = r.declaredPath(path.Join(parent.Path, "__src", path.Base(at)))
		if r.a.Version == 2 { // as version 2 names it if it fails
			r.entry = path.Join(barfs.ContentsDir, at)
		}
	}
	service = service || r.isServiceSource(at)
	d := r.resources[at]
	switch {
	case d == nil && !service, d != nil && d.Kind != barfs.File:
		return &barfs.Invalid{Cause: barfs.CauseUndeclared}
	case d == nil || !barfs.ValidContentType(d.ContentType):
		return &barfs.Invalid{Cause: barfs.CauseContentType}
	}
	if err := checkACL(d.ACL); err != nil {
		return err
	}
	return r.put(x.name, &File{Path: at, ContentType: d.ContentType, Attributes: Attributes{d.ACL, d.Props}})
}

func parentOf(p string) string {
	if d := path.Dir(p); d != "." {
		return d
	}
	return ""
}

func (r *run) isServiceSource(at string) bool {
	src := parentOf(at)
	up := r.resources[parentOf(src)]
	return path.Base(src) == "__src" && up != nil && up.Kind == barfs.Service
}

// put stages the bytes of an entry and makes the file.
func (r *run) put(entry string, f *File) error {
	if r.isDone() {
		return r.emit(Step{}, 0)
	}
	in, err := r.a.Open(entry)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if f.Content, err = r.t.Stage(r.ctx, in); err != nil {
		return err
	}
	return r.emit(Step{File: f}, info.Size())
}

func (r *run) putBytes(f *File, b []byte) (err error) {
	if r.isDone() {
		return r.emit(Step{}, 0)
	}
	if f.Content, err = r.t.Stage(r.ctx, bytes.NewReader(b)); err != nil {
		return err
	}
	return r.emit(Step{File: f}, int64(len(b)))
}
