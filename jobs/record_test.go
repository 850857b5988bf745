package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cellar/jobs"
)

var errFull = errors.New("disk full")

// only fails Saves of the given state.
func only(at jobs.State) func(jobs.Job) error {
	return func(j jobs.Job) error {
		if j.State == at {
			return errFull
		}
		return nil
	}
}

func always(jobs.Job) error { return errFull }

// What a client is told is in the ledger before. While the ledger takes nothing the job
// goes on, and once it does, what is told is what a restart would find.
func TestToldIsRecordedFirst(t *testing.T) {
	outcomes := map[string]jobs.Outcome[*tx]{
		"success": {With: func(t *tx, _ *jobs.Job) error { t.notes = append(t.notes, "done"); return nil }},
		"failure": failing(jobs.Job{}, errors.New("bad")),
	}
	for name, out := range outcomes {
		for _, stored := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stored=%t", name, stored), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLedger()
					gate := make(chan struct{})
					tr := start(t, l, 1, func(context.Context, jobs.Job, *jobs.Progress) jobs.Outcome[*tx] {
						<-gate
						return out
					})
					defer closeTracker(t, tr)
					if _, err := tr.Start(t.Context(), jobs.Job{Kind: "k", Scope: 1}, nil); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					if stored {
						l.set(nil, always)
					} else {
						l.set(always, nil)
					}
					close(gate)
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					defer cancel()
					if j, _ := tr.Wait(ctx, "k", 1, 0); j.State != jobs.Running {
						t.Errorf("an hour later it is told to be %+v", j)
					}
					if _, err := tr.Start(t.Context(), jobs.Job{Kind: "k", Scope: 1}, nil); !errors.Is(err, jobs.ErrBusy) {
						t.Errorf("another one meanwhile = %v", err)
					}
					l.set(nil, nil)
					before := time.Now()
					j, _ := tr.Wait(t.Context(), "k", 1, 0)
					if want := map[string]jobs.State{"success": jobs.Succeeded, "failure": jobs.Failed}[name]; j.State != want || l.row(1).State != want {
						t.Errorf("told %+v, recorded %+v, want %s", j, l.row(1), want)
					}
					if took := time.Since(before); took > 10*time.Second {
						t.Errorf("it took %v to see that there is room", took)
					}
					if want := map[string]string{"success": "done", "failure": "failed"}[name]; len(l.notes) != 1 || l.notes[0] != want {
						t.Errorf("committed with it: %q, want %q once", l.notes, want)
					}
				})
			})
		}
	}
}

// A success that cannot be recorded is a failure, as soon as that can be.
func TestSuccessThatCannotBeRecordedFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.set(only(jobs.Succeeded), nil)
		tr := start(t, l, 1, func(context.Context, jobs.Job, *jobs.Progress) jobs.Outcome[*tx] { return jobs.Outcome[*tx]{} })
		defer closeTracker(t, tr)
		if _, err := tr.Start(t.Context(), jobs.Job{Kind: "k"}, nil); err != nil {
			t.Fatal(err)
		}
		j, _ := tr.Wait(t.Context(), "k", 0, 0)
		if j.State != jobs.Failed || j.Code != "F" || l.row(1).State != jobs.Failed || len(l.notes) != 1 {
			t.Errorf("told %+v, recorded %+v, with %q", j, l.row(1), l.notes)
		}
	})
}

// A job whose begin cannot be recorded waits, and others go on.
func TestBeginIsRecordedFirst(t *testing.T) {
	for _, stored := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := newLedger()
			ran := 0
			tr := start(t, l, 1, func(_ context.Context, j jobs.Job, _ *jobs.Progress) jobs.Outcome[*tx] {
				ran++
				if j.Starts != 1 {
					t.Errorf("start %d", j.Starts)
				}
				return jobs.Outcome[*tx]{}
			})
			defer closeTracker(t, tr)
			bad := func(j jobs.Job) error {
				if j.Scope == 1 {
					return only(jobs.Running)(j)
				}
				return nil
			}
			if stored {
				l.set(nil, bad)
			} else {
				l.set(bad, nil)
			}
			for scope := range int64(2) {
				if _, err := tr.Start(t.Context(), jobs.Job{Kind: "k", Scope: 1 - scope}, nil); err != nil {
					t.Fatal(err)
				}
			}
			if j, _ := tr.Wait(t.Context(), "k", 0, 0); j.State != jobs.Succeeded {
				t.Errorf("of another scope: %+v", j)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			if j, _ := tr.Wait(ctx, "k", 1, 0); j.State != jobs.Accepted || ran != 1 {
				t.Errorf("told %+v, %d ran", j, ran)
			}
			l.set(nil, nil)
			if j, _ := tr.Wait(t.Context(), "k", 1, 0); j.State != jobs.Succeeded || ran != 2 {
				t.Errorf("told %+v, %d ran", j, ran)
			}
		})
	}
}

// An acceptance that failed but is stored is no secret until the next start.
func TestStoredAcceptanceRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.set(nil, only(jobs.Accepted))
		tr := start(t, l, 1, func(context.Context, jobs.Job, *jobs.Progress) jobs.Outcome[*tx] { return jobs.Outcome[*tx]{} })
		defer closeTracker(t, tr)
		if _, err := tr.Start(t.Context(), jobs.Job{Kind: "k"}, nil); !errors.Is(err, errFull) {
			t.Errorf("Start = %v", err)
		}
		if j, ok := tr.Wait(t.Context(), "k", 0, 0); !ok || j.State != jobs.Succeeded || l.row(1).State != jobs.Succeeded {
			t.Errorf("told %+v, recorded %+v", j, l.row(1))
		}
	})
}

// A job whose row went while its outcome waited is none any more.
func TestForgottenJobEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.set(only(jobs.Succeeded), nil)
		var released atomic.Bool
		tr := start(t, l, 1, func(context.Context, jobs.Job, *jobs.Progress) jobs.Outcome[*tx] {
			l.set(always, nil)
			return jobs.Outcome[*tx]{Done: func() { released.Store(true) }}
		})
		defer closeTracker(t, tr)
		if _, err := tr.Start(t.Context(), jobs.Job{Kind: "k"}, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		l.mu.Lock()
		delete(l.rows, 1)
		l.mu.Unlock()
		j, ok := tr.Wait(t.Context(), "k", 0, 0)
		synctest.Wait()
		if ok || !released.Load() {
			t.Errorf("still there: %+v, released %t", j, released.Load())
		}
	})
}

// Close does not wait for what cannot be recorded; the next start runs the job again.
func TestCloseWhileNothingCanBeRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		released := false
		tr := start(t, l, 1, func(_ context.Context, j jobs.Job, _ *jobs.Progress) jobs.Outcome[*tx] {
			l.set(always, nil)
			return jobs.Outcome[*tx]{Done: func() { released = true }}
		})
		if _, err := tr.Start(t.Context(), jobs.Job{Kind: "k"}, nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		tr.Wait(ctx, "k", 0, 0)
		before := time.Now()
		closeTracker(t, tr)
		if took := time.Since(before); took > 0 || !released {
			t.Errorf("Close took %v, released %t", took, released)
		}
		if l.row(1).State != jobs.Running {
			t.Errorf("recorded %+v", l.row(1))
		}
		// Nor does a start need the ledger to take anything.
		tr = start(t, l, 1, func(context.Context, jobs.Job, *jobs.Progress) jobs.Outcome[*tx] { return jobs.Outcome[*tx]{} })
		defer closeTracker(t, tr)
		synctest.Wait()
		if j, ok := tr.Get("k", 0, 0); !ok || j.State != jobs.Accepted {
			t.Errorf("after the start: %+v", j)
		}
		l.set(nil, nil)
		if j, _ := tr.Wait(t.Context(), "k", 0, 0); j.State != jobs.Succeeded {
			t.Errorf("in the end: %+v", j)
		}
	})
}

// crash leaves the ledger as a killed program would: it says that the job runs.
func crash(t *testing.T, l *memory) (started bool) {
	var ran atomic.Bool
	tr := start(t, l, 1, func(ctx context.Context, _ jobs.Job, _ *jobs.Progress) jobs.Outcome[*tx] {
		ran.Store(true)
		<-ctx.Done()
		return jobs.Outcome[*tx]{Err: ctx.Err()}
	})
	synctest.Wait()
	l.set(always, nil)
	closeTracker(t, tr)
	l.set(nil, nil)
	return ran.Load()
}

// A job that was cut off three times at the same step fails and says so. Getting beyond the
// step begins the count anew, and a stop in good order does not count.
func TestCutOffTooOften(t *testing.T) {
	for name, between := range map[string]func(*testing.T, *memory){
		"":     nil,
		"step": func(_ *testing.T, l *memory) { j := l.rows[1]; j.Step, j.Starts = j.Step+1, 1; l.rows[1] = j },
		"stop": func(t *testing.T, l *memory) {
			tr := start(t, l, 1, func(ctx context.Context, _ jobs.Job, _ *jobs.Progress) jobs.Outcome[*tx] {
				<-ctx.Done()
				return jobs.Outcome[*tx]{Err: ctx.Err()}
			})
			synctest.Wait()
			closeTracker(t, tr)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger()
				l.rows[1], l.next = jobs.Job{ID: 1, Kind: "k", State: jobs.Accepted}, 1
				for n := range jobs.MaxStarts {
					if !crash(t, l) {
						t.Fatalf("start %d did not run", n+1)
					}
					if between != nil {
						between(t, l)
					}
				}
				ran := false
				tr := start(t, l, 1, func(context.Context, jobs.Job, *jobs.Progress) jobs.Outcome[*tx] {
					ran = true
					return jobs.Outcome[*tx]{}
				})
				defer closeTracker(t, tr)
				j, _ := tr.Wait(t.Context(), "k", 0, 0)
				givenUp := j.State == jobs.Failed && j.Message == jobs.ErrCutOff.Error() && len(l.notes) == 1 && l.row(1).State == jobs.Failed
				if want := name != "step"; givenUp != want || ran == want {
					t.Errorf("the job is %+v, it ran: %t", j, ran)
				}
			})
		})
	}
}

// Scopes take turns: one that has many jobs keeps no other from the workers.
func TestScopesTakeTurns(t *testing.T) {
	for _, workers := range []int{1, 2, 4} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var order []int64
			gate := make(chan struct{})
			tr := start(t, newLedger(), workers, func(_ context.Context, j jobs.Job, _ *jobs.Progress) jobs.Outcome[*tx] {
				if j.Scope == 1 {
					<-gate
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, j.Scope)
				return jobs.Outcome[*tx]{}
			})
			defer closeTracker(t, tr)
			begin := func(scope, target int64) {
				t.Helper()
				if _, err := tr.Start(t.Context(), jobs.Job{Kind: "k", Scope: scope, Target: target}, nil); err != nil {
					t.Fatal(err)
				}
			}
			for target := range int64(8) {
				begin(1, target)
			}
			synctest.Wait()
			begin(2, 0) // while the first holds all that it may
			if j, _ := tr.Wait(t.Context(), "k", 2, 0); j.State != jobs.Succeeded {
				t.Errorf("%d workers: %+v", workers, j)
			}
			for target := range int64(3) {
				begin(3, target)
			}
			for target := range int64(3) {
				if j, _ := tr.Wait(t.Context(), "k", 3, target); j.State != jobs.Succeeded {
					t.Errorf("%d workers: %+v", workers, j)
				}
			}
			if len(order) != 4 {
				t.Errorf("%d workers: scopes %v ended", workers, order)
			}
			close(gate)
			for target := range int64(8) {
				tr.Wait(t.Context(), "k", 1, target)
			}
		})
	}
}
