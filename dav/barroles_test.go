package dav_test

import (
	"strings"
	"testing"

	"cellar/barfs/bartest"
	"cellar/dav/davtest"
)

// TestRolesOfABarAreOfItsCell: an ACL of a bar names roles by paths. The URL of another server, or
// one that looks like that of the cell, names none (contract 3.6.4).
func TestRolesOfABarAreOfItsCell(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Role("cell1", "editor")
	for href, found := range map[string]bool{
		"reader": true, "../__/editor": true, "../__/reader": false, "": false, "../../__role/__/editor": true,
		"//cell/__role/__/editor": false, "cell://cell/__role/__/editor": false, "http://cell/__role/__/editor": false,
		"https://other.example/cell1/__role/__/editor": false, "?editor": false,
	} {
		box := "/cell1/" + strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' {
				return r
			}
			return '-'
		}, "b"+href)
		acl := `<acl xml:base="https://app.example/__role/__/" xmlns="DAV:"><ace><principal><href>` + href + `</href></principal>` +
			`<grant><privilege><read/></privilege></grant></ace></acl>`
		bar := bartest.New("").Meta("20_roles.json", `{"Roles":[{"Name":"reader"}]}`).Collection("d", acl).Bytes()
		s.Request("MKCOL", box).WithHeader("Content-Type", "application/zip").WithBytes(bar).Expect().Status(202)
		state := s.WaitBox(box)
		if !found {
			state.Value("status").IsEqual("installation failed")
			continue
		}
		state.Value("status").IsEqual("ready")
		if got := s.Propfind(box+"/d", "0", "")[0].Props["{DAV:}acl"]; !strings.Contains(got, "href") {
			t.Errorf("%s: %s", href, got)
		}
	}
}
