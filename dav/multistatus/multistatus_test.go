package multistatus_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/cellfs/cellfstest"
	"cellar/dav/answer"
	"cellar/dav/multistatus"
	"cellar/dav/target"
)

// TestParse: the forms of a body, and its bounds.
func TestParse(t *testing.T) {
	names := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "<a%d/>", i)
		}
		return `<propfind xmlns="DAV:"><prop>` + b.String() + `</prop></propfind>`
	}
	for body, want := range map[string]error{
		"": nil,
		`<propfind xmlns="DAV:"><allprop/></propfind>`:                        nil,
		`<propfind xmlns="DAV:"><propname/></propfind>`:                       nil,
		`<propfind xmlns="DAV:"><allprop/><include><x/></include></propfind>`: nil,
		`<propfind xmlns="DAV:"/>`:                                            multistatus.ErrXML,
		`<propfind xmlns="DAV:"><allprop/><propname/></propfind>`:             multistatus.ErrXML,
		`<propfind><allprop/></propfind>`:                                     multistatus.ErrXML,
		`<other xmlns="DAV:"/>`:                                               multistatus.ErrXML,
		names(1000):                                                           nil,
		names(1001):                                                           answer.New(answer.BodyTooLarge),
	} {
		var root *xmltree.Element
		if body != "" {
			var err error
			if root, err = xmltree.Parse([]byte(body)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := multistatus.Parse(root); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%.80s: %v, want %v", body, err, want)
		}
	}
	for header, want := range map[string]multistatus.Depth{"0": 0, "1": 1, "1,noroot": 1, "": multistatus.Infinity, "Infinity": multistatus.Infinity} {
		if got, err := multistatus.ParseDepth(header); got != want || err != nil {
			t.Errorf("Depth %q: %d, %v", header, got, err)
		}
	}
	if _, err := multistatus.ParseDepth("2"); !errors.Is(err, answer.New(answer.DepthValue)) {
		t.Errorf("Depth 2: %v", err)
	}
}

// judge is a caller with some privileges.
type judge struct{ set access.Set }

func (j judge) Granted([]cellfs.Level, string) (access.Set, bool) { return j.set, false }
func (j judge) MayAll() bool                                      { return false }
func (j judge) Denied() error                                     { return answer.New(answer.NoPrivilege) }
func (j judge) Principal() string                                 { return "" }
func (j judge) Subject() string                                   { return "" }
func (j judge) BoxStatus(*cellfs.Node) (string, int64)            { return "ready", 100 }
func (j judge) NoteRead(*cellfs.Node)                             {}

// TestAnswer lists a box for callers with and without the privilege.
func TestAnswer(t *testing.T) {
	f := cellfs.New(cellfs.Config{Meta: cellfstest.NewMemMeta(), Blobs: cellfstest.NewMemBlobs(), Snapshots: cellfstest.NoSnapshots{}})
	if _, err := f.CreateCell(t.Context(), "c", "owner"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		p, err := cellfs.NewPath("c", cellfs.MainBox, name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Mkcol(t.Context(), p, cellfs.KindCollection, nil); err != nil {
			t.Fatal(err)
		}
	}
	r := httptest.NewRequest("PROPFIND", "http://h/c/__", nil)
	at, err := target.NewResolver(nil).Resolve(r, false)
	if err != nil {
		t.Fatal(err)
	}
	list := func(set access.Set, depth multistatus.Depth, limit int) (*httptest.ResponseRecorder, bool, error) {
		asked, err := multistatus.Parse(nil)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		read, err := multistatus.Answer(t.Context(), multistatus.Options{
			FS: f, Judge: judge{set}, Target: &at, Asked: asked, Depth: depth, Limit: limit, Request: r, Writer: w, TempDir: t.TempDir(),
			Take: func(int64) error { return nil },
		})
		return w, read, err
	}
	for _, depth := range []multistatus.Depth{0, 1, multistatus.Infinity} {
		w, read, err := list(access.ReadProperties, depth, 10)
		want := 3
		if depth == 0 {
			want = 1
		}
		if n := strings.Count(w.Body.String(), "<D:response>"); err != nil || !read || w.Code != http.StatusMultiStatus || n != want || strings.Contains(w.Body.String(), "<D:acl") {
			t.Errorf("depth %d: %d, %d responses, %v", depth, w.Code, n, err)
		}
	}
	if w, read, err := list(0, 1, 10); read || !errors.Is(err, answer.New(answer.NoPrivilege)) || w.Body.Len() > 0 {
		t.Errorf("without the privilege: %v, %q", err, w.Body)
	}
	if _, read, err := list(access.ReadProperties, multistatus.Infinity, 2); read || !errors.Is(err, answer.New(answer.InfiniteDepth)) {
		t.Errorf("beyond the limit: %v", err)
	}
}

// TestListedLocksAreBounded: a listing shows 10,000 locks of what is in it, and is refused with more.
func TestListedLocksAreBounded(t *testing.T) {
	f := cellfs.New(cellfs.Config{Meta: cellfstest.NewMemMeta(), Blobs: cellfstest.NewMemBlobs(), Snapshots: cellfstest.NoSnapshots{}})
	if _, err := f.CreateCell(t.Context(), "c", "owner"); err != nil {
		t.Fatal(err)
	}
	file, err := cellfs.NewPath("c", cellfs.MainBox, "f")
	if err != nil {
		t.Fatal(err)
	}
	add := func(from, to int) {
		err := f.Update(t.Context(), func(tx cellfs.Tx) error {
			for n := from; n < to; n++ {
				if err := tx.AddLock(cellfs.Lock{Token: fmt.Sprint("urn:", n), Root: file, Shared: true, Expires: f.Now().Add(time.Hour)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	r := httptest.NewRequest("PROPFIND", "http://h/c/__", nil)
	at, err := target.NewResolver(nil).Resolve(r, false)
	if err != nil {
		t.Fatal(err)
	}
	list := func() error {
		asked, err := multistatus.Parse(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = multistatus.Answer(t.Context(), multistatus.Options{
			FS: f, Judge: judge{access.ReadProperties}, Target: &at, Asked: asked, Depth: multistatus.Infinity, Limit: 10, Request: r,
			Writer: httptest.NewRecorder(), TempDir: t.TempDir(), Take: func(int64) error { return nil },
		})
		return err
	}
	add(0, 10_000)
	if err := list(); err != nil {
		t.Errorf("10,000 locks: %v", err)
	}
	add(10_000, 10_001)
	if err := list(); !errors.Is(err, multistatus.ErrLong) {
		t.Errorf("10,001 locks: %v", err)
	}
}
