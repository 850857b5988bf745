package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"hash/crc32"
	"io"
	"strconv"
	"time"

	"cellar/cellfs"
)

// pageSize is how many nodes are read at a time.
const pageSize = 1000

// eachRef is [cellfs.EachChild] with what the contents are.
func eachRef(ctx context.Context, tx cellfs.Tx, parent int64, yield func(*cellfs.NodeRef) error) error {
	p := cellfs.Page{Limit: pageSize}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		refs, more, err := tx.ChildRefs(parent, p)
		if err != nil {
			return err
		}
		for i := range refs {
			if err := yield(&refs[i]); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		p.After = cellfs.Key(refs[len(refs)-1].Name)
	}
}

// walk visits what lies below a node, parents before their members, each level
// in the order of its keys.
func (b *builder) walk(parent int64, prefix string) error {
	return eachRef(b.ctx, b.tx, parent, func(n *cellfs.NodeRef) error { return b.visit(n, prefix) })
}

func (b *builder) visit(n *cellfs.NodeRef, prefix string) error {
	path := prefix + n.Name
	var members []member
	if n.Kind == cellfs.KindOData {
		var err error
		if members, err = b.members(n.ID); err != nil {
			return err
		}
	}
	if err := b.writeNode(path, n, members); err != nil {
		return err
	}
	switch n.Kind {
	case cellfs.KindFile:
		if err := present(b.ctx, b.fs, b.tx, n, path); err != nil {
			return err
		}
		b.files++
		b.bytes += n.Node.Size
		return b.contents.content(entry{
			name: "30_contents/" + path, size: n.Node.Size, crc: n.CRC32, modified: n.LastModified(),
		}, n.Blob)
	case cellfs.KindOData:
		return b.writeOData(n, path)
	}
	if err := b.contents.header(&entry{name: "30_contents/" + path + "/", modified: n.Altered()}); err != nil {
		return err
	}
	return b.walk(n.ID, path+"/")
}

// member is the schema of an OData collection, or the set of entities of one type. Their
// entries in the zip have no room for all properties of a node.
type member struct {
	Name     string `json:"name"`
	Created  int64  `json:"created"`
	Modified int64  `json:"modified"`
	Version  int64  `json:"version"`
}

func (b *builder) members(col int64) (all []member, err error) {
	err = cellfs.EachChild(b.tx, col, func(n *cellfs.Node) error {
		all = append(all, member{n.Name, n.Created.UnixMicro(), n.Modified.UnixMicro(), n.Version})
		return nil
	})
	return all, err
}

func (b *builder) step() {
	b.done++
	if b.opts.Progress != nil {
		b.opts.Progress(b.done, b.total)
	}
}

// writeNode adds the line of a node to 20_nodes.ndjson. The keys are written by
// hand: this is the hot loop of an export.
func (b *builder) writeNode(path string, n *cellfs.NodeRef, members []member) error {
	b.step()
	l := append(b.line[:0], `{"path":`...)
	l = appendString(l, path)
	l = append(l, `,"kind":"`...)
	l = append(l, n.Kind.String()...)
	l = append(l, '"')
	if n.Kind == cellfs.KindFile {
		l = append(l, `,"type":`...)
		l = appendString(l, n.ContentType)
		l = append(l, `,"size":`...)
		l = strconv.AppendInt(l, n.Node.Size, 10)
		if n.Blob != 0 {
			l = append(l, `,"sha256":"`...)
			l = append(l, n.Hash.String()...)
			l = append(l, '"')
		}
	}
	l = append(l, `,"created":`...)
	l = strconv.AppendInt(l, n.Created.UnixMicro(), 10)
	l = append(l, `,"modified":`...)
	l = strconv.AppendInt(l, n.Altered().UnixMicro(), 10)
	if !n.MTime.IsZero() {
		l = append(l, `,"mtime":`...)
		l = strconv.AppendInt(l, n.MTime.UnixMicro(), 10)
	}
	l = append(l, `,"version":`...)
	l = strconv.AppendInt(l, n.Version, 10)
	l, err := b.appendRare(l, n, members)
	l = append(l, '}', '\n')
	b.line = l
	if err != nil {
		return err
	}
	b.nodesCRC = crc32.Update(b.nodesCRC, crc32.IEEETable, l)
	_, err = b.nodes.Write(l)
	return err
}

// appendRare adds what most nodes do not have.
func (b *builder) appendRare(l []byte, n *cellfs.NodeRef, members []member) ([]byte, error) {
	for _, f := range []struct {
		key   string
		value any
		has   bool
	}{
		{"schema", n.Schema, n.Schema != ""},
		{"props", n.Props, len(n.Props) > 0},
		{"acl", b.acl(n.ACL), n.ACL != nil},
		{"members", members, len(members) > 0},
	} {
		if !f.has {
			continue
		}
		v, err := json.Marshal(f.value)
		if err != nil {
			return l, err
		}
		l = append(append(append(l, `,"`...), f.key...), `":`...)
		l = append(l, v...)
	}
	return l, nil
}

// acl shows an ACL with the names of its roles.
func (b *builder) acl(a *cellfs.ACL) any {
	if a == nil {
		return nil
	}
	type ace struct {
		Role       *roleName          `json:"role,omitempty"` // absent: all
		Privileges []cellfs.Privilege `json:"privileges"`
	}
	out := struct {
		RequireSchemaAuthz string `json:"requireSchemaAuthz,omitempty"`
		ACEs               []ace  `json:"aces"`
	}{a.RequireSchemaAuthz, []ace{}}
	for _, e := range a.ACEs {
		x := ace{Privileges: e.Privileges}
		if e.Role != 0 {
			name, ok := b.roles[e.Role]
			if !ok {
				continue // the role was deleted: the ace grants nothing any more
			}
			x.Role = &name
		}
		out.ACEs = append(out.ACEs, x)
	}
	return out
}

// appendString is s as a JSON string; most names need no escape.
func appendString(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x80 {
			q, _ := json.Marshal(s) // a string cannot fail
			return append(b, q...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// writeOData adds an OData collection: its schema by reference, its entities as
// one line each, its links.
func (b *builder) writeOData(n *cellfs.NodeRef, path string) error {
	dir := "40_odata/" + path + "/"
	if err := b.odata.header(&entry{name: dir, modified: n.Modified}); err != nil {
		return err
	}
	err := eachRef(b.ctx, b.tx, n.ID, func(m *cellfs.NodeRef) error {
		b.step()
		if m.Kind == cellfs.KindFile {
			if err := present(b.ctx, b.fs, b.tx, m, path+"/"+m.Name); err != nil {
				return err
			}
			return b.odata.content(entry{name: dir + m.Name + ".xml", size: m.Node.Size, crc: m.CRC32, modified: m.Modified}, m.Blob)
		}
		return b.writeEntities(m, dir+m.Name+".ndjson", path+"/"+m.Name+"/")
	})
	if err != nil {
		return err
	}
	links, err := b.tx.Links(b.cell.ID, n.ID)
	if err != nil || len(links) == 0 {
		return err
	}
	var text bytes.Buffer
	for _, l := range links {
		if err := WriteLine(&text, map[string]any{"from": l.From, "to": l.To}); err != nil {
			return err
		}
	}
	return b.odata.bytes(entryOf(dir+"$links.ndjson", text.Bytes(), n.Modified), &text)
}

func entryOf(name string, text []byte, modified time.Time) entry {
	return entry{name: name, size: int64(len(text)), crc: crc32.ChecksumIEEE(text), modified: modified}
}

// writeEntities spools the documents of one entity type.
func (b *builder) writeEntities(set *cellfs.NodeRef, name, prefix string) error {
	lines, err := newSpool(b.opts.temp())
	if err != nil {
		return err
	}
	defer lines.close()
	var crc uint32
	err = cellfs.EachChild(b.tx, set.ID, func(n *cellfs.Node) error {
		b.step()
		line, err := b.entity(n)
		if err != nil {
			return ofContent(err, prefix+n.Name)
		}
		crc = crc32.Update(crc, crc32.IEEETable, line)
		_, err = lines.Write(line)
		return err
	})
	if err != nil {
		return err
	}
	r, err := lines.reader()
	if err != nil {
		return err
	}
	return b.odata.bytes(entry{name: name, size: lines.n, crc: crc, modified: set.Modified}, r)
}

func (b *builder) entity(n *cellfs.Node) ([]byte, error) {
	// Not by FS.Open: that would wait for a second connection while this one is
	// held, and enough exports doing so would wait for each other.
	c, err := b.fs.OpenTx(b.ctx, b.tx, n.Blob)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	doc, err := io.ReadAll(c)
	if err == nil && int64(len(doc)) != n.Size {
		err = errSize
	}
	if err != nil {
		return nil, err
	}
	var line bytes.Buffer
	err = WriteLine(&line, map[string]any{
		"name": n.Name, "created": n.Created.UnixMicro(), "modified": n.Modified.UnixMicro(), "version": n.Version,
		"doc": json.RawMessage(doc),
	})
	return line.Bytes(), err
}
