package dav

import (
	"cmp"
	"encoding/xml"

	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav/multistatus"
)

const (
	davSpace       = multistatus.Space
	personiumSpace = multistatus.PersoniumSpace
)

func dav(local string) xml.Name { return multistatus.DAV(local) }

func personium(local string) xml.Name { return multistatus.Personium(local) }

// propfind answers PROPFIND.
func (q *request) propfind() error {
	asked, err := readXML(q, multistatus.Parse)
	if err != nil {
		return err
	}
	depth, err := multistatus.ParseDepth(q.Header.Get("Depth"))
	if err != nil {
		return err
	}
	space := q.answerShare()
	defer space.release()
	read, err := multistatus.Answer(q.Context(), multistatus.Options{
		FS: q.h.fs, Judge: judge{q}, Target: &q.target, Asked: asked, Depth: depth, Limit: q.h.cfg.PropfindLimit,
		Minimal: q.prefers("return", "minimal"), Request: q.Request, Writer: q.w, TempDir: q.h.cfg.TempDir, Take: space.take, Form: q.form207(),
	})
	if err != nil && !read {
		// What is missing, or in the way, is told only to who may list.
		return cmp.Or(q.admitted(q.target.Guarded(), q.rules), err)
	}
	return err
}

// form207 is the form of a 207: that of Personium for callers with a token, because its clients send
// one and those of WebDAV do not.
func (q *request) form207() multistatus.Form { return multistatus.Form{Personium: q.byToken} }

// judge is the request as a listing knows it.
type judge struct{ q *request }

// Granted implements [multistatus.Judge].
func (j judge) Granted(levels []cellfs.Level, schema string) (set access.Set, excluded bool) {
	q := j.q
	if q.mayAll() {
		return ^access.Set(0), false
	}
	set = access.Granted(levels, q.caller.Roles) | q.caller.Has()
	if q.caller.Known() { // a token can be narrower than its account
		set &^= access.OfCell &^ q.caller.Scope.Set()
	}
	return set, q.schemaAllows(access.Required(levels), schema) != nil
}

// MayAll implements [multistatus.Judge].
func (j judge) MayAll() bool { return j.q.mayAll() }

// Denied implements [multistatus.Judge].
func (j judge) Denied() error { return j.q.denied() }

// Principal implements [multistatus.Judge].
func (j judge) Principal() string { return j.q.caller.Principal }

// Subject implements [multistatus.Judge].
func (j judge) Subject() string { return j.q.subjectIn(j.q.target.LogURLs()) }

// BoxStatus implements [multistatus.Judge].
func (j judge) BoxStatus(n *cellfs.Node) (string, int64) { return j.q.boxStatus(n) }

// NoteRead implements [multistatus.Judge].
func (j judge) NoteRead(n *cellfs.Node) { j.q.noteRead(n) }
