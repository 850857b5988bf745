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
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/unicode/norm"
)

// Limits bound what Open accepts. A zero field means its default.
type Limits struct {
	Archive int64 // bytes of the archive; default 100 MiB
	Entry   int64 // bytes of an entry, uncompressed; default 10 MiB
	Entries int   // entries; default 200,000
	Total   int64 // bytes of all entries, uncompressed; default 4 GiB

	// Of an OData collection:
	EntityTypes int // default [MaxEntityTypes]
	Properties  int // of an entity type; default [MaxProperties]
	DataLinks   int // of an entity to those of one type; default [MaxDataLinks]
}

// Defaults of [Limits] (spec/box-install.md §3; entries and total are cellar's).
const (
	MaxArchive = 100 << 20
	MaxEntry   = 10 << 20
	MaxEntries = 200_000
	MaxTotal   = 4 << 30
)

func (l Limits) withDefaults() Limits {
	return Limits{
		Archive: cmp.Or(l.Archive, MaxArchive), Entry: cmp.Or(l.Entry, MaxEntry),
		Entries: cmp.Or(l.Entries, MaxEntries), Total: cmp.Or(l.Total, MaxTotal),
		EntityTypes: cmp.Or(l.EntityTypes, MaxEntityTypes), Properties: cmp.Or(l.Properties, MaxProperties),
		DataLinks: cmp.Or(l.DataLinks, MaxDataLinks),
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

// Entry is a member of the archive, without those that zip tools leave behind
// (__MACOSX, .DS_Store).
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
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, refuse(CodeNotZip, "archive is not a ZIP archive")
	}
	z.RegisterDecompressor(zip.Deflate, inflate)
	a := &Archive{byName: map[string]*Entry{}, limits: l}
	if err := a.index(z.File, l); err != nil {
		return nil, err
	}
	if err := a.readManifest(); err != nil {
		return nil, err
	}
	a.tree()
	return a, nil
}

// index names every entry and refuses what is hostile or ambiguous (DECISIONS
// 29).
func (a *Archive) index(files []*zip.File, l Limits) error {
	if len(files) > l.Entries {
		return refuse(CodeStructure, fmt.Sprintf("more than %d entries", l.Entries))
	}
	type placed struct {
		*Entry
		offset int64
	}
	var all []placed
	for _, f := range files {
		name, err := decodeName(f)
		if err != nil {
			return err
		}
		if f.Flags&1 != 0 || f.Method != zip.Store && f.Method != zip.Deflate {
			return refuse(CodeNotZip, "archive is not a ZIP archive")
		}
		if f.UncompressedSize64 > math.MaxInt64 || f.CompressedSize64 > math.MaxInt64 {
			return refuse(CodeStructure, name)
		}
		if mode := f.Mode(); !mode.IsRegular() && !mode.IsDir() {
			return refuse(CodeStructure, name)
		}
		if err := a.unique(name); err != nil {
			return err
		}
		offset, err := f.DataOffset()
		if err != nil {
			return refuse(CodeNotZip, "archive is not a ZIP archive")
		}
		if f.CompressedSize64 > uint64(math.MaxInt64-offset) { // its end, by which overlaps are found, is a number
			return refuse(CodeStructure, name)
		}
		e := &Entry{Name: name, Size: int64(f.UncompressedSize64), f: f}
		if isLitter(name) {
			continue
		}
		a.byName[strings.TrimSuffix(name, "/")] = e
		all = append(all, placed{e, offset})
	}
	slices.SortStableFunc(all, func(x, y placed) int { return cmp.Compare(x.offset, y.offset) })
	var end int64
	for _, e := range all {
		if e.offset < end {
			return refuse(CodeStructure, e.Name) // overlaps the entry before it
		}
		end = e.offset + int64(e.f.CompressedSize64)
		a.entries = append(a.entries, e.Entry)
	}
	return a.noFileAbove()
}

// isLitter tells what zip tools add on their own (DECISIONS 17).
func isLitter(name string) bool {
	return strings.HasPrefix(name, "__MACOSX/") || path.Base(name) == ".DS_Store"
}

func decodeName(f *zip.File) (string, error) {
	name := f.Name
	if !utf8.ValidString(name) {
		// Zip tools on Japanese Windows write names in its code page.
		decoded, err := japanese.ShiftJIS.NewDecoder().String(name)
		if err != nil || strings.ContainsRune(decoded, utf8.RuneError) {
			return "", refuse(CodeStructure, fmt.Sprintf("%q", name))
		}
		name = decoded
	}
	if !safeName(name) {
		return "", refuse(CodeStructure, printable(name))
	}
	return name, nil
}

func printable(name string) string {
	q := fmt.Sprintf("%q", name)
	return q[1 : len(q)-1]
}

// maxSegments is how many names a path in an archive may have: more than a tree
// can hold.
const maxSegments = 140

// safeName reports whether the name can be written back unchanged below any
// directory.
func safeName(name string) bool {
	plain := strings.TrimSuffix(name, "/")
	if plain == "" || strings.Count(plain, "/") >= maxSegments || strings.ContainsAny(plain, "\\\x00") || len(plain) > 1 && plain[1] == ':' {
		return false
	}
	for seg := range strings.SplitSeq(plain, "/") {
		if !validName(seg) {
			return false
		}
	}
	return true
}

// validName reports whether a resource can have that name: 1 to 255 bytes of
// UTF-8 without control characters and what XML cannot hold, not "." or "..".
func validName(s string) bool {
	bad := func(r rune) bool { return unicode.IsControl(r) || r == 0xfffe || r == 0xffff }
	return s != "" && s != "." && s != ".." && len(s) <= 255 && utf8.ValidString(s) && !strings.ContainsFunc(s, bad)
}

// unique refuses a second entry of the same name, also one that is the same
// after Unicode normalisation.
func (a *Archive) unique(name string) error {
	key := "\x00" + norm.NFC.String(strings.TrimSuffix(name, "/"))
	if _, taken := a.byName[key]; taken {
		return refuse(CodeStructure, name)
	}
	a.byName[key] = nil
	return nil
}

// noFileAbove refuses a file that is also a directory, names compared in their
// normal form, and drops what unique remembered.
func (a *Archive) noFileAbove() error {
	for key := range a.byName {
		if key[0] == 0 {
			delete(a.byName, key)
		}
	}
	files, dirs := map[string]bool{}, map[string]bool{}
	for _, e := range a.entries {
		if !e.IsDir() {
			files[norm.NFC.String(e.Name)] = true
		}
	}
	for _, e := range a.entries {
		for dir := path.Dir(norm.NFC.String(strings.TrimSuffix(e.Name, "/"))); dir != "." && !dirs[dir]; dir = path.Dir(dir) {
			if files[dir] {
				return refuse(CodeStructure, e.Name)
			}
			dirs[dir] = true
		}
	}
	return nil
}

// Verify reads every file once: sizes and checksums must be what the headers
// say, and within the limits. It comes apart from Open because a client hears
// first that the box is there already.
func (a *Archive) Verify() error {
	l := a.limits
	var total int64
	buf := make([]byte, 64<<10)
	for _, e := range a.entries {
		if e.IsDir() {
			continue
		}
		n, err := a.drain(e, l.Entry, buf)
		if total += n; total > l.Total {
			return refuse(CodeEntrySize, e.Name, total)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *Archive) tooLarge(e *Entry, size int64) error {
	name := e.Name
	if a.Version == 2 {
		name = path.Base(name)
	}
	return refuse(CodeEntrySize, name, size)
}

func (a *Archive) drain(e *Entry, limit int64, buf []byte) (int64, error) {
	if e.Size > limit {
		return 0, a.tooLarge(e, e.Size)
	}
	r, err := e.f.Open()
	if err != nil {
		return 0, refuse(CodeNotZip, "archive is not a ZIP archive")
	}
	defer r.Close()
	// One byte more than announced is enough to know that the header lies.
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(r, e.Size+1), buf)
	switch {
	case n > limit:
		return n, a.tooLarge(e, n)
	case err != nil || n != e.Size:
		return n, refuse(CodeStructure, e.Name)
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
