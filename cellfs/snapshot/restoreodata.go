package snapshot

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"cellar/cellfs"
)

// entityLine is a document of user data.
type entityLine struct {
	Name     string          `json:"name"`
	Created  int64           `json:"created"`
	Modified int64           `json:"modified"`
	Version  int64           `json:"version"`
	Doc      json.RawMessage `json:"doc"`
}

// odata makes what lies in an OData collection, which was made.
func (r *restorer) odata(col *pending) error {
	ids := map[cellfs.End]bool{}
	var links *zip.File
	for _, f := range r.a.odata[col.path] {
		r.seen++
		name := path.Base(f.Name)
		at := f.Modified.UTC()
		n := cellfs.Node{Cell: r.o.Cell.ID, Version: col.Version, Created: at, Modified: at}
		var err error
		switch base, isSet := strings.CutSuffix(name, ".ndjson"); {
		case name == "$links.ndjson":
			links = f // when the entities are known
		case name == "$metadata.xml":
			n.Name, n.Kind, n.ContentType, n.Size = "$metadata", cellfs.KindFile, "application/xml", int64(f.UncompressedSize64)
			err = r.schema(col, f, n)
		case isSet && cellfs.CheckName(base) == nil:
			n.Name, n.Kind = base, cellfs.KindCollection
			err = r.entities(col, f, n, ids)
		default:
			err = damaged(f.Name, "does not belong there")
		}
		if err != nil {
			return err
		}
	}
	if links == nil {
		return nil
	}
	return r.dataLinks(col, links, ids)
}

func (r *restorer) schema(col *pending, f *zip.File, n cellfs.Node) error {
	text, err := readSmall(f)
	if err != nil {
		return err
	}
	if err := r.o.CheckSchema(text); err != nil {
		return damaged(f.Name, "%v", err)
	}
	s, err := r.f.Stage(r.ctx, bytes.NewReader(text))
	if err == nil {
		err = r.stores(n.Size)
	}
	if err != nil {
		return err
	}
	p := &pending{Node: n, up: col.here, path: col.path + "/" + n.Name, where: f.Name, staged: &s}
	return r.flush([]*pending{p})
}

func (r *restorer) entities(col *pending, f *zip.File, set cellfs.Node, ids map[cellfs.End]bool) error {
	at := col.path + "/" + set.Name
	here := &place{kind: cellfs.KindCollection}
	page := []*pending{{Node: set, up: col.here, here: here, path: at, where: f.Name}}
	size := 0
	flush := func() error {
		err := r.flush(page)
		page, size = nil, 0
		return err
	}
	err := r.eachLine(f, func(line []byte, n int) error {
		where := fmt.Sprintf("%s, line %d", f.Name, n)
		var l entityLine
		if err := strict(line, &l); err != nil {
			return damaged(where, "%v", err)
		}
		id, err := r.document(&l)
		if err != nil {
			return damaged(where, "%v", err)
		}
		end := cellfs.End{Set: set.Name, Key: id}
		if ids[end] {
			return damaged(where, "document %q is there twice", id)
		}
		ids[end] = true
		s, err := r.f.Stage(r.ctx, bytes.NewReader(l.Doc))
		if err == nil {
			err = r.stores(s.Size)
		}
		if err != nil {
			return err
		}
		r.version = max(r.version, l.Version)
		page = append(page, &pending{up: here, path: at + "/" + l.Name, where: where, staged: &s, Node: cellfs.Node{
			Cell: r.o.Cell.ID, Name: l.Name, Kind: cellfs.KindFile, ContentType: "application/json", Size: s.Size, Version: l.Version,
			Created: time.UnixMicro(l.Created).UTC(), Modified: time.UnixMicro(l.Modified).UTC(),
		}})
		if size += len(l.Doc); len(page) < nodePage && size < pageBytes {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// document checks a document of user data, and returns its id.
func (r *restorer) document(l *entityLine) (id string, err error) {
	var doc map[string]json.RawMessage // not a struct: that would take __ID for __id
	if err := json.Unmarshal(l.Doc, &doc); err != nil || doc == nil {
		return "", errors.New("is no document")
	}
	if err := json.Unmarshal(doc["__id"], &id); err != nil {
		return "", errors.New("the document has no __id")
	}
	if l.Name != r.o.DocumentName(id) || cellfs.CheckName(l.Name) != nil {
		return "", fmt.Errorf("document %q cannot have the name %q", id, l.Name)
	}
	return id, checkNumbers(l.Version, l.Created, l.Modified, nil)
}

// dataLinks makes the links between the entities that have these ids.
func (r *restorer) dataLinks(col *pending, f *zip.File, ids map[cellfs.End]bool) error {
	var page []cellfs.Link
	flush := func() error {
		err := r.addLinks(page, f.Name)
		page = page[:0]
		return err
	}
	if err := r.landed(); err != nil { // the collection is made
		return err
	}
	id := col.here.id
	err := r.eachLine(f, func(line []byte, n int) error {
		var l struct{ From, To cellfs.End }
		if err := strict(line, &l); err != nil || !ids[l.From] || !ids[l.To] {
			return damaged(fmt.Sprintf("%s, line %d", f.Name, n), "is no link between entities")
		}
		if page = append(page, cellfs.Link{Cell: r.o.Cell.ID, Node: id, From: l.From, To: l.To}); len(page) < nodePage {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}
