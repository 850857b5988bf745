package restore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"cellar/barfs/zipdir"
	"cellar/cellfs/snapshot"
)

// Fault is a kind of what is wrong with a file that is to be imported.
type Fault int

const (
	Missing      Fault = iota + 1 // a part is missing
	Version                       // it is of a version that is not known
	NotZip                        // it is no zip
	Damaged                       // what is in it does not fit together
	TooLarge                      // it is larger than the limits allow
	ManifestForm                  // its manifest cannot be read
)

// Error says why a file cannot be imported (contract 4.10, 4.11).
type Error struct {
	Fault   Fault
	Message string
}

func (e *Error) Error() string { return e.Message }

func refusef(f Fault, format string, args ...any) error {
	return &Error{f, fmt.Sprintf(format, args...)}
}

// damaged says what is wrong with the inside of a snapshot.
func damaged(where, format string, args ...any) error {
	for i, a := range args {
		var wrong *json.UnmarshalTypeError
		if err, ok := a.(error); ok && errors.As(err, &wrong) { // its text names types of this program
			args[i] = fmt.Sprintf("[%s] must not be a %s", wrong.Field, wrong.Value)
		}
	}
	return refusef(Damaged, "The snapshot file is damaged. [%s: %s].", brief(where), brief(fmt.Sprintf(format, args...)))
}

// brief is a text without its middle if it is long: paths have up to tens of kilobytes.
func brief(s string) string {
	const ends = 200
	if len(s) <= 2*ends+len("…") {
		return s
	}
	return strings.ToValidUTF8(s[:ends], "") + "…" + strings.ToValidUTF8(s[len(s)-ends:], "")
}

func missing(name string) error {
	return refusef(Missing, "[%s] does not exist in the snapshot file.", name)
}

const manifestFile = "00_manifest.json"

// Manifest is 00_manifest.json of a snapshot.
type Manifest struct {
	Version   int    `json:"export_version"`
	Generator string `json:"generator"`
	UnitURL   string `json:"unit_url"`
	Cell      string `json:"cell"`
	Created   int64  `json:"create_date"` // ms
	Entries   int64  `json:"entries"`     // files of the cell
	Bytes     int64  `json:"bytes"`       // of these files
	Quota     int64  `json:"quota"`       // of the cell, in bytes; 0: none
	Keep      int64  `json:"keep_snapshots"`
}

// Archive is a snapshot that is read.
type Archive struct {
	Manifest Manifest
	files    files
	limits   Limits
}

// Open reads the index and the manifest of a snapshot of size bytes. It returns an
// [*Error] if it is none, lacks a part, or is larger than the limits allow.
func Open(r io.ReaderAt, size int64, l Limits) (*Archive, error) {
	l = l.withDefaults()
	z, err := zipdir.Open(r, size, l.directory())
	var exceeded *zipdir.LimitError
	if errors.As(err, &exceeded) {
		return nil, tooLarge("%v", exceeded)
	}
	if err != nil {
		return nil, refusef(NotZip, "The specified snapshot file is not zip file.")
	}
	a := &Archive{files: make(files, len(z.File)), limits: l}
	for _, f := range z.File {
		if err := a.files.add(f); err != nil {
			return nil, err
		}
	}
	if err := a.readManifest(); err != nil {
		return nil, err
	}
	parts := ownParts()
	if a.Manifest.Version == personiumVersion {
		parts = personiumParts()
	}
	for _, name := range parts {
		if a.files[name] == nil {
			return nil, missing(name)
		}
	}
	if a.Manifest.Version == personiumVersion && !a.files.hasFolder(webdavDir) {
		return nil, missing("20_webdav")
	}
	return a, nil
}

func (a *Archive) readManifest() error {
	f := a.files[manifestFile]
	if f == nil {
		return missing(manifestFile)
	}
	text, err := readSmall(f)
	if err != nil {
		return err
	}
	var fields members
	if err := json.Unmarshal(text, &fields); err != nil || fields == nil {
		return refusef(ManifestForm, "JSON parse error. [%.200s].", text)
	}
	version := "null"
	if raw, ok := fields["export_version"]; ok {
		version = string(raw)
	}
	if version != fmt.Sprint(snapshot.FormatVersion) && version != fmt.Sprint(personiumVersion) {
		return refusef(Version, "Version of the snapshot file is invalid. Expected [%d] but was [%.20s].", snapshot.FormatVersion, version)
	}
	if err := json.Unmarshal(text, &a.Manifest); err != nil || min(a.Manifest.Entries, a.Manifest.Bytes, a.Manifest.Quota, a.Manifest.Keep) < 0 {
		return refusef(ManifestForm, "JSON parse error. [%.200s].", text)
	}
	return nil
}

func (a *Archive) source() source {
	if a.Manifest.Version == personiumVersion {
		return newPersonium(a.files, &a.Manifest)
	}
	return newOwn(a.files, &a.Manifest)
}
