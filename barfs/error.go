package barfs

import "fmt"

// Fault is a kind of what is wrong with an archive that is not taken.
type Fault int

const (
	BarSize    Fault = iota + 1 // the archive is too large
	EntrySize                   // an entry of it, or all together
	FileForm                    // a file in it does not have its form
	NotZip                      // it is no zip
	Unreadable                  // it cannot be read
	Structure                   // an entry is missing, out of place or too much
	Version                     // what it holds is of another version than it says
	SchemaForm                  // its schema is no URL of one
)

// Error says why an archive is not taken (contract 2.3).
type Error struct {
	Fault   Fault
	Message string
}

func (e *Error) Error() string { return e.Message }

var formats = map[Fault]string{
	BarSize:    "Bar file size too large [%vB].",
	EntrySize:  "Bar file entry size too large [%v, %vB].",
	FileForm:   "[%v] file format error.",
	NotZip:     "Cannot open bar file [%v].",
	Unreadable: "Cannot read bar file [%v].",
	Structure:  "Invalid bar file structures [%v].",
	Version:    "Bar file structure and bar_version do not match.",
	SchemaForm: "[%v] field format error. Schema URI should be either normalized URL with http(s) scheme and trailing slash, or URN.",
}

func refuse(f Fault, args ...any) error {
	return &Error{Fault: f, Message: fmt.Sprintf(formats[f], args...)}
}

// TooLarge is the error for an archive of more bytes than allowed.
func TooLarge(size int64) error { return refuse(BarSize, size) }
