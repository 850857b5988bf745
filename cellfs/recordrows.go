package cellfs

import (
	"encoding/json"
	"time"
)

// Control sets: the kinds of [Entity].
const (
	SetAccount  = "Account"
	SetRole     = "Role"
	SetRelation = "Relation"
	SetExtCell  = "ExtCell"
	SetExtRole  = "ExtRole"
	SetRule     = "Rule"

	SetSentMessage     = "SentMessage"
	SetReceivedMessage = "ReceivedMessage"
)

// Entity is a control object of a cell: an account, a role, a rule …
type Entity struct {
	ID   int64
	Cell int64
	Box  int64 // node id of the box it belongs to; 0 for none
	Set  string
	// Key is the text that identifies the entity within its set and box: its
	// name, or for an ext role "{url} {relation}".
	Key     string
	Doc     json.RawMessage // as clients see it
	Version int64           // 1, and one more with every change; the store counts
	// Hidden is what no client sees, such as the hash of an account's password; nil
	// for none.
	Hidden  json.RawMessage
	Created time.Time
	Updated time.Time
}

// Link joins two control objects of a cell, or two entities of one OData
// collection.
type Link struct {
	Cell int64
	Node int64 // the OData collection; 0 for control objects
	From End
	To   End
}

// End is one end of a [Link]. For control objects Key is the decimal entity id,
// for user OData the entity's __id.
type End struct{ Set, Key string }

// ControlReader reads control objects.
type ControlReader interface {
	Entity(cell, box int64, set, key string) (Entity, error)
	EntityByID(id int64) (Entity, error)
	// Entities lists all entities of a cell, or of one set if set is not "".
	Entities(cell int64, set string) ([]Entity, error)
	// Links lists the links of a cell's control objects (node 0) or of one
	// OData collection.
	Links(cell, node int64) ([]Link, error)
	// LinksOf lists the ends of one set that are linked with e, whichever of the
	// two the link comes from, in the order of their keys.
	LinksOf(cell, node int64, e End, set string) ([]End, error)
	// Setting reads a value of the unit, "" if it was never set.
	Setting(name string) (string, error)
}

// ControlWriter changes control objects.
type ControlWriter interface {
	AddEntity(e *Entity) error
	// SetEntity replaces the box, the key, the document, what is hidden and the time of the
	// update of the entity with that id. It wraps [io/fs.ErrExist] if the key is taken.
	SetEntity(e *Entity) error
	// DeleteEntity removes a control object together with its links.
	DeleteEntity(id int64) error
	AddLink(l Link) error
	// DeleteLink removes the link of the two ends, whichever of them it comes from.
	DeleteLink(l Link) error
	SetSetting(name, value string) error
}

// Event is a line of a cell's event log (contract 6.2).
type Event struct {
	ID         int64
	Cell       int64
	Time       time.Time
	RequestKey string
	External   bool
	Schema     string // "" when the caller has none
	// Subject is who asked, as the URL of the cell or of the unit with the name behind "#";
	// "" when it is nobody. It begins with [LocalCell] or [LocalUnit].
	Subject string
	Type    string
	// Object and Info may have [LocalCell] in them, which a reader sees as the cell's URL.
	Object string
	Info   string
	Absent Absent
}

// Absent are the fields of an event that its client left out: the log has null for them,
// and "" for those that are empty.
type Absent uint8

// The fields that can be absent; values are kept in the store.
const (
	NoType Absent = 1 << iota
	NoObject
	NoInfo
)

// LogArchive is a closed log: the events of a cell with ids above After, up to and
// with Last.
type LogArchive struct {
	Cell        int64
	Closed      time.Time
	After, Last int64
	Size        LogSize
}

// LocalCell and LocalUnit are the schemes under which URLs of the cell itself and of the
// unit are kept: a client can call a server by many names.
const (
	LocalCell = "personium-localcell:/"
	LocalUnit = "personium-localunit:/"
)

// Snapshot is a file of a cell's snapshot area.
type Snapshot struct {
	ID   int64
	Cell int64
	Name string // with extension
	// Index is the blob that holds the zip's index for ".zip", the JSON itself
	// for ".error".
	Index   int64
	Size    int64 // bytes of the file as served
	Created time.Time
	// Passing: whoever asked for it takes it away and removes it. Retention neither counts
	// nor removes it.
	Passing bool
}

// Job is the durable part of a long-running operation.
type Job struct {
	ID         int64
	Kind       string
	Cell       int64
	Target     int64 // node id of the box; 0 for the whole cell
	State      string
	Name       string
	RequestKey string
	Subject    string // who asked, as the event log names it; "" for nobody
	Input      int64  // blob id of what it works from, or keeps of what it made; 0 for none
	Started    time.Time
	Ended      time.Time // zero while it runs
	Done       int64     // entries
	Total      int64     // entries
	Step       int64     // where a restart goes on
	Starts     int64     // at that step
	Passing    bool      // of an export: its snapshot is to be [Snapshot.Passing]
	Code       string    // of the failure
	Message    string
}

// RecordReader reads what is neither tree nor control: events, snapshots, jobs.
type RecordReader interface {
	// Events lists at most limit events of a cell with ids after the given one.
	Events(cell, after int64, limit int) ([]Event, error)
	// LastEvent is the newest event of a cell; fs.ErrNotExist if it has none.
	LastEvent(cell int64) (Event, error)
	// LogArchives lists the closed logs of a cell, the oldest first.
	LogArchives(cell int64) ([]LogArchive, error)
	Snapshot(cell int64, name string) (Snapshot, error)
	// Snapshots lists those of one cell, or all for cell 0.
	Snapshots(cell int64) ([]Snapshot, error)
	Job(id int64) (Job, error)
	Jobs() ([]Job, error)
	// JobsOf lists the jobs that work, or worked, on one target of a cell.
	JobsOf(cell, target int64) ([]Job, error)
}

// RecordWriter changes what is neither tree nor control: events, snapshots, jobs.
type RecordWriter interface {
	// AddEvents appends to the current logs; [Cell.Log] follows by itself.
	AddEvents(events ...Event) error
	// CloseLog makes an archive of a cell's current log; the next event begins a
	// new one. closed, in whole milliseconds, is new among the cell's archives.
	CloseLog(cell int64, closed time.Time) error
	// DropLog removes a closed log. Its events stay, in no log, until they are
	// purged.
	DropLog(cell int64, closed time.Time) error
	// PurgeEvents removes at most limit events of dropped logs and returns how
	// many; fewer than limit are all.
	PurgeEvents(limit int) (int64, error)
	AddSnapshot(s *Snapshot) error
	DeleteSnapshot(id int64, now time.Time) error
	// PutJob adds a job without id, filling it in, or replaces the one with its id.
	PutJob(j *Job) error
	// DeleteJob forgets a job; what it worked from is an orphan from now on.
	DeleteJob(id int64, now time.Time) error
}
