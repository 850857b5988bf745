package ops

import (
	"errors"

	"cellar/barfs"
	"cellar/cellfs"
	"cellar/cellfs/restore"
	"cellar/cellfs/snapshot"
	"cellar/dav/answer"
	"cellar/jobs"
)

// maxShown is how much of a body that cannot be read its sender is shown, in bytes.
const maxShown = 1 << 10

// shown is the begin of a body, as an answer can show it.
func shown(body []byte) string { return cellfs.Printable(string(body[:min(len(body), maxShown)])) }

// barCodes and snapshotCodes are what is wrong with an archive as clients know it.
var (
	barCodes = map[barfs.Fault]answer.Code{
		barfs.BarSize: answer.BarTooLarge, barfs.EntrySize: answer.BarEntryTooLarge, barfs.FileForm: answer.BarFileFormat, barfs.NotZip: answer.BarNotZip,
		barfs.Unreadable: answer.BarUnreadable, barfs.Structure: answer.BarStructure, barfs.Version: answer.BarVersion, barfs.SchemaForm: answer.SchemaFormat,
	}
	snapshotCodes = map[restore.Fault]answer.Code{
		restore.Missing: answer.SnapshotPartMissing, restore.Version: answer.SnapshotVersion, restore.NotZip: answer.SnapshotNotZip,
		restore.Damaged: answer.SnapshotDamaged, restore.TooLarge: answer.SnapshotTooLarge, restore.ManifestForm: answer.JSONSyntax,
	}
)

// AnswerOf is the answer to an error of an operation; [answer.Internal] for one whose text is for
// the operator alone, because it may name paths of the server for one.
func AnswerOf(err error) *answer.Error {
	if e := Refusal(err); e != nil {
		return e
	}
	var lost *snapshot.ContentError
	switch {
	case errors.As(err, &lost):
		return answer.New(answer.ContentDamaged, lost.Path)
	case errors.Is(err, cellfs.ErrQuota):
		return answer.New(answer.QuotaExceeded)
	case errors.Is(err, cellfs.ErrManyNodes):
		return answer.New(answer.TooManyResources)
	case cellfs.IsNoSpace(err):
		return answer.New(answer.NoSpace)
	case errors.Is(err, jobs.ErrCutOff):
		return answer.New(answer.GivenUp, jobs.ErrCutOff)
	}
	return answer.New(answer.Internal)
}

// Refusal is the answer to an error that says itself what is wrong with a request or an
// archive; nil for others.
func Refusal(err error) *answer.Error {
	var refused *answer.Error
	var damaged *restore.Error
	var bar *barfs.Error
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &damaged):
		return answer.With(snapshotCodes[damaged.Fault], damaged.Message)
	case errors.As(err, &bar):
		return answer.With(barCodes[bar.Fault], bar.Message)
	}
	return nil
}
