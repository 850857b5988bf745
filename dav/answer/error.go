// Package answer is what the server says when something is wrong: one type of error, its codes
// with their texts, and how both are written as JSON (contract 1.6) and as XML (RFC 4918, 16).
package answer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// Error is what a client is told: a code and a text for people.
type Error struct {
	Code    Code
	Message string
	// Condition is the element of a precondition or postcondition (RFC 4918, 16) without its
	// prefix; "" for none. Detail is the XML in it.
	Condition, Detail string
}

// New returns the error of a code. args are for the text of the code.
func New(c Code, args ...any) *Error { return &Error{Code: c, Message: fmt.Sprintf(texts[c], args...)} }

// With returns the error of a code with another text than the usual one.
func With(c Code, text string) *Error { return &Error{Code: c, Message: text} }

// As returns the same error with the condition that XML clients look for.
func (e Error) As(condition, detail string) *Error {
	e.Condition, e.Detail = condition, detail
	return &e
}

// Error implements error.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Is reports whether target is an error of the same code.
func (e *Error) Is(target error) bool {
	o, ok := target.(*Error)
	return ok && o.Code == e.Code
}

// Status is the HTTP status of a code: its three digits; 500 for what has none.
func (c Code) Status() int {
	if len(c) > 5 {
		if n, err := strconv.Atoi(string(c[2:5])); err == nil {
			return n
		}
	}
	return http.StatusInternalServerError
}

// MarshalJSON implements [json.Marshaler]: {"code":…,"message":{"lang":"en","value":…}}.
func (e *Error) MarshalJSON() ([]byte, error) {
	type text struct {
		Lang  string `json:"lang"`
		Value string `json:"value"`
	}
	return json.Marshal(struct {
		Code    Code `json:"code"`
		Message text `json:"message"`
	}{e.Code, text{"en", e.Message}})
}

// JSON is the error as a body of the content type [JSONType].
func (e *Error) JSON() []byte {
	body, _ := json.Marshal(e) // strings cannot fail
	return body
}

// XML is the condition as a body of the content type [XMLType], a DAV:error element.
func (e *Error) XML() []byte {
	element := "<D:" + e.Condition + "/>"
	if e.Detail != "" {
		element = "<D:" + e.Condition + ">" + e.Detail + "</D:" + e.Condition + ">"
	}
	return []byte(XMLHeader + `<D:error xmlns:D="DAV:">` + element + `</D:error>`)
}
