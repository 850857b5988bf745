package cellfs

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// Sentinel errors of the tree. Absence and presence are [io/fs.ErrNotExist] and
// [io/fs.ErrExist]; only what these cannot say has a sentinel of its own.
var (
	// ErrNoCell and ErrNoBox say which level of a path is missing. Both wrap
	// [io/fs.ErrNotExist].
	ErrNoCell error = missing("cell not found")
	ErrNoBox  error = missing("box not found")

	// ErrNoParent: the collection that would hold the resource is missing
	// (RFC 4918, 9.3.1, 9.7.1).
	ErrNoParent = errors.New("parent collection does not exist")

	// ErrBelowFile is an [ErrNoParent]: what would hold the resource is a file.
	ErrBelowFile = fmt.Errorf("below a file: %w", ErrNoParent)

	// ErrName: a path segment breaks the naming rules of [CheckName].
	ErrName = errors.New("invalid resource name")

	// ErrTooDeep: the resource would lie deeper than [MaxDepth].
	ErrTooDeep = errors.New("hierarchy is too deep")

	// ErrIsCollection: the resource is a collection, and should be none.
	ErrIsCollection = errors.New("resource is a collection")

	// ErrSame and ErrOverlap: source and destination of COPY or MOVE are the
	// same resource, or one lies inside the other.
	ErrSame    = errors.New("source and destination are the same resource")
	ErrOverlap = errors.New("source and destination contain each other")

	// ErrDestinationExists: overwriting was not allowed (RFC 4918, 10.6).
	ErrDestinationExists = errors.New("destination exists")

	// ErrReadOnly: the resource is maintained by the server (the unit root, a
	// cell root, OData contents) and not changed by file operations.
	ErrReadOnly = errors.New("resource is read-only")

	// ErrInOData is an [ErrReadOnly] of what lies in an OData collection.
	ErrInOData = fmt.Errorf("resource lies in an OData collection: %w", ErrReadOnly)

	// ErrInstalling: the box is being installed (contract 2.6). It comes as an
	// [*InstallingError].
	ErrInstalling = errors.New("box is being installed")

	// ErrNoSpace: the disk or database is full.
	ErrNoSpace = errors.New("no space left")

	// ErrDatabase: the file of the database is damaged, or is none.
	ErrDatabase = errors.New("the database is damaged")

	// ErrQuota: the cell's resources would take more than its quota (RFC 4331).
	ErrQuota = errors.New("quota of the cell is exceeded")

	// ErrManyNodes: the cell would have more resources than it may.
	ErrManyNodes = errors.New("cell has too many resources")

	// ErrProps: the dead properties of the resource would exceed [MaxProps] or
	// [MaxPropBytes].
	ErrProps = errors.New("dead properties take too much")

	// ErrSchemaTaken: a box of the cell has this schema already.
	ErrSchemaTaken = errors.New("box schema is already registered")

	// ErrShortBody: fewer or more bytes arrived than were announced.
	ErrShortBody = errors.New("body does not have the announced length")
)

// IsNoSpace reports whether an error means that there is no room left, in the database or
// on the disk.
func IsNoSpace(err error) bool {
	return errors.Is(err, ErrNoSpace) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// InstallingError is an [ErrInstalling] that says which box.
type InstallingError struct{ Box string }

func (e *InstallingError) Error() string        { return "box " + e.Box + " is being installed" }
func (e *InstallingError) Is(target error) bool { return target == ErrInstalling }

// DestinationError is an error of COPY or MOVE that is about the destination.
type DestinationError struct{ Err error }

func (e *DestinationError) Error() string { return "destination: " + e.Err.Error() }

// Unwrap returns what is wrong with it.
func (e *DestinationError) Unwrap() error { return e.Err }

// missing is an absence that says of what; errors.Is and os.IsNotExist see
// fs.ErrNotExist through it.
type missing string

func (m missing) Error() string        { return string(m) }
func (m missing) Is(target error) bool { return target == fs.ErrNotExist }
