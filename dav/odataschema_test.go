package dav_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/dav/davtest"
)

const mkODataCollection = `<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype><D:collection/><p:odata/></D:resourcetype></D:prop></D:set></D:mkcol>`

// TestSchemaOfUserData: an application makes the schema of its data by requests, and what the data rule
// out is refused (contract 1.17.3).
func TestSchemaOfUserData(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Request("MKCOL", "/cell1/b").Expect().Status(http.StatusCreated)
	s.Request("MKCOL", "/cell1/b/data").WithText(mkODataCollection).Expect().Status(http.StatusCreated)
	const col = "/cell1/b/data"
	type object map[string]any
	send := func(method, path string, body any) *httpexpect.Response {
		r := s.Request(method, col+path)
		if body != nil {
			r = r.WithJSON(body)
		}
		return r.Expect()
	}
	made := func(set string, body object) {
		t.Helper()
		r := send("POST", "/$metadata/"+set, body).Status(http.StatusCreated)
		location := strings.TrimPrefix(r.Header("Location").Raw(), s.URL+col)
		send("GET", location, nil).Status(http.StatusOK).JSON().Path("$.d.results.Name").IsEqual(body["Name"])
	}
	refused := func(method, path string, body any, code string) {
		t.Helper()
		unchanged(t, s, func() { davtest.Error(send(method, path, body), code) })
	}
	names := func(path string) string {
		t.Helper()
		var all []string
		for _, v := range send("GET", "/$metadata/"+path, nil).Status(http.StatusOK).JSON().Path("$.d.results[*].Name").Array().Iter() {
			all = append(all, v.String().Raw())
		}
		return strings.Join(all, " ")
	}
	uri := func(of string) object { return object{"uri": s.URL + col + "/$metadata/" + of} }

	made("EntityType", object{"Name": "Animal"})
	made("EntityType", object{"Name": "Owner"})
	made("ComplexType", object{"Name": "Size"})
	made("ComplexTypeProperty", object{"Name": "weight", "_ComplexType.Name": "Size", "Type": "Edm.Double"})
	made("Property", object{"Name": "name", "_EntityType.Name": "Animal", "Type": "Edm.String", "Nullable": false})
	made("Property", object{"Name": "legs", "_EntityType.Name": "Animal", "Type": "Edm.Int32", "DefaultValue": "4"})
	made("Property", object{"Name": "size", "_EntityType.Name": "Animal", "Type": "Size"})
	made("Property", object{"Name": "tags", "_EntityType.Name": "Animal", "Type": "Edm.String", "CollectionKind": "List"})
	made("AssociationEnd", object{"Name": "pets", "_EntityType.Name": "Animal", "Multiplicity": "*"})
	made("AssociationEnd", object{"Name": "owner", "_EntityType.Name": "Owner", "Multiplicity": "0..1"})
	send("POST", "/$metadata/AssociationEnd(Name='pets',_EntityType.Name='Animal')/$links/_AssociationEnd", uri("AssociationEnd(Name='owner',_EntityType.Name='Owner')")).Status(http.StatusNoContent)

	if got := names("EntityType") + "; " + names("Property") + "; " + names("EntityType('Animal')/_Property") + "; " + names("AssociationEnd(Name='pets',_EntityType.Name='Animal')/_AssociationEnd"); got != "Animal Owner; name legs size tags; name legs size tags; owner" {
		t.Errorf("the schema has %s", got)
	}
	if got := names("Property?$filter=_EntityType.Name%20eq%20'Animal'%20and%20Type%20eq%20'Edm.String'&$orderby=Name%20desc"); got != "tags name" {
		t.Errorf("texts are %s", got)
	}
	s.Request("GET", col+"/$metadata").Expect().Status(http.StatusOK).Body().Contains(`<NavigationProperty Name="_Owner"`).Contains(`<EntitySet Name="Animal"`)
	send("GET", "/$metadata/$metadata", nil).Status(http.StatusOK).Body().Contains(`<EntityType Name="AssociationEnd">`)

	for name, c := range map[string]struct {
		method, path string
		body         any
		code         string
	}{
		"a type twice":           {"POST", "EntityType", object{"Name": "Animal"}, "PR409-OD-0003"},
		"a bad name":             {"POST", "EntityType", object{"Name": "-x"}, "PR400-OD-0006"},
		"no name":                {"POST", "EntityType", object{}, "PR400-OD-0009"},
		"an unknown field":       {"POST", "EntityType", object{"Name": "x", "More": "y"}, "PR400-OD-0007"},
		"a property twice":       {"POST", "Property", object{"Name": "name", "_EntityType.Name": "Animal", "Type": "Edm.String"}, "PR409-OD-0003"},
		"of no type":             {"POST", "Property", object{"Name": "x", "_EntityType.Name": "None", "Type": "Edm.String"}, "PR400-OD-0024"},
		"an unknown type":        {"POST", "Property", object{"Name": "x", "_EntityType.Name": "Animal", "Type": "Edm.Guid"}, "PR400-OD-0001"},
		"a key":                  {"POST", "Property", object{"Name": "x", "_EntityType.Name": "Animal", "Type": "Edm.String", "IsKey": true}, "PR400-OD-0042"},
		"a circle":               {"POST", "ComplexTypeProperty", object{"Name": "x", "_ComplexType.Name": "Size", "Type": "Size"}, "PR400-OD-0001"},
		"a wrong multiplicity":   {"POST", "AssociationEnd", object{"Name": "x", "_EntityType.Name": "Animal", "Multiplicity": "2"}, "PR400-OD-0006"},
		"an end twice":           {"POST", "AssociationEnd", object{"Name": "pets", "_EntityType.Name": "Animal", "Multiplicity": "*"}, "PR409-OD-0003"},
		"no set":                 {"POST", "Nope", object{}, "PR404-OD-0001"},
		"a type that is used":    {"DELETE", "ComplexType('Size')", nil, "PR409-OD-0001"},
		"a type with ends":       {"DELETE", "EntityType('Owner')", nil, "PR409-OD-0001"},
		"an end that is joined":  {"DELETE", "AssociationEnd(Name='pets',_EntityType.Name='Animal')", nil, "PR409-OD-0001"},
		"joined twice":           {"POST", "AssociationEnd(Name='pets',_EntityType.Name='Animal')/$links/_AssociationEnd", uri("AssociationEnd(Name='owner',_EntityType.Name='Owner')"), "PR409-OD-0002"},
		"nothing":                {"DELETE", "EntityType('None')", nil, "PR404-OD-0002"},
		"a rename":               {"PUT", "EntityType('Animal')", object{"Name": "Beast"}, "PR405-MC-0001"},
		"a renamed property":     {"PUT", "Property(Name='legs',_EntityType.Name='Animal')", object{"Name": "feet", "_EntityType.Name": "Animal", "Type": "Edm.Int32"}, "PR400-OD-0006"},
		"a property of no type":  {"DELETE", "Property(Name='legs',_EntityType.Name='None')", nil, "PR404-OD-0002"},
		"a property that is not": {"MERGE", "Property(Name='arms',_EntityType.Name='Animal')", object{}, "PR404-OD-0002"},
	} {
		t.Run(name, func(t *testing.T) { refused(c.method, "/$metadata/"+c.path, c.body, c.code) })
	}

	// The data follow it.
	send("POST", "/Animal", object{"__id": "a", "name": "Rex", "size": object{"weight": 12.5}}).Status(http.StatusCreated).JSON().Path("$.d.results.legs").IsEqual(4)
	send("POST", "/Owner", object{"__id": "o"}).Status(http.StatusCreated)
	send("POST", "/Owner('o')/$links/_Animal", object{"uri": s.URL + col + "/Animal('a')"}).Status(http.StatusNoContent)
	davtest.Error(send("POST", "/Animal", object{"legs": 3}), "PR400-OD-0009")

	// What they rule out is refused, what they allow is made.
	refused("DELETE", "/$metadata/EntityType('Animal')", nil, "PR409-OD-0001")
	refused("DELETE", "/$metadata/Property(Name='legs',_EntityType.Name='Animal')", nil, "PR409-OD-0001")
	refused("POST", "/$metadata/Property", object{"Name": "must", "_EntityType.Name": "Animal", "Type": "Edm.String", "Nullable": false}, "PR409-OD-0001")
	refused("POST", "/$metadata/ComplexTypeProperty", object{"Name": "must", "_ComplexType.Name": "Size", "Type": "Edm.String", "Nullable": false}, "PR409-OD-0001")
	refused("MERGE", "/$metadata/Property(Name='legs',_EntityType.Name='Animal')", object{"Type": "Edm.String"}, "PR409-OD-0001")
	refused("DELETE", "/$metadata/AssociationEnd(Name='pets',_EntityType.Name='Animal')/$links/_AssociationEnd(Name='owner',_EntityType.Name='Owner')", nil, "PR409-OD-0001")
	made("Property", object{"Name": "note", "_EntityType.Name": "Animal", "Type": "Edm.String"})
	send("MERGE", "/$metadata/Property(Name='legs',_EntityType.Name='Animal')", object{"Type": "Edm.Double"}).Status(http.StatusNoContent)
	send("GET", "/Animal('a')", nil).JSON().Path("$.d.results.note").IsNull()
	send("DELETE", "/Animal('a')", nil).Status(http.StatusNoContent)
	send("DELETE", "/$metadata/AssociationEnd(Name='pets',_EntityType.Name='Animal')/$links/_AssociationEnd(Name='owner',_EntityType.Name='Owner')", nil).Status(http.StatusNoContent)
	send("DELETE", "/$metadata/AssociationEnd(Name='pets',_EntityType.Name='Animal')", nil).Status(http.StatusNoContent)
	send("DELETE", "/$metadata/EntityType('Animal')", nil).Status(http.StatusNoContent)
	send("DELETE", "/$metadata/ComplexType('Size')", nil).Status(http.StatusNoContent)
	if got := names("EntityType") + "; " + names("Property") + "; " + names("AssociationEnd"); got != "Owner; ; owner" {
		t.Errorf("what is left: %s", got)
	}
	davtest.Error(send("GET", "/Animal", nil), "PR404-OD-0001")

	// A snapshot has all of it.
	s.Export("cell1", "e")
	s.Request("POST", "/cell1/__import").WithJSON(object{"Name": "e"}).Expect().Status(http.StatusAccepted)
	s.Request("GET", "/cell1/__import").WithHeader("Prefer", "wait=60").Expect().JSON().Object().Value("status").IsEqual("ready")
	if got := names("EntityType") + "; " + names("AssociationEnd"); got != "Owner; owner" {
		t.Errorf("after an import: %s", got)
	}
}

// TestSchemaIsBoundedByRequests: a collection has at most 100 entity types, however they are made.
func TestSchemaIsBoundedByRequests(t *testing.T) {
	t.Parallel()
	davtest.Long(t)
	s := davtest.New(t)
	s.Request("MKCOL", "/cell1/__/data").WithText(mkODataCollection).Expect().Status(http.StatusCreated)
	post := func(i int) *httpexpect.Response {
		return s.Request("POST", "/cell1/__/data/$metadata/EntityType").WithJSON(map[string]string{"Name": fmt.Sprint("T", i)}).Expect()
	}
	for i := range 100 {
		post(i).Status(http.StatusCreated)
	}
	davtest.Error(post(100), "PR400-OD-0033")
}
