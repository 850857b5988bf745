package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"cellar/cellfs"
)

// BarOptions qualify [Bar].
type BarOptions struct {
	Box     cellfs.Path
	CellURL string // ends in a slash: the base of roles where the box has no schema
	TempDir string // where the index grows; "" is the system's
	// Take is asked before the index takes so many bytes there; its error ends the work.
	// nil: nothing is asked.
	Take func(bytes int64) error
}

func (o *BarOptions) temp() temp { return temp{o.TempDir, o.Take} }

// ErrMainBox: the main box cannot be taken out as a bar.
var ErrMainBox = errors.New("the main box is no bar")

// Bar is a box as a bar of version 2, as it is at one point in time
// (contract 3.12). Only its index is made; contents are read
// when the bar is. The caller holds the contents ([cellfs.FS.Hold]) until it is
// closed. Errors are those of [cellfs.FS.Lookup], [*ContentError] and [ErrMainBox].
func Bar(ctx context.Context, f *cellfs.FS, o BarOptions) (cellfs.Content, error) {
	if o.Box.Box() == cellfs.MainBox {
		return nil, ErrMainBox
	}
	b := &barBuilder{ctx: ctx, fs: f, o: o}
	var err error
	if b.meta, err = newPart(o.temp()); err != nil {
		return nil, err
	}
	defer b.meta.close()
	if b.contents, err = newPart(o.temp()); err != nil {
		return nil, err
	}
	defer b.contents.close()
	if b.props, err = newSpool(o.temp()); err != nil {
		return nil, err
	}
	defer b.props.close()
	err = f.View(ctx, func(tx cellfs.Tx) (err error) {
		b.tx = tx
		if b.box, err = f.Lookup(tx, o.Box); err != nil {
			return err
		}
		if err := f.Guarded(&b.box); err != nil {
			return err
		}
		return b.collect()
	})
	if err != nil {
		return nil, err
	}
	return b.assemble(f)
}

type barBuilder struct {
	ctx            context.Context
	fs             *cellfs.FS
	o              BarOptions
	tx             cellfs.Tx
	box            cellfs.Node
	boxes          map[int64]string // names, by id
	roles          map[int64]roleName
	text           bytes.Buffer // of one resource in 90_rootprops.xml
	props          *spool       // 90_rootprops.xml
	propsCRC       uint32
	meta, contents *part
}

func (b *barBuilder) collect() error {
	steps := []func() error{b.control, b.rootProps}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// add writes an entry of 00_meta.
func (b *barBuilder) add(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.meta.bytes(entryOf("00_meta/"+name, text, b.box.Modified), bytes.NewReader(text))
}

// control writes the manifest and the lists of control objects.
func (b *barBuilder) control() error {
	var schema any
	if b.box.Schema != "" {
		schema = b.box.Schema
	}
	if err := b.meta.header(&entry{name: "00_meta/", modified: b.box.Modified}); err != nil {
		return err
	}
	manifest := map[string]any{"bar_version": "2", "box_version": "1", "default_path": b.box.Name, "schema": schema}
	if err := b.add("00_manifest.json", manifest); err != nil {
		return err
	}
	root := b.box.Parent
	b.boxes, b.roles = map[int64]string{0: cellfs.MainBox}, map[int64]roleName{}
	err := cellfs.EachChild(b.tx, root, func(n *cellfs.Node) error {
		b.boxes[n.ID] = n.Name
		return nil
	})
	if err != nil {
		return err
	}
	ends := map[cellfs.End]map[string]any{} // names of the box's objects, as links have them
	for _, list := range []struct{ file, key, set string }{
		{"10_relations.json", "Relations", cellfs.SetRelation}, {"20_roles.json", "Roles", cellfs.SetRole},
		{"30_extroles.json", "ExtRoles", cellfs.SetExtRole}, {"50_rules.json", "Rules", cellfs.SetRule},
	} {
		items, err := b.list(list.set, ends)
		if err == nil && len(items) > 0 {
			err = b.add(list.file, map[string]any{list.key: items})
		}
		if err != nil {
			return err
		}
	}
	return b.links(ends)
}

func (b *barBuilder) list(set string, ends map[cellfs.End]map[string]any) (items []any, err error) {
	all, err := b.tx.Entities(b.box.Cell, set)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if set == cellfs.SetRole {
			b.roles[e.ID] = roleName{Box: b.boxes[e.Box], Name: e.Key}
		}
		if e.Box != b.box.ID {
			continue
		}
		var item map[string]any
		if err := json.Unmarshal(e.Doc, &item); err != nil {
			return nil, fmt.Errorf("%s %q: %w", set, e.Key, err)
		}
		if set == cellfs.SetRule {
			delete(item, "Name") // it is made at each install
		} else {
			ends[cellfs.End{Set: set, Key: strconv.FormatInt(e.ID, 10)}] = item
		}
		items = append(items, item)
	}
	return items, nil
}

// links writes those between objects of the box.
func (b *barBuilder) links(ends map[cellfs.End]map[string]any) error {
	all, err := b.tx.Links(b.box.Cell, 0)
	if err != nil {
		return err
	}
	var items []any
	for _, l := range all {
		if from, to := ends[l.From], ends[l.To]; from != nil && to != nil {
			items = append(items, map[string]any{"FromType": l.From.Set, "FromName": from, "ToType": l.To.Set, "ToName": to})
		}
	}
	if len(items) == 0 {
		return nil
	}
	return b.add("70_$links.json", map[string]any{"Links": items})
}

// rootProps walks the box and writes each resource into 90_rootprops.xml, each file as an entry.
func (b *barBuilder) rootProps() error {
	b.text.WriteString(`<?xml version="1.0" encoding="utf-8"?>` + "\n" + `<multistatus xmlns="DAV:" xmlns:p="urn:x-personium:xmlns">` + "\n")
	if err := b.respond("", &b.box); err != nil {
		return err
	}
	if err := b.contents.header(&entry{name: "90_contents/", modified: b.box.Modified}); err != nil {
		return err
	}
	if err := b.walk(b.box.ID, "", "90_contents/"); err != nil {
		return err
	}
	b.text.WriteString("</multistatus>\n")
	if err := b.flushText(); err != nil {
		return err
	}
	text, err := b.props.reader()
	if err != nil {
		return err
	}
	return b.meta.bytes(entry{name: "00_meta/90_rootprops.xml", size: b.props.n, crc: b.propsCRC, modified: b.box.Modified}, text)
}

// present is [present] for a path below the box.
func (b *barBuilder) present(n *cellfs.NodeRef, path string) error {
	return present(b.ctx, b.fs, b.tx, n, b.box.Name+"/"+path)
}

// walk adds what lies below a node: prefix is its path in the box, dir its entry.
func (b *barBuilder) walk(parent int64, prefix, dir string) error {
	return eachRef(b.ctx, b.tx, parent, func(n *cellfs.NodeRef) error {
		path, name := prefix+n.Name, dir+entryName(n.Name)
		if err := b.respond(path, &n.Node); err != nil {
			return err
		}
		if n.Kind == cellfs.KindFile {
			if err := b.present(n, path); err != nil {
				return err
			}
			return b.contents.content(entry{name: name, size: n.Node.Size, crc: n.CRC32, modified: n.LastModified()}, n.Blob)
		}
		if err := b.contents.header(&entry{name: name + "/", modified: n.LastModified()}); err != nil {
			return err
		}
		if n.Kind == cellfs.KindOData {
			return b.odata(&n.Node, path+"/", name+"/")
		}
		return b.walk(n.ID, path+"/", name+"/")
	})
}

// timeFormat1123 is that of HTTP.
const timeFormat1123 = "Mon, 02 Jan 2006 15:04:05 GMT"

// emptySchema is for an OData collection that has none: a bar must have one.
const emptySchema = `<?xml version="1.0" encoding="utf-8"?><edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx">` +
	`<edmx:DataServices><Schema xmlns="http://schemas.microsoft.com/ado/2006/04/edm" Namespace="UserData"/></edmx:DataServices></edmx:Edmx>`

// odata adds the schema, the documents and the links of a collection.
func (b *barBuilder) odata(col *cellfs.Node, prefix, dir string) error {
	schema := false
	err := eachRef(b.ctx, b.tx, col.ID, func(n *cellfs.NodeRef) error {
		if n.Kind == cellfs.KindFile {
			schema = true
			if err := b.present(n, prefix+n.Name); err != nil {
				return err
			}
			return b.contents.content(entry{name: dir + "00_$metadata.xml", size: n.Node.Size, crc: n.CRC32, modified: n.Modified}, n.Blob)
		}
		i := 0
		return eachRef(b.ctx, b.tx, n.ID, func(doc *cellfs.NodeRef) error {
			i++
			if err := b.present(doc, prefix+n.Name+"/"+doc.Name); err != nil {
				return err
			}
			return b.contents.content(entry{
				name: fmt.Sprintf("%s90_data/%s/%d.json", dir, n.Name, i), size: doc.Node.Size, crc: doc.CRC32, modified: doc.Modified,
			}, doc.Blob)
		})
	})
	if err == nil && !schema {
		err = b.contents.bytes(entryOf(dir+"00_$metadata.xml", []byte(emptySchema), col.Modified), strings.NewReader(emptySchema))
	}
	if err != nil {
		return err
	}
	links, err := b.tx.Links(b.box.Cell, col.ID)
	if err != nil || len(links) == 0 {
		return err
	}
	var items []any
	for _, l := range links {
		items = append(items, map[string]any{
			"FromType": l.From.Set, "FromId": map[string]string{"__id": l.From.Key}, "ToType": l.To.Set, "ToId": map[string]string{"__id": l.To.Key},
		})
	}
	text, err := json.Marshal(map[string]any{"Links": items})
	if err != nil {
		return err
	}
	return b.contents.bytes(entryOf(dir+"10_odatarelations.json", text, col.Modified), bytes.NewReader(text))
}

// assemble puts an index together that lies in a temporary file.
func (b *barBuilder) assemble(f *cellfs.FS) (cellfs.Content, error) {
	parts := []*part{b.meta, b.contents}
	central, err := newSpool(b.o.temp())
	if err != nil {
		return nil, err
	}
	defer central.close()
	size, err := writeCentral(central, parts)
	if err != nil {
		return nil, err
	}
	r, err := indexReader(parts, central, size)
	if err != nil {
		return nil, err
	}
	whole, err := newSpool(b.o.temp())
	if err != nil {
		return nil, err
	}
	if _, err = io.Copy(whole, r); err == nil {
		err = whole.w.Flush()
	}
	if err != nil {
		whole.close()
		return nil, err
	}
	x, err := readFooter(whole.f)
	if err != nil {
		whole.close()
		return nil, err
	}
	return &view{ctx: b.ctx, fs: f, index: x, current: -1}, nil
}
