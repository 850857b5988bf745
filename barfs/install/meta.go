package install

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"cellar/barfs"
)

var (
	roleName     = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{0,127}$`)
	relationName = regexp.MustCompile(`^[a-zA-Z0-9+-][a-zA-Z0-9_+:-]{0,127}$`)
)

// meta installs the lists of 00_meta.
func (r *run) meta() error {
	steps := []func() error{r.relations, r.roles, r.extRoles, r.rules, r.links}
	if r.a.Version == 1 {
		r.findWrong()
		steps = append([]func() error{r.manifest}, steps...)
	}
	for _, step := range steps {
		if err := r.tolerate(step()); err != nil {
			return err
		}
	}
	return nil
}

// manifest checks what version 1 checks only once the install runs.
func (r *run) manifest() error {
	name := r.logPath(barfs.ManifestFile)
	if r.beyond(name) {
		return nil
	}
	if err := r.begin(name); err != nil {
		return err
	}
	m := r.a.Manifest
	for _, f := range []struct {
		field string
		value []byte
	}{{"barVersion", m.BarVersion}, {"boxVersion", m.BoxVersion}, {"DefaultPath", m.DefaultPath}} {
		if f.value == nil {
			return barfs.Invalidf("[manifest.json#%s] file format error.", f.field)
		}
	}
	return r.endFile(name)
}

// findWrong looks for the first entry that version 1 does not allow where it lies
// (contract 3.10): the manifest first, then the parts of 00_meta by their numbers,
// then the contents. What lies before it is installed.
func (r *run) findWrong() {
	known := []string{
		barfs.ManifestFile, barfs.RelationsFile, barfs.RolesFile, barfs.ExtRolesFile, barfs.RulesFile, barfs.LinksFile, barfs.RootPropsFile,
	}
	rank := map[string]int{"": 0, "00_meta": 1}
	for i, name := range known {
		rank[name] = 2 + i
	}
	const manifest = 2
	last := -1
	r.place = map[string]int{}
	for i, e := range r.a.Entries() {
		r.place[e.Name] = i
		name, inside := strings.CutPrefix(e.Name, "bar/")
		name = strings.TrimSuffix(name, "/")
		n, ok := rank[name]
		if name == barfs.ContentsDir || strings.HasPrefix(name, barfs.ContentsDir+"/") {
			n, ok = len(known)+2, true
		}
		if r.wrong == nil && (!inside || !ok || n < last || n > manifest && last < manifest) {
			r.wrong = e
		}
		last = n
	}
}

// beyond reports whether the entry with that name is the wrong one or comes after
// it: it is not installed.
func (r *run) beyond(name string) bool {
	return r.wrong != nil && r.place[name] >= r.place[r.wrong.Name]
}

// outOfOrder is the failure at the wrong entry.
func (r *run) outOfOrder() error {
	if err := r.begin(r.wrong.Name); err != nil {
		return err
	}
	return &barfs.Invalid{Cause: barfs.CauseStructure}
}

// list installs one JSON list: what comes before a bad item is installed.
func list[T any](r *run, file, key string, complete func(*T) bool, install func(item T, i int) error) error {
	if !r.a.Has(file) {
		return nil
	}
	name := r.logPath(file)
	if r.beyond(name) {
		return nil
	}
	if r.a.Version == 2 {
		name = base(file) // the log shows no folder
	}
	if err := r.begin(name); err != nil {
		return err
	}
	if r.a.Version == 2 && r.o.Fault == nil {
		r.entry = "" // and says of a failure in no list which one it was
		// Version 2 looks at the items one by one only after reading all.
		if _, err := barfs.List(r.a, file, key, complete); err != nil {
			return err
		}
	}
	items, bad := barfs.List(r.a, file, key, complete)
	for i, item := range items {
		if err := r.tolerate(install(item, i)); err != nil {
			return err
		}
	}
	if bad != nil {
		return bad
	}
	return r.endFile(name)
}

func hasName(n *barfs.Named) bool { return n.Name != nil }

func (r *run) relations() error {
	return list(r, barfs.RelationsFile, "Relations", hasName, func(n barfs.Named, _ int) error {
		return r.named("Relation", *n.Name, relationName)
	})
}

func (r *run) roles() error {
	return list(r, barfs.RolesFile, "Roles", hasName, func(n barfs.Named, _ int) error {
		return r.named("Role", *n.Name, roleName)
	})
}

func (r *run) named(set, name string, rule *regexp.Regexp) error {
	if !rule.MatchString(name) {
		return barfs.Invalidf("request body format error. field [Name]")
	}
	return r.create(Object{Key: Key{Set: set, Name: name}})
}

func (r *run) extRoles() error {
	complete := func(e *barfs.ExtRole) bool { return e.ExtRole != nil && e.Relation != nil }
	return list(r, barfs.ExtRolesFile, "ExtRoles", complete, func(e barfs.ExtRole, _ int) error {
		return r.create(Object{Key: Key{Set: "ExtRole", Name: *e.ExtRole, Relation: *e.Relation}})
	})
}

func (r *run) rules() error {
	complete := func(x *barfs.Rule) bool { return x.Action != nil }
	return list(r, barfs.RulesFile, "Rules", complete, func(x barfs.Rule, i int) error {
		// A bar does not name its rules; the name is the same at every run.
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", r.o.Cell, r.o.Box, i))
		return r.create(Object{Key: Key{Set: "Rule", Name: hex.EncodeToString(sum[:16])}, Rule: &x})
	})
}

func (r *run) create(o Object) error {
	if err := r.emit(Step{Object: &o}, 0); err != nil {
		return err
	}
	return r.event("cellctl."+o.Set+".create", LocalCell+"__ctl/"+r.reference(o.Key), "box install")
}

// reference is how the log shows a control object: Role(Name='r',_Box.Name='b').
func (r *run) reference(k Key) string {
	if k.Set == "ExtRole" {
		return fmt.Sprintf("ExtRole(ExtRole=%s,_Relation.Name=%s,_Relation._Box.Name=%s)", quote(k.Name), quote(k.Relation), quote(r.o.Box))
	}
	return fmt.Sprintf("%s(Name=%s,_Box.Name=%s)", k.Set, quote(k.Name), quote(r.o.Box))
}

func (r *run) links() error {
	known := func(t *string) bool {
		return t != nil && (r.a.Version == 2 || *t == "Role" || *t == "Relation" || *t == "ExtRole")
	}
	complete := func(l *barfs.Link) bool {
		return known(l.FromType) && known(l.ToType) && l.FromName != nil && l.ToName != nil
	}
	return list(r, barfs.LinksFile, "Links", complete, func(l barfs.Link, _ int) error {
		from, to := linkKey(*l.FromType, l.FromName), linkKey(*l.ToType, l.ToName)
		if err := r.emit(Step{Link: &Link{From: from, To: to}}, 0); err != nil {
			return err
		}
		a, b := min(from.Set, to.Set), max(from.Set, to.Set)
		object := LocalCell + "__ctl/" + r.reference(from) + "/$links/_" + r.reference(to)
		return r.event("cellctl."+a+".links."+b+".create", object, "box install")
	})
}

func linkKey(set string, name map[string]string) Key {
	if set == "ExtRole" {
		return Key{Set: set, Name: name["ExtRole"], Relation: name["_Relation.Name"]}
	}
	return Key{Set: set, Name: name["Name"]}
}

// rootProps makes the declared collections, each with its ACL and properties.
func (r *run) rootProps() error {
	name := r.logPath(barfs.RootPropsFile)
	if r.beyond(name) {
		return r.outOfOrder()
	}
	if err := r.begin(name); err != nil {
		return err
	}
	all, err := r.a.RootProps()
	if errors.Is(err, fs.ErrNotExist) {
		err = &barfs.Invalid{Cause: barfs.CauseStructure}
	}
	if err != nil {
		return err
	}
	r.declared, r.metadata = all, map[string]bool{}
	r.resources, r.byKey = map[string]*barfs.Resource{}, map[string]*barfs.Resource{}
	for i := range all {
		r.resources[all[i].Path], r.byKey[barfs.Key(all[i].Path)] = &all[i], &all[i]
	}
	if err := r.collections(); err != nil {
		return err
	}
	return r.endFile(name)
}

// collections makes the collections as the document has them: what holds others
// must come before them (contract 3.6.4). One whose ACL has a fault is made
// without it.
func (r *run) collections() error {
	made := map[string]bool{"": true}
	for _, x := range r.declared {
		if x.Kind == barfs.File {
			continue
		}
		if !made[parentOf(x.Path)] {
			if err := r.tolerate(barfs.Invalidf("[%s/] file format error.", r.logPath(path.Join(barfs.ContentsDir, x.Path)))); err != nil {
				return err
			}
			continue
		}
		made[x.Path] = true
		c := &Collection{Path: x.Path, Kind: x.Kind, Attributes: Attributes{x.ACL, x.Props}}
		fault := checkACL(x.ACL)
		if fault != nil {
			c.Attributes = Attributes{}
		}
		err := r.emit(Step{Collection: c}, 0)
		if err = cmp.Or(r.tolerate(fault), err); err != nil {
			return err
		}
	}
	return nil
}

// Box-level privileges (contract 5.11) by namespace.
var (
	davPrivileges = map[string]bool{
		"all": true, "read": true, "read-properties": true, "read-acl": true, "write": true, "write-acl": true,
		"write-properties": true, "write-content": true, "bind": true, "unbind": true, "alter-schema": true,
	}
	personiumPrivileges = map[string]bool{"exec": true, "stream-send": true, "stream-receive": true}
)

// checkACL refuses privileges that do not exist, and gives those that many
// published bars carry in an old namespace their right one (contract 3.6.4).
func checkACL(a *barfs.ACL) error {
	if a == nil {
		return nil
	}
	switch a.RequireSchemaAuthz {
	case "", "none", "public", "confidential":
	default:
		return barfs.Invalidf("XML validate error. Cause:[Value [%s] for requireSchemaAuthz is invalid].", a.RequireSchemaAuthz)
	}
	for _, ace := range a.ACEs {
		for i, p := range ace.Privileges {
			switch {
			case personiumPrivileges[p.Local] && (p.Space == barfs.NamespaceDAV || p.Space == ""):
				ace.Privileges[i].Space = barfs.NamespacePersonium
			case p.Space == barfs.NamespaceDAV && davPrivileges[p.Local],
				p.Space == barfs.NamespacePersonium && personiumPrivileges[p.Local]:
			case p.Space == "":
				return barfs.Invalidf("XML validate error. Cause:[[%s] that can not be set in privilege].", p.Local)
			default:
				return barfs.Invalidf("XML validate error. Cause:[[{%s}%s] that can not be set in privilege].", p.Space, p.Local)
			}
		}
	}
	return nil
}

func base(name string) string { return path.Base(strings.TrimSuffix(name, "/")) }
