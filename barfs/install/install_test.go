package install_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

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
		&barfs.Invalid{Cause: "no."}: {install.TypeFailed, "Installation failed(no.).", "90_contents/c/b"},
		errors.New("disk"):           {install.TypeInternal, "Unknown error(internal error).", ""},
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
		if !errors.As(err, &f) || f.Type != c.code || !strings.HasPrefix(f.Message, strings.TrimSuffix(c.message, ").")) {
			t.Errorf("Run = %v, want %s %s", err, c.code, c.message)
		}
		if len(events) != 2 || events[0].Type != c.code || events[0].Object != c.on || events[1].Type != install.TypeEnded {
			t.Errorf("events %v", events)
		}
		all := strings.Join(l.steps, "\n")
		if !strings.Contains(all, "file c/a") || strings.Contains(all, "file c/d") {
			t.Errorf("steps:\n%s", all)
		}
		if done != 2 || total != 4 { // rootprops, a of rootprops, a, b, d
			t.Errorf("progress %d of %d, want 2 of 4", done, total)
		}
	}
}

// TestBeginIsSeen: who looks when the work begins finds the first lines of the log, though
// more is to come in the same batch.
func TestBeginIsSeen(t *testing.T) {
	for name, bar := range map[string]*bartest.Bar{"version 1": bartest.NewV1("https://a.example/"), "version 2": bartest.New("")} {
		l := &ledger{after: 1, end: func() {}}
		ctx, cancel := context.WithCancel(t.Context())
		l.end = cancel
		if _, err := install.Run(ctx, open(t, bar.Bytes()), l, install.Options{Cell: "c", Box: "b"}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Run = %v", name, err)
		}
		first := strings.Join(l.steps, "\n")
		if len(l.steps) != 3 || !strings.Contains(first, install.TypeStarted) || !strings.Contains(first, install.TypeEntry) {
			t.Errorf("%s: the first batch is\n%s", name, first)
		}
	}
}

// TestProgressIsOfWhatIsDone: an entry that fails is not done, and neither is one whose
// batch could not be recorded, in this run or in one that it goes on from.
func TestProgressIsOfWhatIsDone(t *testing.T) {
	good := func() *bartest.Bar {
		return bartest.New("").Collection("c", "").File("c/a", "text/plain", "a").File("c/b", "text/plain", "b")
	}
	full := func(s install.Step) error {
		if s.File != nil && s.File.Path == "c/b" {
			return errors.New("full")
		}
		return nil
	}
	for name, c := range map[string]struct {
		bar    *bartest.Bar
		refuse func(install.Step) error
		done   int64
		total  int64
	}{
		"good":                {good(), nil, 3, 3},
		"undeclared":          {good().Entry("90_contents/c/x", ""), nil, 3, 4},
		"list":                {good().Meta("20_roles.json", "x"), nil, 0, 4},
		"step":                {good(), full, 2, 3},
		"step of version 1":   {bartest.NewV1("https://a.example/").Collection("c", "").File("c/a", "text/plain", "a").File("c/b", "text/plain", "b"), full, 3, 4},
		"broken user data":    {bartest.New("").OData("o").Entry("90_contents/o/00_$metadata.xml", "x"), nil, 1, 2},
		"undeclared, stalled": {good().Entry("90_contents/c/x", ""), full, 2, 4},
	} {
		for from := range int64(2) {
			l := &ledger{refuse: c.refuse}
			done, total := int64(-1), int64(-1)
			options := install.Options{Cell: "c", Box: "b", Progress: func(d, n int64) { done, total = d, n }}
			if from > 0 { // all but what fails is done
				if _, err := install.Run(t.Context(), open(t, c.bar.Bytes()), l, options); err == nil {
					continue
				}
				options.From = l.next
			}
			_, err := install.Run(t.Context(), open(t, c.bar.Bytes()), l, options)
			if (err == nil) != (name == "good") || done != c.done || total != c.total {
				t.Errorf("%s, run %d: %d of %d done, want %d of %d, with %v", name, from+1, done, total, c.done, c.total, err)
			}
		}
	}
}

// TestInternalErrorsAreNotTold: what an error says is for the operator.
func TestInternalErrorsAreNotTold(t *testing.T) {
	secret := errors.New("write /srv/cellar/blobs/tmp/x: broken")
	l := &ledger{refuse: func(s install.Step) error {
		if s.File != nil {
			return secret
		}
		return nil
	}}
	bar := bartest.New("").Collection("c", "").File("c/a", "text/plain", "a").Bytes()
	for want, cause := range map[string]func(error) string{"internal error": nil, "no room": func(error) string { return "no room" }} {
		events, err := install.Run(t.Context(), open(t, bar), l, install.Options{Cell: "c", Box: "b", Cause: cause})
		var f *install.Failure
		if !errors.As(err, &f) || f.Message != "Unknown error("+want+")." || !errors.Is(f, secret) {
			t.Errorf("Run = %v, want %s", err, want)
		}
		if text := fmt.Sprint(events); strings.Contains(text, "/srv") || !strings.Contains(text, want) {
			t.Errorf("events %s", text)
		}
		l.steps, l.next = nil, 0
	}
}

// TestNamesAreTheSameInAnyForm installs bars whose entries have other Unicode forms than
// their list, or are percent-encoded: everything is made under the names of the list.
func TestNamesAreTheSameInAnyForm(t *testing.T) {
	const nfc, nfd = "\u00e9", "e\u0301"
	const schema = `<Edmx><Schema><EntityType Name="T"/></Schema></Edmx>`
	in := func(prefix string) func(string) string {
		return func(s string) string { return prefix + "90_contents/" + s }
	}
	for version, b := range map[string]*bartest.Bar{"1": bartest.NewV1("urn:x"), "2": bartest.New("")} {
		at := in(map[string]string{"1": "bar/", "2": ""}[version])
		b.Collection(nfc, "").Declare(nfc+"/"+nfc, "a/b").OData(nfd+"o").Service(nfc+"s", "").Declare(nfc+"s/__src/"+nfc+".js", "a/b").
			Declare("a%5Cb", "a/b")
		b.Entry(at(nfd+"/"), "").Entry(at(nfd+"/"+nfd), "1").Entry(at(nfc+"o/00_$metadata.xml"), schema).Entry(at(nfc+"o/90_data/"), "").
			Entry(at(nfc+"o/90_data/T/1.json"), `{"__id":"1"}`).Entry(at(nfd+"s/"+nfd+".js"), "2").Entry(at("a%5Cb"), "3")
		l := &ledger{}
		if _, err := install.Run(t.Context(), open(t, b.Bytes()), l, install.Options{Cell: "c", Box: "b"}); err != nil {
			t.Errorf("version %s: %v", version, err)
			continue
		}
		for _, want := range []string{
			"file " + nfc + "/" + nfc + " ", "collection " + nfd + "o/T ", "file " + nfd + "o/T/1.json", "file " + nfc + "s/__src/" + nfc + ".js", `file a\b `,
		} {
			if !slices.ContainsFunc(l.steps, func(s string) bool { return strings.Contains(s, want) }) {
				t.Errorf("version %s: no %q in\n%s", version, want, strings.Join(l.steps, "\n"))
			}
		}
	}
}

// TestDataThatIsNoJSON: the two versions tell it differently.
func TestDataThatIsNoJSON(t *testing.T) {
	for cause, b := range map[string]*bartest.Bar{"JSON parse error.": bartest.NewV1("urn:x"), "JSON/XML parse error.": bartest.New("")} {
		root := "90_contents/"
		if strings.HasPrefix(cause, "JSON parse") {
			root = "bar/90_contents/"
		}
		b.OData("o").Entry(root+"o/00_$metadata.xml", `<Edmx><Schema><EntityType Name="T"/></Schema></Edmx>`).
			Entry(root+"o/90_data/", "").Entry(root+"o/90_data/T/1.json", `{"a":`)
		_, err := install.Run(t.Context(), open(t, b.Bytes()), &ledger{}, install.Options{Cell: "c", Box: "b"})
		var f *install.Failure
		if !errors.As(err, &f) || f.Message != "Installation failed("+cause+")." {
			t.Errorf("%v, want %s", err, cause)
		}
	}
}

// slow is a target whose first batch takes until it is released, and that breaks down when
// the next content comes.
type slow struct {
	staged, release chan struct{}
	applied         bool
}

func (s *slow) Stage(context.Context, io.Reader) (install.Content, error) {
	close(s.staged)
	panic("broken")
}

func (s *slow) Apply(context.Context, install.Batch) error {
	<-s.release
	s.applied = true
	return nil
}

// TestNothingIsDoneAfterAPanic: who hears that an install broke down may record that as its
// end, because no batch comes after it.
func TestNothingIsDoneAfterAPanic(t *testing.T) {
	bar := bartest.New("").Collection("c", "").File("c/a", "text/plain", "a").Bytes()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{staged: make(chan struct{}), release: make(chan struct{})}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer func() {
				if p := recover(); p != "broken" || !s.applied {
					t.Errorf("panic %v, the batch is done: %t", p, s.applied)
				}
			}()
			_, _ = install.Run(t.Context(), open(t, bar), s, install.Options{Cell: "c", Box: "b"})
		}()
		<-s.staged
		synctest.Wait()
		select {
		case <-ended:
			t.Error("Run ended while a batch was on its way")
		default:
		}
		close(s.release)
		<-ended
	})
}
