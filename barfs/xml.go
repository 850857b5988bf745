package barfs

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// element is a parsed XML element.
type element struct {
	name     xml.Name
	qname    string // as written
	lang     string
	attrs    []xml.Attr
	children []*element

	doc        *document
	start, end int // what is inside, as a range of doc.tokens
}

// document holds the tokens of a parsed text, in order.
type document struct{ tokens []xml.Token }

func (e *element) inside() []xml.Token { return e.doc.tokens[e.start:e.end] }

// parseXML reads a whole document; it refuses a DOCTYPE and deep nesting.
func parseXML(text []byte) (*element, error) {
	const maxDepth = 64
	d := xml.NewDecoder(bytes.NewReader(text))
	doc := &document{}
	var stack []*element
	var root *element
	for {
		raw := d.InputOffset()
		t, err := d.Token()
		if err == io.EOF {
			if root == nil {
				return nil, errors.New("no XML element")
			}
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		doc.tokens = append(doc.tokens, xml.CopyToken(t))
		switch t := t.(type) {
		case xml.StartElement:
			e := &element{name: t.Name, attrs: slices.Clone(t.Attr), qname: rawName(text[raw:]), doc: doc, start: len(doc.tokens)}
			if len(stack) > 0 {
				up := stack[len(stack)-1]
				e.lang = up.lang
				up.children = append(up.children, e)
			} else {
				root = e
			}
			if l, ok := e.attr("http://www.w3.org/XML/1998/namespace", "lang"); ok {
				e.lang = l
			}
			if stack = append(stack, e); len(stack) > maxDepth {
				return nil, fmt.Errorf("XML is nested deeper than %d", maxDepth)
			}
		case xml.EndElement:
			stack[len(stack)-1].end = len(doc.tokens) - 1 // without its own end
			stack = stack[:len(stack)-1]
		case xml.Directive:
			return nil, errors.New("XML directives are not allowed")
		}
	}
}

func rawName(text []byte) string {
	text = bytes.TrimPrefix(text, []byte("<"))
	if i := bytes.IndexAny(text, " \t\r\n/>"); i >= 0 {
		text = text[:i]
	}
	return string(text)
}

func (e *element) all(space, local string) (found []*element) {
	for _, c := range e.children {
		if c.name.Space == space && c.name.Local == local {
			found = append(found, c)
		}
	}
	return found
}

func (e *element) attr(space, local string) (string, bool) {
	for _, a := range e.attrs {
		if a.Name.Local == local && (a.Name.Space == space || space == "http://www.w3.org/XML/1998/namespace" && a.Name.Space == "xml") {
			return a.Value, true
		}
	}
	return "", false
}

func (e *element) text() string {
	var b strings.Builder
	for _, t := range e.inside() {
		if c, ok := t.(xml.CharData); ok {
			b.Write(c)
		}
	}
	return b.String()
}

// innerXML writes what is inside with every namespace declared where it is used.
func (e *element) innerXML() string {
	var b strings.Builder
	for _, t := range e.inside() {
		switch t := t.(type) {
		case xml.CharData:
			xml.EscapeText(&b, t)
		case xml.StartElement:
			b.WriteString("<" + t.Name.Local + namespace(t.Name.Space) + attributes(t.Attr) + ">")
		case xml.EndElement:
			b.WriteString("</" + t.Name.Local + ">")
		}
	}
	return b.String()
}

func (e *element) attributes() string { return attributes(e.attrs) }

func namespace(space string) string {
	var b strings.Builder
	b.WriteString(` xmlns="`)
	xml.EscapeText(&b, []byte(space))
	b.WriteString(`"`)
	return b.String()
}

// attributes writes all but the namespace declarations, which are written
// afresh where they are needed.
func attributes(attrs []xml.Attr) string {
	var b strings.Builder
	for i, a := range attrs {
		name := a.Name.Local
		switch a.Name.Space {
		case "xmlns":
			continue
		case "":
			if name == "xmlns" {
				continue
			}
		case "xml", "http://www.w3.org/XML/1998/namespace":
			name = "xml:" + name
		default:
			prefix := fmt.Sprintf("a%d", i)
			b.WriteString(" xmlns:" + prefix + strings.TrimPrefix(namespace(a.Name.Space), " xmlns"))
			name = prefix + ":" + name
		}
		b.WriteString(" " + name + `="`)
		xml.EscapeText(&b, []byte(a.Value))
		b.WriteString(`"`)
	}
	return b.String()
}
