package control_test

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"cellar/cellfs"
	"cellar/cellfs/cellfstest"
	"cellar/cellfs/control"
)

// dump shows all control objects and links of a cell.
func dump(t *testing.T, f *cellfs.FS) string {
	t.Helper()
	var b strings.Builder
	err := f.View(t.Context(), func(tx cellfs.Tx) error {
		cells, err := tx.Cells()
		for _, c := range cells {
			fmt.Fprintln(&b, c.Name, c.ID)
			s, serr := control.In(f, tx, c.Name)
			for _, set := range control.Sets() {
				all, lerr := s.List(set)
				serr = errors.Join(serr, lerr)
				for _, o := range all {
					fmt.Fprint(&b, set.Name, o.Version)
					for _, name := range slices.Sorted(maps.Keys(o.Values)) {
						fmt.Fprintf(&b, " %s=%v", name, o.Values[name])
					}
					fmt.Fprintln(&b)
				}
			}
			links, lerr := tx.Links(c.ID, 0)
			fmt.Fprintln(&b, links)
			err = errors.Join(err, serr, lerr)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func set(name string) *control.Set { return control.SetOf(name) }

var me, one = control.Values{"Name": "me"}, control.Values{"Name": "one"}

func seed(t *testing.T, f *cellfs.FS) {
	t.Helper()
	if _, err := f.CreateCell(t.Context(), "c", ""); err != nil {
		t.Fatal(err)
	}
	err := inCell(f)(t, func(s *control.Store) error {
		for _, x := range []struct {
			set string
			v   control.Values
		}{
			{control.SetBox, control.Values{"Name": "b"}}, {cellfs.SetAccount, me}, {cellfs.SetRole, one},
			{cellfs.SetRole, control.Values{"Name": "boxed", "_Box.Name": "b"}}, {cellfs.SetRelation, control.Values{"Name": "rel"}},
			{cellfs.SetExtRole, control.Values{"ExtRole": "https://x.example/__role/__/r", "_Relation.Name": "rel"}},
		} {
			if _, err := s.Create(set(x.set), x.v, nil); err != nil {
				return err
			}
		}
		return s.Link(set(cellfs.SetAccount), me, set(cellfs.SetRole), one)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func inCell(f *cellfs.FS) func(t *testing.T, fn func(*control.Store) error) error {
	return func(t *testing.T, fn func(*control.Store) error) error {
		return f.Update(t.Context(), func(tx cellfs.Tx) error {
			s, err := control.In(f, tx, "c")
			if err != nil {
				return err
			}
			return fn(s)
		})
	}
}

// operations are all that changes control objects.
var operations = map[string]func(t *testing.T, f *cellfs.FS) error{
	"create": func(t *testing.T, f *cellfs.FS) error {
		return inCell(f)(t, func(s *control.Store) error {
			_, err := s.Create(set(cellfs.SetRole), control.Values{"Name": "new", "_Box.Name": "b"}, nil)
			return err
		})
	},
	"create box": func(t *testing.T, f *cellfs.FS) error {
		return inCell(f)(t, func(s *control.Store) error {
			_, err := s.Create(set(control.SetBox), control.Values{"Name": "new"}, nil)
			return err
		})
	},
	"update": func(t *testing.T, f *cellfs.FS) error {
		return inCell(f)(t, func(s *control.Store) error {
			_, err := s.Update(set(cellfs.SetRole), one, control.Change{Given: control.Values{"Name": "two", "_Box.Name": "b"}})
			return err
		})
	},
	"rename box": func(t *testing.T, f *cellfs.FS) error {
		return inCell(f)(t, func(s *control.Store) error {
			_, err := s.Update(set(control.SetBox), control.Values{"Name": "b"}, control.Change{Given: control.Values{"Name": "b2", "Schema": "urn:x"}})
			return err
		})
	},
	"delete": func(t *testing.T, f *cellfs.FS) error {
		return inCell(f)(t, func(s *control.Store) error { return s.Delete(set(cellfs.SetAccount), me, nil) })
	},
	"link": func(t *testing.T, f *cellfs.FS) error {
		return inCell(f)(t, func(s *control.Store) error {
			return s.Link(set(cellfs.SetRole), control.Values{"Name": "boxed", "_Box.Name": "b"}, set(cellfs.SetAccount), me)
		})
	},
	"unlink": func(t *testing.T, f *cellfs.FS) error {
		return inCell(f)(t, func(s *control.Store) error { return s.Unlink(set(cellfs.SetRole), one, set(cellfs.SetAccount), me) })
	},
	"create cell": func(t *testing.T, f *cellfs.FS) error {
		_, err := control.CreateCell(t.Context(), f, control.Values{"Name": "d"}, "")
		return err
	},
	"rename cell": func(t *testing.T, f *cellfs.FS) error {
		_, err := control.UpdateCell(t.Context(), f, control.Values{"Name": "c"}, control.Change{Given: control.Values{"Name": "d"}})
		return err
	},
}

// TestFaults makes every store call of every change fail, in both ways: the objects are
// as before or as after, and the store is sound.
func TestFaults(t *testing.T) {
	for name, op := range operations {
		for _, kind := range []cellfstest.Fault{cellfstest.NotStored, cellfstest.Stored} {
			t.Run(fmt.Sprintf("%s/%s", name, kind), func(t *testing.T) {
				done := changed(t, op)
				for n := 1; ; n++ {
					var faults cellfstest.Faults
					m, b := cellfstest.NewMemMeta(), cellfstest.NewMemBlobs()
					f := cellfs.New(cellfs.Config{
						Meta: cellfstest.FaultyMeta{Meta: m, Faults: &faults}, Blobs: cellfstest.FaultyBlobs{Blobs: b, Faults: &faults},
						Snapshots: cellfstest.NoSnapshots{}, Log: slog.New(slog.DiscardHandler),
					})
					seed(t, f)
					before := dump(t, f)
					faults.Arm(n, kind)
					err := op(t, f)
					hit := faults.Disarm()
					if hit != errors.Is(err, cellfstest.ErrFault) || !hit && err != nil {
						t.Fatalf("call %d: hit %v, but the change = %v", n, hit, err)
					}
					if after := dump(t, f); after != before && after != done {
						t.Errorf("call %d: the objects are\n%s, before\n%s", n, after, before)
					}
					cellfstest.CheckStore(t, f)
					if !hit {
						if n == 1 {
							t.Error("the change makes no call that could fail")
						}
						return
					}
				}
			})
		}
	}
}

// changed shows the objects after the change.
func changed(t *testing.T, op func(*testing.T, *cellfs.FS) error) string {
	t.Helper()
	f := cellfs.New(cellfs.Config{Meta: cellfstest.NewMemMeta(), Blobs: cellfstest.NewMemBlobs(), Snapshots: cellfstest.NoSnapshots{}})
	seed(t, f)
	if err := op(t, f); err != nil {
		t.Fatal(err)
	}
	return dump(t, f)
}

// TestForms is the form of every property that has one, on both sides of its limits.
func TestForms(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	for _, c := range []struct {
		set, property string
		good, bad     []string
	}{
		{control.SetBox, "Name", []string{"b", "B-_9", long(128)}, []string{"", "_b", "__", long(129), "a b", "ü"}},
		{control.SetBox, "Schema", []string{"https://a.example/", "http://a/b/", "urn:x", "personium-localunit:/a/", "https://a/" + long(1013) + "/"},
			[]string{"", "https://a.example", "ftp://a/", "urn:", "a", "https://a/?q/", "https://a/../b/", "https://a/" + long(1014) + "/"}},
		{cellfs.SetAccount, "Name", []string{"a", "A.b@c!$*=^`{|}~", long(128)}, []string{"", ".a", long(129), "a b", "a/b"}},
		{cellfs.SetAccount, "Type", []string{"basic", "oidc:google", "basic oidc:google"}, []string{"", "other", "basic "}},
		{cellfs.SetAccount, "Status", []string{"active", "deactivated", "passwordChangeRequired"}, []string{"", "gone"}},
		{cellfs.SetAccount, "IPAddressRange", []string{"192.0.2.1", "192.0.2.0/24,::1"}, []string{"", "x", "192.0.2.0/33"}},
		{cellfs.SetRole, "Name", []string{"r", long(128)}, []string{"", "-r", long(129), "a/b"}},
		{cellfs.SetRelation, "Name", []string{"+r", "-r", "a:b+c", long(128)}, []string{"", "_r", long(129), ":a"}},
		{cellfs.SetExtCell, "Url", []string{"https://a.example/c/"}, []string{"", "https://a.example/c", "c"}},
		{cellfs.SetRule, "Action", []string{"log", "log.warn", "exec", "relay.event"}, []string{"", "log.", "delete"}},
		{cellfs.SetRule, "EventInfo", []string{"", strings.Repeat("é", control.MaxText)}, []string{strings.Repeat("é", control.MaxText+1), "\xff"}},
	} {
		for _, p := range set(c.set).Properties {
			if p.Name != c.property {
				continue
			}
			for _, good := range c.good {
				if !p.Fits(good) {
					t.Errorf("%s %s: %.60q is refused", c.set, c.property, good)
				}
			}
			for _, bad := range c.bad {
				if p.Fits(bad) {
					t.Errorf("%s %s: %.60q is taken", c.set, c.property, bad)
				}
			}
		}
	}
}
