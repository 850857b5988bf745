package restore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"cellar/barfs"
	"cellar/barfs/xmltree"
	"cellar/cellfs"
)

// Every resource of version 2 is a folder of 20_webdav that holds these.
const (
	metaFile    = ".pmeta"
	contentFile = "content" // of files

	// What is not part of the cell's data: an upload that was cut off, and in the
	// folder of the cell what a failed import left.
	uploadFile  = "tmp"
	importError = "import.error"
)

// personiumKinds are the types of .pmeta. cellar has no streams: they become plain
// collections.
var personiumKinds = map[string]cellfs.Kind{
	"Cell": cellfs.KindCell, "col.box": cellfs.KindBox, "col.webdav": cellfs.KindCollection, "col.odata": cellfs.KindOData,
	"col.svc": cellfs.KindService, "col.stream": cellfs.KindCollection, "dav.file": cellfs.KindFile,
}

// pmeta is what a .pmeta says.
type pmeta struct {
	ID        string          `json:"i"`
	Type      string          `json:"t"`
	ACL       json.RawMessage `json:"a"`
	Props     members         `json:"d"` // XML by "{local}@{namespace}"
	Published int64           `json:"p"` // ms, as Updated
	Updated   int64           `json:"u"`
	Version   int64           `json:"v"`
	MediaType string          `json:"ct"`
	Length    *int64          `json:"cl"`
}

// total counts files and documents of user data.
func (s *personium) total() (n int64, err error) {
	n = s.countContents()
	err = eachLine(s.files[userDataFile], maxLine(), func([]byte, string) error {
		n++
		return nil
	})
	return n, err
}

func (s *personium) countContents() (n int64) {
	for name := range s.files {
		if strings.HasPrefix(name, webdavDir) && strings.HasSuffix(name, "/"+contentFile) {
			n++
		}
	}
	return n
}

// nodes reads the folders of 20_webdav, sorted: so parents come first.
func (s *personium) nodes(yield func(nodeLine, string) error) error {
	folders, err := s.folders()
	if err != nil {
		return err
	}
	for _, folder := range folders {
		l, where, err := s.node(folder)
		if err != nil {
			return err
		}
		if err := yield(*l, where); err != nil {
			return err
		}
	}
	return nil
}

// folders lists the folders below 20_webdav without slashes at either end; "" is that
// of the cell. Personium makes the folder of a box when it is first looked at, so
// that those of some boxes are not there.
func (s *personium) folders() ([]string, error) {
	there := map[string]string{"": "", cellfs.MainBox: cellfs.MainBox} // by key
	for id := range s.box {
		there[cellfs.Key(id)] = id
	}
	for name := range s.files {
		rest, ok := strings.CutPrefix(name, webdavDir)
		if !ok {
			continue
		}
		if strings.Contains("/"+rest, "//") {
			return nil, damaged(name, "is no proper name")
		}
		folder, file := path.Split(rest)
		folder = strings.TrimSuffix(folder, "/")
		switch {
		case file == uploadFile && folder != "", rest == importError, file != "" && barfs.IsLitter(name):
			continue
		case file != "" && file != metaFile && file != contentFile:
			return nil, damaged(name, "does not belong there")
		}
		if key := cellfs.Key(folder); there[key] == "" {
			there[key] = folder
		}
	}
	all := make([]string, 0, len(there))
	for _, key := range slices.Sorted(maps.Keys(there)) { // what holds another comes before it in any Unicode form
		all = append(all, there[key])
	}
	return all, nil
}

// node is the resource of a folder.
func (s *personium) node(folder string) (l *nodeLine, where string, err error) {
	box, rest, below := strings.Cut(folder, "/")
	l = &nodeLine{Path: folder}
	where = webdavDir + metaFile
	if folder != "" {
		where = webdavDir + folder + "/" + metaFile
		at := s.box[box]
		if box == cellfs.MainBox {
			at.Name = box
		}
		if at.Name == "" {
			return nil, where, damaged(where, "there is no box with the id %q", box)
		}
		if l.Path = at.Name; below {
			l.Path += "/" + rest
		} else {
			l.Schema = at.Schema
		}
	}
	f := s.files.at(where)
	if f == nil && !below { // never looked at
		l.Kind, l.Created, l.Modified = cellfs.KindBox.String(), s.made, s.made
		if folder == "" {
			l.Kind = cellfs.KindCell.String()
		}
		return l, where, nil
	}
	if f == nil {
		return nil, where, damaged(where, "is missing")
	}
	text, err := readSmall(f)
	if err != nil {
		return nil, where, err
	}
	var m pmeta
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, where, damaged(where, "%v", err)
	}
	l.weight = len(where) + len(text)
	if err := s.describe(l, &m, folder); err != nil {
		return nil, where, damaged(where, "%v", err)
	}
	return l, where, nil
}

// describe fills in what a .pmeta says.
func (s *personium) describe(l *nodeLine, m *pmeta, folder string) (err error) {
	kind, ok := personiumKinds[m.Type]
	if !ok {
		return fmt.Errorf("type %q", m.Type)
	}
	l.Kind, l.Version = kind.String(), m.Version
	l.Created, l.Modified = micros(m.Published), micros(m.Updated)
	if l.Props, err = personiumProps(m.Props); err != nil {
		return err
	}
	if l.ACL, err = s.acl(m.ACL); err != nil {
		return err
	}
	switch kind {
	case cellfs.KindFile:
		if l.content = s.files.at(webdavDir + folder + "/" + contentFile); l.content == nil {
			return fmt.Errorf("it has no %s", contentFile)
		}
		s.contents++
		l.Type, l.Size = m.MediaType, int64(l.content.UncompressedSize64)
		if m.Length != nil && *m.Length != l.Size {
			return fmt.Errorf("its length is %d, the content has %d bytes", *m.Length, l.Size)
		}
	case cellfs.KindOData:
		l.data = m.ID
	}
	return nil
}

func personiumProps(all members) (list []cellfs.Property, err error) {
	if len(all) > cellfs.MaxProps {
		return nil, cellfs.ErrProps
	}
	for key, raw := range all {
		local, space, ok := strings.Cut(key, "@")
		var text string
		if err := json.Unmarshal(raw, &text); err != nil || !ok {
			return nil, fmt.Errorf("property %q", key)
		}
		if len(text) > cellfs.MaxPropBytes {
			return nil, cellfs.ErrProps
		}
		e, err := xmltree.Parse([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("property %q: %w", key, err)
		}
		lang, _ := e.Attr("http://www.w3.org/XML/1998/namespace", "lang")
		list = append(list, cellfs.Property{Space: space, Local: local, Lang: lang, XML: text})
	}
	slices.SortFunc(list, func(a, b cellfs.Property) int { return strings.Compare(a.Space+"\x00"+a.Local, b.Space+"\x00"+b.Local) })
	return list, nil
}

// some decodes a list, or a single value as a list of one: old versions of Personium wrote a
// list of one as its element.
type some[T any] []T

func (s *some[T]) UnmarshalJSON(text []byte) error {
	add := func(value json.RawMessage) error {
		var v T
		if err := json.Unmarshal(value, &v); err != nil {
			return err
		}
		if *s = append(*s, v); len(*s) > maxACEs {
			return fmt.Errorf("a list has more than %d values", maxACEs)
		}
		return nil
	}
	if text = bytes.TrimSpace(text); text[0] == '[' {
		return eachValue(text, add)
	}
	if string(text) == "null" {
		return nil
	}
	return add(text)
}

// names are those of the members of a JSON object.
type names []string

func (n *names) UnmarshalJSON(text []byte) error {
	return eachMember(text, func(name string, _ json.RawMessage) error {
		if *n = append(*n, name); len(*n) > maxPrivileges {
			return fmt.Errorf("an object has more than %d members", maxPrivileges)
		}
		return nil
	})
}

// prefixes are those of the keys of an ACL.
var prefixes = map[string]string{"D": "DAV:", "p": "urn:x-personium:xmlns"}

// acl reads an ACL. An entry for a role that is not there is left out: Personium
// keeps it when the role is deleted, and it grants nothing.
func (s *personium) acl(text json.RawMessage) (*aclLine, error) {
	var a struct {
		Authz    string `json:"@p.requireSchemaAuthz"`
		OldAuthz string `json:"@requireSchemaAuthz"`
		ACEs     some[struct {
			Principal struct {
				Href *string         `json:"D.href"`
				All  json.RawMessage `json:"D.all"`
			} `json:"D.principal"`
			Grant struct {
				Privileges some[names] `json:"D.privilege"`
			} `json:"D.grant"`
		}] `json:"D.ace"`
	}
	if len(text) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, fmt.Errorf("ACL: %w", err)
	}
	l := &aclLine{RequireSchemaAuthz: a.Authz}
	if l.RequireSchemaAuthz == "" {
		l.RequireSchemaAuthz = a.OldAuthz
	}
	for _, e := range a.ACEs {
		var ace aceLine
		for _, p := range e.Grant.Privileges {
			for _, name := range p {
				prefix, local, ok := strings.Cut(name, ".")
				if !ok { // so were Personium's own written once
					prefix, local = "p", name
				}
				ace.Privileges = append(ace.Privileges, cellfs.Privilege{Space: prefixes[prefix], Local: local})
			}
			if len(ace.Privileges) > maxPrivileges {
				return nil, fmt.Errorf("ACL: an entry has more than %d privileges", maxPrivileges)
			}
		}
		if id := e.Principal.Href; id != nil {
			role, ok := s.objects[*id]
			if !ok || role.Set != cellfs.SetRole {
				continue
			}
			ace.Role = &roleName{role.Box, role.Key}
		} else if e.Principal.All == nil {
			return nil, errors.New("ACL: an entry is for nobody")
		}
		l.ACEs = append(l.ACEs, ace)
	}
	if l.RequireSchemaAuthz == "" && len(l.ACEs) == 0 {
		return nil, nil
	}
	return l, nil
}
