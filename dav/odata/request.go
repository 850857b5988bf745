package odata

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"cellar/dav/answer"
)

var (
	errNoSet        = answer.New(answer.EntitySetNotFound)
	errNoEntity     = answer.New(answer.EntityNotFound)
	errNoNavigation = answer.New(answer.NavigationNotFound)
	errNoLink       = answer.New(answer.ODataNotFound)
	errKey          = answer.New(answer.EntityKey)
)

// Request is what the URL below an OData collection asks for.
type Request struct {
	set      string // "": the names of all sets
	id       string // of an entity, if keyed
	keyed    bool
	property string // navigation property, "_" and the name of a set; "" for none
	links    bool   // only the URLs of what it leads to
	// otherID is the key of the other end of a link, if it is given.
	otherID    string
	otherKeyed bool

	options url.Values
}

// Limits of a list (contract 1.16.3).
const (
	DefaultTop = 25
	MaxTop     = 10_000
	MaxSkip    = 100_000
)

var (
	keyed = regexp.MustCompile(`^([^()]+)\((.*)\)$`)
	key   = regexp.MustCompile(`^(?:__id=)?'((?:[^']|'')*)'$`)
)

// IsKeyed reports whether a segment of a URL looks like an entity, {set}({key}).
func IsKeyed(segment string) bool { return keyed.MatchString(segment) }

// Parse reads the segments of the path below the collection, decoded, and the
// query. It returns an [*answer.Error].
func Parse(segments []string, query url.Values) (r Request, err error) {
	r.options = query
	if v := query.Get("$format"); query.Has("$format") && !strings.EqualFold(v, "json") {
		return r, answer.New(answer.FormatOption, v)
	}
	if _, _, _, err := paging(query); err != nil {
		return r, err
	}
	return r, r.parsePath(segments)
}

func (r *Request) parsePath(segments []string) error {
	if len(segments) == 0 {
		return nil
	}
	r.set = segments[0]
	if m := keyed.FindStringSubmatch(r.set); m != nil {
		k := key.FindStringSubmatch(m[2])
		if k == nil {
			return errKey
		}
		r.set, r.id, r.keyed = m[1], strings.ReplaceAll(k[1], "''", "'"), true
	}
	rest := segments[1:]
	if len(rest) > 0 && !r.keyed {
		return errNoEntity
	}
	if len(rest) > 0 && rest[0] == "$links" {
		r.links, rest = true, rest[1:]
	}
	if len(rest) == 1 {
		r.property = rest[0]
		if property, id, ok := parseEntity(r.property); ok && r.links {
			r.property, r.otherID, r.otherKeyed = property, id, true
		}
	}
	if len(rest) > 1 || r.links && r.property == "" {
		return errNoNavigation
	}
	return nil
}

func number(query url.Values, name string, byDefault, most int) (int, error) {
	if !query.Has(name) {
		return byDefault, nil
	}
	n, err := strconv.Atoi(query.Get(name))
	switch {
	case err != nil:
		return 0, answer.New(answer.QueryOption, name)
	case n < 0 || n > most:
		return 0, answer.New(answer.QueryValue, name, n)
	}
	return n, nil
}
