package ops

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"cellar/barfs"
	"cellar/barfs/install"
	"cellar/cellfs"
)

// applier performs the steps of one batch.
type applier struct {
	*target
	tx   cellfs.Tx
	gen  int64
	now  time.Time
	made map[string]cellfs.Node // by this batch; the target learns of them after the commit
	// roles are those found so far, by the href that names them: ACLs often name the same.
	roles map[string]int64

	events []cellfs.Event // of the batch, added at its end
}

func (a *applier) apply(s *install.Step) error {
	switch {
	case s.Event != nil:
		a.events = append(a.events, event(a.cell.ID, a.job.RequestKey, a.now, s.Event.Type, s.Event.Object, s.Event.Info))
		return nil
	case s.Object != nil:
		return a.object(s.Object)
	case s.Link != nil:
		return a.link(s.Link)
	case s.Collection != nil:
		return a.collection(s.Collection)
	case s.File != nil:
		return a.file(s.File)
	case s.DataLink != nil:
		return a.dataLink(s.DataLink)
	}
	return errors.New("empty step")
}

// entityKey is how the store identifies a control object within its box.
func entityKey(k install.Key) string {
	if k.Set == cellfs.SetExtRole {
		return k.Name + " " + k.Relation
	}
	return k.Name
}

func (a *applier) object(o *install.Object) error {
	doc := map[string]any{"Name": o.Name}
	switch o.Set {
	case cellfs.SetExtRole:
		if _, err := a.tx.Entity(a.cell.ID, a.box, cellfs.SetRelation, o.Relation); err != nil {
			return missing(err, "The related entity [Relation] does not exist.")
		}
		doc = map[string]any{"ExtRole": o.Name, "_Relation.Name": o.Relation}
	case cellfs.SetRule:
		text, err := json.Marshal(o.Rule)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			return err
		}
		doc["Name"] = o.Name
		if doc["EventExternal"] == nil {
			doc["EventExternal"] = false
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	return asInvalid(a.tx.AddEntity(&cellfs.Entity{
		Cell: a.cell.ID, Box: a.box, Set: o.Set, Key: entityKey(o.Key), Doc: text, Created: a.now, Updated: a.now,
	}))
}

// missing is the cause for something the bar refers to but that is not there.
func missing(err error, cause string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &barfs.Invalid{Cause: cause}
	}
	return err
}

func (a *applier) link(l *install.Link) error {
	from, err := a.end(l.From)
	if err != nil {
		return err
	}
	to, err := a.end(l.To)
	if err != nil {
		return err
	}
	err = a.tx.AddLink(cellfs.Link{Cell: a.cell.ID, From: from, To: to})
	if errors.Is(err, fs.ErrExist) {
		return &barfs.Invalid{Cause: "Links exists already."}
	}
	return err
}

func (a *applier) end(k install.Key) (cellfs.End, error) {
	e, err := a.tx.Entity(a.cell.ID, a.box, k.Set, entityKey(k))
	if err != nil {
		return cellfs.End{}, missing(err, "No such entity.")
	}
	return cellfs.End{Set: k.Set, Key: strconv.FormatInt(e.ID, 10)}, nil
}

// at finds a collection of the box.
func (a *applier) at(p string) (cellfs.Node, error) {
	if p == "." {
		p = ""
	}
	if n, ok := a.made[p]; ok {
		return n, nil
	}
	if n, ok := a.nodes[p]; ok {
		return n, nil
	}
	return cellfs.Node{}, barfs.FileFormat(barfs.RootPropsFile)
}

var kinds = map[barfs.Kind]cellfs.Kind{
	barfs.Collection: cellfs.KindCollection, barfs.OData: cellfs.KindOData, barfs.Service: cellfs.KindService,
}

func (a *applier) collection(c *install.Collection) error {
	acl, err := a.acl(c.ACL)
	if err != nil {
		return err
	}
	if c.Path == "" {
		box, err := a.at("")
		if err != nil {
			return err
		}
		changed := box
		changed.ACL, changed.Props = acl, props(c.Props)
		a.made[""] = changed
		return a.tx.SetNode(&box, &changed, a.now)
	}
	parent, err := a.at(path.Dir(c.Path))
	if err != nil {
		return err
	}
	if strings.Count(c.Path, "/") >= cellfs.MaxDepth {
		return asInvalid(cellfs.ErrTooDeep)
	}
	n := cellfs.Node{
		Cell: a.cell.ID, Parent: parent.ID, Name: path.Base(c.Path), Kind: kinds[c.Kind], Version: a.gen,
		Created: a.now, Modified: a.now, ACL: acl, Props: props(c.Props),
	}
	if err := a.tx.AddNode(&n); err != nil {
		return asInvalid(err)
	}
	a.made[c.Path] = n
	return nil
}

func (a *applier) file(f *install.File) error {
	acl, err := a.acl(f.ACL)
	if err != nil {
		return err
	}
	parent, err := a.at(path.Dir(f.Path))
	if err != nil {
		return err
	}
	content := f.Content.(cellfs.Staged)
	blob, err := content.Add(a.tx)
	if err != nil {
		return err
	}
	return asInvalid(a.tx.AddNode(&cellfs.Node{
		Cell: a.cell.ID, Parent: parent.ID, Name: path.Base(f.Path), Kind: cellfs.KindFile, ContentType: f.ContentType,
		Blob: blob, Size: content.Size, Version: a.gen, Created: a.now, Modified: a.now, ACL: acl, Props: props(f.Props),
	}))
}

func (a *applier) dataLink(l *install.DataLink) error {
	col, err := a.at(l.Collection)
	if err != nil {
		return err
	}
	err = a.tx.AddLink(cellfs.Link{
		Cell: a.cell.ID, Node: col.ID, From: cellfs.End{Set: l.FromType, Key: l.FromID}, To: cellfs.End{Set: l.ToType, Key: l.ToID},
	})
	if errors.Is(err, fs.ErrExist) {
		return &barfs.Invalid{Cause: "Links exists already."}
	}
	return err
}

func props(list []barfs.Prop) (out []cellfs.Property) {
	for _, p := range list {
		q := cellfs.Property{Space: p.Name.Space, Local: p.Name.Local, Lang: p.Lang}
		q.XML = cellfs.ElementWith(p.Name, p.Lang, p.Attr, p.Inner)
		out = append(out, q)
	}
	return cellfs.ApplyPatches(nil, patches(out))
}

func patches(props []cellfs.Property) (out []cellfs.PropPatch) {
	for _, p := range props {
		out = append(out, cellfs.PropPatch{Property: p})
	}
	return out
}

// acl resolves the roles of an ACL against {cell}__role/{box}/
// (spec/bar-format.md §4.4).
func (a *applier) acl(from *barfs.ACL) (*cellfs.ACL, error) {
	if from == nil {
		return nil, nil
	}
	acl := &cellfs.ACL{RequireSchemaAuthz: from.RequireSchemaAuthz}
	for _, e := range from.ACEs {
		ace := cellfs.ACE{}
		if !e.All {
			role, ok := a.roles[e.Href]
			if !ok {
				var err error
				if role, err = a.role(e.Href); err != nil {
					return nil, err
				}
				a.roles[e.Href] = role
			}
			ace.Role = role
		}
		for _, p := range e.Privileges {
			ace.Privileges = append(ace.Privileges, cellfs.Privilege{Space: p.Space, Local: p.Local})
		}
		acl.ACEs = append(acl.ACEs, ace)
	}
	return acl, nil
}

// role finds the role that href names. The host stands for this cell's,
// whatever its URL: only paths are resolved.
func (a *applier) role(href string) (int64, error) {
	base := url.URL{Scheme: "cell", Host: "cell", Path: "/__role/" + a.job.Name + "/"}
	ref, err := url.Parse(href)
	if err != nil {
		return 0, &barfs.Invalid{Cause: barfs.CauseNoRole}
	}
	rest, ok := strings.CutPrefix(base.ResolveReference(ref).Path, "/__role/")
	box, name, two := strings.Cut(rest, "/")
	if !ok || !two || name == "" || strings.Contains(name, "/") || ref.Host != "" {
		return 0, &barfs.Invalid{Cause: barfs.CauseNoRole}
	}
	var boxID int64
	if box != cellfs.MainBox {
		n, err := a.tx.Child(a.cell.Root, box)
		if err != nil {
			return 0, missing(err, "Box not found url:["+cellfs.LocalCell+"__role/"+a.job.Name+"/].")
		}
		boxID = n.ID
	}
	role, err := a.tx.Entity(a.cell.ID, boxID, cellfs.SetRole, name)
	if err != nil {
		return 0, missing(err, barfs.CauseNoRole)
	}
	return role.ID, nil
}
