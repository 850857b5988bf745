package snapshot

import (
	"archive/zip"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"cellar/cellfs"
)

// Error is an answer of spec/cell-import.md §2: the file is no snapshot that can be
// imported.
type Error struct{ Code, Message string }

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func refusef(code, format string, args ...any) error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// Codes of an [Error].
const (
	CodeMissing  = "PR400-MC-0001"
	CodeVersion  = "PR400-MC-0003"
	CodeNotZip   = "PR400-MC-0004"
	CodeDamaged  = "PR400-MC-0005" // cellar's own
	CodeManifest = "PR400-CM-0004"
)

// damaged says what is wrong with the inside of a snapshot.
func damaged(where, format string, args ...any) error {
	return refusef(CodeDamaged, "The snapshot file is damaged. [%s: %s].", where, fmt.Sprintf(format, args...))
}

// Parts of a snapshot (docs/snapshot-format.md).
const (
	manifestFile = "00_manifest.json"
	nodesFile    = "20_nodes.ndjson"
	contentsDir  = "30_contents/"
	odataDir     = "40_odata/"
)

// controlFiles are the files of 10_control, by the set they hold.
var controlFiles = []struct{ name, set string }{
	{"boxes", ""}, {"accounts", cellfs.SetAccount}, {"roles", cellfs.SetRole}, {"relations", cellfs.SetRelation},
	{"extcells", cellfs.SetExtCell}, {"extroles", cellfs.SetExtRole}, {"rules", cellfs.SetRule}, {"links", ""},
}

func controlName(name string) string { return "10_control/" + name + ".ndjson" }

// Limits of a snapshot that is read, in bytes. A line can hold a document of user
// data, which came as an entry of a bar (64 MiB at most).
const (
	maxSmall = 16 << 20 // the manifest, a schema
	maxLine  = 65 << 20
)

// Manifest is 00_manifest.json of a snapshot.
type Manifest struct {
	Version   int    `json:"export_version"`
	Generator string `json:"generator"`
	UnitURL   string `json:"unit_url"`
	Cell      string `json:"cell"`
	Created   int64  `json:"create_date"` // ms
	Entries   int64  `json:"entries"`     // files of the cell
	Bytes     int64  `json:"bytes"`       // of these files
}

// Archive is a snapshot that is read.
type Archive struct {
	Manifest Manifest

	files map[string]*zip.File
	odata map[string][]*zip.File // below 40_odata, by directory
}

// OpenArchive reads the index and the manifest of a snapshot of size bytes. It
// returns an [*Error] if it is none, or lacks a part.
func OpenArchive(r io.ReaderAt, size int64) (*Archive, error) {
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, refusef(CodeNotZip, "The specified snapshot file is not zip file.")
	}
	a := &Archive{files: make(map[string]*zip.File, len(z.File)), odata: map[string][]*zip.File{}}
	for _, f := range z.File {
		if err := a.add(f); err != nil {
			return nil, err
		}
	}
	if err := a.readManifest(); err != nil {
		return nil, err
	}
	for _, c := range controlFiles {
		if a.files[controlName(c.name)] == nil {
			return nil, missing(controlName(c.name))
		}
	}
	if a.files[nodesFile] == nil {
		return nil, missing(nodesFile)
	}
	return a, nil
}

func missing(name string) error {
	return refusef(CodeMissing, "[%s] does not exist in the snapshot file.", name)
}

// add takes an entry of the zip, and refuses what no exporter writes.
func (a *Archive) add(f *zip.File) error {
	switch mode := f.Mode(); {
	case a.files[f.Name] != nil:
		return damaged(f.Name, "is there twice")
	case f.Flags&1 != 0, f.Method != zip.Store && f.Method != zip.Deflate:
		return damaged(f.Name, "is encrypted or of an unknown method")
	case !mode.IsRegular() && !mode.IsDir():
		return damaged(f.Name, "is no file")
	}
	a.files[f.Name] = f
	if rest, ok := strings.CutPrefix(f.Name, odataDir); ok && !strings.HasSuffix(rest, "/") {
		a.odata[path.Dir(rest)] = append(a.odata[path.Dir(rest)], f)
	}
	return nil
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
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil || fields == nil {
		return refusef(CodeManifest, "JSON parse error. [%.200s].", text)
	}
	version := "null"
	if raw, ok := fields["export_version"]; ok {
		version = string(raw)
	}
	if version != fmt.Sprint(FormatVersion) {
		return refusef(CodeVersion, "Version of the snapshot file is invalid. Expected [%d] but was [%.20s].", FormatVersion, version)
	}
	if err := json.Unmarshal(text, &a.Manifest); err != nil || a.Manifest.Entries < 0 || a.Manifest.Bytes < 0 {
		return refusef(CodeManifest, "JSON parse error. [%.200s].", text)
	}
	return nil
}

func readSmall(f *zip.File) ([]byte, error) {
	r, err := openEntry(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxSmall+1))
	if err != nil {
		return nil, entryError(f.Name, err)
	}
	if len(text) > maxSmall {
		return nil, damaged(f.Name, "has more than %d bytes", maxSmall)
	}
	return text, nil
}

func openEntry(f *zip.File) (io.ReadCloser, error) {
	r, err := f.Open()
	if err != nil {
		return nil, entryError(f.Name, err)
	}
	return r, nil
}

// entryError tells a fault of the zip from one of reading it.
func entryError(name string, err error) error {
	var corrupt flate.CorruptInputError
	for _, fault := range []error{zip.ErrChecksum, zip.ErrFormat, zip.ErrAlgorithm, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, fault) {
			return damaged(name, "%v", err)
		}
	}
	if errors.As(err, &corrupt) {
		return damaged(name, "%v", err)
	}
	return fmt.Errorf("%s: %w", name, err)
}
