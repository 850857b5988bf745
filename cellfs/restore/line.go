package restore

import (
	"bytes"
	"strconv"
)

// lineReader reads a node line as cellar writes it: these keys in this order, without
// blanks. Reading lines by the rules of JSON alone was a sixth of the work of a restore.
type lineReader struct {
	rest []byte
	bad  bool // the line is of another form
}

// commonLine reads a line that has none of the rarer keys. ok is false for all others,
// which may be good all the same.
func commonLine(line []byte) (l nodeLine, ok bool) {
	r := lineReader{rest: line}
	r.want(`{"path":`)
	l.Path = r.text()
	r.want(`,"kind":`)
	l.Kind = r.text()
	if r.has(`,"type":`) {
		l.Type = r.text()
		r.want(`,"size":`)
		l.Size = r.number()
		if r.has(`,"sha256":`) {
			l.SHA256 = r.text()
		}
	}
	r.want(`,"created":`)
	l.Created = r.number()
	r.want(`,"modified":`)
	l.Modified = r.number()
	r.want(`,"version":`)
	l.Version = r.number()
	r.want(`}`)
	return l, !r.bad && len(r.rest) == 0
}

func (r *lineReader) has(key string) bool {
	rest, ok := bytes.CutPrefix(r.rest, []byte(key))
	if ok {
		r.rest = rest
	}
	return ok
}

func (r *lineReader) want(key string) {
	if !r.has(key) {
		r.bad = true
	}
}

// text reads a string of plain ASCII without escapes.
func (r *lineReader) text() string {
	if !r.has(`"`) {
		r.bad = true
		return ""
	}
	for i, c := range r.rest {
		switch {
		case c == '"':
			s := string(r.rest[:i])
			r.rest = r.rest[i+1:]
			return s
		case c == '\\' || c < ' ' || c >= 0x7f:
			r.bad = true
			return ""
		}
	}
	r.bad = true
	return ""
}

// number reads an integer as JSON has it.
func (r *lineReader) number() int64 {
	i := 0
	for i < len(r.rest) && (r.rest[i] >= '0' && r.rest[i] <= '9' || r.rest[i] == '-') {
		i++
	}
	text := string(r.rest[:i])
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text { // such as 007, which JSON does not have
		r.bad = true
	}
	r.rest = r.rest[i:]
	return n
}
