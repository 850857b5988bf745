package dav

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/dav/odata"
	"cellar/dav/target"
	"cellar/dav/wire"
)

// maxBelow is how many segments of an OData URL follow the collection at most:
// $metadata/{set}('{key}')/$links/_{other}.
const maxBelow = 4

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
		case err == nil && !l.Node.IsCollection() && l.Node.Name != schemaSegment:
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
	return q.getEntities(col, slices.Concat(q.target.Path.Segments()[col.Len()-1:], q.target.Rest))
}

// getEntities answers GET of what the segments name below an OData collection.
func (q *request) getEntities(col cellfs.Path, segments []string) error {
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
	q.h.indexer.Want(a.Missing())
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

// schemaSegment begins the part of the URL of an OData collection that is about its schema.
const schemaSegment = "$metadata"

// changesSchema reports whether the request is about the schema of an OData collection.
func (q *request) changesSchema() bool {
	return len(q.target.Rest) > 0 && q.target.Rest[0] == schemaSegment
}

// findOData makes the target of a request that changes entities, links or the schema one of the OData
// collection that is above. Only the tree knows that there is one.
func (q *request) findOData() error {
	if q.target.Kind != target.Resource && q.target.Kind != target.Entity {
		return nil
	}
	segments := q.target.Path.Segments()
	if len(q.target.Rest) > 0 {
		segments = slices.Concat(segments, q.target.Rest)
	}
	switch q.Method {
	case http.MethodPost, "MERGE":
	case http.MethodPut, http.MethodDelete: // of a file, unless it is written as an entity
		if !slices.ContainsFunc(segments, odata.IsKeyed) && !slices.Contains(segments, schemaSegment) {
			return nil
		}
	case http.MethodGet, http.MethodHead: // of parts of the schema: others are found as they are read
		if i := slices.Index(segments, schemaSegment); i < 0 || i == len(segments)-1 {
			return nil
		}
	default:
		return nil
	}
	col, ok, err := q.insideOData()
	if err != nil || !ok {
		return err
	}
	q.target.Kind, q.target.Path, q.target.Rest = target.OData, col, segments[col.Len()-1:]
	return nil
}

// maxEntity bounds the body of an entity, in bytes.
const maxEntity = 4 << 20

// changeOData answers what changes an OData collection.
func (q *request) changeOData() error {
	switch {
	case q.isBatch():
		return q.batch()
	case q.changesSchema():
		return q.changeSchema()
	}
	return q.changeEntities()
}

// changeEntities answers POST, PUT, MERGE and DELETE of entities and links (contract 1.17.1).
func (q *request) changeEntities() error {
	step, err := q.odataStep(nil)
	if err == nil {
		_, err = q.odataChange().Run(q.Context(), step)
	}
	if err != nil {
		return err
	}
	return q.sendResult(step.Result())
}

// odataStep is what the request asks for. made are the entities that "$" and a Content-ID can name.
func (q *request) odataStep(made map[string]odata.End) (*odata.Step, error) {
	col := q.target.Path
	r, err := odata.Parse(q.target.Rest, nil)
	if err != nil {
		return nil, err
	}
	step, err := q.odataChange().Step(q.Method, r, q.entityBody, func(uri string) (string, bool) {
		if e, ok := reference(uri, made); ok {
			return e.Segment(), true
		}
		return q.inCollection(col, uri)
	})
	if errors.Is(err, odata.ErrMethod) {
		err = errMethod
	}
	return step, err
}

// sendResult answers with what a change gave.
func (q *request) sendResult(res odata.Result) error {
	h := q.w.Header()
	h.Set("DataServiceVersion", "2.0")
	if res.Made == nil {
		if res.ETag != "" {
			h.Set("ETag", res.ETag)
		}
		q.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	defer res.Made.Close()
	h.Set("Location", res.Made.URI())
	h.Set("ETag", res.Made.ETag())
	h.Set("Content-Type", answer.JSONType)
	q.w.WriteHeader(http.StatusCreated)
	return res.Made.Write(q.Context(), q.w)
}

func (q *request) entityBody() ([]byte, error) {
	return io.ReadAll(http.MaxBytesReader(q.w, q.Body, maxEntity))
}

// getSchema answers GET of a part of a schema.
func (q *request) getSchema() error {
	options, err := q.query()
	if err != nil {
		return err
	}
	a, err := q.odataChange().ReadSchema(q.Context(), q.target.Rest[1:], options)
	if err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("DataServiceVersion", "2.0")
	if a.ETag != "" {
		h.Set("ETag", a.ETag)
	}
	if a.Text != nil {
		return answer.Send(q.w, q.Request, http.StatusOK, answer.XMLType, a.Text)
	}
	return q.sendJSON(http.StatusOK, a.Value)
}

// changeSchema answers POST, PUT, MERGE and DELETE of parts of a schema (contract 1.17.3).
func (q *request) changeSchema() error {
	col := q.target.Path
	a, err := q.odataChange().ChangeSchema(q.Context(), q.Method, q.target.Rest[1:], q.entityBody, func(uri string) (string, bool) {
		segment, ok := q.inCollection(col.Join(schemaSegment), uri)
		return segment, ok
	})
	if errors.Is(err, odata.ErrMethod) {
		return errMethod
	}
	if err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("DataServiceVersion", "2.0")
	if a.ETag != "" {
		h.Set("ETag", a.ETag)
	}
	if a.Value == nil {
		q.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	h.Set("Location", a.Location)
	return q.sendJSON(http.StatusCreated, a.Value)
}

// odataChange is what a change of the collection of the target needs of the request.
func (q *request) odataChange() *odata.Change {
	col := q.target.Path
	return &odata.Change{
		FS: q.h.fs, Path: col, URL: target.Below(q.target.CellURL, col) + "/",
		Match: q.matchesEntity, Record: func(tx cellfs.Tx, cell int64, what, object string, status int) error {
			return q.record(tx, cell, what, localURL(col)+"/"+object, strconv.Itoa(status))
		},
		Check: func(tx cellfs.Tx, at *cellfs.Place, changed cellfs.Path, there *cellfs.Node) error {
			if err := q.mayChange(tx, at, q.rules, false); err != nil {
				return err
			}
			return q.checkLocks(tx, changed, there, false)
		},
	}
}

// matchesEntity evaluates If-Match for an entity: absent means any.
func (q *request) matchesEntity(etag string) error {
	list := q.Header["If-Match"]
	if !isGiven(list) || anyTag(list) || matchTags(list, etag, true) {
		return nil
	}
	return answer.New(answer.ObjectETagMismatch)
}

// inCollection returns what follows the URL of an OData collection in that of an entity, in any form of the cell's
// URL, or relative to the collection.
func (q *request) inCollection(col cellfs.Path, uri string) (segment string, ok bool) {
	u, err := url.Parse(strings.Replace(uri, cellfs.LocalCell, q.target.CellURL, 1))
	if err != nil {
		return "", false
	}
	segment, ok = q.belowCollection(col, u)
	return segment, ok && strings.Contains(segment, "(")
}

// belowCollection returns what follows the URL of a collection in a URL, escaped as it stands: a key may hold slashes.
func (q *request) belowCollection(col cellfs.Path, u *url.URL) (rest string, ok bool) {
	escaped := u.EscapedPath()
	if u.Host == "" {
		if !strings.HasPrefix(escaped, "/") {
			return escaped, true
		}
		u.Scheme, u.Host = "http", q.Host
	}
	escaped += "/"
	above := *u
	above.RawPath = ""
	for i := 1; i < len(escaped); i++ {
		if escaped[i] != '/' {
			continue
		}
		var err error
		if above.Path, err = url.PathUnescape(escaped[:i]); err != nil {
			return "", false
		}
		if names, in := q.inThisCell(&above); in && slices.Equal(names, col.Segments()) {
			return strings.Trim(escaped[i:], "/"), true
		}
	}
	return "", false
}
