package odata

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"cellar/cellfs/control"
	"cellar/dav/answer"
)

// ControlRequest is what a URL below __ctl asks for.
type ControlRequest struct {
	Set   *control.Set
	Key   control.Values
	Keyed bool
	Links bool // only of links
	Other *control.Set
	// OtherKey is the key of the other end of a link.
	OtherKey   control.Values
	OtherKeyed bool
}

// ParseControl reads the segments of the path below __ctl, decoded; setOf knows the sets.
// It returns an [*Error].
func ParseControl(segments []string, setOf func(name string) *control.Set) (r ControlRequest, err error) {
	if len(segments) == 0 {
		return r, errNoSet
	}
	if r.Set, r.Key, r.Keyed, err = controlKey(segments[0], setOf); err != nil {
		return r, err
	}
	rest := segments[1:]
	if len(rest) == 0 {
		return r, nil
	}
	if !r.Keyed {
		return r, errNoEntity
	}
	if rest[0] == "$links" {
		r.Links, rest = true, rest[1:]
	}
	if len(rest) != 1 || !strings.HasPrefix(rest[0], "_") {
		return r, errNoNavigation
	}
	r.Other, r.OtherKey, r.OtherKeyed, err = controlKey(rest[0][1:], setOf)
	if err == errNoSet || r.OtherKeyed && !r.Links {
		err = errNoNavigation
	}
	return r, err
}

func controlKey(segment string, setOf func(string) *control.Set) (*control.Set, control.Values, bool, error) {
	name, key, keyed, err := ParseKey(segment, func(set string) []string {
		if s := setOf(set); s != nil {
			return s.Key
		}
		return nil
	})
	s := setOf(name)
	if err == nil && s == nil {
		err = errNoSet
	}
	return s, key, keyed, err
}

// ParseLink reads the body of a request that makes a link, {"uri":"…"}, and returns the
// key of the object of that set that it names. below returns what follows __ctl/ in the
// URL of a control object of the cell, as it stands there.
func ParseLink(body []byte, below func(uri string) (segment string, ok bool), set *control.Set) (control.Values, error) {
	var link struct{ URI *string }
	if err := json.Unmarshal(body, &link); err != nil {
		return nil, errJSON
	}
	if link.URI == nil {
		return nil, answer.New(answer.RequiredProperty, "uri")
	}
	segment, ok := below(*link.URI)
	if !ok {
		return nil, ErrLinkURI
	}
	if s, err := url.PathUnescape(segment); err == nil {
		segment = s
	}
	s, key, keyed, err := controlKey(segment, func(name string) *control.Set {
		if name == set.Name {
			return set
		}
		return nil
	})
	if err != nil || !keyed || s != set {
		return nil, ErrLinkURI
	}
	return key, nil
}

// ErrLinkURI: what a link is to be made to is not there, or cannot be linked.
var ErrLinkURI = answer.New(answer.BodyField, "uri")

var errJSON = answer.New(answer.ODataJSON)

// ParseObject reads the properties of an object. Only texts, true, false and null can be
// values.
func ParseObject(body []byte, set *control.Set) (control.Values, error) {
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, errJSON
	}
	for name, v := range fields {
		switch v.(type) {
		case string, bool, nil:
		default:
			if slices.ContainsFunc(set.Properties, func(p control.Property) bool { return p.Name == name }) {
				return nil, answer.New(answer.BodyField, name)
			}
		}
	}
	return fields, nil
}

// ObjectKey is how URLs name an object: Role(Name='r',_Box.Name=null).
func ObjectKey(o *control.Object) string { return FormatKey(o.Set.Name, o.Set.Key, o.Values) }

// ObjectETag is the entity tag of an object, weak as OData has it.
func ObjectETag(o *control.Object) string {
	return fmt.Sprintf(`W/"%d-%d"`, o.Version, o.Updated.UnixMilli())
}

// Properties are those that a list of the set can be asked by.
func Properties(s *control.Set) []string {
	names := []string{"__published", "__updated"}
	for _, p := range s.Properties {
		names = append(names, p.Name)
	}
	return names
}

// ObjectValues tells the properties of an object; times are milliseconds.
func ObjectValues(o *control.Object) Values {
	return func(property string) any {
		switch property {
		case "__published":
			return o.Created.UnixMilli()
		case "__updated":
			return o.Updated.UnixMilli()
		}
		return o.Values[property]
	}
}

// URI is the URL of an object; base is that of __ctl, with a slash. Of the key stays what a
// segment of a path can hold (RFC 3986, 3.3): the rest could not stand in a header.
func URI(base string, o *control.Object) string {
	uri := []byte(base)
	for _, c := range []byte(ObjectKey(o)) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0 {
			uri = append(uri, c)
		} else {
			uri = fmt.Appendf(uri, "%%%02X", c)
		}
	}
	return string(uri)
}

// Entity is an object as clients see it; selected are the properties asked for, nil all.
// Those of the key, and what the server knows of it, are always there.
// What was expanded takes the place of the link to it.
func Entity(base string, o *control.Object, selected []string) any {
	uri := URI(base, o)
	m := members{{"__metadata", members{{"uri", uri}, {"etag", ObjectETag(o)}, {"type", o.Set.Type}}}}
	for _, p := range o.Set.Properties {
		if selected == nil || slices.Contains(selected, p.Name) || slices.Contains(o.Set.Key, p.Name) {
			m = append(m, member{p.Name, o.Values[p.Name]})
		}
	}
	m = append(m, member{"__published", date(o.Created)}, member{"__updated", date(o.Updated)})
	for _, s := range o.Set.Related() {
		switch related, expanded := o.Expanded[s.Name]; {
		case expanded:
			all := []any{}
			for i := range related {
				all = append(all, Entity(base, &related[i], nil))
			}
			m = append(m, member{"_" + s.Name, all})
		case selected == nil:
			m = append(m, member{"_" + s.Name, members{{"__deferred", members{{"uri", uri + "/_" + s.Name}}}}})
		}
	}
	return m
}

// Navigation are the names of the navigation properties of the objects of a set.
func Navigation(s *control.Set) (names []string) {
	for _, other := range s.Related() {
		names = append(names, "_"+other.Name)
	}
	return names
}

// One is the answer for one object.
func One(base string, o *control.Object, selected []string) any {
	return members{{"d", members{{"results", Entity(base, o, selected)}}}}
}

// List is the answer for a list of total objects of which a page is shown.
func List(base string, page []control.Object, q *Query, total int) any {
	return listed(page, q, total, func(o *control.Object) any { return Entity(base, o, q.Select) })
}

// LinkList is the answer for a list of links.
func LinkList(base string, page []control.Object, q *Query, total int) any {
	return listed(page, q, total, func(o *control.Object) any { return members{{"uri", URI(base, o)}} })
}

func listed(page []control.Object, q *Query, total int, show func(*control.Object) any) any {
	entries := []any{}
	for i := range page {
		entries = append(entries, show(&page[i]))
	}
	d := members{{"results", entries}}
	if q.Count {
		d = append(d, member{"__count", fmt.Sprint(total)})
	}
	return members{{"d", d}}
}
