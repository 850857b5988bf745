package cellfstest

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"cellar/cellfs"
)

func (t *memTx) AddEntity(e *cellfs.Entity) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if _, err := t.Entity(e.Cell, e.Box, e.Set, e.Key); err == nil {
		return taken("%s %q", e.Set, e.Key)
	}
	e.ID, e.Version = t.id(), 1
	t.entities[e.ID] = *e
	return nil
}

func (t *memTx) Entity(cell, box int64, set, key string) (cellfs.Entity, error) {
	for _, e := range t.entities {
		if e.Cell == cell && e.Box == box && e.Set == set && e.Key == key {
			return e, nil
		}
	}
	return cellfs.Entity{}, absent("%s %q", set, key)
}

func (t *memTx) EntityByID(id int64) (cellfs.Entity, error) {
	e, ok := t.entities[id]
	if !ok {
		return e, absent("entity %d", id)
	}
	return e, nil
}

func (t *memTx) Entities(cell int64, set string) ([]cellfs.Entity, error) {
	return sorted(t.entities, func(e cellfs.Entity) bool { return e.Cell == cell && (set == "" || e.Set == set) }, func(a, b cellfs.Entity) int {
		return cmp.Or(cmp.Compare(a.Set, b.Set), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Box, b.Box))
	}), nil
}

func (t *memTx) SetEntity(e *cellfs.Entity) error {
	old, err := t.EntityByID(e.ID)
	if err = cmp.Or(err, t.mayWrite()); err != nil {
		return err
	}
	if same, err := t.Entity(old.Cell, e.Box, old.Set, e.Key); err == nil && same.ID != e.ID {
		return taken("%s %q", old.Set, e.Key)
	}
	old.Box, old.Key, old.Doc, old.Hidden, old.Updated = e.Box, e.Key, e.Doc, e.Hidden, e.Updated
	old.Version++
	e.Version = old.Version
	t.entities[e.ID] = old
	return nil
}

func (t *memTx) DeleteEntity(id int64) error {
	e, err := t.EntityByID(id)
	if err = cmp.Or(err, t.mayWrite()); err != nil {
		return err
	}
	end := cellfs.End{Set: e.Set, Key: strconv.FormatInt(id, 10)}
	maps.DeleteFunc(t.links, func(l cellfs.Link, _ bool) bool {
		return l.Node == 0 && l.Cell == e.Cell && (l.From == end || l.To == end)
	})
	delete(t.entities, id)
	return nil
}

func (t *memTx) DeleteLink(l cellfs.Link) error {
	back := l
	back.From, back.To = l.To, l.From
	if !t.links[l] && !t.links[back] {
		return absent("link")
	}
	delete(t.links, l)
	delete(t.links, back)
	return t.mayWrite()
}

func (t *memTx) AddLink(l cellfs.Link) error {
	if t.links[l] {
		return taken("link")
	}
	if err := t.mayWrite(); err != nil {
		return err
	}
	t.links[l] = true
	return nil
}

func (t *memTx) LinksOf(cell, node int64, e cellfs.End, set string) (ends []cellfs.End, err error) {
	for _, l := range sorted(linksOf(t.links), func(l cellfs.Link) bool { return l.Cell == cell && l.Node == node }, compareLinks) {
		switch {
		case l.From == e && l.To.Set == set:
			ends = append(ends, l.To)
		case l.To == e && l.From.Set == set:
			ends = append(ends, l.From)
		}
	}
	slices.SortFunc(ends, func(a, b cellfs.End) int { return strings.Compare(a.Key, b.Key) })
	return slices.Compact(ends), nil
}

func (t *memTx) Links(cell, node int64) ([]cellfs.Link, error) {
	return sorted(linksOf(t.links), func(l cellfs.Link) bool { return l.Cell == cell && l.Node == node }, compareLinks), nil
}

func (t *memTx) Setting(name string) (string, error) { return t.settings[name], nil }

func (t *memTx) SetSetting(name, value string) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	t.settings[name] = value
	return nil
}

func (t *memTx) AddEvents(events ...cellfs.Event) error {
	for _, e := range events {
		e.ID = t.id()
		t.events = append(t.events, e)
	}
	return t.mayWrite()
}

func (t *memTx) CloseLog(cell int64, closed time.Time) error {
	c, err := t.CellByID(cell)
	if err != nil {
		return err
	}
	last := int64(0)
	for _, e := range t.events {
		if e.Cell == cell {
			last = e.ID
		}
	}
	t.archives = append(t.archives, cellfs.LogArchive{Cell: cell, Closed: closed, After: c.LogFrom, Last: last, Size: c.Log})
	c.LogFrom = last
	t.cells[cell] = c
	return t.mayWrite()
}

func (t *memTx) LogArchives(cell int64) (all []cellfs.LogArchive, err error) {
	for _, a := range t.archives {
		if a.Cell == cell {
			all = append(all, a)
		}
	}
	return all, nil
}

func (t *memTx) DropLog(cell int64, closed time.Time) error {
	for i, a := range t.archives {
		if a.Cell == cell && a.Closed.Equal(closed) {
			t.archives = slices.Delete(t.archives, i, i+1)
			t.dropped = append(t.dropped, a)
			return t.mayWrite()
		}
	}
	return absent("log of cell %d", cell)
}

func (t *memTx) PurgeEvents(limit int) (purged int64, err error) {
	t.events = slices.DeleteFunc(t.events, func(e cellfs.Event) bool {
		for _, a := range t.dropped {
			if e.Cell == a.Cell && e.ID > a.After && e.ID <= a.Last && purged < int64(limit) {
				purged++
				return true
			}
		}
		return false
	})
	return purged, t.mayWrite()
}

func (t *memTx) Events(cell, after int64, limit int) (all []cellfs.Event, err error) {
	for _, e := range t.events {
		if e.Cell == cell && e.ID > after && len(all) < limit {
			all = append(all, e)
		}
	}
	return all, nil
}

func (t *memTx) LastEvent(cell int64) (cellfs.Event, error) {
	for _, e := range slices.Backward(t.events) {
		if e.Cell == cell {
			return e, nil
		}
	}
	return cellfs.Event{}, absent("event of cell %d", cell)
}

func (t *memTx) AddSnapshot(s *cellfs.Snapshot) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if _, err := t.Snapshot(s.Cell, s.Name); err == nil {
		return taken("snapshot %q", s.Name)
	}
	s.ID = t.id()
	t.snapshots[s.ID] = *s
	return nil
}

func (t *memTx) Snapshot(cell int64, name string) (cellfs.Snapshot, error) {
	for _, s := range t.snapshots {
		if s.Cell == cell && s.Name == name {
			return s, nil
		}
	}
	return cellfs.Snapshot{}, absent("snapshot %q", name)
}

func (t *memTx) Snapshots(cell int64) ([]cellfs.Snapshot, error) {
	return sorted(t.snapshots, func(s cellfs.Snapshot) bool { return cell == 0 || s.Cell == cell }, func(a, b cellfs.Snapshot) int {
		return cmp.Or(cmp.Compare(a.Cell, b.Cell), cmp.Compare(a.Name, b.Name))
	}), nil
}

func (t *memTx) DeleteSnapshot(id int64, now time.Time) error {
	s, ok := t.snapshots[id]
	if !ok {
		return absent("snapshot %d", id)
	}
	delete(t.snapshots, id)
	t.orphans[s.Index] = now
	return t.mayWrite()
}

func (t *memTx) PutJob(j *cellfs.Job) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if j.ID == 0 {
		j.ID = t.id()
	} else if _, ok := t.jobs[j.ID]; !ok {
		return absent("job %d", j.ID)
	}
	t.jobs[j.ID] = *j
	return nil
}

func (t *memTx) DeleteJob(id int64, now time.Time) error {
	if in := t.jobs[id].Input; in != 0 {
		if err := t.AddOrphans([]int64{in}, now); err != nil {
			return err
		}
	}
	delete(t.jobs, id)
	return t.mayWrite()
}

func (t *memTx) Job(id int64) (cellfs.Job, error) {
	j, ok := t.jobs[id]
	if !ok {
		return j, absent("job %d", id)
	}
	return j, nil
}

func (t *memTx) Jobs() ([]cellfs.Job, error) {
	return t.jobsThat(func(cellfs.Job) bool { return true }), nil
}

func (t *memTx) JobsOf(cell, target int64) ([]cellfs.Job, error) {
	return t.jobsThat(func(j cellfs.Job) bool { return j.Cell == cell && j.Target == target }), nil
}

func (t *memTx) jobsThat(keep func(cellfs.Job) bool) []cellfs.Job {
	return sorted(t.jobs, keep, func(a, b cellfs.Job) int { return cmp.Compare(a.ID, b.ID) })
}
