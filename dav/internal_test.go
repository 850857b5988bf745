package dav

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav/auth"
	"cellar/dav/target"
)

// AccessRow is a row of the access table, for the test that walks it.
type AccessRow struct {
	Kind     target.Kind
	Method   string
	Who      string // anyone, admin, unit user, box reader, itself, somebody or privileges
	Above    bool   // the privileges are looked for at what holds the resource
	All, Any access.Set
	When     string
}

// AccessTable lists all rules of all methods.
func AccessTable() (rows []AccessRow) {
	for k := range target.Unknown {
		for _, method := range slices.Sorted(maps.Keys(methods[k])) {
			for _, r := range methods[k][method].rules {
				row := AccessRow{Kind: k, Method: method, Above: r.where == above, All: r.all, Any: r.any}
				row.Who = map[who]string{anyone: "anyone", admin: "admin", unitUser: "unit user", boxReader: "box reader", ownAccount: "itself", authenticated: "somebody", privileged: "privileges"}[r.who]
				if r.when != nil {
					row.When = r.when.text
				}
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// SetPageLimits makes the pages of collections smaller until the test ends.
func SetPageLimits(t *testing.T, members, bytes int) {
	oldMembers, oldBytes := pageMembers, pageBytes
	pageMembers, pageBytes = members, bytes
	t.Cleanup(func() { pageMembers, pageBytes = oldMembers, oldBytes })
}

// TestEveryRouteHasRules: what the router knows has a row in the access table.
func TestEveryRouteHasRules(t *testing.T) {
	t.Parallel()
	for k := range target.Unknown {
		if k.Name() == "" || len(methods[k]) == 0 {
			t.Errorf("kind %d has no name or no methods", int(k))
		}
		if _, ok := methods[k]["OPTIONS"]; !ok {
			t.Errorf("%s lacks OPTIONS", k.Name())
		}
		for method, r := range methods[k] {
			if r.serve == nil || len(r.rules) == 0 {
				t.Errorf("%s %s has no rule: say who may", method, k.Name())
			}
			for _, rule := range r.rules {
				if rule.who == unset || (rule.who == privileged || rule.who == ownAccount) != (rule.all|rule.any != 0) {
					t.Errorf("%s %s has a rule that lets in nobody, or by no privilege: %+v", method, k.Name(), rule)
				}
			}
		}
	}
}

// AccessDoc is the access table as docs/access.md has it.
func AccessDoc() string {
	var b strings.Builder
	kind := ""
	for _, r := range AccessTable() {
		if r.Kind.Name() != kind {
			kind = r.Kind.Name()
			fmt.Fprintf(&b, "\n### %s%s\n\n| method | who | where the privilege is looked for | when |\n|---|---|---|---|\n", strings.ToUpper(kind[:1]), kind[1:])
		}
		needed, where := "", ""
		switch r.Who {
		case "anyone":
			needed = "anyone"
		case "admin":
			needed = "the unit admin; of a cell also its owner"
		case "unit user":
			needed = "the unit admin, and unit users"
		case "box reader":
			needed = "who has `D:read` at the box that is found"
		case "itself":
			needed = "the account itself; the scope of a token must have `p:auth`"
		case "somebody":
			needed = "an authenticated caller, also where all may"
		default:
			where = "the resource"
			if r.Above {
				where = "what holds it"
			}
			if (r.All|r.Any)&access.OfCell != 0 {
				where = "the cell"
			}
			joined := " and "
			set := r.All
			if r.Any != 0 {
				joined, set = " or ", r.Any
			}
			var names []string
			for _, n := range set.Names() {
				names = append(names, "`"+prefixed(n)+"`")
			}
			needed = strings.Join(names, joined)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.Method, needed, where, r.When)
	}
	return b.String()
}

func prefixed(p cellfs.Privilege) string {
	if p.Space == davSpace {
		return "D:" + p.Local
	}
	return "p:" + p.Local
}

// SetLongRequest sets how long a request takes at least for its caller to be looked for
// again, until the returned function is called.
func SetLongRequest(d time.Duration) func() {
	old := longRequest
	longRequest = d
	return func() { longRequest = old }
}

// TestAnswersHaveShares takes of the space of answers on both sides of what one answer, one
// address and all may have.
func TestAnswersHaveShares(t *testing.T) {
	t.Parallel()
	space := newAnswerSpace(100)
	at := func(addr string) *share { return &share{space: space, addr: netip.MustParseAddr(addr)} }
	a, b, c := at("127.0.0.1"), at("127.0.0.1"), at("127.0.0.2")
	for i, x := range []struct {
		of    *share
		bytes int64
		want  error
	}{
		{a, 51, errLongAnswer}, {a, 30, nil}, {b, 21, auth.ErrBusy}, {b, 20, nil}, {b, 1, auth.ErrBusy}, {c, 50, nil}, {at("127.0.0.3"), 1, auth.ErrBusy},
	} {
		if err := x.of.take(x.bytes); !errors.Is(err, x.want) {
			t.Errorf("%d: %v, want %v", i, err, x.want)
		}
	}
	for _, s := range []*share{a, b, c, c} {
		s.release()
	}
	if space.left != 100 || len(space.by) != 0 {
		t.Errorf("after all is given back: %d left, %v", space.left, space.by)
	}
}
