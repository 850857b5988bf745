package barfs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path"

	"cellar/barfs/edm"
)

// A cause is why an install fails, as the text within "Installation failed(…)".
// Personium has codes PL-BI-2xxx for these texts, and never shows them; contract 3.14 says what
// each means.
const (
	CauseStructure   = "Invalid structure of bar file or empty."               // PL-BI-2001
	CauseParse       = "JSON/XML parse error."                                 // PL-BI-2002
	CauseParseJSON   = "JSON parse error."                                     // PR400-OD-0001
	CauseDefinition  = "JSON/XML data definition error."                       // PL-BI-2003
	CauseWrite       = "WebDAV file registration error."                       // PL-BI-2004
	CauseContentType = "WebDAV file registration error. Invalid Content-Type." // PL-BI-2005
	CauseUndeclared  = "Entry is not contained in 90_rootprops.xml."           // PL-BI-2006
	CauseExists      = "The entity already exists."                            // PR409-OD-0003
	CauseNoEntitySet = "No such entity set."                                   // PR404-OD-0001
	CauseNoRole      = "Role not found."                                       // PR400-DV-0004
)

// Invalid is the error of a part of the bar that breaks its rules; its text is
// the cause as shown.
type Invalid = edm.Invalid

// Invalidf returns an [Invalid] with a formatted cause.
func Invalidf(format string, args ...any) error { return edm.Invalidf(format, args...) }

// FileFormat is the cause for a part that does not have its form.
func FileFormat(name string) error { return Invalidf("[%s] file format error.", path.Base(name)) }

// Named is an item of 10_relations.json or 20_roles.json.
type Named struct {
	Name *string `json:"Name"`
}

// ExtRole is an item of 30_extroles.json.
type ExtRole struct {
	ExtRole  *string `json:"ExtRole"`
	Relation *string `json:"_Relation.Name"`
}

// Rule is an item of 50_rules.json.
type Rule struct {
	EventExternal *bool   `json:"EventExternal"`
	EventSubject  *string `json:"EventSubject"`
	EventType     *string `json:"EventType"`
	EventObject   *string `json:"EventObject"`
	EventInfo     *string `json:"EventInfo"`
	Action        *string `json:"Action"`
	TargetURL     *string `json:"TargetUrl"`
}

// Link is an item of 70_$links.json; the names are objects of key parts.
type Link struct {
	FromType *string           `json:"FromType"`
	FromName map[string]string `json:"FromName"`
	ToType   *string           `json:"ToType"`
	ToName   map[string]string `json:"ToName"`
}

// DataLink is an item of 10_odatarelations.json.
type DataLink struct {
	FromType *string           `json:"FromType"`
	FromID   map[string]string `json:"FromId"`
	ToType   *string           `json:"ToType"`
	ToID     map[string]string `json:"ToId"`
}

// List reads a JSON file that holds one array under the given key, such as
// {"Roles":[…]}. check, if not nil, tells whether an item has what it needs. It
// returns the items before the first bad one together with the error, because
// those are installed (contract 3.5).
func List[T any](a *Archive, name, key string, check func(*T) bool) ([]T, error) {
	text, err := a.Read(name)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := openList(d, key); err != nil {
		return nil, a.jsonError(name, err)
	}
	var items []T
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return items, a.jsonError(name, err)
		}
		var item T
		if err := strict(raw, &item); err != nil {
			return items, a.jsonError(name, err)
		}
		if check != nil && !check(&item) {
			return items, FileFormat(name)
		}
		items = append(items, item)
	}
	return items, a.jsonError(name, closeList(d))
}

// errForm: the text is JSON, but not one object with that one array.
var errForm = errors.New("not the expected object")

func openList(d *json.Decoder, key string) error {
	for _, want := range []json.Token{json.Delim('{'), key, json.Delim('[')} {
		t, err := d.Token()
		if err != nil {
			return err
		}
		if t != want {
			return errForm
		}
	}
	return nil
}

func closeList(d *json.Decoder) error {
	for _, want := range []json.Token{json.Delim(']'), json.Delim('}')} {
		t, err := d.Token()
		if err != nil {
			return err
		}
		if t != want {
			return errForm
		}
	}
	if _, err := d.Token(); err != io.EOF {
		return errForm
	}
	return nil
}

// strict decodes raw without unknown fields.
func strict(raw json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errDefinition
	}
	return nil
}

var errDefinition = errors.New("unknown field or wrong type")

// jsonError is the cause of a JSON problem. Version 1 tells the kinds apart,
// version 2 only where links of user data are read (contract 3.5).
func (a *Archive) jsonError(name string, err error) error {
	links := path.Base(name) == DataLinksFile
	switch {
	case err == nil:
		return nil
	case a.Version == 2 && !links, a.Version == 1 && errors.Is(err, errForm):
		return FileFormat(name)
	case errors.Is(err, errDefinition), errors.Is(err, errForm):
		return &Invalid{Cause: CauseDefinition}
	default:
		return &Invalid{Cause: CauseParse}
	}
}
