package edm

import "slices"

// Needs are what must not be there for data that follow one schema to fit another.
type Needs struct {
	Empty    []string    // entity types that have no entities
	Gone     []string    // those of them that the next schema lacks
	Unlinked [][2]string // pairs of entity types whose entities are not linked
}

// Fit says what data that follow schema s need to fit next: entity types whose entities would not fit must
// have none, and associations that next lacks or narrows must have no links.
func (s *Schema) Fit(next *Schema) (n Needs) {
	for i := range s.EntityTypes {
		old := &s.EntityTypes[i]
		t := next.EntityType(old.Name)
		if t == nil {
			n.Gone = append(n.Gone, old.Name)
		}
		if t == nil || !fits(s, next, old, t, 0) {
			n.Empty = append(n.Empty, old.Name)
		}
	}
	for _, a := range s.Associations {
		from, to := a.Ends[0], a.Ends[1]
		x, y, ok := next.Between(from.EntityType, to.EntityType)
		if !ok || from.Many() && !x.Many() || to.Many() && !y.Many() {
			n.Unlinked = append(n.Unlinked, [2]string{from.EntityType, to.EntityType})
		}
	}
	return n
}

// fits reports whether a value of a type of schema s is one of a type of schema next.
func fits(s, next *Schema, old, t *Type, depth int) bool {
	if depth > len(layers) {
		return false
	}
	property := func(t *Type, name string) *Property {
		if i := slices.IndexFunc(t.Properties, func(p Property) bool { return p.Name == name }); i >= 0 {
			return &t.Properties[i]
		}
		return nil
	}
	for i := range old.Properties {
		p := &old.Properties[i]
		q := property(t, p.Name)
		if q == nil || q.IsList != p.IsList || !q.Nullable && p.Nullable || q.UniqueKey != "" && q.UniqueKey != p.UniqueKey {
			return false
		}
		switch {
		case p.Simple() != q.Simple():
			return false
		case p.Simple() && !Widens(p.Type, q.Type):
			return false
		case !p.Simple():
			c, d := s.ComplexType(p.Type), next.ComplexType(q.Type)
			if c == nil || d == nil || !fits(s, next, c, d, depth+1) {
				return false
			}
		}
	}
	for i := range t.Properties {
		q := &t.Properties[i]
		if property(old, q.Name) == nil && (!q.Nullable && q.Default == nil || q.UniqueKey != "") {
			return false // what is there lacks it
		}
	}
	return true
}

// Widens reports whether each value of a simple type is one of another.
func Widens(from, to string) bool {
	switch from {
	case to:
		return true
	case "Edm.Int32":
		return to == "Edm.Single" || to == "Edm.Double"
	}
	return from == "Edm.Single" && to == "Edm.Double"
}
