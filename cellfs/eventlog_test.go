package cellfs_test

import (
	"testing"
	"testing/quick"
	"time"

	"cellar/cellfs"
)

// TestEventSize: the length of a line is known without making it.
func TestEventSize(t *testing.T) {
	same := func(key, schema, subject, kind, object, info string, external bool, absent, urls uint8) bool {
		e := cellfs.Event{Time: time.Unix(1, 0), RequestKey: key, Schema: schema, Subject: subject, Type: kind, Object: object, Info: info, External: external}
		e.Absent = cellfs.Absent(absent % 8)
		for range urls % 4 {
			e.Object = cellfs.LocalCell + e.Object
			e.Info += " " + cellfs.LocalCell
		}
		for _, prefix := range []string{"", cellfs.LocalCell, cellfs.LocalUnit} {
			e.Subject, e.Schema = prefix+subject, prefix+schema
			for _, urls := range []cellfs.LogURLs{{}, {Cell: "https://cell1.unit.example/", Unit: "https://unit.example/"}, {Cell: cellfs.LocalCell, Unit: cellfs.LocalUnit}} {
				if line := e.AppendLine(nil, urls); int64(len(line)) != e.Size().Len(urls) {
					t.Errorf("%q is %d bytes, told %d", line, len(line), e.Size().Len(urls))
					return false
				}
			}
		}
		return true
	}
	same("", "", "", "", "", "", false, 7, 1)
	same("k", `"`, `a"b"`, `""`, `"`, "\n", true, 0, 2)
	if err := quick.Check(same, nil); err != nil {
		t.Error(err)
	}
}
