// Package multistatus answers PROPFIND (RFC 4918, 9.1): it reads what is asked for, lists the tree
// with the properties that the caller may see, and writes the 207. Of the request it knows the
// interface [Judge].
package multistatus

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav/answer"
	"cellar/dav/target"
)

// Options are what a PROPFIND asks for, and what it is answered from. All fields but Minimal and
// TempDir are required.
type Options struct {
	FS      *cellfs.FS
	Judge   Judge
	Target  *target.Target
	Asked   Asked
	Depth   Depth
	Limit   int  // resources of a listing of infinite depth
	Minimal bool // what is missing is left out (RFC 8144, 2.1)
	Form    Form
	Request *http.Request
	Writer  http.ResponseWriter
	TempDir string                  // where a long answer grows; "": that of the system
	Take    func(bytes int64) error // is asked before it grows there
}

// ErrLong: the answer would be larger than one may be.
var ErrLong = answer.New(answer.AnswerTooLarge)

// Answer answers the request. What is read from the store is of one point in time, and complete
// before the first byte goes out, because a listing that breaks off must not look complete. read
// reports whether the tree was read: an error is then one of sending the answer.
func Answer(ctx context.Context, o Options) (read bool, err error) {
	l := &listing{
		ctx: ctx, o: &o, alone: o.Depth == 0, left: o.Limit, limited: o.Depth == Infinity,
		spool: spool{dir: o.TempDir, take: o.Take},
	}
	l.send.o = &o
	defer l.spool.Close()
	if err := l.read(o.Depth); err != nil {
		return false, err
	}
	return true, l.end()
}

// listing collects the responses of one PROPFIND.
type listing struct {
	ctx     context.Context
	o       *Options
	alone   bool // of a resource without its members
	tx      cellfs.Tx
	props   cellfs.PropNames // dead properties that are read
	buf     []byte           // the end of the answer so far
	spool   spool            // what is before it, if all is to be there before it is sent
	send    encoder          // what is before it was sent, if not
	left    int              // responses that may still follow
	limited bool             // left counts
	rest    []xml.Name
	roles   access.Names             // of the roles that ACLs name
	above   []cellfs.Lock            // that may protect the resource asked for
	below   map[string][]cellfs.Lock // those of what lies below it, by its key
	at      Permissions              // of the resource that is written now
	hidden  []xml.Name               // properties of it that the caller may not see
}

// read makes the answer, from the cache where it can be there.
func (l *listing) read(d Depth) error {
	special := l.o.Target.Kind == target.Export || l.o.Target.Kind == target.Import
	if d != Infinity && !special {
		if err := l.flat(d == 1); !errors.Is(err, cellfs.ErrManyMembers) {
			return err
		}
	}
	l.begin(0)
	return l.o.FS.View(l.ctx, func(tx cellfs.Tx) error { return l.run(tx, d) })
}

func (l *listing) run(tx cellfs.Tx, d Depth) error {
	l.tx = tx
	l.props = l.o.Asked.wanted()
	p := l.o.Target.Path
	if k := l.o.Target.Kind; k == target.Export || k == target.Import {
		n, err := l.o.FS.Lookup(tx, p.Parent())
		if err != nil {
			return err
		}
		n.Kind, n.Name, n.ACL = cellfs.KindLog, p.Name(), nil
		return l.tree(p, &n, 0, Permissions{})
	}
	at, err := l.o.FS.FindTx(tx, p)
	if err != nil {
		return err
	}
	n := *at.Node
	s, err := l.permissions(&at)
	if err != nil {
		return err
	}
	if err := l.loadLocks(p, d); err != nil {
		return err
	}
	if d == Infinity && n.Kind == cellfs.KindVirtual && n.Name == cellfs.SnapshotArea {
		l.limited = false // flat, always served
	}
	return l.tree(p, &n, d, s)
}

// permissions judges the caller at what is listed: the privilege is asked once more
// at the point in time of the listing.
func (l *listing) permissions(at *cellfs.Place) (Permissions, error) {
	l.o.Judge.NoteRead(at.Node)
	s := PermissionsAt(l.o.Judge, at.Levels(), at.Schema)
	if !s.CanSee(l.o.Judge, at.Node) {
		return s, l.o.Judge.Denied()
	}
	return s, nil
}

// begin makes room for so many responses and writes the head of the answer.
func (l *listing) begin(responses int) {
	const each = 800 // bytes of a response to allprop
	l.buf = make([]byte, 0, min(512+(responses+1)*each, sendAbove+4*each))
	l.buf = l.o.Form.AppendHead(l.buf)
}

// add adds XML of our own to the answer.
func (l *listing) add(own string) { l.buf = l.o.Form.Append(l.buf, own) }

// flat lists a resource and, if asked, its members.
func (l *listing) flat(members bool) error {
	p := l.o.Target.Path
	list, err := l.o.FS.List(l.ctx, p, members)
	if err != nil {
		return err
	}
	now := l.o.FS.Now()
	for i := range list.Locks {
		if k := &list.Locks[i]; k.Expires.After(now) {
			l.addLock(p, *k)
		}
	}
	l.begin(len(list.Members))
	s, err := l.permissions(&list.Place)
	if err != nil {
		return err
	}
	if err := l.tree(p, list.Node, 0, s); err != nil {
		return err
	}
	for i := range list.Members {
		m := &list.Members[i]
		if err := l.member(p.Join(m.Name), m, 0, s); err != nil {
			return err
		}
	}
	return nil
}

// view runs fn in the transaction of the listing, or in one of its own where
// the listing was read before.
func (l *listing) view(fn func(cellfs.Tx) error) error {
	if l.tx != nil {
		return fn(l.tx)
	}
	return l.o.FS.View(l.ctx, fn)
}

// loadLocks reads the locks once for the whole listing.
func (l *listing) loadLocks(p cellfs.Path, d Depth) error {
	now := l.o.FS.Now()
	var err error
	if l.above, err = l.tx.LocksAbove(p, cellfs.WholeLocks, now); err != nil || d == 0 {
		return err
	}
	below := 0
	return l.tx.LocksBelow(p, cellfs.WholeLocks, now, func(k cellfs.Lock) error {
		if d == 1 && k.Root.Len() > p.Len()+1 {
			return nil
		}
		if below++; below > maxListedLocks {
			return ErrLong
		}
		l.addLock(p, k)
		return nil
	})
}

// addLock takes a lock into the listing of p.
func (l *listing) addLock(p cellfs.Path, k cellfs.Lock) {
	if k.Root.Len() <= p.Len() {
		l.above = append(l.above, k)
		return
	}
	if l.below == nil {
		l.below = map[string][]cellfs.Lock{}
	}
	key := k.Root.Key()
	l.below[key] = append(l.below[key], k)
}

// member lists what is in a collection where the caller has these permissions, unless the caller may
// not see it.
func (l *listing) member(p cellfs.Path, n *cellfs.Node, d Depth, above Permissions) error {
	s := above.OfMember(l.o.Judge, p, n)
	if !s.CanSee(l.o.Judge, n) {
		return nil
	}
	return l.tree(p, n, d, s)
}

func (l *listing) tree(p cellfs.Path, n *cellfs.Node, d Depth, s Permissions) error {
	if l.left--; l.limited && l.left < 0 {
		return answer.New(answer.InfiniteDepth).As("propfind-finite-depth", "")
	}
	l.at = s
	if d != 0 && n.Kind == cellfs.KindBox && p.Len() > l.o.Target.Path.Len() {
		// Without members it would look empty.
		var installing *cellfs.InstallingError
		if errors.As(l.o.FS.Guarded(n), &installing) {
			l.refused(p, answer.New(answer.Installing, installing.Box))
			return l.spill()
		}
	}
	if err := l.response(p, n); err != nil {
		return err
	}
	if err := l.spill(); err != nil {
		return err
	}
	if d == 0 || !n.IsCollection() {
		return nil
	}
	below := Infinity
	if d == 1 {
		below = 0
	}
	return l.o.FS.Members(l.tx, *n, l.props, func(m *cellfs.Node) error {
		return l.member(p.Join(m.Name), m, below, s)
	})
}

// refused writes the response of a collection that cannot be listed now (RFC 4918, 14.24).
func (l *listing) refused(p cellfs.Path, e *answer.Error) {
	l.add(`<D:response><D:href>`)
	l.buf = l.o.Form.AppendHref(l.buf, l.o.Target, p, true)
	status := e.Code.Status()
	l.add(`</D:href><D:status>HTTP/1.1 ` + strconv.Itoa(status) + " " + http.StatusText(status) + `</D:status><D:responsedescription>`)
	l.buf = xmltree.AppendText(l.buf, e.Error())
	l.add(`</D:responsedescription></D:response>`)
}

// spill moves the answer so far out of memory if it became long. A listing from the cache is sent as it
// is made; an error after that, such as a role that cannot be read, cuts the connection. A listing
// from the store goes into a file and is sent when it is complete: a client must not take a part of a
// listing for all of it.
func (l *listing) spill() error {
	switch {
	case l.tx == nil && len(l.buf) >= sendAbove && l.o.Request.ProtoAtLeast(1, 1):
		if err := l.send.write(l.buf); err != nil {
			return err
		}
	case len(l.buf) < spillAbove:
		return nil
	default:
		if err := l.spool.add(l.buf); err != nil {
			return err
		}
	}
	l.buf = l.buf[:0]
	return nil
}

func (l *listing) response(p cellfs.Path, n *cellfs.Node) error {
	l.add(`<D:response><D:href>`)
	l.buf = l.o.Form.AppendHref(l.buf, l.o.Target, p, n.IsCollection())
	l.add(`</D:href><D:propstat><D:prop>`)
	l.rest, l.hidden = l.rest[:0], l.hidden[:0]
	var err error
	switch {
	case l.o.Asked.namesOnly:
		l.propNames(n)
	case l.o.Asked.all:
		if err = l.allProps(p, n); err == nil {
			err = l.named(p, n, l.o.Asked.names, true)
		}
	default:
		err = l.named(p, n, l.o.Asked.names, false)
	}
	if err != nil {
		return err
	}
	l.add(`</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>`)
	if len(l.rest) > 0 && !l.o.Minimal {
		l.add(`<D:propstat><D:prop>`)
		for _, name := range l.rest {
			l.buf = l.o.Form.AppendEmpty(l.buf, name)
		}
		l.add(`</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>`)
	}
	if len(l.hidden) > 0 {
		l.add(`<D:propstat><D:prop>`)
		for _, name := range l.hidden {
			l.buf = l.o.Form.AppendEmpty(l.buf, name)
		}
		l.add(`</D:prop><D:status>HTTP/1.1 403 Forbidden</D:status></D:propstat>`)
	}
	l.add(`</D:response>`)
	return nil
}

func hasProp(n *cellfs.Node, name xml.Name) bool {
	return slices.ContainsFunc(n.Props, func(p cellfs.Property) bool { return p.Space == name.Space && p.Local == name.Local })
}

// inAllprop reports whether allprop shows the live property of that index.
func (l *listing) inAllprop(i int, p cellfs.Path, n *cellfs.Node) bool {
	x := &liveProps[i]
	if x.asked {
		return x.alone && l.alone && n.IsCollection()
	}
	return x.name != aclProp || l.showsACL(p, n)
}

func (l *listing) allProps(p cellfs.Path, n *cellfs.Node) error {
	for i := range liveProps {
		x := &liveProps[i]
		// A displayname that was set is a dead property and replaces the name.
		if !l.inAllprop(i, p, n) || len(n.Props) > 0 && hasProp(n, x.name) {
			continue
		}
		if _, err := x.append(l, p, n); err != nil {
			return err
		}
	}
	for _, d := range n.Props {
		l.buf = append(l.buf, d.XML...)
	}
	return nil
}

// named writes the properties asked for. What is missing goes to rest; with
// extra, what allprop shows already is left out.
func (l *listing) named(p cellfs.Path, n *cellfs.Node, names []xml.Name, extra bool) error {
	for _, name := range names {
		if i := slices.IndexFunc(n.Props, func(d cellfs.Property) bool { return d.Space == name.Space && d.Local == name.Local }); i >= 0 {
			if !extra {
				l.buf = append(l.buf, n.Props[i].XML...)
			}
			continue
		}
		has := false
		for i := range liveProps {
			x := &liveProps[i]
			if x.name != name {
				continue
			}
			if extra && l.inAllprop(i, p, n) {
				has = true
				break
			}
			var err error
			if has, err = x.append(l, p, n); err != nil {
				return err
			}
		}
		switch {
		case has:
		case name == aclProp && n.Kind < cellfs.KindUnit: // RFC 3744, 5.5
			l.hidden = append(l.hidden, name)
		default:
			l.rest = append(l.rest, name)
		}
	}
	return nil
}

func (l *listing) propNames(n *cellfs.Node) {
	mark := len(l.buf)
	for i := range liveProps {
		x := &liveProps[i]
		// Properties that are costly to find are shown only if a request names them; a property that
		// is also set is shown once.
		if x.asked && !(x.alone && l.alone) || hasProp(n, x.name) {
			continue
		}
		// Whether a node has the property is known by writing it.
		has, err := x.append(l, cellfs.Path{}, n)
		l.buf = l.buf[:mark]
		if has && err == nil {
			l.buf = l.o.Form.AppendEmpty(l.buf, x.name)
			mark = len(l.buf)
		}
	}
	for _, d := range n.Props {
		l.buf = l.o.Form.AppendEmpty(l.buf, xml.Name{Space: d.Space, Local: d.Local})
	}
}
