// Package xmltree reads a small XML document into a tree of elements and writes
// parts of it back so that they can stand anywhere: every element declares the
// namespaces it uses.
//
// It refuses what a server should not take from strangers: a DOCTYPE and other
// directives, nesting deeper than [MaxDepth], a prefix bound to no namespace.
// The caller bounds the size of the text.
package xmltree

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// MaxDepth is how deeply elements may be nested.
const MaxDepth = 64

// Namespace of the attributes xml:lang and xml:base.
const Namespace = "http://www.w3.org/XML/1998/namespace"

// Element is a parsed XML element.
type Element struct {
	Name     xml.Name
	QName    string // as written, with its prefix
	Lang     string // xml:lang, also inherited
	Attrs    []xml.Attr
	Children []*Element

	doc        *document
	start, end int // what is inside, as a range of doc.tokens
}

// document holds the tokens of a parsed text, in order.
type document struct{ tokens []xml.Token }

func (e *Element) inside() []xml.Token { return e.doc.tokens[e.start:e.end] }

// Parse reads a whole document. Every error means that the text is not what it
// should be.
func Parse(text []byte) (*Element, error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	doc := &document{}
	var stack []*Element
	var root *Element
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
			e := &Element{Name: t.Name, Attrs: slices.Clone(t.Attr), QName: rawName(text[raw:]), doc: doc, start: len(doc.tokens)}
			if err := checkAttrs(t.Attr); err != nil {
				return nil, err
			}
			if len(stack) > 0 {
				up := stack[len(stack)-1]
				e.Lang = up.Lang
				up.Children = append(up.Children, e)
			} else {
				root = e
			}
			if l, ok := e.Attr(Namespace, "lang"); ok {
				e.Lang = l
			}
			if stack = append(stack, e); len(stack) > MaxDepth {
				return nil, fmt.Errorf("XML is nested deeper than %d", MaxDepth)
			}
		case xml.EndElement:
			stack[len(stack)-1].end = len(doc.tokens) - 1 // without its own end
			stack = stack[:len(stack)-1]
		case xml.Directive:
			return nil, errors.New("XML directives are not allowed")
		}
	}
}

// checkAttrs refuses xmlns:p="", which takes a prefix away that was never there
// (Namespaces in XML 1.0, 2.2) and which encoding/xml lets pass.
func checkAttrs(attrs []xml.Attr) error {
	for _, a := range attrs {
		if a.Name.Space == "xmlns" && a.Value == "" {
			return fmt.Errorf("prefix %q is bound to no namespace", a.Name.Local)
		}
	}
	return nil
}

func rawName(text []byte) string {
	text = bytes.TrimPrefix(text, []byte("<"))
	if i := bytes.IndexAny(text, " \t\r\n/>"); i >= 0 {
		text = text[:i]
	}
	return string(text)
}

// All returns the child elements of that name.
func (e *Element) All(space, local string) (found []*Element) {
	for _, c := range e.Children {
		if c.Name.Space == space && c.Name.Local == local {
			found = append(found, c)
		}
	}
	return found
}

// Attr returns the value of an attribute, and whether it is there.
func (e *Element) Attr(space, local string) (string, bool) {
	for _, a := range e.Attrs {
		if a.Name.Local == local && (a.Name.Space == space || space == Namespace && a.Name.Space == "xml") {
			return a.Value, true
		}
	}
	return "", false
}

// Text is the character data inside, also that of elements within.
func (e *Element) Text() string {
	var b strings.Builder
	for _, t := range e.inside() {
		if c, ok := t.(xml.CharData); ok {
			b.Write(c)
		}
	}
	return b.String()
}

// Inner writes what is inside, with every namespace declared where it is used.
func (e *Element) Inner() string {
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

// Attributes writes the attributes of the element, each after a blank, without
// namespace declarations and xml:lang.
func (e *Element) Attributes() string { return attributes(e.Attrs) }

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
		case "xml", Namespace:
			if name == "lang" {
				continue
			}
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
