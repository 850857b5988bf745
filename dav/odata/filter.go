package odata

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"cellar/dav/answer"
)

// filter says which entities are wanted.
type filter struct {
	holds func(Values) bool
	// bounds are ranges of values of single properties. Whatever the filter lets through is in each.
	bounds []bound
}

// Limits of a filter, in tokens and in levels of parentheses: it is evaluated for each entity.
const (
	maxFilter      = 200
	maxFilterDepth = 50
)

// filterToken is a token: a text, a literal with a type before it, a name, a number, a sign.
var filterToken = regexp.MustCompile(`^(?:'(?:[^']|'')*'|(?:datetime|datetimeoffset)'[^']*'|[A-Za-z_][A-Za-z0-9_./-]*|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[LlDdFfMm]?|[(),])`)

// Fields says which properties a query can name, and what literals fit each.
type Fields func(property string) (kind Kind, ok bool)

// Kind is what a property holds.
type Kind int

const (
	AnyKind Kind = iota // whatever each entity has
	TextKind
	NumberKind // also times, as milliseconds since 1970
	BoolKind
)

// filterParser reads a filter. Operators bind as OData says: not, comparison, and, or.
type filterParser struct {
	tokens []string
	fields Fields
	depth  int
}

var errFilter = answer.New(answer.FilterSyntax)

func parseFilter(text string, fields Fields) (*filter, error) {
	p := filterParser{fields: fields}
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
	return &f, nil
}

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
		left := a.holds
		var right filter
		right, ok = p.and()
		a = filter{holds: func(v Values) bool { return left(v) || right.holds(v) }}
	}
	return a, ok
}

func (p *filterParser) and() (filter, bool) {
	a, ok := p.one()
	for ok && p.take("and") {
		left := a.holds
		var right filter
		right, ok = p.one()
		a = filter{holds: func(v Values) bool { return left(v) && right.holds(v) }, bounds: append(a.bounds, right.bounds...)}
	}
	return a, ok
}

func (p *filterParser) one() (filter, bool) {
	if p.depth++; p.depth > maxFilterDepth {
		return filter{}, false
	}
	defer func() { p.depth-- }()
	switch {
	case p.take("not"):
		f, ok := p.one()
		return filter{holds: func(v Values) bool { return !f.holds(v) }}, ok
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

// call reads the two arguments of a function: first the property or, if first is false, the text.
func (p *filterParser) call(holds func(property, literal string) bool, first bool) (filter, bool) {
	if !p.take("(") {
		return filter{}, false
	}
	a := p.next()
	comma := p.take(",")
	b := p.next()
	if !first {
		a, b = b, a
	}
	value, isText := text(b)
	kind, known := p.fields(a)
	ok := comma && p.take(")") && isText && known && (kind == TextKind || kind == AnyKind)
	f := filter{holds: func(v Values) bool {
		s, ok := v(a).(string)
		return ok && holds(s, value)
	}}
	if first {
		f.bounds = []bound{{a, beginningWith(value)}}
	}
	return f, ok
}

// operators say what a comparison is by the order of property and literal.
var operators = map[string]func(order int) bool{
	"eq": func(order int) bool { return order == 0 },
	"ne": func(order int) bool { return order != 0 },
	"lt": func(order int) bool { return order < 0 },
	"le": func(order int) bool { return order <= 0 },
	"gt": func(order int) bool { return order > 0 },
	"ge": func(order int) bool { return order >= 0 },
}

// comparison reads {property} {operator} {literal}. Null, and what is of another type than the
// literal, is not equal to it, and neither before nor after it.
func (p *filterParser) comparison() (filter, bool) {
	name, operator, operand := p.next(), p.next(), p.next()
	kind, known := p.fields(name)
	holds := operators[operator]
	literal, ok := value(operand)
	if !ok || !known || holds == nil || !kind.fits(literal) {
		return filter{}, false
	}
	equality := operator == "eq" || operator == "ne"
	if _, isBool := literal.(bool); !equality && (literal == nil || isBool) {
		return filter{}, false
	}
	f := filter{holds: func(v Values) bool {
		order, comparable := order(v(name), literal)
		if !comparable {
			return operator == "ne"
		}
		return holds(order)
	}}
	if r, ok := compared(operator, literal); ok {
		f.bounds = []bound{{name, r}}
	}
	return f, true
}

func (k Kind) fits(literal any) bool {
	switch literal.(type) {
	case nil:
		return true
	case string:
		return k == TextKind || k == AnyKind
	case bool:
		return k == BoolKind || k == AnyKind
	}
	return k == NumberKind || k == AnyKind
}

// order compares two values; comparable is false for values of different types.
func order(a, b any) (order int, comparable bool) {
	x, isNumber := toNumber(a)
	if y, ok := toNumber(b); isNumber && ok {
		switch {
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	}
	switch a := a.(type) {
	case nil:
		return 0, b == nil
	case string:
		b, ok := b.(string)
		return strings.Compare(a, b), ok
	case bool:
		b, ok := b.(bool)
		if a == b {
			return 0, ok
		}
		return 1, ok
	}
	return 0, false
}

func toNumber(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func text(token string) (string, bool) {
	s, ok := strings.CutPrefix(token, "'")
	if !ok {
		return "", false
	}
	return strings.ReplaceAll(strings.TrimSuffix(s, "'"), "''", "'"), true
}

// value reads a literal: a text, a number, a time, true, false or null.
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
	if typed, rest, ok := strings.Cut(token, "'"); ok && (typed == "datetime" || typed == "datetimeoffset") {
		return moment(strings.TrimSuffix(rest, "'"))
	}
	number := strings.TrimRight(token, "LlDdFfMm")
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(number, 64)
	return f, err == nil
}

// moment reads a time as milliseconds since 1970.
func moment(text string) (any, bool) {
	for _, form := range []string{"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04"} {
		if t, err := time.Parse(form, text); err == nil {
			return t.UnixMilli(), true
		}
	}
	return nil, false
}
