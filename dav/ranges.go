package dav

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"cellar/dav/answer"
)

// maxRanges is how many ranges a GET can ask for: each of them costs a header of its own in
// the answer. Who asks for more gets the whole (RFC 9110, 14.2).
const maxRanges = 64

// errRange: nothing of what was asked for is there.
var errRange = answer.New(answer.RangeNotSatisfiable)

// satisfiable reads a Range header (RFC 9110, 14.1) and returns it as package http
// understands it, with what there is of a content of that size. It is "" if the whole is to
// be sent: the unit is another, the header is malformed, or nothing is in the content, of
// which no part can be named. It returns errRange.
func satisfiable(v string, size int64) (string, error) {
	unit, list, ok := strings.Cut(v, "=")
	if !ok || !strings.EqualFold(unit, "bytes") || size == 0 {
		return "", nil
	}
	var parts []string
	given := 0
	for spec := range strings.SplitSeq(list, ",") {
		if spec = strings.Trim(spec, " \t"); spec == "" {
			continue
		}
		first, last, ok := parseRange(spec, size)
		if given++; !ok || given > maxRanges {
			return "", nil
		}
		if first < size && first <= last {
			parts = append(parts, fmt.Sprintf("%d-%d", first, min(last, size-1)))
		}
	}
	switch {
	case given == 0:
		return "", nil
	case len(parts) == 0:
		return "", errRange
	}
	return "bytes=" + strings.Join(parts, ","), nil
}

// parseRange reads one range of a content of that size. ok is false if it is none; one that
// cannot be satisfied begins behind the content.
func parseRange(spec string, size int64) (first, last int64, ok bool) {
	from, to, ok := strings.Cut(spec, "-")
	if !ok || from == "" && to == "" {
		return 0, 0, false
	}
	if from == "" { // the last bytes; the last none are nowhere
		n, ok := position(to)
		if n == 0 {
			return size, size, ok
		}
		return max(0, size-n), size - 1, ok
	}
	if first, ok = position(from); !ok || to == "" {
		return first, math.MaxInt64, ok
	}
	last, ok = position(to)
	return first, last, ok && inOrder(from, to)
}

// position reads digits. What is beyond 63 bits is beyond any content.
func position(digits string) (int64, bool) {
	if strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		n = math.MaxInt64
	}
	return n, true
}

// inOrder reports whether the number in a is at most that in b, however long they are.
func inOrder(a, b string) bool {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return len(a) < len(b) || len(a) == len(b) && a <= b
}
