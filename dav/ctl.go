package dav

import (
	"errors"
	"net/http"
	"strings"

	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/cellfs/control"
	"cellar/dav/answer"
	"cellar/dav/odata"
	"cellar/dav/target"
)

// ctlBase is the URL below which the control objects of the target lie.
func (q *request) ctlBase() string {
	if q.target.Kind == target.UnitCtl {
		return q.target.UnitURL + "__ctl/"
	}
	return q.target.CellURL + "__ctl/"
}

// parseControl reads what the URL asks for, once for each request: every rule looks at it.
func (q *request) parseControl() (odata.ControlRequest, error) {
	if q.control == nil {
		r, err := q.parseControlURL()
		q.control = &controlURL{r, err}
	}
	return q.control.asked, q.control.err
}

// controlURL is what the URL of a request for control objects asks for.
type controlURL struct {
	asked odata.ControlRequest
	err   error
}

func (q *request) parseControlURL() (odata.ControlRequest, error) {
	if q.target.Kind == target.UnitCtl {
		return odata.ParseControl(q.target.Rest, func(name string) *control.Set {
			if name == control.SetCell {
				return control.Cells
			}
			return nil
		})
	}
	r, err := odata.ParseControl(q.target.Rest, control.SetOf)
	q.localValues(r.Set, r.Key)
	q.localValues(r.Other, r.OtherKey)
	return r, err
}

// urlProperties are the properties that name a cell, or a role, by its URL. Those of this unit are
// kept with [cellfs.LocalUnit], because a client can call a server by many names.
var urlProperties = map[string]string{cellfs.SetExtCell: "Url", cellfs.SetExtRole: "ExtRole"}

// localValues gives the URLs of an object the form in which they are kept.
func (q *request) localValues(set *control.Set, v control.Values) {
	if set == nil {
		return
	}
	name := urlProperties[set.Name]
	if text, ok := v[name].(string); ok {
		v[name] = q.h.urls.LocalTo(q.Request, text)
	}
}

// shown gives the URLs of an object the form in which clients see them.
func (q *request) shown(o *control.Object) {
	if o.Set == nil {
		return
	}
	name := urlProperties[o.Set.Name]
	if text, ok := o.Values[name].(string); ok {
		o.Values[name] = q.target.Shown(text)
	}
	for _, related := range o.Expanded {
		for i := range related {
			q.shown(&related[i])
		}
	}
}

// controlRules are the rules of a method on control objects. Each set has its privilege; a link needs
// those of both sets.
func controlRules(reads bool) (rules []rule) {
	for _, s := range control.Sets() {
		needed := s.Write
		if reads {
			needed = s.Read
		}
		rules = append(rules, rule{who: privileged, all: needed, when: when("it is of set "+s.Name, func(q *request, _ *cellfs.Place) bool {
			r, err := q.parseControl()
			return err == nil && (r.Set == s || r.Other == s)
		})})
	}
	// An anonymous caller does not learn which sets there are.
	return append(rules, rule{who: privileged, all: access.Root, when: when("it is of no set", func(q *request, _ *cellfs.Place) bool {
		_, err := q.parseControl()
		return err != nil && !q.caller.Known()
	})})
}

// ctl answers requests for control objects (contract 1.16).
func (q *request) ctl() error {
	if len(q.target.Rest) == 1 && q.target.Rest[0] == "$metadata" {
		return q.ctlMetadata()
	}
	r, err := q.parseControl()
	if err != nil {
		return err
	}
	q.w.Header().Set("DataServiceVersion", "2.0")
	unit := q.target.Kind == target.UnitCtl
	if r.Set.Kept && (q.Method == "POST" || q.Method == "PUT" || q.Method == "MERGE") {
		return answer.New(answer.NotImplemented)
	}
	switch q.Method {
	case "GET", "HEAD":
		return q.readControl(&r)
	case "POST":
		switch {
		case r.Links && unit:
			return control.ErrNoAssoc
		case r.Links && !r.OtherKeyed:
			return q.link(&r)
		case r.Links, r.Keyed && r.Other == nil, unit && r.Other != nil:
			return errMethod
		case unit:
			return q.createCell()
		}
		return q.createControl(&r)
	case "PUT", "MERGE":
		switch {
		case !r.Keyed || r.Other != nil:
			return errMethod
		case unit:
			return q.updateCell(&r)
		}
		return q.updateControl(&r)
	case "DELETE":
		switch {
		case r.Links && unit:
			return control.ErrNoAssoc
		case r.Links && r.OtherKeyed:
			return q.unlink(&r)
		case !r.Keyed || r.Other != nil:
			return errMethod
		case unit:
			return q.removeCell(&r)
		}
		return q.deleteControl(&r)
	}
	return errMethod
}

// ctlMetadata answers GET on __ctl/$metadata.
func (q *request) ctlMetadata() error {
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		return errMethod
	}
	q.w.Header().Set("DataServiceVersion", "1.0")
	body := odata.Metadata("CellCtl", control.Sets())
	if q.target.Kind == target.UnitCtl {
		body = odata.Metadata("UnitCtl", []*control.Set{control.Cells})
	}
	return answer.Send(q.w, q.Request, http.StatusOK, answer.XMLType, body)
}

// inCell runs fn in a transaction that changes control objects of the cell, once the
// caller's privileges were judged again.
func (q *request) inCell(fn func(*control.Store) error) error {
	return q.h.fs.Update(q.Context(), func(tx cellfs.Tx) error {
		at, err := q.h.fs.FindTx(tx, q.target.Path.CellRoot())
		if err == nil {
			err = q.mayChange(tx, &at, q.rules, false)
		}
		if err != nil {
			return err
		}
		s, err := control.In(q.h.fs, tx, q.target.Path.Cell())
		if err != nil {
			return err
		}
		return fn(s)
	})
}

// readControl answers GET on a set, an object, or what an object is linked with.
func (q *request) readControl(r *odata.ControlRequest) error {
	listed := r.Set
	if r.Other != nil {
		listed = r.Other
	}
	options, err := q.query()
	if err != nil {
		return err
	}
	query, err := odata.ParseQuery(options, odata.Among(odata.Properties(listed)), odata.Navigation(listed), r.Keyed && r.Other == nil)
	if err != nil {
		return err
	}
	if r.Links && r.OtherKeyed {
		return errMethod
	}
	var one control.Object
	var all, page []control.Object
	total, paged := 0, false
	err = q.h.fs.View(q.Context(), func(tx cellfs.Tx) (err error) {
		if q.target.Kind == target.UnitCtl {
			if r.Other != nil {
				return control.ErrNoAssoc
			}
			if r.Keyed {
				if err := q.ownCell(tx, r.Key); err != nil {
					return err
				}
				one, err = control.GetCell(tx, r.Key)
			} else {
				all, err = q.listCells(tx)
			}
			return err
		}
		s, err := control.In(q.h.fs, tx, q.target.Path.Cell())
		if err != nil {
			return err
		}
		q.readCell = s.Cell.ID
		switch {
		case r.Other != nil:
			all, err = s.Linked(r.Set, r.Key, r.Other)
		case r.Keyed:
			one, err = s.Get(r.Set, r.Key)
		default:
			all, err = s.List(r.Set)
		}
		if err != nil || len(query.Expand) == 0 {
			return err
		}
		if r.Keyed && r.Other == nil {
			objects := []control.Object{one}
			err = expand(s, objects, &query, odata.MaxExpandedOfOne)
			one = objects[0]
			return err
		}
		// What is shown of the list is found before, so that nothing else is expanded.
		for i := range all {
			q.shown(&all[i])
		}
		page, total = odata.Apply(&query, all, odata.ObjectValues)
		paged = true
		return expand(s, page, &query, odata.MaxExpandedOfList)
	})
	if err != nil {
		return err
	}
	q.shown(&one)
	if !paged {
		for i := range all {
			q.shown(&all[i])
		}
		page, total = odata.Apply(&query, all, odata.ObjectValues)
	}
	for i := range page {
		q.shown(&page[i])
	}
	if r.Keyed && r.Other == nil {
		q.w.Header().Set("ETag", odata.ObjectETag(&one))
		return q.sendJSON(http.StatusOK, odata.One(q.ctlBase(), &one, query.Select))
	}
	if r.Links {
		return q.sendJSON(http.StatusOK, odata.LinkList(q.ctlBase(), page, &query, total))
	}
	return q.sendJSON(http.StatusOK, odata.List(q.ctlBase(), page, &query, total))
}

// expand finds what $expand asks for.
func expand(s *control.Store, objects []control.Object, query *odata.Query, limit int) error {
	for _, name := range query.Expand {
		err := s.Expand(objects, control.SetOf(strings.TrimPrefix(name, "_")), limit)
		if errors.Is(err, control.ErrManyRelated) {
			return odata.ErrExpandLimit
		}
		if err != nil {
			return err
		}
	}
	return nil
}
