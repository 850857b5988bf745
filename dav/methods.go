package dav

import (
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav/target"
)

// route is what serves one method of one kind of target.
type route struct {
	serve func(*request) error
	rules []rule // who may
	// exclusive: refused while the cell is exported (contract 4.3).
	exclusive bool
}

// methods lists what every kind of target can do, and who may: the access table, which
// docs/access.md shows.
var methods map[target.Kind]map[string]route

type byMethod map[string]route

func get(f func(*request) error, rules []rule) byMethod {
	return byMethod{"GET": {serve: f, rules: rules}, "HEAD": {serve: f, rules: rules}}
}

func (m byMethod) with(more byMethod) byMethod {
	for name, r := range more {
		m[name] = r
	}
	return m
}

func (m byMethod) options(rules []rule) byMethod {
	m[http.MethodOptions] = route{serve: (*request).options, rules: rules}
	return m
}

func init() {
	propfind := func(rules []rule) route { return route{serve: (*request).propfind, rules: rules} }
	job := func(read, start func(*request) error) byMethod {
		return get(read, needs(access.Root)).with(byMethod{
			"POST":     {serve: start, exclusive: true, rules: needs(access.Root)},
			"PROPFIND": propfind(needs(access.Root)),
		}).options(needs(access.Root))
	}
	ctl := func(reads, writes []rule) byMethod {
		change := route{serve: (*request).ctl, rules: writes}
		return get((*request).ctl, reads).with(byMethod{"POST": change, "PUT": change, "MERGE": change, "DELETE": change}).options(open)
	}
	copyMove := (*request).copyMove
	methods = map[target.Kind]map[string]route{
		target.Unit:       get((*request).getUnit, open).with(byMethod{"PROPFIND": propfind(adminOnly)}).options(open),
		target.Token:      byMethod{"POST": {serve: (*request).token, rules: open}}.options(open),
		target.MyPassword: byMethod{"PUT": {serve: (*request).changePassword, rules: []rule{{who: ownAccount, all: access.Auth}}}}.options(open),
		target.Event: byMethod{
			"POST":      {serve: (*request).postEvent, rules: needs(access.Event)},
			"PROPFIND":  {serve: (*request).notImplemented, rules: open},
			"PROPPATCH": {serve: (*request).notImplemented, rules: open},
		}.options(needs(access.Event)),
		target.BoxURL:      get((*request).boxURL, []rule{{who: boxReader}}).options(open),
		target.CrossDomain: get((*request).crossDomain, open).options(open),
		target.Cell: get((*request).getCell, open).with(byMethod{
			"MKCOL":     {serve: (*request).mkcolCell, rules: unitUsers},
			"DELETE":    {serve: (*request).deleteCell, rules: adminOnly},
			"PROPFIND":  propfind(needs(access.Propfind)),
			"PROPPATCH": {serve: (*request).proppatch, rules: adminOnly},
			"ACL":       {serve: (*request).setACL, rules: needs(access.ACL)},
		}).options(needsAny(access.SocialRead | access.Propfind)),
		target.Ctl:     ctl(controlRules(true), controlRules(false)),
		target.UnitCtl: ctl(unitUsers, unitUsers),
		target.Export:  job((*request).getExport, (*request).postExport),
		target.Import:  job((*request).getImport, (*request).postImport),
		target.Entity:  get((*request).getEntity, needs(access.Read)).options(needs(access.Read)),
		target.OData: get((*request).getSchema, needs(access.Read)).with(byMethod{
			"POST":   {serve: (*request).changeOData, rules: postingOData},
			"PUT":    {serve: (*request).changeOData, rules: changingOData},
			"MERGE":  {serve: (*request).changeOData, rules: changingOData},
			"DELETE": {serve: (*request).changeOData, rules: changingOData},
		}).options(needs(access.Read)),
		target.Snapshots: byMethod{"PROPFIND": propfind(needs(access.Root))}.options(needs(access.Root)),
		target.Snapshot: get((*request).get, needs(access.Root)).with(byMethod{
			"DELETE":   {serve: (*request).deleteSnapshot, rules: needs(access.Root)},
			"PROPFIND": propfind(needs(access.Root)),
			"COPY":     {serve: (*request).copySpecial, rules: needs(access.Root)},
		}).options(needs(access.Root)),
		target.Logs: byMethod{"PROPFIND": propfind(needs(access.LogRead))}.options(needs(access.LogRead)),
		target.Log: get((*request).getLog, needs(access.LogRead)).with(byMethod{
			"PROPFIND": propfind(needs(access.LogRead)),
			"DELETE":   {serve: (*request).deleteLog, rules: needs(access.Log)},
			"COPY":     {serve: (*request).copySpecial, rules: needs(access.LogRead)},
		}).options(needs(access.LogRead)),
		target.Box: get((*request).getBox, []rule{
			{who: privileged, all: access.Read}, {who: privileged, all: access.ReadACL, when: asBar},
		}).with(byMethod{
			"MKCOL": {serve: (*request).mkcolBox, rules: []rule{
				{who: privileged, where: above, all: access.BoxInstall, when: withBar},
				{who: privileged, where: above, all: access.Box, when: withNone},
			}},
			"DELETE":    {serve: (*request).delete, rules: needsAbove(access.Box)},
			"COPY":      {serve: copyMove, rules: needs(access.Read)},
			"MOVE":      {serve: copyMove, rules: needsAbove(access.Box)},
			"PROPFIND":  propfind(needs(access.ReadProperties)),
			"PROPPATCH": {serve: (*request).proppatch, rules: needs(access.WriteProperties)},
			"ACL":       {serve: (*request).setACL, rules: needs(access.WriteACL)},
			"LOCK":      {serve: (*request).lock, rules: lockingBox},
			"UNLOCK":    {serve: (*request).unlock, rules: lockingBox},
		}).options(needs(access.Read)),
		target.Resource: get((*request).get, needs(access.Read)).with(byMethod{
			"PUT":       {serve: (*request).put, rules: writing},
			"DELETE":    {serve: (*request).delete, rules: needsAbove(access.Unbind)},
			"MKCOL":     {serve: (*request).mkcol, rules: needsAbove(access.Bind)},
			"COPY":      {serve: copyMove, rules: needs(access.Read)},
			"MOVE":      {serve: copyMove, rules: needsAbove(access.Unbind)},
			"PROPFIND":  propfind(needs(access.ReadProperties)),
			"PROPPATCH": {serve: (*request).proppatch, rules: needs(access.WriteProperties)},
			"ACL":       {serve: (*request).setACL, rules: needs(access.WriteACL)},
			"LOCK":      {serve: (*request).lock, rules: locking},
			"UNLOCK":    {serve: (*request).unlock, rules: locking},
		}).options(needs(access.Read)),
	}
}

// allow is the Allow header of a kind of target, without some of its methods.
func allow(k target.Kind, but ...string) string {
	all := []string{"OPTIONS"}
	for m := range methods[k] {
		if m != http.MethodOptions && !slices.Contains(but, m) {
			all = append(all, m)
		}
	}
	slices.Sort(all[1:])
	return strings.Join(all, ", ")
}

// allowNow is the Allow header of a refusal: without the methods that the resource, as it is
// now, does not have (RFC 9110, 10.2.1).
func (q *request) allowNow(err error) string {
	switch {
	case q.target.Kind != target.Resource:
	case errors.Is(err, cellfs.ErrIsCollection):
		return allow(q.target.Kind, "PUT", "MKCOL")
	case q.Method == "MKCOL" && errors.Is(err, fs.ErrExist):
		return allow(q.target.Kind, "MKCOL")
	}
	return allow(q.target.Kind)
}

// options answers OPTIONS with credentials: what the resource can do.
func (q *request) options() error {
	davHeaders(q.w.Header())
	q.w.Header().Set("Allow", allow(q.target.Kind))
	q.w.Header().Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusOK)
	return nil
}
