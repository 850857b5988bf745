package cellfs_test

import (
	"fmt"
	"testing"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
)

// TestRetentionCountsWhatStays: the newest snapshots are kept in the order in which they were
// taken, whatever the clock said; passing ones neither count nor go.
func TestRetentionCountsWhatStays(t *testing.T) {
	type shot struct {
		name    string
		at      time.Duration // after the begin
		passing bool
	}
	for what, c := range map[string]struct {
		keep  int64
		shots []shot
		want  string
	}{
		"no number":             {0, []shot{{"a", 0, false}, {"b", 1, true}}, "[a.zip b.zip]"},
		"the oldest goes":       {2, []shot{{"a", 0, false}, {"b", 1, false}, {"c", 2, false}}, "[b.zip c.zip]"},
		"a clock that went bad": {1, []shot{{"a", time.Hour, false}, {"b", 0, false}}, "[b.zip]"},
		"passing":               {1, []shot{{"nightly", 0, false}, {"p", 1, true}}, "[nightly.zip p.zip]"},
		"several passing":       {1, []shot{{"a", 0, false}, {"b", 0, false}, {"p", 1, true}, {"q", 2, true}}, "[b.zip p.zip q.zip]"},
		"left behind":           {1, []shot{{"a", 0, false}, {"p", 0, true}, {"q", 1, true}, {"r", cellfs.PassingAge, true}}, "[a.zip q.zip r.zip]"},
	} {
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		f := cellfs.New(cellfs.Config{
			Meta: cellfstest.NewMemMeta(), Blobs: cellfstest.NewMemBlobs(), Snapshots: cellfstest.NoSnapshots{}, Now: func() time.Time { return now },
		})
		cell, err := f.CreateCell(t.Context(), "c", "o")
		if err == nil {
			err = f.SetKeep(t.Context(), "c", c.keep)
		}
		if err != nil {
			t.Fatal(err)
		}
		begin := now
		for i, s := range c.shots {
			now = begin.Add(s.at)
			err := f.Update(t.Context(), func(tx cellfs.Tx) error {
				index := cellfs.StageBytes([]byte(s.name))
				blob, err := index.Add(tx)
				if err != nil {
					return err
				}
				return tx.AddSnapshot(&cellfs.Snapshot{Cell: cell.ID, Name: s.name + ".zip", Index: blob, Size: int64(i), Created: now, Passing: s.passing})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := f.KeepSnapshots(t.Context(), cell.ID); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		var names []string
		err = f.View(t.Context(), func(tx cellfs.Tx) error {
			all, err := tx.Snapshots(cell.ID)
			for _, s := range all {
				names = append(names, s.Name)
			}
			return err
		})
		if got := fmt.Sprint(names); err != nil || got != c.want {
			t.Errorf("%s: %s is left, want %s, %v", what, got, c.want, err)
		}
	}
}
