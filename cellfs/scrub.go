package cellfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

const (
	// DefaultScrubRate is how fast a scrub reads unless told otherwise, in bytes a second:
	// slow enough that nobody notices, and a terabyte takes three days.
	DefaultScrubRate = 4 << 20
	// ScrubEvery is how long after the begin of a scrub the next one begins.
	ScrubEvery = 7 * 24 * time.Hour
	// scrubLeast is what a small content counts at least, in bytes: looking it up costs more
	// than its bytes.
	scrubLeast = 4 << 10
	// scrubPage is how many contents are listed in one go.
	scrubPage = 200
	// scrubSave is how often the place that a scrub has reached is kept, so that a restart goes
	// on from there.
	scrubSave = 5 * time.Minute
)

// Scrubbed counts what a scrub looked at.
type Scrubbed struct {
	Contents, Bytes int64
	Damaged         int64
}

// scrubPlace is how far a scrub is, as the unit keeps it.
type scrubPlace struct {
	Began time.Time
	Ended bool
	After int64 // the last content that was looked at
	Scrubbed
}

const scrubSetting = "scrub"

// Scrub reads all contents again, at most rate bytes a second, and logs what is damaged, with
// cell and path. It goes on where the last one was cut off. If the last one began less than
// [ScrubEvery] ago, nothing is done. next is when the next one is due. Contents are read from
// the disk where the store can tell.
func (f *FS) Scrub(ctx context.Context, rate int64) (s Scrubbed, next time.Time, err error) {
	place, err := f.scrubPlace(ctx)
	if err != nil {
		return s, next, err
	}
	if place.Ended && f.now().Before(place.Began.Add(ScrubEvery)) {
		return s, place.Began.Add(ScrubEvery), nil
	}
	if place.Ended || place.Began.IsZero() {
		place = scrubPlace{Began: f.now()}
	}
	next = place.Began.Add(ScrubEvery)
	p := pace{rate: rate, buf: make([]byte, verifyBuffer)}
	saved := f.now()
	for {
		var page []Blob
		err := f.meta.View(ctx, func(tx Tx) (err error) {
			page, err = tx.Blobs(place.After, scrubPage)
			return err
		})
		if err != nil {
			return place.Scrubbed, next, errors.Join(err, f.saveScrub(ctx, place))
		}
		if len(page) == 0 {
			break
		}
		if err := f.scrub(ctx, page, &p, &place); err != nil {
			return place.Scrubbed, next, errors.Join(err, f.saveScrub(ctx, place))
		}
		if now := f.now(); now.Sub(saved) >= scrubSave {
			saved = now
			if err := f.saveScrub(ctx, place); err != nil {
				return place.Scrubbed, next, err
			}
		}
	}
	place.Ended = true
	return place.Scrubbed, next, f.saveScrub(ctx, place)
}

// scrub looks at the contents of a page.
func (f *FS) scrub(ctx context.Context, page []Blob, p *pace, place *scrubPlace) error {
	var bad []*DamagedError
	var err error
	for i := range page {
		var d *DamagedError
		if err = f.scrubOne(ctx, &page[i], p); errors.As(err, &d) {
			bad, err = append(bad, d), nil
		}
		if err != nil {
			break // what was found before is told all the same
		}
		place.After = page[i].ID
		place.Contents++
		place.Bytes += page[i].Size
	}
	place.Damaged += int64(len(bad))
	return errors.Join(err, f.tellAll(ctx, bad))
}

// tellAll logs damage with all places that are known.
func (f *FS) tellAll(ctx context.Context, bad []*DamagedError) error {
	if len(bad) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	ids := map[int64]bool{}
	for _, d := range bad {
		ids[d.ID] = true
	}
	held, err := f.snapshotsOf(ctx, ids)
	return errors.Join(err, f.meta.View(ctx, func(tx Tx) error {
		for _, d := range bad {
			f.reportDamage(tx, d, held[d.ID]...)
		}
		return nil
	}))
}

// scrubOne looks at one content of a list.
func (f *FS) scrubOne(ctx context.Context, b *Blob, p *pace) error {
	whole := *b
	if b.Data != nil { // the list leaves the bytes out
		err := f.meta.View(ctx, func(tx Tx) (err error) {
			whole, err = tx.Blob(b.ID)
			return err
		})
		if errors.Is(err, fs.ErrNotExist) {
			return nil // swept meanwhile
		}
		if err != nil {
			return err
		}
	}
	if err := p.wait(ctx, max(0, scrubLeast-b.Size)); err != nil {
		return err
	}
	err := f.verifyCold(ctx, &whole, p.buf, func(n int) error { return p.wait(ctx, int64(n)) })
	if d := (*DamagedError)(nil); !errors.As(err, &d) {
		return err
	}
	gone := false // its row goes before its file
	verr := f.meta.View(ctx, func(tx Tx) error {
		_, berr := tx.Blob(b.ID)
		gone = errors.Is(berr, fs.ErrNotExist)
		return nil
	})
	if gone {
		return verr
	}
	return errors.Join(err, verr)
}

// verifyCold is verify by what lies on the disk.
func (f *FS) verifyCold(ctx context.Context, b *Blob, buf []byte, read func(n int) error) error {
	var c Content
	var err error
	cold, ok := f.blobs.(ColdOpener)
	if ok && b.Data == nil {
		if c, err = cold.OpenCold(ctx, b.Hash); err != nil {
			err = lost(b, err)
		}
	} else {
		c, err = f.open(ctx, *b) // which says what is lost
	}
	if err != nil {
		return err
	}
	defer c.Close()
	return verify(b, c, buf, read)
}

func (f *FS) scrubPlace(ctx context.Context) (p scrubPlace, err error) {
	text := ""
	err = f.meta.View(ctx, func(tx Tx) (err error) {
		text, err = tx.Setting(scrubSetting)
		return err
	})
	if err != nil || text == "" {
		return p, err
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, fmt.Errorf("how far the last scrub was: %w", err)
	}
	return p, nil
}

// saveScrub keeps the place, also when ctx is done.
func (f *FS) saveScrub(ctx context.Context, p scrubPlace) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return f.Update(context.WithoutCancel(ctx), func(tx Tx) error { return tx.SetSetting(scrubSetting, string(text)) })
}

// pace spreads reading over time. It does not catch up after a delay.
type pace struct {
	rate int64 // bytes a second
	next time.Time
	buf  []byte // what is read goes through
}

// pause waits for a time; a variable for the tests.
var pause = func(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shortestPause is how much is owed before it is waited for: timers are not exact.
const shortestPause = 20 * time.Millisecond

// wait returns when n bytes more may be read.
func (p *pace) wait(ctx context.Context, n int64) error {
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	if d := p.next.Sub(now); d >= shortestPause {
		return pause(ctx, d)
	}
	return ctx.Err()
}
