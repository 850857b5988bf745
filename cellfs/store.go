package cellfs

import "context"

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

	// Peek is View for a function that calls one method only, which is a point in time by
	// itself.
	Peek(ctx context.Context, fn func(Reader) error) error

	// Update runs u.Do in a transaction. If that returns an error, nothing of it is
	// kept and that error comes back as it is. If Update returns nil, the
	// changes are durable. Any other error means that they may or may not be
	// kept, but never in part. u.Do may run again from the start, after a run of which nothing is
	// kept: it must keep nothing of an earlier one. It is not started after ctx is done; once started,
	// Update waits for its end.
	Update(ctx context.Context, u Update) error

	// Close ends the store after running transactions. Later calls fail.
	Close() error
}

// Update is a transaction that changes the store.
type Update struct {
	Do func(Tx) error
	// Soon asks for less: when [Meta.Update] returns, the changes survive the end of the
	// process, but a power loss may take those of the last second. It is for locks.
	Soon bool
	// Publish, if not nil, is called once Do has returned without an error, before anybody
	// else can see what it changed. What it returns is called as soon as others can see it, or
	// once they surely never will.
	Publish func() (done func())
}

// Tx is a transaction of [Meta]. Methods that look one thing up wrap
// [io/fs.ErrNotExist] when it is absent; methods that add wrap
// [io/fs.ErrExist] when its key is taken. Lists come in the order of their keys.
// Values read are the caller's own.
type Tx interface {
	Reader
	Writer
}

// Reader are the methods of [Tx] that read.
type Reader interface {
	NodeReader
	BlobReader
	ControlReader
	RecordReader
	LockReader
	AsideReader
	IndexReader
}

// Writer are those that change something. In a View they return an error.
type Writer interface {
	NodeWriter
	BlobWriter
	ControlWriter
	RecordWriter
	LockWriter
	AsideWriter
	IndexWriter
}
