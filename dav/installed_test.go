package dav_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cellar/barfs/edm"
	"cellar/cellfs"
	"cellar/dav/davtest"
)

// installed is what lies in a box, as the cases list it.
type installed struct {
	Collections []struct{ Path, Type string }
	Files       []struct {
		Path        string
		ContentType string `json:"content_type"`
		Size        int64
	}
	ACL []struct {
		Path    string
		XMLBase string `json:"xml_base"`
		ACEs    []struct {
			Principal string
			Grant     []string
		}
	}
	Properties []struct {
		Path string
		Set  []string // {namespace}name=value
	}
	Relations, Roles []string
	ExtRoles         []map[string]string `json:"ext_roles"`
	Rules            []map[string]string
	Links            []struct {
		From    string
		FromKey map[string]string `json:"from_key"`
		To      string
		ToKey   map[string]string `json:"to_key"`
	}
	OData []installedOData
}

type installedOData struct {
	Path            string
	ComplexTypes    map[string]map[string]property `json:"complex_types"`
	EntityTypes     map[string]map[string]property `json:"entity_types"`
	AssociationEnds []struct {
		Name         string
		EntityType   string `json:"entity_type"`
		Multiplicity string
	} `json:"association_ends"`
	Entities []installedEntity
	Links    [][2]string `json:"entity_links"`
}

type installedEntity struct {
	Set string `json:"entity_set"`
	ID  string `json:"__id"`
}

type property struct {
	Type     string
	Nullable bool
	Default  *string
	Kind     string `json:"collection_kind"`
}

// compare looks whether the box holds exactly what the case lists. What lies there
// is read as clients do; control objects, which have no URL yet, from the store.
func (c *corpus) compare(t *testing.T, cell, box string, want *installed) {
	t.Helper()
	url := "/" + cell + "/" + box
	body := c.Request("PROPFIND", url).WithHeader("Depth", "infinity").Expect().Status(http.StatusMultiStatus).Body().Raw()
	seen := davtest.Listing(t, []byte(body), url)
	odata := map[string]bool{}
	for i := range want.OData {
		odata[want.OData[i].Path] = true
		c.compareOData(t, url+"/"+want.OData[i].Path, &want.OData[i])
	}
	inOData := func(path string) bool {
		for up := range odata {
			if strings.HasPrefix(path, up+"/") {
				return true
			}
		}
		return false
	}
	kinds := []string{"odata", "service"}
	var collections, files, acls, props []string
	for path, p := range seen {
		kind := "webdav"
		for _, k := range kinds {
			if strings.Contains(p["resourcetype"], k) {
				kind = k
			}
		}
		switch isCollection := strings.Contains(p["resourcetype"], "collection"); {
		case path == "" || inOData(path):
		case isCollection:
			collections = append(collections, path+" "+kind)
		default:
			files = append(files, fmt.Sprintf("%s %s %s", path, p["getcontenttype"], p["getcontentlength"]))
		}
		if p["acl base"] != "" {
			acls = append(acls, fmt.Sprintf("%s %s %s", path, p["acl base"], p["acl"]))
		}
		for name, value := range p {
			// not those that the server makes up
			if strings.HasPrefix(name, "{") && name != "{urn:x-personium:xmlns}status" && name != "{urn:x-personium:xmlns}progress" {
				props = append(props, path+" "+name+"="+value)
			}
		}
	}
	var wanted []string
	for _, x := range want.Collections {
		wanted = append(wanted, x.Path+" "+x.Type)
	}
	same(t, "collections", collections, wanted)
	wanted = nil
	for _, x := range want.Files {
		wanted = append(wanted, fmt.Sprintf("%s %s %d", x.Path, x.ContentType, x.Size))
	}
	if len(want.Files) > 0 || len(want.Collections) > 0 { // short cases do not list them
		missing(t, "files", files, wanted)
	}
	wanted = nil
	for _, x := range want.ACL {
		if len(x.ACEs) == 0 {
			continue // shown as none
		}
		text := ""
		for _, e := range x.ACEs {
			text += "{" + e.Principal + ":" + strings.Join(e.Grant, ",") + "}"
		}
		wanted = append(wanted, x.Path+" "+strings.NewReplacer("{cellUrl}", c.URL+"/"+cell+"/", "{box}", box).Replace(x.XMLBase)+" "+text)
	}
	same(t, "acls", slices.DeleteFunc(acls, func(s string) bool { return !strings.HasSuffix(s, "}") }), wanted)
	wanted = nil
	for _, x := range want.Properties {
		for _, set := range x.Set {
			wanted = append(wanted, x.Path+" "+set)
		}
	}
	missing(t, "properties", props, wanted)
	c.compareControl(t, cell, box, want)
}

// compareControl compares the roles, relations and so on of the box.
func (c *corpus) compareControl(t *testing.T, cell, box string, want *installed) {
	t.Helper()
	got := map[string][]string{}
	var links []string
	err := c.FS.View(t.Context(), func(tx cellfs.Tx) error {
		x, err := tx.Cell(cell)
		if err != nil {
			return err
		}
		root, err := tx.Child(x.Root, box)
		if err != nil {
			return err
		}
		all, err := tx.Entities(x.ID, "")
		if err != nil {
			return err
		}
		byID := map[string]string{}
		for _, e := range all {
			if e.Box != root.ID {
				continue
			}
			if e.Set == cellfs.SetRule {
				var doc map[string]any
				if err := json.Unmarshal(e.Doc, &doc); err != nil {
					return err
				}
				e.Key = fmt.Sprint(doc["EventType"], doc["EventObject"], doc["Action"])
			}
			got[e.Set] = append(got[e.Set], e.Key)
			byID[strconv.FormatInt(e.ID, 10)] = e.Key
		}
		pairs, err := tx.Links(x.ID, 0)
		for _, l := range pairs {
			links = append(links, l.From.Set+" "+byID[l.From.Key]+" - "+l.To.Set+" "+byID[l.To.Key])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var extRoles, rules, wanted []string
	key := func(k map[string]string) string {
		if k["ExtRole"] != "" {
			return k["ExtRole"] + " " + k["_Relation.Name"]
		}
		return k["Name"]
	}
	for _, e := range want.ExtRoles {
		extRoles = append(extRoles, key(e))
	}
	for _, r := range want.Rules {
		rules = append(rules, r["EventType"]+r["EventObject"]+r["Action"])
	}
	for _, l := range want.Links {
		wanted = append(wanted, l.From+" "+key(l.FromKey)+" - "+l.To+" "+key(l.ToKey))
	}
	same(t, "relations", got[cellfs.SetRelation], want.Relations)
	same(t, "roles", got[cellfs.SetRole], want.Roles)
	same(t, "ext roles", got[cellfs.SetExtRole], extRoles)
	same(t, "links", links, wanted)
	if len(rules) > 0 {
		same(t, "rules", got[cellfs.SetRule], rules)
	}
}

// compareOData compares the schema, the entities and the links of a collection.
func (c *corpus) compareOData(t *testing.T, col string, want *installedOData) {
	t.Helper()
	schema, err := edm.ParseSchema([]byte(c.Get(col + "/$metadata")))
	if err != nil {
		t.Fatal(err)
	}
	compareTypes(t, "complex types", schema.ComplexTypes, want.ComplexTypes)
	compareTypes(t, "entity types", schema.EntityTypes, want.EntityTypes)
	var got, wanted []string
	for _, a := range schema.Associations {
		for _, e := range a.Ends {
			_, name, _ := strings.Cut(e.Role, ":")
			got = append(got, name+" "+e.EntityType+" "+e.Multiplicity)
		}
	}
	for _, e := range want.AssociationEnds {
		wanted = append(wanted, e.Name+" "+e.EntityType+" "+e.Multiplicity)
	}
	same(t, "association ends", got, wanted)
	var links, entities []string
	for _, set := range schema.EntityTypes {
		list := c.Request("GET", col+"/"+set.Name+"?$top=10000").Expect().Status(http.StatusOK).JSON().Path("$.d.results").Array()
		for _, e := range list.Iter() {
			id := e.Object().Value("__id").String().Raw()
			entities = append(entities, set.Name+" "+id)
			for _, a := range schema.Associations {
				if from, to := a.Ends[0], a.Ends[1]; from.EntityType == set.Name && to.Many() {
					links = append(links, c.links(col, set.Name+"('"+id+"')", to.EntityType)...)
				}
			}
		}
	}
	wanted = nil
	for _, e := range want.Entities {
		wanted = append(wanted, e.Set+" "+e.ID)
	}
	same(t, "entities", entities, wanted)
	wanted = nil
	for _, l := range want.Links {
		wanted = append(wanted, l[0]+" "+l[1])
	}
	same(t, "links of entities", links, wanted)
}

// links are those of one entity.
func (c *corpus) links(col, entity, other string) (all []string) {
	list := c.Request("GET", col+"/"+entity+"/$links/_"+other+"?$top=10000").Expect().Status(http.StatusOK).JSON().Path("$.d.results").Array()
	for _, e := range list.Iter() {
		uri := e.Object().Value("uri").String().Raw()
		all = append(all, entity+" "+uri[strings.LastIndex(uri, "/")+1:])
	}
	return all
}

func compareTypes(t *testing.T, what string, types []edm.Type, want map[string]map[string]property) {
	t.Helper()
	var got, wanted []string
	line := func(name string, p string, x property) string {
		byDefault := "none"
		if x.Default != nil {
			byDefault = *x.Default
		}
		return fmt.Sprint(name, ".", p, " ", x.Type, x.Nullable, byDefault, x.Kind)
	}
	for i := range types {
		got = append(got, types[i].Name)
		for _, p := range types[i].Properties {
			x := property{p.Type, p.Nullable, p.Default, "None"}
			if p.IsList {
				x.Kind = "List"
			}
			got = append(got, line(types[i].Name, p.Name, x))
		}
	}
	for name, props := range want {
		wanted = append(wanted, name)
		for p, x := range props {
			wanted = append(wanted, line(name, p, x))
		}
	}
	same(t, what, got, wanted)
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s\n %q, want\n %q", what, got, want)
	}
}

// missing reports what is wanted and not there.
func missing(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%s: %q is not among %q", what, w, got)
		}
	}
}
