package barfs

import "fmt"

// Error says what is wrong with an archive. Codes beginning with PR are answers
// to the request that brought it (spec/errors.md §3).
type Error struct {
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// The codes of acceptance.
const (
	CodeBarSize     = "PR400-BI-0002"
	CodeEntrySize   = "PR400-BI-0003"
	CodeFileFormat  = "PR400-BI-0006"
	CodeNotZip      = "PR400-BI-0007"
	CodeCannotRead  = "PR400-BI-0008"
	CodeStructure   = "PR400-BI-0009"
	CodeVersion     = "PR400-BI-0010"
	CodeSchemaField = "PR400-OD-0050"
)

var formats = map[string]string{
	CodeBarSize:     "Bar file size too large [%vB].",
	CodeEntrySize:   "Bar file entry size too large [%v, %vB].",
	CodeFileFormat:  "[%v] file format error.",
	CodeNotZip:      "Cannot open bar file [%v].",
	CodeCannotRead:  "Cannot read bar file [%v].",
	CodeStructure:   "Invalid bar file structures [%v].",
	CodeVersion:     "Bar file structure and bar_version do not match.",
	CodeSchemaField: "[%v] field format error. Schema URI should be either normalized URL with http(s) scheme and trailing slash, or URN.",
}

func refuse(code string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(formats[code], args...)}
}

// TooLarge is the error for an archive of more bytes than allowed.
func TooLarge(size int64) error { return refuse(CodeBarSize, size) }
