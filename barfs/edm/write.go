package edm

import (
	"bytes"
	"encoding/xml"
)

// EDMX writes the schema as a 00_$metadata.xml, which [ParseSchema] reads. It is
// for what was made of one that has a fault; a good one is kept as it came.
func (s *Schema) EDMX() []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?>` + "\n" +
		`<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx" xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">` +
		`<edmx:DataServices m:DataServiceVersion="1.0"><Schema xmlns="http://schemas.microsoft.com/ado/2006/04/edm" Namespace="UserData">` + "\n")
	for i := range s.ComplexTypes {
		s.ComplexTypes[i].write(&b, "ComplexType", "", "")
	}
	for i := range s.EntityTypes {
		s.EntityTypes[i].write(&b, "EntityType", s.navigation(s.EntityTypes[i].Name), `<Key><PropertyRef Name="__id"/></Key>`+
			`<Property Name="__id" Type="Edm.String" Nullable="false" DefaultValue="UUID()"/>`+
			`<Property Name="__published" Type="Edm.DateTime" Nullable="false" DefaultValue="SYSUTCDATETIME()" Precision="3"/>`+
			`<Property Name="__updated" Type="Edm.DateTime" Nullable="false" DefaultValue="SYSUTCDATETIME()" Precision="3"/>`)
	}
	for _, a := range s.Associations {
		b.WriteString("<Association" + attribute("Name", a.Name) + ">")
		for _, e := range a.Ends {
			b.WriteString("<End" + attribute("Role", e.Role) + attribute("Type", "UserData."+e.EntityType) + attribute("Multiplicity", e.Multiplicity) + "/>")
		}
		b.WriteString("</Association>\n")
	}
	for _, e := range s.Ends {
		b.WriteString("<" + looseEnd + attribute("xmlns", personium) + attribute("Role", e.Role) + attribute("Type", "UserData."+e.EntityType) + attribute("Multiplicity", e.Multiplicity) + "/>\n")
	}
	b.WriteString(`<EntityContainer Name="UserData" m:IsDefaultEntityContainer="true">`)
	for _, t := range s.EntityTypes {
		b.WriteString("<EntitySet" + attribute("Name", t.Name) + attribute("EntityType", "UserData."+t.Name) + "/>")
	}
	for _, a := range s.Associations {
		b.WriteString("<AssociationSet" + attribute("Name", a.Name) + attribute("Association", "UserData."+a.Name) + ">")
		for _, e := range a.Ends {
			b.WriteString("<End" + attribute("Role", e.Role) + attribute("EntitySet", e.EntityType) + "/>")
		}
		b.WriteString("</AssociationSet>")
	}
	b.WriteString("</EntityContainer>\n")
	b.WriteString("</Schema></edmx:DataServices></edmx:Edmx>\n")
	return b.Bytes()
}

// navigation are the navigation properties of an entity type: to each type that it is associated with.
func (s *Schema) navigation(entityType string) string {
	all := ""
	for _, a := range s.Associations {
		for i, e := range a.Ends {
			other := a.Ends[1-i]
			if e.EntityType == entityType && (i == 0 || e.EntityType != other.EntityType) {
				all += "<NavigationProperty" + attribute("Name", "_"+other.EntityType) + attribute("Relationship", "UserData."+a.Name) +
					attribute("FromRole", e.Role) + attribute("ToRole", other.Role) + "/>"
			}
		}
	}
	return all
}

func (t *Type) write(b *bytes.Buffer, element, after, inside string) {
	b.WriteString("<" + element + attribute("Name", t.Name) + ">" + inside)
	for _, p := range t.Properties {
		name := p.Type
		if !p.Simple() {
			name = "UserData." + name
		}
		nullable, kind, byDefault, unique := "false", "None", "", ""
		if p.UniqueKey != "" {
			unique = attribute("xmlns:p", personium) + attribute("p:UniqueKey", p.UniqueKey)
		}
		if p.Nullable {
			nullable = "true"
		}
		if p.IsList {
			kind = "List"
		}
		if p.Default != nil {
			byDefault = attribute("DefaultValue", *p.Default)
		}
		b.WriteString("<Property" + attribute("Name", p.Name) + attribute("Type", name) + attribute("Nullable", nullable) +
			byDefault + attribute("CollectionKind", kind) + unique + "/>")
	}
	b.WriteString(after + "</" + element + ">\n")
}

func attribute(name, value string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(value)) // a buffer takes everything
	return " " + name + `="` + b.String() + `"`
}
