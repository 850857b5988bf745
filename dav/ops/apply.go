package ops

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"time"

	"cellar/barfs"
	"cellar/barfs/install"
	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/cellfs/control"
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
	// coming are roles of the box that are to be made, by name, for who plans. Their ids are negative.
	coming map[string]int64

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

// control are the control objects of the cell in the transaction of the batch.
func (a *applier) control() *control.Store {
	return &control.Store{FS: a.o.fs, Tx: a.tx, Cell: a.cell}
}

// keyed finds the set of a control object that a bar names, and its key: it belongs to the box.
// Only the sets that a bar can have objects of are looked in.
func (a *applier) keyed(k install.Key) (set *control.Set, key control.Values, ok bool) {
	switch k.Set {
	case cellfs.SetExtRole:
		key = control.Values{"ExtRole": k.Name, "_Relation.Name": k.Relation, "_Relation._Box.Name": a.job.Name}
	case cellfs.SetRelation, cellfs.SetRole, cellfs.SetRule:
		key = control.Values{"Name": k.Name, "_Box.Name": a.job.Name}
	}
	return control.SetOf(k.Set), key, key != nil
}

func (a *applier) object(o *install.Object) error {
	set, v, _ := a.keyed(o.Key)
	if o.Rule != nil {
		text, err := json.Marshal(o.Rule)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &v); err != nil { // keeps the key
			return err
		}
	}
	return installCauseOf(a.control().Add(set, v))
}

func (a *applier) link(l *install.Link) error { return installCauseOf(a.linkControl(l)) }

func (a *applier) linkControl(l *install.Link) error {
	from, fromKey, ok := a.keyed(l.From)
	to, toKey, also := a.keyed(l.To)
	if !ok || !also {
		return &barfs.Invalid{Cause: causeNoEntity}
	}
	return a.control().Link(from, fromKey, to, toKey)
}

const causeNoEntity = "No such entity."

// installCauseOf is the cause of a fault of a bar's control objects.
func installCauseOf(err error) error {
	var property *control.PropertyError
	switch {
	case errors.As(err, &property):
		return &barfs.Invalid{Cause: "The related entity [Relation] does not exist."}
	case errors.Is(err, control.ErrNone), errors.Is(err, control.ErrNoEnd), errors.Is(err, control.ErrNoAssoc):
		return &barfs.Invalid{Cause: causeNoEntity}
	case errors.Is(err, control.ErrLinked):
		return &barfs.Invalid{Cause: "Links exists already."}
	case errors.Is(err, control.ErrExists):
		return &barfs.Invalid{Cause: barfs.CauseExists}
	}
	return err
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
	if err := a.add(c.Path, &parent, &n); err != nil {
		return err
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
	return a.add(f.Path, &parent, &cellfs.Node{
		Cell: a.cell.ID, Parent: parent.ID, Name: path.Base(f.Path), Kind: cellfs.KindFile, ContentType: f.ContentType,
		Blob: blob, Size: content.Size, Version: a.gen, Created: a.now, Modified: a.now, ACL: acl, Props: props(f.Props),
	})
}

// add adds the node at a path of the box to its collection.
func (a *applier) add(at string, parent, n *cellfs.Node) error {
	height := parent.Height
	if err := cellfs.AddMember(a.tx, parent, n); err != nil {
		return asInvalid(err)
	}
	if parent.Height != height {
		a.made[path.Dir(at)] = *parent
	}
	return nil
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
// (contract 3.6.4).
func (a *applier) acl(from *barfs.ACL) (*cellfs.ACL, error) {
	if from == nil {
		return nil, nil
	}
	acl := access.Unresolved{RequireSchemaAuthz: from.RequireSchemaAuthz}
	for _, e := range from.ACEs {
		ace := access.UnresolvedACE{All: e.All, Href: e.Href}
		for _, p := range e.Privileges {
			ace.Privileges = append(ace.Privileges, cellfs.Privilege{Space: p.Space, Local: p.Local})
		}
		acl.ACEs = append(acl.ACEs, ace)
	}
	return acl.Resolve(a.role)
}

// role finds the role that an href of the bar names. Whatever its cell is called, the URL
// stands for one of this cell: only paths are resolved.
func (a *applier) role(href string) (int64, error) {
	if id, known := a.roles[href]; known {
		return id, nil
	}
	const host = "cell"
	r, ok := access.ParseRole(host+"://"+host+"/__role/"+a.job.Name+"/", href, func(u *url.URL) ([]string, bool) {
		return strings.Split(strings.TrimPrefix(u.Path, "/"), "/"), u.Host == host && !strings.Contains(href, "//")
	})
	if !ok || r.Name == "" {
		return 0, &barfs.Invalid{Cause: barfs.CauseNoRole}
	}
	id, err := access.FindRole(a.tx, &a.cell, r)
	if next, ok := a.coming[r.Name]; ok && r.Box == a.job.Name && errors.Is(err, access.ErrNoRole) {
		id, err = next, nil
	}
	switch {
	case errors.Is(err, access.ErrNoRoleBox):
		return 0, &barfs.Invalid{Cause: "Box not found url:[" + cellfs.LocalCell + "__role/" + a.job.Name + "/]."}
	case errors.Is(err, access.ErrNoRole):
		return 0, &barfs.Invalid{Cause: barfs.CauseNoRole}
	case err != nil:
		return 0, err
	}
	a.roles[href] = id
	return id, nil
}
