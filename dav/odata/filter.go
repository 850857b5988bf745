package odata

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cellar/dav/answer"
)

// filter reports whether an object is wanted.
type filter func(Values) bool

// maxFilter bounds a filter, in tokens.
const maxFilter = 200

var filterToken = regexp.MustCompile(`^(?:'((?:[^']|'')*)'|[A-Za-z_][A-Za-z0-9_.]*|-?[0-9]+L?|[(),])`)

// filterParser reads equality (eq, ne), startswith and substringof, joined by and, or,
// not and parentheses.
type filterParser struct {
	tokens     []string
	properties []string
}

var errFilter = answer.New(answer.FilterSyntax)

func parseFilter(text string, properties []string) (filter, error) {
	p := filterParser{properties: properties}
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		t := filterToken.FindString(text)
		if t == "" || len(p.tokens) == maxFilter {
			return nil, errFilter
		}
		p.tokens, text = append(p.tokens, t), text[len(t):]
	}
	f, ok := p.or()
	if !ok || len(p.tokens) > 0 {
		return nil, errFilter
	}
	return f, nil
}

// take removes the next token if it is t.
func (p *filterParser) take(t string) bool {
	if len(p.tokens) == 0 || p.tokens[0] != t {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *filterParser) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

func (p *filterParser) or() (filter, bool) {
	a, ok := p.and()
	for ok && p.take("or") {
		left := a
		var right filter
		right, ok = p.and()
		a = func(v Values) bool { return left(v) || right(v) }
	}
	return a, ok
}

func (p *filterParser) and() (filter, bool) {
	a, ok := p.one()
	for ok && p.take("and") {
		left := a
		var right filter
		right, ok = p.one()
		a = func(v Values) bool { return left(v) && right(v) }
	}
	return a, ok
}

func (p *filterParser) one() (filter, bool) {
	switch {
	case p.take("not"):
		f, ok := p.one()
		return func(v Values) bool { return !f(v) }, ok
	case p.take("("):
		f, ok := p.or()
		return f, ok && p.take(")")
	case p.take("startswith"):
		return p.call(func(property, literal string) bool { return strings.HasPrefix(property, literal) }, true)
	case p.take("substringof"):
		return p.call(func(property, literal string) bool { return strings.Contains(property, literal) }, false)
	}
	return p.comparison()
}

// call reads the two arguments of a function, the property first or last.
func (p *filterParser) call(holds func(property, literal string) bool, first bool) (filter, bool) {
	if !p.take("(") {
		return nil, false
	}
	a := p.next()
	comma := p.take(",")
	b := p.next()
	if !first {
		a, b = b, a
	}
	value, isText := text(b)
	ok := comma && p.take(")") && slices.Contains(p.properties, a) && isText
	return func(v Values) bool {
		s, ok := v(a).(string)
		return ok && holds(s, value)
	}, ok
}

func (p *filterParser) comparison() (filter, bool) {
	name, operator, operand := p.next(), p.next(), p.next()
	value, ok := value(operand)
	if !ok || !slices.Contains(p.properties, name) || operator != "eq" && operator != "ne" {
		return nil, false
	}
	return func(v Values) bool { return (v(name) == value) == (operator == "eq") }, true
}

func text(token string) (string, bool) {
	s, ok := strings.CutPrefix(token, "'")
	if !ok {
		return "", false
	}
	return strings.ReplaceAll(strings.TrimSuffix(s, "'"), "''", "'"), true
}

// value reads a literal.
func value(token string) (any, bool) {
	if s, ok := text(token); ok {
		return s, true
	}
	switch token {
	case "null":
		return nil, true
	case "true", "false":
		return token == "true", true
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(token, "L"), 10, 64)
	return n, err == nil
}
