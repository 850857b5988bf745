package odata_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"cellar/dav/answer"
	"cellar/dav/odata"
)

// object is a row of the lists of these tests.
type object map[string]any

func values(o *object) odata.Values { return func(name string) any { return (*o)[name] } }

var (
	properties = []string{"Name", "Age", "Member"}
	objects    = []object{
		{"Name": "bob", "Age": int64(3), "Member": true}, {"Name": "alice", "Age": int64(20), "Member": false},
		{"Name": "o'hara", "Age": nil, "Member": true}, {"Name": "carol", "Age": int64(20), "Member": true},
	}
)

// TestQueries: what each option of a list gives, in which order, and how many there are in all.
func TestQueries(t *testing.T) {
	for query, want := range map[string]string{
		"":                                           "bob alice o'hara carol of 4",
		"$top=2":                                     "bob alice of 4",
		"$top=2&$skip=3":                             "carol of 4",
		"$skip=9":                                    " of 4",
		"$top=0":                                     " of 4",
		"$orderby=Name":                              "alice bob carol o'hara of 4",
		"$orderby=Age desc,Name asc":                 "alice carol bob o'hara of 4",
		"$orderby=Age":                               "o'hara bob alice carol of 4",
		"$orderby=Member,Name desc":                  "alice o'hara carol bob of 4",
		"$filter=Name eq 'o''hara'":                  "o'hara of 1",
		"$filter=Age eq 20L":                         "alice carol of 2",
		"$filter=Age eq null":                        "o'hara of 1",
		"$filter=Age gt 3":                           "alice carol of 2",
		"$filter=Age ge 3.0 and Age lt 20d":          "bob of 1",
		"$filter=Name le 'bob'":                      "bob alice of 2",
		"$filter=Age ne 20":                          "bob o'hara of 2",
		"$filter=Age ne 20 and Member eq true":       "bob o'hara of 2",
		"$filter=not (Member eq true)":               "alice of 1",
		"$filter=startswith(Name,'ca')":              "carol of 1",
		"$filter=substringof('o',Name)":              "bob o'hara carol of 3",
		"$filter=Name eq 'x' or Name eq 'bob'":       "bob of 1",
		"$filter=Member eq true&$top=1&$orderby=Age": "o'hara of 3",
	} {
		q, err := parse(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		page, total := odata.Apply(&q, objects, values)
		var names []string
		for _, o := range page {
			names = append(names, o["Name"].(string))
		}
		if got := fmt.Sprintf("%s of %d", strings.Join(names, " "), total); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func parse(query string) (odata.Query, error) {
	options := url.Values{}
	for option := range strings.SplitSeq(query, "&") {
		if name, value, ok := strings.Cut(option, "="); ok {
			options.Set(name, value)
		}
	}
	return odata.ParseQuery(options, odata.Among(properties), []string{"_Box", "_Role", "_Account"}, false)
}

// TestQueryFaults: what is wrong with a query has its code, and nothing is ignored.
func TestQueryFaults(t *testing.T) {
	for query, want := range map[string]answer.Code{
		"$top=-1": answer.QueryValue, "$top=x": answer.QueryOption, "$top=10001": answer.QueryValue, "$skip=100001": answer.QueryValue,
		"$inlinecount=some": answer.InlineCount, "$select=Other": answer.SelectSyntax, "$orderby=Other": answer.OrderSyntax, "$orderby=Name up": answer.OrderSyntax,
		"$filter=Name": answer.FilterSyntax, "$filter=Other eq 'x'": answer.FilterSyntax, "$filter=Name eq 'x": answer.FilterSyntax, "$filter=(Name eq 'x'": answer.FilterSyntax,
		"$filter=Member lt true": answer.FilterSyntax, "$filter=Age gt null": answer.FilterSyntax, "$filter=startswith('a',Name)": answer.FilterSyntax, "$expand=_Nothing": answer.ExpandSyntax, "q=text": answer.QueryUnsupported,
	} {
		if _, err := parse(query); !errors.Is(err, answer.New(want)) {
			t.Errorf("%s: %v, want %s", query, err, want)
		}
	}
	orders := strings.TrimSuffix(strings.Repeat("Name,", 20), ",")
	if _, err := parse("$orderby=" + orders); err != nil {
		t.Errorf("20 properties of an order: %v", err)
	}
	if _, err := parse("$orderby=" + orders + ",Name"); !errors.Is(err, answer.New(answer.OrderSyntax)) {
		t.Errorf("21 properties of an order: %v", err)
	}
	long := "Name eq 'x'" + strings.Repeat(" or Name eq 'x'", 49) // 199 tokens
	if _, err := parse("$filter=" + long); err != nil {
		t.Errorf("a filter of 199 tokens: %v", err)
	}
	if _, err := parse("$filter=" + long + " or Name eq 'x'"); !errors.Is(err, answer.New(answer.FilterSyntax)) {
		t.Errorf("a filter of 203 tokens: %v", err)
	}
}

// TestKeys: a key is read as it is written, and what is none is refused.
func TestKeys(t *testing.T) {
	names := func(set string) []string {
		return map[string][]string{"Account": {"Name"}, "Role": {"Name", "_Box.Name"}}[set]
	}
	for segment, want := range map[string]string{
		"Account('a')":                        "Account('a')",
		"Account(Name='a')":                   "Account('a')",
		"Account('o''hara')":                  "Account('o''hara')",
		"Role('r')":                           "Role(Name='r',_Box.Name=null)",
		"Role(Name='r',_Box.Name='b')":        "Role(Name='r',_Box.Name='b')",
		"Role( _Box.Name = null , Name='r' )": "Role(Name='r',_Box.Name=null)",
	} {
		set, key, keyed, err := odata.ParseKey(segment, names)
		if err != nil || !keyed || odata.FormatKey(set, names(set), key) != want {
			t.Errorf("%s: %s, %v", segment, odata.FormatKey(set, names(set), key), err)
		}
	}
	if set, _, keyed, err := odata.ParseKey("Role", names); set != "Role" || keyed || err != nil {
		t.Errorf("a set: %s, %v, %v", set, keyed, err)
	}
	for _, segment := range []string{"Account()", "Account(a)", "Account('a'", "Account('a','b')", "Account(Other='a')", "Account(null)", "Role(_Box.Name='b')", "Account('a')x"} {
		if _, _, _, err := odata.ParseKey(segment, names); !errors.Is(err, answer.New(answer.EntityKey)) {
			t.Errorf("%s: %v", segment, err)
		}
	}
	if _, _, _, err := odata.ParseKey("None('a')", names); !errors.Is(err, answer.New(answer.EntitySetNotFound)) {
		t.Errorf("a set that is none: %v", err)
	}
}
