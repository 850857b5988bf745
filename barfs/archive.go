package barfs

import (
	"archive/zip"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"

	"cellar/barfs/edm"
	"cellar/barfs/zipdir"
)

// Limits bound what Open accepts. A zero field means its default.
type Limits struct {
	Archive int64 // bytes of the archive; default 100 MiB
	Entry   int64 // bytes of an entry, uncompressed; default 10 MiB
	Entries int   // entries, and as many directories; default 200,000
	Total   int64 // bytes of all entries, uncompressed; default 4 GiB
	// Directory is the length of the zip's central directory, which holds the names, in
	// bytes; default 32 MiB.
	Directory int64

	// Of the dead properties that one resource of 90_rootprops.xml declares:
	Props     int   // how many; default 1,000
	PropBytes int64 // bytes of XML; default 1 MiB

	OData edm.Limits // of an OData collection
}

// Defaults of [Limits]. Those of the archive and of an entry are Personium's.
const (
	MaxArchive   = 100 << 20
	MaxEntry     = 10 << 20
	MaxEntries   = 200_000
	MaxTotal     = 4 << 30
	MaxDirectory = 32 << 20
	MaxProps     = 1000
	MaxPropBytes = 1 << 20
)

const (
	// MaxACEs is how many aces the ACL of a resource may have: it is read with every
	// request below.
	MaxACEs = 1000
	// MaxPrivileges is how many privileges they may grant together.
	MaxPrivileges = 10_000
)

func (l Limits) withDefaults() Limits {
	return Limits{
		Archive: cmp.Or(l.Archive, MaxArchive), Entry: cmp.Or(l.Entry, MaxEntry),
		Entries: cmp.Or(l.Entries, MaxEntries), Total: cmp.Or(l.Total, MaxTotal), Directory: cmp.Or(l.Directory, MaxDirectory),
		Props: cmp.Or(l.Props, MaxProps), PropBytes: cmp.Or(l.PropBytes, MaxPropBytes),
		OData: l.OData.WithDefaults(),
	}
}

// Names of the parts of a bar, below the root.
const (
	ManifestFile  = "00_meta/00_manifest.json"
	RelationsFile = "00_meta/10_relations.json"
	RolesFile     = "00_meta/20_roles.json"
	ExtRolesFile  = "00_meta/30_extroles.json"
	RulesFile     = "00_meta/50_rules.json"
	LinksFile     = "00_meta/70_$links.json"
	RootPropsFile = "00_meta/90_rootprops.xml"
	ContentsDir   = "90_contents"
	MetadataFile  = "00_$metadata.xml"
	DataLinksFile = "10_odatarelations.json"
	DataDir       = "90_data"
)

// Entry is a member of the archive, other than litter ([IsLitter]).
type Entry struct {
	// Name is the decoded name, as in the archive; that of a directory ends in "/".
	Name string
	Size int64 // bytes, uncompressed

	f *zip.File
}

// Limits are those the archive was opened with.
func (a *Archive) Limits() Limits { return a.limits }

// IsDir reports whether the entry is a directory.
func (e *Entry) IsDir() bool { return strings.HasSuffix(e.Name, "/") }

// Archive is an opened bar.
type Archive struct {
	Version  int    // 1 or 2
	Prefix   string // of all names: "bar/" for version 1, "" for version 2
	Manifest Manifest

	entries []*Entry          // in the order of their local headers
	byName  map[string]*Entry // without final "/"
	dirs    map[string][]fs.DirEntry
	limits  Limits
}

// Open reads and checks an archive of size bytes. r must stay readable while
// the archive is used.
func Open(r io.ReaderAt, size int64, l Limits) (*Archive, error) {
	l = l.withDefaults()
	if size > l.Archive {
		return nil, TooLarge(size)
	}
	z, err := zipdir.Open(r, size, zipdir.Limits{Entries: l.Entries, Bytes: l.Directory})
	var exceeded *zipdir.LimitError
	if errors.As(err, &exceeded) {
		return nil, refuse(Structure, exceeded.Error())
	}
	if err != nil {
		return nil, refuse(NotZip, causeNotZip)
	}
	z.RegisterDecompressor(zip.Deflate, inflate)
	a := &Archive{byName: map[string]*Entry{}, limits: l}
	if err := a.index(z.File); err != nil {
		return nil, err
	}
	if err := a.readManifest(); err != nil {
		return nil, err
	}
	a.dropLitter()
	a.tree()
	return a, nil
}

// causeNotZip is why an archive cannot be opened of which no more can be said.
const causeNotZip = "archive is not a ZIP archive"

// index names every entry and refuses what is hostile or ambiguous.
func (a *Archive) index(files []*zip.File) error {
	type placed struct {
		*Entry
		offset int64
	}
	var all []placed
	names := entryNames{}
	for _, f := range files {
		name, err := decodeName(f)
		if err != nil {
			return err
		}
		if f.Flags&1 != 0 {
			return refuse(NotZip, name+" is encrypted")
		}
		if f.Method != zip.Store && f.Method != zip.Deflate {
			return refuse(NotZip, fmt.Sprintf("%s is compressed by the unknown method %d", name, f.Method))
		}
		if f.UncompressedSize64 > math.MaxInt64 || f.CompressedSize64 > math.MaxInt64 {
			return refuse(Structure, name)
		}
		if mode := f.Mode(); !mode.IsRegular() && !mode.IsDir() {
			return refuse(Structure, name)
		}
		if err := names.add(name); err != nil {
			return err
		}
		offset, err := f.DataOffset()
		if err != nil {
			return refuse(NotZip, causeNotZip)
		}
		if f.CompressedSize64 > uint64(math.MaxInt64-offset) { // its end, by which overlaps are found, is a number
			return refuse(Structure, name)
		}
		e := &Entry{Name: name, Size: int64(f.UncompressedSize64), f: f}
		a.byName[strings.TrimSuffix(name, "/")] = e
		all = append(all, placed{e, offset})
	}
	slices.SortStableFunc(all, func(x, y placed) int { return cmp.Compare(x.offset, y.offset) })
	var end int64
	for _, e := range all {
		if e.offset < end {
			return refuse(Structure, e.Name) // overlaps the entry before it
		}
		end = e.offset + int64(e.f.CompressedSize64)
		a.entries = append(a.entries, e.Entry)
	}
	return noFileAbove(a.entries, a.limits.Entries)
}

// Verify reads every file once: sizes and checksums must be what the headers say, and within the
// limits. So must the properties that resources declare. It is a step of its own, because the answer
// that the box exists already comes before its errors.
func (a *Archive) Verify() error {
	var first error
	a.verify(func(err error) bool {
		first = err
		return false
	})
	return first
}

// Faults is what [Archive.Verify] finds, all of it: one error for each entry at most.
func (a *Archive) Faults() (all []error) {
	a.verify(func(err error) bool {
		all = append(all, err)
		return true
	})
	return all
}

// verify yields what is wrong until yield returns false.
func (a *Archive) verify(yield func(error) bool) {
	l := a.limits
	var total int64
	buf := make([]byte, 64<<10)
	for _, e := range a.entries {
		if e.IsDir() {
			continue
		}
		n, err := a.drain(e, l.Entry, buf)
		if total += n; total > l.Total {
			yield(refuse(EntrySize, e.Name, total))
			return
		}
		if err != nil && !yield(err) {
			return
		}
	}
	if err := a.checkProps(); err != nil {
		yield(err)
	}
}

func (a *Archive) tooLarge(e *Entry, size int64) error {
	name := e.Name
	if a.Version == 2 {
		name = path.Base(name)
	}
	return refuse(EntrySize, name, size)
}

func (a *Archive) drain(e *Entry, limit int64, buf []byte) (int64, error) {
	if e.Size > limit {
		return 0, a.tooLarge(e, e.Size)
	}
	r, err := e.f.Open()
	if err != nil {
		return 0, refuse(NotZip, causeNotZip)
	}
	defer r.Close()
	// One byte more than announced is enough to know that the header lies.
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(r, e.Size+1), buf)
	switch {
	case n > limit:
		return n, a.tooLarge(e, n)
	case err != nil || n != e.Size:
		return n, refuse(Structure, e.Name)
	}
	return n, nil
}

// Entries lists the entries in the order in which they lie in the archive.
func (a *Archive) Entries() []*Entry { return a.entries }

// Files is the number of entries that are not directories.
func (a *Archive) Files() (n int64) {
	for _, e := range a.entries {
		if !e.IsDir() {
			n++
		}
	}
	return n
}

// Installed is the number of entries that an install counts. The manifest of version 2 is used before.
func (a *Archive) Installed() int64 {
	if a.Version == 2 {
		return a.Files() - 1
	}
	return a.Files()
}

// Read reads a whole file; name is below the root of the bar, without Prefix.
// It returns fs.ErrNotExist if there is none.
func (a *Archive) Read(name string) ([]byte, error) { return fs.ReadFile(a, a.Prefix+name) }

// Has reports whether there is an entry, or something below it.
func (a *Archive) Has(name string) bool {
	name = a.Prefix + name
	if _, ok := a.byName[name]; ok {
		return true
	}
	_, ok := a.dirs[name]
	return ok
}
