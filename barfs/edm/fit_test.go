package edm_test

import (
	"fmt"
	"testing"

	"cellar/barfs/edm"
)

// TestFit: what data need to fit another schema.
func TestFit(t *testing.T) {
	t.Parallel()
	parse := func(inside string) *edm.Schema {
		s, err := edm.ParseSchema([]byte(`<Schema Namespace="UserData">` + inside + `</Schema>`))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	entity := func(properties string) string { return `<EntityType Name="T">` + properties + `</EntityType>` }
	linked := func(a, b string) string {
		return `<EntityType Name="T"/><EntityType Name="U"/><Association Name="x"><End Role="T:a" Type="UserData.T" Multiplicity="` + a + `"/><End Role="U:b" Type="UserData.U" Multiplicity="` + b + `"/></Association>`
	}
	p := func(more string) string { return `<Property Name="p" ` + more + `/>` }
	withComplex := func(inside string) string {
		return `<ComplexType Name="C">` + inside + `</ComplexType>` + entity(p(`Type="UserData.C"`))
	}
	for _, c := range []struct{ name, old, next, want string }{
		{"the same", entity(p(`Type="Edm.String"`)), entity(p(`Type="Edm.String"`)), "[] [] []"},
		{"gone", entity(""), "", "[T] [T] []"},
		{"wider", entity(p(`Type="Edm.Int32"`)), entity(p(`Type="Edm.Double"`)), "[] [] []"},
		{"narrower", entity(p(`Type="Edm.Double"`)), entity(p(`Type="Edm.Int32"`)), "[T] [] []"},
		{"a list", entity(p(`Type="Edm.String"`)), entity(p(`Type="Edm.String" CollectionKind="List"`)), "[T] [] []"},
		{"null", entity(p(`Type="Edm.String" Nullable="false"`)), entity(p(`Type="Edm.String"`)), "[] [] []"},
		{"no null", entity(p(`Type="Edm.String"`)), entity(p(`Type="Edm.String" Nullable="false" DefaultValue="x"`)), "[T] [] []"},
		{"a property more", entity(""), entity(p(`Type="Edm.String"`)), "[] [] []"},
		{"one that must be there", entity(""), entity(p(`Type="Edm.String" Nullable="false"`)), "[T] [] []"},
		{"one with a default", entity(""), entity(p(`Type="Edm.String" Nullable="false" DefaultValue="x"`)), "[] [] []"},
		{"a unique key more", entity(p(`Type="Edm.String"`)), entity(p(`Type="Edm.String" xmlns:p="urn:x-personium:xmlns" p:UniqueKey="k"`)), "[T] [] []"},
		{"a unique key less", entity(p(`Type="Edm.String" xmlns:p="urn:x-personium:xmlns" p:UniqueKey="k"`)), entity(p(`Type="Edm.String"`)), "[] [] []"},
		{"a property less", entity(p(`Type="Edm.String"`)), entity(""), "[T] [] []"},
		{"within another", withComplex(p(`Type="Edm.Int32"`)), withComplex(p(`Type="Edm.String"`)), "[T] [] []"},
		{"more within another", withComplex(p(`Type="Edm.Int32"`)), withComplex(p(`Type="Edm.Int32"`) + `<Property Name="q" Type="Edm.String"/>`), "[] [] []"},
		{"an association less", linked("*", "*"), `<EntityType Name="T"/><EntityType Name="U"/>`, "[] [] [[T U]]"},
		{"fewer links", linked("*", "*"), linked("0..1", "*"), "[] [] [[T U]]"},
		{"more links", linked("0..1", "*"), linked("*", "*"), "[] [] []"},
	} {
		n := parse(c.old).Fit(parse(c.next))
		if got := fmt.Sprint(n.Empty, n.Gone, n.Unlinked); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
