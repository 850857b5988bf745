package cellfstest

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"cellar/cellfs"
)

func (t *memTx) AddBlob(b *cellfs.Blob) (int64, error) {
	if err := t.mayWrite(); err != nil {
		return 0, err
	}
	if old, err := t.BlobByHash(b.Hash); err == nil {
		return old.ID, nil
	}
	n := *b
	n.ID = t.id()
	t.blobs[n.ID] = n
	return n.ID, nil
}

func (t *memTx) Blob(id int64) (cellfs.Blob, error) {
	b, ok := t.blobs[id]
	if !ok {
		return b, absent("content %d", id)
	}
	return b, nil
}

func (t *memTx) BlobsByID(ids []int64) (map[int64]cellfs.Blob, error) {
	found := map[int64]cellfs.Blob{}
	for _, id := range ids {
		if b, ok := t.blobs[id]; ok {
			found[id] = b
		}
	}
	return found, nil
}

func (t *memTx) BlobSizes(ids []int64) (map[int64]int64, error) {
	found := map[int64]int64{}
	for _, id := range ids {
		if b, ok := t.blobs[id]; ok {
			found[id] = b.Size
		}
	}
	return found, nil
}

func (t *memTx) NodesOf(blob int64, limit int) (found []cellfs.Node, err error) {
	for _, id := range slices.Sorted(maps.Keys(t.nodes)) {
		if n := t.nodes[id]; n.Blob == blob && len(found) < limit {
			found = append(found, n)
		}
	}
	return found, nil
}

func (t *memTx) BlobByHash(h cellfs.Hash) (cellfs.Blob, error) {
	for _, b := range t.blobs {
		if b.Hash == h {
			return b, nil
		}
	}
	return cellfs.Blob{}, absent("content %s", h)
}

func (t *memTx) listBlobs(after int64, limit int, keep func(id int64) bool) []cellfs.Blob {
	all := sorted(t.blobs, func(b cellfs.Blob) bool { return b.ID > after && keep(b.ID) }, func(a, b cellfs.Blob) int { return cmp.Compare(a.ID, b.ID) })
	all = all[:min(limit, len(all))]
	for i := range all {
		if all[i].Data != nil {
			all[i].Data = []byte{}
		}
	}
	return all
}

func (t *memTx) Blobs(after int64, limit int) ([]cellfs.Blob, error) {
	return t.listBlobs(after, limit, func(int64) bool { return true }), nil
}

func (t *memTx) named(id int64) bool {
	for _, n := range t.nodes {
		if n.Blob == id {
			return true
		}
	}
	for _, s := range t.snapshots {
		if s.Index == id {
			return true
		}
	}
	for _, j := range t.jobs {
		if j.Input == id {
			return true
		}
	}
	return false
}

func (t *memTx) Orphans(before time.Time, after int64, limit int) ([]cellfs.Blob, error) {
	due := func(id int64) bool {
		since, ok := t.orphans[id]
		return ok && since.Before(before)
	}
	if t.writes {
		maps.DeleteFunc(t.orphans, func(id int64, _ time.Time) bool { return due(id) && t.named(id) })
	}
	return t.listBlobs(after, limit, func(id int64) bool { return due(id) && !t.named(id) }), nil
}

func (t *memTx) AddOrphans(ids []int64, now time.Time) error {
	for _, id := range ids {
		t.orphans[id] = now
	}
	return t.mayWrite()
}

func (t *memTx) DropBlobs(ids []int64, before time.Time) (dropped []cellfs.Blob, err error) {
	for _, id := range ids {
		since, ok := t.orphans[id]
		if !ok || !since.Before(before) {
			continue
		}
		delete(t.orphans, id)
		if b, ok := t.blobs[id]; ok && !t.named(id) {
			delete(t.blobs, id)
			dropped = append(dropped, b)
		}
	}
	return dropped, t.mayWrite()
}
