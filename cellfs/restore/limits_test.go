package restore_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"cellar/cellfs/restore"
	"cellar/cellfs/restore/personiumtest"
)

// TestLimits: what is larger than a snapshot of Personium's may have is refused. It is
// here and not in package dav, where requests would make it slow.
func TestLimits(t *testing.T) {
	const most = 1 << 20
	restore.SetMaxDocument(t, most)
	good := personiumtest.Sample().Entries()
	document := func(size int) []byte {
		c := personiumtest.New("cell")
		set := c.MainBox().Root().AddOData("db").AddEntityType("T")
		set.Add(map[string]any{"__id": "1", "text": "TEXT"})
		text := strings.Repeat("x", size-len(`{"__id":"1","text":""}`))
		return c.Entries().Replace("10_odata/70_userdata.pjson", "TEXT", text).Bytes()
	}
	for name, x := range map[string]struct {
		zip  []byte
		good bool
	}{
		"a document that fits": {document(most), true},
		"a document too long":  {document(most + 1), false},
		"a bomb":               {good.With("20_webdav/__/welcome.txt/content", make([]byte, 50<<20)).Bytes(), false},
		"a long line":          {good.With("10_odata/21_rule.pjson", append([]byte(`{"_type":"`), bytes.Repeat([]byte("x"), 17<<20)...)).Bytes(), false},
	} {
		err := newStore(t).restore(t.Context(), x.zip)
		var refused *restore.Error
		if x.good && err != nil || !x.good && (!errors.As(err, &refused) || refused.Fault != restore.Damaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
