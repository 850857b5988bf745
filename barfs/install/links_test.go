package install_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cellar/barfs"
	"cellar/barfs/bartest"
	"cellar/barfs/edm"
	"cellar/barfs/install"
)

// TestDataLinks makes links between entities: as many as the multiplicities
// allow, and one more.
func TestDataLinks(t *testing.T) {
	link := func(from, to string) string {
		end := func(e string) string {
			set, id, _ := strings.Cut(e, " ")
			return fmt.Sprintf(`"%%sType":"%s","%%sId":{"__id":"%s"}`, set, id)
		}
		return "{" + strings.ReplaceAll(end(from), "%s", "From") + "," + strings.ReplaceAll(end(to), "%s", "To") + "}"
	}
	for _, c := range []struct {
		a, b   string // multiplicities
		links  []string
		failed string // object of the failure; "": none
	}{
		{"*", "*", []string{link("a 1", "b 1"), link("a 1", "b 2"), link("b 1", "a 2")}, ""},
		{"*", "*", []string{link("a 1", "b 1"), link("a 1", "b 2"), link("a 1", "b 3")}, "a('1') Target Link to b('3')"}, // the limit is 2
		{"*", "*", []string{link("a 1", "b 1"), link("a 2", "b 1"), link("a 3", "b 1")}, "a('3') Target Link to b('1')"},
		{"*", "*", []string{link("a 1", "b 1"), link("a 1", "b 1")}, "a('1') Target Link to b('1')"},
		{"*", "*", []string{link("a 1", "b 1"), link("b 1", "a 1")}, "b('1') Target Link to a('1')"},
		{"*", "0..1", []string{link("a 1", "b 1"), link("a 2", "b 1"), link("b 1", "a 3")}, ""}, // no limit to the many
		{"*", "0..1", []string{link("a 1", "b 1"), link("a 1", "b 2")}, "a('1') Target Link to b('2')"},
		{"1", "*", []string{link("a 1", "b 1"), link("a 2", "b 1")}, "a('2') Target Link to b('1')"},
		{"0..1", "1", []string{link("a 1", "b 1"), link("a 2", "b 2")}, ""},
		{"0..1", "1", []string{link("a 1", "b 1"), link("a 2", "b 1")}, "a('2') Target Link to b('1')"},
		{"0..1", "1", []string{link("a 1", "b 1"), link("b 2", "a 1")}, "b('2') Target Link to a('1')"},
		{"*", "*", []string{link("a 1", "a 2")}, "a('1') Target Link to a('2')"}, // not associated
		{"*", "*", []string{link("a 1", "b 9")}, "a('1') Target Link to b('9')"},
		{"*", "*", []string{link("z 1", "b 1")}, "z('1') Target Link to b('1')"},
	} {
		bar := bartest.New("").OData("od").
			Entry("90_contents/od/00_$metadata.xml", fmt.Sprintf(`<Schema Namespace="UserData"><EntityType Name="a"/><EntityType Name="b"/>`+
				`<Association Name="n"><End Role="a:x" Type="UserData.a" Multiplicity="%s"/><End Role="b:y" Type="UserData.b" Multiplicity="%s"/></Association></Schema>`, c.a, c.b)).
			Entry("90_contents/od/10_odatarelations.json", `{"Links":[`+strings.Join(c.links, ",")+`]}`)
		for i := 1; i <= 3; i++ {
			bar.Entry(fmt.Sprintf("90_contents/od/90_data/a/%d.json", i), fmt.Sprintf(`{"__id":"%d"}`, i))
			bar.Entry(fmt.Sprintf("90_contents/od/90_data/b/%d.json", i), fmt.Sprintf(`{"__id":"%d"}`, i))
		}
		b := bar.Bytes()
		a, err := barfs.Open(bytes.NewReader(b), int64(len(b)), barfs.Limits{OData: edm.Limits{DataLinks: 2}})
		if err != nil {
			t.Fatal(err)
		}
		l := &ledger{}
		events, err := install.Run(t.Context(), a, l, install.Options{Cell: "c", Box: "b"})
		var f *install.Failure
		got := ""
		if errors.As(err, &f) {
			got = events[0].Object + " " + strings.TrimSuffix(strings.TrimPrefix(f.Message, "Installation failed("), ").")
		}
		if got != c.failed {
			t.Errorf("%s to %s, %s: %q, want %q", c.a, c.b, c.links, got, c.failed)
		}
		if made := strings.Count(strings.Join(l.steps, "\n"), "data link"); f == nil && made != len(c.links) || f != nil && made != len(c.links)-1 {
			t.Errorf("%s to %s: %d of %d links are made", c.a, c.b, made, len(c.links))
		}
	}
}
