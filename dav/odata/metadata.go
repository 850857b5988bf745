package odata

import (
	"bytes"
	"slices"

	"cellar/cellfs/control"
	"cellar/dav/answer"
)

// Metadata is the $metadata of control objects: an EDMX document of OData 2.0 with an entity type
// and an entity set for each set, and an association for each two that can be related.
func Metadata(namespace string, sets []*control.Set) []byte {
	var b bytes.Buffer
	b.WriteString(answer.XMLHeader + `<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx">` +
		`<edmx:DataServices m:DataServiceVersion="1.0" xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">` +
		`<Schema xmlns="http://schemas.microsoft.com/ado/2006/04/edm" Namespace="` + namespace + `">`)
	for _, s := range sets {
		writeControlType(&b, namespace, s)
	}
	eachPair(sets, func(s, other *control.Set) {
		b.WriteString(`<Association Name="` + association(s, other) + `">`)
		for _, end := range []struct{ of, to *control.Set }{{s, other}, {other, s}} {
			b.WriteString(`<End Type="` + end.of.Type + `" Multiplicity="` + multiplicity(end.of, end.to) + `" Role="` + end.of.Name + `"/>`)
		}
		b.WriteString(`</Association>`)
	})
	b.WriteString(`<EntityContainer Name="` + namespace + `" m:IsDefaultEntityContainer="true">`)
	for _, s := range sets {
		b.WriteString(`<EntitySet Name="` + s.Name + `" EntityType="` + s.Type + `"/>`)
	}
	eachPair(sets, func(s, other *control.Set) {
		b.WriteString(`<AssociationSet Name="` + association(s, other) + `" Association="` + namespace + "." + association(s, other) + `">` +
			`<End Role="` + s.Name + `" EntitySet="` + s.Name + `"/><End Role="` + other.Name + `" EntitySet="` + other.Name + `"/></AssociationSet>`)
	})
	b.WriteString(`</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>`)
	return b.Bytes()
}

func writeControlType(b *bytes.Buffer, namespace string, s *control.Set) {
	b.WriteString(`<EntityType Name="` + s.Name + `"><Key>`)
	for _, name := range s.Key {
		b.WriteString(`<PropertyRef Name="` + name + `"/>`)
	}
	b.WriteString(`</Key>`)
	for _, p := range s.Properties {
		edm, nullable := "Edm.String", "true"
		if p.Bool {
			edm = "Edm.Boolean"
		}
		if p.Required {
			nullable = "false"
		}
		b.WriteString(`<Property Name="` + p.Name + `" Type="` + edm + `" Nullable="` + nullable + `"/>`)
	}
	b.WriteString(`<Property Name="__published" Type="Edm.DateTime" Nullable="false"/><Property Name="__updated" Type="Edm.DateTime" Nullable="false"/>`)
	for _, other := range s.Related() {
		first, second := s, other
		if first.Name > second.Name {
			first, second = second, first
		}
		b.WriteString(`<NavigationProperty Name="_` + other.Name + `" Relationship="` + namespace + "." + association(first, second) +
			`" FromRole="` + s.Name + `" ToRole="` + other.Name + `"/>`)
	}
	b.WriteString(`</EntityType>`)
}

// eachPair calls yield for each two sets whose objects can be related, in the order of their names.
func eachPair(sets []*control.Set, yield func(first, second *control.Set)) {
	for _, s := range sets {
		for _, other := range s.Related() {
			if s.Name < other.Name {
				yield(s, other)
			}
		}
	}
}

func association(first, second *control.Set) string { return first.Name + "-" + second.Name }

// multiplicity is how many objects of a set one object of the other can be related with.
func multiplicity(of, to *control.Set) string {
	switch {
	case slices.Contains(of.Owned, to.Name) && to.Name == "ExtRole":
		return "1"
	case slices.Contains(of.Owned, to.Name):
		return "0..1"
	}
	return "*"
}
