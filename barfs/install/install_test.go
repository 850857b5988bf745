package install_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"cellar/barfs"
	"cellar/barfs/bartest"
	"cellar/barfs/install"
)

// ledger is a target that keeps what it is told, like a store that survives.
type ledger struct {
	steps  []string
	next   int64
	refuse func(install.Step) error // nil: nothing
	after  int                      // batches until the process "ends"; 0: never
	end    context.CancelFunc
}

func (l *ledger) Stage(_ context.Context, r io.Reader) (install.Content, error) {
	b, err := io.ReadAll(r)
	return string(b), err
}

func (l *ledger) Apply(ctx context.Context, b install.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var steps []string
	for i, s := range b.Steps {
		if l.refuse != nil {
			if err := l.refuse(s); err != nil {
				return &install.StepError{Index: i, Err: err}
			}
		}
		steps = append(steps, describe(s))
	}
	if b.Next != l.next+int64(len(b.Steps)) {
		return fmt.Errorf("batch of %d steps after %d says that %d are done", len(b.Steps), l.next, b.Next)
	}
	l.steps, l.next = append(l.steps, steps...), b.Next
	if l.after--; l.after == 0 {
		l.end()
	}
	return nil
}

func describe(s install.Step) string {
	switch {
	case s.Event != nil:
		return fmt.Sprintf("event %v", *s.Event)
	case s.Object != nil:
		return fmt.Sprintf("object %v", s.Object.Key)
	case s.Link != nil:
		return fmt.Sprintf("link %v", *s.Link)
	case s.Collection != nil:
		return fmt.Sprintf("collection %s %d", s.Collection.Path, s.Collection.Kind)
	case s.File != nil:
		return fmt.Sprintf("file %s %s %.20q", s.File.Path, s.File.ContentType, s.File.Content)
	case s.DataLink != nil:
		return fmt.Sprintf("data link %v", *s.DataLink)
	}
	return "nothing"
}

func open(t *testing.T, bar []byte) *barfs.Archive {
	t.Helper()
	a, err := barfs.Open(bytes.NewReader(bar), int64(len(bar)), barfs.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestResume ends the process after every batch in turn: the steps of both runs
// together are those of one that was not cut off.
func TestResume(t *testing.T) {
	for name, bar := range map[string][]byte{
		"good": bartest.Many("", 1500, 100),
		"bad": bartest.New("").Meta("20_roles.json", `{"Roles":[{"Name":"r"}]}`).Collection("c", "").
			File("c/a", "text/plain", strings.Repeat("large", 1<<20)).File("c/b", "text/plain", "b").Entry("90_contents/c/undeclared", "").Bytes(),
	} {
		t.Run(name, func(t *testing.T) {
			want := &ledger{}
			wantEvents, wantErr := install.Run(t.Context(), open(t, bar), want, install.Options{Cell: "c", Box: "b"})
			for after := 1; ; after++ {
				ctx, cancel := context.WithCancel(t.Context())
				l := &ledger{after: after, end: cancel}
				_, err := install.Run(ctx, open(t, bar), l, install.Options{Cell: "c", Box: "b"})
				if !errors.Is(err, context.Canceled) {
					cancel()
					if after == 1 {
						t.Error("the install has one batch only: nothing was tried")
					}
					return
				}
				events, err := install.Run(t.Context(), open(t, bar), l, install.Options{Cell: "c", Box: "b", From: l.next})
				if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(events, wantEvents) {
					t.Errorf("cut off after %d batches: ends with %v, %v, want %v, %v", after, events, err, wantEvents, wantErr)
				}
				if !reflect.DeepEqual(l.steps, want.steps) {
					t.Errorf("cut off after %d batches: %d steps, want %d", after, len(l.steps), len(want.steps))
				}
				cancel()
			}
		})
	}
}

// TestStepRefused: what comes before the refused step is done, nothing after it.
func TestStepRefused(t *testing.T) {
	bar := bartest.New("").Collection("c", "").File("c/a", "text/plain", "a").File("c/b", "text/plain", "b").File("c/d", "text/plain", "d").Bytes()
	for cause, c := range map[error]struct{ code, message, on string }{
		&barfs.Invalid{Cause: "no."}: {install.CodeFailed, "Installation failed(no.).", "90_contents/c/b"},
		errors.New("disk"):           {install.CodeInternal, "Unknown error(disk).", ""},
	} {
		l := &ledger{refuse: func(s install.Step) error {
			if s.File != nil && s.File.Path == "c/b" {
				return cause
			}
			return nil
		}}
		var done, total int64
		events, err := install.Run(t.Context(), open(t, bar), l, install.Options{Cell: "c", Box: "b", Progress: func(d, n int64) { done, total = d, n }})
		var f *install.Failure
		if !errors.As(err, &f) || f.Code != c.code || !strings.HasPrefix(f.Message, strings.TrimSuffix(c.message, ").")) {
			t.Errorf("Run = %v, want %s %s", err, c.code, c.message)
		}
		if len(events) != 2 || events[0].Type != c.code || events[0].Object != c.on || events[1].Type != install.CodeEnded {
			t.Errorf("events %v", events)
		}
		all := strings.Join(l.steps, "\n")
		if !strings.Contains(all, "file c/a") || strings.Contains(all, "file c/d") {
			t.Errorf("steps:\n%s", all)
		}
		if done != 3 || total != 4 { // rootprops, a, b of rootprops, a, b, d
			t.Errorf("progress %d of %d, want 3 of 4", done, total)
		}
	}
}
