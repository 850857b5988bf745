package multistatus

import (
	"encoding/xml"
	"net/http"
	"strconv"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
)

// liveProps are the live properties in the order of allprop.
var liveProps = []struct {
	name xml.Name
	// append writes the element and reports whether the node has it.
	append func(l *listing, p cellfs.Path, n *cellfs.Node) (bool, error)
	asked  bool // only when asked for by name
	alone  bool // also in allprop for a collection alone: npm's webdav asks for its quota so
}{
	{name: DAV("creationdate"), append: (*listing).creationDate},
	{name: DAV("getlastmodified"), append: (*listing).lastModified},
	{name: DAV("getcontentlength"), append: (*listing).contentLength},
	{name: DAV("getcontenttype"), append: (*listing).contentType},
	{name: DAV("getetag"), append: (*listing).etag},
	{name: DAV("displayname"), append: (*listing).displayName},
	{name: DAV("resourcetype"), append: (*listing).resourceType},
	{name: DAV("supportedlock"), append: (*listing).supportedLock},
	{name: DAV("lockdiscovery"), append: (*listing).lockDiscovery},
	{name: aclProp, append: (*listing).acl},
	{name: Personium("status"), append: (*listing).boxStatus},
	{name: Personium("progress"), append: (*listing).boxProgress},
	{name: Personium("cellstatus"), append: (*listing).cellStatus},
	{name: DAV("quota-used-bytes"), append: (*listing).quotaUsed, asked: true, alone: true},
	{name: DAV("quota-available-bytes"), append: (*listing).quotaAvailable, asked: true, alone: true},
	{name: DAV("current-user-privilege-set"), append: (*listing).privilegeSet, asked: true},
	{name: DAV("current-user-principal"), append: (*listing).principal, asked: true},
}

var aclProp = DAV("acl")

func (l *listing) creationDate(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind == cellfs.KindUnit {
		return false, nil
	}
	// Below __ names as Personium writes it, elsewhere as RFC 3339 (RFC 4918, 15.1).
	format := "2006-01-02T15:04:05.000Z"
	if n.Kind >= cellfs.KindUnit {
		format = "2006-01-02T15:04:05.000+0000"
	}
	l.add(`<D:creationdate>`)
	l.buf = n.Created.UTC().AppendFormat(l.buf, format)
	l.add(`</D:creationdate>`)
	return true, nil
}

func (l *listing) lastModified(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind == cellfs.KindUnit {
		return false, nil
	}
	l.add(`<D:getlastmodified>`)
	l.buf = n.LastModified().UTC().AppendFormat(l.buf, http.TimeFormat)
	l.add(`</D:getlastmodified>`)
	return true, nil
}

func (l *listing) contentLength(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.IsCollection() {
		return false, nil
	}
	size := n.Size
	if n.Kind == cellfs.KindLog && n.ContentType != "" { // without: __export
		err := l.view(func(tx cellfs.Tx) (err error) {
			size, err = l.o.FS.LogLen(tx, n, l.o.Target.LogURLs())
			return err
		})
		if err != nil {
			return false, err
		}
	}
	l.add(`<D:getcontentlength>`)
	l.buf = strconv.AppendInt(l.buf, size, 10)
	l.add(`</D:getcontentlength>`)
	return true, nil
}

func (l *listing) contentType(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.IsCollection() || n.ContentType == "" {
		return false, nil
	}
	l.add(`<D:getcontenttype>`)
	l.buf = xmltree.AppendText(l.buf, n.ContentType)
	l.add(`</D:getcontenttype>`)
	return true, nil
}

func (l *listing) etag(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind != cellfs.KindFile && n.Kind != cellfs.KindSnapshot {
		return false, nil
	}
	l.add(`<D:getetag>"`)
	l.buf = strconv.AppendInt(l.buf, n.Version, 10)
	l.buf = append(l.buf, '-')
	l.buf = strconv.AppendInt(l.buf, n.Modified.UnixMilli(), 10)
	l.add(`"</D:getetag>`)
	return true, nil
}

func (l *listing) displayName(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind == cellfs.KindUnit {
		return false, nil
	}
	l.add(`<D:displayname>`)
	l.buf = xmltree.AppendText(l.buf, n.Name)
	l.add(`</D:displayname>`)
	return true, nil
}

func (l *listing) resourceType(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	switch {
	case n.Kind == cellfs.KindOData:
		l.add(`<D:resourcetype><D:collection/><p:odata/></D:resourcetype>`)
	case n.Kind == cellfs.KindService:
		l.add(`<D:resourcetype><D:collection/><p:service/></D:resourcetype>`)
	case n.IsCollection():
		l.add(`<D:resourcetype><D:collection/></D:resourcetype>`)
	default:
		l.add(`<D:resourcetype/>`)
	}
	return true, nil
}

func lockable(n *cellfs.Node) bool { return n.Kind >= cellfs.KindBox && n.Kind <= cellfs.KindFile }

func (l *listing) supportedLock(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if !lockable(n) {
		return false, nil
	}
	l.add(`<D:supportedlock><D:lockentry><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>` +
		`<D:lockentry><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry></D:supportedlock>`)
	return true, nil
}

func (l *listing) lockDiscovery(p cellfs.Path, n *cellfs.Node) (bool, error) {
	if !lockable(n) {
		return false, nil
	}
	// The resource of the request shows all locks that protect it, a member those whose root it
	// is: a lock from above is shown once, there.
	locks := l.above
	if p.Len() > l.o.Target.Path.Len() {
		if locks = nil; l.below != nil {
			locks = l.below[p.Key()]
		}
	}
	if len(locks) == 0 {
		l.add(`<D:lockdiscovery/>`)
		return true, nil
	}
	l.add(`<D:lockdiscovery>`)
	for i := range locks {
		if k := &locks[i]; k.Protects(p) {
			l.buf = AppendLock(l.buf, k, l.o.Target, k.Principal == l.o.Judge.Principal(), l.at.canWrite(), l.o.FS.Now())
		}
	}
	l.add(`</D:lockdiscovery>`)
	return true, nil
}

func (l *listing) boxStatus(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind != cellfs.KindBox {
		return false, nil
	}
	status, _ := l.o.Judge.BoxStatus(n)
	l.add(`<p:status>` + status + `</p:status>`)
	return true, nil
}

func (l *listing) boxProgress(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind != cellfs.KindBox {
		return false, nil
	}
	_, percent := l.o.Judge.BoxStatus(n)
	l.add(`<p:progress>`)
	l.buf = strconv.AppendInt(l.buf, percent, 10)
	l.add(`%</p:progress>`)
	return true, nil
}

func (l *listing) cellStatus(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind != cellfs.KindCell {
		return false, nil
	}
	l.add(`<p:cellstatus>normal</p:cellstatus>`)
	return true, nil
}

// quota reads the cell of a node. All of a cell's collections share its quota, so
// that they all tell the same of it (RFC 4331, 4).
func (l *listing) quota(n *cellfs.Node) (c cellfs.Cell, err error) {
	err = l.view(func(tx cellfs.Tx) error {
		c, err = tx.CellByID(n.Cell)
		return err
	})
	return c, err
}

func (l *listing) quotaUsed(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind > cellfs.KindService {
		return false, nil
	}
	c, err := l.quota(n)
	l.add(`<D:quota-used-bytes>`)
	l.buf = strconv.AppendInt(l.buf, c.Taken(), 10)
	l.add(`</D:quota-used-bytes>`)
	return true, err
}

// quotaAvailable is what the quota leaves, and no more than the disk has. The space of the disk is
// shown only to a caller who may write there.
func (l *listing) quotaAvailable(_ cellfs.Path, n *cellfs.Node) (bool, error) {
	if n.Kind > cellfs.KindService {
		return false, nil
	}
	c, err := l.quota(n)
	if err != nil {
		return false, err
	}
	var room int64
	known := false
	if l.at.canWrite() {
		if room, known, err = l.o.FS.Free(); err != nil {
			return false, err
		}
	}
	if left, limited := c.Room(); limited && (!known || left < room) {
		room, known = left, true
	}
	if !known {
		return false, nil
	}
	l.add(`<D:quota-available-bytes>`)
	l.buf = strconv.AppendInt(l.buf, room, 10)
	l.add(`</D:quota-available-bytes>`)
	return true, nil
}
