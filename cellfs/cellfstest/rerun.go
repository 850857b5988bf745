package cellfstest

import (
	"context"
	"errors"

	"cellar/cellfs"
)

// Rerun runs every Update twice, and the first run is lost, as one is that met another process: whoever
// gives a function to Update keeps nothing of an earlier run.
type Rerun struct{ cellfs.Meta }

// errLost undoes a first run.
var errLost = errors.New("this run is lost")

// Update implements [cellfs.Meta].
func (m Rerun) Update(ctx context.Context, u cellfs.Update) error {
	err := m.Meta.Update(ctx, cellfs.Update{Soon: u.Soon, Do: func(tx cellfs.Tx) error {
		if err := u.Do(tx); err != nil {
			return err
		}
		return errLost
	}})
	if !errors.Is(err, errLost) {
		return err
	}
	return m.Meta.Update(ctx, u)
}
