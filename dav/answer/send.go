package answer

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Content types of answers.
const (
	JSONType = "application/json"
	XMLType  = "application/xml; charset=utf-8"
)

// XMLHeader begins each XML body.
const XMLHeader = `<?xml version="1.0" encoding="utf-8"?>`

// Send answers r with a body, or with its head alone if r is HEAD.
func Send(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) error {
	h := w.Header()
	h["Content-Type"] = []string{contentType}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(body)
	return err
}

// SendJSON answers r with v as JSON, which no cache keeps.
func SendJSON(w http.ResponseWriter, r *http.Request, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return Send(w, r, status, JSONType, body)
}
