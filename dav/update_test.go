package dav_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/barfs/bartest"
	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
	"cellar/dav/davtest"
)

const appSchema = "https://app.example/"

func edmx(types string) string {
	return `<Schema xmlns="http://schemas.microsoft.com/ado/2006/04/edm" Namespace="UserData">` + types + `</Schema>`
}

func grantTo(role, privilege string) string {
	return `<acl xml:base="https://app.example/__role/__/" xmlns="DAV:"><ace><principal><href>` + role + `</href></principal><grant><privilege><` + privilege + `/></privilege></grant></ace></acl>`
}

// firstVersion and secondVersion are two versions of an application.
func firstVersion() []byte {
	return bartest.New(appSchema).Meta("20_roles.json", `{"Roles":[{"Name":"reader"}]}`).Box(grantTo("reader", "read")).
		File("index.html", "text/html", "one").File("same.js", "text/javascript", "same").File("gone.css", "text/css", "gone").
		File("config.json", "application/json", "{}").File("edited.txt", "text/plain", "as installed").
		Collection("dir", "").File("dir/a.txt", "text/plain", "a").Collection("only", "").File("only/b.txt", "text/plain", "b").
		Collection("granted", grantTo("reader", "read")).
		OData("db").Entry("90_contents/db/00_$metadata.xml", edmx(`<EntityType Name="Note"><Property Name="text" Type="Edm.String"/><Property Name="n" Type="Edm.Int32"/></EntityType><EntityType Name="Old"/>`)).
		Entry("90_contents/db/90_data/Note/1.json", `{"__id":"seed","text":"of the bar"}`).Bytes()
}

func secondVersion(more func(*bartest.Bar)) []byte {
	b := bartest.New(appSchema).Meta("20_roles.json", `{"Roles":[{"Name":"reader"},{"Name":"writer"}]}`).Box(grantTo("writer", "read")).
		File("index.html", "text/html", "two").File("same.js", "text/javascript", "same").
		File("config.json", "application/json", "{}").
		Collection("dir", "").File("dir/a.txt", "text/plain", "a2").File("dir/new.txt", "text/plain", "new").
		Collection("granted", grantTo("writer", "write")).Collection("fresh", grantTo("writer", "write")).
		OData("db").Entry("90_contents/db/00_$metadata.xml", edmx(`<EntityType Name="Note"><Property Name="text" Type="Edm.String"/><Property Name="n" Type="Edm.Double"/><Property Name="done" Type="Edm.Boolean" Nullable="false" DefaultValue="false"/></EntityType><EntityType Name="Tag"/>`)).
		Entry("90_contents/db/90_data/Note/1.json", `{"__id":"other","text":"of the second bar"}`).
		Entry("90_contents/db/90_data/Tag/1.json", `{"__id":"t1"}`)
	if more != nil {
		more(b)
	}
	return b.Bytes()
}

type updates struct{ *davtest.Server }

func withFirstVersion(t *testing.T) updates {
	t.Helper()
	s := updates{davtest.New(t)}
	s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(firstVersion()).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/app").Value("status").IsEqual("ready")
	return s
}

func (s updates) send(bar []byte) *httpexpect.Response {
	return s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithHeader("X-Personium-Update", "true").WithBytes(bar).Expect()
}

// update sends a bar and waits for the end of the update.
func (s updates) update(bar []byte) *httpexpect.Object {
	s.T.Helper()
	s.send(bar).Status(http.StatusAccepted).Header("Location").IsEqual(s.URL + "/cell1/app")
	box := s.Request("GET", "/cell1/app").WithHeader("Accept", "application/json").WithHeader("Prefer", "wait=60").Expect().JSON().Object().Value("box").Object()
	box.Value("status").IsEqual("ready")
	return box.Value("update").Object()
}

// TestUpdate: a newer bar changes what the older one made. User data, and what others changed or made, stay
// (contract 2.10).
func TestUpdate(t *testing.T) {
	t.Parallel()
	s := withFirstVersion(t)
	const db = "/cell1/app/db"
	s.Account("cell1", "me", "mine")
	s.Request("POST", db+"/Note").WithJSON(map[string]any{"__id": "user", "text": "of a user", "n": 7}).Expect().Status(http.StatusCreated)
	s.Request("DELETE", db+"/Note('seed')").Expect().Status(http.StatusNoContent)
	s.Put("/cell1/app/config.json", `{"mine":1}`).Status(http.StatusNoContent)
	s.Put("/cell1/app/edited.txt", "by a user").Status(http.StatusNoContent)
	s.Put("/cell1/app/dir/mine.txt", "of a user").Status(http.StatusCreated)
	s.SetACL("/cell1/app/granted", davtest.ACE{Role: "mine", Privileges: "D:read"})
	tag := s.Request("GET", "/cell1/app/same.js").Expect().Header("ETag").Raw()
	s.update(secondVersion(nil)).Value("status").IsEqual("updated")

	for path, want := range map[string]string{
		"index.html": "two", "same.js": "same", "dir/a.txt": "a2", "dir/new.txt": "new", "config.json": `{"mine":1}`, "edited.txt": "by a user", "dir/mine.txt": "of a user",
	} {
		s.WantGet("/cell1/app/"+path, want)
	}
	for _, path := range []string{"gone.css", "only/b.txt", "only/", "db/Old/"} {
		s.WantGone("/cell1/app/" + path)
	}
	s.Request("GET", "/cell1/app/same.js").Expect().Header("ETag").IsEqual(tag)
	note := s.Request("GET", db+"/Note('user')").Expect().Status(http.StatusOK).JSON().Path("$.d.results").Object()
	note.Value("n").IsEqual(7)
	note.Value("text").IsEqual("of a user")
	davtest.Error(s.Request("GET", db+"/Note('other')").Expect(), "PR404-OD-0002")
	davtest.Error(s.Request("GET", db+"/Note('seed')").Expect(), "PR404-OD-0002")
	s.Request("GET", db+"/Tag('t1')").Expect().Status(http.StatusOK)
	s.Request("POST", db+"/Note").WithJSON(map[string]any{"n": 1.5}).Expect().Status(http.StatusCreated).JSON().Path("$.d.results.done").IsEqual(false)
	s.Request("GET", "/cell1/__ctl/Role(Name='writer',_Box.Name='app')").Expect().Status(http.StatusOK)
	acl := func(path string) string {
		return s.Request("PROPFIND", path).WithHeader("Depth", "0").Expect().Body().Raw()
	}
	for path, want := range map[string]string{"/cell1/app": "writer", "/cell1/app/fresh": "writer", "/cell1/app/granted": "mine"} {
		if body := acl(path); !strings.Contains(body, want+"</") {
			t.Errorf("%s: the ACL does not name %s: %s", path, want, body)
		}
	}
	log := s.Get("/cell1/__log/current/default.log")
	for _, want := range []string{"boxupdate", "Bar update completed.", "cellctl.Role.create"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log", want)
		}
	}

	// Once more: nothing changes. And back: what the second made goes.
	unchanged(t, s.Server, func() { s.update(secondVersion(nil)).Value("status").IsEqual("updated") })
	s.Restart()
	s.Request("DELETE", db+"/Tag('t1')").Expect().Status(http.StatusNoContent)
	s.update(bartest.New(appSchema).Bytes()).Value("status").IsEqual("updated")
	s.WantGone("/cell1/app/index.html")
	s.WantGet("/cell1/app/config.json", `{"mine":1}`)
	s.Request("GET", db+"/Note('user')").Expect().Status(http.StatusOK)
}

// TestUpdateRefused: what does not fit leaves the box as it is, and says why.
func TestUpdateRefused(t *testing.T) {
	t.Parallel()
	s := withFirstVersion(t)
	s.Put("/cell1/app/edited.txt", "by a user").Status(http.StatusNoContent)
	s.Put("/cell1/app/taken", "of a user").Status(http.StatusCreated)
	schema := func(types string) []byte {
		return bartest.New(appSchema).OData("db").Entry("90_contents/db/00_$metadata.xml", edmx(types)).Bytes()
	}
	for name, c := range map[string]struct {
		bar  []byte
		says string
	}{
		"a type is gone":     {schema(`<EntityType Name="Old"/>`), "db/Note"},
		"a property is gone": {schema(`<EntityType Name="Note"><Property Name="text" Type="Edm.String"/></EntityType>`), "db/Note"},
		"narrower":           {schema(`<EntityType Name="Note"><Property Name="text" Type="Edm.Int32"/><Property Name="n" Type="Edm.Int32"/></EntityType>`), "db/Note"},
		"required":           {schema(`<EntityType Name="Note"><Property Name="text" Type="Edm.String" Nullable="false"/><Property Name="n" Type="Edm.Int32"/></EntityType>`), "db/Note"},
		"new and required":   {schema(`<EntityType Name="Note"><Property Name="text" Type="Edm.String"/><Property Name="n" Type="Edm.Int32"/><Property Name="x" Type="Edm.String" Nullable="false"/></EntityType>`), "db/Note"},
		"both changed":       {secondVersion(func(b *bartest.Bar) { b.File("edited.txt", "text/plain", "by the second") }), "edited.txt"},
		"another kind":       {secondVersion(func(b *bartest.Bar) { b.Collection("taken", "") }), "taken"},
		"a bad entry":        {secondVersion(func(b *bartest.Bar) { b.Entry("90_contents/undeclared", "x") }), "PL-BI-1004"},
		"too deep": {secondVersion(func(b *bartest.Bar) {
			for n := range cellfs.MaxDepth + 1 {
				b.Collection(strings.TrimSuffix(strings.Repeat("d/", n+1), "/"), "")
			}
		}), "too deep"},
		"no such role": {secondVersion(func(b *bartest.Bar) { b.Collection("z", grantTo("nobody", "read")) }), "PL-BI-1004"},
	} {
		t.Run(name, func(t *testing.T) {
			unchanged(t, s.Server, func() {
				u := s.update(c.bar)
				u.Value("status").IsEqual("update failed")
				if text := fmt.Sprint(u.Value("message").Raw()); !strings.Contains(text, c.says) {
					t.Errorf("the message does not say %q: %s", c.says, text)
				}
			})
		})
	}
	for code, bar := range map[string][]byte{"PR409-BI-0001": bartest.New("https://other.example/").Bytes(), "PR400-BI-0007": []byte("no zip")} {
		unchanged(t, s.Server, func() { davtest.Error(s.send(bar), code) })
	}
	other := func(path, name string) *httpexpect.Response {
		r := s.Request("MKCOL", path)
		if name != "" {
			r = s.As(name, "MKCOL", path)
		}
		return r.WithHeader("Content-Type", "application/zip").WithHeader("X-Personium-Update", "true").WithBytes(secondVersion(nil)).Expect()
	}
	davtest.Error(other("/cell1/none", ""), "PR404-DV-0002")
	s.Mkcol("/cell1/plain")
	davtest.Error(other("/cell1/plain", ""), "PR409-BI-0001")
	s.Account("cell1", "me", "r")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:box-install"})
	davtest.Error(other("/cell1/app", "me"), "PR403-AU-0002")
	s.SetACL("/cell1", davtest.ACE{Role: "r", Privileges: "p:box-install p:box"})
	// A lock on something that changes, and not one on something else.
	lock := func(path string) string {
		return s.Request("LOCK", path).WithText(`<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>`).
			Expect().Status(http.StatusOK).Header("Lock-Token").Raw()
	}
	token := lock("/cell1/app/index.html")
	lock("/cell1/app/edited.txt")
	other("/cell1/app", "me").Status(http.StatusAccepted)
	u := s.Request("GET", "/cell1/app").WithHeader("Accept", "application/json").WithHeader("Prefer", "wait=60").Expect().JSON().Path("$.box.update").Object()
	u.Value("status").IsEqual("update failed")
	u.Path("$.message.message.value").String().Contains("locked")
	s.Request("UNLOCK", "/cell1/app/index.html").WithHeader("Lock-Token", token).Expect().Status(http.StatusNoContent)
	s.update(secondVersion(nil)).Value("status").IsEqual("updated")
	s.WantGet("/cell1/app/edited.txt", "by a user")
}

// TestUpdateIsAtOnce: while an application is updated again and again, a reader sees one version or the other, and
// what a user writes stays.
func TestUpdateIsAtOnce(t *testing.T) {
	t.Parallel()
	s := updates{davtest.New(t)}
	version := func(n int) []byte {
		b := bartest.New(appSchema).OData("db").Entry("90_contents/db/00_$metadata.xml", edmx(`<EntityType Name="Note"><Property Name="n" Type="Edm.Int32"/></EntityType>`))
		for i := range 50 {
			b.File(fmt.Sprintf("f%02d", i), "text/plain", fmt.Sprint("version ", n))
		}
		return b.Bytes()
	}
	s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(version(0)).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/app").Value("status").IsEqual("ready")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	made := 0
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			s.Request("POST", "/cell1/app/db/Note").WithJSON(map[string]any{"n": made}).Expect().Status(http.StatusCreated)
			made++
			// All files of a listing are of one version: their entity tags begin with the generation.
			versions := map[string]bool{}
			for _, r := range s.Propfind("/cell1/app", "1", `<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>`) {
				if strings.Contains(r.Href, "/app/f") {
					tag, _, _ := strings.Cut(r.Props["getetag"], "-")
					versions[tag] = true
				}
			}
			if len(versions) != 1 {
				t.Errorf("a listing shows the versions %v", versions)
			}
		}
	})
	for n := range 5 {
		s.update(version(n + 1)).Value("status").IsEqual("updated")
	}
	close(stop)
	wg.Wait()
	s.WantGet("/cell1/app/f49", "version 5")
	s.Request("GET", "/cell1/app/db/Note?$top=0&$inlinecount=allpages").Expect().JSON().Path("$.d.__count").IsEqual(fmt.Sprint(made))
}

// TestUpdateIsBounded: an update changes so many resources and no more; what is the same counts not.
func TestUpdateIsBounded(t *testing.T) {
	t.Parallel()
	const most = 300
	s := updates{davtest.New(t, davtest.Config{MaxUpdate: most})}
	s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(bartest.Many(appSchema, most-3, 10)).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/app").Value("status").IsEqual("ready")
	s.update(bartest.New(appSchema).Bytes()).Value("status").IsEqual("updated") // the files and three collections go
	s.WantGone("/cell1/app/c0")
	unchanged(t, s.Server, func() {
		u := s.update(bartest.Many(appSchema, most-2, 10))
		u.Value("status").IsEqual("update failed")
		u.Path("$.message.message.value").String().Contains(fmt.Sprint(most))
	})
	s.update(bartest.Many(appSchema, most-3, 10)).Value("status").IsEqual("updated")
	unchanged(t, s.Server, func() { s.update(bartest.Many(appSchema, most-3, 10)).Value("status").IsEqual("updated") })
}

// TestUpdateKeepsWhatComesMeanwhile: what is written into the collections of an application, and granted there, while
// a version that lacks or replaces them is put in its place, stays.
func TestUpdateKeepsWhatComesMeanwhile(t *testing.T) {
	t.Parallel()
	s := updates{davtest.New(t)}
	s.Role("cell1", "mine")
	const n = 60
	version := func(goes bool) []byte {
		b := bartest.New(appSchema).Meta("20_roles.json", `{"Roles":[{"Name":"reader"},{"Name":"writer"}]}`)
		for i := range n {
			if !goes {
				b.Collection(fmt.Sprintf("goes%d", i), "").File(fmt.Sprintf("goes%d/f", i), "text/plain", "x")
			}
			b.Collection(fmt.Sprintf("stays%d", i), grantTo(map[bool]string{true: "writer", false: "reader"}[goes], "read"))
		}
		return b.Bytes()
	}
	s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(version(false)).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/app").Value("status").IsEqual("ready")
	written, granted := []int{}, []int{}
	second := version(true)
	s.send(second).Status(http.StatusAccepted)
	for i := range n {
		if s.Request("PUT", fmt.Sprintf("/cell1/app/goes%d/mine", i)).WithText("mine").Expect().Raw().StatusCode == http.StatusCreated {
			written = append(written, i)
		}
		s.SetACL(fmt.Sprintf("/cell1/app/stays%d", i), davtest.ACE{Role: "mine", Privileges: "D:read"})
		granted = append(granted, i)
	}
	s.Request("GET", "/cell1/app").WithHeader("Accept", "application/json").WithHeader("Prefer", "wait=60").Expect().JSON().Path("$.box.update.status").IsEqual("updated")
	for _, i := range written {
		s.WantGet(fmt.Sprintf("/cell1/app/goes%d/mine", i), "mine")
	}
	for _, i := range granted {
		if body := s.Request("PROPFIND", fmt.Sprintf("/cell1/app/stays%d", i)).WithHeader("Depth", "0").Expect().Body().Raw(); !strings.Contains(body, "mine</") {
			t.Errorf("stays%d: what was granted is gone", i)
		}
	}
	t.Logf("%d of %d were written in time", len(written), n)
}

// TestUpdateAndItsRecordAreOne: the store fails at every call of an update, and the server starts again. The update is
// taken up and does nothing twice, what is told of it is what the box is like, and the update after it knows what this
// one made: nothing of it is left.
func TestUpdateAndItsRecordAreOne(t *testing.T) {
	t.Parallel()
	for how, arm := range faultArms {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			between := 0 // faults after the change and before the end was recorded
			for n, hit := 1, true; hit; n++ {
				var made bool
				if hit, made = updateUnder(t, func(f *cellfstest.Faults) { arm(f, n) }); made {
					between++
				}
			}
			if between == 0 && how == "full" {
				t.Error("no fault came between the change and its end")
			}
		})
	}
}

// updateUnder updates an application on a store that fails. hit reports whether it did, made whether the update had
// changed the box but not ended.
func updateUnder(t *testing.T, arm func(*cellfstest.Faults)) (hit, made bool) {
	t.Helper()
	faults := &cellfstest.Faults{}
	s := updates{davtest.New(t, davtest.Config{Wrap: func(m cellfs.Meta, b cellfs.Blobs) (cellfs.Meta, cellfs.Blobs) {
		return cellfstest.FaultyMeta{Meta: m, Faults: faults}, cellfstest.FaultyBlobs{Blobs: b, Faults: faults}
	}})}
	s.Request("MKCOL", "/cell1/app").WithHeader("Content-Type", "application/zip").WithBytes(firstVersion()).Expect().Status(http.StatusAccepted)
	s.WaitBox("/cell1/app").Value("status").IsEqual("ready")
	arm(faults)
	accepted := s.send(secondVersion(nil)).Raw().StatusCode == http.StatusAccepted
	state := func(wait string) string { // "" if there was no update
		box := s.Request("GET", "/cell1/app").WithHeader("Accept", "application/json").WithHeader("Prefer", wait).Expect().JSON().Object().Value("box").Object().Raw()
		update, _ := box["update"].(map[string]any)
		status, _ := update["status"].(string)
		return status
	}
	runs := accepted
	for runs && faults.Failed() < 2 {
		runs = strings.Contains(state("wait=0"), "progress")
	}
	made = runs && s.Get("/cell1/app/index.html") == "two"
	told := state("wait=0")
	hit = faults.Failed() > 0
	s.Close()
	faults.Disarm()
	s.Restart()
	ended := state("wait=60")
	if want := map[string]string{"updated": "two", "update failed": "one", "": "one"}[ended]; s.Get("/cell1/app/index.html") != want {
		t.Errorf("the box is not %q, though the update is %q", want, ended)
	}
	if accepted && ended == "" || accepted && !runs && ended != told {
		t.Errorf("told was %q, and then %q", told, ended)
	}
	if log := s.Get("/cell1/__log/current/default.log"); strings.Count(log, "Bar update completed.") > 1 {
		t.Errorf("the update is made twice:\n%s", log)
	}
	s.Put("/cell1/app/mine.txt", "meanwhile").Status(http.StatusCreated)
	s.update(secondVersion(nil)).Value("status").IsEqual("updated")
	s.update(bartest.New(appSchema).Bytes()).Value("status").IsEqual("updated")
	for _, path := range []string{"index.html", "dir/new.txt", "fresh/", "same.js", "granted/"} {
		s.WantGone("/cell1/app/" + path)
	}
	s.WantGet("/cell1/app/mine.txt", "meanwhile")
	return hit, made
}
