package cellfs

import "fmt"

// ServiceSource is the name of the collection that holds the sources of a service. It is
// made with the service collection, and lies in it, with nothing beside it, as long as
// that exists. Bars that have it otherwise cannot be installed.
const ServiceSource = "__src"

// Errors of service collections. All are an [ErrReadOnly].
var (
	// ErrInService: nothing but its sources lies in a service collection.
	ErrInService = fmt.Errorf("a service collection holds its sources only: %w", ErrReadOnly)
	// ErrSource: the sources of a service come and go with it.
	ErrSource = fmt.Errorf("the sources of a service come and go with it: %w", ErrReadOnly)
	// ErrInSource: sources are files.
	ErrInSource = fmt.Errorf("the sources of a service are files: %w", ErrReadOnly)
)

// takes returns the error for a resource of that kind that is to come to the place.
func (p *Place) takes(kind Kind) error {
	switch {
	case p.isSource():
		return ErrSource
	case p.Parent.Kind == KindService:
		return ErrInService
	case p.inSource && kind != KindFile:
		return ErrInSource
	}
	return nil
}

// isSource reports whether the sources of a service are at the place.
func (p *Place) isSource() bool {
	return p.Node != nil && p.Parent.Kind == KindService && p.Node.Kind == KindCollection && p.Node.Name == ServiceSource
}

// addSource makes the collection of the sources of a service that was just made.
func addSource(tx Tx, service *Node) error {
	return AddMember(tx, service, &Node{
		Cell: service.Cell, Parent: service.ID, Name: ServiceSource, Kind: KindCollection,
		Version: service.Version, Created: service.Created, Modified: service.Created, DatesFrom: service.DatesFrom,
	})
}
