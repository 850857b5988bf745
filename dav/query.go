package dav

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"cellar/dav/answer"
)

// maxPairs bounds the parameters of a query or of a form, in pairs.
const maxPairs = 100

// query reads the query of the URL. Only this function does: package url drops what it cannot read,
// and a list without its filter would be another list.
func (q *request) query() (url.Values, error) {
	values, ok := parsePairs(q.URL.RawQuery)
	if !ok {
		return nil, answer.New(answer.QuerySyntax)
	}
	return values, nil
}

// maxForm bounds the body of a token request, in bytes.
const maxForm = 64 << 10

// form reads the body of a token request. What is no form has no parameters.
func (q *request) form() (url.Values, error) {
	body, err := io.ReadAll(http.MaxBytesReader(q.w, q.Body, maxForm))
	if err != nil {
		return nil, err
	}
	kind, _, err := mime.ParseMediaType(q.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, nil
	}
	values, ok := parsePairs(string(body))
	if !ok {
		return nil, errForm
	}
	return values, nil
}

var errForm = &oauthError{"invalid_request", answer.With(answer.MissingParameter, "The form of the request cannot be read.")}

// parsePairs reads names and values as forms encode them. Only "&" separates pairs, as
// the URL standard has it: a semicolon is one of the value. ok is false if an escape is
// broken, text is no UTF-8, a name is given twice, or there are more than maxPairs.
func parsePairs(s string) (values url.Values, ok bool) {
	values = url.Values{}
	if s == "" {
		return values, true
	}
	if strings.Count(s, "&") >= maxPairs {
		return nil, false
	}
	for pair := range strings.SplitSeq(s, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, nerr := url.QueryUnescape(name)
		value, verr := url.QueryUnescape(value)
		if nerr != nil || verr != nil || !utf8.ValidString(name) || !utf8.ValidString(value) || values.Has(name) {
			return nil, false
		}
		values.Set(name, value)
	}
	return values, true
}
