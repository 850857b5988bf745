package odata

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"cellar/dav/answer"
)

// Query is how a list is asked for (contract 1.16.3).
type Query struct {
	Top, Skip int
	Count     bool     // of all, not only of those listed
	Select    []string // properties; nil: all
	Expand    []string // navigation properties whose objects are shown, too
	Text      string   // words that must be in the entity; only of user data
	filter    *filter
	order     []ordering
}

// maxOrder bounds the properties by which a list is ordered: each can be compared for each
// pair of objects.
const maxOrder = 20

var errOrder = answer.New(answer.OrderSyntax)

type ordering struct {
	property string
	down     bool
}

// Values tells the properties of an object: a text, a bool, a number, or nil.
type Values func(property string) any

// ParseQuery reads the options of a list whose objects have these properties. It returns
// an [*Error].
func ParseQuery(query url.Values, fields Fields, navigation []string, one bool) (q Query, err error) {
	if q.Top, q.Skip, q.Count, err = paging(query); err != nil {
		return q, err
	}
	if err := supported(query, "$filter", "$orderby", "$select", "$expand"); err != nil {
		return q, err
	}
	if query.Has("$filter") {
		if q.filter, err = parseFilter(query.Get("$filter"), fields); err != nil {
			return q, err
		}
	}
	if strings.Count(query.Get("$orderby"), ",") >= maxOrder {
		return q, errOrder
	}
	for field := range strings.SplitSeq(query.Get("$orderby"), ",") {
		words := strings.Fields(field)
		if len(words) == 0 && query.Get("$orderby") == "" {
			break
		}
		if len(words) == 0 || len(words) > 2 || !fields.has(words[0]) || len(words) == 2 && words[1] != "asc" && words[1] != "desc" {
			return q, errOrder
		}
		q.order = append(q.order, ordering{words[0], len(words) == 2 && words[1] == "desc"})
	}
	if v := query.Get("$select"); v != "" && v != "*" {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); name != "__metadata" && !fields.has(name) {
				return q, answer.New(answer.SelectSyntax)
			}
			q.Select = append(q.Select, name)
		}
	}
	return q, q.parseExpand(query, navigation, one)
}

// Limits of $expand (contract 1.16.3): navigation properties of a list and of a single object,
// objects of a list, and objects that one navigation property of each of these may lead to.
const (
	maxExpandList     = 2
	maxExpandOne      = 10
	maxExpandTop      = 100
	MaxExpandedOfList = 100
	MaxExpandedOfOne  = 1000
)

// parseExpand reads $expand. Without $top, a list with it has as many objects as others.
func (q *Query) parseExpand(query url.Values, navigation []string, one bool) error {
	if !query.Has("$expand") {
		return nil
	}
	for name := range strings.SplitSeq(query.Get("$expand"), ",") {
		if name = strings.TrimSpace(name); !slices.Contains(navigation, name) {
			return errExpand
		}
		if !slices.Contains(q.Expand, name) {
			q.Expand = append(q.Expand, name)
		}
	}
	switch {
	case one && len(q.Expand) > maxExpandOne, !one && len(q.Expand) > maxExpandList:
		return ErrExpandLimit
	case !one && q.Top > maxExpandTop:
		return answer.New(answer.QueryValue, "$top", q.Top)
	}
	return nil
}

var (
	errExpand = answer.New(answer.ExpandSyntax)
	// ErrExpandLimit: $expand leads to more than an answer can have.
	ErrExpandLimit = answer.New(answer.ExpandLimit)
)

// everywhere are the options that every list understands.
var everywhere = []string{"$top", "$skip", "$inlinecount", "$format"}

// supported refuses options of OData, and Personium's q, but for those that are known: to
// ignore one would give a wrong answer.
func supported(query url.Values, known ...string) error {
	for _, option := range slices.Sorted(maps.Keys(query)) {
		isOption := option == "q" || strings.HasPrefix(option, "$")
		if isOption && !slices.Contains(everywhere, option) && !slices.Contains(known, option) {
			return answer.New(answer.QueryUnsupported, option)
		}
	}
	return nil
}

// paging reads what every list understands.
func paging(query url.Values) (top, skip int, count bool, err error) {
	if top, err = number(query, "$top", DefaultTop, MaxTop); err != nil {
		return
	}
	if skip, err = number(query, "$skip", 0, MaxSkip); err != nil {
		return
	}
	switch v := query.Get("$inlinecount"); {
	case v == "allpages":
		count = true
	case query.Has("$inlinecount") && v != "none":
		err = answer.New(answer.InlineCount, v)
	}
	return
}

// Apply returns the objects that are asked for, in order, and how many there are in all
// that the filter lets through.
func Apply[T any](q *Query, all []T, values func(*T) Values) (page []T, total int) {
	var kept []T
	for i := range all {
		if q.filter == nil || q.filter.holds(values(&all[i])) {
			kept = append(kept, all[i])
		}
	}
	slices.SortStableFunc(kept, func(a, b T) int {
		for _, o := range q.order {
			c := compare(values(&a)(o.property), values(&b)(o.property))
			if o.down {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	total = len(kept)
	kept = kept[min(q.Skip, len(kept)):]
	return kept[:min(q.Top, len(kept))], total
}

// compare orders two values: null first, then what can be compared by its order.
func compare(a, b any) int {
	switch {
	case a == nil && b != nil:
		return -1
	case a != nil && b == nil:
		return 1
	}
	if x, ok := a.(bool); ok {
		if y, ok := b.(bool); ok && x != y {
			if x {
				return 1
			}
			return -1
		}
		return 0
	}
	n, _ := order(a, b)
	return n
}

func (f Fields) has(property string) bool {
	_, ok := f(property)
	return ok
}

// Among are the fields that are in a list, of whatever kind.
func Among(names []string) Fields {
	return func(property string) (Kind, bool) { return AnyKind, slices.Contains(names, property) }
}
