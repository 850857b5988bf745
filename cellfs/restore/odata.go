package restore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"unicode/utf8"

	"cellar/barfs/edm"
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

// schema makes the $metadata of an OData collection; n has its version and times.
func (r *restorer) schema(col *pending, text []byte, n cellfs.Node, where string) error {
	if err := r.count(); err != nil {
		return err
	}
	if _, err := edm.ParseSchema(text); err != nil {
		return damaged(where, "%v", err)
	}
	s, err := r.f.Stage(r.ctx, bytes.NewReader(text))
	if err == nil {
		err = r.stores(s.Size)
	}
	if err != nil {
		return err
	}
	n.Name, n.Kind, n.ContentType, n.Size = "$metadata", cellfs.KindFile, "application/xml", s.Size
	p := &pending{Node: n, up: col.here, where: where, staged: &s}
	return r.flush([]*pending{p})
}

// entitySet is the collection of the entities of one type.
type entitySet struct{ *pending }

// newEntitySet is one that has yet to be made; n has its name, version and times.
func newEntitySet(col *pending, n cellfs.Node, where string) entitySet {
	n.Kind = cellfs.KindCollection
	return entitySet{&pending{Node: n, up: col.here, here: &place{kind: n.Kind}, where: where}}
}

// document checks a document of user data, and returns its id.
func (r *restorer) document(l *entityLine) (id string, err error) {
	if len(l.Doc) > maxDocument {
		return "", fmt.Errorf("the document has more than %d bytes", maxDocument)
	}
	var raw json.RawMessage
	err = eachMember(l.Doc, func(name string, value json.RawMessage) error {
		if name == "__id" {
			raw = value
		}
		return nil
	})
	if err != nil {
		return "", errors.New("is no document")
	}
	if err := json.Unmarshal(raw, &id); err != nil || utf8.RuneCountInString(id) > maxID {
		return "", fmt.Errorf("the document has no __id, or one of more than %d characters", maxID)
	}
	if l.Name != r.o.DocumentName(id) || cellfs.CheckName(l.Name) != nil {
		return "", fmt.Errorf("document %q cannot have the name %q", id, l.Name)
	}
	return id, checkNumbers(l.Version, l.Created, l.Modified, nil)
}

// documentPage collects nodes of user data until there are enough for a transaction.
type documentPage struct {
	r     *restorer
	nodes []*pending
	size  int
}

func (r *restorer) documents() *documentPage { return &documentPage{r: r} }

// entity adds a document that was checked.
func (p *documentPage) entity(set entitySet, l *entityLine, where string) error {
	r := p.r
	s, err := r.f.Stage(r.ctx, bytes.NewReader(l.Doc))
	if err == nil {
		err = r.stores(s.Size)
	}
	if err != nil {
		return err
	}
	r.version = max(r.version, l.Version)
	p.size += len(l.Doc)
	return p.add(&pending{up: set.here, where: where, staged: &s, Node: cellfs.Node{
		Cell: r.o.Cell.ID, Name: l.Name, Kind: cellfs.KindFile, ContentType: "application/json", Size: s.Size, Version: l.Version,
		Created: fromMicros(l.Created), Modified: fromMicros(l.Modified),
	}})
}

func (p *documentPage) add(n *pending) error {
	if err := p.r.count(); err != nil {
		return err
	}
	if p.nodes = append(p.nodes, n); len(p.nodes) < nodePage && p.size < pageBytes {
		return nil
	}
	return p.flush()
}

// flush has the nodes that wait made.
func (p *documentPage) flush() error {
	err := p.r.flush(p.nodes)
	p.nodes, p.size = nil, 0
	return err
}

// linkPage collects links until there are enough for a transaction.
type linkPage struct {
	r     *restorer
	links []cellfs.Link
	where string // of the first
}

func (p *linkPage) add(l cellfs.Link, where string) error {
	if err := p.r.countLink(); err != nil {
		return err
	}
	if len(p.links) == 0 {
		p.where = where
	}
	if p.links = append(p.links, l); len(p.links) < nodePage {
		return nil
	}
	return p.flush()
}

// flush makes the links that wait.
func (p *linkPage) flush() error {
	err := p.r.update(func(tx cellfs.Tx) error {
		for _, l := range p.links {
			if err := tx.AddLink(l); errors.Is(err, fs.ErrExist) {
				return damaged(p.where, "a link of this or a later line is there twice")
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	p.links = p.links[:0]
	return err
}
