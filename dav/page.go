package dav

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"strings"

	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/dav/multistatus"
)

const (
	// maxPageMembers and maxPageBytes bound the page of a collection, which is made in
	// memory: in members, and in bytes. What is left out, it says.
	maxPageMembers = 10_000
	maxPageBytes   = 1 << 20
)

// pageMembers and pageBytes are these limits, or smaller ones in a test.
var pageMembers, pageBytes = maxPageMembers, maxPageBytes

// errPageFull ends the reading of members.
var errPageFull = errors.New("the page is full")

// varyPage: what GET of a collection answers depends on what is asked for, and on who asks.
const varyPage = "Accept, Authorization, Cookie"

// asksFor reports whether Accept names a media type.
func (q *request) asksFor(mediaType string) bool {
	return strings.Contains(strings.ToLower(strings.Join(q.Header["Accept"], ",")), mediaType)
}

// getCollection answers GET on a collection. Crawlers and people have links to its members;
// Personium's clients, which come with tokens or ask for JSON, the line that they know.
func (q *request) getCollection() error {
	q.w.Header()["Vary"] = []string{varyPage}
	if q.asksFor("text/html") || !q.byToken && !q.asksFor("json") {
		return q.getPage()
	}
	return answer.Send(q.w, q.Request, http.StatusOK, "text/plain; charset=utf-8", []byte("URL : "+q.target.URL()+"\n"))
}

// getPage answers with links to the members of a collection that the caller may see, and
// nothing else: no script, and no link upwards that would lead a crawler astray.
func (q *request) getPage() error {
	var page []byte
	err := q.h.fs.View(q.Context(), func(tx cellfs.Tx) (err error) {
		page, err = q.page(tx)
		return err
	})
	if err != nil {
		return err
	}
	h := q.w.Header()
	h["Cache-Control"] = []string{"no-cache"} // it has no validator
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Referrer-Policy"] = []string{"no-referrer"} // the URL can hold half of a cookie's secret
	h["Content-Security-Policy"] = []string{"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
	return answer.Send(q.w, q.Request, http.StatusOK, "text/html; charset=utf-8", page)
}

func (q *request) page(tx cellfs.Tx) ([]byte, error) {
	p := q.target.Path
	at, err := q.h.fs.FindTx(tx, p)
	if err == nil {
		err = q.judge(&at, q.rules) // at the point in time of what is shown
	}
	if err != nil {
		return nil, err
	}
	q.noteRead(at.Node)
	here := multistatus.PermissionsAt(judge{q}, at.Levels(), at.Schema)
	title := html.EscapeString("/" + strings.Join(p.Segments(), "/") + "/")
	b := fmt.Appendf(nil, "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"><title>%s</title></head>\n<body>\n<h1>%s</h1>\n<ul>\n", title, title)
	left := pageMembers
	err = q.h.fs.Members(tx, *at.Node, cellfs.PropNames{}, func(m *cellfs.Node) error {
		path := p.Join(m.Name)
		if s := here.OfMember(judge{q}, path, m); !s.CanSee(judge{q}, m) {
			return nil
		}
		if left--; left < 0 || len(b) > pageBytes {
			return errPageFull
		}
		slash := ""
		if m.IsCollection() {
			slash = "/"
		}
		b = append(b, `<li><a href="`...)
		b = q.target.AppendHref(b, path, m.IsCollection())
		b = append(b, `">`+html.EscapeString(m.Name)+slash+"</a></li>\n"...)
		return nil
	})
	b = append(b, "</ul>\n"...)
	if errors.Is(err, errPageFull) {
		err = nil
		b = append(b, "<p>There is more. PROPFIND shows all.</p>\n"...)
	}
	return append(b, "</body>\n</html>\n"...), err
}
