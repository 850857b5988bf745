package main

import (
	"context"
	"time"

	"cellar/cellfs"
)

const (
	// sweepEvery is how often the server looks for contents that nothing refers to any more;
	// strayEvery is how often it looks for files that no row ever referred to: those of refused
	// uploads, and what a crash left.
	sweepEvery = 15 * time.Minute
	strayEvery = 4 * sweepEvery
	// scrubLook is how often the server looks whether a scrub is due.
	scrubLook = time.Hour
)

// sweep frees contents that nothing refers to.
func (s *server) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		err := s.dav.RotateKeys(ctx)
		if err == nil {
			err = s.unit.fs.PurgeLocks(ctx)
		}
		var swept cellfs.Swept
		if err == nil {
			swept, err = s.unit.fs.Sweep(ctx, cellfs.SweepGrace)
		}
		if n%int(strayEvery/sweepEvery) == 0 && err == nil {
			var strays cellfs.Swept
			strays, err = s.unit.fs.SweepStrays(ctx, cellfs.SweepGrace)
			swept.Strays, swept.Bytes = strays.Strays, swept.Bytes+strays.Bytes
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("a sweep failed", "err", err)
		}
		if swept.Contents+swept.Strays > 0 {
			s.log.Info("swept", "contents", swept.Contents, "strays", swept.Strays, "bytes", swept.Bytes)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// scrub reads all contents again, now and then and slowly, so that what the disk loses is
// found while there is another copy.
func (s *server) scrub(ctx context.Context) {
	for s.limits.scrub > 0 {
		began := time.Now()
		done, due, err := s.unit.fs.Scrub(ctx, s.limits.scrub)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Error("a scrub failed", "err", err)
		case done.Contents > 0:
			s.log.Info("scrubbed", "contents", done.Contents, "bytes", done.Bytes, "damaged", done.Damaged, "took", time.Since(began))
		}
		wait := scrubLook
		if err == nil {
			wait = min(wait, max(0, time.Until(due)))
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}
