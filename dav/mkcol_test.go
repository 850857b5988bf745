package dav_test

import (
	"net/http"
	"testing"
	"unicode/utf16"

	"cellar/barfs/bartest"
	"cellar/dav/davtest"
)

const odataBody = `<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype><D:collection/><p:odata/></D:resourcetype></D:prop></D:set></D:mkcol>`

// TestBodyOfMkcolIsKnownByItself: an extended MKCOL may say of its body what it likes, or
// nothing; what is no XML is refused, whatever it says.
func TestBodyOfMkcolIsKnownByItself(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/b")
	utf16le := []byte{0xff, 0xfe}
	for _, c := range utf16.Encode([]rune(odataBody)) {
		utf16le = append(utf16le, byte(c), byte(c>>8))
	}
	for _, c := range []struct{ contentType, body, code string }{
		{"application/xml", odataBody, ""},
		{"Text/XML; charset=utf-8", odataBody, ""},
		{"", odataBody, ""},
		{"application/x-www-form-urlencoded", odataBody, ""},
		{"application/zip", odataBody, ""},
		{"text/plain", "\xef\xbb\xbf\r\n " + odataBody, ""},
		{"", string(utf16le), ""},
		{"application/xml", "<D:mkcol", "PR400-DV-0001"},
		{"", "<D:mkcol", "PR400-DV-0001"},
		{"application/xml", "no", "PR400-DV-0001"},
		{"", "no", "PR415-MC-0001"},
		{"", " \n", "PR415-MC-0001"},
		{"application/zip", "PK\x03\x04", "PR415-MC-0001"},
		{"", `<propfind xmlns="DAV:"/>`, "PR415-MC-0001"},
	} {
		r := s.Request("MKCOL", "/cell1/b/o").WithHeader("Content-Type", c.contentType).WithBytes([]byte(c.body)).Expect()
		if c.code != "" {
			davtest.Error(r, c.code)
			continue
		}
		r.Status(http.StatusCreated)
		s.Request("GET", "/cell1/b/o?$format=json").Expect().Status(http.StatusOK).JSON().Path("$.d.EntitySets").Array().IsEmpty() // it is one of OData
		s.Request("DELETE", "/cell1/b/o").Expect().Status(http.StatusNoContent)
	}
}

// TestOneRuleForZips: what an install takes for a zip, an import takes too.
func TestOneRuleForZips(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	bar := bartest.New("").Bytes()
	for i, c := range []struct {
		contentType string
		zip         bool
	}{
		{"application/zip", true}, {"Application/ZIP", true}, {"application/zip; charset=binary", true}, {"application/zip ;charset=UTF-8", true},
		{"application/zip+x-personium-bar", false}, {"application/zipped", false}, {"application/octet-stream", false}, {"", false},
	} {
		box := "/cell1/b" + string(rune('a'+i))
		install := s.Request("MKCOL", box).WithHeader("Content-Type", c.contentType).WithBytes(bar).Expect()
		anImport := s.Request("POST", "/cell1/__import").WithHeader("Content-Type", c.contentType).WithBytes(bar).Expect()
		if !c.zip {
			davtest.Error(install, "PR400-BI-0001")
			davtest.Error(anImport, "PR400-CM-0004") // no JSON
			continue
		}
		install.Status(http.StatusAccepted)
		davtest.Error(anImport, "PR400-MC-0001") // a zip, but no snapshot
		s.WaitBox(box).Value("status").IsEqual("ready")
	}
	davtest.Error(s.Request("MKCOL", "/cell1/new").WithText(odataBody).Expect(), "PR415-MC-0001")
}
