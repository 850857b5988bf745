package cellfs

import (
	"context"
	"errors"
	"io/fs"

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
	kept *otter.Cache[cacheKey, kept]
}

// cacheKey is the key of what is kept: a text and a kind, or the id of a content.
type cacheKey struct {
	kind cacheKind
	id   int64
	text string
}

type cacheKind byte

const (
	cachedEntry   cacheKind = iota // *entry, by [Path.Key]
	cachedList                     // *listed, by [Path.Key]: the resource
	cachedMembers                  // *listed, by [Path.Key]: and its members
	cachedContent                  // *Blob, by its id
	cachedControl                  // *remembered, by the key of [Remember]
)

// kept is something in the cache.
type kept interface{ bytes() int } // of memory, about

func newCache(size int64) *cache {
	return &cache{kept: otter.Must(&otter.Options[cacheKey, kept]{
		MaximumWeight: uint64(size),
		Weigher: func(k cacheKey, v kept) uint32 {
			const each = 160 // of the cache itself
			return uint32(each + len(k.text) + v.bytes())
		},
		// What there is to do is done by whoever reads or writes: it is little.
		Executor: func(do func()) { do() },
	})}
}

// get returns what is kept, or nil, also if it is not good any more. T is that of the key's kind.
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
	found
	none error // nothing is there; node tells only the cell

	inherited moment // when what lies above was looked up
	own       moment // when what has the name was
	structure mark
	member    mark
}

// good reports whether the entry tells what is in the store.
func (c *cache) goodEntry(e *entry) bool {
	return c.good(e.inherited, e.structure) && c.good(e.own, e.member)
}

// entry returns the good entry of a path.
func (c *cache) entry(key string) (*entry, bool) {
	e, ok := get[*entry](c, cacheKey{kind: cachedEntry, text: key})
	return e, ok && c.goodEntry(e)
}

func (c *cache) keepEntry(key string, e *entry) {
	if c.goodEntry(e) { // else somebody wrote meanwhile
		c.kept.Set(cacheKey{kind: cachedEntry, text: key}, e)
	}
}

// bytes is about what the entry takes beside what it shares with others.
func (e *entry) bytes() int {
	const each = 480 // with its strings
	return each + e.node.Extra()
}

// newEntry is the entry of what a look-up found, which began at that moment; nil if there is
// nothing to keep. What lies above was looked up no earlier.
func newEntry(at found, err error, since moment) *entry {
	e := &entry{found: at, inherited: since, own: since, structure: structureOf(at.node.Cell)}
	switch {
	case at.node.Cell == 0:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		e.none = err
		e.member = memberOf(at.absent.parent, at.absent.key)
	case err != nil || at.node.Kind > KindFile:
		return nil
	default:
		e.member = memberOf(at.node.Parent, Key(at.node.Name))
	}
	return e
}

// below is the entry of a name in the collection that above is about.
func (e *entry) below(depth int, n *Node, err error, name string, since moment) *entry {
	at := e.found
	at.descend(depth)
	b := &entry{found: at, inherited: e.inherited, own: since, structure: e.structure, member: memberOf(at.parent.ID, Key(name))}
	if err != nil {
		b.none, b.node, b.absent = err, Node{Cell: at.parent.Cell}, absent{at.parent.ID, Key(name)}
		return b
	}
	b.node = *n
	return b
}

// lookupEntry finds what is at p, in the cache or in the store. Also with an error it tells what lies above.
func (f *FS) lookupEntry(ctx context.Context, p Path) (*entry, error) {
	key := p.Key()
	if e, ok := f.cache.entry(key); ok {
		return e, nil
	}
	if p.Len() > 2 && !isSpecial(p.Box()) {
		above, err := f.lookupEntry(ctx, p.Parent())
		if err != nil || above.none != nil {
			return above, err
		}
		if e, err := f.lookupBelow(ctx, above, p); err != nil || e != nil {
			return e, err
		}
	}
	var at found
	since := f.cache.now.Load()
	err := f.meta.View(ctx, func(tx Tx) (err error) {
		at, err = f.lookup(tx, p)
		return err
	})
	e := newEntry(at, err, since)
	if e == nil {
		return &entry{found: at}, err
	}
	f.cache.keepEntry(key, e)
	return e, nil
}

// lookupBelow finds what has the last name of p in a collection whose entry is known, with one
// question to the store. It returns nil if what lies above has changed meanwhile.
func (f *FS) lookupBelow(ctx context.Context, above *entry, p Path) (*entry, error) {
	var n Node
	since := f.cache.now.Load()
	err := f.meta.Peek(ctx, func(tx Reader) (err error) {
		n, err = tx.Child(above.node.ID, p.Name())
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		err = orMissing(err, fs.ErrNotExist)
	}
	e := above.below(p.Len()-1, &n, err, p.Name(), since)
	if !f.cache.good(e.inherited, e.structure) {
		return nil, nil
	}
	f.cache.keepEntry(p.Key(), e)
	return e, nil
}

// bytes is about what a content takes.
func (b *Blob) bytes() int { return 128 + len(b.Data) }

// cachedBlob is the row of a content, which never changes.
func (f *FS) cachedBlob(ctx context.Context, id int64) (*Blob, error) {
	key := cacheKey{kind: cachedContent, id: id}
	if b, ok := get[*Blob](f.cache, key); ok {
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
	f.cache.kept.Set(key, &b)
	return &b, nil
}
