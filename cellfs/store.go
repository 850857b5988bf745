package cellfs

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"time"
)

// Meta keeps everything but large contents: cells, nodes, control objects,
// events, snapshots, jobs and small contents.
//
// A transaction handed to View or Update is valid only during the call and only
// on the calling goroutine. Functions must not do I/O of their own: in Update
// they run one after the other for all callers.
type Meta interface {
	// View runs fn over one point in time. What others commit meanwhile is not
	// seen. Writes inside return an error.
	View(ctx context.Context, fn func(Tx) error) error

	// Update runs fn in a transaction. If fn returns an error, nothing of it is
	// kept and that error comes back as it is. If Update returns nil, the
	// changes are durable. Any other error means that they may or may not be
	// kept, but never in part. fn runs at most once. It is not started after ctx
	// is done; once started, Update waits for its end.
	Update(ctx context.Context, fn func(Tx) error) error

	// UpdateSoon is Update with less: when it returns, the changes survive the end
	// of the process, but a power loss may take those of the last second. It is
	// for locks.
	UpdateSoon(ctx context.Context, fn func(Tx) error) error

	// Close ends the store after running transactions. Later calls fail.
	Close() error
}

// Tx is a transaction of [Meta]. Methods that look one thing up wrap
// [io/fs.ErrNotExist] when it is absent; methods that add wrap
// [io/fs.ErrExist] when its key is taken. Lists come in the order of their keys.
// Values read are the caller's own.
type Tx interface {
	NodeTx
	BlobTx
	ControlTx
	RecordTx
	LockTx
	AsideTx
	IndexTx
}

// Aside is a tree that no cell shows: one that an import builds, or one that is
// being removed.
type Aside struct {
	Root  int64
	Cell  int64
	Job   int64 // that builds it; 0: it is to be removed
	Nodes int64 // as [Cell.Nodes]
	Bytes int64 // as [Cell.Used]
}

// AsideTx builds trees aside, puts them in the place of a cell's tree, and removes
// them piece by piece. Control objects that belong to a tree are added for the cell
// with the negative id of the job.
type AsideTx interface {
	// AddAside begins a tree for the cell of the root, whose id and name it fills in.
	AddAside(job int64, root *Node) error
	// AddAsideNodes adds nodes below the root of a tree and fills in their ids. They
	// count neither for the quota nor for [Cell.Used]. Boxes have no schema yet.
	AddAsideNodes(root int64, nodes []*Node) error
	// SetAsideNode is [NodeTx.SetNode] for the root of a tree or a collection below it.
	SetAsideNode(root int64, old, n *Node) error
	Asides() ([]Aside, error)
	// ShowAside makes the tree that of its cell, together with its control objects
	// and the schemas of its boxes by node id, and raises the cell's generation to
	// atLeast or more. The tree and the objects that it replaces are to be removed.
	// Records of installs into the old boxes go.
	ShowAside(root int64, schemas map[int64]string, atLeast int64, now time.Time) error
	// DropAside gives a tree up: its control objects go, the rest is to be removed.
	DropAside(root int64) error
	// PruneAside removes at most limit files of a tree that is to be removed; done
	// says that nothing is left of it.
	PruneAside(root int64, limit int, now time.Time) (done bool, err error)
}

// NodeTx reads and writes the tree.
type NodeTx interface {
	Cell(name string) (Cell, error)
	CellByID(id int64) (Cell, error)
	Cells() ([]Cell, error)
	// AddCell adds the cell together with its root node and main box, and
	// fills in the ids. [Cell.Used] and [Cell.Nodes] follow the tree by themselves.
	AddCell(c *Cell) error
	// DeleteCell removes the cell and everything that belongs to it.
	DeleteCell(id int64, now time.Time) error
	// SetQuota limits the bytes that the cell's resources may take; 0 lifts the limit.
	SetQuota(cell, bytes int64) error
	// RenameCell gives the cell another name.
	RenameCell(id int64, name string) error
	// SetKeep says how many finished snapshots of the cell are kept; 0: all.
	SetKeep(cell, snapshots int64) error
	// Touch raises the generation of a cell, to atLeast or more, and returns the
	// new one. Every transaction that changes the tree calls it.
	Touch(cell, atLeast int64) (int64, error)

	Node(id int64) (Node, error)
	// Child looks up by Key(name).
	Child(parent int64, name string) (Node, error)
	// Children lists a page of children in the order of their keys, and reports whether
	// there are more. A page that is not the last has at least one child.
	Children(parent int64, p Page) (nodes []Node, more bool, err error)
	// ChildRefs is Children together with what each content is.
	ChildRefs(parent int64, p Page) (refs []NodeRef, more bool, err error)
	// Documents calls yield for each file in a collection with a key after the given one, in the order
	// of their keys, with its content if that is small. What is yielded is valid during the call, in
	// which the transaction must not be used.
	Documents(parent int64, after string, yield func(*Document) error) error
	// AuthzBelow lists what the ACLs of all that lies below root ask of applications, each
	// [ACL.RequireSchemaAuthz] once.
	AuthzBelow(root int64) ([]string, error)
	// Count returns the nodes of the subtree, its root included, and their
	// [Node.Weight].
	Count(root int64) (nodes, bytes int64, err error)
	// Height is how many levels lie below root; 0 if it has no children.
	Height(root int64) (int, error)
	// Nodes counts all nodes of the store.
	Nodes() (int64, error)

	// AddNode fills in the id.
	AddNode(n *Node) error
	// SetNode replaces the row of old by n, which has the same id; parent and
	// name may change. A content that n no longer names becomes an orphan.
	SetNode(old *Node, n *Node, now time.Time) error
	// MembersChanged notes the time of a change among the members of a collection as its
	// [Node.Changed], in the place of a modification time that a client set.
	MembersChanged(collection *Node, now time.Time) error
	// DatesAnew makes the [Node.DatesFrom] of all children of a node the second after now, or
	// after what it was if that is later.
	DatesAnew(parent int64, now time.Time) error
	// SetCellOf moves a whole subtree to another cell. ACLs, which name roles of
	// the cell, do not go along.
	SetCellOf(root, cell int64) error
	// CopyTree copies what lies below src to below dst, a collection that was
	// just added. Copies get version and time as given; ACLs stay behind.
	CopyTree(src int64, dst *Node, version int64, now time.Time) error
	// DeleteTree removes the node and all below it; contents become orphans.
	// With a box go its control objects and its jobs.
	DeleteTree(n *Node, now time.Time) error
}

// Page says which children of a node are listed at a time, and what of them.
type Page struct {
	After string // the key after which the page begins; "" begins at the first
	Limit int    // so many children at most, and fewer after [PageBytes]
	Props PropNames
}

// PageBytes ends a [Page]: it is complete once the properties and ACLs of its nodes take
// so many bytes, as [Node.Extra] counts them.
const PageBytes = 512 << 10

// PropNames says which dead properties are read with nodes; nil stands for all, an empty
// map for none.
type PropNames map[xml.Name]bool

// Keep leaves only those of the properties that are named.
func (names PropNames) Keep(props []Property) []Property {
	if names == nil {
		return props
	}
	return slices.DeleteFunc(props, func(p Property) bool { return !names[xml.Name{Space: p.Space, Local: p.Local}] })
}

// NodeRef is a node and its content; Ref is zero for what has none, and for one whose row is
// lost.
type NodeRef struct {
	Node
	Ref
}

// Hash is the SHA-256 of a content.
type Hash [32]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads 64 hexadecimal digits.
func ParseHash(s string) (h Hash, err error) {
	if len(s) != 2*len(h) {
		return h, fmt.Errorf("hash of %d digits", len(s))
	}
	_, err = hex.Decode(h[:], []byte(s))
	return h, err
}

// Ref names a content and says what checks it.
type Ref struct {
	Hash  Hash
	Size  int64  // bytes
	CRC32 uint32 // IEEE
}

// Blob is the row of a content. Data holds it whole if it is small and is nil
// if it lies in [Blobs].
type Blob struct {
	ID int64
	Ref
	Data []byte
}

// BlobTx reads and writes the rows of contents.
type BlobTx interface {
	// AddBlob returns the id of the content, adding a row if there is none.
	AddBlob(b *Blob) (int64, error)
	Blob(id int64) (Blob, error)
	BlobByHash(h Hash) (Blob, error)
	// BlobSizes are the sizes of the contents with these ids; what is not there is left
	// out.
	BlobSizes(ids []int64) (map[int64]int64, error)
	// NodesOf lists at most limit nodes that have the content, in the order of their ids.
	// Their properties may be left out.
	NodesOf(blob int64, limit int) ([]Node, error)
	// Blobs lists at most limit rows with ids after the given one, without
	// their data; [Blob.Data] is empty but not nil where the row holds it.
	Blobs(after int64, limit int) ([]Blob, error)

	// Orphans lists at most limit contents after the given id that lost a
	// reference before the given time. Those that something still names (a node,
	// a snapshot, a job's input) are not listed; they leave the work list when the
	// first page is read in an Update.
	Orphans(before time.Time, after int64, limit int) ([]Blob, error)
	// AddOrphans puts contents on that list, as of now.
	AddOrphans(ids []int64, now time.Time) error
	// DropBlobs removes the rows of those contents that are still on the list
	// since before the given time and that nothing names.
	DropBlobs(ids []int64, before time.Time) (dropped []Blob, err error)
}

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

// ControlTx reads and writes control objects.
type ControlTx interface {
	AddEntity(e *Entity) error
	Entity(cell, box int64, set, key string) (Entity, error)
	EntityByID(id int64) (Entity, error)
	// SetEntity replaces the box, the key, the document, what is hidden and the time of the
	// update of the entity with that id. It wraps [io/fs.ErrExist] if the key is taken.
	SetEntity(e *Entity) error
	// DeleteEntity removes a control object together with its links.
	DeleteEntity(id int64) error
	// Entities lists all entities of a cell, or of one set if set is not "".
	Entities(cell int64, set string) ([]Entity, error)
	AddLink(l Link) error
	// DeleteLink removes the link of the two ends, whichever of them it comes from.
	DeleteLink(l Link) error
	// Links lists the links of a cell's control objects (node 0) or of one
	// OData collection.
	Links(cell, node int64) ([]Link, error)
	// LinksOf lists the ends of one set that are linked with e, whichever of the
	// two the link comes from, in the order of their keys.
	LinksOf(cell, node int64, e End, set string) ([]End, error)

	// Setting reads a value of the unit, "" if it was never set.
	Setting(name string) (string, error)
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
	Input      int64  // blob id of what it works from, or keeps once it has ended; 0 for none
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

// RecordTx reads and writes what is neither tree nor control: events,
// snapshots, jobs.
type RecordTx interface {
	// AddEvents appends to the current logs; [Cell.Log] follows by itself.
	AddEvents(events ...Event) error
	// Events lists at most limit events of a cell with ids after the given one.
	Events(cell, after int64, limit int) ([]Event, error)
	// LastEvent is the newest event of a cell; fs.ErrNotExist if it has none.
	LastEvent(cell int64) (Event, error)
	// CloseLog makes an archive of a cell's current log; the next event begins a
	// new one. closed, in whole milliseconds, is new among the cell's archives.
	CloseLog(cell int64, closed time.Time) error
	// LogArchives lists the closed logs of a cell, the oldest first.
	LogArchives(cell int64) ([]LogArchive, error)
	// DropLog removes a closed log. Its events stay, in no log, until they are
	// purged.
	DropLog(cell int64, closed time.Time) error
	// PurgeEvents removes at most limit events of dropped logs and returns how
	// many; fewer than limit are all.
	PurgeEvents(limit int) (int64, error)

	AddSnapshot(s *Snapshot) error
	Snapshot(cell int64, name string) (Snapshot, error)
	// Snapshots lists those of one cell, or all for cell 0.
	Snapshots(cell int64) ([]Snapshot, error)
	DeleteSnapshot(id int64, now time.Time) error

	// PutJob adds a job without id, filling it in, or replaces the one with its id.
	PutJob(j *Job) error
	// DeleteJob forgets a job; what it worked from is an orphan from now on.
	DeleteJob(id int64, now time.Time) error
	Job(id int64) (Job, error)
	Jobs() ([]Job, error)
	// JobsOf lists the jobs that work, or worked, on one target of a cell.
	JobsOf(cell, target int64) ([]Job, error)
}

// Blobs keeps large immutable contents under their SHA-256. A blob is absent or
// complete, never partial.
type Blobs interface {
	// Put reads r to EOF and is durable on return. Equal content twice is fine
	// and counts as new for Delete. If r fails, nothing is kept and r's error
	// comes back.
	Put(ctx context.Context, r io.Reader) (Ref, error)
	// PutSoon is Put, but durable only once Sync has returned: of many contents
	// that is faster. What was durable before stays so.
	PutSoon(ctx context.Context, r io.Reader) (Ref, error)
	// Sync makes durable what PutSoon put before.
	Sync(ctx context.Context) error
	// Open wraps [io/fs.ErrNotExist] when the blob is absent. What was opened
	// can be read to its end even if the blob is deleted meanwhile. A store on
	// local files returns *os.File, so that a server can send it from the kernel.
	Open(ctx context.Context, h Hash) (Content, error)
	// Delete removes the blob if it was last put before the given time. Absence
	// is success.
	Delete(ctx context.Context, h Hash, before time.Time) error
	// List calls yield for every blob until it returns an error, which List
	// returns.
	List(ctx context.Context, yield func(h Hash, size int64, put time.Time) error) error
}

// Content is an opened content.
type Content interface {
	io.ReadSeekCloser
	io.ReaderAt
}
