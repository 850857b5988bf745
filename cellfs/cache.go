package cellfs

import (
	"context"
	"errors"
	"io/fs"
	"sync/atomic"

	"github.com/maypok86/otter/v2"
)

// DefaultCacheSize bounds the cache of an [FS], in bytes, unless [Config.CacheSize] says
// otherwise.
const DefaultCacheSize = 32 << 20

// cache keeps what was read: what is at a path, what a listing shows, what was made of control
// objects, and small contents. It is exact. What it keeps has marks, and is good until a
// transaction raises one ([changes]); contents never change. So no reader gets an older state
// from the cache than another one saw in the store.
type cache struct {
	changes
	kept     *otter.Cache[cacheKey, kept]
	contents *otter.Cache[int64, *Blob] // by their ids
}

// cacheKey is the key of what is kept: a text, and of which kind it is.
type cacheKey struct {
	kind cacheKind
	text string
}

type cacheKind byte

const (
	cachedEntry   cacheKind = iota // *entry, by [Path.Key]
	cachedList                     // *listed, by [Path.Key]: the resource
	cachedMembers                  // *listed, by [Path.Key]: and its members
	cachedControl                  // *remembered, by the key of [Remember]
)

// kept is something in the cache.
type kept interface{ bytes() int } // of memory, about

// cacheOverhead is about what the cache itself takes for each, in bytes.
const cacheOverhead = 120

// newCache returns a cache of so many bytes. Contents have a part of their own: where there are more
// than it holds, they come from the store one by one, but where they are is still known.
func newCache(size int64) *cache {
	contents := size * 3 / 8
	// What there is to do is done by whoever reads or writes: it is little.
	here := func(do func()) { do() }
	return &cache{
		kept: otter.Must(&otter.Options[cacheKey, kept]{
			MaximumWeight: uint64(size - contents), Executor: here,
			Weigher: func(k cacheKey, v kept) uint32 { return uint32(cacheOverhead + len(k.text) + v.bytes()) },
		}),
		contents: otter.Must(&otter.Options[int64, *Blob]{
			MaximumWeight: uint64(contents), Executor: here,
			Weigher: func(_ int64, b *Blob) uint32 { return uint32(cacheOverhead + 96 + len(b.Data)) },
		}),
	}
}

// get returns what is kept, good or not. T is that of the key's kind.
func get[T kept](c *cache, k cacheKey) (v T, ok bool) {
	e, ok := c.kept.GetIfPresent(k)
	if !ok {
		return v, false
	}
	return e.(T), true
}

// entry is what was found at a path, or that there is nothing: clients ask again and again for
// files of their own that do not exist (.DS_Store, desktop.ini).
type entry struct {
	node Node // zero but for its cell if there is nothing
	*way
	none error // nothing is there

	inherited moment // when what lies above was looked up
	own       moment // when what has the name was
	structure mark
	member    mark

	inside atomic.Pointer[way] // for its members, once one was looked up
}

func (e *entry) found() found { return found{node: e.node, way: *e.way} }

// goodEntry reports whether the entry tells what is in the store.
func (c *cache) goodEntry(e *entry) bool {
	return c.good(e.inherited, e.structure) && c.good(e.own, e.member)
}

// entry returns the good entry of a path.
func (c *cache) entry(key string) (*entry, bool) {
	e, ok := get[*entry](c, cacheKey{cachedEntry, key})
	return e, ok && c.goodEntry(e)
}

func (c *cache) keepEntry(key string, e *entry) {
	if c.goodEntry(e) { // else somebody wrote meanwhile
		c.kept.Set(cacheKey{cachedEntry, key}, e)
	}
}

// bytes is about what the entry takes beside what it shares with others.
func (e *entry) bytes() int {
	const each = 380 // with the name
	return each + e.node.Extra()
}

// newEntry is the entry of what a look-up found that began at that moment. It is not to be kept unless keep
// says so.
func newEntry(at found, err error, since moment) (e *entry, keep bool) {
	e = &entry{node: at.node, way: &at.way, inherited: since, own: since, structure: structureOf(at.node.Cell)}
	switch {
	case at.node.Cell == 0:
		return e, false
	case errors.Is(err, fs.ErrNotExist):
		e.none, e.member = err, memberOf(at.absent.parent, at.absent.key)
		return e, true
	}
	e.member = memberOf(at.node.Parent, Key(at.node.Name))
	return e, err == nil && at.node.Kind <= KindFile
}

// within is what lies above the members of the entry, which has the given depth.
func (e *entry) within(depth int) *way {
	if w := e.inside.Load(); w != nil {
		return w
	}
	at := e.found()
	at.descend(depth)
	e.inside.Store(&at.way)
	return &at.way
}

// below is the entry of a name in the collection that e is about; n is nil if there is none.
func (e *entry) below(p Path, n *Node, since moment) *entry {
	b := &entry{way: e.within(p.Len() - 1), inherited: e.inherited, own: since, structure: e.structure, member: memberOf(e.node.ID, Key(p.Name()))}
	if n == nil {
		b.none, b.node.Cell = fs.ErrNotExist, e.node.Cell
		return b
	}
	b.node = *n
	return b
}

// lookupEntry finds what is at p, in the cache or in the store. Also with an error it tells what lies above.
func (f *FS) lookupEntry(ctx context.Context, p Path) (*entry, error) {
	e, _, err := f.lookUp(ctx, p, false)
	return e, err
}

// lookupContent is lookupEntry, and if it has to read the entry of a file with a small content, it reads that
// too.
func (f *FS) lookupContent(ctx context.Context, p Path) (*entry, *Blob, error) {
	return f.lookUp(ctx, p, true)
}

func (f *FS) lookUp(ctx context.Context, p Path, content bool) (*entry, *Blob, error) {
	key := p.Key()
	if e, ok := f.cache.entry(key); ok {
		return e, nil, nil
	}
	if p.Len() > 2 && !isSpecial(p.Box()) {
		above, err := f.lookupEntry(ctx, p.Parent())
		if err != nil || above.none != nil {
			return above, nil, err
		}
		if e, b, err := f.lookupBelow(ctx, above, p, key, content); err != nil || e != nil {
			return e, b, err
		}
	}
	var at found
	since := f.cache.now.Load()
	err := f.meta.View(ctx, func(tx Tx) (err error) {
		at, err = f.lookup(tx, p)
		return err
	})
	e, keep := newEntry(at, err, since)
	if !keep {
		return e, nil, err
	}
	f.cache.keepEntry(key, e)
	return e, nil, nil
}

// lookupBelow finds what has the last name of p in a collection whose entry is known, with one
// question to the store. It returns nil if what lies above has changed meanwhile.
func (f *FS) lookupBelow(ctx context.Context, above *entry, p Path, key string, content bool) (*entry, *Blob, error) {
	var n Node
	var b *Blob
	since := f.cache.now.Load()
	err := f.meta.Peek(ctx, func(tx Reader) (err error) {
		if content {
			n, b, err = tx.ChildContent(above.node.ID, p.Name())
		} else {
			n, err = tx.Child(above.node.ID, p.Name())
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &entry{way: above.within(p.Len() - 1)}, nil, err
	}
	found := &n
	if err != nil {
		found = nil
	}
	e := above.below(p, found, since)
	if !f.cache.good(e.inherited, e.structure) {
		return nil, nil, nil
	}
	f.cache.keepEntry(key, e)
	if b != nil {
		f.cache.contents.Set(b.ID, b)
	}
	return e, b, nil
}

// cachedBlob is the row of a content, which never changes.
func (f *FS) cachedBlob(ctx context.Context, id int64) (*Blob, error) {
	if b, ok := f.cache.contents.GetIfPresent(id); ok {
		return b, nil
	}
	var b Blob
	err := f.meta.Peek(ctx, func(tx Reader) (err error) {
		b, err = tx.Blob(id)
		return err
	})
	if err != nil {
		return nil, err
	}
	f.cache.contents.Set(id, &b)
	return &b, nil
}
