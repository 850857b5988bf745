package dav_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gavv/httpexpect/v2"

	"cellar/dav/davtest"
)

// one is a request of a batch as its client writes it.
func one(id, method, uri, body string, headers ...string) string {
	contentID := ""
	if id != "" {
		contentID = "Content-ID: " + id + "\r\n"
	}
	head := strings.Join(headers, "\r\n")
	if head != "" {
		head += "\r\n"
	}
	return "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n" + contentID + "\r\n" +
		method + " " + uri + " HTTP/1.1\r\nHost: localhost\r\n" + head + "\r\n" + body + "\r\n"
}

// changeset is a part of a batch with requests that belong together.
func changeset(requests ...string) string {
	return "Content-Type: multipart/mixed; boundary=cs\r\n\r\n" + parts("cs", requests...)
}

func parts(boundary string, all ...string) string {
	var b strings.Builder
	for _, p := range all {
		b.WriteString("--" + boundary + "\r\n" + p)
	}
	b.WriteString("--" + boundary + "--\r\n")
	return b.String()
}

// batched is an answer to a request of a batch.
type batched struct {
	id     string
	status int
	header http.Header
	body   string
}

// batchAnswers reads the answer to a batch: for each part the answers in it.
func batchAnswers(t *testing.T, res *httpexpect.Response) (all [][]batched) {
	t.Helper()
	raw := res.Status(http.StatusAccepted).Raw()
	return readParts(t, raw.Header.Get("Content-Type"), strings.NewReader(res.Body().Raw()))
}

func readParts(t *testing.T, contentType string, in io.Reader) (all [][]batched) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/mixed" {
		t.Fatalf("content type %q", contentType)
	}
	for r := multipart.NewReader(in, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.Header.Get("Content-Type"), "multipart/") {
			var inner []batched
			for _, x := range readParts(t, p.Header.Get("Content-Type"), p) {
				inner = append(inner, x...)
			}
			all = append(all, inner)
			continue
		}
		res, err := http.ReadResponse(bufio.NewReader(p), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, []batched{{p.Header.Get("Content-Id"), res.StatusCode, res.Header, string(body)}})
	}
}

func sendBatch(r *httpexpect.Request, all ...string) *httpexpect.Response {
	return r.WithHeader("Content-Type", "multipart/mixed; boundary=b").WithText(parts("b", all...)).Expect()
}

// TestBatch: requests of a batch are answered one by one, and what a changeset makes can be named in it
// (contract 1.17.4).
func TestBatch(t *testing.T) {
	t.Parallel()
	s, col := withLibrary(t)
	answers := batchAnswers(t, sendBatch(s.Request("POST", col+"/$batch"),
		one("", "GET", "Book('b1')?$select=title", ""),
		changeset(
			one("1", "POST", "Book", `{"__id":"new","title":"New"}`, "Content-Type: application/json"),
			one("2", "POST", "$1/_Author", `{"__id":"a9","name":"Ninth"}`),
			one("3", "POST", "Shelf('s')/$links/_Book", `{"uri":"$1"}`),
			one("4", "MERGE", s.URL+col+"/Book('b1')", `{"note":"merged"}`, "Content-Length: 17"),
			one("5", "DELETE", col+"/Book('n01')", ""),
		),
		one("", "POST", "Author", `{"__id":"alone"}`),
		one("", "GET", "Book('none')", ""),
		one("x", "GET", "Author?$filter=name%20eq%20'Ninth'&$inlinecount=allpages", ""),
	))
	var got []string
	for _, part := range answers {
		for _, a := range part {
			got = append(got, fmt.Sprint(a.id, ":", a.status))
		}
		got = append(got, "|")
	}
	if want := "[:200 | 1:201 2:201 3:204 4:204 5:204 | :201 | :404 | x:200 |]"; fmt.Sprint(got) != want {
		t.Fatalf("answers %v, want %v", got, want)
	}
	for _, want := range []struct{ got, part string }{
		{answers[0][0].body, `"title":"One"`}, {answers[1][0].header.Get("Location"), s.URL + col + "/Book('new')"},
		{answers[1][0].body, `"__id":"new"`}, {answers[1][3].header.Get("Etag"), `W/"`}, {answers[3][0].body, "PR404-OD-0002"},
		{answers[4][0].body, `"__count":"1"`}, {answers[0][0].header.Get("Dataserviceversion"), "2.0"},
	} {
		if !strings.Contains(want.got, want.part) {
			t.Errorf("%q is not in %q", want.part, want.got)
		}
	}
	linked := s.Request("GET", col+"/Book('new')?$expand=_Author,_Shelf").Expect().JSON()
	linked.Path("$.d.results._Author[0].__id").IsEqual("a9")
	s.Request("GET", col+"/Book('new')/_Shelf").Expect().JSON().Path("$.d.results.__id").IsEqual("s")
	s.Request("GET", col+"/Book('b1')").Expect().JSON().Path("$.d.results.note").IsEqual("merged")
	davtest.Error(s.Request("GET", col+"/Book('n01')").Expect(), "PR404-OD-0002")
	log := s.Get("/cell1/__log/current/default.log")
	for _, want := range []string{"odata.create", "odata.navprop.create", "odata.links.create", "odata.patch", "odata.delete"} {
		if !strings.Contains(log, want) {
			t.Errorf("%s is not in the log", want)
		}
	}
}

// TestChangesetIsWholeOrNothing: one request of a changeset that fails undoes the others, and is the only answer.
func TestChangesetIsWholeOrNothing(t *testing.T) {
	t.Parallel()
	s, col := withLibrary(t)
	good := []string{one("1", "POST", "Book", `{"__id":"new","title":"New"}`), one("2", "MERGE", "Book('b1')", `{"note":"x"}`), one("3", "DELETE", "Book('n02')", "")}
	for name, c := range map[string]struct {
		bad, code string
	}{
		"exists":         {one("9", "POST", "Book", `{"__id":"n03","title":"x"}`), "PR409-OD-0003"},
		"not there":      {one("9", "MERGE", "Book('none')", `{"title":"x"}`), "PR404-OD-0002"},
		"tag":            {one("9", "PUT", "Book('n03')", `{"title":"x"}`, `If-Match: W/"1-1"`), "PR412-OD-0002"},
		"required":       {one("9", "POST", "Book", `{}`), "PR400-OD-0009"},
		"no JSON":        {one("9", "POST", "Book", `{`), "PR400-OD-0001"},
		"no set":         {one("9", "POST", "Nope", `{}`), "PR404-OD-0001"},
		"link":           {one("9", "POST", "Book('n04')/$links/_Author", `{"uri":"$8"}`), "PR400-OD-0006"},
		"link refused":   {one("9", "POST", "Shelf('s')/$links/_Book", `{"uri":"Book('b1')"}`), "PR409-OD-0002"},
		"link of a gone": {one("9", "POST", "Book('n02')/$links/_Author", `{"uri":"Author('a1')"}`), "PR404-OD-0002"},
		"twice":          {one("9", "MERGE", "Book('b1')", `{"note":"y"}`), "PR400-OD-0018"},
		"method":         {one("9", "PATCH", "Book('b1')", `{}`), "PR405-MC-0001"},
		"schema":         {one("9", "POST", "$metadata/EntityType", `{"Name":"X"}`), "PR400-OD-0018"},
		"elsewhere":      {one("9", "POST", s.URL+"/cell1/other/Book", `{"title":"x"}`), "PR400-OD-0018"},
		"reference":      {one("9", "POST", "$7/_Author", `{}`), "PR400-OD-0018"},
		"key":            {one("9", "DELETE", "Book(x)", ""), "PR400-OD-0004"},
	} {
		t.Run(name, func(t *testing.T) {
			unchanged(t, s, func() {
				answers := batchAnswers(t, sendBatch(s.Request("POST", col+"/$batch"), changeset(append(good[:3:3], c.bad)...)))
				if len(answers) != 1 || len(answers[0]) != 1 || answers[0][0].id != "9" || !strings.Contains(answers[0][0].body, c.code) {
					t.Errorf("%+v, want %s", answers, c.code)
				}
			})
		})
	}
	if log := s.Get("/cell1/__log/current/default.log"); strings.Contains(log, "odata.") {
		t.Errorf("what was undone is in the log:\n%s", log)
	}
	// The same without the one that fails.
	if answers := batchAnswers(t, sendBatch(s.Request("POST", col+"/$batch"), changeset(good...))); len(answers[0]) != 3 {
		t.Errorf("%+v", answers)
	}
}

// TestBatchForms: a batch that cannot be read is refused whole, before anything of it is made.
func TestBatchForms(t *testing.T) {
	t.Parallel()
	s, col := withLibrary(t)
	post := one("", "POST", "Book", `{"title":"x"}`)
	for name, c := range map[string]struct {
		contentType, body, code string
	}{
		"no multipart":    {"application/json", "{}", "PR400-OD-0018"},
		"no boundary":     {"multipart/mixed", parts("b", post), "PR400-OD-0018"},
		"no end":          {"multipart/mixed; boundary=b", "--b\r\n" + post, "PR400-OD-0018"},
		"no part":         {"multipart/mixed; boundary=b", "nothing", "PR400-OD-0018"},
		"other part":      {"multipart/mixed; boundary=b", parts("b", post, "Content-Type: text/plain\r\n\r\nx\r\n"), "PR400-OD-0018"},
		"no request line": {"multipart/mixed; boundary=b", parts("b", post, "Content-Type: application/http\r\n\r\nPOST\r\n\r\n\r\n"), "PR400-OD-0018"},
		"bad header":      {"multipart/mixed; boundary=b", parts("b", post, "Content-Type: application/http\r\n\r\nPOST Book\r\nx\r\n\r\n\r\n"), "PR400-OD-0018"},
		"short body":      {"multipart/mixed; boundary=b", parts("b", post, one("", "POST", "Book", "{}", "Content-Length: 3000")), "PR400-OD-0018"},
		"GET in one":      {"multipart/mixed; boundary=b", parts("b", post, changeset(one("", "GET", "Book", ""))), "PR400-OD-0018"},
		"one in another":  {"multipart/mixed; boundary=b", parts("b", post, changeset(strings.ReplaceAll(changeset(post), "cs", "cs2"))), "PR400-OD-0018"},
		"too many":        {"multipart/mixed; boundary=b", parts("b", changeset(slices.Repeat([]string{post}, 500)...), changeset(slices.Repeat([]string{post}, 501)...)), "PR400-OD-0030"},
		"too large":       {"multipart/mixed; boundary=b", parts("b", one("", "POST", "Book", strings.Repeat(" ", 16<<20))), "PR413-CM-0001"},
	} {
		t.Run(name, func(t *testing.T) {
			unchanged(t, s, func() {
				davtest.Error(s.Request("POST", col+"/$batch").WithHeader("Content-Type", c.contentType).WithText(c.body).Expect(), c.code)
			})
		})
	}
	for _, method := range []string{"PUT", "MERGE", "DELETE"} {
		davtest.Error(s.Request(method, col+"/$batch").Expect(), "PR405-MC-0001")
	}
	// As many as are allowed.
	answers := batchAnswers(t, sendBatch(s.Request("POST", col+"/$batch"), changeset(slices.Repeat([]string{post}, 1000)...)))
	if len(answers[0]) != 1000 || answers[0][999].status != http.StatusCreated {
		t.Errorf("%d answers", len(answers[0]))
	}
	s.Request("GET", col+"/Book?$top=0&$inlinecount=allpages").Expect().JSON().Path("$.d.__count").IsEqual("1062")
}

// TestBatchPrivileges: each request of a batch is judged by itself, and locks count.
func TestBatchPrivileges(t *testing.T) {
	t.Parallel()
	s, col := withLibrary(t)
	s.Account("cell1", "me", "r")
	get, post := one("", "GET", "Book('b1')", ""), one("", "POST", "Book", `{"title":"x"}`)
	statuses := func() (all []int) {
		t.Helper()
		for _, part := range batchAnswers(t, sendBatch(s.As("me", "POST", col+"/$batch"), get, post, changeset(post))) {
			all = append(all, part[0].status)
		}
		return all
	}
	davtest.Error(sendBatch(s.As("me", "POST", col+"/$batch"), get), "PR403-AU-0002")
	davtest.Error(sendBatch(s.Anonymous().POST(col+"/$batch"), get), "PR401-AU-0001")
	for _, c := range []struct{ privileges, want string }{{"D:read", "[200 403 403]"}, {"D:write", "[403 201 201]"}, {"D:read D:write", "[200 201 201]"}} {
		s.SetACL(col, davtest.ACE{Role: "r", Privileges: c.privileges})
		if got := fmt.Sprint(statuses()); got != c.want {
			t.Errorf("%s: %v, want %v", c.privileges, got, c.want)
		}
	}
	token := s.Request("LOCK", col).WithText(`<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>`).
		Expect().Status(http.StatusOK).Header("Lock-Token").Raw()
	if got := fmt.Sprint(statuses()); got != "[200 423 423]" {
		t.Errorf("locked: %v", got)
	}
	answers := batchAnswers(t, sendBatch(s.Request("POST", col+"/$batch").WithHeader("If", "<"+s.URL+col+"> ("+token+")"), changeset(post)))
	if answers[0][0].status != http.StatusCreated {
		t.Errorf("with the lock: %+v", answers)
	}
}

// TestChangesetRaces: changesets that change the same entities follow each other; none is made in part.
func TestChangesetRaces(t *testing.T) {
	t.Parallel()
	s, col := withLibrary(t)
	var conflicts atomic.Int64
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 5 {
				value := fmt.Sprintf(`{"note":"%d-%d"}`, w, i)
				a := batchAnswers(t, sendBatch(s.Request("POST", col+"/$batch"), changeset(
					one("", "MERGE", "Book('b1')", value), one("", "MERGE", "Book('n00')", value), one("", "POST", "Author", `{"__id":"once"}`))))
				if len(a[0]) == 1 && a[0][0].status == http.StatusConflict {
					conflicts.Add(1)
				}
				a = batchAnswers(t, sendBatch(s.Request("POST", col+"/$batch"), changeset(one("", "MERGE", "Book('b1')", value), one("", "MERGE", "Book('n00')", value))))
				if len(a[0]) != 2 {
					t.Errorf("%+v", a)
				}
			}
		})
	}
	all.Wait()
	if conflicts.Load() != 8*5-1 {
		t.Errorf("%d of 40 were refused, want all but one", conflicts.Load())
	}
	var notes []string
	for _, id := range []string{"b1", "n00"} {
		notes = append(notes, s.Request("GET", col+"/Book('"+id+"')").Expect().JSON().Path("$.d.results.note").String().Raw())
	}
	if notes[0] != notes[1] {
		t.Errorf("a changeset was made in part: %v", notes)
	}
}

// FuzzBatch: whatever is sent as a batch gets an answer that can be read.
func FuzzBatch(f *testing.F) {
	f.Add(parts("b", one("", "GET", "Book('b1')", ""), changeset(one("1", "POST", "Book", `{"title":"x"}`), one("", "DELETE", "$1", ""))))
	f.Add("--b\r\nContent-Type: application/http\r\n\r\nGET /%2\r\n\r\n--b--")
	f.Add("--b\n\n--b--")
	f.Add("--b\nContent-Type: multipart/mixed;boundary=0\n\n")
	s := davtest.New(f)
	s.MkOData("/cell1/__/d")
	s.Request("POST", "/cell1/__/d/$metadata/EntityType").WithJSON(map[string]any{"Name": "Book"}).Expect().Status(http.StatusCreated)
	f.Fuzz(func(t *testing.T, body string) {
		req, err := http.NewRequest("POST", s.URL+"/cell1/__/d/$batch", bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(davtest.User, davtest.Password)
		req.Header.Set("Content-Type", "multipart/mixed; boundary=b")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		switch res.StatusCode {
		case http.StatusAccepted:
			readParts(t, res.Header.Get("Content-Type"), bytes.NewReader(text))
		case http.StatusBadRequest:
		default:
			t.Errorf("%d: %s", res.StatusCode, text)
		}
	})
}
