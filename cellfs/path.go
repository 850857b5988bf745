package cellfs

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// MaxNameBytes is the longest name of a resource (contract 1.7).
	MaxNameBytes = 255
	// MaxDepth is how deep a resource may lie below its box (contract 1.8).
	MaxDepth = 128

	// maxSegments: the cell, the box, and the collections and file below it.
	maxSegments = MaxDepth + 2

	// MainBox is the name of the box every cell has.
	MainBox = "__"
)

// Path names a place in the unit: no segment is the unit root, the first is the
// cell, the second the box. Segments are decoded names that passed [CheckName].
// The zero Path is the unit root.
type Path struct{ segs []string }

// ParsePath reads a slash-separated path of decoded names. Repeated and trailing
// slashes do not count. It returns [ErrName] for a name that breaks the rules,
// "." and ".." included, and [ErrTooDeep] beyond [MaxDepth].
func ParsePath(s string) (Path, error) {
	segs := make([]string, 0, strings.Count(s, "/")+1)
	for seg := range strings.SplitSeq(s, "/") {
		if seg != "" {
			segs = append(segs, seg)
		}
	}
	return NewPath(segs...)
}

// NewPath builds a path of decoded names; errors as [ParsePath].
func NewPath(segs ...string) (Path, error) {
	for _, s := range segs {
		if err := CheckName(s); err != nil {
			return Path{}, err
		}
	}
	if len(segs) > maxSegments {
		return Path{}, ErrTooDeep
	}
	return Path{segs: segs}, nil
}

// CheckName returns [ErrName] unless name is 1 to 255 bytes of valid UTF-8
// without control characters and slashes, and not "." or ".." (contract 1.7). The
// two code points that XML cannot hold are refused too: no listing could show
// them.
func CheckName(name string) error {
	bad := len(name) == 0 || len(name) > MaxNameBytes || name == "." || name == ".." || !utf8.ValidString(name)
	if bad || strings.ContainsFunc(name, func(r rune) bool { return r == '/' || unicode.IsControl(r) || r == 0xfffe || r == 0xffff }) {
		return &NameError{Name: name}
	}
	return nil
}

// NameError is an [ErrName] that says which name.
type NameError struct{ Name string }

func (e *NameError) Error() string        { return fmt.Sprintf("invalid resource name %q", e.Name) }
func (e *NameError) Is(target error) bool { return target == ErrName }

// Key is the form of a name under which it is looked up: NFC. Two names with the
// same key are the same resource (contract 1.7).
func Key(name string) string { return norm.NFC.String(name) }

// Len is the number of segments: 0 the unit, 1 a cell, 2 a box.
func (p Path) Len() int { return len(p.segs) }

// Cell is the first segment, or "".
func (p Path) Cell() string { return p.at(0) }

// Box is the second segment, or "".
func (p Path) Box() string { return p.at(1) }

// Name is the last segment, or "".
func (p Path) Name() string { return p.at(len(p.segs) - 1) }

func (p Path) at(i int) string {
	if i < 0 || i >= len(p.segs) {
		return ""
	}
	return p.segs[i]
}

// Segments returns the names below the cell, box first. The caller must not
// change them.
func (p Path) Segments() []string {
	if len(p.segs) == 0 {
		return nil
	}
	return p.segs[1:]
}

// Parent is the path without its last segment; the parent of the unit is the unit.
func (p Path) Parent() Path {
	if len(p.segs) == 0 {
		return p
	}
	return Path{segs: p.segs[:len(p.segs)-1]}
}

// CellRoot is the path of the cell that p is or lies in.
func (p Path) CellRoot() Path { return Path{segs: p.segs[:min(1, len(p.segs))]} }

// BoxRoot is the path of the box that p is or lies in.
func (p Path) BoxRoot() Path { return Path{segs: p.segs[:min(2, len(p.segs))]} }

// Join is the path of a child. The name must have passed [CheckName], as every
// name in the store has.
func (p Path) Join(names ...string) Path {
	return Path{segs: append(p.segs[:len(p.segs):len(p.segs)], names...)}
}

// Contains reports whether q is p or lies below it, names compared by [Key].
func (p Path) Contains(q Path) bool {
	if len(q.segs) < len(p.segs) {
		return false
	}
	for i, s := range p.segs {
		if s != q.segs[i] && Key(s) != Key(q.segs[i]) {
			return false
		}
	}
	return true
}

// Key is the form of the path under which it is looked up: like String, names by
// [Key].
func (p Path) Key() string { return Key(p.String()) }

// String is the path with a leading slash and no trailing one; the unit is "/".
func (p Path) String() string {
	if len(p.segs) == 0 {
		return "/"
	}
	n := len(p.segs)
	for _, s := range p.segs {
		n += len(s)
	}
	var b strings.Builder
	b.Grow(n)
	for _, s := range p.segs {
		b.WriteByte('/')
		b.WriteString(s)
	}
	return b.String()
}
