package barfs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// Manifest is 00_manifest.json.
type Manifest struct {
	// Schema is the schema URL of the box, normalised; "" for none.
	Schema string
	// Raw values as written, nil where absent: version 1 wants them non-null,
	// but only once the install runs.
	BarVersion, BoxVersion, DefaultPath json.RawMessage
}

// maxSchema is the longest schema URL, in characters.
const maxSchema = 1024

// readManifest decides the version and reads the manifest, checking in the
// order of contract 2.3.
func (a *Archive) readManifest() error {
	if e, ok := a.byName[ManifestFile]; ok && !e.IsDir() {
		a.Version = 2
		if err := a.manifest2(e); err != nil {
			return err
		}
		if _, ok := a.byName[RootPropsFile]; !ok {
			return refuse(Structure, "90_rootprops.xml")
		}
		return nil
	}
	a.Version, a.Prefix = 1, "bar/"
	for _, e := range a.entries {
		if e.Size > a.limits.Entry && !IsLitter(e.Name) {
			return a.tooLarge(e, e.Size)
		}
	}
	if e, ok := a.byName[a.Prefix+ManifestFile]; ok && !e.IsDir() {
		if err := a.manifest1(e); err != nil {
			return err
		}
	}
	var missing []string
	for _, name := range []string{"bar/", "bar/00_meta/", "bar/" + ManifestFile, "bar/" + RootPropsFile} {
		if !a.contains(name) {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return refuse(Structure, strings.Join(missing, " "))
	}
	return a.metaFirst()
}

// metaFirst refuses version 1 if its contents come before what describes them. The order
// inside these two folders is looked at when the bar is installed.
func (a *Archive) metaFirst() error {
	for _, e := range a.entries {
		if name := strings.TrimPrefix(e.Name, a.Prefix); strings.HasPrefix(name, "00_meta/") {
			return nil
		} else if strings.HasPrefix(name, ContentsDir+"/") && !IsLitter(name) {
			return refuse(Structure, a.Prefix+"00_meta/")
		}
	}
	return nil
}

// contains reports whether the entry is there; a directory is also there if
// something is in it (contract 3.10).
func (a *Archive) contains(name string) bool {
	dir, isDir := strings.CutSuffix(name, "/")
	if e, ok := a.byName[dir]; ok {
		return e.IsDir() == isDir
	}
	for _, e := range a.entries {
		if isDir && strings.HasPrefix(e.Name, name) && !IsLitter(e.Name) {
			return true
		}
	}
	return false
}

func (a *Archive) fields(e *Entry) (map[string]json.RawMessage, error) {
	if e.Size > a.limits.Entry {
		return nil, a.tooLarge(e, e.Size)
	}
	r, err := e.f.Open()
	if err != nil {
		return nil, refuse(NotZip, causeNotZip)
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, a.limits.Entry+1)) // headers lie
	if err != nil {
		return nil, refuse(NotZip, causeNotZip)
	}
	if int64(len(text)) > a.limits.Entry {
		return nil, a.tooLarge(e, int64(len(text)))
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	for key, value := range fields {
		switch key {
		case "bar_version", "box_version", "default_path", "DefaultPath", "schema":
			if bytes.Equal(value, []byte("null")) {
				fields[key] = nil
			}
		default:
			return nil, errUnknownKey
		}
	}
	a.Manifest.BarVersion, a.Manifest.BoxVersion, a.Manifest.DefaultPath = fields["bar_version"], fields["box_version"], fields["DefaultPath"]
	return fields, nil
}

var errUnknownKey = errors.New("unknown key")

func isSyntax(err error) bool {
	var wrongType *json.UnmarshalTypeError
	var refused *Error
	return !errors.Is(err, errUnknownKey) && !errors.As(err, &wrongType) && !errors.As(err, &refused)
}

func (a *Archive) manifest2(e *Entry) error {
	fields, err := a.fields(e)
	var refused *Error
	switch {
	case errors.As(err, &refused):
		return err
	case err != nil:
		return refuse(FileForm, "00_manifest.json")
	}
	version, err := strconv.Atoi(text(fields["bar_version"]))
	switch {
	case err != nil:
		return refuse(Unreadable, "bar_version")
	case version != 2:
		return refuse(Version)
	}
	if fields["schema"] == nil {
		return nil
	}
	schema, ok := normalSchema(text(fields["schema"]), true)
	if !ok {
		return refuse(Structure, "00_manifest.json")
	}
	a.Manifest.Schema = schema
	return nil
}

func (a *Archive) manifest1(e *Entry) error {
	fields, err := a.fields(e)
	var refused *Error
	switch {
	case errors.As(err, &refused):
		return err
	case err != nil && isSyntax(err):
		return refuse(Unreadable, e.Name)
	case err != nil:
		return refuse(FileForm, "00_manifest.json")
	}
	schema := text(fields["schema"])
	if _, ok := normalSchema(schema, true); !ok {
		return refuse(Structure, e.Name)
	}
	normal, ok := normalSchema(schema, false)
	if !ok {
		return refuse(SchemaForm, "Schema")
	}
	a.Manifest.Schema = normal
	return nil
}

// text is a JSON string, or a number as it stands; "" for anything else.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

// normalSchema returns the schema URL with its trailing slash, which addSlash
// supplies, and whether it is one: a URN or an absolute http(s) URL.
func normalSchema(s string, addSlash bool) (string, bool) {
	u, err := url.Parse(s)
	if err != nil || s == "" || len([]rune(s)) > maxSchema {
		return "", false
	}
	switch u.Scheme {
	case "urn", "personium-localunit":
		return s, true
	case "http", "https":
		if u.Host == "" {
			return "", false
		}
		if !strings.HasSuffix(s, "/") {
			return s + "/", addSlash
		}
		return s, true
	}
	return "", false
}
