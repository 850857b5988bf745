package cellfstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"
	"strings"
	"testing"

	"cellar/cellfs"
)

// NoSnapshots is a [cellfs.SnapshotReader] for stores that hold none.
type NoSnapshots struct{}

// Open implements [cellfs.SnapshotReader].
func (NoSnapshots) Open(context.Context, *cellfs.FS, cellfs.Snapshot) (cellfs.Content, error) {
	return nil, fs.ErrNotExist
}

// Blobs implements [cellfs.SnapshotReader].
func (NoSnapshots) Blobs(context.Context, *cellfs.FS, cellfs.Snapshot, func(int64) error) error {
	return nil
}

// Path parses a path that must be good.
func Path(t testing.TB, s string) cellfs.Path {
	t.Helper()
	p, err := cellfs.ParsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Tree lists everything of the unit: a line for each resource with its kind,
// content and entity tag. Two equal lists mean that nothing changed.
func Tree(t testing.TB, f *cellfs.FS) string {
	t.Helper()
	var lines []string
	var walk func(tx cellfs.Tx, prefix string, n cellfs.Node) error
	walk = func(tx cellfs.Tx, prefix string, n cellfs.Node) error {
		return cellfs.EachChild(tx, n.ID, func(m *cellfs.Node) error {
			p := prefix + "/" + m.Name
			line := fmt.Sprintf("%s %s %v", p, m.Kind, m.Props)
			if m.Kind == cellfs.KindFile {
				c, err := f.Open(context.Background(), *m)
				if err != nil {
					return err
				}
				data, err := io.ReadAll(c)
				if err = errors.Join(err, c.Close()); err != nil {
					return err
				}
				line += fmt.Sprintf(" %s %.40q %d", m.ETag(), data, len(data))
			}
			lines = append(lines, line)
			return walk(tx, p, *m)
		})
	}
	err := f.View(context.Background(), func(tx cellfs.Tx) error {
		cells, err := tx.Cells()
		if err != nil {
			return err
		}
		for _, c := range cells {
			root, err := tx.Node(c.Root)
			if err != nil {
				return err
			}
			if err := walk(tx, "/"+c.Name, root); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// CheckStore fails the test unless the whole store is sound.
func CheckStore(t testing.TB, f *cellfs.FS) {
	t.Helper()
	r, err := f.Check(context.Background())
	if err != nil {
		t.Errorf("check: %v", err)
	}
	for _, p := range r.Problems {
		t.Errorf("store: %s", p)
	}
}

// large is more than a row holds.
var large = strings.Repeat("0123456789abcdef", cellfs.MaxInline/16+1)

// fsTest is one tree under test.
type fsTest struct {
	*testing.T
	fs *cellfs.FS
}

func (t fsTest) path(s string) cellfs.Path { t.Helper(); return Path(t, s) }

func (t fsTest) put(p, content string) cellfs.Node {
	t.Helper()
	n, _, err := t.fs.Put(context.Background(), t.path(p), strings.NewReader(content), cellfs.PutOptions{ContentType: "text/plain"})
	if err != nil {
		t.Fatalf("put %s: %v", p, err)
	}
	return n
}

func (t fsTest) mkcol(p string) {
	t.Helper()
	if _, err := t.fs.Mkcol(context.Background(), t.path(p), cellfs.KindCollection, nil); err != nil {
		t.Fatalf("mkcol %s: %v", p, err)
	}
}

func (t fsTest) want(p, content string) {
	t.Helper()
	_, c, err := t.fs.OpenAt(context.Background(), t.path(p))
	if err != nil {
		t.Errorf("open %s: %v", p, err)
		return
	}
	defer c.Close()
	if got, err := io.ReadAll(c); err != nil || string(got) != content {
		t.Errorf("%s has %.40q (%d bytes, %v), want %.40q (%d bytes)", p, got, len(got), err, content, len(content))
	}
}

func (t fsTest) wantErr(what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// TestFS checks what [cellfs.FS] promises over the given stores, which are
// empty. The store is checked as a whole after each part.
func TestFS(t *testing.T, open func(t *testing.T) (cellfs.Meta, cellfs.Blobs)) {
	run := func(name string, test func(fsTest)) {
		t.Run(name, func(t *testing.T) {
			m, b := open(t)
			f := cellfs.New(cellfs.Config{Meta: Rerun{m}, Blobs: b, Snapshots: NoSnapshots{}})
			if _, err := f.CreateCell(context.Background(), "c", "me"); err != nil {
				t.Fatal(err)
			}
			test(fsTest{t, f})
			CheckStore(t, f)
		})
	}
	run("files", testFiles)
	run("broken uploads", testBrokenUploads)
	run("collections", testCollections)
	run("copy and move", testTransfer)
	run("names", testNames)
	run("webdav.FileSystem", testFileSystem)
	run("sweep", testSweep)
	run("left aside", testLeft)
	run("locks", testLocks)
}
