package restore

import (
	"archive/zip"
	"path"
	"strings"

	"cellar/barfs"
	"cellar/cellfs"
	"cellar/cellfs/snapshot"
)

// own is a snapshot of version 3.
type own struct {
	files
	manifest *Manifest
	members  map[string][]*zip.File // of 40_odata, by folder
	seen     int64                  // files below 30_contents and 40_odata that were used
}

// Parts of a snapshot (docs/snapshot-format.md).
const (
	nodesFile   = "20_nodes.ndjson"
	contentsDir = "30_contents/"
	odataDir    = "40_odata/"
)

func controlName(name string) string { return "10_control/" + name + ".ndjson" }

// ownParts are the files that every snapshot of version 3 has.
func ownParts() []string {
	parts := []string{controlName("boxes")}
	for _, c := range snapshot.ControlFiles {
		if !c.Optional {
			parts = append(parts, controlName(c.Name))
		}
	}
	return append(parts, controlName("links"), nodesFile)
}

func newOwn(all files, m *Manifest) *own {
	s := &own{files: all, manifest: m, members: map[string][]*zip.File{}}
	for name, f := range all {
		if rest, ok := strings.CutPrefix(name, odataDir); ok && !strings.HasSuffix(rest, "/") && !barfs.IsLitter(name) {
			s.members[path.Dir(rest)] = append(s.members[path.Dir(rest)], f)
		}
	}
	return s
}

func (s *own) total() (int64, error) { return s.manifest.Entries, nil }

func (s *own) boxes(yield func(boxLine, string) error) error {
	return strictLines(s.files[controlName("boxes")], maxSmall, yield)
}

func (s *own) control(yield func(string, controlLine, string) error) error {
	for _, c := range snapshot.ControlFiles {
		f := s.files[controlName(c.Name)]
		if f == nil {
			continue // an optional one
		}
		err := strictLines(f, maxSmall, func(l controlLine, where string) error { return yield(c.Set, l, where) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *own) links(yield func(linkLine, string) error) error {
	return strictLines(s.files[controlName("links")], maxSmall, yield)
}

func (s *own) nodes(yield func(nodeLine, string) error) error {
	return eachLine(s.files[nodesFile], maxSmall, func(line []byte, where string) error {
		l, ok := commonLine(line)
		if !ok {
			l = nodeLine{}
			if err := strict(line, &l); err != nil {
				return damaged(where, "%v", err)
			}
		}
		l.weight = len(line) - len(l.Path)
		if l.Kind == cellfs.KindFile.String() {
			if !barfs.IsLitter(l.Path) {
				s.seen++
			}
			l.content = s.files.at(contentsDir + l.Path)
			if l.content == nil || l.SHA256 == "" && l.Size > 0 {
				return damaged(where, "there is no %s, or no hash of it", contentsDir+l.Path)
			}
		}
		return yield(l, where)
	})
}

func (s *own) odata(r *restorer, col *pending) error {
	ids := map[digest]bool{}
	members := make(map[string]*memberLine, len(col.members))
	for i := range col.members {
		members[cellfs.Key(col.members[i].Name)] = &col.members[i]
	}
	var links *zip.File
	for _, f := range s.members[cellfs.Key(col.path)] {
		s.seen++
		name := path.Base(f.Name)
		n := s.member(r, col, members, f)
		var err error
		switch base, isSet := strings.CutSuffix(name, ".ndjson"); {
		case name == "$links.ndjson":
			links = f // when the entities are known
		case name == "$metadata.xml":
			var text []byte
			if text, err = readSmall(f); err == nil {
				err = r.schema(col, text, n, f.Name)
			}
		case isSet && cellfs.CheckName(base) == nil:
			n.Name, n.Kind = base, cellfs.KindCollection
			err = s.entities(r, col, f, n, ids)
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
	return s.dataLinks(r, col, links, ids)
}

// member is a member of an OData collection with the attributes that the line of the collection
// has for it, or in an older snapshot with the time of its entry.
func (s *own) member(r *restorer, col *pending, members map[string]*memberLine, f *zip.File) cellfs.Node {
	at := f.Modified.UTC()
	n := cellfs.Node{Cell: r.o.Cell.ID, Version: col.Version, Created: at, Modified: at}
	name := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.Name), ".ndjson"), ".xml")
	if m := members[cellfs.Key(name)]; m != nil {
		n.Version, n.Created, n.Modified = m.Version, fromMicros(m.Created), fromMicros(m.Modified)
	}
	return n
}

// entities makes the entities of one type.
func (s *own) entities(r *restorer, col *pending, f *zip.File, n cellfs.Node, ids map[digest]bool) error {
	set := newEntitySet(col, n, f.Name)
	docs := r.documents()
	if err := docs.add(set.pending); err != nil {
		return err
	}
	err := strictLines(f, maxLine(), func(l entityLine, where string) error {
		id, err := r.document(&l)
		if err != nil {
			return damaged(where, "%v", err)
		}
		end := digestOf(n.Name, id)
		if ids[end] {
			return damaged(where, "document %q is there twice", id)
		}
		ids[end] = true
		return docs.entity(set, &l, where)
	})
	if err != nil {
		return err
	}
	return docs.flush()
}

// dataLinks makes the links between the entities that have these ids.
func (s *own) dataLinks(r *restorer, col *pending, f *zip.File, ids map[digest]bool) error {
	if err := r.awaitPage(); err != nil { // the collection is made
		return err
	}
	links := linkPage{r: r}
	err := strictLines(f, maxSmall, func(l struct{ From, To cellfs.End }, where string) error {
		if !ids[digestOf(l.From.Set, l.From.Key)] || !ids[digestOf(l.To.Set, l.To.Key)] {
			return damaged(where, "is no link between entities")
		}
		return links.add(cellfs.Link{Cell: r.o.Cell.ID, Node: col.here.id, From: l.From, To: l.To}, where)
	})
	if err != nil {
		return err
	}
	return links.flush()
}

// finish compares what was made with what the snapshot says it holds.
func (s *own) finish(r *restorer) error {
	m := s.manifest
	if r.files != m.Entries || r.bytes != m.Bytes {
		return damaged(manifestFile, "it tells of %d files with %d bytes, there are %d with %d", m.Entries, m.Bytes, r.files, r.bytes)
	}
	if !r.places.root().listed {
		return damaged(nodesFile, "the cell itself is missing")
	}
	for name := range r.boxSchemas {
		if !r.places.child(r.places.root(), name).listed {
			return damaged(nodesFile, "box %q is missing", name)
		}
	}
	return s.unused()
}

// unused refuses contents that no line of the nodes names. Litter may be there: who
// unpacks a snapshot and packs it again gets it in.
func (s *own) unused() error {
	var there int64
	for name := range s.files {
		if (strings.HasPrefix(name, contentsDir) || strings.HasPrefix(name, odataDir)) && !strings.HasSuffix(name, "/") && !barfs.IsLitter(name) {
			there++
		}
	}
	if there != s.seen {
		return damaged(nodesFile, "%d files of the snapshot are in it, %d are there", s.seen, there)
	}
	return nil
}
