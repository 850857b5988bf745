package install

import (
	"context"
	"errors"
	"slices"

	"cellar/barfs"
)

// Fault is what is wrong with a part of a bar.
type Fault struct {
	Entry string // as the log shows it; "" if it is of no single one
	Cause string // as in the message of a failed install
}

// Message is what the log and clients are told of the fault when an install ends with it.
func (f Fault) Message() string { return "Installation failed(" + f.Cause + ")." }

// tolerate tells of a fault of the bar and returns nil, if the install goes on after faults; else it returns err.
func (r *run) tolerate(err error) error {
	if err == nil || r.o.Fault == nil {
		return err
	}
	f := Fault{Entry: r.entry}
	var step *stepFailed
	var link *linkFailed
	var invalid *barfs.Invalid
	if errors.As(err, &step) {
		f.Entry = step.on
	}
	switch {
	case errors.As(err, &link):
		f.Entry, f.Cause = r.entry+": "+link.from, link.Error()
	case errors.As(err, &invalid):
		f.Cause = invalid.Cause
	default:
		return err
	}
	r.o.Fault(f)
	return nil
}

// tolerant performs a batch without the steps that cannot be performed.
type tolerant struct {
	Target
	r *run
}

// Apply implements [Target]. What has an ACL that cannot be set is made without: much may lie in it.
func (t tolerant) Apply(ctx context.Context, b Batch) error {
	b.Steps = slices.Clone(b.Steps)
	for {
		err := t.Target.Apply(ctx, b)
		var failed *StepError
		var invalid *barfs.Invalid
		if !errors.As(err, &failed) || !errors.As(failed.Err, &invalid) {
			return err
		}
		s := &b.Steps[failed.Index]
		t.r.o.Fault(Fault{Entry: s.on, Cause: invalid.Cause})
		switch {
		case s.Collection != nil && s.Collection.ACL != nil:
			c := *s.Collection
			c.ACL, s.Collection = nil, &c
		case s.File != nil && s.File.ACL != nil:
			f := *s.File
			f.ACL, s.File = nil, &f
		default:
			b.Steps = slices.Delete(b.Steps, failed.Index, failed.Index+1)
		}
	}
}
