package control

import (
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strconv"

	"cellar/cellfs"
)

// Linked lists the objects of another set that an object is linked with, or that belong
// to it, or that it belongs to. It returns [ErrNone] and [ErrNoAssoc].
func (s *Store) Linked(set *Set, key Values, other *Set) ([]Object, error) {
	o, err := s.Get(set, key)
	if err != nil {
		return nil, err
	}
	return s.relatedTo(&o, other, s.List)
}

// relatedTo is [Store.Linked] for an object that is known. list lists a set.
func (s *Store) relatedTo(o *Object, other *Set, list func(*Set) ([]Object, error)) (all []Object, err error) {
	set := o.Set
	switch {
	case slices.Contains(set.Owned, other.Name):
		all, err = list(other)
		return owned(o, all), err
	case slices.Contains(other.Owned, set.Name):
		return s.owner(o, other)
	case !slices.Contains(set.Links, other.Name):
		return nil, ErrNoAssoc
	}
	ends, err := s.Tx.LinksOf(s.Cell.ID, 0, o.end(), other.Name)
	if err != nil {
		return nil, err
	}
	boxes := map[int64]string{}
	for _, end := range ends {
		id, err := strconv.ParseInt(end.Key, 10, 64)
		if err != nil {
			return nil, err
		}
		e, err := s.Tx.EntityByID(id)
		if err != nil {
			return nil, err
		}
		linked, err := other.fromEntity(s.Tx, &e, boxes)
		if err != nil {
			return nil, err
		}
		all = append(all, linked)
	}
	return all, nil
}

// Related are the sets whose objects can be linked with those of this one, belong to them, or have
// them belong to theirs.
func (s *Set) Related() (all []*Set) {
	for _, other := range sets {
		if slices.Contains(s.Links, other.Name) || slices.Contains(s.Owned, other.Name) || slices.Contains(other.Owned, s.Name) {
			all = append(all, other)
		}
	}
	return all
}

// Expand fills in [Object.Expanded] of the objects for the other set. It returns [ErrManyRelated]
// if one is related with more than limit objects of it.
func (s *Store) Expand(objects []Object, other *Set, limit int) error {
	var listed []Object
	known := false
	list := func(set *Set) (all []Object, err error) { // read once for all objects
		if !known {
			listed, err = s.List(set)
			known = err == nil
		}
		return listed, err
	}
	for i := range objects {
		o := &objects[i]
		related, err := s.relatedTo(o, other, list)
		if err != nil {
			return err
		}
		if len(related) > limit {
			return ErrManyRelated
		}
		if o.Expanded == nil {
			o.Expanded = map[string][]Object{}
		}
		o.Expanded[other.Name] = related
	}
	return nil
}

// owner is the one object that o belongs to, if it does to any.
func (s *Store) owner(o *Object, set *Set) ([]Object, error) {
	key := Values{"Name": o.Values[boxName]}
	if set.Name == cellfs.SetRelation {
		key = Values{"Name": o.Values[relationName], boxName: o.Values[relationBoxName]}
	}
	if key["Name"] == nil {
		return nil, nil
	}
	owner, err := s.Get(set, key)
	return []Object{owner}, err
}

// Link links two objects, or makes one belong to the other. It returns [ErrNone], [ErrNoEnd] if the
// other one is missing, [ErrNoAssoc] and [ErrLinked], from whichever side they were linked, also
// for an object that belongs to another one already.
func (s *Store) Link(set *Set, key Values, other *Set, otherKey Values) error {
	if owner, owned, ok, err := s.ownership(set, key, other, otherKey); ok {
		if err == nil && owned.Values[ownerProperty(owner.Set)] != nil {
			err = ErrLinked
		}
		if err != nil {
			return err
		}
		return s.setOwner(owned, owner.Values["Name"])
	}
	l, err := s.linkOf(set, key, other, otherKey)
	if err != nil {
		return err
	}
	ends, err := s.Tx.LinksOf(l.Cell, 0, l.From, l.To.Set)
	if err != nil {
		return err
	}
	if slices.Contains(ends, l.To) {
		return ErrLinked
	}
	return s.Tx.AddLink(l)
}

// Unlink takes a link away. It returns [ErrNone], [ErrNoAssoc] and [ErrNoLink].
func (s *Store) Unlink(set *Set, key Values, other *Set, otherKey Values) error {
	if owner, owned, ok, err := s.ownership(set, key, other, otherKey); ok {
		switch {
		case errors.Is(err, ErrNoEnd):
			return ErrNoLink
		case err != nil:
			return err
		case owned.Set.Name == cellfs.SetExtRole:
			return ErrRelated // there is no ext role without a relation
		case owned.box != owner.id:
			return ErrNoLink
		}
		return s.setOwner(owned, nil)
	}
	l, err := s.linkOf(set, key, other, otherKey)
	if err == nil {
		err = s.Tx.DeleteLink(l)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNoEnd) {
		err = ErrNoLink
	}
	return err
}

// ownership finds two objects of which one can belong to the other; ok is false if objects of
// these sets cannot.
func (s *Store) ownership(set *Set, key Values, other *Set, otherKey Values) (owner, owned *Object, ok bool, err error) {
	owns := slices.Contains(set.Owned, other.Name)
	if !owns && !slices.Contains(other.Owned, set.Name) {
		return nil, nil, false, nil
	}
	from, err := s.Get(set, key)
	if err != nil {
		return nil, nil, true, err
	}
	to, err := s.Get(other, otherKey)
	if errors.Is(err, ErrNone) {
		err = ErrNoEnd
	}
	if owns {
		return &from, &to, true, err
	}
	return &to, &from, true, err
}

// ownerProperty is the property by which an object names its owner.
func ownerProperty(owner *Set) string {
	if owner.Name == cellfs.SetRelation {
		return relationName
	}
	return boxName
}

// setOwner gives an object the box with that name; nil takes it from its box.
func (s *Store) setOwner(o *Object, box any) error {
	_, err := s.Update(o.Set, o.Values, Change{Given: Values{boxName: box}, Merge: true})
	return err
}

// CreateRelated makes an object of the other set, and links it with the one that has the key, or
// makes one belong to the other. Errors are those of [Store.Create] and [Store.Link].
func (s *Store) CreateRelated(set *Set, key Values, other *Set, given Values, hidden json.RawMessage) (o Object, err error) {
	from, err := s.Get(set, key)
	if err != nil {
		return o, err
	}
	switch {
	case slices.Contains(set.Owned, other.Name):
		for name, value := range ownerValues(&from) {
			if given[name] != nil && given[name] != value {
				return o, &PropertyError{name, Format}
			}
			given[name] = value
		}
		return s.Create(other, given, hidden)
	case !slices.Contains(set.Links, other.Name) && !slices.Contains(other.Owned, set.Name):
		return o, ErrNoAssoc
	}
	if o, err = s.Create(other, given, hidden); err != nil {
		return o, err
	}
	return o, s.Link(set, key, other, o.Values)
}

// ownerValues are the values by which objects name their owner.
func ownerValues(owner *Object) Values {
	if owner.Set.Name == cellfs.SetRelation {
		return Values{relationName: owner.Values["Name"], relationBoxName: owner.Values[boxName]}
	}
	return Values{boxName: owner.Values["Name"]}
}

func (s *Store) linkOf(set *Set, key Values, other *Set, otherKey Values) (l cellfs.Link, err error) {
	from, err := s.Get(set, key)
	if err != nil {
		return l, err
	}
	if !slices.Contains(set.Links, other.Name) {
		return l, ErrNoAssoc
	}
	to, err := s.Get(other, otherKey)
	if errors.Is(err, ErrNone) {
		err = ErrNoEnd
	}
	if err != nil {
		return l, err
	}
	return cellfs.Link{Cell: s.Cell.ID, From: from.end(), To: to.end()}, s.touch()
}
