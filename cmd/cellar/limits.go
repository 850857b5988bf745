package main

import (
	"math"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"cellar/barfs"
	"cellar/cellfs"
	"cellar/dav/ops"
)

// limits are what an operator can change: sizes in bytes, but for importNodes and scrub, which is a rate.
type limits struct {
	bar, entry, importBody, eventLog int64
	cache                            int64
	importNodes                      int64 // resources that an import may make
	scrub                            int64 // a second; 0: none
}

func limitFlags() []cli.Flag {
	size := func(name, variable string, byDefault uint64, usage string) cli.Flag {
		return &cli.StringFlag{Name: name, Value: humanize.IBytes(byDefault), EnvVars: env(variable), Usage: usage}
	}
	return []cli.Flag{
		size("bar-limit", "BAR_LIMIT", barfs.MaxArchive, "largest bar that is taken, a `SIZE` such as 100MiB"),
		size("bar-entry-limit", "BAR_ENTRY_LIMIT", barfs.MaxEntry, "largest file in a bar, uncompressed, a `SIZE`"),
		size("import-limit", "IMPORT_LIMIT", ops.DefaultImportLimit, "largest snapshot that is taken from elsewhere, a `SIZE`"),
		size("cache-size", "CACHE_SIZE", uint64(defaultCache()), "`SIZE` of the memory for what is read again and again; about twice as much is used"),
		&cli.Int64Flag{Name: "import-nodes", Value: ops.DefaultImportNodes, EnvVars: env("IMPORT_NODES"),
			Usage: "`NUMBER` of resources, documents and control objects that an import may make; its memory follows it"},
		size("event-log-limit", "EVENT_LOG_LIMIT", cellfs.DefaultLogLimit, "`SIZE` at which a cell's event log is closed and a new one begins"),
		size("scrub", "SCRUB", cellfs.DefaultScrubRate, "`RATE` in bytes a second at which contents are read again and compared with their checksums, such as 4MiB; 0 turns it off"),
	}
}

func readLimits(c *cli.Context) (l limits, err error) {
	for name, into := range map[string]*int64{"bar-limit": &l.bar, "bar-entry-limit": &l.entry, "import-limit": &l.importBody, "event-log-limit": &l.eventLog, "cache-size": &l.cache} {
		n, err := humanize.ParseBytes(c.String(name))
		if err != nil || n == 0 || n > math.MaxInt64 {
			return l, usagef("--%s %q: use a size such as 100MiB", name, c.String(name))
		}
		*into = int64(n)
	}
	if l.cache < minCache {
		return l, usagef("--cache-size %q: use at least %s", c.String("cache-size"), humanize.IBytes(minCache))
	}
	n, err := humanize.ParseBytes(c.String("scrub"))
	if err != nil || n > math.MaxInt64 {
		return l, usagef("--scrub %q: use a number of bytes a second such as 4MiB, or 0", c.String("scrub"))
	}
	l.scrub = int64(n)
	if l.importNodes = c.Int64("import-nodes"); l.importNodes < 1 || l.importNodes > math.MaxInt32 {
		return l, usagef("--import-nodes %d: use a number from 1 to %d", l.importNodes, math.MaxInt32)
	}
	return l, nil
}

// The cache is a thousandth of the machine's memory, within bounds.
const (
	minCache       = 1 << 20
	leastByDefault = 16 << 20
	mostByDefault  = 256 << 20
)

// defaultCache is the size of the cache unless the operator gives one, in whole MiB.
func defaultCache() int64 {
	memory := machineMemory()
	if memory == 0 {
		return cellfs.DefaultCacheSize
	}
	return min(max(memory>>10, leastByDefault), mostByDefault) >> 20 << 20
}
