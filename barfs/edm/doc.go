// Package edm is the entity data model of user OData: it reads and writes the schema of a
// collection (EDMX, contract 3.9.1), and checks entities by it (contract 3.9.2).
package edm

import "fmt"

// Invalid is the error of a schema or an entity that breaks its rules; its text is what clients are
// shown.
type Invalid struct{ Cause string }

func (e *Invalid) Error() string { return e.Cause }

// Invalidf returns an [Invalid] with a formatted cause.
func Invalidf(format string, args ...any) error { return &Invalid{Cause: fmt.Sprintf(format, args...)} }

const (
	causeParse       = "JSON/XML parse error."
	causeExists      = "The entity already exists."
	causeNoEntitySet = "No such entity set."
)
