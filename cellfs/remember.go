package cellfs

import "context"

// remembered is what was made of the control objects of a cell, such as the roles of an
// account.
type remembered struct {
	since moment
	mark  mark
	value any
}

// bytes is about what a value takes. They are small, and all counted alike.
func (r *remembered) bytes() int { return 512 }

// Remember returns what load makes of a cell's control objects, from memory if none of
// them has changed since it was made. Values are shared: nobody may change them. The
// key is of the caller's own making; errors are not remembered. For a cell that is not
// there it returns [ErrNoCell].
func Remember[T any](ctx context.Context, f *FS, cell, key string, load func(Tx, Cell) (T, error)) (T, error) {
	at := cacheKey{cachedControl, cell + "\x00" + key}
	if r, ok := get[*remembered](f.cache, at); ok && f.cache.good(r.since, r.mark) {
		return r.value.(T), nil
	}
	since := f.cache.now.Load()
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
	if mark := controlOf(id); err == nil && f.cache.good(since, mark) {
		f.cache.kept.Set(at, &remembered{since, mark, made})
	}
	return made, err
}
