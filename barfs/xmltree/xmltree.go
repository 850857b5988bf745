// Package xmltree reads a small XML document into a tree of elements and writes
// parts of it back so that they can stand anywhere: every element declares the
// namespaces it uses.
//
// It refuses what a server should not take from strangers: a DOCTYPE and other
// directives, nesting deeper than [MaxDepth], a prefix bound to no namespace.
// Texts are in UTF-8, UTF-16, ASCII or ISO 8859-1. The caller bounds their size.
package xmltree

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	// MaxDepth is how deeply elements may be nested.
	MaxDepth = 64
	// MaxElements is how many elements a document may have unless [Limits] say
	// otherwise: the tree takes some hundred bytes for each.
	MaxElements = 500_000
	// MaxNames is how many bytes the names of all elements and attributes of a document
	// may have together, each with its namespace, unless [Limits] say otherwise.
	MaxNames = 64 << 20
	// MaxAttributes is how many attributes an element may have: each is compared
	// with all before it.
	MaxAttributes = 256
)

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

// ErrTooLarge: the document has more than its [Limits] allow.
var ErrTooLarge = errors.New("XML document is too large")

// Limits bound a document besides the size of its text.
type Limits struct {
	Elements int // 0: [MaxElements]
	// Names bounds the bytes of all names, each counted with its namespace. A short text
	// can declare one long namespace for thousands of elements, and each of them carries
	// it when it is written back. 0: [MaxNames]
	Names int
}

// Parse is [Parse] with these limits. It wraps [ErrTooLarge].
func (l Limits) Parse(text []byte) (*Element, error) { return l.parse(text, nil) }

// Parse reads a whole document. Every error means that the text is not what it
// should be. Besides what encoding/xml checks, names must be those of Namespaces
// in XML 1.0: encoding/xml lets pass prefixes that nothing declares, names such
// as ":a", and attributes that are the same once their prefixes are resolved.
// Written back, such a document would spoil the one it stands in.
func Parse(text []byte) (*Element, error) {
	return Limits{}.parse(text, nil)
}

// ParseEach is [Parse] for a document of many members, the children of its root,
// in little memory: each is called for every member when it is complete, which
// must not keep it. The root that comes back has no children, and nothing inside.
func ParseEach(text []byte, each func(member *Element)) (*Element, error) {
	return Limits{}.parse(text, each)
}

func (l Limits) parse(text []byte, each func(member *Element)) (*Element, error) {
	l = Limits{cmp.Or(l.Elements, MaxElements), cmp.Or(l.Names, MaxNames)}
	d, err := NewDecoder(text)
	if err != nil {
		return nil, err
	}
	p := &parser{d: d, doc: &document{}, each: each, left: l}
	for {
		t, err := p.d.RawToken()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = p.token(t)
		}
		if err != nil {
			return nil, err
		}
	}
	if p.root == nil || len(p.stack) > 0 {
		return nil, errors.New("XML document is not complete")
	}
	return p.root, nil
}

type parser struct {
	d      *xml.Decoder
	doc    *document
	root   *Element
	stack  []*Element
	scopes []map[string]string   // namespaces by prefix that each element of stack declares; nil for none
	left   Limits                // what the rest of the document may have
	each   func(member *Element) // nil: members are kept
}

// take counts a name.
func (p *parser) take(n xml.Name) error {
	if p.left.Names -= len(n.Space) + len(n.Local); p.left.Names < 0 {
		return fmt.Errorf("%w: its names are too long", ErrTooLarge)
	}
	return nil
}

func (p *parser) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		return p.start(t)
	case xml.EndElement:
		return p.end(t)
	case xml.CharData:
		if len(p.stack) > 0 {
			p.doc.tokens = append(p.doc.tokens, t.Copy())
		} else if len(bytes.Trim(t, " \t\r\n\ufeff")) > 0 {
			return errors.New("text outside the root element")
		}
	case xml.Directive:
		return errors.New("XML directives are not allowed")
	}
	return nil
}

func (p *parser) start(t xml.StartElement) error {
	if p.left.Elements--; p.left.Elements < 0 {
		return fmt.Errorf("%w: it has too many elements", ErrTooLarge)
	}
	if len(p.stack) == MaxDepth {
		return fmt.Errorf("XML is nested deeper than %d", MaxDepth)
	}
	if len(p.stack) == 0 && p.root != nil {
		return errors.New("XML has two root elements")
	}
	if len(t.Attr) > MaxAttributes {
		return fmt.Errorf("element has more than %d attributes", MaxAttributes)
	}
	declared, err := declarations(t.Attr)
	if err != nil {
		return err
	}
	p.scopes = append(p.scopes, declared)
	e := &Element{QName: t.Name.Local, doc: p.doc}
	if t.Name.Space != "" {
		e.QName = t.Name.Space + ":" + t.Name.Local
	}
	if e.Name, err = p.resolve(t.Name, true); err != nil {
		return err
	}
	if e.Name.Space == Namespace {
		return fmt.Errorf("element %s is reserved", e.QName)
	}
	if e.Attrs, err = p.resolveAttrs(t.Attr); err != nil {
		return err
	}
	if err := p.take(e.Name); err != nil {
		return err
	}
	for _, a := range e.Attrs {
		if err := p.take(a.Name); err != nil {
			return err
		}
	}
	p.push(e)
	return nil
}

func (p *parser) push(e *Element) {
	if len(p.stack) > 0 {
		up := p.stack[len(p.stack)-1]
		e.Lang = up.Lang
		up.Children = append(up.Children, e)
	} else {
		p.root = e
	}
	if l, ok := e.Attr(Namespace, "lang"); ok {
		e.Lang = l
	}
	p.doc.tokens = append(p.doc.tokens, xml.StartElement{Name: e.Name, Attr: e.Attrs})
	e.start = len(p.doc.tokens)
	p.stack = append(p.stack, e)
}

func (p *parser) end(t xml.EndElement) error {
	qname := t.Name.Local
	if t.Name.Space != "" {
		qname = t.Name.Space + ":" + t.Name.Local
	}
	if len(p.stack) == 0 || p.stack[len(p.stack)-1].QName != qname {
		return fmt.Errorf("</%s> closes nothing", qname)
	}
	e := p.stack[len(p.stack)-1]
	e.end = len(p.doc.tokens)
	p.doc.tokens = append(p.doc.tokens, xml.EndElement{Name: e.Name})
	p.stack, p.scopes = p.stack[:len(p.stack)-1], p.scopes[:len(p.scopes)-1]
	if p.each == nil {
		return nil
	}
	if len(p.stack) == 1 {
		p.each(e)
	}
	if len(p.stack) <= 1 { // what is complete is let go
		clear(p.doc.tokens)
		p.doc.tokens, p.root.Children, p.root.start, p.root.end = p.doc.tokens[:0], nil, 0, 0
	}
	return nil
}

// declarations are the prefixes that the attributes bind; nil if none does.
func declarations(attrs []xml.Attr) (declared map[string]string, err error) {
	for _, a := range attrs {
		prefix, declares := a.Name.Local, a.Name.Space == "xmlns"
		if a.Name.Space == "" && a.Name.Local == "xmlns" {
			prefix, declares = "", true
		}
		if !declares {
			continue
		}
		// xmlns:p="" takes a prefix away that was never there (2.2).
		if prefix != "" && a.Value == "" || prefix == "xmlns" || (prefix == "xml") != (a.Value == Namespace) {
			return nil, fmt.Errorf("prefix %q cannot be bound to %q", prefix, a.Value)
		}
		if declared == nil {
			declared = map[string]string{}
		}
		declared[prefix] = a.Value
	}
	return declared, nil
}

// namespace is what a prefix means where the parser stands.
func (p *parser) namespace(prefix string) (space string, ok bool) {
	for i := len(p.scopes) - 1; i >= 0; i-- {
		if space, ok = p.scopes[i][prefix]; ok {
			return space, true
		}
	}
	if prefix == "xml" {
		return Namespace, true
	}
	return "", prefix == ""
}

// resolve gives a name as written its namespace. Without prefix, an element has
// the default namespace and an attribute none.
func (p *parser) resolve(n xml.Name, element bool) (xml.Name, error) {
	if n.Local == "" || strings.Contains(n.Local, ":") {
		return n, fmt.Errorf("%q is not a name", n.Local)
	}
	if n.Space == "" && !element {
		return n, nil
	}
	space, ok := p.namespace(n.Space)
	if !ok {
		return n, fmt.Errorf("prefix %q is not declared", n.Space)
	}
	return xml.Name{Space: space, Local: n.Local}, nil
}

// resolveAttrs leaves the declarations out.
func (p *parser) resolveAttrs(attrs []xml.Attr) (out []xml.Attr, err error) {
	for _, a := range attrs {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		if a.Name, err = p.resolve(a.Name, false); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(x xml.Attr) bool { return x.Name == a.Name }) {
			return nil, fmt.Errorf("attribute %q appears twice", a.Name.Local)
		}
		out = append(out, a)
	}
	return out, nil
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
		if a.Name.Local == local && a.Name.Space == space {
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

// Size is how many bytes the element has, written back so that it can stand anywhere, or
// somewhat fewer. It tells before anything is written.
func (e *Element) Size() int {
	n := sizeOf(e.Name, e.Attrs)
	for _, t := range e.inside() {
		switch t := t.(type) {
		case xml.CharData:
			n += len(t)
		case xml.StartElement:
			n += sizeOf(t.Name, t.Attr)
		}
	}
	return n
}

func sizeOf(name xml.Name, attrs []xml.Attr) int {
	n := len(`<></>`) + 2*len(name.Local) + len(` xmlns=""`) + len(name.Space)
	for _, a := range attrs {
		if n += len(` =""`) + len(a.Name.Local) + len(a.Value); a.Name.Space != "" && a.Name.Space != Namespace {
			n += len(` xmlns:a0=""`) + len(a.Name.Space)
		}
	}
	return n
}

// Inner writes what is inside, with every namespace declared where it is used.
func (e *Element) Inner() string {
	var b strings.Builder
	for _, t := range e.inside() {
		switch t := t.(type) {
		case xml.CharData:
			xml.EscapeText(&b, t)
		case xml.StartElement:
			b.WriteString("<" + t.Name.Local + namespace(t.Name.Space) + attributes(t.Attr) + lang(t.Attr) + ">")
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

// attributes writes all but xml:lang, which the writer of the element adds.
func attributes(attrs []xml.Attr) string {
	var b strings.Builder
	prefixes := 0 // counted, so that what is written and read again is written the same
	for _, a := range attrs {
		name := a.Name.Local
		switch a.Name.Space {
		case "":
		case Namespace:
			if name == "lang" {
				continue
			}
			name = "xml:" + name
		default:
			prefix := fmt.Sprintf("a%d", prefixes)
			prefixes++
			b.WriteString(" xmlns:" + prefix + strings.TrimPrefix(namespace(a.Name.Space), " xmlns"))
			name = prefix + ":" + name
		}
		b.WriteString(" " + name + `="`)
		xml.EscapeText(&b, []byte(a.Value))
		b.WriteString(`"`)
	}
	return b.String()
}

// lang writes xml:lang of an inner element.
func lang(attrs []xml.Attr) string {
	for _, a := range attrs {
		if a.Name == (xml.Name{Space: Namespace, Local: "lang"}) {
			var b strings.Builder
			xml.EscapeText(&b, []byte(a.Value))
			return ` xml:lang="` + b.String() + `"`
		}
	}
	return ""
}

// AppendText writes text as the content of an element or of an attribute in double quotes.
func AppendText(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '&':
			b = append(b, "&amp;"...)
		case '<':
			b = append(b, "&lt;"...)
		case '>':
			b = append(b, "&gt;"...)
		case '"':
			b = append(b, "&quot;"...)
		default:
			b = append(b, c)
		}
	}
	return b
}
