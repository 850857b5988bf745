package edm_test

import (
	"errors"
	"testing"

	"cellar/barfs/bartest"
	"cellar/barfs/edm"
)

// invalid fails the test for an error that is not the fault of the input.
func invalid(t *testing.T, err error) {
	t.Helper()
	var e *edm.Invalid
	if err != nil && !errors.As(err, &e) {
		t.Errorf("%T: %v", err, err)
	}
}

// FuzzSchema: what is understood can be walked, and checks documents.
func FuzzSchema(f *testing.F) {
	bartest.Seed(f, "00_$metadata.xml")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) <= 1<<20 {
			bartest.Bounded(t, func() { readSchema(t, text) })
		}
	})
}

func readSchema(t *testing.T, text string) {
	s, err := edm.ParseSchema([]byte(text))
	if err != nil {
		invalid(t, err)
		return
	}
	made, err := s.Walk(edm.Limits{}, func(string, ...string) error { return nil }, func(string) error { return nil })
	invalid(t, err)
	again, err := edm.ParseSchema(made.EDMX())
	if err != nil {
		t.Fatalf("what was made cannot be read: %v\n%s", err, made.EDMX())
	}
	check := again.Checker(edm.Limits{})
	for _, e := range made.EntityTypes {
		invalid(t, check.Check(e.Name, []byte(`{"__id":"a","a":[{"b":1}]}`)))
	}
}

// FuzzEntity: a document is accepted or the bar's fault.
func FuzzEntity(f *testing.F) {
	s, err := edm.ParseSchema([]byte(`<Schema><ComplexType Name="C"><Property Name="x" Type="Edm.Boolean" Nullable="false"/></ComplexType><EntityType Name="E">` +
		`<Property Name="n" Type="Edm.Int32"/><Property Name="s" Type="Edm.String"/><Property Name="l" Type="C" CollectionKind="List"/>` +
		`<Property Name="d" Type="Edm.DateTime"/><Property Name="f" Type="Edm.Double"/><Property Name="g" Type="Edm.Single"/></EntityType></Schema>`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"n":1,"s":"x","l":[{"x":true}],"d":"/Date(1)/","f":1.5,"g":1,"__id":"a","free":"text"}`)
	f.Add(`{"n":1e400,"d":"/Date(99999999999999999999)/"}`)
	bartest.Seed(f, "000000001.json")
	bartest.Seed(f, "1.json")
	f.Fuzz(func(t *testing.T, doc string) {
		bartest.Bounded(t, func() { invalid(t, s.Checker(edm.Limits{}).Check("E", []byte(doc))) })
	})
}
