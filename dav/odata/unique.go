package odata

import (
	"context"
	"strings"

	"cellar/cellfs"
	"cellar/dav/answer"
)

// errNotUnique: another entity has the values of a unique key.
var errNotUnique = answer.With(answer.EntityExists, "The entity already exists: another has the same values of a unique key.")

// uniqueKeys makes sure that the set has an index for each of its unique keys. It returns [errRetry] if it made
// one: what was read lacks it.
func (c *Change) uniqueKeys(ctx context.Context, s *state, set string) error {
	made := false
	for _, name := range s.schema.EntityType(set).UniqueKeys() {
		complete := false
		for _, x := range s.indexes {
			complete = complete || x.Property == uniqueIndex+name && x.Complete
		}
		if complete {
			continue
		}
		if err := BuildIndex(ctx, c.FS, Missing{Set: s.set.ID, Property: uniqueIndex + name}); err != nil {
			return err
		}
		made = true
	}
	if made {
		return errRetry
	}
	return nil
}

// unique returns an error if an index of a unique key has the value of another entity.
func unique(tx cellfs.Tx, x *cellfs.Index, value []byte) error {
	if !strings.HasPrefix(x.Property, uniqueIndex) || value[0] == tagNull {
		return nil
	}
	n, err := tx.CountIndexed(x.ID, cellfs.IndexRange{From: value, To: after(value)}, 1)
	if err == nil && n > 0 {
		err = errNotUnique
	}
	return err
}
