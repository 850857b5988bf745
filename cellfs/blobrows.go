package cellfs

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

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

// BlobReader reads the rows of contents.
type BlobReader interface {
	Blob(id int64) (Blob, error)
	BlobByHash(h Hash) (Blob, error)
	// BlobsByID are the contents with these ids; what is not there is left out.
	BlobsByID(ids []int64) (map[int64]Blob, error)
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
}

// BlobWriter changes the rows of contents.
type BlobWriter interface {
	// AddBlob returns the id of the content, adding a row if there is none.
	AddBlob(b *Blob) (int64, error)
	// AddOrphans puts contents on that list, as of now.
	AddOrphans(ids []int64, now time.Time) error
	// DropBlobs removes the rows of those contents that are still on the list
	// since before the given time and that nothing names.
	DropBlobs(ids []int64, before time.Time) (dropped []Blob, err error)
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
