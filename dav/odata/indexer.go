package odata

import (
	"context"
	"log/slog"
	"sync"

	"cellar/cellfs"
)

// Indexer makes indexes one after the other, beside the requests that wanted them.
type Indexer struct {
	fs   *cellfs.FS
	log  *slog.Logger
	stop context.CancelFunc
	work chan Missing
	done chan struct{}

	mu      sync.Mutex
	idle    sync.Cond        // nothing waits
	waiting map[Missing]bool // and the one that is made now
}

// maxWaiting bounds the indexes that wait. Others are made when a query wants them again.
const maxWaiting = 64

// NewIndexer starts an indexer. Close it.
func NewIndexer(f *cellfs.FS, log *slog.Logger) *Indexer {
	ctx, stop := context.WithCancel(context.Background())
	x := &Indexer{fs: f, log: log, stop: stop, work: make(chan Missing, maxWaiting), done: make(chan struct{}), waiting: map[Missing]bool{}}
	x.idle.L = &x.mu
	go x.run(ctx)
	return x
}

// Want asks for an index; the zero value for none.
func (x *Indexer) Want(m Missing) {
	if m == (Missing{}) {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.waiting[m] {
		return
	}
	select {
	case x.work <- m:
		x.waiting[m] = true
	default:
	}
}

// Wait returns once no index is made or waits.
func (x *Indexer) Wait() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(x.waiting) > 0 {
		x.idle.Wait()
	}
}

// Close ends the making of indexes. What is not complete goes on when a query wants it again.
func (x *Indexer) Close() {
	x.stop()
	<-x.done
}

func (x *Indexer) run(ctx context.Context) {
	defer close(x.done)
	defer func() { // what waits is never made
		x.mu.Lock()
		defer x.mu.Unlock()
		clear(x.waiting)
		x.idle.Broadcast()
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-x.work:
			if err := BuildIndex(ctx, x.fs, m); err != nil && ctx.Err() == nil {
				x.log.Warn("an index of user data is not complete: queries are slower", "collection", m.Set, "property", m.Property, "err", err)
			}
			x.mu.Lock()
			delete(x.waiting, m)
			x.idle.Broadcast()
			x.mu.Unlock()
		}
	}
}
