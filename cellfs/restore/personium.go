package restore

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"strings"

	"cellar/barfs/edm"
	"cellar/cellfs"
	"cellar/cellfs/snapshot"
)

// personiumVersion is the export_version of Personium's own snapshots.
const personiumVersion = 2

// personium is a snapshot of version 2 (contract 4.13). Its objects refer to
// each other by internal ids; here the ids become names.
type personium struct {
	files
	made    int64                 // when, in µs
	box     map[string]boxLine    // by id
	objects map[string]controlEnd // by id

	schemas  map[string]*dataSchema // by node id; nil until they are read
	types    map[string]*dataType   // entity types by id
	declared int64                  // types, their properties and their ends
	contents int64                  // that were used
}

func newPersonium(all files, m *Manifest) *personium {
	return &personium{files: all, made: micros(m.Created), box: map[string]boxLine{}, objects: map[string]controlEnd{}}
}

// Parts of a snapshot of version 2. All 17 files of 10_odata are always there.
const (
	cellFile        = "10_odata/00_cell.json"
	boxFile         = "10_odata/10_box.pjson"
	entityTypeFile  = "10_odata/40_entitytype.pjson"
	complexTypeFile = "10_odata/41_complextype.pjson"
	propertyFile    = "10_odata/50_property.pjson"
	memberFile      = "10_odata/51_complextypeproperty.pjson"
	endFile         = "10_odata/60_associationend.pjson"
	userDataFile    = "10_odata/70_userdata.pjson"
	linkFile        = "10_odata/80_link.pjson"
	webdavDir       = "20_webdav/"
)

// controlParts are the files of control objects, by the set they hold, which is also
// the type of their lines. key names the property that identifies an object.
var controlParts = []struct{ name, set, key string }{
	{"10_odata/11_account.pjson", cellfs.SetAccount, "Name"},
	{"10_odata/12_extcell.pjson", cellfs.SetExtCell, "Url"},
	{"10_odata/20_role.pjson", cellfs.SetRole, "Name"},
	{"10_odata/21_rule.pjson", cellfs.SetRule, "Name"},
	{"10_odata/22_relation.pjson", cellfs.SetRelation, "Name"},
	{"10_odata/23_sentmessage.pjson", cellfs.SetSentMessage, "__id"},
	{"10_odata/24_receivedmessage.pjson", cellfs.SetReceivedMessage, "__id"},
	{"10_odata/30_extrole.pjson", cellfs.SetExtRole, "ExtRole"}, // after the relations they name
}

func personiumParts() []string {
	parts := []string{cellFile, boxFile}
	for _, c := range controlParts {
		parts = append(parts, c.name)
	}
	return append(parts, entityTypeFile, complexTypeFile, propertyFile, memberFile, endFile, userDataFile, linkFile)
}

// object is a line of a .pjson file.
type object struct {
	Type   string `json:"_type"`
	ID     string `json:"_id"`
	Source struct {
		Static    members  `json:"s"`
		Dynamic   members  `json:"d"`
		Hidden    members  `json:"h"`
		Published int64    `json:"p"` // ms, as Updated
		Updated   int64    `json:"u"`
		Node      *string  `json:"n"`
		Entity    string   `json:"t"`  // entity type of user data
		Links     linkEnds `json:"l"`  // n:1, by type
		DataLinks linkList `json:"ll"` // of user data: "{entity type}:{id}"

		// Of links.
		Type1 string `json:"t1"`
		Key1  string `json:"k1"`
		Type2 string `json:"t2"`
		Key2  string `json:"k2"`
	} `json:"_source"`
}

// linkEnds are ids by the type of what they are of.
type linkEnds map[string]*string

func (l *linkEnds) UnmarshalJSON(text []byte) error {
	var raw members
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	*l = make(linkEnds, len(raw))
	for name, value := range raw {
		var id *string
		if err := json.Unmarshal(value, &id); err != nil {
			return err
		}
		(*l)[name] = id
	}
	return nil
}

type linkList []string

func (l *linkList) UnmarshalJSON(text []byte) (err error) {
	*l, err = boundedList[string](text, edm.MaxDataLinks)
	return err
}

// text is a static property; "" if it is null or absent.
func (o *object) text(property string) (string, error) {
	var s *string
	if raw, ok := o.Source.Static[property]; ok {
		if err := json.Unmarshal(raw, &s); err != nil {
			return "", errors.New(property + " is no text")
		}
	}
	if s == nil {
		return "", nil
	}
	return *s, nil
}

// link is the id of the one object of that type that o belongs to; "" for none.
func (o *object) link(typ string) string {
	if id := o.Source.Links[typ]; id != nil {
		return *id
	}
	return ""
}

// node is the id of the OData collection that o belongs to; "" for none.
func (o *object) node() string {
	if o.Source.Node == nil {
		return ""
	}
	return *o.Source.Node
}

// micros makes microseconds of the milliseconds of a line. What is out of range stays
// so.
func micros(ms int64) int64 {
	if ms > maxTime/1000 || ms < minTime/1000 {
		return maxTime + 1
	}
	return ms * 1000
}

// objectsOf reads the lines of a file, which are of one type.
func (s *personium) objectsOf(file, typ string, yield func(o *object, where string) error) error {
	limit := maxSmall
	if file == userDataFile {
		limit = maxLine()
	}
	return eachLine(s.files[file], limit, func(line []byte, where string) error {
		var o object
		if err := json.Unmarshal(line, &o); err != nil {
			return damaged(where, "%v", err)
		}
		if o.Type != typ || o.ID == "" || len(o.ID) > maxInternalID {
			return damaged(where, "it is %q, not a %s with an id", o.Type, typ)
		}
		return yield(&o, where)
	})
}

func (s *personium) boxes(yield func(boxLine, string) error) error {
	text, err := readSmall(s.files[cellFile])
	if err != nil {
		return err
	}
	var cell object // its name and owner stay those of the target
	if err := json.Unmarshal(text, &cell); err != nil || cell.Type != "Cell" {
		return damaged(cellFile, "is no cell")
	}
	return s.objectsOf(boxFile, "Box", func(o *object, where string) error {
		name, err := o.text("Name")
		if err != nil {
			return damaged(where, "%v", err)
		}
		schema, err := o.text("Schema")
		if err != nil {
			return damaged(where, "%v", err)
		}
		if s.box[o.ID].Name != "" || strings.Contains(o.ID, "/") {
			return damaged(where, "the id %q is no new one", o.ID)
		}
		s.box[o.ID] = boxLine{name, schema}
		return yield(s.box[o.ID], where)
	})
}

func (s *personium) control(yield func(string, controlLine, string) error) error {
	for _, c := range controlParts {
		err := s.objectsOf(c.name, c.set, func(o *object, where string) error {
			l, err := s.controlObject(o, c.set, c.key)
			if err != nil {
				return damaged(where, "%v", err)
			}
			if _, there := s.objects[o.ID]; there {
				return damaged(where, "the id %q is there twice", o.ID)
			}
			s.objects[o.ID] = controlEnd{Set: c.set, Key: l.Key, Box: l.Box}
			return yield(c.set, *l, where)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *personium) controlObject(o *object, set, keyName string) (*controlLine, error) {
	l := &controlLine{Created: micros(o.Source.Published), Updated: micros(o.Source.Updated)}
	doc := maps.Clone(o.Source.Static)
	maps.DeleteFunc(doc, func(name string, _ json.RawMessage) bool { // of the box, which is told apart
		return strings.HasPrefix(name, "_") && !strings.HasPrefix(name, "__")
	})
	key, err := o.text(keyName)
	if err != nil || key == "" {
		return nil, errors.New("it has no " + keyName)
	}
	l.Key = key
	if id := o.link("Box"); id != "" {
		if l.Box = s.box[id].Name; l.Box == "" {
			return nil, errors.New("there is no box with the id " + id)
		}
	}
	if set == cellfs.SetExtRole {
		relation, ok := s.objects[o.link("Relation")]
		if !ok || relation.Set != cellfs.SetRelation {
			return nil, errors.New("its relation is missing")
		}
		l.Key, l.Box = key+" "+relation.Key, relation.Box
		doc["_Relation.Name"], _ = json.Marshal(relation.Key) // a string cannot fail
	}
	if l.Doc, err = plain(doc); err != nil {
		return nil, err
	}
	if len(o.Source.Hidden) > 0 {
		l.Hidden, err = plain(o.Source.Hidden)
	}
	return l, err
}

// plain writes a document without the escape that Personium's JSON has and none needs,
// that of the slash. Nothing is decoded: a line can be large.
func plain(doc map[string]json.RawMessage) (json.RawMessage, error) {
	text, err := marshal(doc)
	if err != nil {
		return nil, err
	}
	to := text[:0]
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' { // another byte follows, since this is JSON
			if i++; text[i] != '/' {
				to = append(to, '\\')
			}
		}
		to = append(to, text[i])
	}
	return to, nil
}

// marshal is [json.Marshal], but leaves text as it is.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	err := snapshot.WriteLine(&out, v)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

func (s *personium) links(yield func(linkLine, string) error) error {
	return s.objectsOf(linkFile, "link", func(o *object, where string) error {
		if o.node() != "" {
			return nil // of user data, or of a schema: later
		}
		from, ok1 := s.objects[o.Source.Key1]
		to, ok2 := s.objects[o.Source.Key2]
		if !ok1 || !ok2 || from.Set != o.Source.Type1 || to.Set != o.Source.Type2 {
			return damaged(where, "there is no %s %q or no %s %q", o.Source.Type1, o.Source.Key1, o.Source.Type2, o.Source.Key2)
		}
		return yield(linkLine{from, to}, where)
	})
}
