package restore_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cellar/barfs"
	"cellar/cellfs"
	"cellar/cellfs/restore"
	"cellar/cellfs/restore/personiumtest"
)

// snapshotOf is a snapshot of cellar's with these lines in 20_nodes.ndjson after those of the
// cell and the main box.
func snapshotOf(boxes string, nodes ...string) personiumtest.Entries {
	all := personiumtest.Entries{{Name: "00_manifest.json", Data: []byte(`{"export_version":3,"entries":0,"bytes":0}`)}}
	for _, name := range []string{"boxes", "accounts", "roles", "relations", "extcells", "extroles", "rules", "links"} {
		text := ""
		if name == "boxes" {
			text = boxes
		}
		all = append(all, personiumtest.Entry{Name: "10_control/" + name + ".ndjson", Data: []byte(text)})
	}
	text := nodeLine("", "cell") + nodeLine("__", "box") + strings.Join(nodes, "")
	return append(all, personiumtest.Entry{Name: "20_nodes.ndjson", Data: []byte(text)})
}

func nodeLine(path, kind string, more ...string) string {
	return fmt.Sprintf(`{"path":%q,"kind":%q,"created":0,"modified":0,"version":0%s}`+"\n", path, kind, strings.Join(more, ""))
}

// control is a line of 10_control.
func control(key string) string {
	return fmt.Sprintf(`{"key":%q,"box":"","doc":{"Name":%q},"created":0,"updated":0}`+"\n", key, key)
}

// TestImportIsBounded imports snapshots on both sides of each limit.
func TestImportIsBounded(t *testing.T) {
	props := func(n, size int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"ns":"x","name":"p%d","xml":"<p%d xmlns=\"x\">%s</p%d>"}`, i, i, strings.Repeat("v", size), i))
		}
		return `,"props":[` + strings.Join(list, ",") + `]`
	}
	aces := func(n, privileges int) string {
		ace := `{"privileges":[` + strings.TrimSuffix(strings.Repeat(`{"ns":"DAV:","name":"read"},`, privileges), ",") + `]}`
		return `,"acl":{"aces":[` + strings.TrimSuffix(strings.Repeat(ace+",", n), ",") + `]}`
	}
	role, account := "10_control/roles.ndjson", "10_control/accounts.ndjson"
	folder := nodeLine("__/f", "collection")
	box := `{"name":"box","schema":""}` + "\n"
	odata := snapshotOf("", nodeLine("__/o", "odata"))
	schema := []byte(`<Edmx><Schema><EntityType Name="T"/></Schema></Edmx>`)
	entity := func(id string) []byte {
		return fmt.Appendf(nil, `{"name":"%s.json","created":0,"modified":0,"version":0,"doc":{"__id":%q}}`+"\n", id, id)
	}
	links := func(n int) []byte {
		var b []byte
		for i := range n {
			b = fmt.Appendf(b, `{"from":{"set":"Role","key":"r%d","box":""},"to":{"set":"Account","key":"a%d","box":""}}`+"\n", i/2, i%2)
		}
		return b
	}
	linked := snapshotOf("").With(role, []byte(control("r0")+control("r1")+control("r2"))).With(account, []byte(control("a0")+control("a1")))
	for name, x := range map[string]struct {
		zip    personiumtest.Entries
		limits restore.Limits
		fault  restore.Fault // 0: it is imported
	}{
		"nodes that fit":                  {snapshotOf("", folder, nodeLine("__/g", "collection")), restore.Limits{Nodes: 2}, 0},
		"a node too many":                 {snapshotOf("", folder, nodeLine("__/g", "collection")), restore.Limits{Nodes: 1}, restore.TooLarge},
		"control objects that fit":        {snapshotOf("", folder).With(role, []byte(control("a")+control("b"))), restore.Limits{Nodes: 3}, 0},
		"a control object too many":       {snapshotOf("", folder).With(role, []byte(control("a")+control("b"))), restore.Limits{Nodes: 2}, restore.TooLarge},
		"control objects that are large":  {snapshotOf("").With(role, []byte(control("a")+control("b"))), restore.Limits{Control: 2 * int64(len(`a{"Name":"a"}`))}, 0},
		"control objects that are larger": {snapshotOf("").With(role, []byte(control("a")+control("b"))), restore.Limits{Control: 2*int64(len(`a{"Name":"a"}`)) - 1}, restore.TooLarge},
		"documents that fit":              {odata.With("40_odata/__/o/$metadata.xml", schema).With("40_odata/__/o/T.ndjson", entity("1")), restore.Limits{Nodes: 4}, 0},
		"a document too many":             {odata.With("40_odata/__/o/$metadata.xml", schema).With("40_odata/__/o/T.ndjson", entity("1")), restore.Limits{Nodes: 3}, restore.TooLarge},
		"links that fit":                  {linked.With("10_control/links.ndjson", links(5)), restore.Limits{Nodes: 5}, 0},
		"a link too many":                 {linked.With("10_control/links.ndjson", links(6)), restore.Limits{Nodes: 5}, restore.TooLarge},
		"boxes that fit":                  {snapshotOf(box, nodeLine("box", "box")), restore.Limits{Boxes: 1}, 0},
		"a box too many":                  {snapshotOf(box+strings.Replace(box, "box", "bix", 1), nodeLine("box", "box"), nodeLine("bix", "box")), restore.Limits{Boxes: 1}, restore.TooLarge},
		"a path that fits":                {snapshotOf("", folder), restore.Limits{Path: 4}, 0},
		"a path too long":                 {snapshotOf("", folder), restore.Limits{Path: 3}, restore.TooLarge},
		"properties that fit":             {snapshotOf("", nodeLine("__/f", "collection", props(1000, 0))), restore.Limits{}, 0},
		"a property too many":             {snapshotOf("", nodeLine("__/f", "collection", props(1001, 0))), restore.Limits{}, restore.Damaged},
		"large properties that fit":       {snapshotOf("", nodeLine("__/f", "collection", props(16, 1<<16-200))), restore.Limits{}, 0},
		"properties that are larger":      {snapshotOf("", nodeLine("__/f", "collection", props(17, 1<<16-200))), restore.Limits{}, restore.Damaged},
		"aces that fit":                   {snapshotOf("", nodeLine("__/f", "collection", aces(10_000, 1))), restore.Limits{}, 0},
		"an ace too many":                 {snapshotOf("", nodeLine("__/f", "collection", aces(10_001, 1))), restore.Limits{}, restore.Damaged},
		"privileges that fit":             {snapshotOf("", nodeLine("__/f", "collection", aces(1, 100))), restore.Limits{}, 0},
		"a privilege too many":            {snapshotOf("", nodeLine("__/f", "collection", aces(1, 101))), restore.Limits{}, restore.Damaged},
		"an id that fits":                 {odata.With("40_odata/__/o/T.ndjson", entity(strings.Repeat("i", 100))), restore.Limits{}, 0},
		"an id too long":                  {odata.With("40_odata/__/o/T.ndjson", entity(strings.Repeat("i", 401))), restore.Limits{}, restore.Damaged},
		"entries of the zip too many":     {many(snapshotOf(""), 1300), restore.Limits{Nodes: 1}, restore.TooLarge},
	} {
		s := newStore(t)
		s.limits = x.limits
		err := s.restore(t.Context(), x.zip.Bytes())
		var refused *restore.Error
		switch {
		case x.fault == 0 && err != nil:
			t.Errorf("%s: %v", name, err)
		case x.fault != 0 && (!errors.As(err, &refused) || refused.Fault != x.fault):
			t.Errorf("%s: %v, want fault %d", name, err, x.fault)
		case x.fault != 0 && len(refused.Message) > 1000:
			t.Errorf("%s: a message of %d bytes", name, len(refused.Message))
		}
	}
	if err := newStore(t).restore(t.Context(), linked.With("10_control/links.ndjson", bytes.Repeat(links(1), 2)).Bytes()); err == nil {
		t.Error("a link that is there twice is imported")
	}
}

// many adds folders that no line speaks of.
func many(all personiumtest.Entries, n int) personiumtest.Entries {
	for i := range n {
		all = append(all, personiumtest.Entry{Name: fmt.Sprintf("30_contents/%d/", i)})
	}
	return all
}

// TestRepackedSnapshots imports a snapshot that a Mac unpacked and packed again: names are
// in another Unicode form, and its litter lies in it.
func TestRepackedSnapshots(t *testing.T) {
	const nfc, nfd = "\u00e9", "e\u0301"
	c := personiumtest.New("cell")
	dir := c.MainBox().Root().AddCollection(nfc)
	dir.AddFile(nfc+".txt", "text/plain", []byte("text"))
	dir.AddFile(".DS_Store", "text/plain", []byte("kept"))
	db := c.MainBox().Root().AddOData(nfc + "db")
	db.AddEntityType("T").Add(map[string]any{"__id": "1"})
	first := newStore(t)
	if err := first.restore(t.Context(), c.Bytes()); err != nil {
		t.Fatal(err)
	}
	want := entriesOf(t, first.export(t))
	repacked := func(all personiumtest.Entries) []byte {
		out := personiumtest.Entries{{Name: "__MACOSX/._30_contents", Data: []byte("x")}, {Name: ".DS_Store", Data: []byte("x")}}
		for _, e := range all {
			e.Name = strings.ReplaceAll(e.Name, nfc, nfd)
			out = append(out, e)
		}
		for _, name := range []string{"30_contents/.DS_Store", "30_contents/__/Thumbs.db", "40_odata/.DS_Store", "40_odata/__/" + nfd + "db/.DS_Store",
			"20_webdav/.DS_Store", "20_webdav/__/" + nfd + "/Thumbs.db", "10_odata/.DS_Store"} {
			out = append(out, personiumtest.Entry{Name: name, Data: []byte("litter")})
		}
		return out.Bytes()
	}
	for name, all := range map[string]personiumtest.Entries{"cellar's": want, "Personium's": c.Entries()} {
		s := newStore(t)
		if err := s.restore(t.Context(), repacked(all)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := entriesOf(t, s.export(t))
		if data, ok := got.Data("30_contents/__/" + nfc + "/.DS_Store"); name == "cellar's" && string(data) != "kept" {
			t.Errorf("%s: a file with the name of litter has %q, %v", name, data, ok)
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d entries, want %d", name, len(got), len(want))
		}
	}
	twice := append(want, personiumtest.Entry{Name: "30_contents/__/" + nfd + "/" + nfd + ".txt", Data: []byte("text")})
	var refused *restore.Error
	if err := newStore(t).restore(t.Context(), twice.Bytes()); !errors.As(err, &refused) || refused.Fault != restore.Damaged {
		t.Errorf("a content in two forms of its name: %v", err)
	}
}

// TestSnapshotKeepsItself exports what was imported: every line and every content is as it
// was, times of schemas and sets to the microsecond among them.
func TestSnapshotKeepsItself(t *testing.T) {
	first := newStore(t)
	if err := first.restore(t.Context(), personiumtest.Sample().Bytes()); err != nil {
		t.Fatal(err)
	}
	want := first.export(t)
	second := newStore(t)
	if err := second.restore(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	a, b := entriesOf(t, want), entriesOf(t, second.export(t))
	if !strings.Contains(string(mustData(t, a, "20_nodes.ndjson")), `"members":[{"name":"$metadata"`) {
		t.Error("nothing is told of a schema")
	}
	for i := range a {
		if i >= len(b) || a[i].Name != b[i].Name || !bytes.Equal(a[i].Data, b[i].Data) && a[i].Name != "00_manifest.json" {
			t.Fatalf("%s is\n%.3000s\nwant\n%.3000s", a[i].Name, b[min(i, len(b)-1)].Data, a[i].Data)
		}
	}
	// An older one tells nothing of them.
	text := string(mustData(t, a, "20_nodes.ndjson"))
	for {
		before, rest, ok := strings.Cut(text, `,"members":[`)
		if !ok {
			break
		}
		_, after, _ := strings.Cut(rest, "]")
		text = before + after
	}
	if err := newStore(t).restore(t.Context(), a.With("20_nodes.ndjson", []byte(text)).Bytes()); err != nil {
		t.Errorf("an older snapshot: %v", err)
	}
}

func mustData(t *testing.T, all personiumtest.Entries, name string) []byte {
	t.Helper()
	data, ok := all.Data(name)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	return data
}

// TestContentTypesAreTypes: what is no content type is replaced, wherever it comes from.
func TestContentTypesAreTypes(t *testing.T) {
	for given, want := range map[string]string{"text/plain": "text/plain", "foo": "application/octet-stream", "": "application/octet-stream", "a/b\u0001": "application/octet-stream"} {
		c := personiumtest.New("cell")
		c.MainBox().Root().AddFile("f", given, []byte("text"))
		s := newStore(t)
		if err := s.restore(t.Context(), c.Bytes()); err != nil {
			t.Fatalf("%q: %v", given, err)
		}
		nodes := mustData(t, entriesOf(t, s.export(t)), "20_nodes.ndjson")
		if !strings.Contains(string(nodes), fmt.Sprintf(`"type":%q`, want)) {
			t.Errorf("%q becomes\n%s", given, nodes)
		}
	}
	c := personiumtest.New("cell")
	c.MainBox().Root().AddFile("f", "text/plain", []byte("text")).DropMeta("ct")
	if err := newStore(t).restore(t.Context(), c.Bytes()); err != nil {
		t.Errorf("none: %v", err)
	}
}

// TestContentTypesAreOneRule: what cellfs stores as a content type, a bar takes.
func TestContentTypesAreOneRule(t *testing.T) {
	for _, s := range []string{"text/plain", `text/plain; charset="utf-8"`, "foo", "", "a/b/c", "a/", "/b", "a/b;", "a/b; x", "a/\u00e9", "a/b\n", "text/plan; charset=utf-8", "*/*"} {
		if kept := cellfs.ContentType(s) == s; kept != barfs.ValidContentType(s) || !barfs.ValidContentType(cellfs.ContentType(s)) {
			t.Errorf("%q: kept is %v, a bar takes it: %v", s, kept, barfs.ValidContentType(s))
		}
	}
}
