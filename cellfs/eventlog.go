package cellfs

import (
	"context"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
)

// timeFormat of the event log: UTC with three digits of the second.
const timeFormat = "2006-01-02T15:04:05.000Z"

// AppendLine adds the event as a line of the log to buf (contract 6.3).
func (e *Event) AppendLine(buf []byte, urls LogURLs) []byte {
	buf = e.Time.UTC().AppendFormat(buf, timeFormat)
	buf = append(buf, ",[INFO ],"...)
	buf = append(appendField(buf, e.RequestKey), ',')
	if e.External {
		buf = append(buf, `"true",`...)
	} else {
		buf = append(buf, `"false",`...)
	}
	buf = append(appendColumn(buf, e.Schema == "", urls.shown(e.Schema)), ',')
	buf = append(appendColumn(buf, e.Subject == "", urls.shown(e.Subject)), ',')
	buf = append(appendColumn(buf, e.Absent&NoType != 0, e.Type), ',')
	buf = append(appendColumn(buf, e.Absent&NoObject != 0, strings.ReplaceAll(e.Object, LocalCell, urls.Cell)), ',')
	return append(appendColumn(buf, e.Absent&NoInfo != 0, strings.ReplaceAll(e.Info, LocalCell, urls.Cell)), '\n')
}

// LogURLs are the URLs that a reader of a log sees where [LocalCell] and [LocalUnit] are
// kept. Both end in "/".
type LogURLs struct{ Cell, Unit string }

// keptURLs shows a log as it is kept.
var keptURLs = LogURLs{LocalCell, LocalUnit}

// shown is the URL of a caller or of an application as a reader sees it.
func (u LogURLs) shown(s string) string {
	if rest, ok := strings.CutPrefix(s, LocalCell); ok {
		return u.Cell + rest
	}
	if rest, ok := strings.CutPrefix(s, LocalUnit); ok {
		return u.Unit + rest
	}
	return s // as it was written once
}

// appendColumn adds a text, or null, which is not the same as an empty one.
func appendColumn(buf []byte, null bool, text string) []byte {
	if null {
		return append(buf, "null"...)
	}
	return appendField(buf, text)
}

// appendField quotes as CSV does: quotes within are doubled.
func appendField(buf []byte, s string) []byte {
	buf = append(buf, '"')
	buf = append(buf, strings.ReplaceAll(s, `"`, `""`)...)
	return append(buf, '"')
}

// LogSize is how long a part of an event log is as text.
type LogSize struct {
	Bytes int64 // without the URLs of the cell and of the unit
	URLs  int64 // how often the cell's URL stands in it
	Units int64 // how often the unit's URL does
}

// Len is the length in bytes as [Event.AppendLine] writes it.
func (s LogSize) Len(urls LogURLs) int64 {
	return s.Bytes + s.URLs*int64(len(urls.Cell)) + s.Units*int64(len(urls.Unit))
}

// Add returns the sum of two sizes.
func (s LogSize) Add(t LogSize) LogSize {
	return LogSize{s.Bytes + t.Bytes, s.URLs + t.URLs, s.Units + t.Units}
}

// Size is that of the event's line.
func (e *Event) Size() LogSize {
	const fixed = len(timeFormat) + len(`,[INFO ],,"true",,,,,`) + len("\n")
	n := fixed + fieldSize(e.RequestKey) + columnSize(e.Schema == "", e.Schema) + columnSize(e.Subject == "", e.Subject) +
		columnSize(e.Absent&NoType != 0, e.Type) + columnSize(e.Absent&NoObject != 0, e.Object) + columnSize(e.Absent&NoInfo != 0, e.Info)
	if !e.External {
		n += len("false") - len("true")
	}
	urls, units := 0, 0
	if e.Absent&NoObject == 0 {
		urls += strings.Count(e.Object, LocalCell)
	}
	if e.Absent&NoInfo == 0 {
		urls += strings.Count(e.Info, LocalCell)
	}
	for _, s := range []string{e.Subject, e.Schema} {
		switch {
		case strings.HasPrefix(s, LocalCell):
			urls++
		case strings.HasPrefix(s, LocalUnit):
			units++
		}
	}
	return LogSize{Bytes: int64(n - urls*len(LocalCell) - units*len(LocalUnit)), URLs: int64(urls), Units: int64(units)}
}

func columnSize(null bool, text string) int {
	if null {
		return len("null")
	}
	return fieldSize(text)
}

func fieldSize(s string) int { return len(s) + len(`""`) + strings.Count(s, `"`) }

const (
	// DefaultLogLimit is how long an event log gets, in bytes, before it is closed
	// (contract 6.6). What one transaction adds goes into one log.
	DefaultLogLimit = 50 << 20
	// MaxLogArchives is how many closed logs of a cell are kept.
	MaxLogArchives = 12
	// MaxEventField is how long a field of an event may be, in characters, as in
	// Personium. What is longer is cut when it is added.
	MaxEventField = 51200
)

// clean makes an event fit to be a line: its texts come from clients, names and archives.
func (e *Event) clean() {
	for _, field := range []*string{&e.RequestKey, &e.Schema, &e.Subject, &e.Type, &e.Object, &e.Info} {
		*field = Printable(cut(*field, MaxEventField))
	}
}

// LogName is the name of a closed log.
func (a *LogArchive) LogName() string {
	return LogFile + "." + strconv.FormatInt(a.Closed.UnixMilli(), 10)
}

// AddEvents implements [RecordWriter]. Every event comes by here: what is no text in it is
// shown, not kept as it is. A log that has become too long is closed.
func (t *transaction) AddEvents(events ...Event) error {
	events = slices.Clone(events)
	for i := range events {
		events[i].clean()
	}
	if err := t.RecordWriter.AddEvents(events...); err != nil {
		return err
	}
	for i := range events {
		if i > 0 && events[i].Cell == events[i-1].Cell {
			continue
		}
		c, err := t.CellByID(events[i].Cell)
		if err != nil {
			return err
		}
		if c.Log.Len(keptURLs) < t.f.logLimit {
			continue
		}
		if err := t.closeLog(c.ID); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) closeLog(cell int64) error {
	archives, err := t.LogArchives(cell)
	if err != nil {
		return err
	}
	closed := t.f.now().Truncate(time.Millisecond)
	if n := len(archives); n > 0 && !closed.After(archives[n-1].Closed) {
		closed = archives[n-1].Closed.Add(time.Millisecond)
	}
	for i := 0; i <= len(archives)-MaxLogArchives; i++ {
		if err := t.DropLog(cell, archives[i].Closed); err != nil {
			return err
		}
	}
	return t.CloseLog(cell, closed)
}

// logPart finds the current log, or a closed one, by its name.
func logPart(tx Tx, cell int64, name string) (a LogArchive, err error) {
	if name == LogFile {
		c, err := tx.CellByID(cell)
		return LogArchive{Cell: cell, After: c.LogFrom, Size: c.Log}, err
	}
	all, err := tx.LogArchives(cell)
	if err != nil {
		return a, err
	}
	for _, a := range all {
		if a.LogName() == name {
			return a, nil
		}
	}
	return a, fs.ErrNotExist
}

// LogLen is the length in bytes of a log, which n stands for, as [FS.ReadLog] gives it.
func (f *FS) LogLen(tx Tx, n *Node, urls LogURLs) (int64, error) {
	a, err := logPart(tx, n.Cell, n.Name)
	return a.Size.Len(urls), err
}

// DropLog removes a closed log. The current one is [ErrReadOnly].
func (f *FS) DropLog(ctx context.Context, n Node) error {
	if n.Name == LogFile {
		return ErrReadOnly
	}
	return f.Update(ctx, func(tx Tx) error {
		a, err := logPart(tx, n.Cell, n.Name)
		if err != nil {
			return err
		}
		return tx.DropLog(n.Cell, a.Closed)
	})
}

// LogReader reads a log as text, as it was when it was opened. It holds one page
// of events.
type LogReader struct {
	ctx     context.Context
	f       *FS
	urls    LogURLs
	cell    int64
	after   int64
	last    int64 // event of a closed log; 0 for the current one
	left    int64 // bytes that were not rendered yet
	text    []byte
	pending []byte // of text
}

// ReadLog opens the log that n stands for, as [Event.AppendLine] writes it.
func (f *FS) ReadLog(ctx context.Context, n Node, urls LogURLs) (r *LogReader, size int64, err error) {
	var a LogArchive
	err = f.meta.View(ctx, func(tx Tx) error {
		a, err = logPart(tx, n.Cell, n.Name)
		return err
	})
	size = a.Size.Len(urls)
	return &LogReader{ctx: ctx, f: f, urls: urls, cell: n.Cell, after: a.After, last: a.Last, left: size}, size, err
}

// Read implements [io.Reader].
func (r *LogReader) Read(p []byte) (int, error) {
	if len(r.pending) == 0 {
		if r.left == 0 {
			return 0, io.EOF
		}
		if err := r.page(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.pending)
	r.pending = r.pending[n:]
	return n, nil
}

func (r *LogReader) page() error {
	var events []Event
	err := r.f.meta.View(r.ctx, func(tx Tx) (err error) {
		events, err = tx.Events(r.cell, r.after, listPage)
		return err
	})
	if err != nil {
		return err
	}
	r.text = r.text[:0]
	for i := range events {
		if int64(len(r.text)) == r.left {
			break
		}
		if r.last != 0 && events[i].ID > r.last {
			return io.ErrUnexpectedEOF // some of its events were purged
		}
		r.after = events[i].ID
		r.text = events[i].AppendLine(r.text, r.urls)
	}
	if len(events) == 0 || int64(len(r.text)) > r.left {
		return io.ErrUnexpectedEOF // the cell was deleted, or the log dropped and purged
	}
	r.left -= int64(len(r.text))
	r.pending = r.text
	return nil
}

func (f *FS) openLog(ctx context.Context, n Node) (Content, error) {
	r, _, err := f.ReadLog(ctx, n, keptURLs)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	return BytesContent(text), err
}
