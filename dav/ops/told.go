package ops

import (
	"errors"

	"cellar/barfs"
	"cellar/cellfs"
	"cellar/cellfs/restore"
	"cellar/cellfs/snapshot"
	"cellar/jobs"
)

// What clients are told for more than one reason.
var (
	NoSpace  = &Refused{"PR507-SV-0001", "Insufficient storage."}
	NoQuota  = &Refused{"PR507-SV-0002", "The quota of the cell is exceeded."}
	Full     = &Refused{"PR507-SV-0003", "The cell has too many resources."}
	CutOff   = &Refused{"PR500-MC-0001", "The operation is given up: " + jobs.ErrCutOff.Error() + "."}
	TooLarge = &Refused{"PR413-CM-0001", "Request body is too large."}
	Unknown  = &Refused{"PR500-SV-0000", "Unknown error."}
)

// CodeContent is the code of an export, or a bar, that lacks the content of a resource.
const CodeContent = "PR500-CM-0003"

// maxShown is how much of a body that cannot be read its sender is shown, in bytes.
const maxShown = 1 << 10

// shown is the begin of a body, as an answer can show it.
func shown(body []byte) string { return cellfs.Printable(string(body[:min(len(body), maxShown)])) }

// Tell is what a client, or a reader of an event log, is told of an error. The text of an
// error that is meant for nobody but the operator, with paths of the server for one,
// never goes further: for these it is [Unknown].
func Tell(err error) *Refused {
	var refused *Refused
	var damaged *restore.Error
	var bar *barfs.Error
	var lost *snapshot.ContentError
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &damaged):
		return &Refused{damaged.Code, damaged.Message}
	case errors.As(err, &bar):
		return &Refused{bar.Code, bar.Message}
	case errors.As(err, &lost):
		return &Refused{CodeContent, "The content of [" + lost.Path + "] is missing or damaged."}
	case errors.Is(err, cellfs.ErrQuota):
		return NoQuota
	case errors.Is(err, cellfs.ErrManyNodes):
		return Full
	case cellfs.IsNoSpace(err):
		return NoSpace
	case errors.Is(err, jobs.ErrCutOff):
		return CutOff
	}
	return Unknown
}
