package personiumtest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sort"
	"strings"
)

// firstMoment is the time of the first document, in epoch milliseconds; every
// later step is stepMillis later.
const (
	firstMoment = 1_546_300_800_123 // 2019-01-01T00:00:00.123Z
	stepMillis  = 1_007
)

// Cell is a cell of a Personium unit. The exported fields may be changed before
// anything is added.
type Cell struct {
	// Name is the name at the time of the export.
	Name string
	// UnitURL ends in a slash; it appears in the manifest only.
	UnitURL string
	// Owner is the hidden owner: a URL of another unit, or one of this unit in
	// the personium-localunit scheme. Empty leaves the key out.
	Owner string
	// ExportVersion is the one of the manifest.
	ExportVersion int

	seed     string
	ids      int
	moments  int64
	doc      *Entity
	root     *Node
	mainBox  *Box
	entities []*Entity
	links    []link
}

// link is a document of 80_link.pjson.
type link struct {
	id     string
	source map[string]any
}

// New is a cell with nothing but its own document and metadata. Cells of
// different names have different ids.
func New(name string) *Cell {
	c := &Cell{
		Name:          name,
		UnitURL:       "https://unit.example/",
		Owner:         "personium-localunit:unitadmin:/#owner",
		ExportVersion: 2,
		seed:          name,
	}
	c.doc = c.newEntity("Cell")
	c.doc.s["Name"] = name
	c.mainBox = &Box{cell: c, id: c.doc.id}
	return c
}

// ID is the internal id, which is the one of the main box too.
func (c *Cell) ID() string { return c.doc.id }

// NewID is a further id: 16 bytes like those of a random UUID in base64url
// without padding, 22 characters.
func (c *Cell) NewID() string {
	c.ids++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", c.seed, c.ids))
	sum[6] = sum[6]&0x0f | 0x40
	sum[8] = sum[8]&0x3f | 0x80
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// hexID is an id of 32 hex digits, as messages, rules and user data get when the
// request names none.
func (c *Cell) hexID() string {
	c.ids++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/hex/%d", c.seed, c.ids))
	return fmt.Sprintf("%x", sum[:16])
}

// now moves the clock on.
func (c *Cell) now() int64 {
	c.moments++
	return firstMoment + c.moments*stepMillis
}

// Root is the cell as a resource: the top of 20_webdav, for its ACL and
// properties.
func (c *Cell) Root() *Node {
	if c.root == nil {
		c.root = c.newNode("", typeCell)
		c.root.meta["cs"] = "normal"
	}
	return c.root
}

// Box is a box. The main box has no document and shares the id of the cell.
type Box struct {
	*Entity // nil in the main box

	cell *Cell
	id   string
	root *Node
}

// AddBox creates a box; schema may be "". Its directory comes with the first
// call of [Box.Root].
func (c *Cell) AddBox(name, schema string) *Box {
	e := c.addEntity("Box")
	e.s["Name"] = name
	e.s["Schema"] = orNull(schema)
	return &Box{Entity: e, cell: c, id: e.id}
}

// MainBox is the box that every cell has.
func (c *Cell) MainBox() *Box { return c.mainBox }

// Root is the box as a resource. As in Personium nothing is on the disk before
// the box is first opened, so a box on which Root was never called has no entry
// in 20_webdav.
func (b *Box) Root() *Node {
	if b.root == nil {
		name := b.id
		if b.Entity == nil {
			name = "__"
		}
		b.root = b.cell.newNode(name, typeBox)
		b.root.box = b
		parent := b.cell.Root()
		parent.children = append(parent.children, b.root)
	}
	return b.root
}

// pairs are the types that n:n links join.
var pairs = map[string]bool{
	"Account Role":            true,
	"Account ReceivedMessage": true, // read marks
	"ExtCell Role":            true,
	"ExtCell Relation":        true,
	"ExtRole Role":            true,
	"Relation Role":           true,
}

// Link links two entities of the cell n:n, in either order: an account, external
// cell, external role or relation with a role, an external cell with a relation,
// an account with a received message.
func (c *Cell) Link(a, b *Entity) {
	if a.typ > b.typ {
		a, b = b, a
	}
	if !pairs[a.typ+" "+b.typ] {
		panic("personiumtest: no n:n link between " + a.typ + " and " + b.typ)
	}
	c.AddLink(a.typ, a.id, b.typ, b.id, nil, nil)
}

// AddLink adds a link document as it is: the types (or ids of entity types), the
// ids, and the ids of box and OData collection (nil in links of the cell).
func (c *Cell) AddLink(t1, k1, t2, k2 string, box, node any) {
	now := c.now()
	c.links = append(c.links, link{k1 + "-" + k2, map[string]any{
		"type": "link", "c": c.ID(), "b": box, "n": node,
		"t1": t1, "k1": k1, "t2": t2, "k2": k2, "p": now, "u": now,
	}})
}

// indexName is the name of the storage index that holds the type: one for the
// cells of the unit, and one for each owner and type.
func (c *Cell) indexName(typ string) string {
	if typ == "Cell" {
		return "u0_ad.cell"
	}
	owner := c.Owner
	if owner == "" {
		owner = "anon"
	}
	owner = strings.ToLower(owner)
	if _, fragment, ok := strings.Cut(owner, "#"); ok {
		owner = fragment
	}
	owner = strings.TrimSuffix(owner, "/")
	owner = strings.NewReplacer("https://", "", "http://", "", "/", "__", ":", "__", ".", "_").Replace(owner)
	return "u0_" + owner + "." + strings.ToLower(typ)
}

// lines are the documents of a type as text, sorted by id, each with its LF.
func (c *Cell) lines(typ string) string {
	byID := map[string]string{}
	for _, e := range c.entities {
		if e.typ == typ {
			byID[e.id] = c.document(typ, e.id, e.source())
		}
	}
	if typ == "link" {
		for _, l := range c.links {
			byID[l.id] = c.document(typ, l.id, l.source)
		}
	}
	ids := make([]string, 0, len(byID))
	for id := range byID {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(byID[id])
		b.WriteByte('\n')
	}
	return b.String()
}

func (c *Cell) document(typ, id string, source map[string]any) string {
	return jsonText(map[string]any{
		"_index": c.indexName(typ), "_type": typ, "_id": id, "_source": source,
	})
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
