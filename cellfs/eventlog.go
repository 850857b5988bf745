package cellfs

import (
	"context"
	"strings"
	"time"
)

// timeFormat of the event log: UTC with three digits of the second.
const timeFormat = "2006-01-02T15:04:05.000Z"

// AppendLine adds the event as a line of the log to buf (spec/event-log.md §2).
// cellURL, ending in "/", stands where object and info say [LocalCell].
func (e *Event) AppendLine(buf []byte, cellURL string) []byte {
	buf = e.Time.UTC().AppendFormat(buf, timeFormat)
	buf = append(buf, ",[INFO ],"...)
	buf = append(appendField(buf, e.RequestKey), ',')
	if e.External {
		buf = append(buf, `"true",`...)
	} else {
		buf = append(buf, `"false",`...)
	}
	for _, optional := range []string{e.Schema, e.Subject} {
		if optional == "" {
			buf = append(buf, "null,"...)
		} else {
			buf = append(appendField(buf, optional), ',')
		}
	}
	buf = append(appendField(buf, e.Type), ',')
	buf = append(appendField(buf, strings.ReplaceAll(e.Object, LocalCell, cellURL)), ',')
	return append(appendField(buf, strings.ReplaceAll(e.Info, LocalCell, cellURL)), '\n')
}

// appendField quotes as CSV does: quotes within are doubled.
func appendField(buf []byte, s string) []byte {
	buf = append(buf, '"')
	buf = append(buf, strings.ReplaceAll(s, `"`, `""`)...)
	return append(buf, '"')
}

// RenderLog is the current event log of a cell as text; cellURL as in
// [Event.AppendLine].
func (f *FS) RenderLog(ctx context.Context, cell int64, cellURL string) (text []byte, modified time.Time, err error) {
	err = f.meta.View(ctx, func(tx Tx) error {
		text, modified, err = f.RenderLogTx(tx, cell, cellURL)
		return err
	})
	return text, modified, err
}

// RenderLogTx is [FS.RenderLog] inside a transaction.
func (f *FS) RenderLogTx(tx Tx, cell int64, cellURL string) (text []byte, modified time.Time, err error) {
	for after := int64(0); ; {
		page, err := tx.Events(cell, after, listPage)
		if err != nil {
			return nil, modified, err
		}
		for i := range page {
			text = page[i].AppendLine(text, cellURL)
			after, modified = page[i].ID, page[i].Time
		}
		if len(page) < listPage {
			return text, modified, nil
		}
	}
}

func (f *FS) openLog(ctx context.Context, cell int64) (Content, error) {
	text, _, err := f.RenderLog(ctx, cell, LocalCell)
	if err != nil {
		return nil, err
	}
	return BytesContent(text), nil
}
