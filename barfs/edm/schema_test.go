package edm_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"cellar/barfs/edm"
)

func TestSchemaWithoutEnd(t *testing.T) {
	var s strings.Builder
	s.WriteString(`<Schema Namespace="UserData">`)
	for i := range 60 { // each contains the next twice: 2^60 paths, but no circle
		next := "Edm.String"
		if i < 59 {
			next = "T" + string(rune('a'+(i+1)/26)) + string(rune('a'+(i+1)%26))
		}
		name := "T" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		s.WriteString(`<ComplexType Name="` + name + `"><Property Name="a" Type="` + next + `"/><Property Name="b" Type="` + next + `"/></ComplexType>`)
	}
	s.WriteString(`</Schema>`)
	if _, err := edm.ParseSchema([]byte(s.String())); err != nil {
		t.Error(err)
	}
	circle := `<Schema><ComplexType Name="A"><Property Name="a" Type="B"/></ComplexType><ComplexType Name="B"><Property Name="a" Type="A"/></ComplexType></Schema>`
	if _, err := edm.ParseSchema([]byte(circle)); err == nil {
		t.Error("a circle of complex types is accepted")
	}
}

func TestCheckEntity(t *testing.T) {
	s, err := edm.ParseSchema([]byte(`<Schema><ComplexType Name="C"><Property Name="x" Type="Edm.Boolean" Nullable="false"/></ComplexType><EntityType Name="E">` +
		`<Property Name="n" Type="Edm.Int32" Nullable="false"/><Property Name="s" Type="Edm.String"/><Property Name="l" Type="C" CollectionKind="List"/>` +
		`<Property Name="d" Type="Edm.DateTime"/><Property Name="f" Type="Edm.Double" Nullable="false" DefaultValue="0.0"/></EntityType></Schema>`))
	if err != nil {
		t.Fatal(err)
	}
	for doc, ok := range map[string]bool{
		`{"n":1}`: true, `{"n":1,"s":null,"l":[{"x":true}],"d":"/Date(1)/","f":1.5,"__id":"a","free":"text"}`: true,
		`{}`: false, `{"n":"1"}`: false, `{"n":1.5}`: false, `{"n":null}`: false, `{"n":1,"s":2}`: false, `{"n":1,"l":{}}`: false,
		`{"n":1,"l":[{}]}`: false, `{"n":1,"d":"today"}`: false, `{"n":1,"bad key":1}`: false, `{"n":1,"free":{}}`: false, `{"n":1,"f":null}`: true,
		`{"n":-2147483648}`: true, `{"n":-2147483649}`: false, `{"n":1,"d":"/Date(253402300799999)/"}`: true, `{"n":1,"d":"/Date(253402300800000)/"}`: false,
		`{"n":1,"f":1e-308}`: false, `{"n":1,"free":1e309}`: false, `{"n":1,"free":null}`: true, `{"n":1,"l":[{"x":true,"y":1}]}`: false,
		`{"n":1,"s":"` + strings.Repeat("x", 51_200) + `"}`: true, `{"n":1,"s":"` + strings.Repeat("x", 51_201) + `"}`: false,
		`{"n":1,"free":"` + strings.Repeat("x", 51_201) + `"}`: false,
	} {
		if err := s.Checker(edm.Limits{}).Check("E", []byte(doc)); (err == nil) != ok {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

// walk makes a schema of the elements, and returns the cause of its failure.
func walk(elements string, l edm.Limits) (*edm.Schema, string) {
	s, err := edm.ParseSchema([]byte(`<Schema Namespace="UserData">` + elements + `</Schema>`))
	if err == nil {
		s, err = s.Walk(l, func(string, ...string) error { return nil }, func(string) error { return nil })
	}
	if err != nil {
		return s, err.Error()
	}
	return s, ""
}

// properties are n of the given type.
func properties(prefix string, n int, edm string) (x string) {
	for i := range n {
		x += fmt.Sprintf(`<Property Name="%s%d" Type="%s"/>`, prefix, i, edm)
	}
	return x
}

func element(kind, name, inside string) string {
	return "<" + kind + ` Name="` + name + `">` + inside + "</" + kind + ">"
}

// TestSchemaLimits makes what the limits just allow, and one more.
func TestSchemaLimits(t *testing.T) {
	const (
		str       = "Edm.String"
		structure = "EntityType structure hierarchy exceeds the limit or number of properties exceeds the limit."
	)
	types := ""
	for i := range edm.MaxEntityTypes {
		types += element("EntityType", fmt.Sprint("e", i), "")
	}
	// each complex type contains the one before
	depth := func(n int) (x string) {
		for i := range n {
			inside := properties("s", 1, str)
			if i > 0 {
				inside = properties("c", 1, fmt.Sprint("UserData.c", i-1))
			}
			x += element("ComplexType", fmt.Sprint("c", i), inside)
		}
		return x + element("EntityType", "e", properties("c", 1, fmt.Sprint("UserData.c", n-1)))
	}
	for name, c := range map[string]struct{ schema, cause string }{
		"types":               {types, ""},
		"one type more":       {types + element("EntityType", "last", ""), "EntityType count exceeds the limit."},
		"properties":          {element("EntityType", "e", properties("p", edm.MaxProperties, str)), ""},
		"one property more":   {element("EntityType", "e", properties("p", edm.MaxProperties+1, str)), structure},
		"with complex":        {element("ComplexType", "c", properties("p", 49, str)) + element("EntityType", "e", properties("c", 8, "c")), ""},
		"one more in complex": {element("ComplexType", "c", properties("p", 49, str)) + element("EntityType", "e", properties("c", 8, "c")+properties("p", 1, str)), structure},
		"complex type":        {element("ComplexType", "c", properties("p", 50, str)), ""},
		"too wide":            {element("ComplexType", "c", properties("p", 51, str)), structure},
		"20 complex":          {element("ComplexType", "c", "") + element("EntityType", "e", properties("c", 20, "c")), ""},
		"21 complex":          {element("ComplexType", "c", "") + element("EntityType", "e", properties("c", 21, "c")), structure},
		"depth 4":             {depth(3), ""},
		"depth 5":             {depth(4), structure},
	} {
		if _, cause := walk(c.schema, edm.Limits{}); cause != c.cause {
			t.Errorf("%s: %q, want %q", name, cause, c.cause)
		}
	}
}

// TestDynamicProperties: what entities add counts.
func TestDynamicProperties(t *testing.T) {
	s, cause := walk(element("EntityType", "e", properties("p", 3, "Edm.String")), edm.Limits{})
	if cause != "" {
		t.Fatal(cause)
	}
	c := s.Checker(edm.Limits{Properties: 5})
	for doc, ok := range map[string]bool{`{"a":1,"b":2}`: true, `{"a":1}`: true, `{"c":1,"d":2,"f":3}`: false} {
		if err := c.Check("e", []byte(doc)); (err == nil) != ok {
			t.Errorf("%s: %v", doc, err)
		}
	}
	if err := c.Check("e", []byte(`{"x":1,"y":1,"z":1}`)); err == nil {
		t.Error("a sixth property is accepted")
	}
}

func TestAssociations(t *testing.T) {
	types := element("EntityType", "a", "") + element("EntityType", "b", "")
	association := func(role1, m1, role2, m2 string) string {
		return fmt.Sprintf(`<Association Name="n"><End Role="%s" Type="UserData.a" Multiplicity="%s"/><End Role="%s" Type="UserData.b" Multiplicity="%s"/></Association>`, role1, m1, role2, m2)
	}
	const parse = "JSON/XML parse error."
	for elements, want := range map[string]string{
		association("a:x", "*", "b:y", "*"):                                                      "",
		association("a:x", "*", "b:y", "0..1"):                                                   "",
		association("a:x", "0..1", "b:y", "1"):                                                   "",
		association("a:x", "1", "b:y", "1"):                                                      "Cannot create $links because multiplicity is [1:1].",
		association("a:x", "2", "b:y", "1"):                                                      parse,
		association("x", "*", "b:y", "*"):                                                        "[x] file format error.",
		association("a:x", "*", "b:", "*"):                                                       "[b:] file format error.",
		association("a:x:y", "*", "b:y", "*"):                                                    "[a:x:y] file format error.",
		association("a:-x", "*", "b:y", "*"):                                                     "request body format error. field [Name]",
		association("a:x", "*", "b:y", "*") + association("a:z", "*", "b:z", "*"):                "Relation between EntityTypes already exists.",
		association("a:x", "*", "b:y", "*") + association("a:x", "*", "b:z", "*"):                "The entity already exists.",
		element("EntityType", "c", `<NavigationProperty Name="_a" Relationship="UserData.n"/>`):  parse,
		`<EntityContainer><EntitySet Name="a" EntityType="UserData.a"/></EntityContainer>`:       "",
		`<EntityContainer><EntitySet Name="a" EntityType="UserData.z"/></EntityContainer>`:       parse,
		`<EntityContainer><AssociationSet Name="s" Association="UserData.n"/></EntityContainer>`: parse,
		association("a:x", "*", "b:y", "*") + `<EntityContainer><AssociationSet Name="s" Association="UserData.n"><End Role="a:x" EntitySet="a"/></AssociationSet></EntityContainer>`: parse,
	} {
		made, cause := walk(types+elements, edm.Limits{})
		if cause != want {
			t.Errorf("%s: %q, want %q", elements, cause, want)
		}
		if cause != "" {
			continue
		}
		again, err := edm.ParseSchema(made.EDMX())
		if err != nil || string(again.EDMX()) != string(made.EDMX()) {
			t.Errorf("written and read again: %+v, %v, want %+v", again, err, made)
		}
	}
}

// TestSchemaIsBounded reads schemas on both sides of the limits.
func TestSchemaIsBounded(t *testing.T) {
	padded := func(size int) string {
		const around = "<Edmx></Edmx>"
		return "<Edmx>" + strings.Repeat(" ", size-len(around)) + "</Edmx>"
	}
	elements := func(n int) string { return "<Edmx>" + strings.Repeat("<x/>", n-1) + "</Edmx>" }
	for name, x := range map[string]struct{ text, cause string }{
		"as long as fits":     {padded(edm.MaxSchema), ""},
		"a byte too long":     {padded(edm.MaxSchema + 1), "more than 4194304 bytes"},
		"as many elements":    {elements(edm.MaxSchemaElements), ""},
		"an element too many": {elements(edm.MaxSchemaElements + 1), "more than 100000 elements"},
	} {
		_, err := edm.ParseSchema([]byte(x.text))
		var invalid *edm.Invalid
		if x.cause == "" && err != nil || x.cause != "" && (!errors.As(err, &invalid) || !strings.Contains(invalid.Cause, x.cause)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
