package dav

import (
	"errors"
	"io/fs"
	"slices"

	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/dav/answer"
)

// who names the callers that a rule admits.
type who int

const (
	unset         who = iota // the rule was forgotten: only the admin gets in
	anyone                   // also anonymous callers
	admin                    // only the unit admin, and the owner of the cell
	unitUser                 // unit users, and the unit admin
	privileged               // who has the privileges
	ownAccount               // an account, for what is its own; privileges are asked only of the scope
	boxReader                // who may read the box that the work finds, which judges that
	authenticated            // who is not anonymous; besides a rule that asks for privileges
)

// where names the resource whose ACLs must grant the privileges of a rule.
type where int

const (
	here  where = iota // the resource that the URL names; what is above, if there is none
	above              // the collection that holds it
)

// rule is a row of the access table (contract 5.10 to 5.12): who may use a
// method of a kind of resource. Of several rules all that apply must hold.
type rule struct {
	who   who
	where where
	all   access.Set // that are needed, each of them
	any   access.Set // or one of these
	when  applies    // nil: always
}

// applies says when a rule applies.
type applies *struct {
	text  string // as the documentation has it
	holds func(q *request, at *cellfs.Place) bool
}

func when(text string, holds func(*request, *cellfs.Place) bool) applies {
	return &struct {
		text  string
		holds func(*request, *cellfs.Place) bool
	}{text, holds}
}

var (
	isNew      = when("nothing is there", func(_ *request, at *cellfs.Place) bool { return at.Node == nil })
	isThere    = when("something is there", func(_ *request, at *cellfs.Place) bool { return at.Node != nil })
	asBar      = when("Accept asks for a bar", func(q *request, _ *cellfs.Place) bool { return q.wantsBar() })
	ofSchema   = when("it is of the schema", func(q *request, _ *cellfs.Place) bool { return q.changesSchema() })
	ofEntities = when("it is of entities", func(q *request, _ *cellfs.Place) bool { return !q.changesSchema() && !q.isBatch() })
	ofBatch    = when("it is a batch, whose requests are judged one by one", func(q *request, _ *cellfs.Place) bool { return q.isBatch() })
	withBar    = when("with a body", func(q *request, _ *cellfs.Place) bool { return q.installs() })
	withNone   = when("without a body", func(q *request, _ *cellfs.Place) bool { return !q.installs() })
)

// installs reports whether a MKCOL on a box brings a bar, or what should be one.
func (q *request) installs() bool {
	return q.ContentLength != 0 || q.sendsZip()
}

func needs(all access.Set) []rule      { return []rule{{who: privileged, all: all}} }
func needsAbove(all access.Set) []rule { return []rule{{who: privileged, where: above, all: all}} }
func needsAny(any access.Set) []rule   { return []rule{{who: privileged, any: any}} }

// Rules of their own.
var (
	open      = []rule{{who: anyone}}
	adminOnly = []rule{{who: admin}}
	unitUsers = []rule{{who: unitUser}}
	writing   = []rule{
		{who: privileged, where: above, all: access.Bind, when: isNew},
		{who: privileged, all: access.WriteContent, when: isThere},
	}
	// A lock belongs to a caller, so that an anonymous one cannot take it even where all may
	// write.
	locking       = append(writing[:len(writing):len(writing)], rule{who: authenticated})
	lockingBox    = append(needs(access.WriteContent), rule{who: authenticated})
	changingOData = []rule{
		{who: privileged, all: access.Write, when: ofEntities},
		{who: privileged, all: access.AlterSchema, when: ofSchema},
	}
	postingOData = append(changingOData[:len(changingOData):len(changingOData)], rule{who: privileged, any: access.Read | access.Write, when: ofBatch})
	// destination is for what COPY and MOVE make. Both are needed where something is
	// replaced.
	destination = []rule{
		{who: privileged, where: above, all: access.Bind},
		{who: privileged, where: above, all: access.Unbind, when: isThere},
	}
)

// errNeedsAdmin: only the unit admin may (contract 5.12).
var errNeedsAdmin = answer.New(answer.AdminOnly)

// admitted refuses a caller whom the rules do not admit. It runs before the work, so that such a
// caller learns nothing else. That something is missing at the path is no error here: the work
// finds that. The transaction of a change judges once more.
func (q *request) admitted(p cellfs.Path, rules []rule) error {
	if q.caller.MayAll() || q.owns(p) {
		return nil
	}
	at, err := q.h.fs.Find(q.Context(), p)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, cellfs.ErrInstalling) && !errors.Is(err, cellfs.ErrTooDeep) {
		return err
	}
	return q.judge(&at, rules)
}

// owns reports whether the caller may do everything at a path as the owner of its cell. Who owns
// the cell of the request need not own that of its Destination.
func (q *request) owns(p cellfs.Path) bool {
	return p.Cell() == q.target.Path.Cell() && q.caller.MayAllIn(q.caller.Owned)
}

// mayAll reports whether the caller may do everything in the cell of the request.
func (q *request) mayAll() bool { return q.caller.MayAll() || q.owns(q.target.Path) }

// judge applies the rules to the resource at a place.
func (q *request) judge(at *cellfs.Place, rules []rule) error {
	if q.caller.MayAllIn(cellOf(at)) {
		return nil
	}
	for i := range rules {
		r := &rules[i]
		if r.when != nil && !r.when.holds(q, at) {
			continue
		}
		if err := q.apply(r, at); err != nil {
			return err
		}
	}
	if len(rules) == 0 {
		return q.denied()
	}
	return nil
}

func (q *request) apply(r *rule, at *cellfs.Place) error {
	switch r.who {
	case anyone, boxReader:
		return nil
	case ownAccount:
		if q.caller.Own() == "" {
			return q.unauthorized()
		}
		if !q.caller.MustChange() && lacks(q.caller.Scope.Set(), r.all, 0) {
			return insufficientScope(r.all)
		}
		return nil
	case authenticated:
		if !q.caller.Known() {
			return q.unauthorized()
		}
		return nil
	case admin:
		if q.caller.Admin {
			return insufficientScope(access.Root)
		}
		if q.caller.Known() {
			return errNeedsAdmin
		}
		return q.unauthorized()
	case unitUser:
		switch {
		case !q.caller.Known():
			return q.unauthorized()
		case !q.caller.Admin && !q.caller.UnitUser:
			return errNeedsAdmin
		case q.caller.Scope.Bounded():
			return insufficientScope(access.Root)
		}
		return nil
	case privileged:
		levels := at.Above
		if r.where == here {
			levels = at.Levels()
		}
		return q.has(levels, at.Schema, r.all, r.any)
	}
	return q.denied()
}

// has returns an error unless the caller has, by the ACLs, each privilege of all and one
// of any; schema is that of the box.
func (q *request) has(levels []cellfs.Level, schema string, all, any access.Set) error {
	ofCell := (all|any)&access.OfCell != 0
	if !ofCell {
		if err := q.schemaAllows(access.Required(levels), schema); err != nil {
			return err
		}
	}
	set := access.Granted(levels, q.caller.Roles) | q.caller.Has()
	if lacks(set, all, any) {
		if q.caller.Admin {
			return insufficientScope(all | any)
		}
		return q.denied()
	}
	// The scope of a token bounds only the privileges of the cell (contract 5.5).
	if ofCell && q.caller.Known() && lacks(q.caller.Scope.Set(), all, any) {
		return insufficientScope(all | any)
	}
	return nil
}

// lacks reports whether a set has not each privilege of all, or none of any.
func lacks(set, all, any access.Set) bool { return all&^set != 0 || any != 0 && any&set == 0 }

// insufficientScope is the answer to a token whose scope lacks a privilege that its account has.
func insufficientScope(needed access.Set) error {
	return answer.New(answer.Scope, needed)
}

// schemaAllows refuses a caller who does not come through the application that an ACL asks for
// (contract 5.13).
func (q *request) schemaAllows(required access.Authz, schema string) error {
	switch {
	case required == access.AuthzNone:
		return nil
	case !q.caller.Known():
		return q.unauthorized()
	case q.caller.Schema == "":
		return answer.New(answer.NoApplication)
	case q.caller.Schema != q.h.urls.Local(schema):
		return answer.New(answer.OtherApplication)
	case q.caller.Authz < required:
		return answer.New(answer.ApplicationLevel)
	}
	return nil
}

// schemaAllowsBelow is schemaAllows for everything below a collection. ACLs only grant, so that
// nothing else can be stricter there than at the collection.
func (q *request) schemaAllowsBelow(tx cellfs.Tx, at *cellfs.Place) error {
	if q.caller.MayAllIn(cellOf(at)) || at.Node == nil || !at.Node.IsCollection() {
		return nil
	}
	all, err := tx.AuthzBelow(at.Node.Cell, at.Node.ID)
	if err != nil {
		return err
	}
	for _, authz := range all {
		required, _ := access.ParseAuthz(authz)
		if err := q.schemaAllows(required, at.Schema); err != nil {
			return err
		}
	}
	return nil
}

// ofCell reports whether the rules ask for privileges of the cell. These do not depend on an
// application: a caller who may remove boxes may remove the box of any application.
func ofCell(rules []rule) bool {
	return slices.ContainsFunc(rules, func(r rule) bool { return (r.all|r.any)&access.OfCell != 0 })
}

// denied is the answer to a caller who lacks a privilege: 401 to an anonymous caller, 403 to others.
func (q *request) denied() error {
	if !q.caller.Known() {
		return q.unauthorized()
	}
	return answer.New(answer.NoPrivilege)
}
