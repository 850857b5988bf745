package install

import "cellar/barfs"

// linkFailed is a link of user data that cannot be made.
type linkFailed struct{ from, to string }

func (e *linkFailed) Error() string { return "Target Link to " + e.to }

// end is an entity that is linked.
type end struct{ set, id string }

func (e end) String() string { return e.set + "(" + quote(e.id) + ")" }

// links are those made so far in one OData collection.
type links struct {
	o     *odata
	max   int // of one entity to those of one type, where both sides can have many
	pairs map[[2]end]bool
	count map[end]map[string]int // by the type at the other end
}

// add checks a link: both entities are there, their types are associated, and
// neither has as many links as the association allows.
func (l *links) add(link *barfs.DataLink) (*DataLink, error) {
	from, to := end{*link.FromType, first(link.FromID)}, end{*link.ToType, first(link.ToID)}
	failed := &linkFailed{from.String(), to.String()}
	a, b, associated := l.o.schema.Between(from.set, to.set)
	if !associated || !l.o.ids[from.set+"\x00"+from.id] || !l.o.ids[to.set+"\x00"+to.id] || l.pairs[[2]end{from, to}] || l.pairs[[2]end{to, from}] {
		return nil, failed
	}
	maxTo, maxFrom := 1, 1 // how many the one may have of the other
	switch {
	case a.Many() && b.Many():
		maxTo, maxFrom = l.max, l.max
	case b.Many():
		maxTo = len(l.o.links)
	case a.Many():
		maxFrom = len(l.o.links)
	}
	if l.count[from][to.set] >= maxTo || l.count[to][from.set] >= maxFrom {
		return nil, failed
	}
	l.pairs[[2]end{from, to}] = true
	l.counted(from, to.set)
	l.counted(to, from.set)
	return &DataLink{Collection: l.o.path, FromType: from.set, FromID: from.id, ToType: to.set, ToID: to.id}, nil
}

func (l *links) counted(e end, other string) {
	if l.count[e] == nil {
		l.count[e] = map[string]int{}
	}
	l.count[e][other]++
}

// first is the value used of an id object, which in practice has one.
func first(id map[string]string) string {
	if v, ok := id["__id"]; ok {
		return v
	}
	for _, v := range id {
		return v
	}
	return ""
}
