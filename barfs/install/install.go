// Package install applies a bar to a box.
//
// [Run] turns the archive into a sequence of steps that is the same at every
// run, and hands them in batches to a [Target], which performs each batch whole
// or not at all and remembers how many steps are done. A run that was cut off
// goes on from there. The first error ends an install; what was done before it
// stays (contract 2.1).
package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"cellar/barfs"
)

// LocalCell is how the object of an event begins that is a URL of the cell.
const LocalCell = "personium-localcell:/"

// Types of events (contract 2.8). A box that failed shows that of its last one as a code.
const (
	TypeCompleted  = "PL-BI-0000"
	TypeEnded      = "PL-BI-0001"
	TypeStarted    = "PL-BI-1000"
	TypeEntry      = "PL-BI-1001"
	TypeProcessing = "PL-BI-1002"
	TypeEntryDone  = "PL-BI-1003"
	TypeFailed     = "PL-BI-1004"
	TypeInternal   = "PL-BI-1005"
)

// Target is where a bar is installed.
type Target interface {
	// Stage keeps the bytes of r, durably, until a step refers to what it returns.
	Stage(ctx context.Context, r io.Reader) (Content, error)
	// Apply performs the steps in order and records b.Next, all or nothing. A
	// [*StepError] says which step cannot be performed.
	Apply(ctx context.Context, b Batch) error
}

// Content is a staged content; only the target knows what it is.
type Content any

// Batch is a run of steps.
type Batch struct {
	Steps []Step
	Next  int64 // steps of the whole install that are done with this batch
	Done  int64 // entries of the archive that are done
	Total int64
}

// StepError is the failure of one step of a batch. An Err that is a
// [*barfs.Invalid] is the bar's fault; anything else is internal.
type StepError struct {
	Index int
	Err   error
}

func (e *StepError) Error() string { return fmt.Sprintf("step %d: %v", e.Index, e.Err) }
func (e *StepError) Unwrap() error { return e.Err }

// Step is one thing to do; exactly one of the pointers is set.
type Step struct {
	Event      *Event
	Object     *Object
	Link       *Link
	Collection *Collection
	File       *File
	DataLink   *DataLink

	on   string // object of the event if the step fails
	done int64  // entries done when it was planned
}

// Event is a line of the log.
type Event struct{ Type, Object, Info string }

// Key identifies a control object of the box.
type Key struct {
	Set      string // Relation, Role, ExtRole, Rule
	Name     string // for an ext role its URL
	Relation string // of an ext role
}

// Object is a control object to create.
type Object struct {
	Key
	Rule *barfs.Rule // of a rule
}

// Link joins two control objects.
type Link struct{ From, To Key }

// Collection makes a collection, or for the path "" qualifies the box.
type Collection struct {
	Path string
	Kind barfs.Kind
	Attributes
}

// File makes a file.
type File struct {
	Path        string
	ContentType string
	Content     Content
	Attributes
}

// Attributes of a collection or file.
type Attributes struct {
	ACL   *barfs.ACL
	Props []barfs.Prop
}

// DataLink joins two entities of an OData collection.
type DataLink struct {
	Collection       string
	FromType, FromID string
	ToType, ToID     string
}

// Options qualify [Run].
type Options struct {
	Cell string // name
	Box  string // name
	From int64  // steps done by an earlier run
	// Progress is called as entries are done and recorded. nil: not.
	Progress func(done, total int64)
	// Fault, if not nil, hears of each fault of the bar, and the install goes on without what has it:
	// for a check of a bar. Else the first one ends it.
	Fault func(Fault)
	// Cause is what an error that is no fault of the bar is called in the log and to
	// clients. nil: an internal error.
	Cause func(error) string
}

// Failure is why an install ended badly. Type is that of the event which says so, [TypeFailed]
// for a fault of the bar and [TypeInternal] for anything else.
type Failure struct {
	Type    string
	Message string
	Err     error
}

func (f *Failure) Error() string { return f.Type + ": " + f.Message }
func (f *Failure) Unwrap() error { return f.Err }

const (
	batchSteps = 250     // per transaction: others wait for it
	batchBytes = 1 << 20 // of contents that wait in memory for one
)

// Run installs the archive. The events returned end the log; the caller records
// them together with the outcome, which is success for a nil error and failure
// for a [*Failure]. With any other error, that of ctx, the install was cut off
// and can be run again.
func Run(ctx context.Context, a *barfs.Archive, t Target, o Options) ([]Event, error) {
	r := &run{ctx: ctx, a: a, t: t, o: o, total: a.Installed()}
	if o.Fault != nil {
		r.t = tolerant{t, r}
	}
	defer func() { // nothing is performed after Run has ended, not even after a panic
		if r.pending != nil {
			<-r.pending.ended
		}
	}()
	err := r.all()
	if err == nil {
		err = r.finish()
	}
	if err != nil {
		return r.failed(err)
	}
	return []Event{{TypeCompleted, r.boxObject(), "Bar installation completed."}}, nil
}

type run struct {
	ctx context.Context
	a   *barfs.Archive
	t   Target
	o   Options

	batch       []Step
	spare       []Step        // of a batch that is done, for the next
	pending     *pendingBatch // the batch before, while it is performed; nil for none
	bytes       int64
	emitted     int64  // steps so far, those of an earlier run included
	done, total int64  // entries: planned to their end, of how many
	applied     int64  // entries: recorded as done
	begun       bool   // the first entry is
	entry       string // being worked on: the object of its failure

	// Of version 1, where the order of entries counts:
	place map[string]int // by name
	wrong *barfs.Entry   // the first that must not lie where it does; nil for none

	resources map[string]*barfs.Resource
	byKey     map[string]*barfs.Resource // by the key of the path
	declared  []barfs.Resource
	odata     *odata // the OData collection being worked on
	metadata  map[string]bool
}

func (r *run) boxObject() string { return LocalCell + r.o.Box }

func (r *run) all() error {
	steps := []func() error{r.start, r.meta, r.rootProps, r.contents}
	for _, step := range steps {
		if err := step(); err != nil {
			return r.tolerate(err) // what comes after depends on it
		}
	}
	return nil
}

func (r *run) start() error {
	started := Started(r.o.Box)
	created := Event{"cellctl.Box.create", LocalCell + "__ctl/Box('" + r.o.Box + "')", "box install"}
	order := []*Event{&started, &created}
	if r.a.Version == 1 {
		order = []*Event{&created, &started}
	}
	for _, e := range order {
		if err := r.emit(Step{Event: e}, 0); err != nil {
			return err
		}
	}
	return nil
}

// isDone reports whether the next step was performed by an earlier run.
func (r *run) isDone() bool { return r.emitted < r.o.From }

// emit queues a step that holds size bytes in memory.
func (r *run) emit(s Step, size int64) error {
	if r.isDone() {
		r.emitted++
		r.applied = r.done
		return nil
	}
	r.emitted++
	s.on, s.done = r.entry, r.done
	r.batch = append(r.batch, s)
	r.bytes += size
	if len(r.batch) >= batchSteps || r.bytes >= batchBytes {
		return r.flush()
	}
	return nil
}

func (r *run) event(code, object, info string) error {
	return r.emit(Step{Event: &Event{code, object, info}}, 0)
}

func (r *run) begin(entry string) error {
	r.entry = entry
	err := r.event(TypeEntry, entry, "Installation started.")
	if err != nil || r.begun {
		return err
	}
	r.begun = true
	return r.flush() // so that a GET on the box shows that the work has begun
}

func (r *run) end(entry string) error {
	return r.event(TypeEntryDone, entry, "Installation completed.")
}

// endFile is end for a file of the archive, which counts as done with it.
func (r *run) endFile(entry string) error {
	r.done++
	return r.end(entry)
}

// stepFailed is a fault together with the object it is logged for.
type stepFailed struct {
	on  string
	err error
}

func (e *stepFailed) Error() string { return e.err.Error() }
func (e *stepFailed) Unwrap() error { return e.err }

// pendingBatch is a batch that is being performed while the next one is planned.
type pendingBatch struct {
	Batch
	ended chan struct{}
	err   error
}

// flush has what is queued performed, once the batch before it was. If a step
// cannot be performed, those before it are, and what was planned after it is
// dropped. The error is that of the batch before.
func (r *run) flush() error {
	if err := r.awaitBatch(); err != nil {
		return err
	}
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if len(r.batch) == 0 {
		return nil
	}
	f := &pendingBatch{Batch: Batch{Steps: r.batch, Next: r.emitted, Done: r.done, Total: r.total}, ended: make(chan struct{})}
	r.pending, r.batch, r.spare, r.bytes = f, r.spare, nil, 0
	go func() {
		defer close(f.ended)
		if f.err = r.t.Apply(r.ctx, f.Batch); f.err == nil && r.o.Progress != nil {
			r.o.Progress(f.Done, f.Total)
		}
	}()
	return nil
}

// awaitBatch waits for the batch that is being performed, and returns its error.
func (r *run) awaitBatch() error {
	f := r.pending
	if f == nil {
		return nil
	}
	<-f.ended
	r.pending = nil
	err := f.err
	if err == nil {
		r.applied = f.Done
	}
	for { // until what lies before the first step that fails is done
		var failed *StepError
		if !errors.As(err, &failed) {
			break
		}
		before := f.Batch
		before.Steps, before.Next = f.Steps[:failed.Index], f.Next-int64(len(f.Steps)-failed.Index)
		before.Done = f.Steps[failed.Index].done
		err = &stepFailed{f.Steps[failed.Index].on, failed.Err}
		if len(before.Steps) == 0 {
			break
		}
		if aerr := r.t.Apply(r.ctx, before); aerr != nil {
			err = aerr
		} else {
			r.applied = before.Done
		}
	}
	clear(f.Steps)
	r.spare = f.Steps[:0]
	if err != nil {
		clear(r.batch)
		r.batch = r.batch[:0]
	}
	return err
}

// finish performs what is queued, and returns when it is done.
func (r *run) finish() error {
	if err := r.flush(); err != nil {
		return err
	}
	return r.awaitBatch()
}

// failed turns the error that ended the install into what is recorded. What is
// queued was planned before the fault and is performed first.
func (r *run) failed(err error) ([]Event, error) {
	on := r.entry
	var step *stepFailed
	if errors.As(err, &step) {
		on = step.on
	} else if ferr := r.finish(); ferr != nil {
		err = ferr
		if errors.As(err, &step) {
			on = step.on
		}
	}
	if r.ctx.Err() != nil {
		return nil, r.ctx.Err()
	}
	if r.o.Progress != nil {
		r.o.Progress(r.applied, r.total)
	}
	var link *linkFailed
	var invalid *barfs.Invalid
	cause := ""
	switch {
	case errors.As(err, &link):
		on, cause = link.from, link.Error()
	case errors.As(err, &invalid):
		cause = invalid.Cause
	default:
		cause = "internal error"
		if r.o.Cause != nil {
			cause = r.o.Cause(err)
		}
		f, events := Broken(r.o.Box, cause, err)
		return events, f
	}
	f := &Failure{Type: TypeFailed, Message: "Installation failed(" + cause + ").", Err: err}
	cause = f.Message
	if r.a.Version == 1 {
		cause = barfs.CauseStructure
	}
	return []Event{{f.Type, on, f.Message}, ended(r.o.Box, cause)}, f
}

// Broken is how an install ends that failed for no fault of the bar: with a cause that
// clients may hear, and the last lines of the log.
func Broken(box, cause string, err error) (*Failure, []Event) {
	f := &Failure{Type: TypeInternal, Message: "Unknown error(" + cause + ").", Err: err}
	return f, []Event{{f.Type, "", f.Message}, ended(box, f.Message)}
}

// Started is the line of the log that an install begins with.
func Started(box string) Event {
	return Event{TypeStarted, LocalCell + box, "Bar installation started."}
}

func ended(box, cause string) Event {
	return Event{TypeEnded, LocalCell + box, "Bar installation failed(" + cause + ")."}
}

// logPath is the path of a part of the archive as the log shows it.
func (r *run) logPath(name string) string { return r.a.Prefix + name }

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
