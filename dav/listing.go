package dav

import (
	"encoding/xml"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav/answer"
	"cellar/dav/target"
)

// listing collects the responses of one PROPFIND.
type listing struct {
	q       *request
	asked   propRequest
	alone   bool // of a resource without its members
	tx      cellfs.Tx
	props   cellfs.PropNames // dead properties that are read
	buf     []byte           // the end of the answer so far
	spool   spool            // what is before it, if all is to be there before it is sent
	send    multistatus      // what is before it was sent, if not
	left    int              // responses that may still follow
	limited bool             // left counts
	rest    []xml.Name
	roles   access.Names             // of the roles that ACLs name
	above   []cellfs.Lock            // that may protect the resource asked for
	below   map[string][]cellfs.Lock // those of what lies below it, by its key
	at      permissions              // of the resource that is written now
	hidden  []xml.Name               // properties of it that the caller may not see
}

// read makes the answer, from the cache where it can be there.
func (l *listing) read(d depth) error {
	special := l.q.target.Kind == target.Export || l.q.target.Kind == target.Import
	if d != infinity && !special {
		if err := l.flat(d == 1); !errors.Is(err, cellfs.ErrManyMembers) {
			return err
		}
	}
	l.begin(0)
	return l.q.h.fs.View(l.q.Context(), func(tx cellfs.Tx) error { return l.run(tx, d) })
}

// wanted are the dead properties that the answer needs.
func (p *propRequest) wanted() cellfs.PropNames {
	if p.all || p.namesOnly {
		return nil
	}
	names := cellfs.PropNames{}
	for _, n := range p.names {
		if !isProtected(n) {
			names[n] = true
		}
	}
	return names
}

func (l *listing) run(tx cellfs.Tx, d depth) error {
	l.tx = tx
	l.props = l.asked.wanted()
	p := l.q.target.Path
	if k := l.q.target.Kind; k == target.Export || k == target.Import {
		n, err := l.q.h.fs.Lookup(tx, p.Parent())
		if err != nil {
			return err
		}
		n.Kind, n.Name, n.ACL = cellfs.KindLog, p.Name(), nil
		return l.tree(p, &n, 0, permissions{})
	}
	at, err := l.q.h.fs.FindTx(tx, p)
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
	if d == infinity && n.Kind == cellfs.KindVirtual && n.Name == cellfs.SnapshotArea {
		l.limited = false // flat, always served
	}
	return l.tree(p, &n, d, s)
}

// permissions judges the caller at what is listed: the privilege is asked once more
// at the point in time of the listing.
func (l *listing) permissions(at *cellfs.Place) (permissions, error) {
	l.q.noteRead(at.Node)
	s := l.q.permissionsAt(at.Levels(), at.Schema)
	if !s.canSee(l.q, at.Node) {
		return s, l.q.denied()
	}
	return s, nil
}

// begin makes room for so many responses and writes the head of the answer.
func (l *listing) begin(responses int) {
	const each = 800 // bytes of a response to allprop
	l.buf = make([]byte, 0, min(512+(responses+1)*each, sendAbove+4*each))
	l.buf = append(l.buf, answer.XMLHeader+`<D:multistatus xmlns:D="DAV:" xmlns:p="`+personiumSpace+`">`...)
}

// flat lists a resource and, if asked, its members.
func (l *listing) flat(members bool) error {
	p := l.q.target.Path
	list, err := l.q.h.fs.List(l.q.Context(), p, members)
	if err != nil {
		return err
	}
	now := l.q.h.fs.Now()
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
	return l.q.h.fs.View(l.q.Context(), fn)
}

// loadLocks reads the locks once for the whole listing.
func (l *listing) loadLocks(p cellfs.Path, d depth) error {
	now := l.q.h.fs.Now()
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
			return errLongAnswer
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

// member lists what is in a collection where the caller stands so, unless the caller may
// not see it.
func (l *listing) member(p cellfs.Path, n *cellfs.Node, d depth, above permissions) error {
	s := above.ofMember(l.q, p, n)
	if !s.canSee(l.q, n) {
		return nil
	}
	return l.tree(p, n, d, s)
}

func (l *listing) tree(p cellfs.Path, n *cellfs.Node, d depth, s permissions) error {
	if l.left--; l.limited && l.left < 0 {
		return errInfinite
	}
	l.at = s
	if d != 0 && n.Kind == cellfs.KindBox && p.Len() > l.q.target.Path.Len() {
		// Without members it would look empty.
		var installing *cellfs.InstallingError
		if errors.As(l.q.h.fs.Guarded(n), &installing) {
			l.refused(p, errInstalling(installing))
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
	below := infinity
	if d == 1 {
		below = 0
	}
	return l.q.h.fs.Members(l.tx, *n, l.props, func(m *cellfs.Node) error {
		return l.member(p.Join(m.Name), m, below, s)
	})
}

// refused tells of a collection that cannot be listed now (RFC 4918, 14.24).
func (l *listing) refused(p cellfs.Path, e *answer.Error) {
	l.buf = append(l.buf, `<D:response><D:href>`...)
	l.buf = l.q.target.AppendHref(l.buf, p, true)
	status := e.Code.Status()
	l.buf = append(l.buf, `</D:href><D:status>HTTP/1.1 `+strconv.Itoa(status)+" "+http.StatusText(status)+`</D:status><D:responsedescription>`+
		e.Error()+`</D:responsedescription></D:response>`...)
}

// spill moves the answer so far out of memory if it became long. What was read before it
// began is sent as it is made; the little that can fail all the same, such as to look for
// a role, cuts the connection. What is read from the store is sent when it is complete: a
// client must not take a part of a listing for all of it.
func (l *listing) spill() error {
	switch {
	case l.tx == nil && len(l.buf) >= sendAbove && l.q.ProtoAtLeast(1, 1):
		if err := l.send.write(l.q, l.buf); err != nil {
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
	l.buf = append(l.buf, `<D:response><D:href>`...)
	l.buf = l.q.target.AppendHref(l.buf, p, n.IsCollection())
	l.buf = append(l.buf, `</D:href><D:propstat><D:prop>`...)
	l.rest, l.hidden = l.rest[:0], l.hidden[:0]
	var err error
	switch {
	case l.asked.namesOnly:
		l.propNames(n)
	case l.asked.all:
		if err = l.allProps(p, n); err == nil {
			err = l.named(p, n, l.asked.names, true)
		}
	default:
		err = l.named(p, n, l.asked.names, false)
	}
	if err != nil {
		return err
	}
	l.buf = append(l.buf, `</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>`...)
	if len(l.rest) > 0 && !l.send.minimal {
		l.buf = append(l.buf, `<D:propstat><D:prop>`...)
		for _, name := range l.rest {
			l.buf = appendEmpty(l.buf, name)
		}
		l.buf = append(l.buf, `</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>`...)
	}
	if len(l.hidden) > 0 {
		l.buf = append(l.buf, `<D:propstat><D:prop>`...)
		for _, name := range l.hidden {
			l.buf = appendEmpty(l.buf, name)
		}
		l.buf = append(l.buf, `</D:prop><D:status>HTTP/1.1 403 Forbidden</D:status></D:propstat>`...)
	}
	l.buf = append(l.buf, `</D:response>`...)
	return nil
}

func hasProp(n *cellfs.Node, name xml.Name) bool {
	return slices.ContainsFunc(n.Props, func(p cellfs.Property) bool { return p.Space == name.Space && p.Local == name.Local })
}

// inAllprop tells whether allprop shows the live property of that index.
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
		// What is costly to find out is told only when asked for, what is set too only once.
		if x.asked && !(x.alone && l.alone) || hasProp(n, x.name) {
			continue
		}
		// Whether a node has the property is known by writing it.
		has, err := x.append(l, cellfs.Path{}, n)
		l.buf = l.buf[:mark]
		if has && err == nil {
			l.buf = appendEmpty(l.buf, x.name)
			mark = len(l.buf)
		}
	}
	for _, d := range n.Props {
		l.buf = appendEmpty(l.buf, xml.Name{Space: d.Space, Local: d.Local})
	}
}

func appendEmpty(b []byte, name xml.Name) []byte {
	switch name.Space {
	case davSpace:
		b = append(b, `<D:`+name.Local+`/>`...)
	case personiumSpace:
		b = append(b, `<p:`+name.Local+`/>`...)
	default:
		b = append(b, cellfs.Element(name, "", "")...)
	}
	return b
}
