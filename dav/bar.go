package dav

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/snapshot"
	"cellar/dav/answer"
	"cellar/dav/ops"
	"cellar/dav/wire"
)

// barType is the type of an exported bar; barTypeOld is an older name of it.
const (
	barType    = "application/zip+x-personium-bar"
	barTypeOld = "application/x-personium-bar+zip"
)

// wantsBar reports whether the Accept header lists the type of a bar
// (contract 1.11).
func (q *request) wantsBar() bool {
	for _, v := range q.Header["Accept"] {
		for t := range strings.SplitSeq(v, ",") {
			t, _, _ = strings.Cut(t, ";")
			if t = strings.ToLower(strings.TrimSpace(t)); t == barType || t == barTypeOld {
				return true
			}
		}
	}
	return false
}

// getBar answers GET on a box with the box as a bar.
func (q *request) getBar() error {
	err := q.h.fs.View(q.Context(), func(tx cellfs.Tx) error {
		at, err := q.h.fs.FindTx(tx, q.target.Path)
		if err == nil {
			err = q.schemaAllowsBelow(tx, &at) // all that is in the box goes out
		}
		return err
	})
	if err != nil {
		return err
	}
	release := q.h.fs.Hold()
	defer release()
	space := q.answerShare()
	defer space.release()
	bar, err := snapshot.Bar(q.Context(), q.h.fs, snapshot.BarOptions{Box: q.target.Path, CellURL: q.target.CellURL, TempDir: q.h.cfg.TempDir, Take: space.take})
	if lost := (*snapshot.ContentError)(nil); errors.As(err, &lost) {
		q.h.cfg.Log.Error("a bar cannot be made", "cell", q.target.Path.Cell(), "err", err)
		return ops.AnswerOf(err)
	}
	if errors.Is(err, snapshot.ErrMainBox) {
		return answer.New(answer.EntityNotFound)
	}
	if err != nil {
		return err
	}
	defer bar.Close()
	h := q.w.Header()
	h.Set("Content-Type", barType)
	h.Set("Content-Disposition", `attachment; filename="`+q.target.Path.Box()+`.bar"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store") // the next one may be another
	// A bar is made anew for each request: it has no parts, and no copy of it is current.
	for _, name := range []string{"Range", "If-Range", "If-None-Match", "If-Modified-Since"} {
		q.Header.Del(name)
	}
	w, done := wire.LimitWrites(q.w, q.h.cfg.StallTime)
	defer done()
	http.ServeContent(w, q.Request, "", time.Time{}, bar)
	return nil
}
