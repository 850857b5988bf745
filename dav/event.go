package dav

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"unicode/utf8"

	"cellar/cellfs"
	"cellar/cellfs/control"
	"cellar/dav/answer"
	"cellar/dav/odata"
	"cellar/dav/target"
)

// record adds a line about this request to the event log of a cell, in the transaction of the change
// that the line is about: both are kept, or neither (contract 6.1).
func (q *request) record(tx cellfs.Tx, cell int64, kind, object, info string) error {
	return q.recordBy(tx, cell, q.subject(), kind, object, info)
}

func (q *request) recordBy(tx cellfs.Tx, cell int64, subject, kind, object, info string) error {
	return tx.AddEvents(cellfs.Event{
		Cell: cell, Time: q.h.fs.Now(), RequestKey: q.key(), Schema: q.caller.Schema, Subject: subject, Type: kind, Object: object, Info: info,
	})
}

// recordOwn adds the line of an account that set its own password. A caller who must change the
// password first is anonymous everywhere else.
func (q *request) recordOwn(tx cellfs.Tx, cell int64, name string) error {
	key := odata.FormatKey(cellfs.SetAccount, control.SetOf(cellfs.SetAccount).Key, control.Values{"Name": name})
	return q.recordBy(tx, cell, cellfs.LocalCell+"#"+name, "cellctl.Account.patch", cellfs.LocalCell+"__ctl/"+key, "204,"+cellfs.LocalCell+"__mypassword")
}

// eventKinds are the beginnings of event types, by the kind of the resource.
var eventKinds = map[cellfs.Kind]string{
	cellfs.KindCell: "cell", cellfs.KindBox: "box", cellfs.KindCollection: "webdavcol", cellfs.KindOData: "odatacol",
	cellfs.KindService: "servicecol", cellfs.KindFile: "davfile",
}

// localURL is a path as the log keeps it: the URL of the cell stands in when it is read.
func localURL(p cellfs.Path) string { return target.Below(cellfs.LocalCell, p) }

// cellOf is the cell that a place is in.
func cellOf(at *cellfs.Place) int64 {
	if at.Node != nil {
		return at.Node.Cell
	}
	return at.Parent.Cell
}

// recorded is a check that also records the change if it allows it. line returns the type of the event
// and the status.
func (q *request) recorded(check cellfs.Check, line func(at *cellfs.Place) (kind string, status int)) cellfs.Check {
	return func(tx cellfs.Tx, at cellfs.Place) error {
		if err := check(tx, at); err != nil {
			return err
		}
		kind, status := line(&at)
		return q.record(tx, cellOf(&at), kind, localURL(q.target.Path), strconv.Itoa(status))
	}
}

// action is a line that says what was done to what is there.
func action(verb string, status int) func(*cellfs.Place) (string, int) {
	return func(at *cellfs.Place) (string, int) { return eventKinds[at.Node.Kind] + "." + verb, status }
}

// making is a line about a resource that is made.
func making(kind cellfs.Kind, verb string) func(*cellfs.Place) (string, int) {
	return func(*cellfs.Place) (string, int) { return eventKinds[kind] + "." + verb, http.StatusCreated }
}

// writingFile is a line about a file that is made or replaced.
func writingFile(at *cellfs.Place) (string, int) {
	if at.Node == nil {
		return eventKinds[cellfs.KindFile] + ".create", http.StatusCreated
	}
	return eventKinds[cellfs.KindFile] + ".update", http.StatusNoContent
}

// recordTransfer records COPY or MOVE of a resource of that kind. A transfer to
// another cell is also a line there.
func (q *request) recordTransfer(tx cellfs.Tx, kind cellfs.Kind, from int64, dst cellfs.Path, to *cellfs.Place) error {
	verb, status := "copy", http.StatusNoContent
	if q.Method == "MOVE" {
		verb = "move"
	}
	if to.Node == nil {
		status = http.StatusCreated
	}
	if cellOf(to) == from {
		return q.record(tx, from, eventKinds[kind]+"."+verb, localURL(q.target.Path), strconv.Itoa(status)+","+localURL(dst))
	}
	if err := q.record(tx, from, eventKinds[kind]+"."+verb, localURL(q.target.Path), strconv.Itoa(status)+","+dst.String()); err != nil {
		return err
	}
	made := "create"
	if kind != cellfs.KindFile {
		made = "mkcol"
	}
	return q.record(tx, cellOf(to), eventKinds[kind]+"."+made, localURL(dst), strconv.Itoa(status))
}

// maxEvent bounds an event that a client posts, in bytes; its fields have
// [cellfs.MaxEventField].
const maxEvent = 1 << 20

// postEvent answers POST on __event: a line in the log that a client writes.
func (q *request) postEvent() error {
	body, err := io.ReadAll(http.MaxBytesReader(q.w, q.Body, maxEvent))
	if err != nil {
		return err
	}
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return answer.New(answer.JSONSyntax, cellfs.Printable(string(body[:min(len(body), 1024)])))
	}
	var e cellfs.Event
	for _, f := range []struct {
		name   string
		into   *string
		absent cellfs.Absent
	}{{"Type", &e.Type, cellfs.NoType}, {"Object", &e.Object, cellfs.NoObject}, {"Info", &e.Info, cellfs.NoInfo}} {
		text, ok := fields[f.name].(string)
		if fields[f.name] == nil {
			e.Absent |= f.absent
		} else if !ok || utf8.RuneCountInString(text) > cellfs.MaxEventField {
			return answer.New(answer.EventField, f.name)
		}
		*f.into = text
	}
	cell, err := q.cell()
	if err != nil {
		return err
	}
	e.Cell, e.Time, e.RequestKey, e.External, e.Schema, e.Subject = cell.ID, q.h.fs.Now(), q.key(), true, q.caller.Schema, q.subject()
	if err := q.h.fs.Update(q.Context(), func(tx cellfs.Tx) error { return tx.AddEvents(e) }); err != nil {
		return err
	}
	q.w.Header().Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// notImplemented answers methods that Personium has and that are not performed here.
func (q *request) notImplemented() error {
	return answer.New(answer.NotImplemented)
}
