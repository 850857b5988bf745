package access

import (
	"slices"
	"strings"
)

// Scope bounds the privileges of cells that credentials can use, whatever the ACLs grant to their
// account. The zero Scope has none. [Whole] has all, and every other scope comes from [Scope.Narrow], so
// that a scope can never grow.
type Scope struct {
	words string // as they were asked for, each once
	set   Set
}

// Whole is the scope without a bound: the word root.
func Whole() Scope { return Scope{words: "root", set: scopeOf("root")} }

// Narrow returns the part of the scope that is asked for: those of the words, which are
// names of privileges of cells separated by blanks, that lie within it. Words that mean
// nothing, or more than the scope has, are left out; if none is left, nothing is: the
// result is then the zero Scope, and not the whole one.
func (s Scope) Narrow(asked string) Scope {
	var kept []string
	var n Scope
	for w := range strings.FieldsSeq(asked) {
		set := scopeOf(w)
		if set == 0 || set&^s.set != 0 || slices.Contains(kept, w) {
			continue
		}
		kept = append(kept, w)
		n.set |= set
	}
	n.words = strings.Join(kept, " ")
	return n
}

// Set is the privileges that the scope has. Those of boxes and of what is in them belong to
// none but the whole one, and are not bound by any.
func (s Scope) Set() Set { return s.set }

// Bounded reports whether the scope is not the whole one.
func (s Scope) Bounded() bool { return s.set != scopeOf("root") }

// Empty reports whether the scope is good for nothing.
func (s Scope) Empty() bool { return s.set == 0 }

// String is the scope in words, as [Scope.Narrow] reads them.
func (s Scope) String() string { return s.words }

// scopeOf is the privileges of a word, with all that they include; 0 for one that is not
// the name of a privilege of cells.
func scopeOf(word string) Set {
	if s := byName[personium(word)]; s&OfCell != 0 {
		return s
	}
	return 0
}
