package install

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"

	"cellar/barfs"
	"cellar/barfs/edm"
)

// odata is the collection being worked on.
type odata struct {
	path    string
	dir     string // its directory in the archive
	schema  *edm.Schema
	check   *edm.Checker
	ids     map[string]bool // "{type}\x00{id}"
	waiting []entity        // not made yet
	size    int             // bytes of the documents in waiting
	links   []barfs.DataLink
	data    bool // 90_data was found
	broken  bool // the schema has a fault: what depends on it is not looked at
}

// entity is a document of user data on its way.
type entity struct {
	entry string // in the archive
	path  string
	doc   []byte
}

// groupSize is how many documents are made at once: if one of them is bad, none of
// its group is made (contract 3.9.2). A group also ends at batchBytes, because it
// waits in memory.
const groupSize = 1000

var dataFile = regexp.MustCompile(`^90_data/([^/]+)/([0-9]+)\.json$`)

func (r *run) insideOData(p string) (col *barfs.Resource, rest string, ok bool) {
	for up := p; ; up = parentOf(up) {
		if d := r.resources[up]; d != nil && d.Kind == barfs.OData {
			return d, strings.TrimPrefix(strings.TrimPrefix(p, up), "/"), true
		}
		if up == "" {
			return nil, "", false
		}
	}
}

// odataItem installs an entry at or below an OData collection. The two versions
// log it differently.
func (r *run) odataItem(x item, col *barfs.Resource, rest string) error {
	if r.odata == nil || r.odata.path != col.Path {
		if err := r.leaveOData(); err != nil {
			return err
		}
		r.odata = &odata{path: col.Path, ids: map[string]bool{}, dir: r.logPath(path.Join(barfs.ContentsDir, col.Path)) + "/"}
	}
	if r.odata.broken {
		return nil
	}
	r.entry = x.name
	v1 := r.a.Version == 1
	if v1 || x.dir && rest == "" {
		if err := r.begin(x.name); err != nil {
			return err
		}
	}
	m := dataFile.FindStringSubmatch(rest)
	switch {
	case x.dir:
		r.odata.data = r.odata.data || rest == barfs.DataDir
		inData := rest == barfs.DataDir || strings.HasPrefix(rest, barfs.DataDir+"/")
		if rest != "" && !inData || strings.Count(rest, "/") > 1 || inData && r.odata.schema == nil {
			return &barfs.Invalid{Cause: barfs.CauseStructure}
		}
		if !v1 {
			return nil // its completion is logged after the schema's
		}
	case rest == barfs.MetadataFile:
		return r.metadataFile(x)
	case rest == barfs.DataLinksFile && r.odata.schema != nil && !r.odata.data:
		return r.dataLinksFile(x)
	case m != nil && r.odata.schema != nil:
		return r.document(x, m[1])
	default:
		return &barfs.Invalid{Cause: barfs.CauseStructure}
	}
	return r.end(x.name)
}

// metadataFile installs the schema of the collection: as $metadata, and a
// collection for every entity type.
func (r *run) metadataFile(x item) error {
	o := r.odata
	if o.schema != nil {
		return &barfs.Invalid{Cause: barfs.CauseStructure}
	}
	text, err := fs.ReadFile(r.a, x.name)
	if err != nil {
		return err
	}
	schema, bad := edm.ParseSchema(text)
	if bad != nil {
		o.broken, r.metadata[o.path] = true, true
		return bad
	}
	prefix := "/" + r.o.Cell + "/" + r.o.Box + "/" + base(o.path) + "/"
	made, fault := schema.Walk(r.a.Limits().OData, func(kind string, names ...string) error {
		for i := range names {
			names[i] = quote(names[i])
		}
		return r.processing(prefix + kind + "(" + strings.Join(names, ",") + ")")
	}, func(entityType string) error {
		return r.emit(Step{Collection: &Collection{Path: path.Join(o.path, entityType), Kind: barfs.Collection}}, 0)
	})
	if fault != nil && (len(made.ComplexTypes) > 0 || len(made.EntityTypes) > 0) {
		text = made.EDMX() // what is kept says what was made
	}
	if fault == nil || len(made.ComplexTypes) > 0 || len(made.EntityTypes) > 0 {
		err = r.putBytes(&File{Path: path.Join(o.path, "$metadata"), ContentType: "application/xml"}, text)
	}
	if err := cmp.Or(fault, err); err != nil {
		o.broken, r.metadata[o.path] = true, true
		return err
	}
	o.schema, o.check, r.metadata[o.path] = schema, schema.Checker(r.a.Limits().OData), true
	if err := r.endFile(x.name); err != nil || r.a.Version == 1 {
		return err
	}
	return r.end(o.dir)
}

func (r *run) processing(object string) error {
	return r.event(TypeProcessing, object, "Installation processing.")
}

func (r *run) dataLinksFile(x item) error {
	name := strings.TrimPrefix(x.name, r.a.Prefix)
	complete := func(l *barfs.DataLink) bool {
		return l.FromType != nil && l.ToType != nil && len(l.FromID) > 0 && len(l.ToID) > 0
	}
	links, err := barfs.List(r.a, name, "Links", complete)
	if err != nil {
		return err
	}
	r.odata.links = links
	return r.endFile(x.name)
}

// maxDocument is the longest JSON document of an entity that is read into
// memory; the entry limit of the archive is below it.
const maxDocument = 64 << 20

// document takes one document of user data.
func (r *run) document(x item, entityType string) error {
	o := r.odata
	o.data = true
	if !o.check.Has(entityType) {
		return &barfs.Invalid{Cause: barfs.CauseNoEntitySet}
	}
	in, err := r.a.Open(x.name)
	if err != nil {
		return err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxDocument))
	if err != nil {
		return err
	}
	id, doc, err := parseDocument(text, x.name)
	if err == errNoObject {
		err = &barfs.Invalid{Cause: barfs.CauseParse}
		if r.a.Version == 1 {
			err = &barfs.Invalid{Cause: barfs.CauseParseJSON}
		}
	}
	if err != nil {
		return err
	}
	if err := o.check.Check(entityType, doc); err != nil {
		return err
	}
	if doc, err = o.schema.WithDefaults(entityType, doc); err != nil {
		return err
	}
	key := entityType + "\x00" + id
	if o.ids[key] {
		return &barfs.Invalid{Cause: barfs.CauseExists}
	}
	o.ids[key] = true
	o.waiting = append(o.waiting, entity{x.name, path.Join(o.path, entityType, DocumentName(id)), doc})
	o.size += len(doc)
	if len(o.waiting) == groupSize || o.size >= batchBytes {
		return r.makeGroup(o)
	}
	return nil
}

// makeGroup makes the documents that wait, and logs them.
func (r *run) makeGroup(o *odata) error {
	for _, e := range o.waiting {
		r.entry = e.entry
		if err := r.putBytes(&File{Path: e.path, ContentType: "application/json"}, e.doc); err != nil {
			return err
		}
	}
	for _, e := range o.waiting {
		if err := r.endFile(e.entry); err != nil {
			return err
		}
	}
	clear(o.waiting)
	o.waiting, o.size = o.waiting[:0], 0
	return nil
}

// errNoObject: a document is no JSON object.
var errNoObject = errors.New("no JSON object")

// parseDocument reads a JSON object, gives it an __id if it has none, and writes it
// on one line. The id is the same at every run.
func parseDocument(text []byte, entry string) (id string, doc []byte, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil || fields == nil {
		return "", nil, errNoObject
	}
	if raw, ok := fields["__id"]; ok {
		if err := json.Unmarshal(raw, &id); err != nil || id == "" || len([]rune(id)) > 400 {
			return "", nil, barfs.Invalidf("request body format error. field [__id]")
		}
		var line bytes.Buffer
		err := json.Compact(&line, text)
		return id, line.Bytes(), err
	}
	sum := sha256.Sum256([]byte(entry))
	id = base64.RawURLEncoding.EncodeToString(sum[:16])
	fields["__id"], _ = json.Marshal(id) // a string cannot fail
	doc, err = json.Marshal(fields)
	return id, doc, err
}

// DocumentName is the name under which an entity's document is found over
// WebDAV (contract 3.9): its id, escaped where a name cannot hold it, and
// ".json". Ids too long for a name end in their hash.
func DocumentName(id string) string {
	const room = 255 - len(".json")
	name := id
	if strings.ContainsAny(id, "/%") || strings.ContainsFunc(id, func(c rune) bool { return unicode.IsControl(c) || c == 0xfffe || c == 0xffff }) {
		name = url.PathEscape(id)
	}
	if len(name) > room {
		sum := sha256.Sum256([]byte(id))
		tail := "~" + base64.RawURLEncoding.EncodeToString(sum[:])
		name = strings.ToValidUTF8(name[:room-len(tail)], "") + tail
	}
	return name + ".json"
}

// linksPerEvent is how many links pass between two lines of the log.
const linksPerEvent = 5

// leaveOData completes the collection: the data files are logged, the links are
// made.
func (r *run) leaveOData() error {
	o := r.odata
	if o == nil {
		return nil
	}
	r.odata = nil
	if err := r.makeGroup(o); err != nil {
		return err
	}
	if !o.data {
		return nil
	}
	made := links{o: o, max: r.a.Limits().OData.DataLinks, pairs: map[[2]end]bool{}, count: map[end]map[string]int{}}
	for i, l := range o.links {
		d, err := made.add(&l)
		if err != nil {
			if err := r.tolerate(err); err != nil {
				return err
			}
			continue
		}
		if err := r.emit(Step{DataLink: d}, 0); err != nil {
			return err
		}
		if n := i + 1; n%linksPerEvent == 0 {
			if err := r.processing(fmt.Sprintf("userDataLinks %d / %d", n, len(o.links))); err != nil {
				return err
			}
		}
	}
	return r.processing(fmt.Sprintf("userDataLinks %d / %d", len(o.links), len(o.links)))
}
