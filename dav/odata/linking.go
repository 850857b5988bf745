package odata

import (
	"errors"
	"io/fs"

	"cellar/cellfs"
	"cellar/dav/answer"
)

// End is an entity that is linked.
type End struct{ Set, ID string }

// Segment names the entity as a URL does, not escaped.
func (e End) Segment() string { return e.Set + keyOf(e.ID) }

func (e End) end() cellfs.End { return cellfs.End{Set: e.Set, Key: e.ID} }

// addLink links two entities.
func (c *Change) addLink(from, to End) *Step {
	return c.linking(from, "odata.links.create", func(tx cellfs.Tx, s *state) error {
		return c.link(tx, s, from, to)
	}, to)
}

// removeLink removes the link of two entities.
func (c *Change) removeLink(from, to End) *Step {
	return c.linking(from, "odata.links.delete", func(tx cellfs.Tx, s *state) error {
		if _, _, ok := s.schema.Between(from.Set, to.Set); !ok {
			return errNoNavigation
		}
		col := s.place.Node
		err := tx.DeleteLink(cellfs.Link{Cell: col.Cell, Node: col.ID, From: from.end(), To: to.end()})
		if errors.Is(err, fs.ErrNotExist) {
			err = errNoLink
		}
		return err
	}, to)
}

func (c *Change) linking(from End, what string, change func(cellfs.Tx, *state) error, to End) *Step {
	return &Step{set: from.Set, id: from.ID, linking: true, apply: func(tx cellfs.Tx, s *state) error {
		if s.node == nil {
			return errNoEntity
		}
		err := c.Check(tx, &s.place, c.Path.Join(from.Set).Join(s.node.Name), s.node)
		if err == nil {
			err = change(tx, s)
		}
		if err == nil {
			_, err = tx.Touch(s.place.Node.Cell, 0)
		}
		if err != nil {
			return err
		}
		return c.Record(tx, s.place.Node.Cell, what, from.Set+keyOf(from.ID)+"/$links/_"+to.Set+keyOf(to.ID), 204)
	}}
}

// link makes a link as the association of the two types allows it.
func (c *Change) link(tx cellfs.Tx, s *state, from, to End) error {
	fromEnd, toEnd, ok := s.schema.Between(from.Set, to.Set)
	if !ok {
		return errNoNavigation
	}
	col := s.place.Node
	for _, e := range []End{from, to} {
		set, err := s.setOf(tx, e.Set)
		if err == nil {
			_, err = entity(tx, set, e.ID)
		}
		if errors.Is(err, errNoEntity) && e == to {
			err = ErrLinkURI
		}
		if err != nil {
			return err
		}
	}
	// How many of the one side an entity of the other may have.
	most := func(e, other interface{ Many() bool }) int {
		switch {
		case !e.Many():
			return 1
		case other.Many():
			return c.Limits.WithDefaults().DataLinks
		}
		return 0 // any number
	}
	for _, x := range []struct {
		of    End
		other string
		limit int
	}{{from, to.Set, most(toEnd, fromEnd)}, {to, from.Set, most(fromEnd, toEnd)}} {
		if x.limit == 0 {
			continue
		}
		ends, err := tx.LinksOf(col.Cell, col.ID, x.of.end(), x.other)
		if err != nil {
			return err
		}
		if len(ends) >= x.limit {
			if x.limit == 1 {
				return answer.New(answer.LinkExists)
			}
			return answer.New(answer.LinkCount)
		}
	}
	ends, err := tx.LinksOf(col.Cell, col.ID, from.end(), to.Set)
	if err != nil {
		return err
	}
	for _, e := range ends {
		if e == to.end() {
			return answer.New(answer.LinkExists)
		}
	}
	return tx.AddLink(cellfs.Link{Cell: col.Cell, Node: col.ID, From: from.end(), To: to.end()})
}
