package access

import (
	"errors"
	"io/fs"
	"net/url"

	"cellar/cellfs"
)

// Errors of [FindRole].
var (
	ErrNoRole    = errors.New("there is no such role")
	ErrNoRoleBox = errors.New("there is no such box")
)

// Role names a role of a cell, as its URL {CellURL}__role/{Box}/{Name} does.
type Role struct {
	Box  string // [cellfs.MainBox] for a role of the cell
	Name string
}

// ParseRole reads the URL of a role, which may be relative to base. segments returns the names
// below the cell of an absolute URL, and false for a URL of anything else.
func ParseRole(base, href string, segments func(*url.URL) ([]string, bool)) (r Role, ok bool) {
	u, err := url.Parse(base)
	if err != nil {
		return r, false
	}
	ref, err := url.Parse(href)
	if err != nil {
		return r, false
	}
	names, ok := segments(u.ResolveReference(ref))
	if !ok || len(names) != 3 || names[0] != "__role" {
		return r, false
	}
	return Role{names[1], names[2]}, true
}

// Href is the URL of the role relative to {CellURL}__role/{box}/.
func (r Role) Href(box string) string {
	if r.Box == box {
		return r.Name
	}
	return "../" + r.Box + "/" + r.Name
}

// FindRole returns the id of a role. It returns [ErrNoRole] and [ErrNoRoleBox].
func FindRole(tx cellfs.Tx, c *cellfs.Cell, r Role) (int64, error) {
	var box int64
	if r.Box != cellfs.MainBox {
		n, err := tx.Child(c.Root, r.Box)
		if errors.Is(err, fs.ErrNotExist) {
			err = ErrNoRoleBox
		}
		if err != nil {
			return 0, err
		}
		box = n.ID
	}
	e, err := tx.Entity(c.ID, box, cellfs.SetRole, r.Name)
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNoRole
	}
	return e.ID, err
}

// Names finds what roles are called, each once. The zero value is ready.
type Names struct {
	roles map[int64]Role // without a name: deleted
	boxes map[int64]string
}

// Known returns the role with that id if it was loaded, the zero Role for one that is gone.
func (n *Names) Known(id int64) (r Role, ok bool) {
	r, ok = n.roles[id]
	return r, ok
}

// Load looks for the role with that id, unless it is known.
func (n *Names) Load(tx cellfs.Tx, id int64) error {
	if _, known := n.roles[id]; known {
		return nil
	}
	if n.roles == nil {
		n.roles, n.boxes = map[int64]Role{}, map[int64]string{}
	}
	e, err := tx.EntityByID(id)
	if errors.Is(err, fs.ErrNotExist) {
		n.roles[id] = Role{}
		return nil
	}
	if err != nil {
		return err
	}
	r := Role{Box: cellfs.MainBox, Name: e.Key}
	if e.Box != 0 {
		if _, known := n.boxes[e.Box]; !known {
			box, err := tx.Node(e.Box)
			if err != nil {
				return errors.Join(errors.New("box of a role"), err)
			}
			n.boxes[e.Box] = box.Name
		}
		r.Box = n.boxes[e.Box]
	}
	n.roles[id] = r
	return nil
}
