package meta

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3"
)

// What is committed lies in the log until a checkpoint writes it into the database, and then the
// log is used again from its start. SQLite would do that inside of a commit, for which everybody
// waits. Here another connection does it beside the writer. Commits go on meanwhile, so that it
// comes close to the end of the log and never reaches it: what little is left, the writer does.

const (
	// checkpointAt is how many pages the log has when a checkpoint begins.
	checkpointAt = 1000
	// checkpointRest is how many pages the writer writes into the database by itself.
	checkpointRest = 250
	// checkpointPasses bounds how often what came meanwhile is looked for.
	checkpointPasses = 20
	// checkpointMost is how long the log gets, in pages, before the writer does a whole checkpoint,
	// and others wait.
	checkpointMost = 50_000
)

// checkpointer does checkpoints beside the writer.
type checkpointer struct {
	c     *conn
	log   *slog.Logger
	wake  chan struct{} // closed to end it
	ended chan struct{}

	finish  atomic.Bool // little is left, for the writer to do
	blocked atomic.Bool // somebody reads an older state: the log grows until he has ended
	next    int         // pages of the log at which the next one begins; only the writer uses it
}

func newCheckpointer(file string, log *slog.Logger) *checkpointer {
	k := &checkpointer{c: &conn{file: file, pragmas: checkpointPragmas}, log: log, wake: make(chan struct{}, 1), ended: make(chan struct{}), next: checkpointAt}
	go k.run()
	return k
}

func (k *checkpointer) run() {
	defer close(k.ended)
	for range k.wake {
		if err := k.beside(); err != nil {
			k.log.Error("a checkpoint failed", "err", err)
		}
	}
}

// beside does checkpoints until one has little to do: what comes meanwhile is for the next one.
func (k *checkpointer) beside() error {
	if err := k.c.ready(); err != nil {
		return err
	}
	for before, passes := 0, 0; passes < checkpointPasses; passes++ {
		pages, done, err := checkpoint(k.c)
		if err != nil {
			return err
		}
		if k.blocked.Store(done < pages); done < pages {
			return nil
		}
		if done < before { // the log was begun anew
			before = 0
		}
		if done-before <= checkpointRest {
			k.finish.Store(true)
			return nil
		}
		before = done
	}
	return nil
}

// checkpoint writes what it can without waiting. It returns how many pages the log had, and how many of them are in the
// database now: fewer if somebody reads an older state.
func checkpoint(c *conn) (pages, done int, err error) {
	pages, done, err = c.c.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE)
	if errors.Is(err, sqlite3.BUSY) { // another one runs
		return 0, 0, nil
	}
	return pages, done, translate(err)
}

// before is called by the writer before a transaction.
func (k *checkpointer) before(w *conn) error {
	if !k.finish.Swap(false) {
		return nil
	}
	_, _, err := checkpoint(w)
	return err
}

// committed is called by the writer after a transaction, with the pages of the log.
func (k *checkpointer) committed(w *conn, pages int) error {
	if pages < k.next/2 { // the log was begun anew
		k.next = checkpointAt
	}
	if pages < k.next {
		return nil
	}
	k.next = pages + checkpointRest
	if pages >= checkpointMost && !k.blocked.Load() { // writing is faster than what runs beside
		_, _, err := checkpoint(w)
		return err
	}
	select {
	case k.wake <- struct{}{}:
	default: // it runs
	}
	return nil
}

func (k *checkpointer) stop() error {
	close(k.wake)
	<-k.ended
	return k.c.close()
}

const (
	// logStart is how long the log is made at the start, and logMost how long at most, in bytes: about
	// as long as it is between two checkpoints. Once it was longer, it keeps 32 MiB (journal_size_limit).
	logStart = 1 << 20
	logMost  = 16 << 20
	// logAhead is how much of the log is there before it is needed.
	logAhead = 256 << 10
)

// allocation keeps the log longer than what is in it, so that a sync writes data, and nothing about the
// file: that takes half the time. SQLite takes zeros behind the end of the log for what they are. Only
// the writer uses it.
type allocation struct {
	log  *os.File
	size int64 // of the file, as far as it is known
}

// room makes the log longer if what is in it comes near its end. It doubles, because each time costs
// a slow sync.
func (a *allocation) room(pages int) error {
	const page = 4096 + 24 // with the header of a frame
	used := int64(pages) * page
	if used+logAhead <= a.size || a.size >= logMost {
		return nil
	}
	info, err := a.log.Stat()
	if err != nil {
		return err
	}
	from := info.Size()
	to := min(max(logStart, 2*from), logMost)
	zeros := make([]byte, 64<<10)
	for at := from; at < to; at += int64(len(zeros)) {
		if _, err := a.log.WriteAt(zeros[:min(int64(len(zeros)), to-at)], at); err != nil {
			a.size = logMost // not again: it goes without
			return fmt.Errorf("make room in the log: %w", err)
		}
	}
	a.size = max(from, to)
	return nil
}
