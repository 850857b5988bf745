package barfs

import (
	"archive/zip"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/unicode/norm"
)

// Key is the form in which names and paths are compared: NFC. File systems and zip tools
// change the form of a name on its way.
func Key(name string) string { return norm.NFC.String(name) }

// IsLitter reports whether an entry of a zip is one that file managers and zip tools add
// on their own. It is skipped unless something else in the archive speaks of it.
func IsLitter(name string) bool {
	base := path.Base(name)
	return strings.HasPrefix(name, "__MACOSX/") || base == ".DS_Store" || base == "Thumbs.db"
}

// dropLitter leaves litter out, but for files that 90_rootprops.xml declares: file
// managers put theirs into boxes, too.
func (a *Archive) dropLitter() {
	if !slices.ContainsFunc(a.entries, func(e *Entry) bool { return IsLitter(e.Name) }) {
		return
	}
	declared := map[string]bool{}
	if all, err := a.RootProps(); err == nil { // a fault is told when the bar is installed
		for _, r := range all {
			declared[Key(a.Prefix+ContentsDir+"/"+r.Path)] = r.Kind == File
		}
	}
	a.entries = slices.DeleteFunc(a.entries, func(e *Entry) bool {
		drop := IsLitter(e.Name) && !declared[Key(e.Name)]
		if drop {
			delete(a.byName, strings.TrimSuffix(e.Name, "/"))
		}
		return drop
	})
}

func decodeName(f *zip.File) (string, error) {
	name := f.Name
	if !utf8.ValidString(name) {
		// Zip tools on Japanese Windows write names in its code page.
		decoded, err := japanese.ShiftJIS.NewDecoder().String(name)
		if err != nil || strings.ContainsRune(decoded, utf8.RuneError) {
			return "", refuse(Structure, printable(name))
		}
		name = decoded
	}
	if !safeName(name) {
		return "", refuse(Structure, printable(name))
	}
	return name, nil
}

// printable is a name as a message shows it: what cannot be shown is a replacement
// character.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return utf8.RuneError
		}
		return r
	}, name)
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

// entryNames are the names of an archive in their normal form.
type entryNames map[string]bool

// add refuses a second entry of the same name, also in another Unicode form.
func (n entryNames) add(name string) error {
	key := Key(strings.TrimSuffix(name, "/"))
	if n[key] {
		return refuse(Structure, printable(name))
	}
	n[key] = true
	return nil
}

// noFileAbove refuses a file that is also a directory, and more directories than the limit:
// a path can name a hundred that have no entry.
func noFileAbove(entries []*Entry, limit int) error {
	files, dirs := map[string]bool{}, map[string]bool{}
	for _, e := range entries {
		if !e.IsDir() {
			files[Key(e.Name)] = true
		}
	}
	for _, e := range entries {
		for dir := path.Dir(Key(strings.TrimSuffix(e.Name, "/"))); dir != "." && !dirs[dir]; dir = path.Dir(dir) {
			if files[dir] {
				return refuse(Structure, printable(e.Name))
			}
			if dirs[dir] = true; len(dirs) > limit {
				return refuse(Structure, fmt.Sprintf("more than %d directories", limit))
			}
		}
	}
	return nil
}
