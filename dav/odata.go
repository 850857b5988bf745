package dav

import (
	"net/http"
	"slices"

	"cellar/cellfs"
	"cellar/dav/odata"
	"cellar/dav/target"
	"cellar/dav/wire"
)

// maxBelow is how many segments of an OData URL follow the collection:
// {set}('{key}')/$links/_{other}.
const maxBelow = 3

// insideOData finds the OData collection at or above what the URL names, if the
// rest can be an OData URL.
func (q *request) insideOData() (col cellfs.Path, ok bool, err error) {
	p := q.target.Path
	for i := 0; i <= maxBelow && p.Len() >= 3; i++ {
		l, err := q.h.fs.List(q.Context(), p, false)
		switch {
		case err == nil && l.Node.Kind == cellfs.KindOData:
			return p, true, nil
		case err != nil && !isNotExist(err):
			return p, false, err
		case err == nil && !l.Node.IsCollection():
			return p, false, nil
		}
		p = p.Parent()
	}
	return p, false, nil
}

// getEntity answers GET on an entity whose key is no name.
func (q *request) getEntity() error {
	col, ok, err := q.insideOData()
	if err != nil {
		return err
	}
	if !ok {
		return &cellfs.NameError{Name: q.target.Rest[0]}
	}
	return q.getOData(col)
}

// getOData answers GET in an OData collection on what is no file: sets, entities,
// links (contract 1.17).
func (q *request) getOData(col cellfs.Path) error {
	segments := slices.Concat(q.target.Path.Segments()[col.Len()-1:], q.target.Rest)
	query, err := q.query()
	if err != nil {
		return err
	}
	r, err := odata.Parse(segments, query)
	if err != nil {
		return err
	}
	a, err := odata.Find(q.Context(), q.h.fs, col, target.Below(q.target.CellURL, col)+"/", r)
	if err != nil {
		return err
	}
	defer a.Close()
	h := q.w.Header()
	h.Set("DataServiceVersion", "2.0")
	h.Set("X-Content-Type-Options", "nosniff")
	if tag := a.ETag(); tag != "" {
		h.Set("ETag", tag)
		if list := q.Header["If-None-Match"]; matchTags(list, tag, true) || anyTag(list) && !q.byToken {
			q.w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	h.Set("Content-Type", "application/json")
	q.w.WriteHeader(http.StatusOK)
	if q.Method == http.MethodHead {
		return nil
	}
	w, done := wire.LimitWrites(q.w, q.h.cfg.StallTime)
	defer done()
	return a.Write(q.Context(), w)
}
