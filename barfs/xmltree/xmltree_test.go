package xmltree_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"cellar/barfs/xmltree"
)

func TestRefused(t *testing.T) {
	for _, text := range []string{
		"", "text", "<a>", "<a></b>", "</a>", "<a/><b/>", "<a/>text", "<!DOCTYPE a><a/>", `<a xmlns:x=""/>`, "<x:a/>", `<a x:b="c"/>`, `<a b="1" b="2"/>`,
		`<a xmlns:x="u" xmlns:y="u" x:b="1" y:b="2"/>`, "<:a/>", "<a:/>", `<a :b="c"/>`, "<xml:a/>", `<a xmlns:xml="u"/>`, `<a xmlns:x="http://www.w3.org/XML/1998/namespace"/>`,
		"<a>\x01</a>", "<a>&b;</a>", "<a:b:c xmlns:a='u'/>", strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65),
		"<a" + attributes(xmltree.MaxAttributes+1) + "/>",
	} {
		if _, err := xmltree.Parse([]byte(text)); err == nil {
			t.Errorf("%.60q is accepted", text)
		}
	}
	for _, text := range []string{
		"<a/>", "\ufeff<?xml version='1.0'?> <!-- c --><a/>\n", strings.Repeat("<a>", 64) + strings.Repeat("</a>", 64), `<a xmlns=""/>`,
		"<a" + attributes(xmltree.MaxAttributes) + "/>",
	} {
		if _, err := xmltree.Parse([]byte(text)); err != nil {
			t.Errorf("%.60q: %v", text, err)
		}
	}
}

func TestLimits(t *testing.T) {
	const text = `<a xmlns="12345678"><b x:c="" xmlns:x="1234"/><d/></a>` // names of 9, 9, 5 and 9 bytes
	for _, l := range []xmltree.Limits{{Elements: 3}, {Names: 32}, {Elements: 3, Names: 32}} {
		if _, err := l.Parse([]byte(text)); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
	for _, l := range []xmltree.Limits{{Elements: 2}, {Names: 31}} {
		if _, err := l.Parse([]byte(text)); !errors.Is(err, xmltree.ErrTooLarge) {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` a%d="b"`, i)
	}
	return b.String()
}

func TestInnerStandsAnywhere(t *testing.T) {
	root, err := xmltree.Parse([]byte(`<D:a xmlns:D="DAV:" xmlns="urn:x" xml:lang="de"><b D:c="1 &lt; 2" xmlns:y="urn:y" y:d="e">t &amp; u<c xmlns=""/></b></D:a>`))
	if err != nil {
		t.Fatal(err)
	}
	b := root.Children[0]
	if b.Name != (xml.Name{Space: "urn:x", Local: "b"}) || b.Lang != "de" || b.Text() != "t & u" {
		t.Errorf("%+v, %q", b, b.Text())
	}
	again, err := xmltree.Parse([]byte("<other>" + root.Inner() + "</other>"))
	if err != nil {
		t.Fatalf("%v in %s", err, root.Inner())
	}
	c := again.Children[0]
	if c.Name != b.Name || c.Children[0].Name != (xml.Name{Local: "c"}) {
		t.Errorf("%+v", c)
	}
	if v, ok := c.Attr("DAV:", "c"); !ok || v != "1 < 2" {
		t.Errorf("attribute %q", v)
	}
}

// FuzzParse: what is accepted is well-formed to encoding/xml too, and what is
// written back can be read.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`<D:propfind xmlns:D="DAV:"><D:prop><x xmlns="u" y="z">t</x></D:prop></D:propfind>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		root, err := xmltree.Parse(text)
		if err != nil {
			return
		}
		d := xml.NewDecoder(strings.NewReader("<a>" + root.Inner() + "</a>"))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%v in %q from %q", err, root.Inner(), text)
			}
		}
		if _, err := xmltree.Parse([]byte("<a>" + root.Inner() + "</a>")); err != nil && !strings.Contains(err.Error(), "deeper") {
			t.Fatalf("%v in %q from %q", err, root.Inner(), text)
		}
	})
}
