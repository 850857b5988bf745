package ops

import (
	"context"
	"errors"
	"testing"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
	"cellar/jobs"
)

// TestFailureIsRecordedOnce: the outcome of an install may have to be recorded more than
// once until it is; the log tells of it once.
func TestFailureIsRecordedOnce(t *testing.T) {
	ctx := context.Background()
	f := cellfs.New(cellfs.Config{Meta: cellfstest.NewMemMeta()})
	cell, err := f.CreateCell(ctx, "cell1", "me")
	if err != nil {
		t.Fatal(err)
	}
	o := &Ops{fs: f}
	out := o.installFailed(jobs.Job{ID: 1, Scope: cell.ID, Name: "box"}, errors.New("the bar is gone"))
	full := errors.New("disk full")
	for _, want := range []error{full, full, nil} {
		err := f.Update(ctx, func(tx cellfs.Tx) error {
			if err := out.With(tx, &jobs.Job{}); err != nil {
				return err
			}
			return want
		})
		if !errors.Is(err, want) {
			t.Fatal(err)
		}
	}
	err = f.View(ctx, func(tx cellfs.Tx) error {
		all, err := tx.Events(cell.ID, 0, 100)
		var types []string
		for _, e := range all {
			types = append(types, e.Type)
		}
		seen := map[string]int{}
		for _, typ := range types {
			if seen[typ]++; seen[typ] > 1 {
				t.Errorf("%s is told twice: %v", typ, types)
			}
		}
		if len(types) == 0 || types[0] != "PL-BI-1000" {
			t.Errorf("the log begins with %v", types)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
