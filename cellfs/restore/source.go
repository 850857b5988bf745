package restore

import (
	"archive/zip"
	"encoding/json"

	"cellar/cellfs"
)

// source is a snapshot of one version of the format. It says what it holds, line by
// line; where is for messages. It finds the faults
// that only this version can have; the restorer finds all others.
type source interface {
	// total is how many steps of progress there are.
	total() (int64, error)
	// boxes are all but the main box.
	boxes(yield func(l boxLine, where string) error) error
	control(yield func(set string, l controlLine, where string) error) error
	// links are those between control objects.
	links(yield func(l linkLine, where string) error) error
	// nodes come parents first, user OData not among them.
	nodes(yield func(l nodeLine, where string) error) error
	// odata makes what lies in an OData collection, which was made.
	odata(r *restorer, col *pending) error
	// finish makes what can be made only now that all nodes are, and compares what
	// was made with what the snapshot holds.
	finish(r *restorer) error
}

// boxLine is a line of 10_control/boxes.ndjson.
type boxLine struct{ Name, Schema string }

// controlLine is a line of the files of control objects.
type controlLine struct {
	Key     string          `json:"key"`
	Box     string          `json:"box"`
	Doc     json.RawMessage `json:"doc"`
	Hidden  json.RawMessage `json:"hidden"`
	Created int64           `json:"created"`
	Updated int64           `json:"updated"`
}

// linkLine is a line of 10_control/links.ndjson.
type linkLine struct{ From, To controlEnd }

type controlEnd struct{ Set, Key, Box string }

// nodeLine is a line of 20_nodes.ndjson.
type nodeLine struct {
	Path     string     `json:"path"`
	Kind     string     `json:"kind"`
	Type     string     `json:"type"`
	Size     int64      `json:"size"`
	SHA256   string     `json:"sha256"` // "": not told
	Created  int64      `json:"created"`
	Modified int64      `json:"modified"`
	MTime    *int64     `json:"mtime"`
	Version  int64      `json:"version"`
	Schema   string     `json:"schema"`
	Props    propList   `json:"props"`
	ACL      *aclLine   `json:"acl"`
	Members  memberList `json:"members"` // of an OData collection

	content *zip.File // nil for none
	data    string    // Personium's id of an OData collection
	weight  int       // bytes that wait in memory until the node is made, but for its content
}

// propList is the list of dead properties of a line.
type propList []cellfs.Property

func (l *propList) UnmarshalJSON(text []byte) (err error) {
	*l, err = boundedList[cellfs.Property](text, cellfs.MaxProps)
	return err
}

// memberLine is the schema of an OData collection, or one of its sets.
type memberLine struct {
	Name     string `json:"name"`
	Created  int64  `json:"created"`
	Modified int64  `json:"modified"`
	Version  int64  `json:"version"`
}

type memberList []memberLine

func (l *memberList) UnmarshalJSON(text []byte) (err error) {
	*l, err = boundedList[memberLine](text, maxMembers)
	return err
}

type aclLine struct {
	RequireSchemaAuthz string  `json:"requireSchemaAuthz"`
	ACEs               aceList `json:"aces"`
}

type aceList []aceLine

func (l *aceList) UnmarshalJSON(text []byte) (err error) {
	*l, err = boundedList[aceLine](text, maxACEs)
	return err
}

type aceLine struct {
	Role       *roleName     `json:"role"`
	Privileges privilegeList `json:"privileges"`
}

type privilegeList []cellfs.Privilege

func (l *privilegeList) UnmarshalJSON(text []byte) (err error) {
	*l, err = boundedList[cellfs.Privilege](text, maxPrivileges)
	return err
}

type roleName struct {
	Box  string `json:"box"`
	Name string `json:"name"`
}
