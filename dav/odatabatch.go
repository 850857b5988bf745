package dav

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"cellar/cellfs/access"
	"cellar/dav/answer"
	"cellar/dav/odata"
	"cellar/dav/wire"
)

// maxBatchBody bounds the body of a batch, in bytes.
const maxBatchBody = 16 << 20

// isBatch reports whether the request is many in one.
func (q *request) isBatch() bool {
	return len(q.target.Rest) == 1 && q.target.Rest[0] == odata.BatchSegment
}

// batch answers POST of $batch (contract 1.17.4): its requests one after the other, each changeset in one
// transaction. The body is read before the answer begins, because many clients send all before they read.
func (q *request) batch() error {
	if q.Method != http.MethodPost {
		return errMethod
	}
	parts, err := odata.ParseBatch(q.Header.Get("Content-Type"), http.MaxBytesReader(q.w, q.Body, maxBatchBody))
	if err != nil {
		return err
	}
	limited, done := wire.LimitWrites(q.w, q.h.cfg.StallTime)
	defer done()
	mw := multipart.NewWriter(limited)
	if err := mw.SetBoundary("batch_" + rand.Text()); err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("DataServiceVersion", "2.0")
	h.Set("Content-Type", "multipart/mixed; boundary="+mw.Boundary())
	q.w.WriteHeader(http.StatusAccepted)
	for _, part := range parts {
		if part.Changeset {
			err = q.changeset(mw, part.Requests)
		} else {
			err = q.single(mw, &part.Requests[0])
		}
		if err == nil {
			err = q.Context().Err()
		}
		if err != nil {
			return err
		}
	}
	return mw.Close()
}

// single answers a request that stands alone in a batch.
func (q *request) single(mw *multipart.Writer, r *odata.BatchRequest) error {
	s := q.inBatch(r)
	if err := s.answerIn(mw, r.ID); err != nil {
		return err
	}
	err := s.locate(r.URI, nil)
	switch {
	case err != nil:
	case s.Method != http.MethodGet:
		err = s.changeEntities()
	default:
		if err = s.admitted(s.target.Path, needs(access.Read)); err == nil {
			err = s.getEntities(s.target.Path, s.target.Rest)
		}
	}
	if err != nil {
		s.fail(err)
	}
	return nil
}

// changeset makes all of the requests, or none. What fails is the only answer then.
func (q *request) changeset(mw *multipart.Writer, all []odata.BatchRequest) error {
	made := map[string]odata.End{} // by Content-ID
	requests, steps := make([]*request, len(all)), make([]*odata.Step, len(all))
	failed, err := 0, error(nil)
	for i := range all {
		failed, requests[i] = i, q.inBatch(&all[i])
		if err = requests[i].locate(all[i].URI, made); err == nil {
			steps[i], err = requests[i].odataStep(made)
		}
		if err != nil {
			break
		}
		if e, ok := steps[i].New(); ok && all[i].ID != "" {
			made[all[i].ID] = e
		}
	}
	if err == nil && len(steps) > 0 {
		failed, err = q.odataChange().Run(q.Context(), steps...)
	}
	if err != nil {
		if werr := requests[failed].answerIn(mw, all[failed].ID); werr != nil {
			return werr
		}
		requests[failed].fail(err)
		return nil
	}
	boundary := "changeset_" + rand.Text()
	part, err := mw.CreatePart(textproto.MIMEHeader{"Content-Type": {"multipart/mixed; boundary=" + boundary}})
	if err != nil {
		return err
	}
	inner := multipart.NewWriter(part)
	if err := inner.SetBoundary(boundary); err != nil {
		return err
	}
	for i, s := range requests {
		if err := s.answerIn(inner, all[i].ID); err != nil {
			return err
		}
		if err := s.sendResult(steps[i].Result()); err != nil {
			return err
		}
	}
	return inner.Close()
}

// inBatch is a request of a batch, on behalf of the caller of the batch. Locks are submitted with the If
// header of the batch.
func (q *request) inBatch(r *odata.BatchRequest) *request {
	s := *q
	s.Request = q.WithContext(q.Context())
	s.Method, s.Header = r.Method, http.Header(r.Header)
	s.Header["If"] = q.Header["If"]
	s.Body, s.ContentLength = io.NopCloser(bytes.NewReader(r.Body)), int64(len(r.Body))
	s.rules = changingOData
	return &s
}

// answerIn begins the part of an answer to a batch that the answer to the request goes into.
func (q *request) answerIn(mw *multipart.Writer, id string) error {
	h := textproto.MIMEHeader{"Content-Type": {"application/http"}, "Content-Transfer-Encoding": {"binary"}}
	if id != "" {
		h["Content-ID"] = []string{id}
	}
	part, err := mw.CreatePart(h)
	q.w = &wire.Response{ResponseWriter: &partWriter{w: part, header: http.Header{}}}
	return err
}

// partWriter writes an answer as the text of a part.
type partWriter struct {
	w      io.Writer
	header http.Header
	begun  bool
}

// Header implements [http.ResponseWriter].
func (p *partWriter) Header() http.Header { return p.header }

// WriteHeader implements [http.ResponseWriter].
func (p *partWriter) WriteHeader(status int) {
	if p.begun {
		return
	}
	p.begun = true
	fmt.Fprintf(p.w, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	_ = p.header.Write(p.w) // the next write of the part fails, too
	_, _ = io.WriteString(p.w, "\r\n")
}

// Write implements [http.ResponseWriter].
func (p *partWriter) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.w.Write(b)
}

// locate makes the target of a request of a batch what its URL names in the collection. A URL can begin with
// "$" and the Content-ID of a request of the same changeset that made an entity.
func (q *request) locate(uri string, made map[string]odata.End) error {
	q.target.Rest = nil
	u, err := url.Parse(uri)
	if err != nil {
		return answer.New(answer.BatchFormat, "the URL of a request cannot be read")
	}
	q.URL = u
	path, ok := q.belowCollection(q.target.Path, u)
	if !ok {
		return answer.New(answer.BatchFormat, "the URL of a request is not one of the collection")
	}
	for _, segment := range splitSegments(path) {
		name, err := url.PathUnescape(segment)
		if err != nil {
			return answer.New(answer.BatchFormat, "the URL of a request cannot be read")
		}
		q.target.Rest = append(q.target.Rest, name)
	}
	rest := q.target.Rest
	if len(rest) > 0 {
		if e, ok := reference(rest[0], made); ok {
			rest[0] = e.Segment()
		}
	}
	if len(rest) > 0 && strings.HasPrefix(rest[0], "$") { // $metadata, $batch, and what refers to nothing
		return answer.New(answer.BatchFormat, "the URL of a request is not that of entities")
	}
	return nil
}

// reference is the entity that "$" and a Content-ID name.
func reference(s string, made map[string]odata.End) (e odata.End, ok bool) {
	id, ok := strings.CutPrefix(s, "$")
	if ok {
		e, ok = made[id]
	}
	return e, ok
}

// splitSegments splits an escaped path at its slashes, but for those in a text in quotes.
func splitSegments(path string) (all []string) {
	quoted, begin := false, 0
	for i := range len(path) {
		switch {
		case path[i] == '\'' || strings.HasPrefix(path[i:], "%27"):
			quoted = !quoted
		case path[i] == '/' && !quoted:
			all, begin = append(all, path[begin:i]), i+1
		}
	}
	return slices.DeleteFunc(append(all, path[begin:]), func(s string) bool { return s == "" })
}
