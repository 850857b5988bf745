package cellfs

import (
	"context"
	"sync"
)

// maxKnown bounds what [Remember] keeps, in values.
const maxKnown = 10_000

// known keeps what was made of the control objects of cells, such as the roles of an
// account. It is exact in the way of the cache of the tree.
type known struct {
	mu sync.RWMutex
	changes
	values map[string]remembered
}

type remembered struct {
	since uint64
	cell  int64
	value any
}

func (k *known) begins(cell int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changes.begins(cell)
}

func (k *known) ended(cells map[int64]bool) {
	if len(cells) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changes.ended(cells)
}

func (k *known) get(key string) (any, uint64, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	r, ok := k.values[key]
	return r.value, k.now, ok && k.none(r.cell, r.since)
}

func (k *known) put(key string, r remembered) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.none(r.cell, r.since) {
		return
	}
	if k.values == nil || len(k.values) >= maxKnown {
		k.values = map[string]remembered{}
	}
	k.values[key] = r
}

// Remember returns what load makes of a cell's control objects, from memory if none of
// them has changed since it was made. Values are shared: nobody may change them. The
// key is of the caller's own making; errors are not remembered. For a cell that is not
// there it returns [ErrNoCell].
func Remember[T any](ctx context.Context, f *FS, cell, key string, load func(Tx, Cell) (T, error)) (T, error) {
	key = cell + "\x00" + key
	value, since, ok := f.known.get(key)
	if ok {
		return value.(T), nil
	}
	var made T
	var id int64
	err := f.meta.View(ctx, func(tx Tx) error {
		c, err := tx.Cell(cell)
		if err != nil {
			return orMissing(err, ErrNoCell)
		}
		id = c.ID
		made, err = load(tx, c)
		return err
	})
	if err == nil {
		f.known.put(key, remembered{since, id, made})
	}
	return made, err
}
