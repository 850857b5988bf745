package ops

import (
	"errors"
	"path"
	"reflect"
	"slices"
	"strings"

	"cellar/barfs/edm"
	"cellar/barfs/install"
	"cellar/cellfs"
	"cellar/cellfs/control"
)

// change does what was planned, unless something of it was changed meanwhile.
func (u *updating) change(tx cellfs.Tx) error {
	gen, err := tx.Touch(u.cell.ID, 0)
	if err != nil {
		return err
	}
	a := &applier{target: u.target, tx: tx, gen: gen, now: u.o.fs.Now(), made: map[string]cellfs.Node{}, roles: map[string]int64{}}
	box, err := tx.Node(u.box)
	if err != nil {
		return err
	}
	started := install.Started(u.job.Name)
	if err := a.apply(&install.Step{Event: &started}); err != nil {
		return err
	}
	for i := range u.control {
		if err := u.makeControl(a, &u.control[i]); err != nil {
			return err
		}
	}
	whole, err := u.pathOf("")
	if err != nil {
		return err
	}
	// Mostly nothing is locked: then no resource needs to be looked for among the locks.
	var locked *cellfs.LockedError
	err = u.o.fs.CheckLocks(tx, cellfs.Change{Path: whole, Deep: true})
	if u.locks = errors.As(err, &locked); err != nil && !u.locks {
		return err
	}
	nodes := map[string]*cellfs.Node{"": &box}
	for i := range u.changes {
		if err := u.changeOne(a, nodes, &u.changes[i]); err != nil {
			return err
		}
	}
	for _, l := range u.data {
		if u.kept[join(l.Collection, l.FromType)] || u.kept[join(l.Collection, l.ToType)] {
			continue
		}
		col, err := u.there(tx, nodes, l.Collection)
		if err != nil {
			return err
		}
		if col == nil {
			return errChanged
		}
		a.made[l.Collection] = *col
		if err := a.dataLink(l); err != nil {
			return err
		}
	}
	done := install.Event{Type: install.TypeCompleted, Object: cellfs.LocalCell + u.job.Name, Info: "Bar update completed."}
	if err := a.apply(&install.Step{Event: &done}); err != nil {
		return err
	}
	if err := tx.AddEvents(a.events...); err != nil {
		return err
	}
	return u.keep(tx, a.now)
}

// makeControl makes a control object or a link, if it is not there.
func (u *updating) makeControl(a *applier, c *controlStep) error {
	var err error
	if c.object != nil {
		set, key, _ := a.keyed(c.object.Key)
		if _, err := a.control().Get(set, key); !errors.Is(err, control.ErrNone) {
			return err
		}
		err = a.object(c.object)
	} else if err = a.linkControl(c.link); errors.Is(err, control.ErrLinked) {
		return nil
	}
	if err != nil || c.event == nil {
		return installCauseOf(err)
	}
	e := *c.event
	e.Info = "box update"
	return a.apply(&install.Step{Event: &e})
}

func (u *updating) changeOne(a *applier, nodes map[string]*cellfs.Node, c *change) error {
	n, err := u.there(a.tx, nodes, c.path)
	if err != nil {
		return err
	}
	if !cellfs.SameNode(n, c.old) || c.meta && n != nil && !sameMeta(n, c.old) {
		return errChanged
	}
	up := path.Dir(c.path)
	if up == "." {
		up = ""
	}
	parent := nodes[up] // there looked for it, but for the box itself
	if c.path != "" && (parent == nil || !parent.IsCollection()) {
		return errChanged
	}
	if u.locks {
		p, err := u.pathOf(c.path)
		if err == nil {
			err = u.o.fs.CheckLocks(a.tx, cellfs.Change{Path: p, Member: c.old == nil || c.want == nil, Deep: c.want == nil})
		}
		if err != nil {
			return err
		}
	}
	if c.want == nil {
		nodes[c.path] = nil
		if n.IsCollection() { // what was in it went before
			empty, err := u.isEmpty(a.tx, n, c.path, nil)
			if err != nil {
				return err
			}
			if !empty {
				return errChanged
			}
		}
		return u.o.fs.ReplaceMember(a.tx, parent, n, nil)
	}
	if c.needs != nil {
		if err := u.checkData(a.tx, parent, c.needs); err != nil {
			return err
		}
	}
	next := cellfs.Node{Cell: u.cell.ID, Name: path.Base(c.path), Kind: c.want.kind, Created: a.now, Modified: a.now, Version: a.gen}
	if n != nil {
		next = *n
	} else {
		next.Parent = parent.ID
	}
	if c.meta {
		if next, err = u.next(a, &next, c.want); err != nil {
			return err
		}
	}
	if c.content && c.want.kind == cellfs.KindFile {
		next.Blob, next.Size, next.Version, next.Modified = c.want.blob, c.want.size, a.gen, a.now
	}
	nodes[c.path] = &next
	if n != nil && !c.content {
		return a.tx.SetNode(n, &next, a.now) // what is shown of its members does not change
	}
	return u.o.fs.ReplaceMember(a.tx, parent, n, &next)
}

func (u *updating) pathOf(p string) (cellfs.Path, error) {
	segments := []string{u.cell.Name, u.job.Name}
	if p != "" {
		segments = append(segments, strings.Split(p, "/")...)
	}
	return cellfs.NewPath(segments...)
}

// checkData refuses a schema that the data do not fit, removes sets that it lacks, and gives up indexes: what they
// hold may mean something else.
func (u *updating) checkData(tx cellfs.Tx, col *cellfs.Node, needs *edm.Needs) error {
	for _, name := range needs.Empty {
		set, err := tx.Child(col.ID, name)
		if err != nil {
			return err
		}
		some, err := hasMembers(tx, set.ID)
		if err != nil {
			return err
		}
		if some {
			return invalidf("the entities of [%s/%s] do not fit the new schema", col.Name, name)
		}
	}
	if len(needs.Unlinked) > 0 {
		links, err := tx.Links(u.cell.ID, col.ID)
		if err != nil {
			return err
		}
		for _, l := range links {
			if slices.Contains(needs.Unlinked, [2]string{l.From.Set, l.To.Set}) || slices.Contains(needs.Unlinked, [2]string{l.To.Set, l.From.Set}) {
				return invalidf("entities of [%s/%s] and [%s/%s] are linked, which the new schema does not allow", col.Name, l.From.Set, col.Name, l.To.Set)
			}
		}
	}
	var sets []cellfs.Node
	err := cellfs.EachChild(tx, col.ID, func(m *cellfs.Node) error {
		if m.IsCollection() {
			sets = append(sets, *m)
		}
		return nil
	})
	for i := 0; err == nil && i < len(sets); i++ {
		if slices.Contains(needs.Gone, sets[i].Name) {
			err = u.o.fs.ReplaceMember(tx, col, &sets[i], nil)
			continue
		}
		var indexes []cellfs.Index
		indexes, err = tx.Indexes(sets[i].ID)
		for j := 0; err == nil && j < len(indexes); j++ {
			err = tx.DropIndex(indexes[j].ID)
		}
	}
	return err
}

// sameMeta reports whether two nodes have the same type, ACL and properties, none of which counts as a change of
// the node.
func sameMeta(a, b *cellfs.Node) bool {
	return a.ContentType == b.ContentType && reflect.DeepEqual(a.ACL, b.ACL) && reflect.DeepEqual(a.Props, b.Props)
}
