package dav

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"cellar/cellfs"
	"cellar/dav/odata"
	"cellar/dav/target"
)

const (
	// readsEvery is how long a line about a read waits at most before it is in the log.
	readsEvery = time.Second
	// readsAtOnce is how many lines are written at once, maxReads how many wait at most:
	// what comes beyond that is counted and left out.
	readsAtOnce = 2000
	maxReads    = 100_000
)

// reads writes the events of reads into the logs after the requests, so that no read waits for it. A
// crash may lose those of the last second.
type reads struct {
	fs  *cellfs.FS
	log *slog.Logger

	mu      sync.Mutex
	pending []cellfs.Event
	left    int // out

	stop, done chan struct{}
}

func newReads(f *cellfs.FS, log *slog.Logger) *reads {
	r := &reads{fs: f, log: log, stop: make(chan struct{}), done: make(chan struct{})}
	go r.run()
	return r
}

func (r *reads) add(e cellfs.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) >= maxReads {
		r.left++
		return
	}
	r.pending = append(r.pending, e)
}

func (r *reads) run() {
	defer close(r.done)
	tick := time.NewTicker(readsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.flush()
		case <-r.stop:
			r.flush()
			return
		}
	}
}

func (r *reads) take() (all []cellfs.Event, left int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, left = r.pending, r.left
	r.pending, r.left = nil, 0
	return all, left
}

func (r *reads) flush() {
	all, left := r.take()
	if left > 0 {
		r.log.Warn("reads are not in the event log: too many at once", "count", left)
	}
	for len(all) > 0 {
		page := all[:min(readsAtOnce, len(all))]
		all = all[len(page):]
		err := r.fs.Update(context.Background(), func(tx cellfs.Tx) error {
			known := map[int64]bool{}
			for i := range page {
				id := page[i].Cell
				if _, asked := known[id]; !asked {
					_, err := tx.CellByID(id)
					known[id] = err == nil
				}
				if !known[id] {
					continue // deleted meanwhile
				}
				if err := tx.AddEvents(page[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			r.log.Error("reads are not in the event log", "count", len(page), "err", err)
		}
	}
}

// close writes what is left.
func (r *reads) close() {
	close(r.stop)
	<-r.done
}

// noteRead remembers what a read is about, for the event log.
func (q *request) noteRead(n *cellfs.Node) { q.readCell, q.readKind = n.Cell, n.Kind }

// recordRead adds the line about a request that read something.
func (q *request) recordRead() {
	if q.readCell == 0 || q.w.Status >= http.StatusBadRequest || eventKinds[q.readKind] == "" && q.target.Kind != target.Ctl {
		return
	}
	verb := "get"
	if q.Method == "PROPFIND" {
		verb = "propfind"
	}
	e := cellfs.Event{
		Cell: q.readCell, Time: q.h.fs.Now(), RequestKey: q.key(), Schema: q.caller.Schema, Subject: q.subject(),
		Type: eventKinds[q.readKind] + "." + verb, Object: localURL(q.target.Path), Info: strconv.Itoa(q.w.Status),
	}
	if q.target.Kind == target.Ctl {
		r, err := q.parseControl()
		if err != nil {
			return
		}
		e.Type, e.Object = "cellctl."+r.Set.Name+".list", cellfs.LocalCell+"__ctl/"+r.Set.Name
		switch {
		case r.Links:
			e.Type = "cellctl." + r.Set.Name + ".links." + r.Other.Name + ".list"
			e.Object = cellfs.LocalCell + "__ctl/" + odata.FormatKey(r.Set.Name, r.Set.Key, r.Key)
		case r.Keyed:
			e.Type, e.Object = "cellctl."+r.Set.Name+".get", cellfs.LocalCell+"__ctl/"+odata.FormatKey(r.Set.Name, r.Set.Key, r.Key)
		}
	}
	q.h.reads.add(e)
}
