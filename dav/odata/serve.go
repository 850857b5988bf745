package odata

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"cellar/dav/answer"
)

// ErrMethod: what the URL names does not have the method.
var ErrMethod = errors.New("the resource does not have the method")

// Result is what a change gives. The caller closes Made.
type Result struct {
	Made *Answer // what was made; nil if nothing was
	ETag string  // of the entity, if it was changed
}

// Step is the change that a method asks for. body reads the body of the request; below returns what
// follows the URL of the collection in a URL, and false for a URL of anything else. Errors are
// [ErrMethod] and [*answer.Error].
func (c *Change) Step(method string, r Request, body func() ([]byte, error), below func(uri string) (string, bool)) (*Step, error) {
	one, navigates := r.keyed && r.property == "", r.property != "" && !r.links
	this, other := End{r.set, r.id}, strings.TrimPrefix(r.property, "_")
	switch {
	case method == "POST" && r.set != "" && !r.keyed, method == "POST" && navigates:
	case method == "POST" && r.links && !r.otherKeyed:
	case one && (method == "PUT" || method == "MERGE" || method == "DELETE"):
	case method == "DELETE" && r.links && r.otherKeyed:
	default:
		return nil, ErrMethod
	}
	if r.property != "" && other == r.property {
		return nil, errNoNavigation
	}
	if method == "DELETE" {
		if one {
			return c.remove(r.set, r.id), nil
		}
		return c.removeLink(this, End{other, r.otherID}), nil
	}
	text, err := body()
	if err != nil {
		return nil, err
	}
	switch {
	case r.links:
		to, err := parseDataLink(text, below)
		if err == nil && to.Set != other {
			err = ErrLinkURI
		}
		if err != nil {
			return nil, err
		}
		return c.addLink(this, to), nil
	case navigates:
		return c.create(other, text, &this)
	case method == "POST":
		return c.create(r.set, text, nil)
	}
	return c.replace(r.set, r.id, text, method == "MERGE")
}

// parseDataLink reads the body of a request that links: the URL of the other entity.
func parseDataLink(body []byte, below func(uri string) (string, bool)) (e End, err error) {
	var link struct{ URI *string }
	if err := json.Unmarshal(body, &link); err != nil {
		return e, errJSON
	}
	if link.URI == nil {
		return e, answer.New(answer.RequiredProperty, "uri")
	}
	segment, ok := below(*link.URI)
	if !ok {
		return e, ErrLinkURI
	}
	if s, err := url.PathUnescape(segment); err == nil {
		segment = s
	}
	e.Set, e.ID, ok = parseEntity(segment)
	if !ok {
		return e, ErrLinkURI
	}
	return e, nil
}

// parseEntity reads {set}('{id}').
func parseEntity(segment string) (set, id string, ok bool) {
	m := keyed.FindStringSubmatch(segment)
	if m == nil {
		return "", "", false
	}
	k := key.FindStringSubmatch(m[2])
	if k == nil {
		return "", "", false
	}
	return m[1], strings.ReplaceAll(k[1], "''", "'"), true
}
