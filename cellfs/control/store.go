package control

import (
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"cellar/cellfs"
)

// Store works on the control objects of one cell in a transaction.
type Store struct {
	FS   *cellfs.FS
	Tx   cellfs.Tx
	Cell cellfs.Cell
}

// In returns the store of a cell; [cellfs.ErrNoCell] if there is none.
func In(f *cellfs.FS, tx cellfs.Tx, cell string) (*Store, error) {
	c, err := tx.Cell(cell)
	if errors.Is(err, fs.ErrNotExist) {
		err = cellfs.ErrNoCell
	}
	return &Store{f, tx, c}, err
}

// List lists the objects of a set, in the order of their keys.
func (s *Store) List(set *Set) (all []Object, err error) {
	if set.Name == SetBox {
		return s.boxes()
	}
	entities, err := s.Tx.Entities(s.Cell.ID, set.Name)
	if err != nil {
		return nil, err
	}
	boxes := map[int64]string{}
	for i := range entities {
		o, err := set.fromEntity(s.Tx, &entities[i], boxes)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// Get returns the object with that key, or [ErrNone].
func (s *Store) Get(set *Set, key Values) (o Object, err error) {
	if set.Name == SetBox {
		n, err := boxNamed(s.Tx, &s.Cell, key.text("Name"))
		return fromBox(&n), err
	}
	e, err := s.entity(set, key)
	if err != nil {
		return o, err
	}
	return set.fromEntity(s.Tx, &e, map[int64]string{})
}

func (s *Store) entity(set *Set, key Values) (e cellfs.Entity, err error) {
	if set.Kept { // whatever box it belongs to
		all, err := s.Tx.Entities(s.Cell.ID, set.Name)
		if err != nil {
			return e, err
		}
		for _, e := range all {
			if e.Key == set.entityKey(key) {
				return e, nil
			}
		}
		return e, ErrNone
	}
	box, err := set.boxID(s.Tx, &s.Cell, key)
	var wrong *PropertyError
	if errors.As(err, &wrong) {
		return e, ErrNone
	}
	if err == nil {
		e, err = s.Tx.Entity(s.Cell.ID, box, set.Name, set.entityKey(key))
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNone
	}
	return e, err
}

// Create makes an object. hidden is what no client sees of it, such as the hash of a
// password. It returns a [*PropertyError] and [ErrExists].
func (s *Store) Create(set *Set, given Values, hidden json.RawMessage) (o Object, err error) {
	v, err := set.complete(given, nil)
	if err != nil {
		return o, err
	}
	if err := s.touch(); err != nil {
		return o, err
	}
	if set.Name == SetBox {
		return s.createBox(v)
	}
	e, err := s.add(set, v, hidden)
	if err != nil {
		return o, err
	}
	return set.fromEntity(s.Tx, &e, map[int64]string{})
}

// Add makes an object that an install brings, of values whose form was checked when its bar
// was read. It returns [ErrExists], and a [*PropertyError] for a relation that is not there.
func (s *Store) Add(set *Set, v Values) error {
	_, err := s.add(set, v, nil)
	return err
}

func (s *Store) add(set *Set, v Values, hidden json.RawMessage) (cellfs.Entity, error) {
	e := cellfs.Entity{Cell: s.Cell.ID, Set: set.Name, Hidden: hidden, Created: s.FS.Now()}
	e.Updated = e.Created
	if err := s.fill(&e, set, v); err != nil {
		return e, err
	}
	return e, existing(s.Tx.AddEntity(&e))
}

// fill gives an entity the values of an object.
func (s *Store) fill(e *cellfs.Entity, set *Set, v Values) (err error) {
	if e.Box, err = set.boxID(s.Tx, &s.Cell, v); err != nil {
		return err
	}
	if set.Name == cellfs.SetExtRole {
		if _, err := s.Tx.Entity(s.Cell.ID, e.Box, cellfs.SetRelation, v.text(relationName)); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = &PropertyError{relationName, Unrelated}
			}
			return err
		}
	}
	e.Key = set.entityKey(v)
	e.Doc, err = set.doc(v)
	return err
}

// Change is how an object is to be.
type Change struct {
	Given Values
	// Merge keeps what is not given; else that gets its default.
	Merge bool
	// Hidden replaces what no client sees; nil keeps it.
	Hidden json.RawMessage
	// Check, if not nil, sees the object before.
	Check Check
}

// Check is a precondition of a change. It sees the object as it is, in the transaction of
// the change. Its error refuses the change and comes back as it is.
type Check func(tx cellfs.Tx, o *Object) error

func (c Check) run(tx cellfs.Tx, o *Object) error {
	if c == nil {
		return nil
	}
	return c(tx, o)
}

// Update changes an object. It returns [ErrNone], a [*PropertyError], [ErrExists] if its
// new key is taken, and the error of the check.
func (s *Store) Update(set *Set, key Values, c Change) (o Object, err error) {
	if o, err = s.Get(set, key); err != nil {
		return o, err
	}
	if err := c.Check.run(s.Tx, &o); err != nil {
		return o, err
	}
	var before Values
	if c.Merge {
		before = o.Values
	}
	v, err := set.complete(c.Given, before)
	if err != nil {
		return o, err
	}
	if err := s.touch(); err != nil {
		return o, err
	}
	if set.Name == SetBox {
		return s.updateBox(&o, v)
	}
	e, err := s.Tx.EntityByID(o.id)
	if err != nil {
		return o, err
	}
	old := e.Key
	if err := s.fill(&e, set, v); err != nil {
		return o, err
	}
	if set.Name == cellfs.SetRelation && (e.Key != old || e.Box != o.box) {
		if err := s.unowned(&o); err != nil {
			return o, err
		}
	}
	if c.Hidden != nil {
		e.Hidden = c.Hidden
	}
	e.Updated = later(s.FS.Now(), e.Updated)
	if err := s.Tx.SetEntity(&e); err != nil {
		return o, existing(err)
	}
	return set.fromEntity(s.Tx, &e, map[int64]string{})
}

// later is now, or just after before if the clock went back.
func later(now, before time.Time) time.Time {
	if now.After(before) {
		return now
	}
	return before.Add(time.Millisecond)
}

// Delete removes an object together with its links. It returns [ErrNone], [ErrRelated]
// if others belong to it, and the error of the check.
func (s *Store) Delete(set *Set, key Values, check Check) error {
	o, err := s.Get(set, key)
	if err == nil {
		err = check.run(s.Tx, &o)
	}
	if err == nil {
		err = s.touch()
	}
	if err == nil {
		err = s.unowned(&o)
	}
	if err != nil {
		return err
	}
	if set.Name == SetBox {
		return s.deleteBox(&o)
	}
	return s.Tx.DeleteEntity(o.id)
}

// unowned returns [ErrRelated] if other objects belong to the object by their keys.
func (s *Store) unowned(o *Object) error {
	for _, name := range o.Set.Owned {
		all, err := s.List(SetOf(name))
		if err != nil {
			return err
		}
		if len(owned(o, all)) > 0 {
			return ErrRelated
		}
	}
	return nil
}

// owned are those of the objects of a set that belong to o.
func owned(o *Object, all []Object) (kept []Object) {
	for _, x := range all {
		if o.Set.Name == SetBox && x.box == o.id ||
			o.Set.Name == cellfs.SetRelation && x.box == o.box && x.Values.text(relationName) == o.Values.text("Name") {
			kept = append(kept, x)
		}
	}
	return kept
}

// touch notes that the cell changes: an import that runs would undo it.
func (s *Store) touch() error {
	_, err := s.Tx.Touch(s.Cell.ID, 0)
	return err
}

func existing(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	}
	return err
}
