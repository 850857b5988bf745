package dav

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"strings"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav/answer"
	"cellar/dav/ops"
	"cellar/dav/target"
	"cellar/jobs"
)

// The states of a box (contract 2.5).
const (
	boxReady      = "ready"
	boxInstalling = "installation in progress"
	boxFailed     = "installation failed"
)

// jsonTime is the form of times in JSON.
const jsonTime = "2006-01-02T15:04:05.000Z"

func stateName(j jobs.Job) string {
	switch {
	case j.State == jobs.Failed:
		return boxFailed
	case j.State == jobs.Succeeded:
		return boxReady
	}
	return boxInstalling
}

// updateState says how far the last update of a box is.
func updateState(j jobs.Job) string {
	switch {
	case j.State == jobs.Failed:
		return "update failed"
	case j.State == jobs.Succeeded:
		return "updated"
	}
	return "update in progress"
}

// boxStatus is what p:status and p:progress of a box say.
func (q *request) boxStatus(n *cellfs.Node) (status string, percent int64) {
	j, ok := q.h.ops.InstallOf(n.Cell, n.ID)
	if !ok {
		return boxReady, 100
	}
	return stateName(j), j.Percent()
}

// getBox answers GET on a box: its metadata, which is how an install is polled
// (contract 1.11).
func (q *request) getBox() error {
	if q.wantsBar() {
		return q.getBar()
	}
	var cell cellfs.Cell
	var n cellfs.Node
	err := q.h.fs.View(q.Context(), func(tx cellfs.Tx) (err error) {
		if n, err = q.h.fs.Lookup(tx, q.target.Path); err == nil {
			cell, err = tx.CellByID(n.Cell)
		}
		return err
	})
	if err != nil {
		return err
	}
	q.noteRead(&n)
	q.w.Header()["Vary"] = []string{varyPage}
	if q.asksFor("text/html") && q.h.fs.Guarded(&n) == nil { // while it is installed, how far that is
		return q.getPage()
	}
	j, installed := q.h.ops.InstallOf(cell.ID, n.ID)
	j, installed = q.awaited(j, installed, func(ctx context.Context) (jobs.Job, bool) { return q.h.ops.WaitInstall(ctx, cell.ID, n.ID) })
	box := map[string]any{"name": n.Name, "url": q.target.CellURL + n.Name + "/", "status": boxReady, "schema": nil}
	if n.Schema != "" {
		box["schema"] = n.Schema
	}
	if n.Name == cellfs.MainBox {
		box["schema"] = q.target.CellURL
	}
	installedAt := n.Created
	if installed {
		installedAt = j.Started
		box["status"] = stateName(j)
	}
	if box["status"] == boxReady {
		box["installed_at"] = installedAt.UTC().Format(jsonTime)
	} else {
		box["started_at"] = j.Started.UTC().Format(jsonTime)
		box["progress"] = strconv.FormatInt(j.Percent(), 10) + "%"
	}
	if installed && j.State == jobs.Failed {
		text := strings.ReplaceAll(j.Message, cellfs.LocalCell, q.target.CellURL)
		box["message"] = answer.With(answer.Code(j.Code), text)
	}
	u, updated := q.h.ops.UpdateOf(cell.ID, n.ID)
	u, updated = q.awaited(u, updated, func(ctx context.Context) (jobs.Job, bool) { return q.h.ops.WaitUpdate(ctx, cell.ID, n.ID) })
	if updated {
		update := map[string]any{"status": updateState(u), "started_at": u.Started.UTC().Format(jsonTime)}
		if !u.State.Ended() {
			update["progress"] = strconv.FormatInt(u.Percent(), 10) + "%"
		} else if u.State == jobs.Failed {
			update["message"] = answer.With(answer.Code(u.Code), strings.ReplaceAll(u.Message, cellfs.LocalCell, q.target.CellURL))
		}
		box["update"] = update
	}
	return q.sendJSON(http.StatusOK, map[string]any{"box": box, "cell": q.cellJSON(cell.Name), "unit": q.unitJSON()})
}

// mkcolBox answers MKCOL on a box name: an empty box without a body, an install
// with one (contract 1.10).
func (q *request) mkcolBox() error {
	zip := q.sendsZip()
	body, err := q.hasBody()
	if err != nil {
		return err
	}
	if !body && !zip {
		return q.emptyBox()
	}
	cell, err := q.cell()
	if err != nil {
		return err
	}
	if !zip {
		return q.notZip()
	}
	caller := ops.Caller{Subject: q.subject(), RequestKey: q.key()}
	if strings.EqualFold(q.Header.Get("X-Personium-Update"), "true") {
		return q.updateBox(cell, caller)
	}
	if strings.EqualFold(q.Header.Get("Overwrite"), "T") {
		// What goes is a box, whatever is left of it.
		if err := q.admitted(q.target.Path, needsAbove(access.Box)); err != nil {
			return err
		}
		caller.Replace = q.checkWith(q.target.Path, needsAbove(access.Box), true)
	}
	err = q.h.ops.Install(q.Context(), cell, q.target.Path.Box(), q.Body, caller)
	if err != nil {
		return err
	}
	q.w.Header().Set("Location", q.target.CellURL+q.target.Path.Box())
	q.w.WriteHeader(http.StatusAccepted)
	return nil
}

// updateBox answers MKCOL on a box that is there with a newer version of its application (contract 2.10).
func (q *request) updateBox(cell cellfs.Cell, caller ops.Caller) error {
	// All of the box can become another, whatever its ACLs say.
	if err := q.admitted(q.target.Path, needsAbove(access.Box)); err != nil {
		return err
	}
	err := q.h.ops.Update(q.Context(), cell, q.target.Path, q.Body, caller, func(tx cellfs.Tx, at cellfs.Place) error {
		if err := q.mayChange(tx, &at, needsAbove(access.Box), false); err != nil {
			return err
		}
		return q.preconditions(&at)
	})
	if err != nil {
		return err
	}
	q.w.Header().Set("Location", q.target.CellURL+q.target.Path.Box())
	q.w.WriteHeader(http.StatusAccepted)
	return nil
}

// Lines a minute about installs that were refused: of anonymous callers in the log of the program,
// of accounts in the event log of their cell. The admin has no limit.
const (
	refusalsOfNobody = 10
	refusalsOfCell   = 60
)

// logRefusal writes the line about an install that was refused with err (contract 2.3). A request of
// an anonymous caller is no event of the cell: anybody could push out the others with it.
func (q *request) logRefusal(err error) error {
	install := q.Method == "MKCOL" && q.target.Kind == target.Box && q.installs()
	e, known := q.errorOf(err)
	if !install || !known || q.Context().Err() != nil {
		return err
	}
	now, status := q.h.cfg.Now(), e.Code.Status()
	if !q.caller.Known() {
		if ok, leftOut := q.h.refusedNobody.allow(0, now); ok {
			q.h.log.Warn("an install of an anonymous caller was refused", "path", q.URL.Path, "status", status, "key", q.key(), "remote", q.peer.Addr, "left_out", leftOut)
		}
		return err
	}
	cell, cerr := q.cell()
	if cerr != nil {
		return err // there is no log to write to
	}
	if !q.mayAll() {
		ok, leftOut := q.h.refusedOfCell.allow(cell.ID, now)
		if !ok {
			return err
		}
		if leftOut > 0 {
			q.h.log.Warn("refused installs are not in the event log", "cell", cell.Name, "count", leftOut)
		}
	}
	caller := ops.Caller{Subject: q.subject(), RequestKey: q.key()}
	if lerr := q.h.ops.RefusedInstall(q.Context(), cell.ID, q.target.Path.Box(), caller, status); lerr != nil {
		return lerr
	}
	return err
}

// notZip is the answer to a body of another type. A body of RFC 5689 makes no box.
func (q *request) notZip() error {
	wrong := answer.New(answer.BarMediaType, "Content-Type")
	xml, err := q.sendsXML()
	if err != nil || !xml {
		return cmp.Or(err, error(wrong))
	}
	extended, err := readXML(q, func(root *xmltree.Element) (bool, error) { return root != nil && root.Name == dav("mkcol"), nil })
	if err == nil && extended {
		return errMediaType
	}
	return wrong
}

func (q *request) emptyBox() error {
	_, err := q.h.fs.Mkcol(q.Context(), q.target.Path, cellfs.KindBox, q.recorded(q.checkWith(q.target.Path, needsAbove(access.Box), false), making(cellfs.KindBox, "mkcol")))
	switch {
	case err == nil:
		return q.created(true)
	case isName(err):
		return answer.New(answer.BodyField, "Name")
	}
	return err
}
