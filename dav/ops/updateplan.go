package ops

import (
	"cmp"
	"context"
	"io"
	"path"
	"slices"
	"strings"

	"cellar/barfs/edm"
	"cellar/cellfs"
)

// change is what an update does with a resource of the box.
type change struct {
	path    string
	old     *cellfs.Node // nil: it is made
	want    *wanted      // nil: it goes
	content bool         // it gets the content of the new version
	meta    bool         // and its type, ACL and properties
	digest  string       // of those, if the version makes them
	needs   *edm.Needs   // of a schema: what must not be there
}

// plan compares the box with the new version. What the version before made and nobody changed becomes what
// the new one has, or goes. What was changed, or made by others, stays; where the new version has something
// else in its place, the box is not updated.
func (u *updating) plan(tx cellfs.Tx) error {
	u.changes, u.kept, u.makes = nil, map[string]bool{}, installed{}
	nodes := map[string]*cellfs.Node{}
	box, err := tx.Node(u.box)
	if err != nil {
		return err
	}
	nodes[""] = &box
	a, r := &applier{target: u.target, tx: tx, roles: map[string]int64{}, coming: map[string]int64{}}, newReader(tx, u.box)
	for i, c := range u.control {
		if c.object != nil && c.object.Set == cellfs.SetRole { // the change makes it, if it is not there
			id := -1 - int64(i)
			a.coming[c.object.Name], r.roles[id] = id, c.object.Name
		}
	}
	news := map[string]bool{}
	for i := range u.wanted {
		w := &u.wanted[i]
		if strings.Count(w.path, "/") >= cellfs.MaxDepth {
			return cellfs.ErrTooDeep
		}
		news[w.path] = true
		n, err := u.there(tx, nodes, w.path)
		if err != nil {
			return err
		}
		c := change{path: w.path, old: n, want: w, content: n == nil, meta: n == nil}
		switch {
		case n != nil && n.Kind != w.kind:
			return invalidf("[%s] is another kind of resource now", w.path)
		case u.isKept(w, n):
			continue
		case n != nil:
			if err := u.compare(a, r, &c); err != nil {
				return err
			}
		}
		if err := u.note(a, r, &c); err != nil {
			return err
		}
		if c.content || c.meta {
			u.changes = append(u.changes, c)
		}
	}
	if err := u.planRemovals(r, nodes, news); err != nil {
		return err
	}
	if most := cmp.Or(u.o.cfg.MaxUpdate, DefaultMaxUpdate); len(u.changes) > most {
		return invalidf("more than %d resources change", most)
	}
	return nil
}

// isKept reports whether a resource of the new version is user data for which the box has its own.
func (u *updating) isKept(w *wanted, n *cellfs.Node) bool {
	col, ok := u.inOData(w.path)
	if !ok {
		return false
	}
	if path.Dir(w.path) != col { // an entity
		return u.kept[path.Dir(w.path)]
	}
	if w.kind == cellfs.KindCollection && n != nil {
		u.kept[w.path] = true
	}
	return w.kind == cellfs.KindCollection && n != nil
}

// compare says what changes of a resource that is there.
func (u *updating) compare(a *applier, r *reader, c *change) error {
	now, err := r.asNow(c.old)
	if err != nil {
		return err
	}
	w := c.want
	if col, ok := u.inOData(w.path); ok && w.path == join(col, schemaName) {
		if c.content = w.content != now.Content; c.content {
			c.needs, err = u.fit(a.tx, c.old.Blob, w.blob)
		}
		return err
	}
	was, known := u.before[w.path]
	if w.kind == cellfs.KindFile && w.content != now.Content {
		changed := known && now.Content != was.Content
		if changed && w.content != was.Content {
			return invalidf("[%s] was changed since it was installed, and the new version has another", w.path)
		}
		c.content = !changed
	}
	if !known || now.Meta != was.Meta { // what somebody granted stays granted
		return nil
	}
	c.digest, err = u.nextMeta(a, r, c)
	c.meta = c.digest != now.Meta
	return err
}

// note adds to what the version makes. Where somebody's own content or ACL stays, that is what the bar has all the
// same: the next update then finds that it was changed.
func (u *updating) note(a *applier, r *reader, c *change) (err error) {
	if c.path != "" && u.isData(c.want) {
		return nil
	}
	if c.old == nil {
		c.digest, err = u.nextMeta(a, r, c)
	}
	u.makes[c.path] = asInstalled{Content: c.want.content, Meta: cmp.Or(c.digest, u.before[c.path].Meta)}
	return err
}

// nextMeta is the digest of what next returns.
func (u *updating) nextMeta(a *applier, r *reader, c *change) (string, error) {
	n, err := u.next(a, c.old, c.want)
	if err != nil {
		return "", err
	}
	return r.meta(&n)
}

// next is a node with type, ACL and properties of the new version.
func (u *updating) next(a *applier, old *cellfs.Node, w *wanted) (n cellfs.Node, err error) {
	if old != nil {
		n = *old
	}
	n.ContentType, n.Props = w.contentType, props(w.Props)
	n.ACL, err = a.acl(w.ACL)
	return n, err
}

// schemaName is the file of an OData collection that holds its schema.
const schemaName = "$metadata"

// fit says what the data must be like for the schema in another content.
func (u *updating) fit(tx cellfs.Tx, old, next int64) (*edm.Needs, error) {
	var both [2]*edm.Schema
	for i, blob := range []int64{old, next} {
		c, err := u.o.fs.OpenTx(context.Background(), tx, blob)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(c)
		c.Close()
		if err == nil {
			both[i], err = edm.ParseSchema(text)
		}
		if err != nil {
			return nil, err
		}
	}
	needs := both[0].Fit(both[1])
	return &needs, nil
}

// planRemovals finds what the version before made and the new one lacks. A collection goes once it is empty.
func (u *updating) planRemovals(r *reader, nodes map[string]*cellfs.Node, news map[string]bool) error {
	var old []string
	for p := range u.before {
		if !news[p] && p != "" {
			old = append(old, p)
		}
	}
	slices.Sort(old)
	goes := map[string]bool{}
	for _, p := range slices.Backward(old) { // what is in a collection comes before it
		n, err := u.there(r.tx, nodes, p)
		if err != nil {
			return err
		}
		if n == nil {
			continue
		}
		now, err := r.asNow(n)
		if err != nil {
			return err
		}
		if now != u.before[p] {
			continue // somebody made it his own
		}
		if n.IsCollection() {
			empty, err := u.isEmpty(r.tx, n, p, goes)
			if err != nil {
				return err
			}
			if !empty {
				continue
			}
		}
		goes[p] = true
		u.changes = append(u.changes, change{path: p, old: n})
	}
	return nil
}

// isEmpty reports whether nothing is left of a collection, or of user data only its sets and schema.
func (u *updating) isEmpty(tx cellfs.Tx, n *cellfs.Node, p string, goes map[string]bool) (bool, error) {
	empty := true
	err := cellfs.EachChild(tx, n.ID, func(m *cellfs.Node) error {
		if n.Kind != cellfs.KindOData {
			empty = empty && goes[join(p, m.Name)]
			return nil
		}
		if m.IsCollection() {
			some, err := hasMembers(tx, m.ID)
			empty = empty && !some
			return err
		}
		return nil
	})
	return empty, err
}

func hasMembers(tx cellfs.Tx, collection int64) (bool, error) {
	some, _, err := tx.Children(collection, cellfs.Page{Limit: 1, Props: cellfs.PropNames{}})
	return len(some) > 0, err
}
