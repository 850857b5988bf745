package dav_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/dav/davtest"
)

// TestCellEntities: cells as control objects (contract 1.16.5).
func TestCellEntities(t *testing.T) {
	t.Parallel()
	s := davtest.New(t, davtest.Config{Cells: []string{}})
	post := func(body string) *httpexpect.Response {
		return s.Request("POST", "/__ctl/Cell").WithText(body).Expect()
	}
	r := post(`{"Name":"cell1"}`).Status(http.StatusCreated)
	r.Header("Location").IsEqual(s.URL + "/__ctl/Cell('cell1')")
	r.Header("DataServiceVersion").IsEqual("2.0")
	if tag := r.Header("ETag").Raw(); !regexp.MustCompile(`^W/"1-[0-9]{13}"$`).MatchString(tag) {
		t.Errorf("ETag %s", tag)
	}
	o := r.JSON().Object().Value("d").Object().Value("results").Object()
	o.Value("Name").IsEqual("cell1")
	o.Value("__metadata").Object().Value("type").IsEqual("UnitCtl.Cell")
	o.Value("__published").String().Match(`^/Date\([0-9]{13}\)/$`)
	for body, code := range map[string]string{
		`{"Name":"Cell1"}`: "PR400-OD-0006", `{"Name":"-a"}`: "PR400-OD-0006", `{"Name":"` + strings.Repeat("a", 129) + `"}`: "PR400-OD-0006",
		`{"Name":1}`: "PR400-OD-0006", `{"Name":"cell1"}`: "PR409-OD-0003", `{}`: "PR400-OD-0009", `{"Name":null}`: "PR400-OD-0009",
		`{"Name":"a","X":"y"}`: "PR400-OD-0007", `{"Name":"a","__published":"x"}`: "PR400-OD-0007", `[]`: "PR400-OD-0001", `{`: "PR400-OD-0001", ``: "PR400-OD-0001",
	} {
		davtest.Error(post(body), code)
	}
	post(`{"Name":"` + strings.Repeat("a", 128) + `"}`).Status(http.StatusCreated)
	s.Request("GET", "/__ctl/Cell").WithQuery("$inlinecount", "allpages").Expect().Status(http.StatusOK).
		JSON().Object().Value("d").Object().Value("__count").IsEqual("2")
	s.Request("GET", "/__ctl/Cell(Name='cell1')").Expect().Status(http.StatusOK)
	davtest.Error(s.Request("GET", "/__ctl/Cell('none')").Expect(), "PR404-OD-0002")
	davtest.Error(s.Request("GET", "/__ctl/Box('none')").Expect(), "PR404-OD-0001")
	davtest.Error(s.Request("GET", "/__ctl/Cell(none)").Expect(), "PR400-OD-0004")
	davtest.Error(s.Anonymous().GET("/__ctl/Cell").Expect(), "PR401-AU-0001")

	// With another name it is the same cell.
	s.Mkcol("/cell1/b")
	s.Put("/cell1/b/f", "content")
	s.Account("cell1", "me", "r")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:root"})
	s.As("me", "GET", "/cell1/b/f").Expect().Status(http.StatusOK)
	davtest.Error(s.Request("PUT", "/__ctl/Cell('cell1')").WithHeader("If-Match", `W/"9-9"`).WithText(`{"Name":"x"}`).Expect(), "PR412-OD-0002")
	davtest.Error(s.Request("PUT", "/__ctl/Cell('cell1')").WithText(`{"Name":"`+strings.Repeat("a", 128)+`"}`).Expect(), "PR409-OD-0003")
	davtest.Error(s.Request("PUT", "/__ctl/Cell('cell1')").WithText(`{"Name":"X"}`).Expect(), "PR400-OD-0006")
	s.Request("PUT", "/__ctl/Cell('cell1')").WithHeader("If-Match", r.Header("ETag").Raw()).WithText(`{"Name":"cell2"}`).Expect().Status(http.StatusNoContent).Header("ETag").NotEmpty()
	davtest.Error(s.Request("PUT", "/__ctl/Cell('cell2')").WithHeader("If-Match", r.Header("ETag").Raw()).WithText(`{"Name":"x"}`).Expect(), "PR412-OD-0002")
	davtest.Error(s.Request("GET", "/cell1/b/f").Expect(), "PR404-DV-0003")
	s.As("me", "GET", "/cell2/b/f").Expect().Status(http.StatusOK).Body().IsEqual("content")
	s.Request("POST", "/__ctl/Cell").WithText(`{"Name":"cell1"}`).Expect().Status(http.StatusCreated)
	davtest.Error(s.As("me", "GET", "/cell1/__").Expect(), "PR401-AU-0011") // another cell

	davtest.Error(s.Request("DELETE", "/__ctl/Cell('cell2')").Expect(), "PR409-OD-0001")
	s.Request("DELETE", "/__ctl/Cell('cell1')").Expect().Status(http.StatusNoContent)
	davtest.Error(s.Request("DELETE", "/__ctl/Cell('cell1')").Expect(), "PR404-OD-0002")
	s.Request("DELETE", "/cell2").Expect().Status(http.StatusPreconditionFailed)
	davtest.Error(s.Request("DELETE", "/cell2").WithHeader("X-Personium-Recursive", "True").Expect(), "PR412-MC-0001")
	s.Request("DELETE", "/cell2").WithHeader("X-Personium-Recursive", "true").Expect().Status(http.StatusNoContent)
	davtest.Error(s.Request("GET", "/cell2").Expect(), "PR404-DV-0003")
}

// TestControlObjects makes, changes and removes objects of every set.
func TestControlObjects(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	ctl := "/cell1/__ctl/"
	s.Request("POST", ctl+"Box").WithText(`{"Name":"b","Schema":"https://app.example/"}`).Expect().Status(http.StatusCreated)
	for body, code := range map[string]string{
		`{"Name":"c","Schema":"https://app.example/"}`: "PR409-OD-0003", `{"Name":"b"}`: "PR409-OD-0003",
		`{"Name":"c","Schema":"https://app.example"}`: "PR400-OD-0050", `{"Name":"_a"}`: "PR400-OD-0006", `{"Name":"__"}`: "PR400-OD-0006",
		`{"Name":"c","Schema":"app"}`: "PR400-OD-0050",
	} {
		davtest.Error(s.Request("POST", ctl+"Box").WithText(body).Expect(), code)
	}
	for _, c := range []struct{ set, body, key string }{
		{"Role", `{"Name":"r"}`, "Role(Name='r',_Box.Name=null)"},
		{"Role", `{"Name":"r","_Box.Name":"b"}`, "Role(Name='r',_Box.Name='b')"},
		{"Relation", `{"Name":"+friend:x","_Box.Name":"b"}`, "Relation(Name='+friend:x',_Box.Name='b')"},
		{"Relation", `{"Name":"rel"}`, "Relation(Name='rel',_Box.Name=null)"},
		{"ExtCell", `{"Url":"https://other.example/cell/"}`, "ExtCell('https:%2F%2Fother.example%2Fcell%2F')"},
		{"ExtRole", `{"ExtRole":"https://other.example/cell/__role/__/r","_Relation.Name":"rel"}`,
			"ExtRole(ExtRole='https:%2F%2Fother.example%2Fcell%2F__role%2F__%2Fr',_Relation.Name='rel',_Relation._Box.Name=null)"},
		{"Rule", `{"Name":"rule","Action":"log","EventType":"x"}`, "Rule(Name='rule',_Box.Name=null)"},
	} {
		r := s.Request("POST", ctl+c.set).WithText(c.body).Expect().Status(http.StatusCreated)
		r.Header("Location").IsEqual(s.URL + ctl + c.key)
		s.Request("GET", ctl+c.key).Expect().Status(http.StatusOK).Header("ETag").IsEqual(r.Header("ETag").Raw())
		davtest.Error(s.Request("POST", ctl+c.set).WithText(c.body).Expect(), "PR409-OD-0003")
		tag := r.Header("ETag").Raw()
		davtest.Error(s.Request("MERGE", ctl+c.key).WithHeader("If-Match", strings.Trim(tag, "W/")).WithText(`{}`).Expect(), "PR412-OD-0002")
		changed := s.Request("MERGE", ctl+c.key).WithHeader("If-Match", tag).WithText(`{}`).Expect().Status(http.StatusNoContent).Header("ETag").Raw()
		if !strings.HasPrefix(changed, `W/"2-`) {
			t.Errorf("%s: after a change %s", c.key, changed)
		}
		davtest.Error(s.Request("DELETE", ctl+c.key).WithHeader("If-Match", tag).Expect(), "PR412-OD-0002")
	}
	for _, c := range []struct{ set, body, code string }{
		{"Role", `{"Name":"r","_Box.Name":"none"}`, "PR400-OD-0024"},
		{"ExtRole", `{"ExtRole":"https://x.example/r","_Relation.Name":"none"}`, "PR400-OD-0024"},
		{"ExtCell", `{"Url":"other"}`, "PR400-OD-0006"},
		{"Rule", `{"Name":"x"}`, "PR400-OD-0009"},
		{"Rule", `{"Name":"x","Action":"format the disk"}`, "PR400-OD-0006"},
		{"Rule", `{"Name":"x","Action":"log","EventExternal":"yes"}`, "PR400-OD-0006"},
		{"Account", `{"Name":"-me"}`, "PR400-OD-0006"},
		{"Nothing", `{}`, "PR404-OD-0001"},
	} {
		davtest.Error(s.Request("POST", ctl+c.set).WithHeader("X-Personium-Credential", "a-password").WithText(c.body).Expect(), c.code)
	}
	davtest.Error(s.Request("POST", ctl+"Account").WithText(`{"Name":"me"}`).Expect(), "PR400-AU-0003")
	davtest.Error(s.Request("POST", ctl+"Account").WithHeader("X-Personium-Credential", "short").WithText(`{"Name":"me"}`).Expect(), "PR400-AU-0001")
	davtest.Error(s.Request("POST", ctl+"Account").WithHeader("X-Personium-Credential", strings.Repeat("a", 129)).WithText(`{"Name":"me"}`).Expect(), "PR400-AU-0001")
	body := s.Request("POST", ctl+"Account").WithHeader("X-Personium-Credential", strings.Repeat("a", 128)).WithText(`{"Name":"me"}`).
		Expect().Status(http.StatusCreated).Body().Contains(`"Type":"basic"`).Contains(`"Status":"active"`).Contains(`"_Role":{"__deferred"`).Raw()
	if strings.Contains(body, "scrypt") || strings.Contains(body, "Credential") {
		t.Errorf("the answer tells of the password: %s", body)
	}

	// PUT replaces, MERGE keeps.
	one := func(path string) *httpexpect.Object {
		return s.Request("GET", ctl+path).Expect().Status(http.StatusOK).JSON().Object().Value("d").Object().Value("results").Object()
	}
	s.Request("MERGE", ctl+"Rule('rule')").WithText(`{"EventInfo":"i"}`).Expect().Status(http.StatusNoContent)
	one("Rule('rule')").HasValue("EventType", "x").HasValue("EventInfo", "i").HasValue("EventExternal", false)
	s.Request("PUT", ctl+"Rule('rule')").WithText(`{"Name":"rule2","Action":"relay","EventExternal":true}`).Expect().Status(http.StatusNoContent)
	one("Rule('rule2')").HasValue("EventType", nil).HasValue("EventExternal", true)
	davtest.Error(s.Request("GET", ctl+"Rule('rule')").Expect(), "PR404-OD-0002")
	s.Request("MERGE", ctl+"Role('r')").WithText(`{"_Box.Name":"b"}`).Expect().Status(http.StatusConflict)

	// A box with another name, and what hinders it to go.
	s.Put("/cell1/b/f", "x")
	s.Request("PUT", ctl+"Box('b')").WithText(`{"Name":"b2","Schema":null}`).Expect().Status(http.StatusNoContent)
	s.WantGet("/cell1/b2/f", "x")
	one("Role(Name='r',_Box.Name='b2')").HasValue("_Box.Name", "b2")
	davtest.Error(s.Request("DELETE", ctl+"Box('b2')").Expect(), "PR409-OD-0001")
	s.Request("DELETE", "/cell1/b2/f").Expect().Status(http.StatusNoContent)
	davtest.Error(s.Request("DELETE", ctl+"Box('b2')").Expect(), "PR409-OD-0001") // its roles
	davtest.Error(s.Request("DELETE", ctl+"Relation('rel')").Expect(), "PR409-OD-0001")
	davtest.Error(s.Request("DELETE", ctl+"Box('__')").Expect(), "PR404-OD-0002")
	for _, key := range []string{"Role(Name='r',_Box.Name='b2')", "Relation(_Box.Name='b2',Name='+friend:x')", "Box('b2')",
		"ExtRole(ExtRole='https:%2F%2Fother.example%2Fcell%2F__role%2F__%2Fr',_Relation.Name='rel')", "Relation('rel')"} {
		s.Request("DELETE", ctl+key).Expect().Status(http.StatusNoContent)
	}
	davtest.Error(s.Request("GET", "/cell1/b2").Expect(), "PR404-DV-0002")
	s.Request("POST", ctl+"Role").WithText(`{"Name":"gone-box"}`).Expect().Status(http.StatusCreated)
}

// TestLinks: control objects are linked from either side, once.
func TestLinks(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Account("cell1", "me", "one", "two")
	ctl := "/cell1/__ctl/"
	list := func(path string) string {
		t.Helper()
		var all []string
		for _, v := range s.Request("GET", ctl+path).Expect().Status(http.StatusOK).JSON().Object().Value("d").Object().Value("results").Array().Iter() {
			o := v.Object()
			if uri, ok := o.Raw()["uri"]; ok {
				all = append(all, strings.TrimPrefix(uri.(string), s.URL+ctl))
			} else {
				all = append(all, o.Value("Name").String().Raw())
			}
		}
		return strings.Join(all, " ")
	}
	for path, want := range map[string]string{
		"Account('me')/$links/_Role":  "Role(Name='one',_Box.Name=null) Role(Name='two',_Box.Name=null)",
		"Account('me')/_Role":         "one two",
		"Role('one')/$links/_Account": "Account('me')",
		"Role('one')/_Account":        "me",
	} {
		if got := list(path); got != want {
			t.Errorf("%s = %s, want %s", path, got, want)
		}
	}
	link := func(path, to string) *httpexpect.Response {
		return s.Request("POST", ctl+path).WithJSON(map[string]string{"uri": s.URL + ctl + to}).Expect()
	}
	davtest.Error(link("Account('me')/$links/_Role", "Role('one')"), "PR409-OD-0002")
	davtest.Error(link("Role('one')/$links/_Account", "Account('me')"), "PR409-OD-0002")
	davtest.Error(link("Account('me')/$links/_Role", "Role('none')"), "PR400-OD-0006")
	davtest.Error(link("Account('none')/$links/_Role", "Role('one')"), "PR404-OD-0002")
	davtest.Error(link("Account('me')/$links/_Role", "Account('me')"), "PR400-OD-0006")
	davtest.Error(link("Account('me')/$links/_Box", "Box('b')"), "PR404-OD-0003")
	davtest.Error(link("Account('me')/$links/_Nothing", "Box('b')"), "PR404-OD-0003")
	davtest.Error(s.Request("POST", ctl+"Account('me')/$links/_Role").WithText(`{}`).Expect(), "PR400-OD-0009")
	davtest.Error(s.Request("POST", ctl+"Account('me')/$links/_Role").WithText(`x`).Expect(), "PR400-OD-0001")
	s.Request("DELETE", ctl+"Role('one')/$links/_Account('me')").Expect().Status(http.StatusNoContent)
	davtest.Error(s.Request("DELETE", ctl+"Account('me')/$links/_Role('one')").Expect(), "PR404-OD-0002")
	if got := list("Account('me')/_Role"); got != "two" {
		t.Errorf("left is %s", got)
	}
	s.Request("DELETE", ctl+"Role('two')").Expect().Status(http.StatusNoContent)
	if got := list("Account('me')/_Role"); got != "" {
		t.Errorf("after the role %s", got)
	}
}

// TestControlQueries: lists are filtered, ordered and cut.
func TestControlQueries(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	for i := range 30 {
		s.Request("POST", "/cell1/__ctl/Role").WithText(fmt.Sprintf(`{"Name":"r%02d"}`, i)).Expect().Status(http.StatusCreated)
	}
	query := func(options ...string) *httpexpect.Response {
		r := s.Request("GET", "/cell1/__ctl/Role")
		for i := 0; i < len(options); i += 2 {
			r = r.WithQuery(options[i], options[i+1])
		}
		return r.Expect()
	}
	for _, c := range []struct {
		options []string
		want    string
	}{
		{nil, "r00 r01 r02 r03 r04 r05 r06 r07 r08 r09 r10 r11 r12 r13 r14 r15 r16 r17 r18 r19 r20 r21 r22 r23 r24"},
		{[]string{"$top", "2"}, "r00 r01"},
		{[]string{"$top", "2", "$skip", "28"}, "r28 r29"},
		{[]string{"$skip", "30"}, ""},
		{[]string{"$top", "0"}, ""},
		{[]string{"$orderby", "Name desc", "$top", "2"}, "r29 r28"},
		{[]string{"$orderby", "_Box.Name,Name desc", "$top", "1"}, "r29"},
		{[]string{"$orderby", strings.Repeat("_Box.Name,", 19) + "Name desc", "$top", "1"}, "r29"},
		{[]string{"$filter", "Name eq 'r07'"}, "r07"},
		{[]string{"$filter", "startswith(Name,'r1')", "$top", "3"}, "r10 r11 r12"},
		{[]string{"$filter", "startswith(Name, 'r1') and not Name eq 'r10' or Name eq 'r00'", "$top", "2"}, "r00 r11"},
		{[]string{"$filter", "(Name eq 'r01' or Name eq 'r02') and _Box.Name eq null"}, "r01 r02"},
		{[]string{"$filter", "substringof('29',Name)"}, "r29"},
		{[]string{"$filter", "Name eq 'it''s'"}, ""},
	} {
		var got []string
		for _, v := range query(c.options...).Status(http.StatusOK).JSON().Object().Value("d").Object().Value("results").Array().Iter() {
			got = append(got, v.Object().Value("Name").String().Raw())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q = %s, want %s", c.options, strings.Join(got, " "), c.want)
		}
	}
	d := query("$filter", "startswith(Name,'r2')", "$top", "1", "$inlinecount", "allpages", "$select", "Name").JSON().Object().Value("d").Object()
	d.Value("__count").IsEqual("10")
	d.Value("results").Array().Value(0).Object().Keys().ContainsOnly("__metadata", "Name", "_Box.Name", "__published", "__updated")
	for _, c := range []struct{ option, value, code string }{
		{"$top", "10001", "PR400-OD-0029"}, {"$top", "x", "PR400-OD-0036"}, {"$top", "-1", "PR400-OD-0029"},
		{"$skip", "100001", "PR400-OD-0029"}, {"$inlinecount", "some", "PR400-OD-0013"},
		{"$filter", "Name", "PR400-OD-0003"}, {"$filter", "Name eq", "PR400-OD-0003"}, {"$filter", "X eq 'y'", "PR400-OD-0003"},
		{"$filter", "(Name eq 'y'", "PR400-OD-0003"}, {"$filter", "Name eq 'y' and", "PR400-OD-0003"}, {"$filter", "Name eq 'y' Name", "PR400-OD-0003"},
		{"$filter", strings.Repeat("(", 100000), "PR400-OD-0003"},
		{"$orderby", strings.Repeat("Name,", 20) + "Name", "PR400-OD-0015"}, {"$orderby", "X", "PR400-OD-0015"}, {"$orderby", "Name up", "PR400-OD-0015"}, {"$orderby", "Name,", "PR400-OD-0015"},
		{"$select", "X", "PR400-OD-0017"}, {"$expand", "_Nothing", "PR400-OD-0026"}, {"q", "x", "PR400-OD-0042"},
	} {
		davtest.Error(query(c.option, c.value), c.code)
	}
	query("$top", "10000", "$skip", "100000").Status(http.StatusOK)
}

// TestControlEvents: each change is told once, with who did it.
func TestControlEvents(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	key := func(r *httpexpect.Request) *httpexpect.Response {
		return r.WithHeader("X-Personium-RequestKey", "mine").Expect()
	}
	key(s.Request("POST", "/cell1/__ctl/Role").WithText(`{"Name":"r"}`)).Status(http.StatusCreated)
	s.Account("cell1", "me")
	key(s.Request("POST", "/cell1/__ctl/Account('me')/$links/_Role").WithJSON(map[string]string{"uri": s.URL + "/cell1/__ctl/Role('r')"})).Status(http.StatusNoContent)
	key(s.Request("MERGE", "/cell1/__ctl/Role('r')").WithText(`{"Name":"r2"}`)).Status(http.StatusNoContent)
	key(s.Request("DELETE", "/cell1/__ctl/Role('r2')")).Status(http.StatusNoContent)
	davtest.Error(key(s.Request("DELETE", "/cell1/__ctl/Role('r2')")), "PR404-OD-0002")
	subject := s.URL + "/#admin"
	want := [][]string{
		{"cellctl.Role.create", "Role(Name='r',_Box.Name=null)", "201," + s.URL + "/cell1/__ctl/Role"},
		{"cellctl.Account.links.Role.create", "Account('me')/$links/_Role(Name='r',_Box.Name=null)", "204"},
		{"cellctl.Role.patch", "Role(Name='r',_Box.Name=null)", "204,Role(Name='r2',_Box.Name=null)"},
		{"cellctl.Role.delete", "Role(Name='r2',_Box.Name=null)", "204"},
	}
	var got []string
	for line := range strings.Lines(s.Get("/cell1/__log/current/default.log")) {
		if strings.Contains(line, `"mine"`) {
			_, line, _ = strings.Cut(line, ",")
			got = append(got, line)
		}
	}
	for i, w := range want {
		line := fmt.Sprintf("[INFO ],\"mine\",\"false\",null,%q,%q,%q,%q\n", subject, w[0], s.URL+"/cell1/__ctl/"+w[1], w[2])
		if i >= len(got) || got[i] != line {
			t.Errorf("line %d: want %s, all lines:\n%s", i, line, strings.Join(got, ""))
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
}
