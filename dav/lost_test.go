package dav_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
	"cellar/dav/davtest"
)

// TestExportNamesWhatIsLost: a snapshot, or a bar, is not told as good if the content of a
// resource is missing or of another size. It names the resource, and nothing of the server.
func TestExportNamesWhatIsLost(t *testing.T) {
	davtest.Long(t)
	t.Parallel()
	large := strings.Repeat("0123456789abcdef", cellfs.MaxInline/8)
	for name, lose := range map[string]func(t *testing.T, s *davtest.Server, blobs cellfs.Blobs){
		"its bytes are gone": func(t *testing.T, s *davtest.Server, blobs cellfs.Blobs) {
			hash := cellfs.StageBytes([]byte(large)).Hash
			if err := blobs.Delete(t.Context(), hash, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			if _, err := blobs.Open(t.Context(), hash); err == nil {
				t.Fatal("it is still there")
			}
		},
		"it has another size": func(t *testing.T, s *davtest.Server, _ cellfs.Blobs) {
			err := s.FS.Update(t.Context(), func(tx cellfs.Tx) error {
				n, err := s.FS.Lookup(tx, cellfstest.Path(t, "/cell1/box/d/f"))
				if err != nil {
					return err
				}
				changed := n
				changed.Size++
				return tx.SetNode(&n, &changed, s.FS.Now())
			})
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var blobs cellfs.Blobs
			s := davtest.New(t, davtest.Config{Wrap: func(m cellfs.Meta, b cellfs.Blobs) (cellfs.Meta, cellfs.Blobs) {
				blobs = b
				return m, b
			}})
			s.Mkcol("/cell1/box")
			s.Mkcol("/cell1/box/d")
			s.Put("/cell1/box/d/f", large)
			s.Put("/cell1/box/other", "small")
			s.Export("cell1", "good")
			lose(t, s, blobs)
			s.Request("POST", "/cell1/__export").WithText(`{"Name":"x"}`).Expect().Status(http.StatusAccepted)
			s.Request("GET", "/cell1/__export").WithHeader("Prefer", "wait=60").Expect().JSON().Object().IsEqual(map[string]string{"status": "ready"})
			r := s.Request("GET", "/cell1/__snapshot/x.error").Expect().Status(http.StatusOK)
			o := r.JSON().Object()
			o.Value("code").IsEqual("PR500-CM-0003")
			o.Value("message").Object().Value("value").IsEqual("The content of [box/d/f] is missing or damaged.")
			s.Request("GET", "/cell1/__snapshot/x.zip").Expect().Status(http.StatusNotFound)
			bar := s.Request("GET", "/cell1/box").WithHeader("Accept", barType).Expect().Status(http.StatusInternalServerError)
			davtest.Error(bar, "PR500-CM-0003")
			if name == "its bytes are gone" { // a snapshot that names them cannot be imported either
				state := importByName(s, "cell1", "good")
				state.Value("status").IsEqual("import failed")
				state.Value("message").Object().Value("code").IsEqual("PR400-MC-0005")
			}
			s.Put("/cell1/box/d/f", "new")
			s.Export("cell1", "x")
			s.Put("/cell1/box/again", large) // brings the bytes back for the first snapshot
		})
	}
}
