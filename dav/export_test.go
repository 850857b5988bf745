package dav_test

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
	"cellar/dav/davtest"
)

// TestExportWhileWritersWork takes snapshots of 10,000 files while eight writers
// overwrite and delete them. Every file in one is a complete version, and all are
// of one moment: at any moment a writer has deleted at most one file that it has
// not written again.
func TestExportWhileWritersWork(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	const writers = 8
	files := 3_000
	if os.Getenv("CELLAR_SOAK") != "" {
		files = 10_000
	}
	s := davtest.New(t)
	fill(t, s.FS, "cell1", "box", files, func(i int) string { return version(0, i) })
	stop := make(chan struct{})
	steps := make(chan struct{})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() { write(t, s.FS, w, writers, files, steps, stop) })
	}
	for n := range 3 {
		name := fmt.Sprintf("s%d", n)
		for range 50 { // the writers are at work
			<-steps
		}
		s.Export("cell1", name)
		file := download(t, s, name)
		if unzip, err := exec.LookPath("unzip"); err == nil {
			if out, err := exec.Command(unzip, "-tq", file).CombinedOutput(); err != nil {
				t.Errorf("unzip -t: %v\n%s", err, out)
			}
		} else {
			t.Log("SKIPPED: unzip is not installed")
		}
		checkMoment(t, file, files, writers)
	}
	close(stop)
	wg.Wait()
}

// version is the content of file i in a round.
func version(round, i int) string {
	body := fmt.Sprintf("round %d file %d\n%s", round, i, strings.Repeat("body ", i%40))
	if i%500 == 0 {
		body += strings.Repeat("large", cellfs.MaxInline/4)
	}
	return body + fmt.Sprintf("\ncrc %08x", crc32.ChecksumIEEE([]byte(body)))
}

// write goes over the files of writer w again and again. In each step it
// deletes file i, writes file i+writers, and writes file i again.
func write(t *testing.T, fs *cellfs.FS, w, writers, files int, steps, stop chan struct{}) {
	path := func(i int) cellfs.Path {
		return cellfstest.Path(t, fmt.Sprintf("/cell1/box/c%03d/file-%06d.txt", i/1000, i))
	}
	rnd := rand.New(rand.NewPCG(uint64(w), 1))
	for round := 1; ; round++ {
		i := w + writers*rnd.IntN(files/writers-1)
		select {
		case <-stop:
			return
		case steps <- struct{}{}:
		default:
		}
		_ = fs.Delete(t.Context(), path(i), nil) // may be gone
		for _, k := range []int{i + writers, i} {
			if _, _, err := fs.Put(t.Context(), path(k), strings.NewReader(version(round, k)), cellfs.PutOptions{}); err != nil {
				t.Error(err)
				return
			}
		}
	}
}

func download(t *testing.T, s *davtest.Server, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name+".zip")
	body := s.Request("GET", "/cell1/__snapshot/"+name+".zip").Expect().Status(http.StatusOK).Body().Raw()
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// checkMoment reads the snapshot: every file is whole, and for every writer the
// file it deletes and the one it then writes fit together.
func checkMoment(t *testing.T, file string, files, writers int) {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	count, perWriter := 0, make([]int, writers)
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, ".txt") {
			continue
		}
		text := string(readEntry(t, f))
		body, sum, ok := strings.Cut(text, "\ncrc ")
		if !ok || sum != fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body))) {
			t.Fatalf("%s is not one version: %.60q", f.Name, text)
		}
		var round, i int
		if _, err := fmt.Sscanf(body, "round %d file %d", &round, &i); err != nil {
			t.Fatal(err)
		}
		perWriter[i%writers]++
		count++
	}
	for w, n := range perWriter {
		if missing := files/writers - n; missing < 0 || missing > 1 {
			t.Errorf("writer %d: %d files are missing: at no moment were there more than one", w, missing)
		}
	}
	var manifest struct {
		Version, Entries int
		Export           int `json:"export_version"`
	}
	if err := json.Unmarshal(readEntry(t, z.File[0]), &manifest); err != nil || manifest.Export != 3 || manifest.Entries != count {
		t.Errorf("manifest %+v, %v, want %d entries", manifest, err, count)
	}
}

func readEntry(t *testing.T, f *zip.File) []byte {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	return text
}

func TestSnapshotIsServedAsAFile(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	large := strings.Repeat("0123456789", 30_000)
	for name, content := range map[string]string{"a": "small", "empty": "", "large": large, "odd name & 日本 %": "x"} {
		s.Request("PUT", "/cell1/box/").WithURL(s.URL + "/cell1/box/" + escape(name)).WithText(content).Expect().Status(http.StatusCreated)
	}
	s.Export("cell1", "one")
	const path = "/cell1/__snapshot/one.zip"
	whole := s.Request("GET", path).Expect().Status(http.StatusOK)
	body := whole.Body().Raw()
	whole.Header("Content-Length").IsEqual(fmt.Sprint(len(body)))
	whole.Header("Content-Type").IsEqual("application/zip")
	tag := whole.Header("ETag").NotEmpty().Raw()

	// What the cell does now does not matter to the snapshot.
	s.Request("DELETE", "/cell1/box").Expect().Status(http.StatusNoContent)
	if _, err := s.FS.Sweep(t.Context(), -cellfs.SweepGrace); err != nil {
		t.Fatal(err)
	}
	if again := s.Get(path); again != body {
		t.Fatal("the snapshot changed")
	}
	head := s.Request("HEAD", path).Expect().Status(http.StatusOK)
	head.Header("Content-Length").IsEqual(fmt.Sprint(len(body)))
	head.Body().IsEmpty()

	for _, r := range [][2]int{{0, 0}, {0, 99}, {1, 29}, {30, 31}, {1000, 200_000}, {len(body) - 22, len(body) - 1}} {
		res := s.Request("GET", path).WithHeader("Range", fmt.Sprintf("bytes=%d-%d", r[0], r[1])).Expect().Status(http.StatusPartialContent)
		if res.Body().Raw() != body[r[0]:r[1]+1] {
			t.Errorf("range %v differs", r)
		}
	}
	s.Request("GET", path).WithHeader("Range", "bytes=-22").WithHeader("If-Range", tag).Expect().Status(http.StatusPartialContent)
	s.Request("GET", path).WithHeader("Range", "bytes=-22").WithHeader("If-Range", `"other"`).Expect().Status(http.StatusOK)
	s.Request("GET", path).WithHeader("Range", fmt.Sprintf("bytes=%d-", len(body))).Expect().Status(http.StatusRequestedRangeNotSatisfiable)
	for _, v := range []string{tag, "W/" + tag, "*", strings.Trim(tag, `"`)} {
		s.Request("GET", path).WithHeader("If-None-Match", v).Expect().Status(http.StatusNotModified)
	}
	s.Request("GET", path).WithHeader("If-None-Match", "nonsense").Expect().Status(http.StatusOK)

	z, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, f := range z.File {
		found[f.Name] = string(readEntry(t, f))
	}
	if found["30_contents/box/large"] != large || found["30_contents/box/odd name & 日本 %"] != "x" {
		t.Error("contents differ")
	}

	for _, m := range []string{"PUT", "MKCOL", "MOVE", "POST", "PROPPATCH", "LOCK"} {
		davtest.Error(s.Request(m, path).Expect(), "PR405-MC-0001")
		davtest.Error(s.Request(m, "/cell1/__snapshot").Expect(), "PR405-MC-0001")
	}
	davtest.Error(s.Request("GET", "/cell1/__snapshot").Expect(), "PR405-MC-0001")
	davtest.Error(s.Request("GET", "/cell1/__snapshot/a/b").Expect(), "PR404-MC-0001")
	s.Mkcol("/cell1/box2")
	s.Transfer("COPY", path, "/cell1/box2/copy.zip", "").Status(http.StatusCreated)
	if s.Get("/cell1/box2/copy.zip") != body {
		t.Error("the copy differs")
	}
	s.Request("DELETE", path).Expect().Status(http.StatusNoContent)
	s.WantGone(path)
}

func escape(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		fmt.Fprintf(&b, "%%%02X", name[i])
	}
	return b.String()
}

func TestExportRequests(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	accept := func(body, contentType string) {
		t.Helper()
		r := s.Request("POST", "/cell1/__export").WithText(body)
		if contentType != "" {
			r = r.WithHeader("Content-Type", contentType)
		}
		r.Expect().Status(http.StatusAccepted).Header("Location").IsEqual(s.URL + "/cell1/__export")
		s.Request("GET", "/cell1/__export").WithHeader("Prefer", "wait=60").Expect().JSON().Object().IsEqual(map[string]string{"status": "ready"})
	}
	refuse := func(body, code string) {
		t.Helper()
		before := s.Hrefs("/cell1/__snapshot", "1")
		davtest.Error(s.Request("POST", "/cell1/__export").WithText(body).Expect(), code)
		if after := s.Hrefs("/cell1/__snapshot", "1"); len(after) != len(before) {
			t.Errorf("a refused export left something: %v", after)
		}
	}
	accept("", "")
	if got := s.Hrefs("/cell1/__snapshot", "1"); len(got) != 2 || !strings.HasPrefix(got[1], "/cell1/__snapshot/cell1_20") {
		t.Errorf("the default name: %v", got)
	}
	accept(`{"Name":"`+strings.Repeat("a", 192)+`"}`, "text/plain")
	accept(`{"Name":"x","Foo":1}`, "application/json")
	refuse(`{"Name":"`+strings.Repeat("a", 193)+`"}`, "PR400-CM-0002")
	for _, name := range []string{`"a.b"`, `"日本"`, `""`, `5`, `{}`, `"../x"`} {
		refuse(`{"Name":`+name+`}`, "PR400-CM-0002")
	}
	for _, body := range []string{"nonsense", " ", "[]", `"x"`, "{", "null"} {
		refuse(body, "PR400-CM-0004")
	}
	refuse(`{"Name":"x"}`, "PR409-DV-0002")
	davtest.Error(s.Request("POST", "/none/__export").Expect(), "PR404-DV-0003")
	davtest.Error(s.Request("DELETE", "/cell1/__export").Expect(), "PR405-MC-0001")
	davtest.Error(s.Anonymous().POST("/cell1/__export").Expect(), "PR401-AU-0001")
}

// TestFailedExport makes the store fail while the index is written: the status
// is "ready" again, a .error file tells why, and the next try works.
func TestFailedExport(t *testing.T) {
	t.Parallel()
	var faults cellfstest.Faults
	s := davtest.New(t, davtest.Config{Wrap: func(m cellfs.Meta, b cellfs.Blobs) (cellfs.Meta, cellfs.Blobs) {
		return m, cellfstest.FaultyBlobs{Blobs: b, Faults: &faults}
	}})
	fill(t, s.FS, "cell1", "box", 2000, func(i int) string { return fmt.Sprint(i) }) // an index too large for a row
	faults.Arm(1, cellfstest.NotStored)
	s.Request("POST", "/cell1/__export").WithText(`{"Name":"x"}`).Expect().Status(http.StatusAccepted)
	s.Request("GET", "/cell1/__export").WithHeader("Prefer", "wait=60").Expect().JSON().Object().IsEqual(map[string]string{"status": "ready"})
	if !faults.Disarm() {
		t.Fatal("the fault did not happen")
	}
	if got := s.Hrefs("/cell1/__snapshot", "1"); len(got) != 2 || got[1] != "/cell1/__snapshot/x.error" {
		t.Fatalf("the snapshot area: %v", got)
	}
	r := s.Request("GET", "/cell1/__snapshot/x.error").Expect().Status(http.StatusOK)
	r.Header("Content-Type").IsEqual("application/json")
	o := r.JSON().Object()
	o.Value("code").IsEqual("PR500-CM-0002")
	o.Value("message").Object().Value("lang").IsEqual("en")
	s.Export("cell1", "x")
	if got := s.Hrefs("/cell1/__snapshot", "1"); len(got) != 2 || got[1] != "/cell1/__snapshot/x.zip" {
		t.Errorf("after the second try: %v", got)
	}
}

// TestKeepSnapshots: with a number to keep, the oldest snapshot goes when one is
// taken, and what only it held is free.
func TestKeepSnapshots(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	names := func() (all []string) {
		for _, h := range s.Hrefs("/cell1/__snapshot", "1")[1:] {
			all = append(all, h[strings.LastIndex(h, "/")+1:])
		}
		return all
	}
	take := func(i int) {
		s.Put("/cell1/__/f", fmt.Sprint("content ", i))
		export(s, "cell1", fmt.Sprint("s", i))
	}
	for i := range 4 {
		take(i)
	}
	if got := names(); len(got) != 4 { // off by default
		t.Errorf("kept %q", got)
	}
	if err := s.FS.SetKeep(t.Context(), "cell1", 2); err != nil {
		t.Fatal(err)
	}
	take(4)
	for range 10_000 { // the removal comes after the end of the export
		if len(names()) == 2 {
			break
		}
	}
	if got := fmt.Sprint(names()); got != "[s3.zip s4.zip]" {
		t.Errorf("kept %s", got)
	}
	plan, err := s.FS.SweepPlan(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	swept, err := s.FS.Sweep(t.Context(), 0)
	if err != nil || swept != plan || swept.Contents < 3 {
		t.Errorf("swept %+v, %v, planned %+v", swept, err, plan)
	}
	for i := 3; i <= 4; i++ {
		if b := s.Get(fmt.Sprintf("/cell1/__snapshot/s%d.zip", i)); !strings.Contains(b, fmt.Sprint("content ", i)) {
			t.Errorf("s%d.zip has lost its content", i)
		}
	}
}

// TestExportKeepsInvariant: writers move value between files, by MOVE and COPY in
// transactions of their own, so that at any moment just one of two names has it.
// Exports under that load never show it in both, or in none (20 of them; 200 with
// CELLAR_SOAK).
func TestExportKeepsInvariant(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	const pairs = 8
	exports := 10
	if os.Getenv("CELLAR_SOAK") != "" {
		exports = 200
	}
	s := davtest.New(t)
	fill(t, s.FS, "cell1", cellfs.MainBox, 2000, func(int) string { return "z" }) // so that an export takes a while
	for i := range pairs {
		s.Put(fmt.Sprintf("/cell1/__/a%d", i), fmt.Sprint("value ", i))
		s.Put(fmt.Sprintf("/cell1/__/copy%d", i), fmt.Sprint("value ", i))
	}
	var stop atomic.Bool
	var moves atomic.Int64
	var writers sync.WaitGroup
	for i := range pairs {
		writers.Go(func() {
			for n := 0; !stop.Load(); n++ {
				from, to := fmt.Sprintf("/cell1/__/a%d", i), fmt.Sprintf("/cell1/__/zz%d", i) // the first and the last of a listing
				if n%2 == 1 {
					from, to = to, from
				}
				s.Transfer("MOVE", from, to, "F").Status(http.StatusCreated)
				s.Transfer("COPY", to, fmt.Sprintf("/cell1/__/copy%d", i), "T").Status(http.StatusNoContent)
				moves.Add(1)
			}
		})
	}
	for n := range exports {
		before := moves.Load()
		s.Export("cell1", fmt.Sprint("s", n))
		seen := map[string]string{}
		for _, e := range zipEntries(t, []byte(s.Get(fmt.Sprintf("/cell1/__snapshot/s%d.zip", n)))) {
			seen[e.name] = e.text
		}
		for i := range pairs {
			want := fmt.Sprint("value ", i)
			first, a := seen[fmt.Sprintf("30_contents/__/a%d", i)]
			last, z := seen[fmt.Sprintf("30_contents/__/zz%d", i)]
			if a == z || first+last != want || seen[fmt.Sprintf("30_contents/__/copy%d", i)] != want {
				t.Errorf("export %d, pair %d: %q and %q, copy %q", n, i, first, last, seen[fmt.Sprintf("30_contents/__/copy%d", i)])
			}
		}
		s.Request("DELETE", fmt.Sprintf("/cell1/__snapshot/s%d.zip", n)).Expect().Status(http.StatusNoContent)
		if n == exports-1 && moves.Load() == before {
			t.Error("nothing moved during an export")
		}
	}
	stop.Store(true)
	writers.Wait()
}
