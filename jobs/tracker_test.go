package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cellar/jobs"
)

// memory is a ledger whose transaction is a list of what was done in it.
type memory struct {
	mu    sync.Mutex
	next  int64
	rows  map[int64]jobs.Job
	notes []string
	fail  func(jobs.Job) error // of a Save; nil: none fails
	lost  func(jobs.Job) error // likewise, of a Save that is stored all the same
}

type tx struct{ notes []string }

func newLedger() *memory { return &memory{rows: map[int64]jobs.Job{}} }

func (m *memory) Save(_ context.Context, j *jobs.Job, with func(*tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(*j); err != nil {
			return err
		}
	}
	t := &tx{}
	if err := with(t); err != nil {
		return err
	}
	if j.ID == 0 {
		m.next++
		j.ID = m.next
	}
	m.rows[j.ID] = *j
	m.notes = append(m.notes, t.notes...)
	if m.lost != nil {
		return m.lost(*j)
	}
	return nil
}

func (m *memory) Find(_ context.Context, id int64) (jobs.Job, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j, ok := m.rows[id]
	return j, ok, nil
}

// set replaces what fails.
func (m *memory) set(fail, lost func(jobs.Job) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail, m.lost = fail, lost
}

func (m *memory) Load(context.Context) (all []jobs.Job, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := int64(1); id <= m.next; id++ {
		if j, ok := m.rows[id]; ok {
			all = append(all, j)
		}
	}
	return all, nil
}

func (m *memory) row(id int64) jobs.Job {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rows[id]
}

type run = func(context.Context, jobs.Job, *jobs.Progress) jobs.Outcome[*tx]

func start(t *testing.T, l *memory, workers int, work run) *jobs.Tracker[*tx] {
	t.Helper()
	tr, err := jobs.NewTracker(t.Context(), jobs.Config[*tx]{
		Ledger: l, Workers: workers, Now: time.Now, Log: slog.New(slog.DiscardHandler), Work: map[string]jobs.Work[*tx]{"k": {Run: work, Fail: failing}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// failing leaves a note, as the failure of a real job leaves a line in a log.
func failing(_ jobs.Job, err error) jobs.Outcome[*tx] {
	return jobs.Outcome[*tx]{Err: err, Code: "F", Message: err.Error(), With: func(t *tx, _ *jobs.Job) error {
		t.notes = append(t.notes, "failed")
		return nil
	}}
}

func closeTracker(t *testing.T, tr *jobs.Tracker[*tx]) {
	t.Helper()
	if err := tr.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestOnlySuccessIsAll: what has not succeeded is not done, whatever its entries say.
func TestOnlySuccessIsAll(t *testing.T) {
	for _, c := range []struct {
		state       jobs.State
		done, total int64
		want        int64
	}{
		{jobs.Running, 0, 0, 0}, {jobs.Running, 1, 3, 33}, {jobs.Running, 3, 3, 99}, {jobs.Failed, 3, 3, 99}, {jobs.Failed, 0, 0, 0},
		{jobs.Succeeded, 3, 3, 100}, {jobs.Succeeded, 0, 0, 100},
	} {
		if got := (jobs.Job{State: c.state, Done: c.done, Total: c.total}).Percent(); got != c.want {
			t.Errorf("%s, %d of %d: %d %%, want %d", c.state, c.done, c.total, got, c.want)
		}
	}
}

func TestTransitions(t *testing.T) {
	all := []jobs.State{"", jobs.Accepted, jobs.Running, jobs.Succeeded, jobs.Failed}
	legal := map[[2]jobs.State]bool{
		{"", jobs.Accepted}: true, {jobs.Accepted, jobs.Running}: true, {jobs.Running, jobs.Succeeded}: true, {jobs.Running, jobs.Failed}: true,
		{jobs.Running, jobs.Accepted}: true,
	}
	for _, from := range all {
		for _, to := range all {
			got, err := from.Next(to)
			if legal[[2]jobs.State{from, to}] {
				if err != nil || got != to {
					t.Errorf("%q to %q = %q, %v", from, to, got, err)
				}
			} else if !errors.Is(err, jobs.ErrTransition) || got != from {
				t.Errorf("%q to %q = %q, %v, want a refusal", from, to, got, err)
			}
		}
	}
}

func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		gate := make(chan struct{})
		tr := start(t, l, 1, func(_ context.Context, _ jobs.Job, p *jobs.Progress) jobs.Outcome[*tx] {
			p.Set(1, 3)
			<-gate
			p.Set(3, 3)
			return jobs.Outcome[*tx]{With: func(t *tx, j *jobs.Job) error {
				t.notes = append(t.notes, "result")
				j.Input = 0
				return nil
			}}
		})
		defer closeTracker(t, tr)
		j, err := tr.Start(t.Context(), jobs.Job{Kind: "k", Scope: 1, Input: 9}, func(t *tx, j *jobs.Job) error {
			t.notes = append(t.notes, "accepted")
			j.Target = 7
			return nil
		})
		if err != nil || j.ID != 1 || j.Target != 7 || j.State != jobs.Accepted {
			t.Fatalf("Start = %+v, %v", j, err)
		}
		synctest.Wait()
		got, ok := tr.Get("k", 1, 7)
		if !ok || got.State != jobs.Running || got.Percent() != 33 || l.row(1).State != jobs.Running {
			t.Errorf("while it runs: %+v, row %+v", got, l.row(1))
		}
		if _, err := tr.Start(t.Context(), jobs.Job{Kind: "k", Scope: 1, Target: 7}, nil); !errors.Is(err, jobs.ErrBusy) {
			t.Errorf("a second one = %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		before := time.Now()
		if got, _ := tr.Wait(ctx, "k", 1, 7); got.State != jobs.Running || time.Since(before) != time.Minute {
			t.Errorf("Wait that runs out of time = %+v after %v", got, time.Since(before))
		}
		close(gate)
		got, ok = tr.Wait(t.Context(), "k", 1, 7)
		if !ok || got.State != jobs.Succeeded || got.Percent() != 100 || got.Ended.IsZero() || got.Input != 0 {
			t.Errorf("in the end: %+v", got)
		}
		if len(l.notes) != 2 || l.row(1).State != jobs.Succeeded || l.row(1).Done != 3 {
			t.Errorf("ledger %v, %+v", l.notes, l.row(1))
		}
		if tr.AnyActive(1) {
			t.Error("still active")
		}
	})
}

func TestRefusedStartLeavesNothing(t *testing.T) {
	l := newLedger()
	tr := start(t, l, 1, func(context.Context, jobs.Job, *jobs.Progress) jobs.Outcome[*tx] { return jobs.Outcome[*tx]{} })
	defer closeTracker(t, tr)
	refuse := errors.New("refused")
	for name, f := range map[string]func() error{
		"with": func() error {
			_, err := tr.Start(t.Context(), jobs.Job{Kind: "k"}, func(*tx, *jobs.Job) error { return refuse })
			return err
		},
		"ledger": func() error {
			l.fail = func(jobs.Job) error { return refuse }
			defer func() { l.fail = nil }()
			_, err := tr.Start(t.Context(), jobs.Job{Kind: "k"}, nil)
			return err
		},
	} {
		if err := f(); !errors.Is(err, refuse) {
			t.Errorf("%s: Start = %v", name, err)
		}
		if _, ok := tr.Get("k", 0, 0); ok || len(l.rows) != 0 {
			t.Errorf("%s: something is left", name)
		}
	}
}

func TestFailuresAndPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		tr := start(t, l, 2, func(_ context.Context, j jobs.Job, _ *jobs.Progress) jobs.Outcome[*tx] {
			if j.Target == 1 {
				panic("boom")
			}
			return jobs.Outcome[*tx]{Err: errors.New("x"), Code: "C", Message: "why"}
		})
		defer closeTracker(t, tr)
		for target := range int64(3) {
			if _, err := tr.Start(t.Context(), jobs.Job{Kind: "k", Target: target}, nil); err != nil {
				t.Fatal(err)
			}
		}
		for target, code := range map[int64]string{0: "C", 1: "F", 2: "C"} {
			if j, _ := tr.Wait(t.Context(), "k", 0, target); j.State != jobs.Failed || j.Code != code || j.Message == "" {
				t.Errorf("target %d: %+v", target, j)
			}
		}
	})
}

func TestWorkersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		gate := make(chan struct{})
		var mu sync.Mutex
		now, most := 0, 0
		tr := start(t, l, 3, func(context.Context, jobs.Job, *jobs.Progress) jobs.Outcome[*tx] {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-gate
			mu.Lock()
			now--
			mu.Unlock()
			return jobs.Outcome[*tx]{}
		})
		defer closeTracker(t, tr)
		for target := range int64(10) {
			if _, err := tr.Start(t.Context(), jobs.Job{Kind: "k", Target: target}, nil); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		close(gate)
		for target := range int64(10) {
			if j, _ := tr.Wait(t.Context(), "k", 0, target); j.State != jobs.Succeeded {
				t.Errorf("target %d: %+v", target, j)
			}
		}
		if most != 3 {
			t.Errorf("%d ran at once, want 3", most)
		}
	})
}

// A job that is cut off goes on after the next start, from where it says.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		tr := start(t, l, 1, func(ctx context.Context, _ jobs.Job, _ *jobs.Progress) jobs.Outcome[*tx] {
			<-ctx.Done()
			return jobs.Outcome[*tx]{Err: ctx.Err()}
		})
		for target := range int64(2) {
			if _, err := tr.Start(t.Context(), jobs.Job{Kind: "k", Target: target, Step: 4}, nil); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		closeTracker(t, tr)
		for id := range int64(2) {
			if j := l.row(id + 1); j.State != jobs.Accepted || j.Starts != 0 || j.Step != 4 {
				t.Errorf("row %+v", j)
			}
		}
		if _, err := tr.Start(t.Context(), jobs.Job{Kind: "k", Target: 9}, nil); !errors.Is(err, jobs.ErrClosed) {
			t.Errorf("Start after Close = %v", err)
		}
		tr = start(t, l, 1, func(_ context.Context, j jobs.Job, _ *jobs.Progress) jobs.Outcome[*tx] {
			if j.Step != 4 {
				t.Errorf("resumed at %d", j.Step)
			}
			return jobs.Outcome[*tx]{}
		})
		defer closeTracker(t, tr)
		for target := range int64(2) {
			if j, _ := tr.Wait(t.Context(), "k", 0, target); j.State != jobs.Succeeded {
				t.Errorf("target %d: %+v", target, j)
			}
		}
	})
}
