package dav_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cellar/barfs/bartest"
	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav/davtest"
	"cellar/dav/odata"
)

// BenchmarkWorstRequests sends to each method its worst request within the bounds, again and
// again, while another cell is written to. It tells the longest and the median of those PUTs, in
// milliseconds, and how long the request itself takes.
func BenchmarkWorstRequests(b *testing.B) {
	s := davtest.New(b, davtest.Config{Cells: []string{"cell1", "cell2"}, NoCheck: true})
	w := &worst{b: b, s: s, send: client(b, s), puts: make(chan struct{})}
	s.Mkcol("/cell1/box")
	s.Mkcol("/cell2/box")
	for _, c := range []struct {
		name    string
		prepare func() (request func(i int))
	}{
		{"nothing", w.nothing},
		{"PROPPATCH", w.proppatch}, {"MKCOL", w.mkcol}, {"LOCK", w.lock}, {"PUT with If", w.putIf}, {"ACL", w.acl},
		{"PROPFIND", w.propfind}, {"COPY of 1000", w.copy}, {"MOVE of 1000 to another cell", w.move}, {"DELETE of 1000", w.delete}, {"install", w.install}, {"changeset of 1000", w.changeset}, {"update of 4900", w.update},
	} {
		b.Run(strings.ReplaceAll(c.name, " ", "-"), func(b *testing.B) {
			request := c.prepare()
			stop := make(chan struct{})
			times := make(chan []time.Duration)
			go func() {
				var all []time.Duration
				for i := 0; ; i++ {
					select {
					case <-stop:
						times <- all
						return
					default:
					}
					start := time.Now()
					w.send("PUT", fmt.Sprintf("/cell2/box/f%d", i%100), []byte("content"))
					all = append(all, time.Since(start))
					select {
					case w.puts <- struct{}{}:
					default:
					}
				}
			}()
			var took time.Duration
			i := 0
			for b.Loop() {
				start := time.Now()
				request(i)
				took += time.Since(start)
				i++
			}
			close(stop)
			all := <-times
			ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
			b.ReportMetric(ms(slices.Max(all)), "ms-longest-PUT")
			b.ReportMetric(ms(median(all)), "ms-median-PUT")
			b.ReportMetric(ms(took/time.Duration(i)), "ms/request")
		})
	}
}

// worst prepares the requests.
type worst struct {
	b    *testing.B
	s    *davtest.Server
	send func(method, path string, body []byte, header ...string) int64
	puts chan struct{} // a PUT in the other cell has ended
}

// nothing lets some of the PUTs pass.
func (w *worst) nothing() func(int) {
	return func(int) {
		for range 20 {
			<-w.puts
		}
	}
}

// properties are as many, and as large together, as a resource can have.
func properties() string {
	const frame = len(`<p000 xmlns="u"></p000>`)
	value := strings.Repeat("&lt;", ((cellfs.MaxPropBytes-1000)/cellfs.MaxProps-frame)/len("&lt;"))
	return many(cellfs.MaxProps, `<p%03d xmlns="u">`+value+`</p%03[1]d>`)
}

func (w *worst) proppatch() func(int) {
	w.s.Put("/cell1/box/props", "x")
	body := []byte(`<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>` + properties() + `</D:prop></D:set></D:propertyupdate>`)
	return func(int) { w.send("PROPPATCH", "/cell1/box/props", body) }
}

func (w *worst) mkcol() func(int) {
	w.s.Mkcol("/cell1/box/made")
	body := []byte(`<D:mkcol xmlns:D="DAV:"><D:set><D:prop><D:resourcetype><D:collection/></D:resourcetype>` + properties() + `</D:prop></D:set></D:mkcol>`)
	return func(i int) {
		w.send("MKCOL", fmt.Sprintf("/cell1/box/made/m%d", i), body, "Content-Type", "application/xml")
	}
}

// locks takes so many shared locks of the path by different principals, as rows.
func (w *worst) locks(path string, n int) {
	p, err := cellfs.ParsePath(path)
	if err != nil {
		w.b.Fatal(err)
	}
	err = w.s.FS.Update(w.b.Context(), func(tx cellfs.Tx) error {
		for i := range n {
			l := cellfs.Lock{
				Token: fmt.Sprintf("urn:x:%s:%d", path, i), Root: p, Shared: true, Principal: fmt.Sprint(i), Owner: strings.Repeat("x", 4<<10),
				Timeout: time.Hour, Expires: w.s.FS.Now().Add(time.Hour),
			}
			if err := tx.AddLock(l); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.b.Fatal(err)
	}
}

// lock has shared locks of as many resources below as one principal can take, and more of
// others.
func (w *worst) lock() func(int) {
	w.s.Mkcol("/cell1/locked")
	for i := range 20 {
		w.locks(fmt.Sprintf("/cell1/locked/f%d", i), cellfs.MaxLocksOfResource)
	}
	body := []byte(`<lockinfo xmlns="DAV:"><lockscope><shared/></lockscope><locktype><write/></locktype><owner>` + strings.Repeat("x", 4<<10) + `</owner></lockinfo>`)
	return func(int) {
		r := w.s.Request("LOCK", "/cell1/locked").WithHeader("Depth", "infinity").WithBytes(body).Expect().Status(http.StatusOK)
		w.send("UNLOCK", "/cell1/locked", nil, "Lock-Token", r.Header("Lock-Token").Raw())
	}
}

// putIf has the longest header about the deepest resources, each of its own, and locks
// everywhere on the way.
func (w *worst) putIf() func(int) {
	deep := "/cell1/box"
	for range cellfs.MaxDepth - 1 {
		deep += "/d"
		w.s.Mkcol(deep)
	}
	w.s.Put(deep+"/f", "x")
	for path := deep + "/f"; path != "/cell1/box"; path = path[:strings.LastIndex(path, "/")] {
		w.locks(path, 10)
	}
	header := ""
	for i := range 32 {
		header += fmt.Sprintf("<%s/x%d> (%s) ", deep, i, strings.Repeat("Not <urn:x> ", 7)+`["1-1"]`)
	}
	return func(int) {
		if got := w.s.Request("PUT", deep+"/f").WithHeader("If", header).WithText("y").Expect().Raw().StatusCode; got != http.StatusPreconditionFailed {
			w.b.Fatal(got)
		}
	}
}

func (w *worst) acl() func(int) {
	w.s.Put("/cell1/box/acl", "x")
	body := bytes.NewBufferString(`<D:acl xmlns:D="DAV:" xml:base="` + w.s.URL + `/cell1/__role/__/">`)
	for i := range access.MaxACEs {
		role := fmt.Sprint("r", i)
		w.s.Role("cell1", role)
		body.WriteString(`<D:ace><D:principal><D:href>` + role + `</D:href></D:principal><D:grant><D:privilege><D:read/></D:privilege></D:grant></D:ace>`)
	}
	body.WriteString(`</D:acl>`)
	return func(int) { w.send("ACL", "/cell1/box/acl", body.Bytes()) }
}

func (w *worst) propfind() func(int) {
	fill(w.b, w.s.FS, "cell1", "listed", 10_000, func(int) string { return "x" })
	body := []byte(`<propfind xmlns="DAV:"><prop>` + many(1000, "<name%06d/>") + `</prop></propfind>`)
	return func(int) { w.send("PROPFIND", "/cell1/listed/c000", body, "Depth", "1") }
}

// trees makes so many collections of 999 files each.
func (w *worst) trees(box string, n int) {
	fill(w.b, w.s.FS, "cell1", box, 999, func(i int) string { return fmt.Sprint(i) })
	for i := range n {
		w.send("COPY", "/cell1/"+box+"/c000", nil, "Destination", fmt.Sprintf("%s/cell1/%s/t%d", w.s.URL, box, i))
	}
}

func (w *worst) copy() func(int) {
	w.trees("copied", 0)
	return func(i int) {
		w.send("COPY", "/cell1/copied/c000", nil, "Destination", fmt.Sprintf("%s/cell1/copied/to%d", w.s.URL, i))
	}
}

func (w *worst) move() func(int) {
	w.trees("moved", 100)
	return func(i int) {
		from, to := "/cell1/moved/t", "/cell2/box/t"
		if i/100%2 == 1 {
			from, to = to, from
		}
		w.send("MOVE", fmt.Sprint(from, i%100), nil, "Destination", w.s.URL+fmt.Sprint(to, i%100))
	}
}

func (w *worst) delete() func(int) {
	w.trees("deleted", 200)
	return func(i int) { w.send("DELETE", fmt.Sprintf("/cell1/deleted/t%d", i), nil) }
}

func (w *worst) install() func(int) {
	bar := bartest.Many("", 15_000, 100)
	return func(i int) {
		box := fmt.Sprint("/cell1/app", i)
		w.send("MKCOL", box, bar, "Content-Type", "application/zip")
		w.s.WaitBox(box).Value("status").IsEqual("ready")
	}
}

func (w *worst) changeset() func(int) {
	const col = "/cell1/box/data"
	w.send("MKCOL", col, []byte(`<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype><D:collection/><p:odata/></D:resourcetype></D:prop></D:set></D:mkcol>`), "Content-Type", "application/xml")
	w.send("POST", col+"/$metadata/EntityType", []byte(`{"Name":"T"}`))
	body := []byte(parts("b", changeset(slices.Repeat([]string{one("", "POST", "T", `{"text":"`+strings.Repeat("x", 500)+`"}`)}, odata.MaxBatch)...)))
	return func(int) { w.send("POST", col+"/$batch", body, "Content-Type", "multipart/mixed; boundary=b") }
}

// update makes a box that of one version and then of another, with as many changed files as about can be.
func (w *worst) update() func(int) {
	const schema = "https://updated.example/"
	var bars [2][]byte
	for i := range bars {
		bars[i] = bartest.Many(schema, 4850, 100+i)
	}
	w.send("MKCOL", "/cell1/updated", bars[1], "Content-Type", "application/zip")
	w.s.WaitBox("/cell1/updated").Value("status").IsEqual("ready")
	return func(i int) {
		w.send("MKCOL", "/cell1/updated", bars[i%2], "Content-Type", "application/zip", "X-Personium-Update", "true")
		w.s.Request("GET", "/cell1/updated").WithHeader("Accept", "application/json").WithHeader("Prefer", "wait=60").Expect().JSON().Path("$.box.update.status").IsEqual("updated")
	}
}
