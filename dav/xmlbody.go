package dav

import (
	"errors"
	"io"
	"net/http"
	"runtime"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
)

// xmlLimit bounds the XML body of a method.
type xmlLimit struct {
	bytes    int64
	elements int // the tree takes some 400 bytes for each
}

// xmlLimits are the bounds by method. Each leaves room for the largest body that the
// method can make use of: MaxProps properties, MaxACEs aces, maxNames names.
var xmlLimits = map[string]xmlLimit{
	"PROPFIND":  {256 << 10, 10_000},
	"PROPPATCH": {1 << 20, 10_000},
	"MKCOL":     {1 << 20, 10_000},
	"LOCK":      {64 << 10, 1_000},
	"ACL":       {1 << 20, 50_000},
}

// newParsing makes the places for bodies that are parsed at the same time: parsing
// takes a processor, and memory many times that of the text.
func newParsing() chan struct{} { return make(chan struct{}, max(2, runtime.NumCPU())) }

// readXML reads the XML body of the request and returns what read makes of its root,
// which is nil if there is no body. The caller was judged before, so that no body of a caller
// without the privilege is parsed. Errors are those of read, errXML for a text that
// is not XML, and errTooLarge beyond the method's limit.
func readXML[T any](q *request, read func(root *xmltree.Element) (T, error)) (v T, err error) {
	limit := xmlLimits[q.Method]
	text, err := io.ReadAll(http.MaxBytesReader(q.w, q.Body, limit.bytes))
	if err != nil {
		return v, err
	}
	if len(text) == 0 {
		return read(nil)
	}
	select {
	case q.h.parsing <- struct{}{}:
		defer func() { <-q.h.parsing }()
	case <-q.Context().Done():
		return v, q.Context().Err()
	}
	// Names count with their namespaces, which a client may declare once for all: twice
	// the text is more than sensible bodies have.
	root, err := xmltree.Limits{Elements: limit.elements, Names: int(2 * limit.bytes)}.Parse(text)
	switch {
	case errors.Is(err, xmltree.ErrTooLarge):
		return v, errTooLarge
	case err != nil:
		return v, errXML
	}
	return read(root)
}

// appendProperty adds a property that a body sets or removes.
func appendProperty(patches []cellfs.PropPatch, e *xmltree.Element, remove bool) ([]cellfs.PropPatch, error) {
	if len(patches) == cellfs.MaxProps {
		return nil, errTooLarge
	}
	return append(patches, cellfs.PropPatch{Remove: remove, Property: property(e)}), nil
}
