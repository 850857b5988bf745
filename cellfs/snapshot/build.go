package snapshot

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"cellar/cellfs"
)

// FormatVersion is the export_version that Build writes.
const FormatVersion = 3

// ControlFiles are the files of control objects, 10_control/{Name}.ndjson, by the set
// they hold. An optional one is there only if it holds something.
var ControlFiles = []struct {
	Name, Set string
	Optional  bool
}{
	{Name: "accounts", Set: cellfs.SetAccount},
	{Name: "roles", Set: cellfs.SetRole},
	{Name: "relations", Set: cellfs.SetRelation},
	{Name: "extcells", Set: cellfs.SetExtCell},
	{Name: "extroles", Set: cellfs.SetExtRole},
	{Name: "rules", Set: cellfs.SetRule},
	{Name: "sentmessages", Set: cellfs.SetSentMessage, Optional: true},
	{Name: "receivedmessages", Set: cellfs.SetReceivedMessage, Optional: true},
}

// Options qualify [Build].
type Options struct {
	Cell      string
	UnitURL   string
	Generator string // program and version
	// TempDir is where the index grows before it is stored; "" is the system's.
	TempDir string
	// Progress is called as nodes are done. nil: not.
	Progress func(done, total int64)
}

func (o *Options) temp() temp { return temp{dir: o.TempDir} }

// Result is a finished index.
type Result struct {
	Index   cellfs.Staged
	Size    int64 // bytes of the zip
	Entries int64 // files of the cell in it
	Bytes   int64 // bytes of those files
}

// Build writes the index of a snapshot of the cell as it is at one point in
// time; writers go on meanwhile. The caller holds the contents ([cellfs.FS.Hold])
// from before the call until the snapshot is recorded. A content that is not there, or not in
// its size, is a [*ContentError].
func Build(ctx context.Context, f *cellfs.FS, o Options) (Result, error) {
	b := &builder{ctx: ctx, fs: f, opts: o, created: f.Now()}
	defer b.close()
	if err := b.open(); err != nil {
		return Result{}, err
	}
	if err := f.View(ctx, b.collect); err != nil {
		return Result{}, err
	}
	return b.assemble()
}

type builder struct {
	ctx     context.Context
	fs      *cellfs.FS
	opts    Options
	created time.Time

	nodes    *spool // 20_nodes.ndjson
	nodesCRC uint32
	control  []controlSet
	contents *part // 30_contents
	odata    *part // 40_odata

	tx          cellfs.Tx
	cell        cellfs.Cell
	boxes       map[int64]string // by node id
	roles       map[int64]roleName
	line        []byte
	done, total int64
	files       int64
	bytes       int64
}

type roleName struct {
	Box  string `json:"box,omitempty"`
	Name string `json:"name"`
}

// controlSet is a file of control objects. Its lines are sorted, because the order
// of the store is that of ids, which mean nothing elsewhere.
type controlSet struct {
	name  string
	lines []string
}

func (s *controlSet) add(v any) error {
	var line bytes.Buffer
	err := WriteLine(&line, v)
	s.lines = append(s.lines, line.String())
	return err
}

func (s *controlSet) text() []byte {
	slices.Sort(s.lines)
	return []byte(strings.Join(s.lines, ""))
}

func (b *builder) open() (err error) {
	if b.nodes, err = newSpool(b.opts.temp()); err != nil {
		return err
	}
	if b.contents, err = newPart(b.opts.temp()); err != nil {
		return err
	}
	b.odata, err = newPart(b.opts.temp())
	return err
}

func (b *builder) close() {
	if b.nodes != nil {
		b.nodes.close()
	}
	for _, p := range []*part{b.contents, b.odata} {
		if p != nil {
			p.close()
		}
	}
}

// collect reads the cell. It runs inside one View.
func (b *builder) collect(tx cellfs.Tx) (err error) {
	b.tx = tx
	if b.cell, err = tx.Cell(b.opts.Cell); err != nil {
		return err
	}
	if b.total, _, err = tx.Count(b.cell.Root); err != nil {
		return err
	}
	if err := b.collectControl(); err != nil {
		return err
	}
	root, err := tx.Node(b.cell.Root)
	if err != nil {
		return err
	}
	if err := b.writeNode("", &cellfs.NodeRef{Node: root}, nil); err != nil {
		return err
	}
	if err := b.contents.header(&entry{name: "30_contents/", modified: b.created}); err != nil {
		return err
	}
	return b.walk(root.ID, "")
}

// collectControl reads the control objects. Their ids stay inside: what refers
// to them is written by name.
func (b *builder) collectControl() error {
	boxes := controlSet{name: "boxes"}
	b.boxes = map[int64]string{}
	err := cellfs.EachChild(b.tx, b.cell.Root, func(n *cellfs.Node) error {
		b.boxes[n.ID] = n.Name
		if n.Name == cellfs.MainBox {
			return nil
		}
		return boxes.add(map[string]any{"name": n.Name, "schema": n.Schema})
	})
	if err != nil {
		return err
	}
	b.control = append(b.control, boxes)
	b.roles = map[int64]roleName{}
	ends := map[string]map[string]string{}
	for _, set := range ControlFiles {
		out := controlSet{name: set.Name}
		all, err := b.tx.Entities(b.cell.ID, set.Set)
		if err != nil {
			return err
		}
		for _, e := range all {
			if set.Set == cellfs.SetRole {
				b.roles[e.ID] = roleName{Box: b.boxes[e.Box], Name: e.Key}
			}
			ends[set.Set+strconv.FormatInt(e.ID, 10)] = map[string]string{"set": e.Set, "key": e.Key, "box": b.boxes[e.Box]}
			line := map[string]any{
				"key": e.Key, "box": b.boxes[e.Box], "doc": e.Doc, "created": e.Created.UnixMicro(), "updated": e.Updated.UnixMicro(),
			}
			if e.Hidden != nil {
				line["hidden"] = e.Hidden
			}
			if err := out.add(line); err != nil {
				return err
			}
		}
		if len(all) > 0 || !set.Optional {
			b.control = append(b.control, out)
		}
	}
	links := controlSet{name: "links"}
	all, err := b.tx.Links(b.cell.ID, 0)
	if err != nil {
		return err
	}
	for _, l := range all {
		from, to := ends[l.From.Set+l.From.Key], ends[l.To.Set+l.To.Key]
		if err := links.add(map[string]any{"from": from, "to": to}); err != nil {
			return err
		}
	}
	b.control = append(b.control, links)
	return nil
}

// WriteLine adds v as one line of JSON, with text as it is: it is no HTML.
func WriteLine(w *bytes.Buffer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// assemble puts the parts together into an index and stages it.
func (b *builder) assemble() (Result, error) {
	head, err := newPart(b.opts.temp())
	if err != nil {
		return Result{}, err
	}
	defer head.close()
	if err := b.writeHead(head); err != nil {
		return Result{}, err
	}
	parts := []*part{head, b.contents, b.odata}
	central, err := newSpool(b.opts.temp())
	if err != nil {
		return Result{}, err
	}
	defer central.close()
	size, err := writeCentral(central, parts)
	if err != nil {
		return Result{}, err
	}
	r, err := indexReader(parts, central, size)
	if err != nil {
		return Result{}, err
	}
	staged, err := b.fs.Stage(b.ctx, r)
	return Result{Index: staged, Size: size, Entries: b.files, Bytes: b.bytes}, err
}

// writeHead writes what is known only at the end but stands first.
func (b *builder) writeHead(p *part) error {
	manifest, err := json.Marshal(struct {
		Version   int    `json:"export_version"`
		Generator string `json:"generator"`
		UnitURL   string `json:"unit_url"`
		Cell      string `json:"cell"`
		Created   int64  `json:"create_date"` // ms
		Entries   int64  `json:"entries"`
		Bytes     int64  `json:"bytes"`
		Quota     int64  `json:"quota,omitempty"`
		Keep      int64  `json:"keep_snapshots,omitempty"`
	}{FormatVersion, b.opts.Generator, b.opts.UnitURL, b.cell.Name, b.created.UnixMilli(), b.files, b.bytes, b.cell.Quota, b.cell.Keep})
	if err != nil {
		return err
	}
	manifest = append(manifest, '\n')
	if err := p.bytes(entryOf("00_manifest.json", manifest, b.created), bytes.NewReader(manifest)); err != nil {
		return err
	}
	for i := range b.control {
		text := b.control[i].text()
		name := "10_control/" + b.control[i].name + ".ndjson"
		if err := p.bytes(entryOf(name, text, b.created), bytes.NewReader(text)); err != nil {
			return err
		}
	}
	nodes, err := b.nodes.reader()
	if err != nil {
		return err
	}
	return p.bytes(entry{name: "20_nodes.ndjson", size: b.nodes.n, crc: b.nodesCRC, modified: b.created}, nodes)
}

// writeCentral writes the central directory and the end of the zip, and returns
// the size of the whole.
func writeCentral(w *spool, parts []*part) (int64, error) {
	var base, entries int64
	var buf []byte
	for _, p := range parts {
		r, err := p.directory.reader()
		if err != nil {
			return 0, err
		}
		for {
			e, err := readRecord(r.(*bufio.Reader))
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return 0, fmt.Errorf("central directory: %w", err)
			}
			e.offset += base
			buf = appendCentral(buf[:0], &e)
			if _, err := w.Write(buf); err != nil {
				return 0, err
			}
			entries++
		}
		base += p.size
	}
	_, err := w.Write(appendEnd(nil, entries, base, w.n))
	return base + w.n, err
}
