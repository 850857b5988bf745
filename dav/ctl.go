package dav

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"

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
	return odata.ParseControl(q.target.Rest, control.SetOf)
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
	r, err := q.parseControl()
	if err != nil {
		return err
	}
	q.w.Header().Set("DataServiceVersion", "2.0")
	unit := q.target.Kind == target.UnitCtl
	switch q.Method {
	case "GET", "HEAD":
		return q.readControl(&r)
	case "POST":
		switch {
		case r.Links && unit:
			return control.ErrNoAssoc
		case r.Links && !r.OtherKeyed:
			return q.link(&r)
		case r.Keyed || r.Other != nil:
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
	query, err := odata.ParseQuery(options, odata.Properties(listed))
	if err != nil {
		return err
	}
	if r.Links && r.OtherKeyed {
		return errMethod
	}
	var one control.Object
	var all []control.Object
	err = q.h.fs.View(q.Context(), func(tx cellfs.Tx) (err error) {
		if q.target.Kind == target.UnitCtl {
			if r.Other != nil {
				return control.ErrNoAssoc
			}
			if r.Keyed {
				one, err = control.GetCell(tx, r.Key)
			} else {
				all, err = control.ListCells(tx)
			}
			return err
		}
		s, err := control.In(q.h.fs, tx, q.target.Path.Cell())
		q.readCell = s.Cell.ID
		switch {
		case err != nil:
		case r.Other != nil:
			all, err = s.Linked(r.Set, r.Key, r.Other)
		case r.Keyed:
			one, err = s.Get(r.Set, r.Key)
		default:
			all, err = s.List(r.Set)
		}
		return err
	})
	if err != nil {
		return err
	}
	if r.Keyed && r.Other == nil {
		q.w.Header().Set("ETag", odata.ObjectETag(&one))
		return q.sendJSON(http.StatusOK, odata.One(q.ctlBase(), &one, query.Select))
	}
	page, total := odata.Apply(&query, all, odata.ObjectValues)
	if r.Links {
		return q.sendJSON(http.StatusOK, odata.LinkList(q.ctlBase(), page, &query, total))
	}
	return q.sendJSON(http.StatusOK, odata.List(q.ctlBase(), page, &query, total))
}

// object reads the body, and for an account the password that comes with it.
func (q *request) object(set *control.Set) (v control.Values, hidden json.RawMessage, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(q.w, q.Body, maxObject))
	if err != nil {
		return nil, nil, err
	}
	if v, err = odata.ParseObject(body, set); err != nil {
		return nil, nil, err
	}
	if password := q.Header.Get(credentialHeader); set.Name == cellfs.SetAccount && password != "" {
		hidden, err = q.hash(password)
	}
	return v, hidden, err
}

// maxObject bounds the body of a control object, in bytes.
const maxObject = 1 << 20

func (q *request) createControl(r *odata.ControlRequest) error {
	v, hidden, err := q.object(r.Set)
	if err != nil {
		return err
	}
	if r.Set.Name == cellfs.SetAccount && hidden == nil {
		if kind, _ := v["Type"].(string); kind == "" || kind == "basic" {
			return errCredential
		}
	}
	var o control.Object
	err = q.inCell(func(s *control.Store) (err error) {
		if o, err = s.Create(r.Set, v, hidden); err != nil {
			return err
		}
		return q.controlEvent(s, "cellctl."+r.Set.Name+".create", odata.ObjectKey(&o), "201,"+cellfs.LocalCell+"__ctl/"+r.Set.Name)
	})
	if err != nil {
		return err
	}
	return q.createdObject(&o)
}

func (q *request) createdObject(o *control.Object) error {
	h := q.w.Header()
	h.Set("Location", odata.URI(q.ctlBase(), o))
	h.Set("ETag", odata.ObjectETag(o))
	return q.sendJSON(http.StatusCreated, odata.One(q.ctlBase(), o, nil))
}

// changeOf reads a change: PUT replaces the object, MERGE changes the properties that are given.
func (q *request) changeOf(set *control.Set) (control.Change, error) {
	v, hidden, err := q.object(set)
	return control.Change{Given: v, Merge: q.Method == "MERGE", Hidden: hidden, Check: q.mayChangeObject(v["Name"])}, err
}

func (q *request) updateControl(r *odata.ControlRequest) error {
	change, err := q.changeOf(r.Set)
	if err != nil {
		return err
	}
	kind := "update"
	if change.Merge {
		kind = "patch"
	}
	var o control.Object
	err = q.inCell(func(s *control.Store) (err error) {
		if o, err = s.Update(r.Set, r.Key, change); err != nil {
			return err
		}
		return q.controlEvent(s, "cellctl."+r.Set.Name+"."+kind, odata.FormatKey(r.Set.Name, r.Set.Key, r.Key), "204,"+odata.ObjectKey(&o))
	})
	if err != nil {
		return err
	}
	return q.changedObject(&o)
}

func (q *request) changedObject(o *control.Object) error {
	q.w.Header().Set("ETag", odata.ObjectETag(o))
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (q *request) deleteControl(r *odata.ControlRequest) error {
	err := q.inCell(func(s *control.Store) error {
		if err := s.Delete(r.Set, r.Key, q.mayChangeObject(gone)); err != nil {
			return err
		}
		return q.controlEvent(s, "cellctl."+r.Set.Name+".delete", odata.FormatKey(r.Set.Name, r.Set.Key, r.Key), "204")
	})
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// objectTag is an entity tag of a control object.
var objectTag = regexp.MustCompile(`^W/"[0-9]+-[0-9]+"$`)

// gone is the name of an object that is being deleted.
const gone = ""

// mayChangeObject is the precondition of a change of an object: If-Match. Boxes and cells are also
// resources, so that If and the locks count for them, those of everything below if the name
// changes. name is the new name; nil for none.
func (q *request) mayChangeObject(name any) control.Check {
	return func(tx cellfs.Tx, o *control.Object) error {
		if err := q.matchesObject(o); err != nil {
			return err
		}
		old, _ := o.Values["Name"].(string)
		segments := []string{old}
		switch o.Set.Name {
		case control.SetBox:
			segments = []string{q.target.Path.Cell(), old}
		case control.SetCell:
		default:
			return nil
		}
		p, err := cellfs.NewPath(segments...)
		if err != nil {
			return err
		}
		n, err := q.h.fs.Lookup(tx, p)
		if err != nil {
			return err
		}
		return q.checkLocks(tx, p, &n, name != nil && name != old)
	}
}

// matchesObject evaluates If-Match for a control object: absent means any.
func (q *request) matchesObject(o *control.Object) error {
	v := q.Header.Get("If-Match")
	if v == "" || v == "*" || objectTag.MatchString(v) && v == odata.ObjectETag(o) {
		return nil
	}
	return answer.New(answer.ObjectETagMismatch)
}

func (q *request) controlEvent(s *control.Store, kind, key, info string) error {
	return q.record(s.Tx, s.Cell.ID, kind, cellfs.LocalCell+"__ctl/"+key, info)
}

// propertyError is the answer to a wrong property.
func propertyError(e *control.PropertyError) *answer.Error {
	name := cellfs.Printable(e.Property)
	switch {
	case e.Reason == control.Unknown:
		return answer.New(answer.UnknownProperty, name)
	case e.Reason == control.Required:
		return answer.New(answer.RequiredProperty, name)
	case e.Reason == control.Unrelated:
		return answer.New(answer.RelatedEntity, name)
	case e.Property == "Schema":
		return answer.New(answer.SchemaFormat, name)
	}
	return answer.New(answer.BodyField, name)
}
