package control

import (
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
	switch {
	case slices.Contains(set.Owned, other.Name):
		return s.owned(&o, other)
	case slices.Contains(other.Owned, set.Name):
		return s.owner(&o, other)
	case !slices.Contains(set.Links, other.Name):
		return nil, ErrNoAssoc
	}
	ends, err := s.Tx.LinksOf(s.Cell.ID, 0, o.end(), other.Name)
	if err != nil {
		return nil, err
	}
	var all []Object
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

// Link links two objects. It returns [ErrNone], [ErrNoEnd] if the other one is missing,
// [ErrNoAssoc] and [ErrLinked], from whichever side they were linked.
func (s *Store) Link(set *Set, key Values, other *Set, otherKey Values) error {
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
	l, err := s.linkOf(set, key, other, otherKey)
	if err == nil {
		err = s.Tx.DeleteLink(l)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNoEnd) {
		err = ErrNoLink
	}
	return err
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
