// Package access says who may do what: the privileges of cells and of what is in their
// boxes, and what the ACLs on the way to a resource grant to a caller
// (contract 5.10 to 5.12). It knows nothing of how a caller is recognised.
package access

import (
	"slices"
	"strings"

	"cellar/cellfs"
)

// Set is a set of privileges.
type Set uint64

// The privileges. Those of cells (contract 5.10) come first, then those of
// boxes and what is in them (contract 5.11). The first of a group includes the others.
const (
	Root Set = 1 << iota
	Auth
	AuthRead
	Message
	MessageRead
	Event
	EventRead
	Log
	LogRead
	Social
	SocialRead
	Box
	BoxRead
	BoxInstall
	ACL
	ACLRead
	Propfind
	Rule
	RuleRead
	Sign

	All
	Read
	ReadProperties
	ReadACL
	Write
	Bind
	Unbind
	WriteContent
	WriteProperties
	WriteACL
	Exec
	AlterSchema
	StreamSend
	StreamReceive

	end
)

// OfCell are the privileges that only the ACL of a cell can grant.
const OfCell = All - 1

const (
	davSpace       = "DAV:"
	personiumSpace = "urn:x-personium:xmlns"
)

// privileges lists every privilege with what it includes besides itself.
var privileges = []struct {
	set      Set
	name     cellfs.Privilege
	includes Set
}{
	{Root, personium("root"), end - 1 - Root},
	{Auth, personium("auth"), AuthRead},
	{AuthRead, personium("auth-read"), 0},
	{Message, personium("message"), MessageRead},
	{MessageRead, personium("message-read"), 0},
	{Event, personium("event"), EventRead},
	{EventRead, personium("event-read"), 0},
	{Log, personium("log"), LogRead},
	{LogRead, personium("log-read"), 0},
	{Social, personium("social"), SocialRead},
	{SocialRead, personium("social-read"), 0},
	{Box, personium("box"), BoxRead | BoxInstall},
	{BoxRead, personium("box-read"), 0},
	{BoxInstall, personium("box-install"), 0},
	{ACL, personium("acl"), ACLRead},
	{ACLRead, personium("acl-read"), 0},
	{Propfind, personium("propfind"), 0},
	{Rule, personium("rule"), RuleRead},
	{RuleRead, personium("rule-read"), 0},
	{Sign, personium("sign"), 0},

	{All, dav("all"), end - 1 - OfCell - All},
	{Read, dav("read"), ReadProperties},
	{ReadProperties, dav("read-properties"), 0},
	{ReadACL, dav("read-acl"), 0},
	{Write, dav("write"), Bind | Unbind | WriteContent | WriteProperties},
	{Bind, dav("bind"), 0},
	{Unbind, dav("unbind"), 0},
	{WriteContent, dav("write-content"), 0},
	{WriteProperties, dav("write-properties"), 0},
	{WriteACL, dav("write-acl"), 0},
	{Exec, personium("exec"), 0},
	{AlterSchema, dav("alter-schema"), 0},
	{StreamSend, personium("stream-send"), 0},
	{StreamReceive, personium("stream-receive"), 0},
}

func dav(local string) cellfs.Privilege { return cellfs.Privilege{Space: davSpace, Local: local} }
func personium(local string) cellfs.Privilege {
	return cellfs.Privilege{Space: personiumSpace, Local: local}
}

// byName has for every name the privilege with all that it includes.
var byName = func() map[cellfs.Privilege]Set {
	m := map[cellfs.Privilege]Set{}
	for _, p := range privileges {
		m[p.name] = p.set | p.includes
	}
	return m
}()

// Parse returns the privilege with that name and all that it includes; 0 for a name
// that means nothing.
func Parse(name cellfs.Privilege) Set { return byName[name] }

// Names lists the privileges in the set, in their order.
func (s Set) Names() (all []cellfs.Privilege) {
	for _, p := range privileges {
		if s&p.set != 0 {
			all = append(all, p.name)
		}
	}
	return all
}

// String lists the names, without their namespaces and separated by commas.
func (s Set) String() string {
	var all []string
	for _, n := range s.Names() {
		all = append(all, n.Local)
	}
	return strings.Join(all, ", ")
}

// Granted is what the ACLs grant to all callers, and to those that have one of the roles. ACLs only
// grant, so that a resource has at least what the ACLs above it grant.
func Granted(levels []cellfs.Level, roles []int64) (s Set) {
	for _, l := range levels {
		granted := Of(l.ACL, roles)
		if l.Depth > 1 {
			granted &^= OfCell
		}
		s |= granted
	}
	return s
}

// Of is what one ACL grants; nil grants nothing.
func Of(a *cellfs.ACL, roles []int64) (s Set) {
	if a == nil {
		return 0
	}
	for i := range a.ACEs {
		e := &a.ACEs[i]
		if e.Role != 0 && !slices.Contains(roles, e.Role) {
			continue
		}
		for _, p := range e.Privileges {
			s |= Parse(p)
		}
	}
	return s
}
