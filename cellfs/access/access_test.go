package access

import (
	"math/rand/v2"
	"testing"

	"cellar/cellfs"
)

// TestHierarchy: each privilege includes what contract 5.10 and 5.11 say,
// and nothing else.
func TestHierarchy(t *testing.T) {
	below := map[Set]Set{
		Auth: AuthRead, Message: MessageRead, Event: EventRead, Log: LogRead, Social: SocialRead, Box: BoxRead | BoxInstall,
		ACL: ACLRead, Rule: RuleRead, Read: ReadProperties, Write: Bind | Unbind | WriteContent | WriteProperties,
		All:  Read | ReadProperties | ReadACL | Write | Bind | Unbind | WriteContent | WriteProperties | WriteACL | Exec | AlterSchema | StreamSend | StreamReceive,
		Root: ^Set(0) & (end - 1) &^ Root,
	}
	seen := Set(0)
	for _, p := range privileges {
		if seen&p.set != 0 {
			t.Errorf("%s is there twice", p.set)
		}
		seen |= p.set
		if got := Parse(p.name); got != p.set|below[p.set] {
			t.Errorf("%s includes %s, want %s", p.set, got, p.set|below[p.set])
		}
	}
	if seen != end-1 {
		t.Errorf("privileges without a name: %b", end-1&^seen)
	}
	for _, wrong := range []cellfs.Privilege{dav("root"), personium("read"), dav("exec"), personium("box-export"), {}} {
		if Parse(wrong) != 0 {
			t.Errorf("%v means something", wrong)
		}
	}
	for word, want := range map[string]Set{"root": Root, "box": Box, "read": 0, "exec": 0, "openid": 0, "": 0} {
		if got := Whole().Narrow(word).Set(); got&OfCell != want|below[want]&OfCell {
			t.Errorf("scope %q is %s", word, got)
		}
	}
}

// TestScopeOnlyShrinks: whatever is asked for of a scope, what comes out has nothing more;
// nothing left is not everything, and stays nothing.
func TestScopeOnlyShrinks(t *testing.T) {
	for _, c := range []struct {
		of    Scope
		asked string
		want  string
	}{
		{Whole(), "root", "root"},
		{Whole(), "box-read  nonsense openid box-read", "box-read"},
		{Whole(), "log box", "log box"},
		{Whole(), "nonsense", ""},
		{Whole(), "", ""},
		{Whole().Narrow("box log-read"), "box-install log-read root log", "box-install log-read"},
		{Whole().Narrow("box-read"), "root", ""},
		{Whole().Narrow("box-read"), "box", ""},
		{Whole().Narrow("nonsense"), "root", ""},
		{Scope{}, "root", ""},
		{Scope{}, "", ""},
	} {
		got := c.of.Narrow(c.asked)
		if got.String() != c.want || got.Empty() != (c.want == "") || got.Set()&^c.of.Set() != 0 {
			t.Errorf("%q of %q is %q, %s", c.asked, c.of, got, got.Set())
		}
		if got.Empty() && got != (Scope{}) {
			t.Errorf("%q of %q is empty, and not the zero scope", c.asked, c.of)
		}
	}
	words := []string{"root", "nonsense"}
	for _, p := range OfCell.Names() {
		words = append(words, p.Local)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		s := Whole()
		for range 4 {
			asked := words[rnd.IntN(len(words))] + " " + words[rnd.IntN(len(words))]
			next := s.Narrow(asked)
			if next.Set()&^s.Set() != 0 {
				t.Fatalf("%q of %q is %q", asked, s, next)
			}
			if again := Whole().Narrow(next.String()); again != next {
				t.Fatalf("%q read again is %q", next, again)
			}
			s = next
		}
	}
	if Whole().Bounded() || !(Scope{}).Bounded() || !Whole().Narrow("log").Bounded() {
		t.Error("Bounded is wrong")
	}
}

// TestGranted: ACLs add up; privileges of the cell come only from its own.
func TestGranted(t *testing.T) {
	acl := func(role int64, names ...cellfs.Privilege) *cellfs.ACL {
		return &cellfs.ACL{ACEs: []cellfs.ACE{{Role: role, Privileges: names}}}
	}
	levels := []cellfs.Level{{Depth: 1, ACL: acl(1, personium("log"))}, {Depth: 2, ACL: acl(2, dav("read"))}, {Depth: 3, ACL: acl(0, dav("bind"), personium("root"))}}
	for _, c := range []struct {
		roles []int64
		want  Set
	}{
		{nil, Bind | Parse(dav("all"))}, // root, below the cell, is all but what is the cell's
		{[]int64{1}, Bind | Parse(dav("all")) | Log | LogRead},
	} {
		if got := Granted(levels, c.roles); got != c.want {
			t.Errorf("roles %v have %s, want %s", c.roles, got, c.want)
		}
	}
	if got := Granted(levels[:2], []int64{2}); got != Read|ReadProperties {
		t.Errorf("role 2 has %s", got)
	}
}

// TestRequired: the nearest ACL that says something counts, and that of the cell does not.
func TestRequired(t *testing.T) {
	level := func(depth int, text string) cellfs.Level {
		return cellfs.Level{Depth: depth, ACL: &cellfs.ACL{RequireSchemaAuthz: text}}
	}
	for _, c := range []struct {
		levels []cellfs.Level
		want   Authz
	}{
		{nil, AuthzNone},
		{[]cellfs.Level{level(1, "confidential")}, AuthzNone},
		{[]cellfs.Level{level(1, ""), level(2, "public"), level(3, "")}, AuthzPublic},
		{[]cellfs.Level{level(2, "confidential"), level(4, "none")}, AuthzNone},
		{[]cellfs.Level{level(2, "none"), level(4, "confidential")}, AuthzConfidential},
	} {
		if got := Required(c.levels); got != c.want {
			t.Errorf("%v requires %d, want %d", c.levels, got, c.want)
		}
	}
}
