package dav_test

import (
	"net/http"
	"strings"
	"testing"

	"cellar/barfs/xmltree"
	"cellar/dav/davtest"
)

// TestBoxURL: an application finds its box by its schema, if the caller may read it (contract 1.11.1).
func TestBoxURL(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{"cell1", "app"}, UnitURL: "https://unit.example/"})
	s.Account("app", "me")
	s.Account("cell1", "user", "r")
	create(s, "cell1", "Box", map[string]any{"Name": "named", "Schema": "https://app.unit.example/"})
	create(s, "cell1", "Box", map[string]any{"Name": "foreign", "Schema": "https://x.example/app/"})
	get := func(schema string) string {
		t.Helper()
		r := s.Request("GET", "/cell1/__box").WithQuery("schema", schema).Expect().Status(http.StatusOK)
		url := r.JSON().Object().Value("Url").String().Raw()
		r.Header("Location").IsEqual(url)
		return url
	}
	for schema, want := range map[string]string{
		"https://app.unit.example/": "named", "https://unit.example/app/": "named", "personium-localunit:/app/": "named",
		"https://x.example/app/": "foreign", "": "__", "https://unit.example/cell1/": "__",
	} {
		if got := get(schema); got != "https://unit.example/cell1/"+want {
			t.Errorf("%q is %s", schema, got)
		}
	}
	davtest.Error(s.Request("GET", "/cell1/__box").WithQuery("schema", "https://none.example/").Expect(), "PR403-AU-0002")
	davtest.Error(s.As("user", "GET", "/cell1/__box").WithQuery("schema", "https://x.example/app/").Expect(), "PR403-AU-0002")
	davtest.Error(s.Anonymous().GET("/cell1/__box").WithQuery("schema", "https://none.example/").Expect(), "PR401-AU-0001")
	// Without a schema it is the caller's own application.
	token := s.Token("cell1", "user", map[string]string{"client_id": "https://unit.example/app/", "client_secret": tokenFor(s, "app", "me", "https://unit.example/cell1/")}).Value("access_token").String().Raw()
	s.Request("ACL", "/cell1/named").WithBytes([]byte(strings.ReplaceAll(s.ACL("/cell1", davtest.ACE{Role: "r", Privileges: "D:read"}), s.URL+"/", "https://unit.example/"))).Expect().Status(http.StatusOK)
	s.With(token, "GET", "/cell1/__box").Expect().Status(http.StatusOK).Header("Location").IsEqual("https://unit.example/cell1/named")
}

// TestMetadataOfControl: $metadata of control objects names what there is (contract 1.16).
func TestMetadataOfControl(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	for path, wants := range map[string][]string{
		"/cell1/__ctl/$metadata": {
			`<EntityType Name="Role"><Key><PropertyRef Name="Name"/><PropertyRef Name="_Box.Name"/></Key>`, `<Property Name="EventExternal" Type="Edm.Boolean" Nullable="true"/>`,
			`<NavigationProperty Name="_Account" Relationship="CellCtl.Account-Role" FromRole="Role" ToRole="Account"/>`,
			`<Association Name="Box-Role"><End Type="CellCtl.Box" Multiplicity="0..1" Role="Box"/><End Type="CellCtl.Role" Multiplicity="*" Role="Role"/></Association>`,
			`<EntitySet Name="Account" EntityType="CellCtl.Account"/>`,
		},
		"/__ctl/$metadata": {`<EntityType Name="Cell"><Key><PropertyRef Name="Name"/></Key>`},
	} {
		r := s.Request("GET", path).Expect().Status(http.StatusOK)
		r.Header("Content-Type").IsEqual("application/xml; charset=utf-8")
		body := r.Body().Raw()
		if _, err := xmltree.Parse([]byte(body)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %s in\n%s", path, want, body)
			}
		}
		davtest.Error(s.Request("DELETE", path).Expect(), "PR405-MC-0001")
		davtest.Error(s.Anonymous().GET(path).Expect(), "PR401-AU-0001")
	}
	s.Request("GET", "/cell1").WithHeader("Accept", "application/xml").Expect().Status(http.StatusOK).Body().
		Contains(`<cell xmlns="urn:x-personium:xmlns"><uuid>`).Contains("<ctl>" + s.URL + "/cell1/__ctl/</ctl></cell>")
	s.Request("GET", "/cell1").WithHeader("Accept", "text/html,application/xml;q=0.9").Expect().JSON().Object().ContainsKey("cell")
	s.Anonymous().GET("/crossdomain.xml").Expect().Status(http.StatusOK).Body().Contains(`<allow-access-from domain="*"/>`)
}
