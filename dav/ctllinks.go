package dav

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"cellar/cellfs"
	"cellar/cellfs/control"
	"cellar/dav/odata"
)

func (q *request) link(r *odata.ControlRequest) error {
	body, err := io.ReadAll(http.MaxBytesReader(q.w, q.Body, maxJSON))
	if err != nil {
		return err
	}
	key, err := odata.ParseLink(body, q.ownObject, r.Other)
	if err != nil {
		return err
	}
	q.localValues(r.Other, key)
	r.OtherKey = key
	err = q.changeLink(r, "create", (*control.Store).Link)
	if errors.Is(err, control.ErrNoEnd) {
		return odata.ErrLinkURI
	}
	return err
}

// ownObject returns what follows __ctl/ in the URL of a control object of the cell, in
// any form of the cell's URL.
func (q *request) ownObject(uri string) (segment string, ok bool) {
	u, err := url.Parse(strings.Replace(uri, cellfs.LocalCell, q.target.CellURL, 1))
	if err != nil {
		return "", false
	}
	if u.Scheme == "" && u.Host == "" {
		u.Scheme, u.Host = "http", q.Host
	}
	// The key may hold slashes, as it stands or encoded.
	cell, segment, ok := strings.Cut(u.EscapedPath(), "/__ctl/")
	u.Path, u.RawPath = cell, ""
	below, in := q.inThisCell(u)
	return segment, ok && in && len(below) == 0
}

func (q *request) unlink(r *odata.ControlRequest) error {
	return q.changeLink(r, "delete", (*control.Store).Unlink)
}

func (q *request) changeLink(r *odata.ControlRequest, kind string, change func(*control.Store, *control.Set, control.Values, *control.Set, control.Values) error) error {
	err := q.inCell(func(s *control.Store) error {
		if err := change(s, r.Set, r.Key, r.Other, r.OtherKey); err != nil {
			return err
		}
		object := odata.FormatKey(r.Set.Name, r.Set.Key, r.Key) + "/$links/_" + odata.FormatKey(r.Other.Name, r.Other.Key, r.OtherKey)
		return q.controlEvent(s, "cellctl."+r.Set.Name+".links."+r.Other.Name+"."+kind, object, "204")
	})
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}
