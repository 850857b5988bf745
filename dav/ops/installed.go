package ops

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"strconv"

	"cellar/cellfs"
	"cellar/jobs"
)

// installed is what a bar made of a box: by path what each resource was like when the install ended. It is kept
// as the content that the job's row names, so that an update knows what was changed since.
type installed map[string]asInstalled

// asInstalled is a resource as the bar made it.
type asInstalled struct {
	Content string `json:"c,omitempty"` // hash; "" for a collection
	Meta    string `json:"m"`           // digest of type, ACL and properties
}

// reader tells what resources of a box are like.
type reader struct {
	tx    cellfs.Tx
	box   int64
	roles map[int64]string // names that were looked for
}

func newReader(tx cellfs.Tx, box int64) *reader { return &reader{tx, box, map[int64]string{}} }

// asNow is a resource as it is.
func (r *reader) asNow(n *cellfs.Node) (a asInstalled, err error) {
	if !n.IsCollection() {
		if a.Content, err = contentOf(r.tx, n.Blob); err != nil {
			return a, err
		}
	}
	a.Meta, err = r.meta(n)
	return a, err
}

func contentOf(tx cellfs.Tx, blob int64) (string, error) {
	if blob == 0 {
		return "empty", nil
	}
	b, err := tx.Blob(blob)
	return b.Hash.String(), err
}

// meta is a digest of type, ACL and properties. Roles go in by their names, so that it is the same in each cell:
// what one bar makes of many boxes is stored once.
func (r *reader) meta(n *cellfs.Node) (string, error) {
	var acl []any
	if n.ACL != nil {
		acl = []any{n.ACL.RequireSchemaAuthz}
		for _, e := range n.ACL.ACEs {
			role, err := r.role(e.Role)
			if err != nil {
				return "", err
			}
			acl = append(acl, role, e.Privileges)
		}
	}
	text, err := json.Marshal([]any{n.ContentType, acl, n.Props})
	sum := sha256.Sum256(text)
	return base64.RawStdEncoding.EncodeToString(sum[:12]), err
}

// role names a role: one of the box by its name alone.
func (r *reader) role(id int64) (string, error) {
	if name, known := r.roles[id]; known || id == 0 {
		return name, nil
	}
	e, err := r.tx.EntityByID(id)
	switch {
	case errors.Is(err, fs.ErrNotExist): // it is gone, and grants nothing
		e.Key = "#" + strconv.FormatInt(id, 10)
	case err != nil:
		return "", err
	case e.Box != r.box:
		e.Key = strconv.FormatInt(e.Box, 10) + "/" + e.Key
	}
	r.roles[id] = e.Key
	return e.Key, nil
}

// installedNow notes what is in a box, but for user data.
func (o *Ops) installedNow(ctx context.Context, box int64) (all installed, err error) {
	all = installed{}
	err = o.fs.View(ctx, func(tx cellfs.Tx) error {
		n, err := tx.Node(box)
		if err != nil {
			return err
		}
		return all.add(newReader(tx, box), &n, "")
	})
	return all, err
}

func (all installed) add(r *reader, n *cellfs.Node, path string) error {
	a, err := r.asNow(n)
	if err != nil {
		return err
	}
	all[path] = a
	if !n.IsCollection() || n.Kind == cellfs.KindOData {
		return nil
	}
	return cellfs.EachChild(r.tx, n.ID, func(m *cellfs.Node) error { return all.add(r, m, join(path, m.Name)) })
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}

// keepInstalled stores what is in a box, for the row of its job.
func (o *Ops) keepInstalled(ctx context.Context, all installed) (cellfs.Staged, error) {
	text, err := json.Marshal(all)
	if err != nil {
		return cellfs.Staged{}, err
	}
	return o.fs.Stage(ctx, bytes.NewReader(text))
}

// lastInstalled is what the last install or update of a box made; nil if that is not known.
func (o *Ops) lastInstalled(ctx context.Context, cell, box int64) (all installed, err error) {
	var content cellfs.Content
	err = o.fs.View(ctx, func(tx cellfs.Tx) error {
		rows, err := tx.JobsOf(cell, box)
		if err != nil {
			return err
		}
		var input int64
		for _, r := range rows {
			if r.State == string(jobs.Succeeded) && r.Input != 0 {
				input = r.Input
			}
		}
		if input == 0 {
			return fs.ErrNotExist
		}
		content, err = o.fs.OpenTx(ctx, tx, input)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer content.Close()
	text, err := io.ReadAll(content)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	return all, err
}
