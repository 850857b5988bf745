package meta

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// syncLag is how long what need not be synced at once stays in the log unsynced.
const syncLag = time.Second

// syncer makes what was committed durable. SQLite writes each commit to its log
// and does not sync it; the syncer does, on a goroutine of its own, so that the
// next transactions run, and are committed, meanwhile. It syncs only the data, which for a log that
// is written over and over costs about half of what SQLite's own sync does. A
// checkpoint still syncs log and database in SQLite's order.
//
// A failed sync leaves it open what is on the disk, and the next one may not say
// so again. So no Update succeeds after it.
type syncer struct {
	log   *os.File
	work  chan struct{} // something waits; closed at the end
	idle  chan struct{} // holds a token after the last sync of a row
	later chan struct{} // something was committed that can wait for a while
	ended chan struct{}
	err   atomic.Pointer[error]

	mu      sync.Mutex
	waiting []*update // committed, to be synced and answered
	running bool      // something waits, or is being synced
}

// syncData is replaced by tests.
var syncData = fdatasync

// newSyncer opens the log of a database that is open.
func newSyncer(database string) (*syncer, error) {
	log, err := os.OpenFile(database+"-wal", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	y := &syncer{log: log, work: make(chan struct{}, 1), idle: make(chan struct{}, 1), later: make(chan struct{}, 1), ended: make(chan struct{})}
	go y.run()
	return y, nil
}

// add has updates synced and answered that were committed. Only the writer calls it.
func (y *syncer) add(all []*update) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.waiting = append(y.waiting, all...)
	if y.running {
		return
	}
	y.running = true
	select { // of an earlier row
	case <-y.idle:
	default:
	}
	y.work <- struct{}{}
}

// isIdle reports whether what is added now is synced at once.
func (y *syncer) isIdle() bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	return !y.running
}

// take returns what waits; nil if that is nothing.
func (y *syncer) take() (all []*update) {
	y.mu.Lock()
	defer y.mu.Unlock()
	all, y.waiting = y.waiting, nil
	if len(all) == 0 {
		y.running = false
		y.idle <- struct{}{}
	}
	return all
}

func (y *syncer) run() {
	defer close(y.ended)
	defer y.log.Close()
	var due <-chan time.Time
	for {
		select {
		case _, ok := <-y.work:
			if !ok {
				y.sync()
				return
			}
			due = nil
			for all := y.take(); len(all) > 0; all = y.take() {
				err := y.sync()
				for _, u := range all {
					u.err = err
					close(u.done)
				}
			}
		case <-y.later:
			if due == nil {
				due = time.After(syncLag)
			}
		case <-due:
			due = nil
			y.sync()
		}
	}
}

// sync makes the log durable. Its first error stays.
func (y *syncer) sync() error {
	if err := y.failed(); err != nil {
		return err
	}
	if err := syncData(y.log); err != nil {
		err = fmt.Errorf("the disk may have lost data, nothing more is written: %w", err)
		y.err.Store(&err)
		return err
	}
	return nil
}

// failed is the error of a sync that failed.
func (y *syncer) failed() error {
	if err := y.err.Load(); err != nil {
		return *err
	}
	return nil
}

// laterOn asks for a sync within [syncLag].
func (y *syncer) laterOn() {
	select {
	case y.later <- struct{}{}:
	default:
	}
}

// stop syncs a last time.
func (y *syncer) stop() {
	close(y.work)
	<-y.ended
}
