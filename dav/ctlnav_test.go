package dav_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cellar/cellfs"
	"cellar/cellfs/control"
	"cellar/dav/davtest"
)

// TestExpand: $expand shows related objects in the place of the links to them (contract 1.16.3).
func TestExpand(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	create(s, "cell1", "Box", map[string]any{"Name": "box"})
	create(s, "cell1", "Role", map[string]any{"Name": "reader", "_Box.Name": "box"})
	s.Account("cell1", "me", "r")
	roles := s.Request("GET", "/cell1/__ctl/Role").WithQuery("$expand", "_Box,_Account").WithQuery("$orderby", "Name").Expect().Status(http.StatusOK).JSON()
	roles.Path("$.d.results[*]._Box[*].Name").IsEqual([]string{"box"})
	roles.Path("$.d.results[0].Name").IsEqual("r")
	roles.Path("$.d.results[0]._Box").IsEqual([]any{})
	roles.Path("$.d.results[0]._Account[*].Name").IsEqual([]string{"me"})
	roles.Path("$.d.results[0]._Account[0]._Role.__deferred.uri").IsEqual(s.URL + "/cell1/__ctl/Account('me')/_Role")
	roles.Path("$.d.results[1]._Relation.__deferred.uri").NotNull()
	one := s.Request("GET", "/cell1/__ctl/Account('me')").WithQuery("$expand", "_Role").WithQuery("$select", "Name").Expect().Status(http.StatusOK).JSON()
	one.Path("$.d.results._Role[*].Name").IsEqual([]string{"r"})
	s.Request("GET", "/cell1/__ctl/Account('me')/_Role").WithQuery("$expand", "_Account").Expect().Status(http.StatusOK).
		JSON().Path("$.d.results[0]._Account[*].Name").IsEqual([]string{"me"})

	for query, code := range map[string]string{
		"$expand=_Nothing":                    "PR400-OD-0026",
		"$expand=_Rule":                       "PR400-OD-0026",
		"$expand=Name":                        "PR400-OD-0026",
		"$expand=":                            "PR400-OD-0026",
		"$expand=_Box,":                       "PR400-OD-0026",
		"$expand=_Box,_Account,_Relation":     "PR400-OD-0039",
		"$expand=_Box&$top=101":               "PR400-OD-0029",
		"$expand=_Box,_Box,_Account&$top=100": "",
	} {
		r := s.Request("GET", "/cell1/__ctl/Role").WithQueryString(query).Expect()
		if code == "" {
			r.Status(http.StatusOK)
		} else {
			davtest.Error(r, code)
		}
	}
}

// TestExpandIsBounded: an answer shows all of what an object is related with, or is refused.
func TestExpandIsBounded(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	create(s, "cell1", "Box", map[string]any{"Name": "box"})
	add := func(from, to int) {
		t.Helper()
		err := s.FS.Update(t.Context(), func(tx cellfs.Tx) error {
			st, err := control.In(s.FS, tx, "cell1")
			for i := from; i < to && err == nil; i++ {
				_, err = st.Create(control.SetOf(cellfs.SetRole), control.Values{"Name": fmt.Sprint("r", i), "_Box.Name": "box"}, nil)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	get := func(path string) int {
		return s.Request("GET", "/cell1/__ctl/"+path).WithQuery("$expand", "_Role").Expect().Raw().StatusCode
	}
	add(0, 100)
	s.Request("GET", "/cell1/__ctl/Box").WithQuery("$expand", "_Role").Expect().Status(http.StatusOK).JSON().Path("$.d.results[0]._Role[*]").Array().Length().IsEqual(100)
	add(100, 101)
	davtest.Error(s.Request("GET", "/cell1/__ctl/Box").WithQuery("$expand", "_Role").Expect(), "PR400-OD-0039")
	add(101, 1000)
	if got := get("Box('box')"); got != http.StatusOK {
		t.Errorf("1,000 roles of one box: %d", got)
	}
	add(1000, 1001)
	davtest.Error(s.Request("GET", "/cell1/__ctl/Box('box')").WithQuery("$expand", "_Role").Expect(), "PR400-OD-0039")
}

// TestNavigationProperties: an object is made through a navigation property, together with its link
// or its owner, and belongs to another one by a link (contract 1.16.4).
func TestNavigationProperties(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	post := func(path string, body map[string]any) {
		t.Helper()
		s.Request("POST", "/cell1/__ctl/"+path).WithJSON(body).Expect().Status(http.StatusCreated)
	}
	refused := func(method, path string, body map[string]any, code string) {
		t.Helper()
		davtest.Error(s.Request(method, "/cell1/__ctl/"+path).WithJSON(body).Expect(), code)
	}
	post("Box", map[string]any{"Name": "box"})
	post("Box", map[string]any{"Name": "other"})
	post("Box('box')/_Role", map[string]any{"Name": "a"})
	s.Request("GET", "/cell1/__ctl/Role(Name='a',_Box.Name='box')").Expect().Status(http.StatusOK)
	refused("POST", "Box('box')/_Role", map[string]any{"Name": "a"}, "PR409-OD-0003")
	refused("POST", "Box('box')/_Role", map[string]any{"Name": "b", "_Box.Name": "other"}, "PR400-OD-0006")
	refused("POST", "Box('none')/_Role", map[string]any{"Name": "b"}, "PR404-OD-0002")
	refused("POST", "Box('box')/_Account", map[string]any{"Name": "b"}, "PR400-AU-0003")
	s.Request("POST", "/cell1/__ctl/Role(Name='a',_Box.Name='box')/_Account").WithHeader("X-Personium-Credential", davtest.AccountPassword).
		WithJSON(map[string]any{"Name": "me"}).Expect().Status(http.StatusCreated).Header("Location").IsEqual(s.URL + "/cell1/__ctl/Account('me')")
	s.Request("GET", "/cell1/__ctl/Account('me')/_Role").Expect().JSON().Path("$.d.results[*].Name").IsEqual([]string{"a"})
	post("Relation", map[string]any{"Name": "rel"})
	post("Relation('rel')/_ExtRole", map[string]any{"ExtRole": "https://x.example/__role/__/r"})
	post("Relation('rel')/_Role", map[string]any{"Name": "b"})
	s.Request("GET", "/cell1/__ctl/Relation('rel')/_Role").Expect().JSON().Path("$.d.results[*].Name").IsEqual([]string{"b"})

	// A link makes an object belong to a box, from either side.
	uri := func(of string) map[string]any { return map[string]any{"uri": s.URL + "/cell1/__ctl/" + of} }
	s.Request("POST", "/cell1/__ctl/Role('b')/$links/_Box").WithJSON(uri("Box('box')")).Expect().Status(http.StatusNoContent)
	s.Request("GET", "/cell1/__ctl/Role(Name='b',_Box.Name='box')").Expect().Status(http.StatusOK)
	refused("POST", "Role(Name='b',_Box.Name='box')/$links/_Box", uri("Box('other')"), "PR409-OD-0002")
	refused("DELETE", "Role(Name='b',_Box.Name='box')/$links/_Box('other')", nil, "PR404-OD-0002")
	s.Request("DELETE", "/cell1/__ctl/Role(Name='b',_Box.Name='box')/$links/_Box('box')").Expect().Status(http.StatusNoContent)
	s.Request("POST", "/cell1/__ctl/Box('other')/$links/_Role").WithJSON(uri("Role('b')")).Expect().Status(http.StatusNoContent)
	s.Request("GET", "/cell1/__ctl/Box('other')/$links/_Role").Expect().Status(http.StatusOK).JSON().Path("$.d.results[*].uri").
		IsEqual([]string{s.URL + "/cell1/__ctl/Role(Name='b',_Box.Name='other')"})
	refused("POST", "Role(Name='b',_Box.Name='other')/$links/_Box", uri("Box('none')"), "PR400-OD-0006")
	refused("DELETE", "Relation('rel')/$links/_ExtRole(ExtRole='https:%2F%2Fx.example%2F__role%2F__%2Fr',_Relation.Name='rel')", nil, "PR409-OD-0001")
	// The name that the object would get is taken.
	post("Role", map[string]any{"Name": "b"})
	refused("POST", "Role('b')/$links/_Box", uri("Box('other')"), "PR409-OD-0003")
	if log := s.Get("/cell1/__log/current/default.log"); !strings.Contains(log, "cellctl.Relation.navprop.Role.create") || !strings.Contains(log, "cellctl.Role.links.Box.create") {
		t.Errorf("not in the log:\n%s", log)
	}
}
