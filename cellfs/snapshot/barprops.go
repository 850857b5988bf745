package snapshot

import (
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"net/url"
	"strings"

	"cellar/cellfs"
	"cellar/cellfs/access"
)

func (b *barBuilder) escape(s string) { _ = xml.EscapeText(&b.text, []byte(s)) } // a buffer takes everything

// encoded is a name as 90_rootprops.xml has it. A colon, which may stand in a path as it is,
// may not in the name of a bar's resource.
func encoded(name string) string { return strings.ReplaceAll(url.PathEscape(name), ":", "%3A") }

// entryName is a name as an entry of a bar has it: percent-encoded if zip tools would take it
// for more than one name. What reads as such a name is encoded too, so that the two differ.
func entryName(name string) string {
	plain, err := url.PathUnescape(name)
	if strings.Contains(name, `\`) || err == nil && strings.Contains(plain, `\`) {
		return encoded(name)
	}
	return name
}

// kindTags is what resourcetype holds.
var kindTags = map[cellfs.Kind]string{
	cellfs.KindBox: "<collection/>", cellfs.KindCollection: "<collection/>", cellfs.KindOData: "<collection/><p:odata/>",
	cellfs.KindService: "<collection/><p:service/>", cellfs.KindFile: "",
}

// respond writes a resource as PROPFIND would.
func (b *barBuilder) respond(path string, n *cellfs.Node) error {
	w := &b.text
	w.WriteString("<response><href>personium-localbox:/")
	for i, s := range strings.Split(path, "/") {
		if i > 0 {
			w.WriteByte('/')
		}
		b.escape(encoded(s))
	}
	fmt.Fprintf(w, "</href><propstat><prop><creationdate>%s</creationdate><getlastmodified>%s</getlastmodified><resourcetype>%s</resourcetype>",
		n.Created.UTC().Format("2006-01-02T15:04:05.000Z"), n.LastModified().UTC().Format(timeFormat1123), kindTags[n.Kind])
	if n.Kind == cellfs.KindFile {
		fmt.Fprintf(w, "<getcontentlength>%d</getcontentlength><getcontenttype>", n.Size)
		b.escape(cellfs.ContentType(n.ContentType)) // older ones were stored as they came
		w.WriteString("</getcontenttype>")
	}
	b.acl(n.ACL)
	for _, p := range n.Props {
		w.WriteString(p.XML)
	}
	w.WriteString("</prop><status>HTTP/1.1 200 OK</status></propstat></response>\n")
	return b.flushText()
}

// flushText moves the text to the spool.
func (b *barBuilder) flushText() error {
	b.propsCRC = crc32.Update(b.propsCRC, crc32.IEEETable, b.text.Bytes())
	_, err := b.props.Write(b.text.Bytes())
	b.text.Reset()
	return err
}

func (b *barBuilder) acl(a *cellfs.ACL) {
	w := &b.text
	if a == nil {
		w.WriteString("<acl/>")
		return
	}
	base := b.o.CellURL + "__role/" + b.box.Name + "/"
	if b.box.Schema != "" {
		base = b.box.Schema + "__role/__/"
	}
	w.Write(plainACL.AppendACL(nil, base, a.RequireSchemaAuthz))
	for _, e := range a.ACEs {
		href := ""
		if e.Role != 0 {
			role, ok := b.roles[e.Role]
			if !ok {
				continue // it was deleted
			}
			href = access.Role(role).Href(b.box.Name)
		}
		w.Write(plainACL.AppendACE(nil, e, href, ""))
	}
	w.WriteString("</acl>")
}

// plainACL is an ACL where DAV: is the default namespace.
var plainACL = access.Style{Open: "<", Close: "</", Personium: "<p:"}
