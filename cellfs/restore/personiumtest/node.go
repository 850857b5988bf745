package personiumtest

import (
	"maps"
	"slices"
	"strings"
)

// The values of "t" in .pmeta.
const (
	typeCell    = "Cell"
	typeBox     = "col.box"
	typeWebDAV  = "col.webdav"
	typeOData   = "col.odata"
	typeService = "col.svc"
	typeStream  = "col.stream"
	typeFile    = "dav.file"
)

// Node is a resource: a directory below 20_webdav with its .pmeta. Methods that
// change it return it, so that calls chain.
type Node struct {
	cell     *Cell
	box      *Box
	name     string
	meta     map[string]any
	content  []byte // of files; never nil there
	children []*Node
}

func (c *Cell) newNode(name, typ string) *Node {
	now := c.now()
	return &Node{cell: c, name: name, meta: map[string]any{
		"i": c.NewID(), "t": typ, "p": now, "u": now, "v": 1,
		"a": map[string]any{}, "d": map[string]any{},
	}}
}

func (n *Node) add(name, typ string) *Node {
	child := n.cell.newNode(name, typ)
	child.box = n.box
	n.children = append(n.children, child)
	return child
}

// AddCollection makes a plain collection. Names are taken raw, as they are after
// URL decoding; Personium forbids \ / : * ? " < > |, blanks and control
// characters, and this method does not check.
func (n *Node) AddCollection(name string) *Node { return n.add(name, typeWebDAV) }

// AddStream makes a stream collection.
func (n *Node) AddStream(name string) *Node { return n.add(name, typeStream) }

// AddService makes a service collection and, below it, the collection __src of
// its sources; [Node.Source] is the latter.
func (n *Node) AddService(name string) *Node {
	service := n.add(name, typeService)
	service.add("__src", typeWebDAV)
	return service
}

// Source is the __src of a service collection.
func (n *Node) Source() *Node {
	i := slices.IndexFunc(n.children, func(child *Node) bool { return child.name == "__src" })
	return n.children[i]
}

// AddFile makes a file. An empty content type is a PUT without that header, which
// Personium stores as null.
func (n *Node) AddFile(name, contentType string, content []byte) *Node {
	file := n.add(name, typeFile)
	file.content = append([]byte{}, content...)
	file.meta["ct"] = orNull(contentType)
	file.meta["cl"] = len(content)
	file.meta["et"] = "NONE"
	return file
}

// Update is a PUT over a file that exists.
func (n *Node) Update(contentType string, content []byte) *Node {
	n.content = append([]byte{}, content...)
	n.meta["ct"] = orNull(contentType)
	n.meta["cl"] = len(content)
	return n.changed()
}

// changed is what every change does but that of the ACL.
func (n *Node) changed() *Node {
	n.meta["u"] = n.cell.now()
	return n.saved()
}

func (n *Node) saved() *Node {
	if v, ok := n.meta["v"].(int); ok {
		n.meta["v"] = v + 1
	}
	return n
}

// ID is the node id. That of a box or a cell is another than the id of its
// document, and refers to nothing.
func (n *Node) ID() string { return n.meta["i"].(string) }

// Meta is a value of .pmeta.
func (n *Node) Meta(key string) any { return n.meta[key] }

// ETag is the one that Personium answers, with its quotes.
func (n *Node) ETag() string {
	return `"` + jsonText(n.meta["v"]) + "-" + jsonText(n.meta["u"]) + `"`
}

// SetMeta puts a key of .pmeta to any value; [Raw] is possible.
func (n *Node) SetMeta(key string, value any) *Node {
	n.meta[key] = value
	return n
}

// DropMeta leaves a key of .pmeta out, as files of older versions do.
func (n *Node) DropMeta(keys ...string) *Node {
	for _, key := range keys {
		delete(n.meta, key)
	}
	return n
}

// SetProperty is a PROPPATCH of one dead property; xml is the element as it is
// stored, such as [Element] makes.
func (n *Node) SetProperty(space, local, xml string) *Node {
	n.meta["d"].(map[string]any)[local+"@"+space] = xml
	return n.changed()
}

// Element is the text of a property as Personium keeps it: no XML declaration, and
// a declaration of every prefix that was in scope in the request, used or not.
func Element(prefix, space, local, inner string) string {
	var b strings.Builder
	b.WriteString("<" + prefix + ":" + local)
	b.WriteString(` xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"`)
	if prefix != "D" && prefix != "p" {
		b.WriteString(" xmlns:" + prefix + `="` + space + `"`)
	}
	if inner == "" {
		b.WriteString("/>")
		return b.String()
	}
	b.WriteString(">" + inner + "</" + prefix + ":" + local + ">")
	return b.String()
}

// Ace is an entry of an ACL.
type Ace struct {
	// Role is the principal; nil is everybody (D:all).
	Role *Entity
	// RoleID stands for the id of Role if it is not empty.
	RoleID string
	// Privileges are names such as "read" or "exec"; their namespace is known.
	Privileges []string
}

// davPrivileges are those in the DAV: namespace. All others, those of the cell
// level too, are in Personium's own. "alter-schema" is in DAV: there.
var davPrivileges = []string{
	"all", "read", "read-properties", "read-acl", "write", "write-acl", "bind", "unbind",
	"write-content", "write-properties", "alter-schema",
}

// SetACL is an ACL request. Without requireSchemaAuthz ("") there is no key for it.
// Like Personium it raises the version and leaves the time of the last change.
func (n *Node) SetACL(requireSchemaAuthz string, aces ...Ace) *Node {
	list := []any{}
	for _, ace := range aces {
		var privileges []any
		for _, name := range ace.Privileges {
			privileges = append(privileges, map[string]any{qualified(name): map[string]any{}})
		}
		list = append(list, ace.json("", privileges))
	}
	acl := map[string]any{"D.ace": list}
	if requireSchemaAuthz != "" {
		acl["@p.requireSchemaAuthz"] = requireSchemaAuthz
	}
	n.meta["a"] = acl
	return n.saved()
}

// SetOldACL is an ACL as version 1.7.20 and before stored it, in data that has
// lived through the updates: null for empty elements, an object where a list has
// one element, and the other key for requireSchemaAuthz.
func (n *Node) SetOldACL(requireSchemaAuthz string, aces ...Ace) *Node {
	var list []any
	for _, ace := range aces {
		var privileges []any
		for _, name := range ace.Privileges {
			privileges = append(privileges, map[string]any{qualified(name): nil})
		}
		list = append(list, ace.json(nil, single(privileges)))
	}
	n.meta["a"] = map[string]any{"@requireSchemaAuthz": requireSchemaAuthz, "D.ace": single(list)}
	return n.saved()
}

func (a Ace) json(all, privileges any) map[string]any {
	principal := map[string]any{"D.all": all}
	switch {
	case a.RoleID != "":
		principal = map[string]any{"D.href": a.RoleID}
	case a.Role != nil:
		principal = map[string]any{"D.href": a.Role.id}
	}
	return map[string]any{
		"D.principal": principal,
		"D.grant":     map[string]any{"D.privilege": privileges},
	}
}

func qualified(privilege string) string {
	if slices.Contains(davPrivileges, privilege) {
		return "D." + privilege
	}
	return "p." + privilege
}

func single(list []any) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

// entries are the directory, its .pmeta, its content and its children, in the
// order in which they were added.
func (n *Node) entries(parent string) Entries {
	dir := parent
	if n.name != "" {
		dir += n.name + "/"
	}
	all := Entries{{Name: dir}, {Name: dir + ".pmeta", Data: []byte(jsonText(maps.Clone(n.meta)))}}
	if n.content != nil {
		all = append(all, Entry{Name: dir + "content", Data: n.content})
	}
	for _, child := range n.children {
		all = append(all, child.entries(dir)...)
	}
	return all
}
