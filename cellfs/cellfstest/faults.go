package cellfstest

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"cellar/cellfs"
)

// ErrFault is the error of an injected fault.
var ErrFault = errors.New("injected fault")

// Fault says how an injected failure ends.
type Fault int

const (
	// NotStored: the operation fails and leaves nothing.
	NotStored Fault = iota
	// Stored: the operation takes effect, and then fails all the same, as when
	// the answer of a database is lost.
	Stored
)

func (f Fault) String() string {
	if f == Stored {
		return "failed, but stored"
	}
	return "failed, not stored"
}

// Faults decides which call fails. The zero value lets all pass.
type Faults struct {
	mu   sync.Mutex
	in   int // calls until the fault; 0: never
	kind Fault
	hit  bool
	full bool // from then on every call fails, for want of space
	n    int  // calls that failed
}

// Arm makes the n-th call from now on fail, n beginning at 1.
func (f *Faults) Arm(n int, kind Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.in, f.kind, f.hit, f.full, f.n = n, kind, false, false, 0
}

// Fill makes every call from the n-th on fail with [cellfs.ErrNoSpace] and leave nothing, as
// a disk does that has become full.
func (f *Faults) Fill(n int) {
	f.Arm(n, NotStored)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full = true
}

// Failed is how many calls failed since the faults were armed.
func (f *Faults) Failed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// Disarm lets all calls pass and reports whether one failed.
func (f *Faults) Disarm() (hit bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.in, f.full = 0, false
	return f.hit
}

func (f *Faults) next() (fail bool, kind Fault, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.in == 0 {
		return false, 0, nil
	}
	if f.in--; f.in > 0 {
		return false, 0, nil
	}
	f.hit = true
	f.n++
	if f.full {
		f.in = 1
		return true, NotStored, cellfs.ErrNoSpace
	}
	return true, f.kind, ErrFault
}

func (f *Faults) do(op func() error) error {
	fail, kind, err := f.next()
	if !fail {
		return op()
	}
	if kind != Stored {
		return err
	}
	if oerr := op(); oerr != nil { // nothing is stored: the next call will do
		f.postpone()
		return oerr
	}
	return err
}

// postpone makes the fault happen at the next call.
func (f *Faults) postpone() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.in, f.hit = 1, false
	f.n--
}

// FaultyMeta fails Updates as its Faults say.
type FaultyMeta struct {
	cellfs.Meta
	*Faults
}

// Update implements [cellfs.Meta].
func (m FaultyMeta) Update(ctx context.Context, u cellfs.Update) error {
	return m.do(func() error { return m.Meta.Update(ctx, u) })
}

// FaultyBlobs fails Puts, Syncs and Deletes as its Faults say.
type FaultyBlobs struct {
	cellfs.Blobs
	*Faults
}

// Put implements [cellfs.Blobs].
func (b FaultyBlobs) Put(ctx context.Context, r io.Reader) (ref cellfs.Ref, err error) {
	err = b.do(func() error {
		ref, err = b.Blobs.Put(ctx, r)
		return err
	})
	return ref, err
}

// PutSoon implements [cellfs.Blobs].
func (b FaultyBlobs) PutSoon(ctx context.Context, r io.Reader) (ref cellfs.Ref, err error) {
	err = b.do(func() error {
		ref, err = b.Blobs.PutSoon(ctx, r)
		return err
	})
	return ref, err
}

// Sync implements [cellfs.Blobs].
func (b FaultyBlobs) Sync(ctx context.Context) error {
	return b.do(func() error { return b.Blobs.Sync(ctx) })
}

// Delete implements [cellfs.Blobs].
func (b FaultyBlobs) Delete(ctx context.Context, h cellfs.Hash, before time.Time) error {
	return b.do(func() error { return b.Blobs.Delete(ctx, h, before) })
}
