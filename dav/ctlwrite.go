package dav

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"regexp"

	"cellar/cellfs"
	"cellar/cellfs/control"
	"cellar/dav/answer"
	"cellar/dav/odata"
)

// object reads the body, and for an account the password that comes with it.
func (q *request) object(set *control.Set) (v control.Values, hidden json.RawMessage, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(q.w, q.Body, maxObject))
	if err != nil {
		return nil, nil, err
	}
	if v, err = odata.ParseObject(body, set); err != nil {
		return nil, nil, err
	}
	q.localValues(set, v)
	if password := q.Header.Get(credentialHeader); set.Name == cellfs.SetAccount && password != "" {
		hidden, err = q.hash(password)
	}
	return v, hidden, err
}

// maxObject bounds the body of a control object, in bytes.
const maxObject = 1 << 20

func (q *request) createControl(r *odata.ControlRequest) error {
	set := cmp.Or(r.Other, r.Set)
	v, hidden, err := q.object(set)
	if err != nil {
		return err
	}
	if set.Name == cellfs.SetAccount && hidden == nil {
		if kind, _ := v["Type"].(string); kind == "" || kind == "basic" {
			return errCredential
		}
	}
	var o control.Object
	err = q.inCell(func(s *control.Store) (err error) {
		if r.Other == nil {
			if o, err = s.Create(set, v, hidden); err != nil {
				return err
			}
			return q.controlEvent(s, "cellctl."+set.Name+".create", odata.ObjectKey(&o), "201,"+cellfs.LocalCell+"__ctl/"+set.Name)
		}
		if o, err = s.CreateRelated(r.Set, r.Key, set, v, hidden); err != nil {
			return err
		}
		from := odata.FormatKey(r.Set.Name, r.Set.Key, r.Key)
		return q.controlEvent(s, "cellctl."+r.Set.Name+".navprop."+set.Name+".create", odata.ObjectKey(&o), "201,"+cellfs.LocalCell+"__ctl/"+from+"/_"+set.Name)
	})
	if err != nil {
		return err
	}
	return q.createdObject(&o)
}

func (q *request) createdObject(o *control.Object) error {
	q.shown(o)
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
			if err := q.ownCell(tx, o.Values); err != nil {
				return err
			}
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
