package odata

import (
	"container/list"
	"sync"

	"cellar/barfs/edm"
	"cellar/cellfs"
)

// maxSchemas bounds the schemas that are remembered, in bytes of their text. Reading one
// costs up to tenths of a second, which anybody who may read could cause again and again.
const maxSchemas = 4 * edm.MaxSchema

// schemas are those that were read last.
var schemas = newSchemaCache(maxSchemas)

// schemaCache remembers schemas by the hash of their text. Who asks for one that is being
// read waits for that.
type schemaCache struct {
	limit int64

	mu    sync.Mutex
	bytes int64
	byKey map[cellfs.Hash]*list.Element
	last  *list.List // of *schemaEntry; that which was used last stands first
}

type schemaEntry struct {
	hash cellfs.Hash
	size int64

	mu     sync.Mutex  // held while it is read
	schema *edm.Schema // nil: not read yet
}

func newSchemaCache(limit int64) *schemaCache {
	return &schemaCache{limit: limit, byKey: map[cellfs.Hash]*list.Element{}, last: list.New()}
}

// get returns the schema whose text has that hash and size, by read if it is not known.
// Nobody may change it. What cannot be read is not remembered.
func (c *schemaCache) get(h cellfs.Hash, size int64, read func() (*edm.Schema, error)) (*edm.Schema, error) {
	e := c.entry(h, size)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.schema != nil {
		return e.schema, nil
	}
	s, err := read() // with the time and the transaction of this caller: others try themselves
	if err != nil {
		c.forget(e)
		return nil, err
	}
	e.schema = s
	return s, nil
}

func (c *schemaCache) entry(h cellfs.Hash, size int64) *schemaEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.byKey[h]; at != nil {
		c.last.MoveToFront(at)
		return at.Value.(*schemaEntry)
	}
	e := &schemaEntry{hash: h, size: size}
	c.byKey[h] = c.last.PushFront(e)
	for c.bytes += size; c.bytes > c.limit && c.last.Len() > 1; {
		c.remove(c.last.Back())
	}
	return e
}

func (c *schemaCache) forget(e *schemaEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.byKey[e.hash]; at != nil && at.Value == e {
		c.remove(at)
	}
}

func (c *schemaCache) remove(at *list.Element) {
	e := c.last.Remove(at).(*schemaEntry)
	delete(c.byKey, e.hash)
	c.bytes -= e.size
}
