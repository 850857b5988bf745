package dav

import (
	"errors"
	"net/http"

	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav/answer"
	"cellar/dav/target"
)

// boxURL answers GET on __box: the URL of the box that has the schema of the query, or that of the
// application through which the caller came (contract 1.11.1). An application finds its box so,
// whatever that is called.
func (q *request) boxURL() error {
	options, err := q.query()
	if err != nil {
		return err
	}
	schema := options.Get("schema")
	if schema == "" {
		schema = q.caller.Schema
	}
	p, err := q.boxOf(schema)
	switch {
	case errors.Is(err, errNoSuchBox): // as for a box that the caller may not read
		return q.denied()
	case err != nil:
		return err
	}
	if err := q.admitted(p, needs(access.Read)); err != nil {
		return err
	}
	url := target.Below(q.target.CellURL, p)
	q.w.Header().Set("Location", url)
	return q.sendJSON(http.StatusOK, map[string]string{"Url": url})
}

var errNoSuchBox = errors.New("no box has the schema")

// boxOf finds the box of a schema; without one, the main box.
func (q *request) boxOf(schema string) (p cellfs.Path, err error) {
	root := q.target.Path.CellRoot()
	if schema == "" || q.h.urls.LocalTo(q.Request, schema) == cellfs.LocalUnit+root.Cell()+"/" {
		return root.Join(cellfs.MainBox), nil
	}
	local, found := q.h.urls.Local(schema), false
	err = q.h.fs.View(q.Context(), func(tx cellfs.Tx) error {
		n, err := q.h.fs.Lookup(tx, root)
		if err != nil {
			return err
		}
		return cellfs.EachChild(tx, n.ID, func(n *cellfs.Node) error {
			if n.Kind == cellfs.KindBox && n.Schema != "" && (n.Schema == schema || q.h.urls.Local(n.Schema) == local) {
				p, found = root.Join(n.Name), true
			}
			return nil
		})
	})
	if err == nil && !found {
		err = errNoSuchBox
	}
	return p, err
}

// crossDomain answers GET on /crossdomain.xml, which some clients look for before they call a server of
// another domain. It allows what Access-Control-Allow-Origin does.
func (q *request) crossDomain() error {
	const policy = answer.XMLHeader + `<!DOCTYPE cross-domain-policy SYSTEM "http://www.adobe.com/xml/dtds/cross-domain-policy.dtd">` +
		`<cross-domain-policy><site-control permitted-cross-domain-policies="all"/><allow-access-from domain="*"/>` +
		`<allow-http-request-headers-from domain="*" headers="*"/></cross-domain-policy>`
	return answer.Send(q.w, q.Request, http.StatusOK, answer.XMLType, []byte(policy))
}
