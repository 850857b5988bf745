package main

import (
	"testing"

	"github.com/urfave/cli/v2"
)

// TestCacheSizeHasBounds: what is too little for a cache is refused, and what a machine gets by itself has bounds.
func TestCacheSizeHasBounds(t *testing.T) {
	read := func(words ...string) (l limits, err error) {
		app := &cli.App{Flags: limitFlags(), Action: func(c *cli.Context) (err error) {
			l, err = readLimits(c)
			return err
		}}
		err = app.Run(append([]string{"cellar"}, words...))
		return l, err
	}
	if l, err := read("--cache-size", "1MiB"); err != nil || l.cache != minCache {
		t.Errorf("the least cache: %d, %v", l.cache, err)
	}
	const want = `--cache-size "1023KiB": use at least 1.0 MiB`
	if _, err := read("--cache-size", "1023KiB"); err == nil || err.Error() != want {
		t.Errorf("a smaller one: %v, want %s", err, want)
	}
	if l, err := read(); err != nil || l.cache < leastByDefault || l.cache > mostByDefault {
		t.Errorf("by default: %d, %v", l.cache, err)
	}
}
