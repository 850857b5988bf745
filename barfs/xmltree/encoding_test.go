package xmltree_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"cellar/barfs/xmltree"
)

func utf16Of(s string, order binary.ByteOrder) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, 0, 0)
		order.PutUint16(b[len(b)-2:], u)
	}
	return string(b)
}

// TestEncodings: XML 1.0, 4.3.3: UTF-8 and UTF-16 must be read, and the usual labels are.
func TestEncodings(t *testing.T) {
	big := func(s string) string { return utf16Of(s, binary.BigEndian) }
	little := func(s string) string { return utf16Of(s, binary.LittleEndian) }
	const text = "grün 日本 𝄞"
	for _, c := range []struct{ name, doc, want string }{
		{"UTF-8", `<a>` + text + `</a>`, text},
		{"UTF-8 with a mark", "\ufeff" + `<?xml version="1.0" encoding="UTF-8"?><a>` + text + `</a>`, text},
		{"utf8", `<?xml version="1.0" encoding="utf8"?><a>` + text + `</a>`, text},
		{"UTF-16, big end first", big("\ufeff" + `<?xml version="1.0" encoding="UTF-16"?><a>` + text + `</a>`), text},
		{"UTF-16, little end first", little("\ufeff" + `<?xml version="1.0" encoding="utf-16"?><a>` + text + `</a>`), text},
		{"UTF-16 without a mark", little(`<?xml version="1.0" encoding="UTF-16LE"?><a>` + text + `</a>`), text},
		{"UTF-16 without mark and declaration", big(`<a>` + text + `</a>`), text},
		{"ASCII", `<?xml version="1.0" encoding="US-ASCII"?><a>x&#252;</a>`, "xü"},
		{"ISO 8859-1", `<?xml version="1.0" encoding="ISO-8859-1"?><a>gr` + "\xfc" + `n</a>`, "grün"},

		{"not ASCII", `<?xml version="1.0" encoding="us-ascii"?><a>ü</a>`, ""},
		{"not UTF-8", "<a>\xfc</a>", ""},
		{"not UTF-16", `<?xml version="1.0" encoding="UTF-16"?><a>x</a>`, ""},
		{"half a character", little("\ufeff<a>x</a>") + "x", ""},
		{"half a pair", little("\ufeff<a>x</a>") + "\x34\xd8", ""},
		{"the wrong half", little("\ufeff<a>") + "\x1e\xdd\x34\xd8" + little("</a>"), ""},
		{"UTF-16 that says it is not", little("\ufeff" + `<?xml version="1.0" encoding="ISO-8859-1"?><a>x</a>`), ""},
		{"unknown", `<?xml version="1.0" encoding="EBCDIC"?><a>x</a>`, ""},
		{"a mark alone", "\xff\xfe", ""},
	} {
		root, err := xmltree.Parse([]byte(c.doc))
		if c.want == "" {
			if err == nil {
				t.Errorf("%s: no error, text %q", c.name, root.Text())
			}
			continue
		}
		if err != nil || root.Text() != c.want {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	// What is refused in UTF-8 is refused in any encoding.
	if _, err := xmltree.Parse([]byte(big("\ufeff<!DOCTYPE a><a/>"))); err == nil || !strings.Contains(err.Error(), "directives") {
		t.Errorf("a DOCTYPE in UTF-16: %v", err)
	}
}
