package control

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cellar/cellfs"
)

// Errors. A missing cell is [cellfs.ErrNoCell].
var (
	ErrNone    = errors.New("no such entity")
	ErrExists  = errors.New("the entity exists already")
	ErrRelated = errors.New("the entity has related data")
	ErrLinked  = errors.New("the link exists already")
	ErrNoLink  = errors.New("there is no such link")
	ErrNoEnd   = errors.New("what is to be linked does not exist")
	ErrNoAssoc = errors.New("objects of these sets cannot be linked")

	ErrManyRelated = errors.New("an object is related with more objects than can be shown with it")
)

// Reason says what is wrong with a property.
type Reason int

const (
	Unknown   Reason = iota // there is no such property
	Required                // it is missing
	Format                  // it does not have its form
	Unrelated               // what it names is not there
)

// PropertyError is an error of what a client gives as an object.
type PropertyError struct {
	Property string
	Reason   Reason
}

func (e *PropertyError) Error() string {
	return fmt.Sprintf("property %s: %s", e.Property, [...]string{"unknown", "missing", "wrong format", "names what is not there"}[e.Reason])
}

// Values are the properties of an object: a text, a bool, or nil for null.
type Values map[string]any

// Object is a control object.
type Object struct {
	Set     *Set
	Values  Values
	Version int64 // grows with every change
	Created time.Time
	Updated time.Time
	// Expanded is what the object is related with, by set; nil for sets that were not asked for.
	Expanded map[string][]Object

	id  int64 // of the entity, the box's node or the cell
	box int64 // node of the box that the object belongs to; 0 for none
}

// end is the object as links have it.
func (o *Object) end() cellfs.End { return cellfs.End{Set: o.Set.Name, Key: fmt.Sprint(o.id)} }

// text is a property that is a text; "" for null.
func (v Values) text(name string) string {
	s, _ := v[name].(string)
	return s
}

// Complete is what [Store.Create] and [Store.Update] do with what a client gives, for objects that are
// kept elsewhere.
func (s *Set) Complete(given, before Values) (Values, error) { return s.complete(given, before) }

// complete checks what a client gives and fills in what is missing: from before, if it
// is not nil, or the defaults.
func (s *Set) complete(given, before Values) (Values, error) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if s.property(name) == nil {
			return nil, &PropertyError{name, Unknown}
		}
	}
	all := Values{}
	for i := range s.Properties {
		p := &s.Properties[i]
		v, ok := given[p.Name]
		if !ok && before != nil {
			v, ok = before[p.Name], true
		}
		if v == nil && (!ok || p.Default != nil) {
			v = p.Default
		}
		if v == nil && p.Required {
			return nil, &PropertyError{p.Name, Required}
		}
		if !p.Fits(v) {
			return nil, &PropertyError{p.Name, Format}
		}
		all[p.Name] = v
	}
	if s.Name == cellfs.SetRule && all["Name"] == nil { // Personium makes one too
		all["Name"] = strings.ToLower(rand.Text())
	}
	return all, nil
}

// Fits reports whether v can be the property's value; nil is null.
func (p *Property) Fits(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return p.Bool
	case string:
		if p.Bool || !utf8.ValidString(v) {
			return false
		}
		if p.Form != nil {
			return p.Form(v)
		}
		return utf8.RuneCountInString(v) <= MaxText
	}
	return false
}

// entityKey is how the store identifies an object within its set and box.
func (s *Set) entityKey(v Values) string {
	key := v.text(s.Key[0])
	if s.Name == cellfs.SetExtRole {
		key += " " + v.text(relationName)
	}
	return key
}

// doc is the object as the store keeps it: with the defaults of what is not given, and without
// what names its box.
func (s *Set) doc(v Values) (json.RawMessage, error) {
	all := map[string]any{}
	for _, p := range s.Properties {
		if p.Name == s.box() {
			continue
		}
		if all[p.Name] = v[p.Name]; v[p.Name] == nil {
			all[p.Name] = p.Default
		}
	}
	return json.Marshal(all)
}

// boxID finds the box that an object names; 0 for none.
func (s *Set) boxID(tx cellfs.Tx, c *cellfs.Cell, v Values) (int64, error) {
	name := v.text(s.box())
	if name == "" {
		return 0, nil
	}
	n, err := boxNamed(tx, c, name)
	if errors.Is(err, ErrNone) {
		return 0, &PropertyError{s.box(), Unrelated}
	}
	return n.ID, err
}

func boxNamed(tx cellfs.Tx, c *cellfs.Cell, name string) (cellfs.Node, error) {
	n, err := tx.Child(c.Root, name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (n.Kind != cellfs.KindBox || n.Name == cellfs.MainBox) {
		return n, ErrNone
	}
	return n, err
}

// fromEntity makes an object of what the store has; boxes are the names of those known.
func (s *Set) fromEntity(tx cellfs.Tx, e *cellfs.Entity, boxes map[int64]string) (Object, error) {
	o := Object{Set: s, Version: e.Version, Created: e.Created, Updated: e.Updated, id: e.ID, box: e.Box, Values: Values{}}
	var doc map[string]any
	if err := json.Unmarshal(e.Doc, &doc); err != nil {
		return o, fmt.Errorf("%s %q: %w", e.Set, e.Key, err)
	}
	for _, p := range s.Properties {
		if p.Any {
			o.Values[p.Name] = doc[p.Name]
			continue
		}
		switch v := doc[p.Name].(type) {
		case string, bool:
			o.Values[p.Name] = v
		case nil:
			o.Values[p.Name] = p.Default
		default: // what an import brought and no client of ours can give
			o.Values[p.Name] = fmt.Sprint(v)
		}
	}
	if name := s.box(); name != "" && e.Box != 0 {
		if boxes[e.Box] == "" {
			n, err := tx.Node(e.Box)
			if err != nil {
				return o, fmt.Errorf("box of %s %q: %w", e.Set, e.Key, err)
			}
			boxes[e.Box] = n.Name
		}
		o.Values[name] = boxes[e.Box]
	}
	return o, nil
}
