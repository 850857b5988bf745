package main

import (
	"io"
	"log/slog"

	"cellar/cellfs"
)

// maxLogText bounds a text in the program's log, in bytes: paths and names of accounts come
// from clients, who could fill the disk with them.
const maxLogText = 4 << 10

// newLogger writes the program's log. Durations have a unit in both formats, such as
// "1.5s": as JSON they would be bare nanoseconds otherwise. Texts are bounded, and without
// what a terminal would obey.
func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("--log-level %q: use debug, info, warn or error", level)
	}
	o := &slog.HandlerOptions{Level: l, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch v := a.Value; {
		case v.Kind() == slog.KindDuration:
			a.Value = slog.StringValue(v.Duration().String())
		case a.Key == slog.MessageKey: // ours, or a stack trace
		case v.Kind() == slog.KindString:
			a.Value = slog.StringValue(logText(v.String()))
		case v.Kind() == slog.KindAny:
			if err, ok := v.Any().(error); ok {
				a.Value = slog.StringValue(logText(err.Error()))
			}
		}
		return a
	}}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, usagef("--log-format %q: use text or json", format)
}

func logText(s string) string {
	if len(s) > maxLogText {
		s = s[:maxLogText] + "…"
	}
	return cellfs.Printable(s)
}
