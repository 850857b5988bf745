package odata

import (
	"bufio"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"strconv"
	"strings"

	"cellar/dav/answer"
)

// BatchSegment is the name of the resource of an OData collection that takes many requests in one
// (contract 1.17.4).
const BatchSegment = "$batch"

// MaxBatch bounds the requests of a batch.
const MaxBatch = 1000

// BatchPart is a request of a batch, or a changeset: several that are made together or not at all.
type BatchPart struct {
	Changeset bool
	Requests  []BatchRequest // one, unless it is a changeset
}

// BatchRequest is a request within a batch.
type BatchRequest struct {
	ID     string // its Content-ID; "" for none
	Method string
	URI    string // as it stands: relative to the collection, a path, or a URL
	Header textproto.MIMEHeader
	Body   []byte
}

// ParseBatch reads the body of a batch, multipart/mixed with parts of the type application/http, or again
// multipart/mixed for a changeset. It returns an [*answer.Error], and errors of reading as they are.
func ParseBatch(contentType string, body io.Reader) ([]BatchPart, error) {
	read := &readErrors{r: body}
	p := batchParser{}
	parts, err := p.parts(contentType, read, false)
	switch {
	case read.err != nil:
		return nil, read.err
	case err != nil:
		return nil, err
	}
	return parts, nil
}

type batchParser struct{ requests int }

func badBatch(why string) error { return answer.New(answer.BatchFormat, why) }

func (p *batchParser) parts(contentType string, body io.Reader, inChangeset bool) (all []BatchPart, err error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/mixed" || params["boundary"] == "" {
		return nil, badBatch("the content type is multipart/mixed with a boundary")
	}
	for m := multipart.NewReader(body, params["boundary"]); ; {
		part, err := m.NextRawPart()
		if errors.Is(err, io.EOF) && len(all) > 0 {
			return all, nil
		}
		if err != nil {
			return nil, badBatch("a part has no begin or no end")
		}
		one, err := p.part(part, inChangeset)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
}

// readErrors remembers why the body could not be read: what parses it hides that.
type readErrors struct {
	r   io.Reader
	err error
}

// Read implements [io.Reader].
func (r *readErrors) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

func (p *batchParser) part(part *multipart.Part, inChangeset bool) (one BatchPart, err error) {
	contentType := part.Header.Get("Content-Type")
	kind, _, err := mime.ParseMediaType(contentType)
	switch {
	case err == nil && kind == "application/http":
		if p.requests++; p.requests > MaxBatch {
			return one, answer.New(answer.BatchSize, MaxBatch)
		}
		r, err := parseBatchRequest(part)
		if r.ID == "" {
			r.ID = part.Header.Get("Content-Id")
		}
		one.Requests = []BatchRequest{r}
		return one, err
	case err == nil && kind == "multipart/mixed" && !inChangeset:
		one.Changeset = true
		parts, err := p.parts(contentType, part, true)
		for _, inner := range parts {
			r := inner.Requests[0]
			if r.Method == "GET" {
				return one, badBatch("a changeset has no GET")
			}
			one.Requests = append(one.Requests, r)
		}
		return one, err
	}
	return one, badBatch("the content type of a part is application/http or, of a changeset, multipart/mixed")
}

// parseBatchRequest reads a request as it stands in a part. Its body ends with the part, or before it as its
// Content-Length says.
func parseBatchRequest(part io.Reader) (r BatchRequest, err error) {
	in := bufio.NewReader(part)
	lines := textproto.NewReader(in)
	first, err := lines.ReadLine()
	words := strings.Fields(first)
	if err != nil || len(words) < 2 || len(words) > 3 {
		return r, badBatch("a request begins with its method and URL")
	}
	r.Method, r.URI = words[0], words[1]
	header, err := lines.ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return r, badBatch("the header of a request cannot be read")
	}
	r.Header, r.ID = header, header.Get("Content-Id")
	if r.Body, err = io.ReadAll(in); err != nil {
		return r, badBatch("a part has no begin or no end")
	}
	if v := header.Get("Content-Length"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > len(r.Body) {
			return r, badBatch("the body of a request is shorter than its Content-Length")
		}
		r.Body = r.Body[:n]
	}
	return r, nil
}
